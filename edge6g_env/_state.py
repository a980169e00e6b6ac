"""`state()`: what every agent observes, then what none does: rows that say what each entry is and where it stands in a World."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edge6g_env.features import Feature, count, flag, seconds
from edge6g_env.kernel.codes import NOW
from edge6g_env.kernel.world import World


class Entry(NamedTuple):
    """An entry of `state()` and how it is read: from a World, for all worlds, and nodes or UEs in them."""

    feature: Feature
    read: Callable[[World], np.ndarray]


def _field(array: str, name: str, feature: Feature) -> Entry:
    """An entry that is a field of the records of an array."""
    return Entry(feature, lambda w: getattr(w, array)[name])


def _jobs_in_flight(w: World) -> np.ndarray:
    return w.episode["n_active"] + w.node["n_queue"].sum(axis=1)


def _memory_share(w: World) -> np.ndarray:
    return (w.server["kv_bytes"] + w.server["weight_bytes"]) / w.site["usable_bytes"]


WORLD_STATE = (
    Entry(Feature("world/time_share", "1", 0.0, 1.0), lambda w: w.episode["now_s"] / w.time["episode_s"]),
    Entry(count("world/jobs_in_flight", 1e5), _jobs_in_flight),
    _field("episode", "cloud_running", count("world/cloud_jobs", 1e5)),
    _field("episode", "n_cloud_wait", count("world/cloud_waiting", 1e5)),
    _field("episode", "cloud_up", flag("world/cloud_up")),
)
NODE_STATE = (
    _field("node", "n_queue", count("queue_jobs", 1e3)),
    _field("server", "n_inbox", count("inbox_jobs", 1e3)),
    _field("server", "n_admitted", count("sequences", 1e3)),
    _field("server", "backlog_s", seconds("backlog_s", 120.0)),
    _field("server", "cycle_s", seconds("cycle_s", 10.0)),
    Entry(Feature("memory_share", "1", 0.0, 1.0), _memory_share),
)
UE_STATE = (
    _field("ue", "x_m", Feature("x_m", "m", 0.0, 1e6)),
    _field("ue", "y_m", Feature("y_m", "m", 0.0, 1e6)),
    _field("ue", "sinr_db", Feature("sinr_db", "dB", -200.0, 200.0)),
    _field("ue", "node", Feature("node", "index", 0.0, 1023.0)),
)


def state_of(world: World, worlds: slice) -> np.ndarray:
    """float64 (B, S) of some worlds, not clipped."""
    one = world._replace(
        **{name: getattr(world, name).view(np.ndarray)[worlds] for name in ("episode", "node", "server", "ue")}
    )
    parts = [np.stack([entry.read(one) for entry in rows], axis=-1) for rows in (WORLD_STATE, NODE_STATE, UE_STATE)]
    observation = world.observation[NOW, worlds]
    return np.concatenate([part.reshape(len(observation), -1) for part in (observation, *parts)], axis=1)
