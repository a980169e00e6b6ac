"""What a UE has of its own: each job is computed, sent and shown as in a world in which all UEs are like its own; and where UEs stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge6g_env import batch_env, costs
from edge6g_env.batch import BatchEnv
from edge6g_env.build.places import node_positions_m
from edge6g_env.kernel.codes import FREE
from tests.looking import Look, ues

PHONE, LAPTOP = "phone-snapdragon-8gen3", "rtx-4090"
WEAK, STRONG, MIXED = {"ues.device": PHONE}, {"ues.device": LAPTOP}, {"ues.devices": [PHONE, LAPTOP]}
BUSY = {"arrivals.rate_jobs_s": 12.0}
TOLD = ("job/device_memory_gb", "job/device_tflops")


def worlds(**more: Any) -> BatchEnv:
    return batch_env("tiny", 3, observe="candidates", debug=True, **{**BUSY, **more})


def ues_of_heads(batch: BatchEnv) -> np.ndarray:
    """UE of the job that each node decides next, -1: none; (B, N)."""
    return np.array(
        [[int(queue[0].ue) if (queue := Look(batch, b).queue(i)) else -1 for i in range(3)] for b in range(3)]
    )


def test_a_decision_is_shown_as_where_all_ues_have_its_device():
    """Nobody decides, so that the worlds stay alike: mask, candidates and observation of a job go by the device of its own UE."""
    weak, strong, mixed = (worlds(**devices) for devices in (WEAK, STRONG, MIXED))
    for batch in (weak, strong, mixed):
        batch.reset(5)
    told = [mixed.layout.observation_index(name) for name in TOLD]
    rest = [n for n in range(len(mixed.observation_names)) if n not in told]
    seen = np.zeros(2, int)
    for _ in range(60):
        obs = [batch.step(np.zeros((3, 3), np.int64))[0] for batch in (weak, strong, mixed)]
        head = ues_of_heads(mixed)
        assert (head == ues_of_heads(weak)).all()
        for b, i in np.argwhere(head >= 0):
            kind = head[b, i] % 2
            for name in ("action_mask", "candidates"):
                assert (obs[2][name][b, i] == obs[kind][name][b, i]).all()
            assert (obs[2]["observation"][b, i][rest] == obs[kind]["observation"][b, i]).all()
            spec = costs.device((PHONE, LAPTOP)[kind])
            assert obs[2]["observation"][b, i][told] == pytest.approx([spec.mem_gb, spec.fp16_tflops], rel=1e-6)
            seen[kind] += 1
        assert (obs[2]["observation"][head < 0][:, told] == 0.0).all()
        different = (obs[0]["candidates"] != obs[1]["candidates"]).any()
    assert (seen > 20).all()
    assert different


def test_a_whole_job_on_its_device_takes_the_time_and_energy_of_that_device():
    """Alone at each node's UE; cut nowhere, so that no link has a part."""
    service = {"privacy": "open", "prompt_tokens": 200, "output_tokens": 30}
    common = {"ues.per_node": 2, "ues.mobility": "stationary", "ues.hotspots": 0, "arrivals.rate_jobs_s": 1e-9}
    found: dict[str, list[list[float]]] = {}
    for kind, devices in (("weak", WEAK), ("strong", STRONG), ("mixed", MIXED)):
        batch = batch_env(
            "tiny",
            1,
            debug=True,
            **common,
            **devices,
            **{f"service.chat.{key}": value for key, value in service.items()},
        )
        batch.reset(3)
        look, whole = Look(batch), batch.action_names.index("local, 1 on the device, int4")
        look.shares(1.0, 0.0)
        for u in (0, 1):
            look.send({u: look.now_s + 1e-4})
            ended: list[Any] = []
            while not ended:
                *_, info = batch.step(np.where(batch.deciding() >= 0, whole, 0))
                ended += list(info["outcomes"])
            (job,) = ended
            found.setdefault(kind, []).append([float(job["energy_j"]), float(job["ttft_s"])])
    assert np.array(found["mixed"]) == pytest.approx(np.array([found["weak"][0], found["strong"][1]]), rel=1e-9)
    assert found["weak"][0] != pytest.approx(found["strong"][0], rel=0.1)


def play(batch: BatchEnv, slots: int) -> dict[tuple[int, int], tuple[int, Any]]:
    """(world, job) -> (its UE, its outcome) under random legal actions, the same in worlds that go alike."""
    rng, obs = np.random.default_rng(2), batch.reset(4)
    of_job: dict[tuple[int, int], int] = {}
    ended = {}
    for _ in range(slots):
        draws = rng.random(obs["action_mask"].shape)
        obs, *_, info = batch.step((obs["action_mask"] * draws).argmax(axis=-1))
        rows = batch.world.job
        of_job |= {(b, int(rows["number"][b, j])): int(rows["ue"][b, j]) for b, j in np.argwhere(rows["stage"] != FREE)}
        ended |= {(int(one["world"]), int(one["job"])): one for one in info["outcomes"]}
    return {key: (of_job[key], one) for key, one in ended.items() if key in of_job}


def test_sending_draws_the_power_of_its_ue_and_moves_nothing_else():
    """Energy is paid and changes no other figure: job by job it is that of the worlds in which all UEs send with this power."""
    lamb, lion, both = (
        play(worlds(**{"ues.tx_power_w": watts, "ues.devices": [PHONE, PHONE]}), 600)
        for watts in (1.0, 9.0, [1.0, 9.0])
    )
    assert lamb.keys() == lion.keys() == both.keys()
    assert len(both) > 50
    more = 0
    for key, (u, job) in both.items():
        other = (lamb, lion)[u % 2][key][1]
        assert job["energy_j"] == other["energy_j"]
        assert job["ttft_s"] == other["ttft_s"] == lamb[key][1]["ttft_s"]
        more += lion[key][1]["energy_j"] > lamb[key][1]["energy_j"]
    assert more > 5  # of few answers that end a part is on the device
    assert len({u for u, _ in both.values()}) > 4


def test_worlds_of_unlike_ues_keep_their_invariants():
    """debug checks memory and counts of every device in every slot, and stops the world that breaks one."""
    drafts = {"service.chat.draft": "llama-3.2-1b", "service.chat.draft_precision": "int4"}
    grid = {"actions.device_split": [0.0, 0.25, 0.5, 1.0, "draft"], "ues.per_node": 3, "arrivals.rate_jobs_s": 40.0}
    batch = worlds(**{**MIXED, **drafts, **grid, "ues.devices": [PHONE, LAPTOP, "phone-a17pro"]})
    assert len(play(batch, 400)) > 100
    used = set(batch.world.equipment["accelerator"].tolist())
    assert used == {batch.scenario.devices.index(device) for device in batch.scenario.ues.in_turn}


# --- where UEs stay ------------------------------------------------------------------------------------------------------------------

PLACES = [[0.0, 0.0], [90.0, 20.0], [40.0, 160.0], [300.0, 120.0]]
COUNTS = [40, 0, 60, 25]


@pytest.mark.parametrize("mobility", ["stationary", "waypoint"])
def test_ues_of_a_node_stay_where_it_is_the_nearest(mobility):
    quick = {"ues.speed_min_m_s": 20.0, "ues.speed_max_m_s": 20.0, "ues.pause_s": 0.0} if mobility == "waypoint" else {}
    batch = batch_env(
        "tiny", 2, **{"nodes.positions_m": PLACES, "ues.per_node": COUNTS, "ues.mobility": mobility, "ues.hotspots": 0,
                      "arrivals.rate_jobs_s": 1e-9, "time.episode_s": 1000.0, **quick},
    )  # fmt: skip
    batch.reset(1)
    nodes, home = node_positions_m(batch.scenario), np.repeat(np.arange(4), COUNTS)
    seen = []
    for _ in range(60):
        for _ in range(25):
            batch.step(np.zeros((2, 4), np.int64))
        ue = ues(batch)
        places = np.stack([ue["x_m"], ue["y_m"]], axis=-1)
        d_m = np.linalg.norm(places[:, :, None] - nodes, axis=-1)
        assert (d_m[:, np.arange(125), home] <= d_m.min(axis=-1) + 1e-6).all()
        seen.append(places.copy())
    walked_m = np.linalg.norm(seen[-1] - seen[0], axis=-1)
    assert (walked_m > 1.0).all() == (mobility == "waypoint")
    if mobility == "stationary":
        own = np.concatenate([seen[0][:, home == i] for i in (2,)], axis=1).reshape(-1, 2)
        points = np.random.default_rng(0).uniform(0.0, batch.scenario.area_m, (200_000, 2))
        near = points[np.linalg.norm(points[:, None] - nodes, axis=2).argmin(axis=1) == 2]
        sigma = near.std(axis=0) / np.sqrt(len(own))
        assert (np.abs(own.mean(axis=0) - near.mean(axis=0)) < 4.5 * sigma).all()  # uniform: 1 in 70,000
        assert own.std(axis=0) == pytest.approx(near.std(axis=0), rel=0.2)


def test_a_world_on_given_places_is_that_of_its_grid_to_the_bit():
    grid = worlds()
    given = worlds(**{"nodes.positions_m": (node_positions_m(grid.scenario) - 12.5).tolist()})
    obs, others = grid.reset(9), given.reset(9)
    rng = np.random.default_rng(0)
    for _ in range(300):
        assert all((obs[name] == others[name]).all() for name in obs)
        actions = (obs["action_mask"] * rng.random(obs["action_mask"].shape)).argmax(axis=-1)
        (obs, rewards, *_), (others, other_rewards, *_) = grid.step(actions), given.step(actions)
        assert (rewards == other_rewards).all()
    assert (grid.state() == given.state()).all()
