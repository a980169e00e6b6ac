"""A world to look at: it says what the world holds, is a copy, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import edge6g_env
from edge6g_env import lone_job
from edge6g_env.batch import BatchEnv, rows_of
from edge6g_env.capacity import part_bytes
from edge6g_env.errors import UserError
from edge6g_env.scene import Scene, scene_of
from edge6g_env.snapshot import (
    AT_CLOUD,
    AT_NODE,
    CLOUD_PLACE,
    DECISION,
    FAULT_KINDS,
    LEG_OF_JOB,
    MEMORY,
    NO_WAIT,
    ON_AIR,
    ON_DEVICE,
    ON_LINK,
    TURN,
    Jobs,
    Snapshot,
)
from edge6g_env.varied import VariedBatch
from tests.interface.test_varied import FIRST, changed, scenario_of

OUTAGES = [
    {"kind": "xn", "nodes": [0, 1], "start_s": 1.0, "end_s": 3.0},
    {"kind": "backhaul", "nodes": [2], "start_s": 1.0, "end_s": 3.0},
    {"kind": "node", "nodes": [1], "start_s": 1.5, "end_s": 3.0},
    {"kind": "cloud", "start_s": 2.0, "end_s": 4.0},
]


def arrays(value: Any) -> Iterator[np.ndarray]:
    """All arrays in a snapshot or scene."""
    for one in value:
        if isinstance(one, np.ndarray):
            yield one
        elif isinstance(one, tuple):
            yield from arrays(one)


def play(env: BatchEnv, slots: int, legal: Any, seed: int = 0) -> Iterator[None]:
    """Random legal actions that decide every job; yields behind each slot."""
    obs, rng = env.reset(seed=seed), np.random.default_rng(seed)
    for _ in range(slots):
        mask = obs["action_mask"].copy()
        mask[..., 0] = mask.sum(axis=-1) == 1
        mask[..., 1] = mask[..., 0] * 0
        obs = env.step(legal(mask, rng))[0]
        yield


def bits(env: BatchEnv) -> dict[str, bytes]:
    """All that makes the state of the worlds."""
    return {name: array.tobytes() for name, array in rows_of(env.world).items()}


@pytest.fixture(scope="module")
def worlds() -> list[tuple[str, BatchEnv, Scene, list[Snapshot], np.ndarray, np.ndarray]]:
    """Of each scenario: its scene, snapshots of world 1 as slots go by, jobs in flight of the counters and rows of state() then."""

    def legal(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(mask == 1, rng.random(mask.shape), -1.0).argmax(axis=-1)

    out = []
    for name in edge6g_env.scenarios():
        env, seen = BatchEnv(name, 2), []
        rows = []
        for slot, _ in enumerate(play(env, 300, legal)):
            if slot % 30 == 29:
                seen.append(env.snapshot(1))
                rows.append((env.counters().in_flight[1], env.state()[1]))
        flights, states = (np.array(column) for column in zip(*rows, strict=True))
        out.append((name, env, scene_of(env.scenario), seen, flights, states))
    return out


def test_a_look_changes_no_bit_and_no_trajectory(scenario, legal):
    looked, other = (BatchEnv(scenario, 2) for _ in range(2))
    for slot, _ in enumerate(zip(play(looked, 60, legal), play(other, 60, legal), strict=True)):
        before = bits(looked) if slot == 40 else None
        looked.snapshot(slot % 2)
        assert before is None or bits(looked) == before
    assert bits(looked) == bits(other)


def test_it_is_a_copy_that_nobody_can_write_to(legal):
    env = BatchEnv("tiny", 1)
    steps = play(env, 200, legal)
    for _ in range(100):
        next(steps)
    shot = env.snapshot()
    kept = [array.copy() for array in arrays(shot)]
    list(steps)
    for array, as_it_was in zip(arrays(shot), kept, strict=True):
        np.testing.assert_array_equal(array, as_it_was)
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert not np.array_equal(env.snapshot().ues.x_m, shot.ues.x_m)
    assert all(not array.flags.writeable for array in arrays(scene_of(env.scenario)))


def test_it_counts_every_job_once_in_its_place(worlds):
    seen_waits, seen_places = set(), set()
    for name, _, _, shots, flights, _ in worlds:
        for shot, in_flight in zip(shots, flights, strict=True):
            jobs, nodes = shot.jobs, shot.nodes
            assert len(jobs.number) == in_flight, name
            assert (np.diff(jobs.number) > 0).all()
            seen_waits |= set(jobs.waits.tolist())
            seen_places |= set(jobs.place.tolist())
            for i in range(len(nodes.up)):
                here = (jobs.place == AT_NODE) & (jobs.node == i)
                assert nodes.queue[i] == (here & (jobs.waits == DECISION)).sum()
                runs = nodes.chunk_job[i]
                assert runs < 0 or jobs.waits[jobs.number == runs].tolist() == [NO_WAIT]
                assert nodes.head[i] < 0 or nodes.head[i] in jobs.number[here]
            assert shot.cloud.waiting == (jobs.waits == CLOUD_PLACE).sum()
            assert nodes.uploads.sum() == shot.ues.uploads.sum()
            on_links = jobs.place == ON_LINK
            crossing = on_links & (jobs.link >= 0)
            assert shot.links.transfers.sum() + nodes.to_cloud.sum() == crossing.sum()
            on_air = shot.ues.uploads.sum() + shot.ues.downloads.sum()
            assert on_air == (jobs.place == ON_AIR).sum()
    assert {NO_WAIT, DECISION, MEMORY, TURN, CLOUD_PLACE} <= seen_waits
    assert seen_places == {AT_NODE, ON_DEVICE, ON_AIR, ON_LINK, AT_CLOUD}


def test_it_says_what_state_says(worlds):
    for name, env, scene, shots, _, states in worlds:
        names = [entry for entry, *_ in env.state_names]
        for shot, row in zip(shots, states, strict=True):
            state = dict(zip(names, row.tolist(), strict=True))
            assert state["world/time_share"] == pytest.approx(shot.now_s / scene.episode_s, rel=1e-6)
            assert state["world/cloud_jobs"] == shot.cloud.busy
            assert state["world/cloud_up"] == shot.cloud.up
            for i in range(len(scene.node_m)):
                held = shot.nodes.kv_bytes[i] + shot.nodes.weight_bytes[i]
                assert state[f"node_{i}/now/queue_jobs"] == shot.nodes.queue[i]
                assert state[f"node_{i}/now/sequences"] == shot.nodes.sequences[i]
                assert state[f"node_{i}/now/memory_share"] == pytest.approx(held / scene.usable_bytes[i], rel=1e-6), (
                    name
                )
            for u in range(len(scene.ue_devices)):
                assert state[f"ue_{u}/x_m"] == pytest.approx(shot.ues.x_m[u], rel=1e-6)
                assert state[f"ue_{u}/y_m"] == pytest.approx(shot.ues.y_m[u], rel=1e-6)
                assert state[f"ue_{u}/sinr_db"] == pytest.approx(shot.ues.sinr_db[u], rel=1e-6)
                assert state[f"ue_{u}/node"] == shot.ues.node[u]


def test_weights_and_kv_fill_the_memory_that_it_says(worlds):
    """What the resident layers weigh, and the KV of the jobs that hold it, by the cost model."""
    for name, env, scene, shots, _, _ in worlds:
        nodes = shots[-1].nodes
        assert ((nodes.low <= nodes.high) & (nodes.high <= scene.layers)).all()
        for i in range(len(scene.node_m)):
            weights = sum(
                part_bytes(env.scenario.model_spec(model), precision, int(low), int(high))
                for (model, precision), low, high in zip(scene.variants, nodes.low[i], nodes.high[i], strict=True)
            )
            if nodes.load_variant[i] < 0 and not nodes.adapter[i].any():
                assert nodes.weight_bytes[i] == pytest.approx(weights), name
            held = shots[-1].jobs.kv_bytes[shots[-1].jobs.part_node == i].sum()
            assert nodes.kv_bytes[i] + nodes.training_bytes[i] == pytest.approx(held, abs=1.0), name


@pytest.mark.parametrize(
    "action", ["local, int4", "neighbour 1, int4", "cloud, 0.25 on the device, int4", "local, 0.25 on the device, int4"]
)
def test_the_legs_of_a_lone_job_are_those_that_it_notes(action, monkeypatch):
    """A job is seen in the leg that LoneJob.legs has at that time."""
    seen: list[tuple[float, Jobs]] = []
    step = BatchEnv.step

    def noting(self: BatchEnv, actions: Any) -> Any:
        out = step(self, actions)
        seen.append((self.snapshot().now_s, self.snapshot().jobs))
        return out

    monkeypatch.setattr(BatchEnv, "step", noting)
    job = lone_job("tiny", action, prompt_tokens=800, output_tokens=40)
    arrival_s = 0.5 * BatchEnv("tiny", 1).scenario.time.slot_s
    compared = 0
    for now_s, jobs in seen[-200:]:
        legs = [name for name, start_s, end_s in job.legs if start_s < now_s - arrival_s - 1e-9 <= end_s - 1e-9]
        if len(jobs.number) == 0 or now_s - arrival_s <= job.decided_s + 1e-9 or jobs.leg_s[0] > now_s:
            continue
        assert [LEG_OF_JOB[leg] for leg in jobs.leg] == legs, now_s - arrival_s
        compared += 1
    assert compared > 3


def test_a_part_that_is_down_is_shown_as_down(legal):
    env = BatchEnv("tiny", 1, faults={"outage": OUTAGES})
    scene, down = scene_of(env.scenario), set()
    for _ in play(env, round(4.5 / env.scenario.time.slot_s), legal):
        shot = env.snapshot()
        now_down = {(FAULT_KINDS[k], int(i)) for k, i, up in zip(*shot.parts[:2], shot.parts.up, strict=True) if not up}
        down |= now_down
        assert shot.nodes.up[1] == (("node", 1) not in now_down)
        assert shot.nodes.backhaul_up[2] == (("backhaul", 2) not in now_down)
        assert shot.cloud.up == (("cloud", -1) not in now_down)
        assert shot.links.up[0, scene.neighbour[0].tolist().index(1)] == (("xn", 0) not in now_down)
        assert (shot.parts.planned == ~shot.parts.up).all()
    assert down == {("xn", 0), ("node", 1), ("backhaul", 2), ("cloud", -1)}


def test_worlds_that_vary_are_seen_each_with_its_own_tables(legal):
    env = VariedBatch([FIRST, changed(**{"nodes.memory_gb": 36.0})], scenario_of, 2)
    list(play(env, 30, legal))
    for world in range(2):
        scenario = scenario_of(world, 0)
        assert env.scenario_of(world).fingerprint == scenario.fingerprint
        alone = BatchEnv(scenario, 1)
        alone.reset(seed=world)
        np.testing.assert_array_equal(env.snapshot(world).hotspots_m, alone.snapshot().hotspots_m)


def test_what_cannot_be_looked_at_is_told():
    env = BatchEnv("tiny", 2)
    with pytest.raises(RuntimeError, match="reset"):
        env.snapshot()
    env.reset(seed=0)
    for world in (2, -1, True, "0"):
        with pytest.raises(UserError, match=r"world must be an integer in 0\.\.1"):
            env.snapshot(world)
