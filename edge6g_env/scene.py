"""What of a scenario a picture of its worlds needs and no step changes: places, names, sizes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge6g_env import radio
from edge6g_env.build.places import bands_of, neighbours_of, node_positions_m
from edge6g_env.costs.memory import usable_bytes
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_ues import StreetGridUes


class Scene(NamedTuple):
    """The static facts of a scenario of N nodes, K neighbours each, U UEs, V variants (a model at a precision), S services."""

    label: str  # name and settings of the scenario, as `edge6g scenarios show` begins
    slot_s: float
    episode_s: float
    warmup_s: float  # jobs that arrive before it are not measured
    drain_s: float  # nor those that arrive in the last drain_s
    area_m: tuple[float, float]  # width, west to east, and height, south to north; (0, 0) is the south-west corner
    node_m: np.ndarray  # float64 (N, 2): x, y
    node_devices: tuple[str, ...]  # (N,) accelerator of each node
    usable_bytes: np.ndarray  # float64 (N,): memory of a node for weights, KV and training state
    neighbour: np.ndarray  # int64 (N, K): nodes, nearest first
    bands: tuple[str, ...]  # band and carrier of each preset of the radio, as "FR1, 3.5 GHz"
    node_band: np.ndarray  # int64 (N,): index into bands
    ue_devices: tuple[str, ...]  # (U,) device of each UE
    cloud_device: str
    cloud_places: int  # jobs that the cloud serves at a time
    max_batch: int  # most sequences that are admitted at a node
    services: tuple[str, ...]  # (S,)
    kinds: tuple[str, ...]  # (S,) inference or finetune
    expire_s: np.ndarray  # float64 (S,): a job this old expires
    variants: tuple[tuple[str, str], ...]  # (V,) weights, precision
    layers: np.ndarray  # int64 (V,): layers of the model
    hotspots: int  # places where people gather, drawn anew in each episode: Snapshot.hotspots_m
    hotspot_radius_m: float
    street_x_m: np.ndarray  # float64: streets from south to north; empty without streets
    street_y_m: np.ndarray  # float64: streets from west to east; empty without streets


def scene_of(scenario: Scenario) -> Scene:
    """The static facts of a scenario; arrays are read-only."""
    nodes, ues, time = scenario.nodes, scenario.ues, scenario.time
    devices = tuple(nodes.device_of(i) for i in range(nodes.count))
    usable = [usable_bytes(scenario.device_spec(name), nodes.memory_of_gb(i)) for i, name in enumerate(devices)]
    across, along = streets_m(scenario)
    return Scene(
        label=scenario.label,
        slot_s=time.slot_s,
        episode_s=time.episode_s,
        warmup_s=time.warmup_s,
        drain_s=time.drain_s,
        area_m=scenario.area_m,
        node_m=read_only(np.array(node_positions_m(scenario), np.float64)),
        node_devices=devices,
        usable_bytes=read_only(np.array(usable)),
        neighbour=read_only(neighbours_of(scenario)),
        bands=tuple(f"{one.band}, {one.carrier_ghz:g} GHz" for one in map(radio.preset, scenario.radio.presets)),
        node_band=read_only(bands_of(scenario)),
        ue_devices=tuple(ues.device_of(u) for u in range(scenario.num_ues)),
        cloud_device=scenario.cloud.device,
        cloud_places=scenario.cloud.concurrency,
        max_batch=scenario.serving.max_batch,
        services=tuple(service.name for service in scenario.service),
        kinds=tuple(service.kind for service in scenario.service),
        expire_s=read_only(np.array([service.expire_s for service in scenario.service])),
        variants=tuple(scenario.variants),
        layers=read_only(np.array([scenario.model_spec(weights).layers for weights, _ in scenario.variants])),
        hotspots=getattr(ues, "hotspots", 0),
        hotspot_radius_m=getattr(ues, "hotspot_radius_m", 0.0),
        street_x_m=read_only(across),
        street_y_m=read_only(along),
    )


def streets_m(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """Where the streets are, float64: x of those from south to north, y of those from west to east, as kernel/mobility.py lays them: as
    many as fit, equal margins. Empty where UEs walk elsewhere."""
    ues, (width_m, height_m) = scenario.ues, scenario.area_m
    if not isinstance(ues, StreetGridUes):
        return np.zeros(0), np.zeros(0)
    return _laid_m(width_m, ues.street_spacing_m), _laid_m(height_m, ues.street_spacing_m)


def _laid_m(side_m: float, spacing_m: float) -> np.ndarray:
    blocks = int(side_m / spacing_m + 1e-6)
    return 0.5 * (side_m - blocks * spacing_m) + spacing_m * np.arange(blocks + 1)


def read_only(array: np.ndarray) -> np.ndarray:
    """The array, which nobody can write to any more."""
    array.setflags(write=False)
    return array
