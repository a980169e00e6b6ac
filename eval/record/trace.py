"""trace.json: recordings in the Trace Event format, for chrome://tracing, ui.perfetto.dev or speedscope.

A policy's nodes are processes, each with a track of its accelerator, one of its loads, and counters; its jobs are a process of their own,
each an async pair around those of its legs. `ts` and `dur` are whole us, so that spans of a track that follow each other do not overlap.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edge6g_env.kernel.codes import PHASE_NAMES
from eval.record.recording import CLOUD, UE, Recording

ACCELERATOR, LOADS = 1, 2  # threads of a node's process
_GB = 1e9
Event = dict[str, Any]


def trace_text(recordings: Sequence[Recording]) -> str:
    """The file: one object with `traceEvents`, those of all policies."""
    events: list[Event] = []
    for index, recording in enumerate(recordings):
        events += events_of(recording, index * (recording.facts.scenario.nodes.count + 1))
    lines = ",\n".join(json.dumps(event, separators=(",", ":")) for event in events)
    return f'{{"displayTimeUnit":"ms","traceEvents":[\n{lines}\n]}}\n'


def events_of(recording: Recording, first_pid: int) -> Iterator[Event]:
    """All events of a policy: process first_pid has its jobs, the next ones are its nodes."""
    yield _named(first_pid, f"{recording.policy}: jobs")
    for node in range(recording.facts.scenario.nodes.count):
        pid = first_pid + 1 + node
        yield _named(pid, f"{recording.policy}: node_{node}, {recording.facts.scenario.nodes.device_of(node)}")
        for tid, name in ((ACCELERATOR, "accelerator"), (LOADS, "loads")):
            yield {"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}}
    yield from _spans(recording, first_pid + 1)
    yield from _counters(recording, first_pid + 1)
    yield from _jobs(recording, first_pid)


def _named(pid: int, name: str) -> Event:
    return {"ph": "M", "pid": pid, "tid": 0, "name": "process_name", "args": {"name": name}}


def us(time_s: float) -> int:
    """Whole microseconds."""
    return round(1e6 * float(time_s))


def _span(pid: int, tid: int, name: str, start_s: float, end_s: float, args: Mapping[str, Any]) -> Event:
    ts = us(start_s)
    return {"ph": "X", "pid": pid, "tid": tid, "name": name, "ts": ts, "dur": us(end_s) - ts, "args": dict(args)}


def _spans(recording: Recording, first_pid: int) -> Iterator[Event]:
    """Chunks of prompts and slices of training, and loads."""
    variants = recording.facts.scenario.variants
    for chunk in recording.chunks:
        name = "prefill" if chunk["amount"] > 0.0 else "training"
        args = {"job": int(chunk["job"])} | ({"tokens": float(chunk["amount"])} if name == "prefill" else {})
        yield _span(first_pid + int(chunk["node"]), ACCELERATOR, name, chunk["start_s"], chunk["end_s"], args)
    for load in recording.loads:
        model, precision = variants[int(load["variant"])]
        args = {"gb": float(load["amount"]) / _GB}
        yield _span(first_pid + int(load["node"]), LOADS, f"{model}, {precision}", load["start_s"], load["end_s"], args)


def _counters(recording: Recording, first_pid: int) -> Iterator[Event]:
    """What frames count at nodes, where it changes."""
    frames = recording.frames
    counted = {
        "sequences with KV": {"sequences": frames.sequences},
        "memory": {"kv_gb": frames.kv_bytes / _GB, "weights_gb": frames.weight_bytes / _GB},
        "queue": {"to decide": frames.queue, "to compute": frames.inbox},
    }
    for name, arrays in counted.items():
        for node in range(frames.queue.shape[1]):
            columns = np.stack([array[:, node].astype(np.float64) for array in arrays.values()])
            changes = np.append(True, (columns[:, 1:] != columns[:, :-1]).any(axis=0))
            for frame in np.flatnonzero(changes).tolist():
                args = dict(zip(arrays, np.round(columns[:, frame], 6).tolist(), strict=True))
                yield {
                    "ph": "C", "pid": first_pid + node, "tid": 0, "name": name, "ts": us(frames.times_s[frame]), "args": args
                }  # fmt: skip


def _jobs(recording: Recording, pid: int) -> Iterator[Event]:
    """Each job as an async pair, and within it one for each of its legs and waits."""
    services = [service.name for service in recording.facts.scenario.service]
    for job in recording.jobs:
        number, action = int(job["job"]), int(job["action"])
        common = {"pid": pid, "tid": 0, "cat": "job", "id": f"{pid}:{number}"}
        args = {
            "job": number,
            "ue": int(job["ue"]),
            "ingress": int(job["ingress"]),
            "decided": recording.facts.action_names[action] if action >= 0 else "nothing",
            "phase": PHASE_NAMES[int(job["phase"])],
            "worth": round(float(job["worth"]), 6),
        }
        name = services[int(job["service"])]
        yield {"ph": "b", "name": name, "ts": us(job["arrival_s"]), "args": args, **common}
        for leg in recording.legs_of(number):
            of_leg = {"name": recording.leg_names[int(leg["name"])], **common}
            yield {"ph": "b", "ts": us(leg["start_s"]), "args": {"place": place_name(int(leg["place"]))}, **of_leg}
            yield {"ph": "e", "ts": us(leg["end_s"]), **of_leg}
        yield {"ph": "e", "name": name, "ts": us(job["end_s"]), **common}


def place_name(place: int) -> str:
    """A place of LEG_DTYPE in words."""
    return {UE: "ue", CLOUD: "cloud"}.get(place, f"node_{place}")
