"""Stable-Baselines3's PPO with monitor and evaluation. It knows no masks, so it chooses from a short list on which all is legal.

    python examples/sb3_ppo.py --scenario tiny --steps 100000 --seed 0 --out runs/sb3-ppo
    edge6g compare --scenario tiny --policies greedy,sb3=examples/sb3_ppo.py:make --out runs/sb3-compare

An agent's action is a place among the candidates of highest predicted utility: place 0 is what `greedy` takes. A step is one of
one agent. Beside the last line's figures stands `greedy`, on the same unseen seeds; monitor.csv and evaluations.npz are in `--out`.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.vec_env import VecEnvWrapper, VecMonitor

from agents.learned.scaling import Scaler
from edge6g_env import sb3_vec_env
from edge6g_env.must_decide import without_hold
from eval.frames import compare, play

PLACES, OUT, BEST = 4, "runs/sb3-ppo", "best_model.zip"
VALIDATION = 5_000_000  # seeds; comparisons have those from 10,000,000 on


def shortlist(layout, obs):
    """Actions int (..., PLACES), best first, and what is known of them and of the node, scaled float32 (..., entries)."""
    utility = obs["candidates"][..., [entry.name for entry in layout.candidates].index("utility")]
    allowed = without_hold(obs["action_mask"]) == 1
    actions = np.argsort(-np.where(allowed, utility, -np.inf), axis=-1, kind="stable")[..., :PLACES]
    legal = np.take_along_axis(allowed, actions, -1)
    actions = np.where(legal, actions, actions[..., :1])  # where fewer than PLACES are
    rows = torch.from_numpy(np.take_along_axis(obs["candidates"], actions[..., None], -2))
    node = Scaler(layout.observation)(torch.from_numpy(obs["observation"]))
    return actions, torch.cat([node, Scaler(layout.candidates)(rows).flatten(-2)], -1).numpy()


class Shortlist(VecEnvWrapper):
    def __init__(self, venv):
        self.layout = venv.layout
        entries = len(self.layout.observation) + PLACES * len(self.layout.candidates)
        super().__init__(venv, spaces.Box(-np.inf, np.inf, (entries,)), spaces.Discrete(PLACES))

    def reset(self):
        self.actions, seen = shortlist(self.layout, self.venv.reset())
        return seen

    def step_async(self, places):
        self.venv.step_async(self.actions[np.arange(self.num_envs), places])

    def step_wait(self):
        obs, rewards, dones, infos = self.venv.step_wait()
        for info in (info for info in infos if "terminal_observation" in info):
            info["terminal_observation"] = shortlist(self.layout, info["terminal_observation"])[1]
        self.actions, seen = shortlist(self.layout, obs)
        return seen, rewards, dones, infos


class Learned:
    privileged, needs_candidates = False, True

    def __init__(self, layout, file):
        self.layout, self.model = layout, PPO.load(file, device="cpu")

    def act(self, obs, rng):
        actions, seen = shortlist(self.layout, obs)
        places, _ = self.model.predict(seen.reshape(-1, seen.shape[-1]), deterministic=True)
        return np.take_along_axis(actions, places.reshape(*actions.shape[:2], 1), -1)[..., 0]


def make(layout, file=f"{OUT}/{BEST}"):
    return Learned(layout, file)


def train(scenario="tiny", steps=100_000, seed=0, out=OUT, batch=128):
    Path(out).mkdir(parents=True, exist_ok=True)
    worlds = partial(sb3_vec_env, scenario, observe="candidates", skip_idle=True)
    training, validation = VecMonitor(Shortlist(worlds(8)), f"{out}/monitor.csv"), VecMonitor(Shortlist(worlds(4)))
    training.seed(seed)
    validation.seed(VALIDATION)
    model = PPO("MlpPolicy", training, 5e-4, batch, 4 * batch, n_epochs=4, gamma=0.95, seed=seed, device="cpu")
    every = max(steps // training.num_envs // 5, batch)
    evaluation = {"n_eval_episodes": validation.num_envs, "eval_freq": every, "best_model_save_path": out}
    model.learn(steps, EvalCallback(validation, **evaluation, log_path=out))
    return f"{out}/{BEST}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("scenario", "tiny"), ("steps", 100_000), ("seed", 0), ("seeds", 20), ("out", OUT)):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    args = parser.parse_args()
    best = train(args.scenario, args.steps, args.seed, args.out)
    episodes = play(args.scenario, {"greedy": "greedy", "sb3": partial(make, file=best)}, args.seeds)
    print(compare(episodes)[["policy", "reward_per_job"]].to_string(index=False))
