"""Independent PPO by TorchRL on the PettingZoo door: agents share a network, and its masks are TorchRL's.

    make examples                     # or, in an environment with requirements.txt beside this file:
    python examples/torchrl/ippo.py --scenario tiny --frames 10000 --seed 0

A frame is a step of all agents of a world. Prints the figure beside `greedy` on the same unseen seeds.
"""

import argparse

import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.envs import ExplorationType, PettingZooWrapper, RewardSum, TransformedEnv, set_exploration_type
from torchrl.modules import MaskedCategorical, MultiAgentMLP, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss, ValueEstimators

from agents.learned.scaling import Scaler
from edge6g_env import parallel_env
from edge6g_env.must_decide import MustDecide, without_hold
from eval.frames import compare, play

SEEN, MASK, REWARD = ("node", "observation", "observation"), ("node", "action_mask"), ("node", "reward")
BATCH, EPOCHS, MINIBATCH, GAMMA, LAMBDA, RATE = 1000, 10, 250, 0.99, 0.95, 5e-4


def network(layout, agents, outputs):
    """Observations (..., N, D) in their units to (..., N, outputs), each agent by itself."""
    sizes = {"n_agent_inputs": len(layout.observation), "n_agent_outputs": outputs, "n_agents": agents}
    return nn.Sequential(Scaler(layout.observation), MultiAgentMLP(**sizes, centralized=False, share_params=True))


class Learned:
    """What `play` asks for: the most probable action of each agent."""

    privileged = needs_candidates = False

    def __init__(self, actor):
        self.actor = actor

    @torch.no_grad()
    def act(self, obs, rng):
        seen, mask = torch.from_numpy(obs["observation"]), torch.from_numpy(without_hold(obs["action_mask"])).bool()
        node = TensorDict({"observation": {"observation": seen}, "action_mask": mask}, seen.shape[:2])
        with set_exploration_type(ExplorationType.DETERMINISTIC):
            return self.actor(TensorDict({"node": node}, seen.shape[:1]))["node", "action"].numpy()


def train(scenario, frames, seed):
    torch.manual_seed(seed)
    world = MustDecide(parallel_env(scenario, skip_idle=True))  # a step ends where some agent has a job to decide
    env = TransformedEnv(PettingZooWrapper(world, seed=seed), RewardSum(in_keys=[REWARD]))
    size = world.layout, world.num_agents
    logits = TensorDictModule(network(*size, world.layout.num_actions), [SEEN], [("node", "logits")])
    keys = {"in_keys": {"logits": ("node", "logits"), "mask": MASK}, "out_keys": [env.action_key]}
    actor = ProbabilisticActor(logits, **keys, distribution_class=MaskedCategorical, return_log_prob=True)
    critic = ValueOperator(network(*size, 1), [SEEN], [("node", "state_value")])
    loss = ClipPPOLoss(actor, critic, entropy_coeff=0.01, normalize_advantage=True)
    ends = {"done": ("node", "done"), "terminated": ("node", "terminated")}
    loss.set_keys(reward=REWARD, action=env.action_key, value=("node", "state_value"), **ends)
    loss.make_value_estimator(ValueEstimators.GAE, gamma=GAMMA, lmbda=LAMBDA)
    optimizer = torch.optim.Adam(loss.parameters(), RATE)
    for done, batch in enumerate(Collector(env, actor, frames_per_batch=BATCH, total_frames=frames), start=1):
        for _ in range(EPOCHS):
            with torch.no_grad():
                loss.value_estimator(batch, params=loss.critic_network_params)
            for rows in torch.randperm(len(batch)).split(MINIBATCH):
                losses = loss(batch[rows])
                optimizer.zero_grad()
                (losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]).backward()
                nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
                optimizer.step()
        print(f"{done * BATCH:,} frames, {batch['next', *REWARD].sum(1).mean():.3f} a frame", flush=True)
    return actor


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("scenario", "tiny"), ("frames", 10_000), ("seed", 0), ("seeds", 20)):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    args = parser.parse_args()
    actor = train(args.scenario, args.frames, args.seed)
    episodes = play(args.scenario, {"greedy": "greedy", "torchrl": lambda layout: Learned(actor)}, args.seeds)
    print(compare(episodes)[["policy", "reward_per_job"]].to_string(index=False))
