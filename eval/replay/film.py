"""Recordings of one seed as the page reads them: facts that all policies share, and what came under each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge6g_env.kernel import codes
from edge6g_env.scene import Scene, scene_of
from eval.record.recording import CLOUD, UE, Recording
from eval.replay.embed import Arrays
from eval.replay.paths import turns

PARTS = 10_000  # of a node's memory that its bars are told in
_OF_JOBS = ("service", "ue", "ingress", "phase", "measured", "slo_met", "arrival_s", "end_s", "worth", "action")
_OF_OUTCOMES = (
    "ttft_s",
    "tpot_s",
    "price_usd",
    "energy_j",
    "quality",
    "prompt_tokens",
    "output_tokens",
    "air_bytes",
    "backhaul_bytes",
    "retries",
    "progress",
)
_OF_OPTIONS = ("action", "chosen", "rank", "ttft_s", "tpot_s", "price_usd", "energy_j", "quality", "utility")
_COUNTED = ("queue", "inbox", "sequences", "training", "load_variant", "up")
_HELD = ("weight_bytes", "kv_bytes", "training_bytes")


def film(recordings: Sequence[Recording]) -> tuple[dict[str, Any], Arrays]:
    """What the page draws, and the arrays that it refers to.

    recordings: at least one, all of the same scenario and seed, of which the first stands for what policies do not change. Raises
    ValueError otherwise.
    """
    if not recordings:
        raise ValueError("a replay needs a recording")
    if len({(one.facts.scenario.label, one.seed) for one in recordings}) > 1:
        raise ValueError("recordings of a replay must be of one scenario and one seed")
    arrays = Arrays()
    head = {"scene": _scene(recordings[0], arrays), "takes": [_take(one, arrays) for one in recordings]}
    return head, arrays


def _scene(one: Recording, arrays: Arrays) -> dict[str, Any]:
    facts, scenario, scene = one.facts, one.facts.scenario, scene_of(one.facts.scenario)
    return {
        "title": scenario.label,
        "summary": scenario.summary,
        "seed": one.seed,
        "ue_place": UE,
        "cloud_place": CLOUD,
        "phases": list(codes.PHASE_NAMES),
        "fault_kinds": list(codes.FAULT_KINDS),
        "times_s": arrays.add(one.frames.times_s),
        "memory_parts": PARTS,
        "services": [_service(service) for service in scenario.service],
        "actions": facts.action_names,
        "variants": [" ".join(variant) for variant in scene.variants],
        "cloud": {"device": scene.cloud_device, "places": scene.cloud_places},
        "nodes": _nodes(scene),
        "bands": list(scene.bands),
        "links": _links(scene.neighbour),
        "hotspots": np.round(facts.hotspots_xy_m, 2).tolist(),
        "hotspot_radius_m": scene.hotspot_radius_m,
        "streets_m": [scene.street_x_m.tolist(), scene.street_y_m.tolist()],
        "area_m": list(scene.area_m),
        "ue_devices": list(scene.ue_devices),
        "paths": _paths(one, arrays),
        "handovers": {name: arrays.add(one.handovers[name]) for name in ("time_s", "ue", "origin", "target")},
    }


def _service(service: Any) -> dict[str, Any]:
    return {"name": service.name, "kind": service.kind, "privacy": service.privacy, **service.objectives}


def _nodes(scene: Scene) -> list[dict[str, Any]]:
    rows = zip(
        scene.node_m.tolist(), scene.node_devices, scene.node_band.tolist(), scene.usable_bytes.tolist(), strict=True
    )
    return [
        {"name": f"node_{i}", "x_m": x_m, "y_m": y_m, "device": device, "band": band, "memory_gb": round(held / 1e9, 3)}
        for i, ((x_m, y_m), device, band, held) in enumerate(rows)
    ]


def _links(neighbours: np.ndarray) -> list[list[int]]:
    """Each Xn link once, its lower node first."""
    pairs = {(min(i, j), max(i, j)) for i, row in enumerate(neighbours.tolist()) for j in row if j >= 0}
    return [list(pair) for pair in sorted(pairs)]


def _paths(one: Recording, arrays: Arrays) -> dict[str, Any]:
    """Points of the ways of all UEs, one UE after the other; points of UE u are first[u] to first[u + 1]."""
    xy_m, times_s = one.frames.ue_xy_m, one.frames.times_s
    kept = [turns(xy_m[:, u].astype(np.float64)) for u in range(xy_m.shape[1])]
    points = np.concatenate([xy_m[frames, u] for u, frames in enumerate(kept)])
    return {
        "first": arrays.add(np.cumsum([0, *map(len, kept)])),
        "time_s": arrays.add(np.concatenate([times_s[frames] for frames in kept])),
        "x_m": arrays.add(points[:, 0]),
        "y_m": arrays.add(points[:, 1]),
        "first_node": arrays.add(one.frames.ue_node[0]),
    }


def _take(one: Recording, arrays: Arrays) -> dict[str, Any]:
    return {
        "policy": one.policy,
        "sinr_db": arrays.add(_by_row(np.rint(np.clip(one.frames.ue_sinr_db, -100, 100)).astype(np.int16))),
        "frames": _frames(one, arrays),
        "jobs": _jobs(one, arrays),
        "legs": _legs(one, arrays),
        "decisions": _decisions(one, arrays),
        "options": {name: arrays.add(one.options[name]) for name in _OF_OPTIONS},
        "outages": {name: arrays.add(one.outages[name]) for name in one.outages.dtype.names or ()},
        "loads": {name: arrays.add(one.loads[name]) for name in ("node", "variant", "start_s", "end_s")},
    }


def _by_row(values: np.ndarray) -> np.ndarray:
    """(F, N) as (N, F): what changes seldom is small then."""
    return np.ascontiguousarray(values.T)


def _frames(one: Recording, arrays: Arrays) -> dict[str, Any]:
    frames, usable_bytes = one.frames, np.maximum(one.facts.usable_bytes, 1.0)
    held = {name: np.rint(PARTS * getattr(frames, name) / usable_bytes).astype(np.int64) for name in _HELD}
    of_nodes = {name: getattr(frames, name) for name in _COUNTED} | held
    of_cloud = {name: getattr(frames, name) for name in ("cloud_running", "cloud_waiting")}
    return {name: arrays.add(_by_row(values)) for name, values in (of_nodes | of_cloud).items()}


def _jobs(one: Recording, arrays: Arrays) -> dict[str, Any]:
    own = {name: arrays.add(one.jobs[name]) for name in _OF_JOBS}
    return {"number": arrays.add(one.jobs["job"]), **own} | {
        name: arrays.add(one.outcomes[name]) for name in _OF_OUTCOMES
    }


def _legs(one: Recording, arrays: Arrays) -> dict[str, Any]:
    """Legs of the job in row j are first[j] to first[j + 1]; each ends where the next begins, the last with its job."""
    legs = one.legs
    return {
        "names": list(one.leg_names),
        "first": arrays.add(_firsts(one, legs["job"])),
        **{name: arrays.add(legs[name]) for name in ("name", "place", "origin", "start_s")},
    }


def _firsts(one: Recording, numbers: np.ndarray) -> np.ndarray:
    """Where the rows of each job begin among rows by number, and where the last one's end."""
    return np.append(np.searchsorted(numbers, one.jobs["job"]), len(numbers))


def _decisions(one: Recording, arrays: Arrays) -> dict[str, Any]:
    """Decisions by job, as the legs; their options are first_option to first_option + options."""
    rows = one.decisions[np.lexsort((one.decisions["time_s"], one.decisions["job"]))]
    names = [name for name in rows.dtype.names or () if name != "job"]
    return {"first": arrays.add(_firsts(one, rows["job"])), **{name: arrays.add(rows[name]) for name in names}}
