"""Lives of jobs: what notes (kernel/notes.py) say of each, as legs and waits that partition its time.

Each instant of a job belongs to the one leg or wait that its next step depends on. Of work that goes on side by side that is what the job
waits for: a draft that loads beside an upload is none of its legs. A leg that queues somewhere is a wait until it is worked on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge6g_env.kernel import codes, notes
from edge6g_env.kernel.legs import KINDS, LEG_NAMES, LEGS
from edge6g_env.scenario import Scenario

UE, CLOUD = -1, -2  # places beside nodes
WAITS = ("decision", "memory", "load", "queue", "cloud place", "round", "repair")
"""What jobs wait for: a decision; memory at a node; weights that load there; its accelerator; a place in the cloud; the others of a round;
the repair of a part, and the way back to the queue from one."""
LEG_DTYPE = np.dtype(
    [
        ("job", np.int32),
        ("name", np.int16),  # index into the names of `names_of`
        ("place", np.int16),  # where it goes on: a node, UE or CLOUD; of a transfer where it ends
        ("origin", np.int16),  # where a transfer begins: a node, UE or CLOUD; elsewhere the same as place
        ("start_s", np.float64),
        ("end_s", np.float64),
    ]
)
SPAN_DTYPE = np.dtype(
    [
        ("node", np.int16),
        ("job", np.int32),  # whose chunk or slice; of a load -1
        ("variant", np.int16),  # of a load, index into Scenario.variants; else -1
        ("amount", np.float64),  # prompt tokens in the chunk, bytes of a load, 0 of a slice of training
        ("start_s", np.float64),
        ("end_s", np.float64),
    ]
)
HANDOVER_DTYPE = np.dtype([("time_s", np.float64), ("ue", np.int32), ("origin", np.int16), ("target", np.int16)])
OUTAGE_DTYPE = np.dtype(
    [
        ("kind", np.int8),  # index into codes.FAULT_KINDS: node, xn, backhaul, cloud
        ("node", np.int16),  # CLOUD: the cloud; of a link one end
        ("peer", np.int16),  # the other end of a link, UE: none
        ("start_s", np.float64),
        ("end_s", np.float64),  # the end of the episode where it was not repaired
    ]
)
_WAIT_OF_NOTE = {
    notes.ARRIVED: "decision",
    notes.DECISION: "decision",
    notes.MEMORY: "memory",
    notes.LOAD: "load",
    notes.QUEUE: "queue",
    notes.REPAIR: "repair",
}
_WAIT_OF_STAGE = {codes.NODE_PREFILL: "queue", codes.CLOUD_WAIT: "cloud place", codes.MEET: "round"}
_TRANSFERS_UP, _TRANSFERS_DOWN = (codes.UPLINK, codes.LINK), (codes.BACK, codes.DOWNLOAD, codes.DOWNLINK)
_SHORTEST_S = 1e-12


class Lives(NamedTuple):
    """What notes of an episode say."""

    names: tuple[str, ...]
    """Names of legs, then of waits, each with `wait ` before it."""
    legs: np.ndarray
    """(L,) LEG_DTYPE, by job, then by time; those of a job follow each other without a gap, from its arrival to its end."""
    ue: np.ndarray
    """int64 (J,) UE of each job of the outcomes."""
    ingress: np.ndarray
    """int64 (J,) the node that it came to."""
    chunks: np.ndarray
    """(C,) SPAN_DTYPE chunks of prompts and slices of training at nodes, by their start."""
    loads: np.ndarray
    """(W,) SPAN_DTYPE weights that nodes loaded, by their start."""
    handovers: np.ndarray
    """(H,) HANDOVER_DTYPE, by time."""
    outages: np.ndarray
    """(X,) OUTAGE_DTYPE, by their start."""


def names_of(scenario: Scenario) -> tuple[str, ...]:
    """Names of the legs of the kinds of jobs that a scenario has, in the order of their ways, but for those that are waits; then `wait `
    before each of WAITS. Waits for a round are there if there is fine-tuning."""
    kinds = [kind for kind, name in enumerate(KINDS) if any(service.kind == name for service in scenario.service)]
    ways = [(kind, stage, part) for kind in kinds for stage, part in LEGS[kind].tolist()]
    legs = (LEG_NAMES[kind].get((stage, part)) for kind, stage, part in ways if stage not in (codes.ADMIT, codes.MEET))
    waits = (wait for wait in WAITS if wait != "round" or scenario.finetune)
    return (*dict.fromkeys(name for name in legs if name), *(f"wait {wait}" for wait in waits))


def lives_of(rows: np.ndarray, outcomes: np.ndarray, scenario: Scenario) -> Lives:
    """Read the notes of an episode, NOTED as they were written; outcomes: (J,) OUTCOME of all jobs, by number."""
    names, nodes = names_of(scenario), scenario.nodes.count
    of_jobs = rows[rows["job"] >= 0]
    of_jobs = of_jobs[np.argsort(of_jobs["job"], kind="stable")]
    place = np.searchsorted(outcomes["job"], of_jobs["job"])  # of its job among the outcomes
    starts_s, ends_s = _times(of_jobs, place, outcomes)
    came = of_jobs["what"] == notes.ARRIVED
    ue, ingress = np.full(len(outcomes), -1), np.full(len(outcomes), -1)
    ue[place[came]], ingress[place[came]] = of_jobs["amount"][came].astype(int), of_jobs["node"][came]
    kinds = outcomes["kind"][place]
    legs = np.zeros(len(of_jobs), LEG_DTYPE)
    legs["job"], legs["start_s"], legs["end_s"] = of_jobs["job"], starts_s, ends_s
    legs["name"] = _names(of_jobs, kinds, nodes, names)
    legs["place"], legs["origin"] = _places(of_jobs, ingress[place], nodes)
    return Lives(
        names,
        _joined(legs[ends_s - starts_s > _SHORTEST_S]),
        ue,
        ingress,
        _chunks(of_jobs, starts_s, ends_s, nodes),
        _loads(rows, scenario),
        _handovers(rows),
        _outages(rows, scenario),
    )


def _times(rows: np.ndarray, place: np.ndarray, outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and end in s of what each row says. A job's clock may be ahead of a fault, or of its end, that cuts what had been noted."""
    starts_s = np.maximum(rows["start_s"], outcomes["arrival_s"][place])
    last = np.append(place[1:] != place[:-1], True) if len(place) else np.zeros(0, bool)
    ends_s = np.append(starts_s[1:], 0.0)
    ends_s[last] = outcomes["end_s"][place[last]]
    for group in np.unique(place[ends_s < starts_s]).tolist():
        first, end = np.searchsorted(place, [group, group + 1])
        ahead_s = np.append(starts_s[first:end], ends_s[end - 1])
        cut_s = np.minimum.accumulate(ahead_s[::-1])[::-1]
        starts_s[first:end], ends_s[first:end] = cut_s[:-1], cut_s[1:]
    return starts_s, ends_s


def _names(rows: np.ndarray, kinds: np.ndarray, nodes: int, names: tuple[str, ...]) -> np.ndarray:
    """Index into names of what each row says."""
    table = np.zeros(LEGS.shape[:2], np.int64)
    for kind, leg in np.ndindex(*table.shape):
        name = LEG_NAMES[kind].get(tuple(LEGS[kind, leg].tolist()), "")
        table[kind, leg] = names.index(name) if name in names else 0
    out = table[kinds, rows["leg"]]
    for what, wait in _WAIT_OF_NOTE.items():
        out[rows["what"] == what] = names.index(f"wait {wait}")
    for stage, wait in _WAIT_OF_STAGE.items():
        if f"wait {wait}" in names:
            out[(rows["what"] == notes.LEG) & (rows["stage"] == stage)] = names.index(f"wait {wait}")
    begun, at_cloud = rows["what"] == notes.LEG, rows["node"] == nodes
    out[begun & (rows["stage"] == codes.ADMIT) & ~at_cloud] = names.index("wait memory")
    out[begun & (rows["stage"] == codes.ADMIT) & at_cloud] = names.index("wait cloud place")
    out[begun & (rows["stage"] == codes.TRAIN) & ~at_cloud] = names.index("wait queue")
    return out


def _places(rows: np.ndarray, ingress: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """(place, origin) of what each row says."""
    node = np.where(rows["node"] == nodes, CLOUD, rows["node"])
    place, origin, works = node.copy(), node.copy(), np.isin(rows["what"], (notes.LEG, notes.WORKS))
    up, down = (works & np.isin(rows["stage"], stages) for stages in (_TRANSFERS_UP, _TRANSFERS_DOWN))
    origin[up] = np.where(rows["stage"] == codes.UPLINK, UE, ingress)[up]
    place[down] = np.where(rows["stage"] == codes.BACK, ingress, UE)[down]
    alone = down & (node == UE)  # of a job without a part at a node it comes from its own
    origin[alone] = ingress[alone]
    return place, origin


def _joined(legs: np.ndarray) -> np.ndarray:
    """Legs with what goes on in the next one made one of them: chunk after chunk of a prompt."""
    same = np.ones(max(0, len(legs) - 1), bool)
    for field in ("job", "name", "place", "origin"):
        same &= legs[field][1:] == legs[field][:-1]
    first = np.flatnonzero(np.append(True, ~same)[: len(legs)])
    out = legs[first]
    out["end_s"] = legs["end_s"][np.append(first[1:], len(legs))[: len(first)] - 1]
    return out


def _chunks(rows: np.ndarray, starts_s: np.ndarray, ends_s: np.ndarray, nodes: int) -> np.ndarray:
    at_node = np.isin(rows["stage"], (codes.NODE_PREFILL, codes.TRAIN)) & (rows["node"] >= 0) & (rows["node"] < nodes)
    chosen = (rows["what"] == notes.WORKS) & at_node & (ends_s - starts_s > _SHORTEST_S)
    out = np.zeros(np.count_nonzero(chosen), SPAN_DTYPE)
    out["variant"] = -1
    for field in ("node", "job", "amount"):
        out[field] = rows[field][chosen]
    out["start_s"], out["end_s"] = starts_s[chosen], ends_s[chosen]
    return np.sort(out, order=["start_s", "node"])


def _loads(rows: np.ndarray, scenario: Scenario) -> np.ndarray:
    """Each from its beginning to the node's next end of a load, which may be that it is given up; one at a time."""
    spans = []
    for node in range(scenario.nodes.count):
        own = rows[(rows["node"] == node) & np.isin(rows["what"], (notes.LOADS, notes.LOADED))]
        for k in np.flatnonzero(own["what"] == notes.LOADS).tolist():
            begun = own[k]
            end_s = own["start_s"][k + 1] if k + 1 < len(own) else scenario.time.episode_s
            if end_s > begun["start_s"]:
                spans.append((node, -1, begun["stage"], begun["amount"], begun["start_s"], end_s))
    return np.sort(np.array(spans, SPAN_DTYPE), order=["start_s", "node"])


def _handovers(rows: np.ndarray) -> np.ndarray:
    own = rows[rows["what"] == notes.HANDOVER]
    out = np.zeros(len(own), HANDOVER_DTYPE)
    out["time_s"], out["ue"], out["origin"], out["target"] = own["start_s"], own["stage"], own["part"], own["node"]
    return out


def _outages(rows: np.ndarray, scenario: Scenario) -> np.ndarray:
    """From the failure of a part to its repair."""
    spans, begun = [], {}
    for row in rows[rows["what"] == notes.PART]:
        part = int(row["stage"]), int(row["node"]), int(row["part"])
        if row["amount"] == 0.0:
            begun[part] = float(row["start_s"])
        elif part in begun:
            spans.append((part, begun.pop(part), float(row["start_s"])))
    spans += [(part, start_s, scenario.time.episode_s) for part, start_s in begun.items()]
    of_cloud = {part: (part[0], CLOUD, UE) if part[1] < 0 else part for part, *_ in spans}
    out = np.array([(*of_cloud[part], start_s, end_s) for part, start_s, end_s in spans], OUTAGE_DTYPE)
    return np.sort(out, order=["start_s", "kind", "node", "peer"])
