"""Independent PPO by RLlib (new API stack) with its masking module, on the PettingZoo parallel door: agents share a network.

    make examples                     # or, in an environment with requirements.txt beside this file:
    python examples/rllib/masked_ppo.py --scenario tiny --steps 10000 --seed 0

A step is one of all agents of a world. Prints the figure beside `greedy` on the same unseen seeds.
"""

import argparse

import numpy as np
import ray
import torch
from gymnasium.spaces import Box, Dict
from pettingzoo.utils import BaseParallelWrapper
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.rllib.examples.rl_modules.classes.action_masking_rlm import ActionMaskingTorchRLModule
from ray.tune.registry import register_env

from agents.learned.scaling import Scaler
from edge6g_env import parallel_env
from edge6g_env.must_decide import MustDecide, without_hold
from eval.frames import compare, play

BATCH = 1000


class ForRllib(BaseParallelWrapper):
    """The module looks for `observations` beside `action_mask`, both of floats; numbers are scaled, too."""

    def __init__(self, env):
        super().__init__(env)
        self.scaler, layout = Scaler(env.layout.observation), env.layout
        seen, mask = Box(-10, 10, (len(layout.observation),)), Box(0, 1, (layout.num_actions,))
        self.space = Dict({"observations": seen, "action_mask": mask})

    def observation_space(self, agent):
        return self.space

    def renamed(self, obs):
        seen = self.scaler(torch.from_numpy(np.stack([one["observation"] for one in obs.values()]))).numpy()
        masks = (one["action_mask"].astype(np.float32) for one in obs.values())
        return {a: {"observations": o, "action_mask": m} for a, o, m in zip(obs, seen, masks, strict=True)}

    def reset(self, seed=None, options=None):
        obs, infos = self.env.reset(seed, options)
        return self.renamed(obs), infos

    def step(self, actions):
        obs, *others = self.env.step(actions)
        return self.renamed(obs), *others


class Learned:
    """What `play` asks for: the most probable action of each agent."""

    privileged = needs_candidates = False

    def __init__(self, module, layout):
        self.module, self.scaler = module, Scaler(layout.observation)

    @torch.no_grad()
    def act(self, obs, rng):
        own = obs["observation"], without_hold(obs["action_mask"])
        seen, mask = (torch.from_numpy(array).flatten(0, 1) for array in own)
        batch = {"obs": {"observations": self.scaler(seen), "action_mask": mask.float()}}
        logits = self.module.forward_inference(batch)["action_dist_inputs"]
        return logits.argmax(-1).numpy().reshape(obs["observation"].shape[:2])


def train(scenario, steps, seed):
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    register_env(
        "edge6g", lambda _: ParallelPettingZooEnv(ForRllib(MustDecide(parallel_env(scenario, skip_idle=True))))
    )
    module = RLModuleSpec(module_class=ActionMaskingTorchRLModule, model_config={"head_fcnet_hiddens": [128]})
    batches = {"train_batch_size_per_learner": BATCH, "minibatch_size": 256, "num_epochs": 10}
    config = (
        PPOConfig()
        .environment("edge6g")
        .debugging(seed=seed, log_level="ERROR")
        .env_runners(num_env_runners=0)  # this process plays
        .multi_agent(policies={"shared"}, policy_mapping_fn=lambda *_, **__: "shared")
        .rl_module(rl_module_spec=module)
        .training(**batches, lr=5e-4, gamma=0.99, lambda_=0.95, entropy_coeff=0.01, grad_clip=0.5)
    )
    algo = config.build_algo()
    for taken in range(BATCH, max(steps, BATCH) + 1, BATCH):
        mean = algo.train()["env_runners"].get("episode_return_mean", float("nan"))
        print(f"{taken:,} steps, {mean:.2f} an episode", flush=True)
    return algo


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("scenario", "tiny"), ("steps", 10_000), ("seed", 0), ("seeds", 20)):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    args = parser.parse_args()
    algo = train(args.scenario, args.steps, args.seed)
    policies = {"greedy": "greedy", "rllib": lambda layout: Learned(algo.get_module("shared"), layout)}
    print(compare(play(args.scenario, policies, args.seeds))[["policy", "reward_per_job"]].to_string(index=False))
    algo.stop()
    ray.shutdown()
