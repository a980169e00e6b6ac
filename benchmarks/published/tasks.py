"""SplitLoRA in the simulator: a task of several phones that train the first layers each, the others at one node, or all of it (federated
LoRA), or nothing and send their data.

One node, fixed rates that the members share; all members of a task are decided alike, and nothing else is there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from benchmarks.published.claims import Claim
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.codes import QUEUED

MODEL, PHONE, SERVER = "llama-3.2-1b", "phone-a17pro", "a100-80g"
MEMBERS, STEPS, ROUND_STEPS, TOKENS, RANK = 3, 20, 10, 512, 8
UP_BIT_S, DOWN_BIT_S, ACCESS_S = 100e6, 400e6, 0.005  # rates as in splitlora.py; judgement
SHARES = (0.0, 0.125, 0.25, 0.5, 1.0)  # of the layers on the phone


class Played(NamedTuple):
    """A task: its time, and of a member on average what its phone computes and holds, and what it sends and gets."""

    task_s: float
    device_s: float
    device_bytes: float
    air_bytes: float


def _make() -> BatchEnv:
    service: dict[str, Any] = {
        "kind": "finetune",
        "name": "task",
        "model": MODEL,
        "privacy": "open",
        "exposure_cost": 0.0,
        "share": 1.0,
        "step_tokens": TOKENS,
        "steps": STEPS,
        "lora_rank": RANK,
        "participants": MEMBERS,
        "aggregate_every": ROUND_STEPS,
        "round_timeout_s": 600.0,
        "expire_s": 1000.0,
    }
    air = {"uplink_bit_s": UP_BIT_S, "downlink_bit_s": DOWN_BIT_S}
    return BatchEnv(
        "tiny",
        1,
        service=[service],
        nodes={"count": 1, "columns": 1, "neighbours": 0, "devices": [SERVER]},
        ues={"per_node": MEMBERS, "device": PHONE, "mobility": "stationary", "hotspots": 0},
        radio={"fixed": {**air, "uplink_access_s": ACCESS_S, "downlink_access_s": ACCESS_S}},
        arrivals={"kind": "poisson", "rate_jobs_s": 1e-3},
        actions={"device_split": list(SHARES), "edge_split": [0.0], "precision": ["fp16"], "default_precision": "fp16"},
        serving={"preload": [MODEL]},
        time={"slot_s": 0.02, "n_substeps": 1, "episode_s": 10_000.0, "warmup_s": 0.0, "drain_s": 1000.0},
    )


def play(share: float) -> Played:
    """The first task of a world, with so much of the layers on the phones."""
    env = _make()
    name = f"local, {share:g} on the device, fp16" if share else "local, fp16"
    obs, chosen = env.reset(1), env.action_names.index(name)
    while not (env.world.job["stage"][0] == QUEUED).any():
        obs, *_ = env.step(np.zeros((1, 1), np.int64))
    started_s = float(env.world.episode["now_s"][0])
    computed, held, ended = 0.0, 0.0, []
    while len(ended) < MEMBERS:
        legal = int(obs["action_mask"][0, 0, chosen])
        obs, *_, info = env.step(np.array([[chosen * legal]]))
        ended += [row for row in info["outcomes"] if row["job"] < MEMBERS]
        computed += float(env.world.job["computes"].sum()) * env.scenario.time.slot_s / MEMBERS
        held = max(held, *(_held_bytes(env, u) for u in range(MEMBERS)))
    assert all(row["progress"] == 1.0 for row in ended)
    task_s = max(float(row["end_s"]) for row in ended) - started_s
    return Played(task_s, computed, held, float(np.mean([row["air_bytes"] for row in ended])))


def _held_bytes(env: BatchEnv, u: int) -> float:
    """Weights and training state on a phone."""
    ue = env.world.ue[0, u]
    if ue.device_jobs == 0:
        return 0.0
    model = env.world.model[ue.device_variant]
    ends = model.both_bytes if ue.device_layers == model.layers else model.embedding_bytes
    return float(ue.device_layers * model.layer_bytes + ends + ue.device_kv_bytes)


def claims() -> list[Claim]:
    """Computing, memory and time of a task; deeper cuts; and where it loses."""
    played = {share: play(share) for share in SHARES}
    raw, split, whole = played[0.0], played[SHARES[1]], played[1.0]
    times = [played[share].task_s for share in SHARES[1:]]
    cut_bytes, data_bytes = split.air_bytes, raw.air_bytes
    where = (
        f"raw data are {cut_bytes / data_bytes:.0f} times fewer bytes ({1e-6 * data_bytes:.2f} MB, {1e-6 * cut_bytes:.0f} MB a member) "
        f"and are trained sooner ({raw.task_s:.1f} s): the cut is worth it where they may not leave, or where nobody else has time."
    )
    return [
        Claim(
            "simulated task: phone's computing, split over whole",
            "less",
            f"{split.device_s / whole.device_s:.2f} x ({split.device_s:.0f} s, {whole.device_s:.0f} s)",
            split.device_s < whole.device_s,
        ),
        Claim(
            "simulated task: phone's memory, split over whole",
            "less",
            f"{split.device_bytes / whole.device_bytes:.2f} x "
            f"({1e-9 * split.device_bytes:.1f} GB, {1e-9 * whole.device_bytes:.1f} GB)",
            split.device_bytes < whole.device_bytes,
        ),
        Claim(
            f"simulated task of {MEMBERS} phones, split over federated LoRA",
            "sooner",
            f"{split.task_s / whole.task_s:.2f} x ({split.task_s:.0f} s, {whole.task_s:.0f} s)",
            split.task_s < whole.task_s,
            where,
        ),
        Claim(
            "simulated task: a deeper share slows phones (1/8, 1/4, 1/2, 1)",
            "it does",
            ", ".join(f"{t:.0f}" for t in times) + " s",
            times == sorted(times),
        ),
    ]
