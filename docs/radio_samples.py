"""What the radio of the kernel does, read from worlds in which nobody sends a job. The numbers behind docs/make_radio.py.

Rates are those of a UE that is alone in its cell beside the other traffic, over the whole band, with fading and block errors; SINRs are
without fading. Interference is that of the other traffic.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge6g_env import radio
from edge6g_env._jit import njit
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel import channel, rates
from edge6g_env.kernel.handle import handle_of
from edge6g_env.scenario import Scenario, load_scenario, scenarios

SEED = 0
QUIET: dict[str, Any] = {"arrivals.rate_jobs_s": 1e-9}
STILL: dict[str, Any] = {
    "ues.mobility": "stationary",
    "ues.hotspots": 0,
    "ues.hotspot_share": 0.0,
    "ues.hotspot_radius_m": 0.0,
    "ues.indoor_share": 0.0,
}
LEVELS = ("uplink_sinr_db", "downlink_sinr_db", "uplink_bit_s", "downlink_bit_s", "power_dbm", "los", "blocked")


@njit
def _read_levels(w, now_s, out):  # type: ignore[no-untyped-def]
    """Fill out (LEVELS, B, U); the rates first, since they bring interference and fading to now_s."""
    for b in range(out.shape[1]):
        for u in range(out.shape[2]):
            out[2, b, u] = rates.uplink(w, b, u, 1, now_s)[0]
            out[3, b, u] = rates.downlink(w, b, u, 1, now_s)[0]
        for u in range(out.shape[2]):
            ue = w.ue[b, u]
            band, cell = w.band[w.site[ue.node].band], w.cell[b, u, ue.serving]
            loss_db = channel.link_loss_db(w, b, u, ue.serving, now_s)
            out[0, b, u] = rates.uplink_sinr_db(w, b, u, loss_db, band.bandwidth_hz)
            out[1, b, u] = rates.downlink_sinr_db(w, b, u, loss_db, now_s)
            out[4, b, u] = band.ptx_bs_dbm - loss_db
            out[5, b, u], out[6, b, u] = cell.los, cell.blocked


class Worlds:
    """Worlds of a scenario whose agents always hold."""

    def __init__(self, scenario: str, num_worlds: int, **overrides: Any) -> None:
        self.batch = BatchEnv(scenario, num_worlds, **QUIET, **overrides)
        self.batch.reset(seed=SEED)
        self.world, self.scenario = self.batch.world, self.batch.scenario
        self._handle = handle_of(self.world)
        self._hold = np.zeros((num_worlds, self.batch.num_agents), np.int64)

    def step(self) -> None:
        """One slot."""
        self.batch.step(self._hold)

    @property
    def now_s(self) -> float:
        """Time, the same in all worlds."""
        return float(self.world.episode["now_s"][0])

    @property
    def serving_band(self) -> np.ndarray:
        """int64 (B, U): index of the serving cell's band."""
        return np.asarray(self.world.site["band"])[self.world.ue["node"]]

    def levels(self) -> dict[str, np.ndarray]:
        """LEVELS of every UE now, float64 (B, U) each."""
        out = np.zeros((len(LEVELS), *self.world.ue.shape))
        with np.errstate(over="ignore"):
            _read_levels(self._handle, self.now_s, out)
        return dict(zip(LEVELS, out, strict=True))


# --- coverage ----------------------------------------------------------------------------------------------------------------------


def coverage(scenario: str, num_worlds: int, ues_per_node: int) -> dict[str, np.ndarray]:
    """UEs that stand outdoors at uniform places, each with links of its own: x_m, y_m, node, band and LEVELS, (B, U) each."""
    worlds = Worlds(scenario, num_worlds, **STILL, **{"ues.per_node": ues_per_node})
    worlds.step()  # an MCS is chosen by the grid step before
    ue = worlds.world.ue
    places = {name: np.array(ue[name]) for name in ("x_m", "y_m", "node")}
    return {**places, "band": worlds.serving_band, **worlds.levels()}


def by_pixel(points: dict[str, np.ndarray], name: str, area_m: tuple[float, float], pixel_m: float) -> np.ndarray:
    """Median of a level over the UEs of each square of the area, float64 (rows, columns); NaN where there are none."""
    return np.array(
        [[np.median(v) if len(v) else np.nan for v in row] for row in _pixels(points, name, area_m, pixel_m)]
    )


def most_frequent(points: dict[str, np.ndarray], area_m: tuple[float, float], pixel_m: float) -> np.ndarray:
    """Node that serves most UEs of each square, float64 (rows, columns); NaN where there are none."""
    rows = _pixels(points, "node", area_m, pixel_m)
    return np.array([[np.bincount(v.astype(int)).argmax() if len(v) else np.nan for v in row] for row in rows])


def share_of_band(points: dict[str, np.ndarray], band: int, area_m: tuple[float, float], pixel_m: float) -> np.ndarray:
    """Share of the UEs of each square that a band serves, float64 (rows, columns); NaN where there are none."""
    rows = _pixels(points, "band", area_m, pixel_m)
    return np.array([[np.mean(v == band) if len(v) else np.nan for v in row] for row in rows])


def _pixels(
    points: dict[str, np.ndarray], name: str, area_m: tuple[float, float], pixel_m: float
) -> list[list[np.ndarray]]:
    columns, rows = (max(1, round(side_m / pixel_m)) for side_m in area_m)
    column = np.minimum((points["x_m"].ravel() / area_m[0] * columns).astype(int), columns - 1)
    row = np.minimum((points["y_m"].ravel() / area_m[1] * rows).astype(int), rows - 1)
    order = np.argsort(row * columns + column, kind="stable")
    edges = np.searchsorted((row * columns + column)[order], np.arange(1, rows * columns))
    parts = np.split(points[name].ravel()[order], edges)
    return [parts[r * columns : (r + 1) * columns] for r in range(rows)]


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
    per_ue_min = handovers / worlds.world.ue.size / worlds.now_s * 60.0
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
