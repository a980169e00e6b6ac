"""`edge6g bench`: the stages that need no clock of their own to be right, and its errors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench import report, timing
from edge6g_env.scenario import load_scenario


def test_figures_are_shown_and_written_with_the_machine_beside_them(run, tmp_path):
    file = tmp_path / "figures.json"
    ended = run("bench", "--scenario", "tiny", "--stages", "memory,reference", "--json", file)
    assert ended.status == 0
    told = json.loads(file.read_text(encoding="utf-8"))
    assert [row["stage"] for row in told["rows"]] == ["memory", "memory", "reference"]
    assert all(row["value"] > 0.0 for row in told["rows"])
    assert told["machine"]["cores"] >= 1
    assert "load" in ended.out
    assert "empty PettingZoo environment" in ended.out


def test_an_unknown_stage_is_refused_with_the_names_of_all(run):
    ended = run("bench", "--stages", "memory,sprint")
    assert ended.status == 2
    assert "'sprint'" in ended.err
    assert all(name in ended.err for name in report.STAGES)


def test_the_least_of_each_slice_counts(monkeypatch: pytest.MonkeyPatch):
    """Three repetitions of two slices that take 3, 5; 2, 9; 4, 1 seconds: 2 + 1."""
    takes_s, clock = iter([3.0, 5.0, 2.0, 9.0, 4.0, 1.0]), [0.0]
    monkeypatch.setattr(timing.time, "process_time", lambda: clock[0])

    def play() -> None:
        clock[0] += next(takes_s)

    assert timing.least_s(lambda: None, [play, play], repetitions=3) == 3.0


def test_a_recording_begins_to_count_after_the_warm_up_and_is_played_again():
    recording = timing.record(load_scenario("tiny"), 2, 30, warmup_s=0.5)
    slot_s = recording.scenario.time.slot_s
    assert (recording.worlds, recording.agents, recording.steps) == (2, 3, 30)
    assert recording.warm * slot_s == pytest.approx(0.5, abs=1.5 * slot_s)
    again = timing.record(load_scenario("tiny"), 2, 30, warmup_s=0.5)
    assert np.array_equal(recording.actions, again.actions)


def test_a_larger_world_has_the_load_of_a_node_that_it_had():
    scenario = load_scenario("campus")
    larger = timing.resized(scenario, 32)
    assert larger.nodes.count == 32
    assert larger.arrivals.rate_jobs_s / 32 == pytest.approx(scenario.arrivals.rate_jobs_s / scenario.nodes.count)
