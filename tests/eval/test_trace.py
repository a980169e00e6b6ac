"""trace.json: the Trace Event format, and what the recording says."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from typing import Any

import pytest

from agents.policy import make_rule
from edge6g_env.scenario import load_scenario
from eval.record.play import record_episode
from eval.record.recording import Recording
from eval.record.trace import ACCELERATOR, LOADS, trace_text

EPISODE = {"time.episode_s": 8.0, "time.warmup_s": 0.0, "time.drain_s": 3.0, "arrivals.rate_jobs_s": 6.0}
KEYS = {"ph", "pid", "tid", "name"}


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    """Two policies, one with a name that JSON has to escape."""
    scenario = load_scenario("tiny", **EPISODE)
    return [
        record_episode(name, partial(make_rule, rule), scenario, 10_000_000)
        for name, rule in (("greedy", "greedy"), ('"jsq"\n', "jsq"))
    ]


@pytest.fixture(scope="module")
def events(recordings: list[Recording]) -> list[dict[str, Any]]:
    """The events of the file as it is read."""
    return json.loads(trace_text(recordings))["traceEvents"]


def test_every_event_is_one_of_the_format(events: list[dict[str, Any]], recordings: list[Recording]):
    """Phases M, X, C, b and e with the keys that each must have; times in whole us within the episode."""
    end_us = 1e6 * recordings[0].facts.scenario.time.episode_s
    assert {event["ph"] for event in events} == {"M", "X", "C", "b", "e"}
    for event in events:
        assert set(event) >= KEYS
        assert isinstance(event["name"], str)
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        if event["ph"] == "M":
            assert set(event["args"]) == {"name"}
            continue
        assert isinstance(event["ts"], int)
        assert 0 <= event["ts"] <= end_us
        if event["ph"] == "X":
            assert isinstance(event["dur"], int)
            assert 0 <= event["dur"] <= end_us
        if event["ph"] == "C":
            assert all(isinstance(value, float) for value in event["args"].values())
        if event["ph"] in "be":
            assert event["cat"] == "job"
            assert isinstance(event["id"], str)


def test_spans_of_a_track_are_nested(events: list[dict[str, Any]]):
    """As a viewer stacks them: one that begins within another ends within it."""
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append((event["ts"], -event["dur"]))
    assert {tid for _, tid in tracks} == {ACCELERATOR, LOADS}
    for spans in tracks.values():
        open_until: list[int] = []
        for ts, minus_dur in sorted(spans):
            while open_until and open_until[-1] <= ts:
                open_until.pop()
            assert not open_until or ts - minus_dur <= open_until[-1]
            open_until.append(ts - minus_dur)


def test_jobs_are_async_pairs_around_their_legs(events: list[dict[str, Any]], recordings: list[Recording]):
    """Each begin has its end, of the same id and name, last begun first ended, not before it."""
    begun: dict[str, list[dict[str, Any]]] = defaultdict(list)
    roots, legs = 0, 0
    for event in (event for event in events if event["ph"] in "be"):
        stack = begun[event["id"]]
        if event["ph"] == "b":
            roots, legs = roots + (not stack), legs + bool(stack)
            assert not stack or event["ts"] >= stack[-1]["ts"]
            stack.append(event)
        else:
            first = stack.pop()
            assert (first["name"], first["pid"]) == (event["name"], event["pid"])
            assert event["ts"] >= first["ts"]
    assert not any(begun.values())
    assert roots == sum(len(one.jobs) for one in recordings) == len(begun)
    assert legs == sum(len(one.legs) for one in recordings)


def test_a_node_s_track_has_its_chunks_and_the_names_are_told(
    events: list[dict[str, Any]], recordings: list[Recording]
):
    names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    nodes = recordings[0].facts.scenario.nodes.count
    assert len(names) == len(recordings) * (nodes + 1)
    for recording in recordings:
        for node in range(nodes):
            (pid,) = (p for p, name in names.items() if name.startswith(f"{recording.policy}: node_{node},"))
            spans = [e for e in events if e["ph"] == "X" and e["pid"] == pid and e["tid"] == ACCELERATOR]
            chunks = recording.chunks[recording.chunks["node"] == node]
            assert [e["ts"] for e in spans] == [round(1e6 * s) for s in chunks["start_s"]]
            assert [e["args"]["job"] for e in spans] == chunks["job"].tolist()
