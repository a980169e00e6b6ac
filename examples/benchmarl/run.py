"""MAPPO or IPPO by BenchMARL on the task beside this file.

    make examples                     # or, in an environment with requirements.txt beside this file:
    python examples/benchmarl/run.py --algorithm mappo --frames 10000 --seed 0

A frame is a step of all agents of a world. Prints the figure beside `greedy` on the same unseen seeds.
"""

import argparse
from pathlib import Path

import torch
from benchmarl.algorithms import IppoConfig, MappoConfig
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from task import Edge6gTask
from tensordict import TensorDict
from torchrl.envs import ExplorationType, set_exploration_type

from agents.learned.scaling import Scaler
from edge6g_env.must_decide import without_hold
from eval.frames import compare, play

ALGORITHMS = {"mappo": MappoConfig, "ippo": IppoConfig}


class Learned:
    """What `play` asks for: the most probable action of each agent."""

    privileged = needs_candidates = False

    def __init__(self, policy, layout):
        self.policy, self.scaler = policy, Scaler(layout.observation)

    @torch.no_grad()
    def act(self, obs, rng):
        seen, mask = torch.from_numpy(obs["observation"]), torch.from_numpy(without_hold(obs["action_mask"])).bool()
        node = TensorDict({"observation": {"observation": self.scaler(seen)}, "action_mask": mask}, seen.shape[:2])
        with set_exploration_type(ExplorationType.DETERMINISTIC):
            return self.policy(TensorDict({"node": node}, seen.shape[:1]))["node", "action"].numpy()


def train(algorithm, frames, batch, seed, out):
    config = ExperimentConfig.get_from_yaml()
    config.max_n_frames, config.on_policy_collected_frames_per_batch = frames, batch
    config.on_policy_n_envs_per_worker, config.on_policy_minibatch_size, config.on_policy_n_minibatch_iters = 1, 250, 10
    config.lr, config.gamma = 5e-4, 0.99
    config.evaluation, config.render = False, False  # `play` does it, on seeds that no training has
    config.loggers, config.save_folder = ["csv"], out
    Path(out).mkdir(parents=True, exist_ok=True)
    model = MlpConfig.get_from_yaml()
    algorithm_config = ALGORITHMS[algorithm].get_from_yaml()
    algorithm_config.entropy_coef, algorithm_config.lmbda = 0.01, 0.95
    made = {"algorithm_config": algorithm_config, "model_config": model, "critic_model_config": model}
    experiment = Experiment(task=Edge6gTask.TINY.get_task(), **made, seed=seed, config=config)
    experiment.run()
    return experiment.policy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="mappo")
    for name, value in (("frames", 10_000), ("batch", 1000), ("seed", 0), ("seeds", 20), ("out", "runs/benchmarl")):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    args = parser.parse_args()
    policy = train(args.algorithm, args.frames, args.batch, args.seed, args.out)
    policies = {"greedy": "greedy", args.algorithm: lambda layout: Learned(policy, layout)}
    print(compare(play("tiny", policies, args.seeds))[["policy", "reward_per_job"]].to_string(index=False))
