"""What the cost model expects of each candidate, from what the agent can know: its own node now, its neighbours by their last reports
and what it sent them since, the cloud by its own last exchange, its channel by its estimate, output lengths by their mean.

A forecast is added up part by part along the job's way in w.forecast[b]. What depends on a place and a precision only stands in
w.known[b], worked out when the first candidate of a decision asks for it: the node itself, its neighbours, the UE's device, the cloud.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import air, costing, dispatch, loading, setup_pass, way, worth
from edge6g_env.kernel.rows import put, put_nothing
from edge6g_env.kernel.world import EXPIRED, HOLD, LOCAL, NEIGHBOUR, REJECT

_MAX_WAIT_S = 60.0  # waits are not told apart beyond this
_BLOCKED_WAIT_S = 5.0  # memory is short and nobody is there to release it; judgement
_MAX_PREFILL_SHARE = 0.8  # beyond it the slowdown of decodes is not told apart
_MIN_RATE_BIT_S = 1e4  # an upload in outage is taken as this slow
_OWN = 0  # rows of w.known: the node itself, its neighbours, its UE's device, the cloud


@njit_inner
def begin(w, b, i, job):
    """Before the candidates of a job at node i: forget the places of the decision before, and see what the UE's rates should be."""
    for p in range(w.known.shape[1]):
        for n in range(w.known.shape[2]):
            w.known[b, p, n].ready = 0
    forecast = w.forecast[b]
    senders = w.node[b, i].n_senders if w.ue[b, job.ue].node == i else 0  # another cell's are not known
    forecast.up_bit_s = max(_MIN_RATE_BIT_S, air.expected_uplink_bit_s(w, b, job.ue, senders + 1))
    forecast.down_bit_s = max(_MIN_RATE_BIT_S, air.expected_downlink_bit_s(w, b, job.ue))


# --- places: what depends on where and on the precision ---------------------------------------------------------------------------


@njit_inner
def _known_node(w, b, i, p, v, prompt, output):
    """The own node (p = 0) or neighbour p - 1 as node i knows it, with the layer times of the job there."""
    n = w.model[v].precision
    known = w.known[b, p, n]
    if known.ready == 0:
        if p == _OWN:
            _look_at_own(w, b, i, v, known)
        else:
            _look_at_neighbour(w, b, i, p - _OWN - 1, v, known)
        device, running, context = known.accelerator, known.tokens, prompt + 0.5 * output
        costing.chunk_layers_s(w, device, v, prompt, w.chunk_layer_s[b, p, n])
        known.with_layer_s = costing.decode_layer_s(w, device, v, running + 1.0, context * (running + 1.0))
        if running > 0.0:
            known.running_layer_s = costing.decode_layer_s(w, device, v, running, context * running)
        known.ready = 1
    return known


@njit_inner
def _known_device(w, b, v, prompt, output):
    """The UE's device: layer times of the prompt in one pass and of a token."""
    known, device = w.known[b, w.known.shape[1] - 2, w.model[v].precision], w.mobility[0].ue_device
    if known.ready == 0:
        known.prompt_layer_s = costing.prefill_layer_s(w, device, v, prompt, 0.0, 0.0)
        known.with_layer_s = costing.decode_layer_s(w, device, v, 1.0, prompt + 0.5 * output)
        known.ready = 1
    return known


@njit_inner
def _known_cloud(w, b, v, prompt, output):
    """The cloud: the same, a token in its batch."""
    cloud = w.cloud[0]
    known, batch = w.known[b, w.known.shape[1] - 1, w.model[v].precision], cloud.batch
    if known.ready == 0:
        known.prompt_layer_s = costing.prefill_layer_s(w, cloud.cloud_device, v, prompt, 0.0, 0.0)
        known.with_layer_s = costing.decode_layer_s(w, cloud.cloud_device, v, batch, batch * (prompt + 0.5 * output))
        known.ready = 1
    return known


@njit_inner
def _look_at_own(w, b, i, v, known):
    """What node i knows of itself."""
    site, server, variant = w.site[i], w.server[b, i], w.variant[b, i, v]
    known.own, known.accelerator, known.cycle_s, known.prefill_share = (
        i,
        site.accelerator,
        server.cycle_s,
        server.prefill_share,
    )
    known.backlog_s, known.prompts, known.sent_since = server.backlog_s, server.n_inbox, 0
    known.sequences, known.free_bytes, known.age_s = server.n_admitted, server.free_bytes, 0.0
    known.low, known.high, known.users, known.tokens = variant.low, variant.high, variant.users, variant.tokens
    known.disk_s = max(0.0, server.load_end_s - w.episode[b].now_s) if server.load_variant >= 0 else 0.0
    if server.load_variant == v:
        known.low, known.high = server.load_low, server.load_high


@njit_inner
def _look_at_neighbour(w, b, i, k, v, known):
    """What node i knows of neighbour k: its report, and the jobs sent there since."""
    link, seen = w.link[b, i, k], w.seen[b, i, k, v]
    known.own, known.accelerator = -1, w.site[w.neighbour[i, k]].accelerator
    known.cycle_s, known.prefill_share = link.seen_cycle_s, link.seen_prefill_share
    known.backlog_s, known.prompts, known.sent_since = link.seen_backlog_s, link.seen_inbox, link.sent_since
    known.sequences, known.free_bytes = link.seen_admitted + link.sent_since, link.seen_free_bytes
    known.low, known.high, known.users, known.tokens = seen.low, seen.high, seen.users, seen.tokens
    known.disk_s, known.age_s = 0.0, w.episode[b].now_s - link.report_s


# --- parts of the way ---------------------------------------------------------------------------------------------------------------


@njit_inner
def _missing_bytes(w, known, v, low, high):
    if known.high <= known.low:
        return costing.weight_bytes(w, v, low, high)
    joined = costing.weight_bytes(w, v, min(low, known.low), max(high, known.high))
    return joined - costing.weight_bytes(w, v, known.low, known.high)


@njit_inner
def _memory_wait_s(w, known, v, layers, tokens, missing_bytes, output_tokens):
    """Time until memory for the weights and KV is released, at the pace at which the sequences there end."""
    kv_bytes = w.model[v].kv_bytes * layers * tokens
    short_bytes = kv_bytes + missing_bytes - known.free_bytes
    if known.users == 0:
        short_bytes += costing.weight_bytes(w, v, known.low, known.high)  # they would have to stay
    if short_bytes <= 0.0:
        return 0.0
    if known.sequences <= 0 or known.cycle_s <= 0.0:
        return _BLOCKED_WAIT_S
    pace = known.sequences * kv_bytes / (output_tokens * known.cycle_s)
    return min(_MAX_WAIT_S, short_bytes / pace)


@njit_inner
def _load_s(w, b, known, v, low, high, missing_bytes):
    """Time to have the part's weights; nothing is known of a load that a neighbour has under way, nor of its other sources."""
    if missing_bytes > 0.0:
        rate = w.device[known.accelerator].load_bytes_s
        if known.own >= 0:
            rate = loading.best_rate_bytes_s(w, b, known.own, v, low, high)
        return known.disk_s + missing_bytes / rate + w.serving[0].load_overhead_s
    return known.disk_s


@njit_inner
def _iteration_wait_s(known):
    """Time until an iteration that is formed with the job in it: the rest of the running one and the whole next. Among the prompts of
    others there is none to wait for but their own, and after the last of them the next."""
    next_s = known.cycle_s * min(1.0, known.tokens)
    if known.prompts == 0:
        return 0.5 * known.cycle_s + next_s
    return next_s if known.prompts == 1 else 0.0


@njit_inner
def _add_node_part(w, b, i, p, v, low, high, prompt, output, whole):
    """Add the part at place p, as node i knows it: load, wait, prefill, its share of every token. whole: no cut, so tokens stay."""
    known, forecast = _known_node(w, b, i, p, v, prompt, output), w.forecast[b]
    device, running = known.accelerator, known.tokens
    with_head = high == w.model[v].layers
    share = (high - low) / w.model[v].layers
    missing_bytes = _missing_bytes(w, known, v, low, high)
    load_s = _load_s(w, b, known, v, low, high, missing_bytes)
    kept_s = w.chunk_layer_s[b, p, w.model[v].precision]
    compute_s = costing.setup_s(w, device, v, high - low, prompt, with_head, kept_s)
    wait_s = known.backlog_s + known.prompts * known.cycle_s + _iteration_wait_s(known)
    wait_s += known.sent_since * (compute_s + known.cycle_s)  # jobs on their way there are taken to be like this one
    wait_s += _memory_wait_s(w, known, v, high - low, prompt + output, missing_bytes, output)
    wait_s = min(wait_s, _MAX_WAIT_S)
    with_it_s = costing.iteration_s(w, device, v, known.with_layer_s, running + 1.0, share, with_head)
    others_s = known.cycle_s
    if running > 0.0:
        others_s -= costing.iteration_s(w, device, v, known.running_layer_s, running, share, with_head)
    cycle_s = max(others_s, 0.0) + with_it_s
    token_s = cycle_s if whole else with_it_s + 0.5 * min(1.0, running) * cycle_s
    decode_s = output * with_it_s / (running + 1.0)
    forecast.load_s += load_s
    forecast.wait_s += wait_s
    forecast.time_s += load_s + wait_s + compute_s + math.ceil(prompt / w.serving[0].token_budget) * known.cycle_s
    forecast.token_s += token_s / (1.0 - min(known.prefill_share, _MAX_PREFILL_SHARE))
    forecast.busy_s += compute_s + decode_s
    forecast.price_usd += (compute_s + decode_s) * w.device[device].usd_s
    forecast.energy_j += compute_s * costing.prefill_power_w(w, device) + decode_s * costing.decode_power_w(w, device)
    forecast.sequences, forecast.cycle_s, forecast.age_s = known.sequences, known.cycle_s, known.age_s


@njit_inner
def _add_device_part(w, b, job, v, layer_1, output):
    """Add the device's part: it reads its layers from storage, and shares its time among the jobs it has."""
    mobility, ue, forecast = w.mobility[0], w.ue[b, job.ue], w.forecast[b]
    prompt, jobs, device = job.setup_tokens, ue.device_jobs + 1, mobility.ue_device
    known, with_head = _known_device(w, b, v, prompt, output), layer_1 == w.model[v].layers
    load_s = setup_pass.device_load_s(w, ue, v, layer_1)
    compute_s = costing.one_pass_s(w, device, v, layer_1, known.prompt_layer_s, with_head)
    step_s = costing.iteration_s(w, device, v, known.with_layer_s, 1.0, layer_1 / w.model[v].layers, with_head)
    forecast.load_s += load_s
    forecast.time_s += load_s + compute_s * jobs
    forecast.token_s += step_s * jobs
    forecast.energy_j += compute_s * costing.prefill_power_w(w, device)
    forecast.energy_j += output * step_s * costing.decode_power_w(w, device)


@njit_inner
def _add_air(w, b, job, v, raw, output):
    """Add the upload, the way back, and for a cut behind the device the round trip of every token; latencies at their means."""
    mobility, ue, forecast = w.mobility[0], w.ue[b, job.ue], w.forecast[b]
    band, up = w.band[w.site[ue.node].band], forecast.up_bit_s
    back_s = band.downlink_access_s + 8.0 * costing.TOKEN_BYTES / forecast.down_bit_s
    hop_s = way.hop_s(w, b, job)
    sent_bytes = costing.prompt_bytes(w, job, v, job.setup_tokens, raw)
    send_s = 8.0 * sent_bytes / up
    forecast.upload_s = band.uplink_access_s + send_s + hop_s
    forecast.time_s += forecast.upload_s + back_s + hop_s
    forecast.air_bytes += sent_bytes + costing.TOKEN_BYTES * output
    forecast.energy_j += mobility.tx_power_w * send_s
    if not raw:
        token_s = 8.0 * w.model[v].boundary_bytes / up
        forecast.token_s += band.uplink_stream_s + token_s + back_s + 2.0 * hop_s
        forecast.air_bytes += output * w.model[v].boundary_bytes
        forecast.energy_j += output * mobility.tx_power_w * token_s


@njit_inner
def _add_link(w, b, job, v, layer_2, in_cloud, output):
    """Add the link to the target and back, and for a cut before it the round trip of every token; returns bytes sent."""
    wired, forecast = w.wired[0], w.forecast[b]
    delay_s = wired.backhaul_delay_s if in_cloud else wired.xn_delay_s
    rate = wired.backhaul_rate_bit_s if in_cloud else wired.xn_rate_bit_s
    sent_bytes = costing.prompt_bytes(w, job, v, job.setup_tokens, layer_2 == 0)
    forecast.time_s += 2.0 * delay_s + 8.0 * sent_bytes / rate
    if layer_2 > 0:
        forecast.token_s += 2.0 * delay_s + 8.0 * w.model[v].boundary_bytes / rate
        sent_bytes += output * w.model[v].boundary_bytes
    return sent_bytes + costing.TOKEN_BYTES * output


@njit_inner
def _add_cloud_part(w, b, i, job, v, layer_2, output, sent_bytes):
    """Add the cloud's part: its wait as this node last met it, its batch, its price list."""
    service, forecast = w.service[job.service], w.forecast[b]
    prompt, layers = job.setup_tokens, w.model[v].layers - layer_2
    share, device, known = layers / w.model[v].layers, w.cloud[0].cloud_device, _known_cloud(w, b, v, prompt, output)
    wait_s = w.node[b, i].cloud_seen_wait_s
    compute_s = costing.one_pass_s(w, device, v, layers, known.prompt_layer_s, True)
    step_s = costing.iteration_s(w, device, v, known.with_layer_s, w.cloud[0].batch, share, True)
    forecast.wait_s += wait_s
    forecast.time_s += wait_s + compute_s
    forecast.token_s += step_s
    forecast.backhaul_bytes += sent_bytes
    forecast.price_usd += share * (prompt * service.usd_per_input_token + output * service.usd_per_output_token)
    forecast.price_usd += sent_bytes * w.prices[0].usd_per_backhaul_byte
    forecast.price_usd += costing.TOKEN_BYTES * output * w.prices[0].usd_per_egress_byte
    forecast.energy_j += compute_s * costing.prefill_power_w(w, device)
    forecast.energy_j += output * step_s / w.cloud[0].batch * costing.decode_power_w(w, device)
    forecast.sequences, forecast.cycle_s = 0.0, step_s
    forecast.age_s = w.episode[b].now_s - w.node[b, i].cloud_seen_s


@njit_inner
def _clear(forecast):
    forecast.time_s, forecast.token_s, forecast.load_s, forecast.wait_s, forecast.upload_s = 0.0, 0.0, 0.0, 0.0, 0.0
    forecast.busy_s, forecast.energy_j, forecast.price_usd = 0.0, 0.0, 0.0
    forecast.air_bytes, forecast.backhaul_bytes = 0.0, 0.0
    forecast.sequences, forecast.cycle_s, forecast.age_s = 0.0, 0.0, 0.0


@njit_inner
def _forecast(w, b, i, job, c, target):
    """Fill w.forecast[b] for action c, part by part along the way."""
    v, forecast = dispatch.variant_of(w, job, c), w.forecast[b]
    layer_1, layer_2, total = w.action_layers[c, v, 0], w.action_layers[c, v, 1], w.model[v].layers
    prompt, output = job.setup_tokens, dispatch.expected_output(w, job)
    raw, in_cloud = layer_1 == 0, target == w.node.shape[1]
    whole = raw and (layer_2 == 0 or layer_2 == total)
    _clear(forecast)
    if layer_1 > 0:
        _add_device_part(w, b, job, v, layer_1, output)
    if layer_1 < total:
        _add_air(w, b, job, v, raw, output)
    if layer_2 > layer_1:
        _add_node_part(w, b, i, _OWN, v, layer_1, layer_2, prompt, output, whole)
    if target >= 0:
        sent_bytes = _add_link(w, b, job, v, layer_2, in_cloud, output)
        if in_cloud:
            _add_cloud_part(w, b, i, job, v, layer_2, output, sent_bytes)
        else:
            neighbour = _OWN + 1 + w.action[c].route - NEIGHBOUR
            _add_node_part(w, b, i, neighbour, v, layer_2, total, prompt, output, whole)
    forecast.price_usd += forecast.air_bytes * w.prices[0].usd_per_air_byte


@njit_inner
def _put_bare(w, row, hold):
    """The candidate hold or reject. To wait has no prediction: it is worth no more than any other end."""
    reward = w.reward[0]
    at = put(row, 0, hold)
    at = put(row, at, not hold)
    at = put_nothing(row, at, row.shape[0] - 3)
    put(row, at, -reward.rejected_cost - (reward.expired_cost if hold else 0.0))


@njit_inner
def candidate(w, b, i, job, c, row):
    """Fill row (F,) of candidate c for a job at node i; the order is that of spaces.CANDIDATE_FEATURES."""
    route = w.action[c].route
    if route <= REJECT:
        _put_bare(w, row, route == HOLD)
        return
    service, v, target = w.service[job.service], dispatch.variant_of(w, job, c), dispatch.target_of(w, b, i, route)
    _forecast(w, b, i, job, c, target)
    forecast, total, in_cloud = w.forecast[b], w.model[v].layers, target == w.node.shape[1]
    layer_1, layer_2 = w.action_layers[c, v, 0], w.action_layers[c, v, 1]
    exposure, output = 1.0 if layer_1 == 0 else 0.0, dispatch.expected_output(w, job)
    ttft_s, tpot_s = w.episode[b].now_s - job.arrival_s + forecast.time_s, forecast.token_s
    end_s = ttft_s + output * tpot_s  # since the arrival
    if job.first_token_s >= 0.0:  # put back after a fault: the gap counts among its tokens
        ttft_s = job.first_token_s - job.arrival_s
        tpot_s = (end_s - ttft_s) / (job.done_tokens + output)
    late = worth.timeliness(service, ttft_s, tpot_s)
    gain = worth.answer(w, v, late)
    if end_s > service.expire_s:
        gain = -worth.cost_of_end(w, EXPIRED)
    price, energy, exposed = worth.costs_of(w, service, forecast.price_usd, forecast.energy_j, exposure)
    at = put_nothing(row, 0, 2)
    at = put(row, at, route == LOCAL)
    at = put(row, at, target >= 0 and not in_cloud)
    at = put(row, at, in_cloud)
    at = put(row, at, layer_1 / total)
    at = put(row, at, (layer_2 - layer_1) / total)
    at = put(row, at, (total - layer_2) / total if target >= 0 else 0.0)
    at = put(row, at, w.model[v].weight_bits)
    at = put(row, at, ttft_s)
    at = put(row, at, tpot_s)
    at = put(row, at, forecast.load_s)
    at = put(row, at, forecast.wait_s)
    at = put(row, at, forecast.upload_s)
    at = put(row, at, forecast.busy_s)
    at = put(row, at, forecast.energy_j)
    at = put(row, at, 1000.0 * forecast.price_usd)
    at = put(row, at, w.model[v].quality)
    at = put(row, at, late)
    at = put(row, at, forecast.air_bytes / 1e6)
    at = put(row, at, forecast.backhaul_bytes / 1e6)
    at = put(row, at, exposure)
    at = put(row, at, forecast.sequences)
    at = put(row, at, forecast.cycle_s)
    at = put(row, at, forecast.age_s)
    put(row, at, gain - (price + energy + exposed))
