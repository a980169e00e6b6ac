"""What a cell carries: interference, SINR, rates of both directions, access latency, and what agents expect of all that.

Rates are those of CHANNEL 9 to 11: power control and shares of the band uplink, constant power density downlink, an MCS chosen by the
channel of a grid step before less the backoff of an outer loop, block errors at the SINR of now. All of it is worked out when asked
for, once a step of the fading grid. Where the scenario has fixed rates and latencies, those hold instead.
"""

from __future__ import annotations

import numpy as np

from edge6g_env import radio
from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import channel, fading, rng
from edge6g_env.kernel.world_fields import FIRST_BACKOFF_DB

# Messages of a job whose latencies are drawn; from MESSAGE on those beside its prompt and its tokens, each with a number of its own.
UPLOAD, FIRST_TOKEN, LAST_TOKEN, MESSAGE = range(4)
_MAX_ERROR_RATE = 0.9  # retransmissions count up to this: combining makes each better than the one before; judgement
# Outer loop link adaptation towards 10 % block errors (Pedersen et al., IEEE VTC 2007): the backoff grows by errors and shrinks without.
_TARGET_ERROR_RATE, _BACKOFF_STEP_DB, _MAX_BACKOFF_DB = 0.1, 1.0, 10.0  # TS 38.214 5.2.2.1; judgement
_DRAWS = 4  # random numbers of a message
_SENDS = np.uint64(1 << 63)


@njit_inner
def _band(w, b, u):
    return w.band[w.site[w.ue[b, u].node].band]


@njit_inner
def _share_hz(w, band, senders):
    """Bandwidth of each of `senders` uploads beside the cell's other traffic."""
    return band.bandwidth_hz * (1.0 - w.radio[0].background_load) / senders


# --- interference ------------------------------------------------------------------------------------------------------------------


@njit_inner
def _points_here(w, b, band, beam, step):
    """Whether a beam that is aimed at somebody else points here now, as it does now and then (CHANNEL 9)."""
    return rng.uniform(w.episode[b].key, rng.FOR_BEAM, beam, step) < band.alignment


@njit_inner
def _downlink_points_here(w, b, band, i, step):
    """The same of node i's own beam, worked out once a grid step for all who hear it."""
    node = w.node[b, i]
    if node.beam_step != step:
        node.beam_step, node.beam_points_here = step, 1 if _points_here(w, b, band, i, step) else 0
    return node.beam_points_here == 1


@njit_inner
def _power_density_dbm_hz(w, b, u, bandwidth_hz):
    """Uplink power of UE u over its bandwidth; the path loss it makes up for is that of the filtered power (TS 38.213 7.1.1)."""
    band, cell = _band(w, b, u), w.cell[b, u, w.ue[b, u].serving]
    loss_db, share = band.ptx_bs_dbm - cell.filtered_dbm, band.path_loss_share
    power_dbm = radio.uplink_power_dbm(band.ptx_ue_dbm, band.p0_dbm, share, loss_db, bandwidth_hz)
    return power_dbm - radio.db_of(bandwidth_hz)


@njit_seldom
def start_interference(w, b):
    """At the start of an episode: what all draws of a UE as interferer share."""
    for u in range(w.ue.shape[1]):
        w.ue[b, u].interferer_bits = rng.owner_bits(w.episode[b].key, rng.FOR_INTERFERER, u)


@njit_inner
def _draw_interferers(w, b, step, since_s):
    """In every cell the UE that others hear: one that sent in the last slot, if any did, else any that it serves."""
    for u in range(w.ue.shape[1]):
        ue = w.ue[b, u]
        node, draw = w.node[b, ue.node], rng.count_bits(ue.interferer_bits, step) >> np.uint64(1)
        if ue.sending_s >= since_s:
            draw |= _SENDS
        if node.interferer < 0 or draw > node.interferer_draw:
            node.interferer, node.interferer_draw = u, draw


@njit_inner
def _radiate(w, b, sender, step, now_s):
    """Add what the interferer of the cell `sender` brings to the other cells of its band that are near it."""
    u, n_nodes, z = w.node[b, sender].interferer, w.node.shape[1], w.site[sender].band
    senders, own_hz = w.node[b, sender].n_senders, w.band[z].bandwidth_hz
    if senders > 0:
        own_hz = _share_hz(w, w.band[z], senders)
    density_dbm_hz = _power_density_dbm_hz(w, b, u, own_hz)
    for m in range(w.cell.shape[2]):
        i = w.cell[b, u, m].node
        if i != sender and w.site[i].band == z:
            gain_db = -channel.link_loss_db(w, b, u, m, now_s)
            if not _points_here(w, b, w.band[z], n_nodes + i * n_nodes + sender, step):
                gain_db += w.band[z].stray_db
            w.node[b, i].interference_mw_hz += w.node[b, sender].uplink_load * radio.linear_of(density_dbm_hz + gain_db)


@njit_inner
def _bring_interference(w, b, now_s):
    """Uplink interference of the grid step of now_s, worked out when it is first asked for, from who sends then."""
    step, some = fading.step_of(w, now_s), False
    if step <= w.episode[b].interference_step:
        return
    w.episode[b].interference_step = step
    for i in range(w.node.shape[1]):
        node = w.node[b, i]
        node.interference_mw_hz, node.interferer, node.interferer_draw = 0.0, -1, 0
        node.uplink_load = 1.0 if node.n_senders > 0 else w.radio[0].background_load
        some = some or node.uplink_load > 0.0
    if some:
        _draw_interferers(w, b, step, now_s - w.time[0].slot_s)
    for i in range(w.node.shape[1]):
        if w.node[b, i].interferer >= 0 and w.node[b, i].uplink_load > 0.0:
            _radiate(w, b, i, step, now_s)
    for i in range(w.node.shape[1]):
        node = w.node[b, i]
        node.noise_dbm_hz = radio.db_of(w.band[w.site[i].band].noise_bs_mw_hz + node.interference_mw_hz)


@njit_inner
def _downlink_interference_mw_hz(w, b, u, now_s):
    """From the other candidate cells of the band: at full load from one with downloads, else by other traffic. Tokens are so few bytes
    that they make none."""
    density = 0.0
    z, step = w.site[w.ue[b, u].node].band, fading.step_of(w, now_s)
    band = w.band[z]
    for m in range(w.cell.shape[2]):
        i = w.cell[b, u, m].node
        load = 1.0 if w.node[b, i].n_receivers > 0 else w.radio[0].background_load
        if load > 0.0 and m != w.ue[b, u].serving and w.site[i].band == z:
            points_here = _downlink_points_here(w, b, band, i, step)
            density += load * channel.heard_mw(w, b, u, m, points_here, now_s) / band.bandwidth_hz
    return density


# --- SINR and rate -----------------------------------------------------------------------------------------------------------------


@njit_inner
def uplink_sinr_db(w, b, u, loss_db, bandwidth_hz):
    """Mean uplink SINR in dB over a bandwidth, without fading and EVM."""
    node = w.node[b, w.ue[b, u].node]
    return _power_density_dbm_hz(w, b, u, bandwidth_hz) - loss_db - node.noise_dbm_hz


@njit_inner
def downlink_sinr_db(w, b, u, loss_db, now_s):
    """Mean downlink SINR in dB, without fading and EVM; the power follows the share of the band."""
    band = _band(w, b, u)
    noise_mw_hz = band.noise_ue_mw_hz + _downlink_interference_mw_hz(w, b, u, now_s)
    return band.ptx_bs_dbm - loss_db - radio.db_of(band.bandwidth_hz * noise_mw_hz)


@njit_inner
def _usable_db(w, band, sinr):
    """SINR in dB, from a linear one, with the EVM floor (as radio.with_evm_floor_db), less the implementation margin."""
    return -radio.db_of(1.0 / sinr + band.evm_floor) - w.radio[0].margin_db


@njit_inner
def _link_rate(w, band, chosen_by, backoff_db, sinr, bandwidth_hz):
    """(bit/s of the link without TDD and overhead, block error rate) of the MCS that one linear SINR less a backoff asks for, at another
    SINR."""
    usable_db = _usable_db(w, band, chosen_by)
    layers = radio.layers_of(usable_db - backoff_db, band.max_layers)
    split_db = radio.db_of(layers)
    index = radio.mcs_index_of(w.mcs[0], usable_db - backoff_db - split_db)
    if index < 0 <= radio.mcs_index_of(w.mcs[0], usable_db):
        index = 0  # a backoff does not take away the last MCS, else it could never be unlearned
    if index < 0:
        return 0.0, _TARGET_ERROR_RATE  # outage: nothing is sent, so the outer loop learns nothing
    snr_db = _usable_db(w, band, sinr) - split_db
    error_rate = radio.block_error_rate_of(w.mcs[0, index], w.mcs[2, index], snr_db)
    if error_rate > _MAX_ERROR_RATE:
        return 0.0, 1.0
    return layers * w.mcs[1, index] * bandwidth_hz, error_rate


@njit_inner
def uplink(w, b, u, senders, now_s):
    """(throughput in bit/s, block error rate) of UE u that shares its cell with `senders` uploads in all; 0 in outage and during
    a handover. Worked out once a grid step."""
    ue = w.ue[b, u]
    if now_s < ue.silent_until_s:
        return 0.0, 1.0
    if w.radio[0].fixed == 1:
        return w.radio[0].fixed_uplink_bit_s / senders, 0.0
    step = fading.step_of(w, now_s)
    if ue.up_step < step or ue.up_senders != senders:
        fading.refresh(w, b, u, now_s)
        _bring_interference(w, b, now_s)
        band = _band(w, b, u)
        share_hz = _share_hz(w, band, senders)
        mean_db = uplink_sinr_db(w, b, u, ue.fading_loss_db, share_hz)
        rate, ue.up_error_rate = _faded_rate(w, b, u, band, mean_db, ue.up_backoff_db, share_hz)
        if ue.up_step < step:  # it learns once a step, whoever else sends
            ue.up_backoff_db = _next_backoff_db(ue.up_backoff_db, ue.up_error_rate)
        ue.up_bit_s = rate * band.uplink_efficiency * (1.0 - ue.up_error_rate)
        ue.up_step, ue.up_senders = step, senders
    return ue.up_bit_s, ue.up_error_rate


@njit_inner
def downlink(w, b, u, receivers, now_s):
    """The same for the downlink and `receivers` downloads: the power follows the share of the band, so sharing leaves the SINR as it is."""
    ue = w.ue[b, u]
    if now_s < ue.silent_until_s:
        return 0.0, 1.0
    if w.radio[0].fixed == 1:
        return w.radio[0].fixed_downlink_bit_s / receivers, 0.0
    step = fading.step_of(w, now_s)
    if ue.down_step < step:
        fading.refresh(w, b, u, now_s)
        band = _band(w, b, u)
        mean_db = downlink_sinr_db(w, b, u, ue.fading_loss_db, now_s)
        rate, ue.down_error_rate = _faded_rate(w, b, u, band, mean_db, ue.down_backoff_db, _share_hz(w, band, 1))
        ue.down_backoff_db = _next_backoff_db(ue.down_backoff_db, ue.down_error_rate)
        ue.down_bit_s = rate * band.downlink_efficiency * (1.0 - ue.down_error_rate)
        ue.down_step = step
    return ue.down_bit_s / receivers, ue.down_error_rate


@njit_inner
def _faded_rate(w, b, u, band, mean_db, backoff_db, bandwidth_hz):
    """_link_rate of an MCS chosen by the fading of the grid step before."""
    before, now = fading.sinr_before(w, b, u, band.n_taps, mean_db), fading.sinr_now(w, b, u, band.n_taps, mean_db)
    return _link_rate(w, band, before, backoff_db, now, bandwidth_hz)


@njit_inner
def _next_backoff_db(backoff_db, error_rate):
    return min(max(backoff_db + _BACKOFF_STEP_DB * (error_rate - _TARGET_ERROR_RATE), 0.0), _MAX_BACKOFF_DB)


# --- access latency ------------------------------------------------------------------------------------------------------------------


@njit_inner
def _draw(w, b, job, message, n):
    return rng.uniform(w.episode[b].key, rng.FOR_ACCESS, job.number, _DRAWS * message + n)


@njit_inner
def uplink_access_s(w, b, job, message):
    """Access latency of a first uplink message, its phases drawn: request, wait for the grant, grant, wait for the slot."""
    band = _band(w, b, job.ue)
    if w.radio[0].fixed == 1:
        return band.uplink_access_s
    request_s = band.sr_period_s * _draw(w, b, job, message, 0)
    slot_s, period_s = band.radio_slot_s, band.tdd_period_s
    grant_s = radio.access_wait_s(_draw(w, b, job, message, 1), band.downlink_slots, slot_s, period_s)
    wait_s = radio.access_wait_s(_draw(w, b, job, message, 2), band.uplink_slots, slot_s, period_s)
    return request_s + grant_s + band.grant_s + wait_s + band.radio_slot_s + band.processing_s


@njit_inner
def downlink_access_s(w, b, job, message):
    """Access latency of a downlink message, its phase in the TDD pattern drawn."""
    band, phase = _band(w, b, job.ue), _draw(w, b, job, message, 0)
    if w.radio[0].fixed == 1:
        return band.downlink_access_s
    wait_s = radio.access_wait_s(phase, band.downlink_slots, band.radio_slot_s, band.tdd_period_s)
    return wait_s + band.radio_slot_s + band.processing_s


@njit_inner
def retransmission_s(w, b, job, message, error_rate):
    """Delay of a message by block errors: one HARQ round trip each time that the draw says the block failed."""
    delay_s, rtt_s, failed = 0.0, _band(w, b, job.ue).harq_rtt_s, error_rate
    draw = rng.uniform(w.episode[b].key, rng.FOR_RETRANSMISSION, job.number, message)
    while draw < failed:
        delay_s += rtt_s
        failed *= error_rate
    return delay_s


@njit_inner
def mean_retransmission_s(band, error_rate):
    """Mean delay of each message of a stream."""
    return band.harq_rtt_s * error_rate / (1.0 - error_rate)


# --- what agents know -----------------------------------------------------------------------------------------------------------------


@njit_inner
def expected_bit_s(w, band, seen_db, senders, efficiency):
    """What an agent expects of a direction, from its estimate of the full-band SINR; a share of the band raises the SINR that a UE at
    Pcmax reaches, which the agent leaves out (it errs low at the cell edge)."""
    seen = radio.linear_of(seen_db)
    rate, error_rate = _link_rate(w, band, seen, FIRST_BACKOFF_DB, seen, _share_hz(w, band, senders))
    return rate * efficiency * (1.0 - error_rate)


@njit_inner
def estimate_channels(w, b, now_s):
    """When a period of the channel estimate has passed, renew what agents know of every UE's channel, with its error."""
    period = int(now_s / w.radio[0].csi_period_s + 1e-9)
    if period == w.episode[b].csi_step:
        return
    w.episode[b].csi_step = period
    _bring_interference(w, b, now_s)
    for u in range(w.ue.shape[1]):
        ue = w.ue[b, u]
        loss_db = channel.link_loss_db(w, b, u, ue.serving, now_s)
        up, down = rng.normal_pair(w.episode[b].key, rng.FOR_CSI, u, period)
        ue.sinr_db = uplink_sinr_db(w, b, u, loss_db, _band(w, b, u).bandwidth_hz)
        ue.seen_uplink_db = ue.sinr_db + w.radio[0].csi_error_db * up
        ue.seen_downlink_db = downlink_sinr_db(w, b, u, loss_db, now_s) + w.radio[0].csi_error_db * down
        ue.seen_s = now_s
