"""A recording says what was played: the jobs of a comparison, the world as it can be seen at any frame, what was chosen among."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

import edge6g_env
from agents.policy import make_rule
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel import codes
from edge6g_env.kernel.codes import FINISHED
from edge6g_env.kernel.notes import ARRIVED
from edge6g_env.lives import CLOUD, UE
from edge6g_env.noting import NotedEnv
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.snapshot import look
from eval.episodes import play_worlds
from eval.jobs import COLUMN_NAMES, JOBS_FILE, write_jobs
from eval.record import play
from eval.record.jobs import column_of, lives_frame, seconds_of
from eval.record.lines import first_token_parts
from eval.record.recording import FRAMES_PER_S, MOST_OPTIONS, Recording
from tests.short import shortened
from tests.tuners import TEAM, services_with

SEED = 10_000_000
BUSY = {"time.episode_s": 12.0, "time.warmup_s": 1.0, "time.drain_s": 4.0, "arrivals.rate_jobs_s": 8.0}


@pytest.fixture(scope="module")
def tiny() -> Scenario:
    """With more jobs than it can serve, some before and after what is measured."""
    return load_scenario("tiny", **BUSY)


@pytest.fixture(scope="module")
def recording(tiny: Scenario) -> Recording:
    """Greedy in it."""
    return play.record_episode("greedy", partial(make_rule, "greedy"), tiny, SEED)


@pytest.mark.parametrize("rule", ["greedy", "random", "linucb"])
def test_the_jobs_are_those_of_a_comparison(tiny: Scenario, recording: Recording, rule: str):
    """Of a rule that draws, and of one that learns, too: both are asked, and told, as often."""
    make = partial(make_rule, rule)
    recorded = recording if rule == "greedy" else play.record_episode(rule, make, tiny, SEED)
    played = play_worlds(rule, make, tiny, [SEED])
    jobs = played.jobs[np.argsort(played.jobs["job"])]
    measured = recorded.outcomes[recorded.outcomes["measured"] == 1]
    for field in jobs.dtype.names:
        np.testing.assert_array_equal(measured[field], jobs[field])
    np.testing.assert_array_equal(recorded.busy_share, played.busy_share[0])
    assert len(measured) < len(recorded.jobs) == int(recorded.jobs["job"].max()) + 1, "and all others are there"


def test_frames_and_options_are_those_of_the_world_that_is_played_again(tiny: Scenario, recording: Recording):
    """Slot by slot, with the decisions of the recording and no others: at each frame it looks the same, and so do the candidates."""
    env = BatchEnv(tiny, 1, observe="candidates")
    obs, frames, decisions = env.reset(seed=[SEED]), recording.frames, recording.decisions
    slot_s, at, index = tiny.time.slot_s, 0, 0
    assert frames.times_s == pytest.approx(np.arange(len(frames.times_s)) / FRAMES_PER_S)
    for slot in range(round(tiny.time.episode_s / slot_s)):
        if at < len(frames.times_s) and frames.times_s[at] <= slot * slot_s + 1e-9:
            assert_frame(recording, at, look(env))
            at += 1
        actions = np.zeros((1, env.num_agents), np.int64)
        while index < len(decisions) and decisions["time_s"][index] <= slot * slot_s + 1e-9:
            row = decisions[index]
            assert env.deciding()[0, row["node"]] == row["job"]
            assert_options(recording, index, obs["candidates"][0, row["node"]], obs["action_mask"][0, row["node"]], env)
            actions[0, row["node"]] = row["action"]
            index += 1
        obs, *_ = env.step(actions)
    assert at == len(frames.times_s)
    assert index == len(decisions) > 50


def assert_frame(recording: Recording, at: int, shot: edge6g_env.snapshot.Snapshot) -> None:
    """A frame shows the world that was looked at."""
    frames, nodes, ues = recording.frames, shot.nodes, shot.ues
    assert frames.ue_xy_m[at] == pytest.approx(np.stack([ues.x_m, ues.y_m], axis=-1), abs=1e-3)
    np.testing.assert_array_equal(frames.ue_node[at], ues.node)
    assert frames.ue_sinr_db[at] == pytest.approx(ues.sinr_db, rel=1e-5)
    for name in ("queue", "inbox", "sequences", "load_variant"):
        np.testing.assert_array_equal(getattr(frames, name)[at], getattr(nodes, name))
    for name in ("kv_bytes", "weight_bytes", "training_bytes"):
        assert getattr(frames, name)[at] == pytest.approx(getattr(nodes, name), rel=1e-6)
    np.testing.assert_array_equal(frames.up[at], nodes.up)
    assert (frames.cloud_running[at], frames.cloud_waiting[at]) == (shot.cloud.busy, shot.cloud.waiting)


def assert_options(recording: Recording, index: int, candidates: np.ndarray, mask: np.ndarray, env: BatchEnv) -> None:
    """The chosen one, the best by predicted utility, the best local one, with what was predicted of each."""
    options, layout = recording.options_of(index), env.layout
    legal = [c for c in range(len(mask)) if mask[c] and layout.action_table[c, 0] >= codes.LOCAL]
    utility = candidates[:, layout.candidate_index("utility")]
    ranked = sorted(legal, key=lambda c: (-utility[c], c))
    local = [c for c in ranked if layout.action_table[c, 0] == codes.LOCAL][:1]
    chosen = int(recording.decisions[index]["action"])
    wanted = list(dict.fromkeys([chosen, *ranked[:MOST_OPTIONS], *local]))
    assert options["action"].tolist() == wanted
    assert options["chosen"].tolist() == [1] + [0] * (len(wanted) - 1)
    assert options["rank"].tolist() == [ranked.index(c) if c in ranked else -1 for c in wanted]
    for name in ("ttft_s", "tpot_s", "energy_j", "quality", "utility"):
        np.testing.assert_array_equal(options[name], candidates[wanted, layout.candidate_index(name)])
    assert 1e3 * options["price_usd"] == pytest.approx(
        candidates[wanted, layout.candidate_index("price_musd")], rel=1e-6
    )


# --- legs ------------------------------------------------------------------------------------------------------------------------


def assert_partition(recording: Recording) -> None:
    """The legs of a job follow each other from its arrival to its end, and what was noted of finished jobs is in order of time."""
    for job in recording.jobs:
        legs = recording.legs_of(int(job["job"]))
        if not len(legs):
            assert job["end_s"] - job["arrival_s"] < 1e-9
            continue
        assert legs["start_s"][0] == pytest.approx(job["arrival_s"], abs=1e-9)
        assert legs["end_s"][-1] == pytest.approx(job["end_s"], abs=1e-9)
        assert legs["start_s"][1:] == pytest.approx(legs["end_s"][:-1], abs=1e-9)
        assert (legs["end_s"] > legs["start_s"]).all()
    spent_s = seconds_of(recording).sum(axis=1)
    assert spent_s == pytest.approx(recording.jobs["end_s"] - recording.jobs["arrival_s"], abs=1e-9)


def share_of(recording: Recording, name: str) -> np.ndarray:
    """Rows of the legs of this name."""
    return recording.legs[recording.legs["name"] == recording.leg_names.index(name)]


EPISODES = [
    *((name, "greedy", 6.0) for name in edge6g_env.scenarios()),
    *((name, "random", 6.0) for name in ("tiny", "finetune")),  # which goes everywhere and fills all memory
    ("blackout", "random", 16.0),
]


@pytest.fixture(scope="module", params=EPISODES, ids=lambda one: f"{one[0]}-{one[1]}")
def of_scenario(request: pytest.FixtureRequest) -> tuple[Recording, np.ndarray]:
    """A short episode of a scenario; and its notes."""
    kept: list[NotedEnv] = []
    name, rule, episode_s = request.param
    scenario = load_scenario(name, **shortened(name, episode_s))
    recording = play.record_episode(rule, partial(make_rule, rule), scenario, SEED, at_frame=kept.append)
    return recording, kept[-1].notes


def test_legs_and_waits_sum_to_the_time_of_every_job(of_scenario: tuple[Recording, np.ndarray]):
    recording, _ = of_scenario
    assert_partition(recording)
    assert (recording.jobs["phase"] == FINISHED).any() or recording.policy == "random"


@pytest.mark.parametrize("rule", ["device-first", "random"])
def test_what_comes_down_comes_from_somewhere_and_what_goes_up_goes_somewhere(rule: str):
    """Adapters and averages of a task whose model is on the UE's device, too."""
    scenario = load_scenario("tiny", service=services_with(steps=20, step_tokens=16, **TEAM))
    recording = play.record_episode(rule, partial(make_rule, rule), scenario, 11)
    legs, names = recording.legs, np.array(recording.leg_names)[recording.legs["name"]]
    for word, at, other in ((" down", "place", "origin"), (" up", "origin", "place")):
        of = legs[np.char.endswith(names, word) & (legs["end_s"] > legs["start_s"])]
        assert len(of) > 0
        assert (of[at] == UE).all(), word
        assert (of[other] != UE).all(), word


def test_what_is_noted_of_a_finished_job_is_in_order(of_scenario: tuple[Recording, np.ndarray]):
    """No note is taken back but by a fault, a round that ends, or a sequence that makes way: else the sums would hide a mistake."""
    recording, notes = of_scenario
    outcomes = recording.outcomes
    plain = outcomes["job"][(outcomes["phase"] == FINISHED) & (outcomes["retries"] == 0) & (outcomes["kind"] == 0)]
    behind = 0
    for number in plain.tolist():
        at_s = notes["start_s"][notes["job"] == number]
        behind += bool((np.diff(at_s) < -1e-9).any())
    assert notes["what"][notes["job"] >= 0][0] == ARRIVED
    assert behind == 0


def test_a_wait_has_a_reason(of_scenario: tuple[Recording, np.ndarray]):
    """Weights load at the node where a job waits for them; while one waits for a place, the cloud has none; a repair follows an outage."""
    recording, _ = of_scenario
    loads, outages = recording.loads, recording.outages
    for leg in share_of(recording, "wait load"):
        there = loads[
            (loads["node"] == leg["place"]) & (loads["start_s"] < leg["end_s"]) & (loads["end_s"] > leg["start_s"])
        ]
        assert len(there) or leg["end_s"] - leg["start_s"] < 0.05, "an adapter takes milliseconds, and is no load"
    at_cloud = recording.legs[(recording.legs["place"] == CLOUD) & ~waits(recording)]
    for leg in share_of(recording, "wait cloud place"):
        middle_s = 0.5 * (leg["start_s"] + leg["end_s"])
        running = at_cloud[(at_cloud["start_s"] <= middle_s) & (at_cloud["end_s"] > middle_s)]
        if leg["end_s"] - leg["start_s"] > 0.1 and not recording.facts.scenario.finetune:
            assert len(running) >= recording.facts.scenario.cloud.concurrency
    repairs = share_of(recording, "wait repair")
    assert bool(len(repairs)) == (recording.facts.scenario.name == "blackout")
    for leg in repairs:
        assert ((outages["start_s"] <= leg["start_s"] + 1e-9) & (outages["end_s"] >= leg["start_s"] - 1e-9)).any()


def waits(recording: Recording) -> np.ndarray:
    """bool (L,) rows that are waits, and transfers, which hold no place."""
    other = ("wait", "link", "data over", "uplink", "activations", "states", "gradients", "head gradients")
    return np.isin(recording.legs["name"], [n for n, name in enumerate(recording.leg_names) if name.startswith(other)])


def test_one_thing_at_a_time_is_computed_and_loaded_at_a_node(of_scenario: tuple[Recording, np.ndarray]):
    recording, _ = of_scenario
    for spans in (recording.chunks, recording.loads):
        for node in range(recording.facts.scenario.nodes.count):
            own = np.sort(spans[spans["node"] == node], order="start_s")
            assert (own["start_s"][1:] >= own["end_s"][:-1] - 1e-9).all()


def test_a_first_token_comes_after_the_prompt_was_computed(recording: Recording):
    """The last leg before it is the way down: tokens are generated from the end of the prefill on."""
    for job in recording.jobs[~np.isnan(recording.jobs["first_token_s"])]:
        before = recording.legs_of(int(job["job"]))
        before = before[before["start_s"] < job["first_token_s"] - 1e-9]
        assert recording.leg_names[before["name"][-1]] in ("decode", "downlink", "device")


# --- files -----------------------------------------------------------------------------------------------------------------------


def test_the_table_of_jobs_has_the_columns_of_a_comparison_and_those_of_the_legs(recording: Recording, tmp_path):
    frame = lives_frame(recording)
    write_jobs(tmp_path, [frame], list(frame.columns))
    read = pd.read_csv(tmp_path / JOBS_FILE)
    assert tuple(read.columns[: len(COLUMN_NAMES)]) == COLUMN_NAMES
    assert list(read.columns[len(COLUMN_NAMES) :]) == [column_of(name) for name in recording.leg_names]
    assert {"leg_uplink_s", "leg_decode_s", "wait_decision_s", "wait_cloud_place_s"} <= set(read.columns)
    spent_s = read[[column_of(name) for name in recording.leg_names]].sum(axis=1)
    assert spent_s.to_numpy() == pytest.approx((read["end_s"] - read["arrival_s"]).to_numpy(), abs=1e-6)
    assert len(read) == int((recording.jobs["measured"] == 1).sum())


def test_bars_of_the_first_token_sum_to_its_mean_time(recording: Recording):
    jobs = recording.outcomes[(recording.outcomes["measured"] == 1) & (recording.outcomes["ttft_s"] >= 0.0)]
    for service in np.unique(jobs["service"]).tolist():
        mine = jobs[jobs["service"] == service]
        parts, count = first_token_parts(recording, service)
        assert count == len(mine)
        assert parts.sum() == pytest.approx(mine["ttft_s"].mean(), rel=1e-9)
        assert (parts >= 0.0).all()


def test_a_node_is_busy_while_it_computes_a_prompt_or_a_batch(tiny: Scenario):
    """Under `local` no job is cut, so a node decodes as long as one of its jobs is in its decode; seen every 2 ms."""
    recorded = play.record_episode("local", partial(make_rule, "local"), tiny, SEED)
    times_s = np.arange(0.0, tiny.time.episode_s, 0.002)
    decodes = share_of(recorded, "decode")
    for node in range(tiny.nodes.count):
        busy = np.zeros(len(times_s), bool)
        for spans in (recorded.chunks[recorded.chunks["node"] == node], decodes[decodes["place"] == node]):
            for span in spans:
                busy |= (times_s >= span["start_s"]) & (times_s < span["end_s"])
        assert recorded.busy_share[node] == pytest.approx(busy.mean(), abs=0.01)
        assert busy.any()
