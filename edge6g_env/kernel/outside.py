"""What who looks from outside asks a world: maps, pictures of the radio. Nothing of it is part of a slot.

Rates are those of a UE that is alone in its cell beside the other traffic, over the whole band, with fading and block errors; SINRs are
without fading. Interference is that of who sends now, and of the other traffic.
"""

from __future__ import annotations

from edge6g_env._jit import njit
from edge6g_env.kernel import channel, faults, mobility, rates

LEVELS = ("uplink_sinr_db", "downlink_sinr_db", "uplink_bit_s", "downlink_bit_s", "power_dbm", "los", "blocked")


@njit
def read_levels(w, now_s, out):
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


@njit
def place_hotspots(w, b, out):
    """Fill out (spots, 2) with the centres of the hotspots of world b, in m."""
    for spot in range(out.shape[0]):
        out[spot, 0], out[spot, 1] = mobility.hotspot_m(w, b, spot)


@njit
def change_parts(w, b, now_s):
    """Let the parts of world b fail and be repaired up to now_s, as the next slot would."""
    faults.change_parts(w, b, now_s)
