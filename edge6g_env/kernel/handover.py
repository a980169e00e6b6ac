"""Which cell serves a UE: filtered downlink power, hysteresis, time-to-trigger, and the interruption of a handover.

Event A3 of 3GPP TS 38.331 5.5.4.4 with the layer 3 filter of 5.5.3.2, on the time grid of the measurements.
"""

from __future__ import annotations

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import channel, notes
from edge6g_env.kernel.world_fields import FIRST_BACKOFF_DB, NOT_MEASURED_DBM

_PING_PONG_S = 1.0  # minimum time of stay, 3GPP TR 36.839 5.2.1.3: back to the cell before within it is a ping-pong


@njit_inner
def _compared_dbm(w, b, u, m):
    """Filtered power with the offset of the band."""
    cell = w.cell[b, u, m]
    return cell.filtered_dbm + cell.offset_db


@njit_inner
def _measure(w, b, u, now_s):
    """Layer 3 filter; the first measurement of a cell stands as it is."""
    share = w.radio[0].filter_share
    for m in range(w.cell.shape[2]):
        cell, power_dbm = w.cell[b, u, m], channel.power_dbm(w, b, u, m, now_s)
        fresh = cell.filtered_dbm <= NOT_MEASURED_DBM
        cell.filtered_dbm = power_dbm if fresh else cell.filtered_dbm + share * (power_dbm - cell.filtered_dbm)


@njit_inner
def _strongest(w, b, u):
    best, best_dbm = 0, _compared_dbm(w, b, u, 0)
    for m in range(1, w.cell.shape[2]):
        compared_dbm = _compared_dbm(w, b, u, m)
        if compared_dbm > best_dbm:
            best, best_dbm = m, compared_dbm
    return best


@njit_seldom
def attach(w, b, u):
    """Measure the cells of UE u at the start and attach it to the strongest."""
    ue = w.ue[b, u]
    _measure(w, b, u, 0.0)
    ue.serving = _strongest(w, b, u)
    ue.node = w.cell[b, u, ue.serving].node
    w.node[b, ue.node].n_ues += 1


@njit_seldom
def _hand_over(w, b, u, m, now_s):
    ue, node = w.ue[b, u], w.cell[b, u, m].node
    w.tally[b].handovers += 1
    if node == ue.last_node and now_s - ue.handover_s <= _PING_PONG_S:
        w.tally[b].ping_pongs += 1
    notes.of_world(w, b, notes.HANDOVER, node, u, ue.node, now_s, 0.0)
    w.node[b, ue.node].n_ues -= 1
    w.node[b, node].n_ues += 1
    ue.last_node, ue.handover_s = ue.node, now_s
    ue.serving, ue.node, ue.better_node, ue.up_step, ue.down_step = m, node, -1, -1, -1
    ue.up_backoff_db, ue.down_backoff_db = FIRST_BACKOFF_DB, FIRST_BACKOFF_DB
    ue.silent_until_s = now_s + w.radio[0].handover_interruption_s


@njit_inner
def _decide(w, b, u, now_s):
    """Entering condition of event A3, held for the time-to-trigger by one and the same cell."""
    ue = w.ue[b, u]
    bar_dbm = _compared_dbm(w, b, u, ue.serving) + w.radio[0].handover_hysteresis_db
    best = _strongest(w, b, u)
    if best == ue.serving or _compared_dbm(w, b, u, best) <= bar_dbm:
        ue.better_node = -1
        return
    if w.cell[b, u, best].node != ue.better_node:
        best = _still_better(w, b, u, best, bar_dbm)
    if w.cell[b, u, best].node != ue.better_node:
        ue.better_node, ue.better_since_s = w.cell[b, u, best].node, now_s
    if now_s - ue.better_since_s >= w.radio[0].time_to_trigger_s - 1e-9:
        _hand_over(w, b, u, best, now_s)


@njit_inner
def _still_better(w, b, u, best, bar_dbm):
    """The cell whose clock runs, as long as it stays above the bar; the strongest else."""
    for m in range(w.cell.shape[2]):
        if w.cell[b, u, m].node == w.ue[b, u].better_node and _compared_dbm(w, b, u, m) > bar_dbm:
            return m
    return best


@njit_inner
def measure_cells(w, b, now_s):
    """When a measurement period has passed, let every UE measure its candidate cells and change the cell where it should."""
    period = int(now_s / w.radio[0].measurement_period_s + 1e-9)
    if period == w.episode[b].measure_step:
        return
    w.episode[b].measure_step = period
    for u in range(w.ue.shape[1]):
        _measure(w, b, u, now_s)
        _decide(w, b, u, now_s)
