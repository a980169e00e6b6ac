"""Independent PPO (de Witt et al. 2020, arXiv 2011.09533) in plain PyTorch on `batch_env`, and its policy for `--policies`.

    python examples/ippo.py --scenario tiny --decisions 400000 --seed 0 --out runs/ippo-0.safetensors
    edge6g compare --scenario tiny --policies random,local,jsq,greedy,ippo=examples/ippo.py:make --out runs/ippo

Agents share one network, which sees an agent's own observation and no prediction. A decision earns what its job was worth in the end.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.distributions import Categorical

from agents.learned.scaling import Scaler
from edge6g_env import batch_env

WORLDS, BATCH, EPOCHS, MINIBATCH, CLIP, ENTROPY, RATE = 32, 4096, 4, 512, 0.2, 0.01, 5e-4
FILE, DONE, HOLD = "runs/ippo-0.safetensors", 0, 0  # an effect: the action was carried out; an action: the job waits on


class Net(nn.Module):
    def __init__(self, layout):
        super().__init__()
        inner = nn.Linear(len(layout.observation), 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh()
        self.body = nn.Sequential(Scaler(layout.observation), *inner)
        self.actor, self.critic = nn.Linear(128, layout.num_actions), nn.Linear(128, 1)

    def forward(self, seen, mask):  # (..., D), (..., C): a distribution of actions, and the worth that is expected
        free = mask.clone()
        free[..., HOLD] = mask.sum(-1) == 1  # whoever can do something does
        hidden = self.body(seen)
        return Categorical(logits=self.actor(hidden).masked_fill(free == 0, -1e9)), self.critic(hidden)[..., 0]


class Ippo:
    privileged = needs_candidates = False

    def __init__(self, net):
        self.net = net

    @torch.no_grad()
    def act(self, obs, rng):
        choice, _ = self.net(torch.from_numpy(obs["observation"]), torch.from_numpy(obs["action_mask"]))
        return choice.logits.argmax(-1).numpy()


def make(layout, file=FILE):
    net = Net(layout)
    net.load_state_dict(load_file(file))
    return Ippo(net)


def update(net, optimizer, samples):
    seen, mask, action, before, worth = (torch.stack(part) for part in zip(*samples, strict=True))
    for rows in (rows for _ in range(EPOCHS) for rows in torch.randperm(len(worth)).split(MINIBATCH)):
        choice, value = net(seen[rows], mask[rows])
        gain = (worth[rows] - value).detach()
        gain = (gain - gain.mean()) / (gain.std(correction=0) + 1e-6)
        ratio = (choice.log_prob(action[rows]) - before[rows]).exp()
        clipped = torch.minimum(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain)
        loss = 0.5 * (worth[rows] - value).square().mean() - clipped.mean() - ENTROPY * choice.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()


def train(scenario="tiny", decisions=400_000, seed=0, out=FILE):
    torch.manual_seed(seed)
    env = batch_env(scenario, WORLDS, skip_idle=True)
    net, samples, waiting, taken = Net(env.layout), [], {}, 0
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    obs = env.reset(seed=seed * WORLDS)  # evaluations have the seeds from 10,000,000 on
    while taken < decisions:
        seen, mask = (torch.from_numpy(obs[name].copy()) for name in ("observation", "action_mask"))
        with torch.no_grad():
            choice, _ = net(seen, mask)
            action = choice.sample()
            chance = choice.log_prob(action)
        obs, _, _, truncated, info = env.step(action.numpy())
        for b, n in np.argwhere((info["job"] >= 0) & (info["action_effect"] == DONE)).tolist():
            waiting[b, int(info["job"][b, n])] = seen[b, n], mask[b, n], action[b, n], chance[b, n]
        for row in info["outcomes"]:
            if decided := waiting.pop((int(row["world"]), int(row["job"])), None):
                samples.append((*decided, torch.tensor(float(row["worth"]))))
        waiting = {key: one for key, one in waiting.items() if not truncated[key[0]]}  # numbers begin anew
        if len(samples) >= min(BATCH, decisions):
            update(net, optimizer, samples)
            taken, mean = taken + len(samples), np.mean([float(one[-1]) for one in samples])
            print(f"{taken:,} decisions, {mean:.3f} a job", flush=True)
            samples = []
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    save_file(net.state_dict(), out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("scenario", "tiny"), ("decisions", 400_000), ("seed", 0), ("out", FILE)):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    train(**vars(parser.parse_args()))
