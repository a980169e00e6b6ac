"""The radio between a UE and its candidate cells, and the rate of an upload.

What is updated when: line of sight, shadowing and K factor as the UE moves, a metre at a time; fast fading only for UEs that
send, on its own time grid, caught up over pauses in one exact step. Formulas: edge6g_env.radio, after 3GPP TR 38.901.
"""

from __future__ import annotations

import math

from edge6g_env import radio
from edge6g_env._jit import njit_inner
from edge6g_env.kernel.rng import FOR_CSI, FOR_FADING, FOR_K, FOR_LOS, FOR_SHADOW, normal, normal_pair

_THERMAL_DBM_PER_HZ = -174.0  # k T at 290 K
_CANDIDATES_EVERY_M = 20  # a UE looks for new candidate cells this often; judgement: a tenth of the UMi site distance
_NODE_ADDRESS = 65_536  # owner of a link's random numbers is ue * _NODE_ADDRESS + node


@njit_inner
def _distance_m(w, b, u, i):
    return math.hypot(w.ue[b, u].x_m - w.node[b, i].x_m, w.ue[b, u].y_m - w.node[b, i].y_m)


@njit_inner
def _refresh_coupling_loss(w, b, u, m):
    setup, cell = w.setup[0], w.cell[b, u, m]
    d_m = _distance_m(w, b, u, cell.node)
    p_los = radio.los_probability_of(setup.environment, d_m, setup.h_ue_m, setup.h_bs_m)
    cell.los = 1 if radio.normal_cdf(cell.z_los) < p_los else 0
    loss_db = radio.basic_path_loss_db(
        setup.environment, cell.los == 1, d_m, setup.h_bs_m, setup.h_ue_m, setup.carrier_ghz
    )
    sigma_db = setup.sigma_los_db if cell.los == 1 else setup.sigma_nlos_db
    cell.coupling_loss_db = loss_db + sigma_db * cell.z_shadow - setup.gain_db


@njit_inner
def _fresh_cell(w, b, u, cell, metre):
    """Stationary state of the link from UE u to the cell's node."""
    key, owner = w.episode[b].key, u * _NODE_ADDRESS + cell.node
    cell.z_shadow = normal(key, FOR_SHADOW, owner, 2 * metre + 1)
    cell.z_los = normal(key, FOR_LOS, owner, 2 * metre + 1)
    cell.z_k = normal(key, FOR_K, owner, 2 * metre + 1)


@njit_inner
def _find_nearest(w, b, u):
    """The nearest nodes of UE u, nearest first, in the spare row of w.cell."""
    n_cells, spare, filled = w.cell.shape[2], w.ue.shape[1], 0
    near = w.cell[b, spare]
    for i in range(w.node.shape[1]):
        d_m = _distance_m(w, b, u, i)
        if filled == n_cells and d_m >= near[filled - 1].distance_m:
            continue
        filled = min(filled + 1, n_cells)
        place = filled - 1
        while place > 0 and near[place - 1].distance_m > d_m:
            near[place] = near[place - 1]
            place -= 1
        near[place].distance_m, near[place].node = d_m, i


@njit_inner
def _choose_candidates(w, b, u, metre):
    """The nearest nodes become candidate cells; links that stay keep their state."""
    n_cells, spare = w.cell.shape[2], w.ue.shape[1]
    _find_nearest(w, b, u)
    for m in range(n_cells):
        near = w.cell[b, spare, m]
        kept = -1
        for old in range(n_cells):
            if w.cell[b, u, old].node == near.node:
                kept = old
        if kept >= 0:
            distance_m = near.distance_m
            w.cell[b, spare, m] = w.cell[b, u, kept]
            w.cell[b, spare, m].distance_m = distance_m
        else:
            _fresh_cell(w, b, u, near, metre)
    for m in range(n_cells):
        w.cell[b, u, m] = w.cell[b, spare, m]
        if w.cell[b, u, m].node == w.ue[b, u].node:
            w.ue[b, u].serving = m


@njit_inner
def _step_metre(w, b, u, metre):
    """Gauss-Markov steps of one metre (TR 38.901 7.6.3.1, Gudmundson 1991)."""
    setup, key = w.setup[0], w.episode[b].key
    r_shadow, r_los = math.exp(-1.0 / setup.shadow_corr_m), math.exp(-1.0 / setup.los_corr_m)
    r_k = math.exp(-1.0 / setup.k_corr_m)
    for m in range(w.cell.shape[2]):
        cell = w.cell[b, u, m]
        owner = u * _NODE_ADDRESS + cell.node
        z_shadow = normal(key, FOR_SHADOW, owner, 2 * metre)
        z_los, z_k = normal_pair(key, FOR_LOS, owner, 2 * metre)
        cell.z_shadow = r_shadow * cell.z_shadow + math.sqrt(1.0 - r_shadow * r_shadow) * z_shadow
        cell.z_los = r_los * cell.z_los + math.sqrt(1.0 - r_los * r_los) * z_los
        cell.z_k = r_k * cell.z_k + math.sqrt(1.0 - r_k * r_k) * z_k


@njit_inner
def full_band_sinr_db(w, coupling_loss_db):
    """Uplink SNR in dB of a UE that has the whole band, without fading."""
    return _uplink_snr_db(w, coupling_loss_db, w.setup[0].bandwidth_hz)


@njit_inner
def _uplink_snr_db(w, coupling_loss_db, bandwidth_hz):
    setup = w.setup[0]
    # TS 38.213 7.1.1 open-loop power control; P0 is for a resource block of 180 kHz.
    power_dbm = radio.uplink_power_dbm(
        setup.ptx_ue_dbm, setup.p0_dbm, setup.path_loss_share, coupling_loss_db, bandwidth_hz
    )
    noise_dbm = _THERMAL_DBM_PER_HZ + 10.0 * math.log10(bandwidth_hz) + setup.noise_figure_bs_db
    return power_dbm - coupling_loss_db - noise_dbm


@njit_inner
def _measure(w, b, u):
    ue = w.ue[b, u]
    ue.sinr_db = full_band_sinr_db(w, w.cell[b, u, ue.serving].coupling_loss_db)
    error_db = w.setup[0].csi_error_db * normal(w.episode[b].key, FOR_CSI, u, ue.metre)
    ue.seen_sinr_db = ue.sinr_db + error_db


@njit_inner
def attach(w, b, u):
    """Draw the links of UE u at its present place and attach it to the strongest cell."""
    ue = w.ue[b, u]
    ue.node = -1
    for m in range(w.cell.shape[2]):
        w.cell[b, u, m].node = -1
    _choose_candidates(w, b, u, 0)
    best = 0
    for m in range(w.cell.shape[2]):
        _refresh_coupling_loss(w, b, u, m)
        if w.cell[b, u, m].coupling_loss_db < w.cell[b, u, best].coupling_loss_db:
            best = m
    ue.serving, ue.node = best, w.cell[b, u, best].node
    ue.silent_until_s = 0.0
    ue.fading_step, ue.fading_node = -1, -1
    _measure(w, b, u)


@njit_inner
def follow(w, b, u, metre, now_s):
    """Bring the links of UE u to the given metre of its way; hand it over if another cell is stronger by the hysteresis."""
    ue, setup = w.ue[b, u], w.setup[0]
    while ue.metre < metre:
        ue.metre += 1
        _step_metre(w, b, u, ue.metre)
        if ue.metre % _CANDIDATES_EVERY_M == 0 and w.cell.shape[2] < w.node.shape[1]:
            _choose_candidates(w, b, u, ue.metre)
    best = ue.serving
    for m in range(w.cell.shape[2]):
        _refresh_coupling_loss(w, b, u, m)
    for m in range(w.cell.shape[2]):
        if w.cell[b, u, m].coupling_loss_db < w.cell[b, u, best].coupling_loss_db:
            best = m
    here_db = w.cell[b, u, ue.serving].coupling_loss_db
    left_candidates = w.cell[b, u, ue.serving].node != ue.node
    if left_candidates or w.cell[b, u, best].coupling_loss_db < here_db - setup.handover_hysteresis_db:
        ue.serving, ue.node = best, w.cell[b, u, best].node
        ue.silent_until_s = now_s + setup.handover_interruption_s
        w.episode[b].handovers += 1
    _measure(w, b, u)


@njit_inner
def _advance_taps(w, b, u, now_s):
    """Bring the fading taps of UE u to the grid step of now_s; over a gap of k steps the correlation is r^k (exact)."""
    setup, ue, key = w.setup[0], w.ue[b, u], w.episode[b].key
    step = int(now_s / setup.fading_period_s)
    if ue.fading_node != ue.node:
        ue.fading_node, ue.fading_step = ue.node, -1
    if step == ue.fading_step:
        return
    r = 0.0
    if ue.fading_step >= 0:
        doppler_hz = radio.doppler_hz(ue.speed_m_s, setup.carrier_ghz)
        r = radio.tap_correlation(doppler_hz, (step - ue.fading_step) * setup.fading_period_s)
    for tap in range(setup.n_taps):
        n_re, n_im = normal_pair(key, FOR_FADING, u * 8 + tap, step)
        re, im = radio.fading_step(w.tap[b, u, 0, tap], w.tap[b, u, 1, tap], r, n_re, n_im)
        w.tap[b, u, 0, tap], w.tap[b, u, 1, tap] = re, im
    ue.fading_step = step


@njit_inner
def _faded_sinr_db(w, b, u, snr_db):
    """Effective SINR over the taps (CHANNEL 7: G (2^mean log2(1 + s/G) - 1), G 2 dB), with a Rician ray when in sight."""
    setup, cell = w.setup[0], w.cell[b, u, w.ue[b, u].serving]
    k = 10.0 ** ((setup.k_mean_db + setup.k_std_db * cell.z_k) / 10.0) if cell.los == 1 else 0.0
    ray, scatter = math.sqrt(k / (k + 1.0)), math.sqrt(1.0 / (k + 1.0))
    for tap in range(setup.n_taps):
        re = ray + scatter * w.tap[b, u, 0, tap]
        im = scatter * w.tap[b, u, 1, tap]
        w.tap[b, u, 2, tap] = re * re + im * im
    return radio.effective_sinr_db(w.tap[b, u, 2, : setup.n_taps], 10.0 ** (snr_db / 10.0))


@njit_inner
def _rate_bit_s(w, sinr_db, bandwidth_hz):
    setup = w.setup[0]
    ceiling = 1.0 / (10.0 ** (-sinr_db / 10.0) + 10.0 ** (-setup.evm_db / 10.0))
    usable_db = 10.0 * math.log10(ceiling) - setup.margin_db
    layers = radio.layers_of(usable_db, setup.max_layers)
    efficiency = radio.spectral_efficiency_of(w.mcs[0], w.mcs[1], usable_db - 10.0 * math.log10(layers))
    return layers * efficiency * bandwidth_hz * setup.uplink_efficiency


@njit_inner
def uplink_rate_bit_s(w, b, u, senders, now_s):
    """Rate in bit/s of UE u that shares its cell with `senders` uploads in all; 0 in outage or during a handover."""
    ue = w.ue[b, u]
    if now_s < ue.silent_until_s:
        return 0.0
    _advance_taps(w, b, u, now_s)
    bandwidth_hz = w.setup[0].bandwidth_hz / senders
    snr_db = _uplink_snr_db(w, w.cell[b, u, ue.serving].coupling_loss_db, bandwidth_hz)
    return _rate_bit_s(w, _faded_sinr_db(w, b, u, snr_db), bandwidth_hz)


@njit_inner
def expected_rate_bit_s(w, seen_sinr_db, senders):
    """What an agent expects of an upload, from its estimate of the full-band SNR; a share of the band raises the SNR a UE at
    Pcmax reaches, which the agent leaves out (it errs low at the cell edge)."""
    return _rate_bit_s(w, seen_sinr_db, w.setup[0].bandwidth_hz / senders)
