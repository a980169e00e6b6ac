"""What the radio of the kernel does, read from worlds in which nobody sends a job (edge6g_env/kernel/outside.py): interference is that of
the other traffic alone. The numbers behind docs/make_radio.py.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge6g_env import radio
from edge6g_env.kernel.outside import LEVELS
from edge6g_env.pictures.quiet import Worlds
from edge6g_env.scenario import Scenario, load_scenario, scenarios

# --- distributions -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """One line of a distribution: UEs of scenarios with the same radio, while a band serves them."""

    label: str
    levels: dict[str, np.ndarray]
    """LEVELS, (samples,) each."""
    share: float
    """Of the time of the scenario's UEs."""
    handovers_per_ue_min: float
    """Of the scenario, whatever the band."""
    ping_pong_share: float


def same_radio() -> list[list[str]]:
    """Names of the shipped scenarios, those with the same radio, layout and motion together."""
    groups: dict[str, list[str]] = {}
    for name in scenarios():
        groups.setdefault(radio_fingerprint(load_scenario(name)), []).append(name)
    return list(groups.values())


def radio_fingerprint(scenario: Scenario) -> str:
    """Hash of what decides about the channel: radio, UEs, places of the nodes, slot."""
    nodes, ues = scenario.nodes, scenario.ues.model_dump(exclude={"device", "tx_power_w"})
    parts = [scenario.radio.model_dump(), ues, nodes.count, nodes.columns, nodes.spacing_m, scenario.time.slot_s]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def distribution(names: list[str], num_worlds: int, seconds: float, every_s: float) -> list[Sample]:
    """Samples of the levels of the scenario's own UEs on their way, every every_s, one Sample a band."""
    worlds = Worlds(names[0], num_worlds)
    taken: list[dict[str, np.ndarray]] = []
    for slot in range(1, round(seconds / worlds.scenario.time.slot_s) + 1):
        worlds.step()
        if slot % round(every_s / worlds.scenario.time.slot_s) == 0:
            taken.append({**worlds.levels(), "band": worlds.serving_band})
    together = {name: np.concatenate([part[name].ravel() for part in taken]) for name in taken[0]}
    return _by_band(names, worlds, together)


def _by_band(names: list[str], worlds: Worlds, together: dict[str, np.ndarray]) -> list[Sample]:
    presets, happened = worlds.scenario.radio.presets, worlds.batch.statistics()
    handovers, ping_pongs = int(happened.handovers.sum()), int(happened.ping_pongs.sum())
    per_ue_min = handovers / (worlds.batch.num_worlds * worlds.scenario.num_ues) / worlds.now_s * 60.0
    samples = []
    for band, name in enumerate(presets):
        here = together["band"] == band
        label = ", ".join(names) + (f" ({radio.preset(name).band})" if len(presets) > 1 else "")
        levels = {level: together[level][here] for level in LEVELS}
        samples.append(Sample(label, levels, float(here.mean()), per_ue_min, ping_pongs / max(handovers, 1)))
    return samples


# --- the trace of one UE ---------------------------------------------------------------------------------------------------------------


def record(scenario: str, seconds: float) -> dict[str, np.ndarray]:
    """All UEs of one world after each slot: LEVELS, node, band, filtered powers as they are compared (with the band's offset) of the
    serving cell and of the best other one, the agents' estimates, the end of the last interruption. (T, U) each, time_s (T,)."""
    worlds = Worlds(scenario, 1)
    rows = []
    for _ in range(round(seconds / worlds.scenario.time.slot_s)):
        worlds.step()
        rows.append({**{name: level[0] for name, level in worlds.levels().items()}, **_state(worlds)})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _state(worlds: Worlds) -> dict[str, Any]:
    world = worlds.world
    ue, cell = world.ue[0], world.cell[0, :-1]
    node = np.array(ue["node"])
    band_of_cell = np.asarray(world.site["band"])[cell["node"]]
    offset_db = np.asarray(world.band["offset_db"])
    compared_dbm = cell["filtered_dbm"] + offset_db[band_of_cell]
    serves = cell["node"] == node[:, None]
    return {
        "time_s": worlds.now_s,
        "node": node,
        "band": worlds.serving_band[0],
        "serving_dbm": np.where(serves, compared_dbm, -np.inf).max(axis=1),
        "other_dbm": np.where(serves, -np.inf, compared_dbm).max(axis=1),
        "offset_db": offset_db[worlds.serving_band[0]],
        "seen_uplink_db": np.array(ue["seen_uplink_db"]),
        "seen_downlink_db": np.array(ue["seen_downlink_db"]),
        "silent_until_s": np.array(ue["silent_until_s"]),
    }


def tell_tale(rows: dict[str, np.ndarray], window_s: float) -> tuple[int, slice]:
    """(UE, rows) of the window with a handover and a blockage of the serving link in sight, both well inside; of those the one with
    most bands, then with fewest handovers.

    Raises ValueError if there is none."""
    slots = round(window_s / float(rows["time_s"][1] - rows["time_s"][0]))
    margin = slots // 6
    changes = np.diff(rows["node"], axis=0, prepend=rows["node"][:1]) != 0
    blocked = (rows["blocked"] == 1) & (rows["los"] == 1)
    best: tuple[tuple[int, int], int, slice] | None = None
    for start in range(0, len(blocked) - slots + 1, max(1, slots // 10)):
        window, inside = slice(start, start + slots), slice(start + margin, start + slots - margin)
        handovers, lasting = changes[window].sum(axis=0), blocked[window].sum(axis=0)
        fits = changes[inside].any(axis=0) & (blocked[inside].sum(axis=0) > slots // 20) & (lasting < slots // 5)
        for u in np.flatnonzero(fits):
            rank = -len(np.unique(rows["band"][window, u])), int(handovers[u])
            if best is None or rank < best[0]:
                best = rank, int(u), window
    if best is None:
        raise ValueError(f"no UE has a handover and a blockage within {window_s:g} s: record more seconds")
    return best[1], best[2]


def one_ue(rows: dict[str, np.ndarray], u: int, window: slice) -> dict[str, np.ndarray]:
    """What `record` gave of UE u in a window: (T,) each."""
    return {name: (values[window] if values.ndim == 1 else values[window, u]) for name, values in rows.items()}


def handovers_of(one: dict[str, np.ndarray]) -> np.ndarray:
    """Rows (T,) of one UE at which another cell serves it than in the row before."""
    return np.flatnonzero(np.diff(one["node"], prepend=one["node"][0]))


def spans_of(true: np.ndarray) -> list[tuple[int, int]]:
    """(first row, row after the last) of each run of True."""
    edges = np.flatnonzero(np.diff(true.astype(int), prepend=0, append=0)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
