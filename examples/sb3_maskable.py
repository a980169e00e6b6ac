"""sb3-contrib's MaskablePPO with monitor and evaluation: an environment an agent, one policy, and its masks without `hold`.

    python examples/sb3_maskable.py --scenario tiny --steps 100000 --seed 0 --out runs/sb3-maskable
    edge6g compare --scenario tiny --policies greedy,maskable=examples/sb3_maskable.py:make --out runs/maskable-compare

It sees no prediction. A step is one of one agent. Beside the last line's figures stands `greedy`, on the same unseen seeds.
"""

import argparse
from functools import partial
from pathlib import Path

from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecMonitor

from agents.learned.scaling import Scaler
from edge6g_env import batch_env
from edge6g_env.must_decide import without_hold
from eval.frames import compare, play
from train.mappo import PromptVecEnv

OUT, BEST, VALIDATION = "runs/sb3-maskable", "best_model.zip", 5_000_000  # comparisons have seeds from 10,000,000 on


class Scaled(BaseFeaturesExtractor):
    """An agent's own entries over their ranges; the mask is no input, it is applied to the logits."""

    def __init__(self, space, features):
        super().__init__(space, len(features))
        self.scaler = Scaler(features)

    def forward(self, obs):
        return self.scaler(obs["observation"])


class Learned:
    privileged = needs_candidates = False

    def __init__(self, file):
        self.model = MaskablePPO.load(file, device="cpu")

    def act(self, obs, rng):
        masked = {**obs, "action_mask": without_hold(obs["action_mask"])}  # as PromptVecEnv
        flat = {name: array.reshape(-1, array.shape[-1]) for name, array in masked.items()}
        actions, _ = self.model.predict(flat, deterministic=True, action_masks=flat["action_mask"])
        return actions.reshape(obs["action_mask"].shape[:2])


def make(layout, file=f"{OUT}/{BEST}"):
    return Learned(file)


def train(scenario="tiny", steps=100_000, seed=0, out=OUT, batch=128):
    Path(out).mkdir(parents=True, exist_ok=True)
    training = VecMonitor(PromptVecEnv(batch_env(scenario, 8, skip_idle=True)), f"{out}/monitor.csv")
    validation = VecMonitor(PromptVecEnv(batch_env(scenario, 4, skip_idle=True)))
    training.seed(seed)
    validation.seed(VALIDATION)
    features = training.get_attr("layout")[0].observation
    network = {"features_extractor_class": Scaled, "features_extractor_kwargs": {"features": features}}
    sizes = {"n_steps": batch, "batch_size": 4 * batch, "policy_kwargs": network}
    model = MaskablePPO("MultiInputPolicy", training, 5e-4, **sizes, ent_coef=0.01, seed=seed, device="cpu")
    every = max(steps // training.num_envs // 5, batch)
    evaluation = {"n_eval_episodes": validation.num_envs, "eval_freq": every, "best_model_save_path": out}
    model.learn(steps, MaskableEvalCallback(validation, **evaluation, log_path=out))
    return f"{out}/{BEST}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("scenario", "tiny"), ("steps", 100_000), ("seed", 0), ("seeds", 20), ("out", OUT)):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    args = parser.parse_args()
    best = train(args.scenario, args.steps, args.seed, args.out)
    episodes = play(args.scenario, {"greedy": "greedy", "maskable": partial(make, file=best)}, args.seeds)
    print(compare(episodes)[["policy", "reward_per_job"]].to_string(index=False))
