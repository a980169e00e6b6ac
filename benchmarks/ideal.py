"""An air that does not matter, for what is compared with a formula of something else. Set before the first reset."""

from __future__ import annotations

import numpy as np


def without_limits(band: np.recarray) -> None:
    """So much power that only the transmitters' error vector magnitude, lowered to -60 dB, limits the SINR, whatever the fading."""
    band["p0_dbm"] += 100.0
    band["ptx_bs_dbm"] += 100.0
    band["ptx_ue_dbm"][...], band["evm_floor"][...] = 1000.0, 1e-6


def without_waits(band: np.recarray) -> None:
    """No wait in the TDD pattern nor for a request: what is left of the access latencies is their fixed part."""
    band["sr_period_s"][...], band["tdd_period_s"][...] = 0.0, 1e-12
    band["uplink_slots"][...], band["downlink_slots"][...] = 1, 1
    band["downlink_access_s"][...] = band["uplink_stream_s"][...] = band["radio_slot_s"] + band["processing_s"]
    band["uplink_access_s"][...] = band["grant_s"] + band["uplink_stream_s"]


def without_latency(band: np.recarray) -> None:
    """No wait, and no fixed part either: a message takes its bits over the rate."""
    for name in ("grant_s", "processing_s", "radio_slot_s", "harq_rtt_s"):
        band[name][...] = 0.0
    without_waits(band)
