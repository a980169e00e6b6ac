"""The record of each entity: aligned dtypes made of the tables in shared_fields.py and world_fields.py."""

from __future__ import annotations

import numpy as np

from edge6g_env.kernel import shared_fields, world_fields

Rows = tuple[tuple[str, str, str, str], ...]


def record(rows: Rows) -> np.dtype:
    """Aligned dtype of a table of fields; ValueError for a name that numpy's records have as an attribute (device, size, ...), which
    interpreted code would find in place of the field."""
    if taken := [name for name, *_ in rows if hasattr(np.record, name)]:
        raise ValueError(f"no field can be called {', '.join(taken)}: numpy's records have that")
    return np.dtype([(name, kind) for name, kind, _, _ in rows], align=True)


INTERFACE_DTYPE = record(shared_fields.INTERFACE_FIELDS)
TIME_DTYPE = record(shared_fields.TIME_FIELDS)
RADIO_DTYPE = record(shared_fields.RADIO_FIELDS)
MOBILITY_DTYPE = record(shared_fields.MOBILITY_FIELDS)
WIRED_DTYPE = record(shared_fields.WIRED_FIELDS)
CLOUD_DTYPE = record(shared_fields.CLOUD_FIELDS)
SERVING_DTYPE = record(shared_fields.SERVING_FIELDS)
ARRIVALS_DTYPE = record(shared_fields.ARRIVALS_FIELDS)
REWARD_DTYPE = record(shared_fields.REWARD_FIELDS)
PRICES_DTYPE = record(shared_fields.PRICES_FIELDS)
BAND_DTYPE = record(shared_fields.BAND_FIELDS)
SERVICE_DTYPE = record(shared_fields.SERVICE_FIELDS)
LORA_DTYPE = record(shared_fields.LORA_FIELDS)
ACTION_DTYPE = record(shared_fields.ACTION_FIELDS)
DEVICE_DTYPE = record(shared_fields.DEVICE_FIELDS)
MODEL_DTYPE = record(shared_fields.MODEL_FIELDS)
OUTAGE_DTYPE = record(shared_fields.OUTAGE_FIELDS)

EPISODE_DTYPE = record(world_fields.EPISODE_FIELDS)
COUNTER_DTYPE = record(world_fields.COUNTER_FIELDS)
NODE_DTYPE = record(world_fields.NODE_FIELDS)
VARIANT_DTYPE = record(world_fields.VARIANT_FIELDS)
ADAPTER_DTYPE = record(world_fields.ADAPTER_FIELDS)
LINK_DTYPE = record(world_fields.LINK_FIELDS)
SEEN_DTYPE = record(world_fields.SEEN_FIELDS)
UE_DTYPE = record(world_fields.UE_FIELDS)
CELL_DTYPE = record(world_fields.CELL_FIELDS)
REPLAY_DTYPE = record(world_fields.REPLAY_FIELDS)
FAULT_DTYPE = record(world_fields.FAULT_FIELDS)
JOB_DTYPE = record(world_fields.JOB_FIELDS)
OUTCOME_DTYPE = record(world_fields.OUTCOME_FIELDS)
KNOWN_DTYPE = record(world_fields.KNOWN_FIELDS)
FORECAST_DTYPE = record(world_fields.FORECAST_FIELDS)

ENTITIES: dict[str, Rows] = {
    "interface": shared_fields.INTERFACE_FIELDS,
    "time": shared_fields.TIME_FIELDS,
    "radio": shared_fields.RADIO_FIELDS,
    "mobility": shared_fields.MOBILITY_FIELDS,
    "wired": shared_fields.WIRED_FIELDS,
    "cloud": shared_fields.CLOUD_FIELDS,
    "serving": shared_fields.SERVING_FIELDS,
    "arrivals": shared_fields.ARRIVALS_FIELDS,
    "reward": shared_fields.REWARD_FIELDS,
    "prices": shared_fields.PRICES_FIELDS,
    "band": shared_fields.BAND_FIELDS,
    "episode": world_fields.EPISODE_FIELDS,
    "node": world_fields.NODE_FIELDS,
    "variant": world_fields.VARIANT_FIELDS,
    "adapter": world_fields.ADAPTER_FIELDS,
    "link": world_fields.LINK_FIELDS,
    "seen": world_fields.SEEN_FIELDS,
    "ue": world_fields.UE_FIELDS,
    "cell": world_fields.CELL_FIELDS,
    "service": shared_fields.SERVICE_FIELDS,
    "lora": shared_fields.LORA_FIELDS,
    "outage": shared_fields.OUTAGE_FIELDS,
    "fault": world_fields.FAULT_FIELDS,
    "replay": world_fields.REPLAY_FIELDS,
    "job": world_fields.JOB_FIELDS,
    "outcome": world_fields.OUTCOME_FIELDS,
    "counters": world_fields.COUNTER_FIELDS,
    "device": shared_fields.DEVICE_FIELDS,
    "model": shared_fields.MODEL_FIELDS,
    "action": shared_fields.ACTION_FIELDS,
    "known": world_fields.KNOWN_FIELDS,
    "forecast": world_fields.FORECAST_FIELDS,
}
