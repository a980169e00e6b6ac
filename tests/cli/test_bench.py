"""`edge6g bench`: the stages that need no clock of their own to be right, and its errors."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

import edge6g_env
from bench import report, timing
from edge6g_env.scenario import load_scenario


def test_figures_are_shown_and_written_with_the_machine_beside_them(run, tmp_path):
    file = tmp_path / "figures.json"
    ended = run("bench", "--scenario", "tiny", "--stages", "memory,reference", "--json", file)
    assert ended.status == 0
    told = json.loads(file.read_text(encoding="utf-8"))
    assert [row["stage"] for row in told["rows"]] == ["memory", "memory", "reference", "reference"]
    assert all(row["value"] > 0.0 for row in told["rows"])
    machine = told["machine"]
    assert machine["cores"] >= 1
    assert machine["version"] == edge6g_env.__version__
    assert machine.keys() >= {"commit", "load", "processor", "time"}
    assert "load" in ended.out
    assert "empty PettingZoo environment" in ended.out


def test_an_unknown_stage_is_refused_with_the_names_of_all(run):
    ended = run("bench", "--stages", "memory,sprint")
    assert ended.status == 2
    assert "'sprint'" in ended.err
    assert all(name in ended.err for name in report.STAGES)


class Clock:
    """Time passes only in `play`, which takes the next of some seconds."""

    def __init__(self, *takes_s: float) -> None:
        self.now_s, self._takes_s, self.rows = 0.0, iter(takes_s), []

    def __call__(self) -> float:
        return self.now_s

    def play(self, row: object) -> None:
        self.rows.append(row)
        self.now_s += next(self._takes_s)


def test_the_least_of_each_slice_counts():
    """Three repetitions of two slices that take 3, 5; 2, 9; 4, 1 seconds: 2 + 1 for two rows."""
    clock = Clock(3.0, 5.0, 2.0, 9.0, 4.0, 1.0)
    player = timing.Player(lambda: None, clock.play, "ab")
    assert timing.least_s([player], repetitions=3, slices=2, clock=clock) == [1.5]
    assert clock.rows == list("ababab")


def test_players_take_turns_slice_by_slice():
    """The first of five rows in three slices, the second of one."""
    clock = Clock(*[1.0] * 12)
    players = [
        timing.Player(lambda: clock.rows.append("first"), clock.play, "12345"),
        timing.Player(lambda: clock.rows.append("second"), clock.play, "a"),
    ]
    assert timing.least_s(players, repetitions=2, slices=3, clock=clock) == [1.0, 1.0]
    assert clock.rows == [*["first", "second", "1", "2", "a", "3", "4", "5"] * 2]


def test_over_the_kernel_is_what_the_door_takes_beside_it(monkeypatch):
    """A door that takes 2 s a row before the kernel, which takes 3 s, and 4 s after it."""
    clock = Clock(*[2.0, 3.0, 4.0] * 20)
    monkeypatch.setattr(timing.time, "process_time", clock)
    batch = SimpleNamespace(_run=clock.play)

    def step(row):
        clock.play(row)
        batch._run(row)
        clock.play(row)

    door = timing.Player(lambda: None, step, "abcd", batch)
    assert timing.over_kernel_s(door, repetitions=2, slices=2) == 6.0
    assert batch._run == clock.play


def test_a_recording_begins_to_count_after_the_warm_up_and_is_played_again():
    recording = timing.record(load_scenario("tiny"), 2, 30, warmup_s=0.5)
    slot_s = recording.scenario.time.slot_s
    assert (recording.worlds, recording.agents, len(recording.timed)) == (2, 3, 30)
    assert recording.warm * slot_s == pytest.approx(0.5, abs=1.5 * slot_s)
    assert np.array_equal(np.concatenate([recording.warmed, recording.timed]), recording.actions)
    again = timing.record(load_scenario("tiny"), 2, 30, warmup_s=0.5)
    assert np.array_equal(recording.actions, again.actions)


def test_a_recording_of_short_episodes_ends():
    """Clocks begin again with each episode, so a longer warm-up never comes."""
    short = load_scenario("tiny", time={"episode_s": 4.0, "warmup_s": 0.5, "drain_s": 1.0})
    recording = timing.record(short, 1, 5, warmup_s=10.0)
    assert 0 < recording.warm * short.time.slot_s <= 3.0


def test_a_larger_world_has_the_load_of_a_node_that_it_had():
    scenario = load_scenario("campus")
    larger = timing.resized(scenario, 32)
    assert larger.nodes.count == 32
    assert larger.arrivals.rate_jobs_s / 32 == pytest.approx(scenario.arrivals.rate_jobs_s / scenario.nodes.count)
