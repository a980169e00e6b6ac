"""The air between a UE and the node that serves it, as a job uses it: the prompt or its activations up, a message up and down for each
token of a job that is cut behind the device, the first and the last token down, other bytes down. The rates are in rates.py.

Uploads share a cell's uplink, downloads its downlink. Messages of tokens are too short to count among either: they take the rate that
the others have.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, costing, rates
from edge6g_env.kernel.places import device, link

_SAME_TOKENS = 1e-9  # sums of shares of a token are equal to so much
NO_MESSAGE = -1.0


@njit_inner
def refuse(w, job, layers_before):
    """Why the prompt cannot be sent behind `layers_before` layers: raw data of some services stay on the device."""
    raw = layers_before == 0
    return codes.RAW_LEAVES_DEVICE if raw and w.service[job.service].privacy == codes.ON_DEVICE else codes.DONE


@njit_inner
def _pay(w, job, sent_bytes):
    """Count bytes over the air, and their price."""
    job.air_bytes += sent_bytes
    job.price_usd += sent_bytes * w.prices[0].usd_per_air_byte


@njit_inner
def take_back(w, job):
    """Take back what was paid for bytes of an upload or a download that are not sent any more."""
    if (job.stage == codes.UPLINK or job.stage == codes.DOWNLOAD) and job.left_bytes > 0.0:
        _pay(w, job, -job.left_bytes)


@njit_inner
def begin(w, b, job):
    """Send the prompt, or the activations at the cut behind the device."""
    if device.has_whole_model(w, job):
        return codes.OVER
    raw = job.device_layers == 0
    exposure = w.exposure[job.variant, job.device_layers]
    return send(w, b, job, costing.prompt_bytes(w, job, job.variant, job.setup_tokens, raw), exposure)


@njit_inner
def send(w, b, job, sent_bytes, exposure):
    """Begin an upload, which gives away a share of the job's data."""
    job.left_bytes = sent_bytes
    _pay(w, job, sent_bytes)
    job.exposure_device = max(job.exposure_device, exposure)
    job.clock_s += rates.uplink_access_s(w, b, job, _upload(w, job))
    job.stage, job.stage_s = codes.UPLINK, job.clock_s
    return codes.UNDER_WAY


@njit_inner
def _upload(w, job):
    """Address of the random numbers of the upload under way: a prompt keeps them when it is sent again."""
    return rates.UPLOAD if w.service[job.service].kind == codes.INFERENCE else rates.MESSAGE + job.messages


@njit_inner
def begin_download(w, b, job):
    """Send what the job has for its UE beside tokens."""
    if job.back_bytes <= 0.0:
        return codes.OVER
    job.left_bytes = job.back_bytes
    _pay(w, job, job.back_bytes)
    job.clock_s += rates.downlink_access_s(w, b, job, rates.MESSAGE + job.messages)
    job.stage, job.stage_s = codes.DOWNLOAD, job.clock_s
    return codes.UNDER_WAY


@njit_inner
def count(w, b, job, t0):
    """Count an upload or a download that goes on from t0 on among those of its cell."""
    ue = w.ue[b, job.ue]
    if job.stage_s >= t0 or t0 < ue.silent_until_s:
        return
    if job.stage == codes.DOWNLOAD:
        w.node[b, ue.node].n_receivers += 1
    else:
        w.node[b, ue.node].n_senders += 1
        ue.sending_s = t0


@njit_inner
def load_cell(w, node):
    """Set the load of a node's cell by what has been counted: full while anybody sends or receives, else that of other traffic."""
    node.ran_load = 1.0 if node.n_senders + node.n_receivers > 0 else w.radio[0].background_load


@njit_inner
def receivers(w, b, job):
    """Downloads of the job's cell, one at least: what the rate of a token on its way down is divided by."""
    return max(1, w.node[b, w.ue[b, job.ue].node].n_receivers)


@njit_inner
def _end_message(w, b, job, up, error_rate):
    """The delay by block errors of an upload or a download that is through."""
    message = _upload(w, job) if up else rates.MESSAGE + job.messages
    job.messages += message >= rates.MESSAGE
    return rates.retransmission_s(w, b, job, message, error_rate)


@njit_inner
def advance(w, b, job, t0, t1):
    """Send until t1, up or down, beside the cell's others in that direction; a handover or an outage interrupts."""
    ue, up = w.ue[b, job.ue], job.stage == codes.UPLINK
    sharers = w.node[b, ue.node].n_senders if up else w.node[b, ue.node].n_receivers
    if job.stage_s >= t0:
        sharers += 1  # began in this substep, so it was not counted
    start_s = max(job.clock_s, min(ue.silent_until_s, t1))
    if start_s >= t1:
        job.clock_s = t1
        return codes.UNDER_WAY
    if up:
        rate, error_rate = rates.uplink(w, b, job.ue, max(1, sharers), start_s)
    else:
        rate, error_rate = rates.downlink(w, b, job.ue, max(1, sharers), start_s)
    if rate <= 0.0:
        job.clock_s = t1
        return codes.UNDER_WAY
    need_s = 8.0 * job.left_bytes / rate
    sent_s = min(need_s, t1 - start_s)
    if up:
        job.energy_j += sent_s * w.equipment[job.ue].tx_power_w
    if start_s + need_s > t1:
        job.left_bytes -= sent_s * rate / 8.0
        job.clock_s = t1
        return codes.UNDER_WAY
    job.clock_s = start_s + need_s + link.hop_s(w, b, job)
    job.clock_s += _end_message(w, b, job, up, error_rate)
    job.left_bytes = 0.0
    return codes.OVER


# --- tokens ----------------------------------------------------------------------------------------------------------------------------


@njit_inner
def is_in_every_pass(w, job):
    """Whether every pass crosses the air: the device computes a part of its token, but not all, or drafts."""
    return job.pass_tokens > 1.0 or (job.device_layers > 0 and not device.has_whole_model(w, job))


@njit_inner
def _pass_under_way(job):
    """Number of the pass that generates the next token: its tokens before, over those of a pass."""
    return math.floor(job.done_tokens / job.pass_yield + _SAME_TOKENS)


@njit_inner
def pass_left(job):
    """Tokens that are left of the pass under way."""
    return (_pass_under_way(job) + 1.0) * job.pass_yield - job.done_tokens


@njit_inner
def pass_s(w, b, job):
    """Time in s that the device adds to the pass under way: up with activations or drafted tokens, down with the token. The channel is
    asked once, when the pass begins; infinite while one of the directions is down, and then asked again."""
    if not is_in_every_pass(w, job):
        return 0.0
    number = _pass_under_way(job)
    if job.message_token != number:
        job.message_s, job.message_bit_s = _send_message(w, b, job)
        job.message_token = number if job.message_s < math.inf else NO_MESSAGE
    return job.message_s


@njit_inner
def _send_message(w, b, job):
    """(time in s of a pass's messages both ways at the job's clock, rate in bit/s of the one up)."""
    ue = w.ue[b, job.ue]
    band = w.band[w.site[ue.node].band]
    up, up_errors = rates.uplink(w, b, job.ue, max(1, w.node[b, ue.node].n_senders), job.clock_s)
    down, down_errors = rates.downlink(w, b, job.ue, receivers(w, b, job), job.clock_s)
    if up <= 0.0 or down <= 0.0:
        return math.inf, 0.0
    sending_s = 8.0 * costing.pass_bytes(w, job.variant, job.pass_tokens) / up + 8.0 * costing.TOKEN_BYTES / down
    sending_s += rates.mean_retransmission_s(band, up_errors) + rates.mean_retransmission_s(band, down_errors)
    return sending_s + band.uplink_stream_s + band.downlink_access_s + 2.0 * link.hop_s(w, b, job), up


@njit_inner
def pay_passes(w, job, passes):
    """Bytes, price and energy of what goes up for passes of a job whose device has a part in each."""
    if is_in_every_pass(w, job):
        cut_bytes = passes * costing.pass_bytes(w, job.variant, job.pass_tokens)
        _pay(w, job, cut_bytes)
        job.energy_j += w.equipment[job.ue].tx_power_w * 8.0 * cut_bytes / job.message_bit_s


@njit_inner
def pay_way_back(w, job, passes):
    """Bytes and price of the token that each pass sends down."""
    if not device.has_whole_model(w, job):
        _pay(w, job, passes * costing.TOKEN_BYTES)


@njit_inner
def way_back_s(w, b, job, message):
    """Delay in s from the generation of a token to the UE: link, Xn hop after a handover, access, transmission, block errors."""
    if device.has_whole_model(w, job):
        return 0.0
    rate, error_rate = rates.downlink(w, b, job.ue, receivers(w, b, job), job.clock_s)
    back_s = rates.downlink_access_s(w, b, job, message) + rates.retransmission_s(w, b, job, message, error_rate)
    back_s += 8.0 * costing.TOKEN_BYTES / rate + link.hop_s(w, b, job)
    return back_s + link.delay_s(w, job) if link.is_used(job) else back_s


# --- what agents expect ----------------------------------------------------------------------------------------------------------------


@njit_inner
def expect_rates(w, b, i, job):
    """What node i expects of the rates of the job's UE, for all candidates of a decision."""
    ue, expected, slowest = w.ue[b, job.ue], w.forecast[b], w.prediction[0].min_rate_bit_s
    own = ue.node == i  # what others send in another cell is not known
    senders, sharers = w.node[b, i].n_senders if own else 0, receivers(w, b, job) if own else 1
    radio = w.radio[0]
    if radio.fixed == 1:
        expected.up_bit_s = radio.fixed_uplink_bit_s / (senders + 1)
        expected.down_bit_s = radio.fixed_downlink_bit_s / sharers
        return
    band = w.band[w.site[ue.node].band]
    up_bit_s = rates.expected_bit_s(w, band, ue.seen_uplink_db, senders + 1, band.uplink_efficiency)
    down_bit_s = rates.expected_bit_s(w, band, ue.seen_downlink_db, sharers, band.downlink_efficiency)
    expected.up_bit_s, expected.down_bit_s = max(slowest, up_bit_s), max(slowest, down_bit_s)


@njit_inner
def forecast(w, b, job, v, layers_before, passes):
    """Add the upload, the way back, and for a device with a part in each pass its round trip; latencies at their means."""
    if layers_before == w.model[v].layers:
        return
    expected, tx_power_w, raw = w.forecast[b], w.equipment[job.ue].tx_power_w, layers_before == 0
    band, up = w.band[w.site[w.ue[b, job.ue].node].band], expected.up_bit_s
    back_s = band.downlink_access_s + 8.0 * costing.TOKEN_BYTES / expected.down_bit_s
    hop_s = link.hop_s(w, b, job)
    sent_bytes = costing.prompt_bytes(w, job, v, job.setup_tokens, raw)
    send_s = 8.0 * sent_bytes / up
    expected.upload_s = band.uplink_access_s + send_s + hop_s
    expected.time_s += expected.upload_s + back_s + hop_s
    expected.back_s += back_s + hop_s
    expected.air_bytes += sent_bytes + costing.TOKEN_BYTES * (1.0 + passes)
    expected.energy_j += tx_power_w * send_s
    if not raw or expected.pass_tokens > 1.0:
        message_bytes = costing.pass_bytes(w, v, expected.pass_tokens)
        message_s = 8.0 * message_bytes / up
        expected.token_s += band.uplink_stream_s + message_s + back_s + 2.0 * hop_s
        expected.air_bytes += passes * message_bytes
        expected.energy_j += passes * tx_power_w * message_s
