"""What the cost model expects of each candidate, from what the agent can know: its own node now, its neighbours by their last reports
and what it sent them since, the cloud by its own last exchange, its channel by its estimate, output lengths by their mean.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import channel, costing, dispatch, memory, path
from edge6g_env.kernel.ledger import timeliness
from edge6g_env.kernel.world import HOLD, LOCAL, NEIGHBOUR, REJECT

_MAX_WAIT_S = 60.0  # waits are not told apart beyond this
_BLOCKED_WAIT_S = 5.0  # memory is short and nobody is there to release it; judgement
_MAX_PREFILL_SHARE = 0.8


@njit_inner
def _own_place(w, b, i, v):
    """What node i knows of itself: (device, cycle, prefill share, backlog, prompts, sequences, free bytes, variant's range, users,
    tokens, time until its disk is free)."""
    node, variant = w.node[b, i], w.variant[b, i, v]
    disk_s = max(0.0, node.load_end_s - w.episode[b].now_s) if node.load_variant >= 0 else 0.0
    low, high = variant.low, variant.high
    if node.load_variant == v:
        low, high = node.load_low, node.load_high
    return (
        node.accelerator,
        node.cycle_s,
        node.prefill_share,
        node.backlog_s,
        node.n_inbox,
        node.n_admitted,
        node.free_bytes,
        low,
        high,
        variant.users,
        variant.tokens,
        disk_s,
    )


@njit_inner
def _seen_place(w, b, i, k, v):
    """The same of neighbour k, from its report; jobs sent since then count as prompts that wait."""
    link, seen = w.link[b, i, k], w.seen[b, i, k, v]
    prompts = link.seen_inbox + link.sent_since
    return (
        w.node[b, link.peer].accelerator,
        link.seen_cycle_s,
        link.seen_prefill_share,
        link.seen_backlog_s,
        prompts,
        link.seen_admitted + link.sent_since,
        link.seen_free_bytes,
        seen.low,
        seen.high,
        seen.users,
        seen.tokens,
        0.0,
    )


@njit_inner
def _missing_bytes(w, v, held_low, held_high, low, high):
    if held_high <= held_low:
        return costing.weight_bytes(w, v, low, high)
    joined = costing.weight_bytes(w, v, min(low, held_low), max(high, held_high))
    return joined - costing.weight_bytes(w, v, held_low, held_high)


@njit_inner
def _memory_wait_s(w, place, v, layers, tokens, missing_bytes, output_tokens):
    """Time until memory for the weights and KV is released, at the pace at which the sequences there end."""
    _, cycle_s, _, _, _, sequences, free_bytes, low, high, users, _, _ = place
    kv_bytes = w.model[v].kv_bytes * layers * tokens
    if users == 0:
        free_bytes -= costing.weight_bytes(w, v, low, high)  # they would have to stay
    short_bytes = kv_bytes + missing_bytes - free_bytes
    if short_bytes <= 0.0:
        return 0.0
    if sequences <= 0 or cycle_s <= 0.0:
        return _BLOCKED_WAIT_S
    pace = sequences * kv_bytes / (output_tokens * cycle_s)
    return min(_MAX_WAIT_S, short_bytes / pace)


@njit_inner
def _node_part(w, place, v, low, high, tokens, sent_tokens, output_tokens, whole):
    """A part at a node: (load s, wait s, prefill s, token s, busy s of the accelerator, device)."""
    device, cycle_s, prefill_share, backlog_s, prompts, _, _, held_low, held_high, _, running, disk_s = place
    layers = high - low
    with_head = high == w.model[v].layers
    missing_bytes = _missing_bytes(w, v, held_low, held_high, low, high)
    load_s = disk_s if (missing_bytes > 0.0 or disk_s > 0.0 and held_high > held_low) else 0.0
    if missing_bytes > 0.0:
        load_s += missing_bytes / w.device[device].load_bytes_s + w.setup[0].load_overhead_s
    compute_s = costing.setup_s(w, device, v, layers, tokens, with_head)
    chunks = math.ceil(tokens / w.setup[0].token_budget)
    wait_s = backlog_s + prompts * cycle_s + sent_tokens * compute_s / tokens + 0.5 * cycle_s
    wait_s += _memory_wait_s(w, place, v, layers, tokens + output_tokens, missing_bytes, output_tokens)
    share = layers / w.model[v].layers
    context = tokens + 0.5 * output_tokens
    alone_s = costing.decode_iteration_s(w, device, v, running + 1.0, context * (running + 1.0), share, with_head)
    others_s = cycle_s
    if running > 0.0:
        others_s -= costing.decode_iteration_s(w, device, v, running, context * running, share, with_head)
    cycle_with_s = max(others_s, 0.0) + alone_s
    token_s = cycle_with_s if whole else alone_s + 0.5 * min(1.0, running) * cycle_with_s
    token_s /= 1.0 - min(prefill_share, _MAX_PREFILL_SHARE)
    busy_s = compute_s + output_tokens * alone_s / (running + 1.0)
    return load_s, min(wait_s, _MAX_WAIT_S), compute_s + chunks * cycle_s, token_s, busy_s, device


@njit_inner
def _write_bare(row, route_flag, utility):
    for f in range(row.shape[0]):
        row[f] = 0.0
    row[route_flag] = 1.0
    row[row.shape[0] - 1] = utility


@njit_inner
def candidate(w, b, i, j, c, row):
    """Fill row (F,) of candidate c for job j at node i; the order is that of spaces.CANDIDATE_FEATURES."""
    setup, episode, job = w.setup[0], w.episode[b], w.job[b, j]
    route = w.action[c].route
    if route == HOLD:
        _write_bare(row, 0, -setup.expired_cost - setup.rejected_cost)
        return
    if route == REJECT:
        _write_bare(row, 1, -setup.rejected_cost)
        return
    service, ue, v = w.service[job.service], w.ue[b, job.ue], dispatch.variant_of(w, job, c)
    layer_1, layer_2, total = w.action_layers[c, v, 0], w.action_layers[c, v, 1], w.model[v].layers
    target = dispatch.target_of(w, b, i, route)
    in_cloud = target == w.node.shape[1]
    prompt, output = job.prompt_tokens, service.mean_output_tokens
    context = prompt + 0.5 * output
    raw = layer_1 == 0
    time_s, token_s, energy_j, price_usd = 0.0, 0.0, 0.0, 0.0
    load_s, wait_s, upload_s, busy_s = 0.0, 0.0, 0.0, 0.0
    air_bytes, backhaul_bytes = 0.0, 0.0
    hop_s = setup.xn_delay_s if ue.node != i else 0.0
    if layer_1 > 0:
        load_s = path.device_load_s(w, ue, v, layer_1)
        compute_s = costing.whole_prompt_s(w, setup.ue_device, v, layer_1, prompt, layer_1 == total)
        step_s = path.device_token_s(w, v, layer_1, context, 1)
        sharing = ue.device_jobs + 1
        time_s += load_s + compute_s * sharing
        token_s += step_s * sharing
        energy_j += compute_s * costing.prefill_power_w(w, setup.ue_device)
        energy_j += output * step_s * costing.decode_power_w(w, setup.ue_device)
    if layer_1 < total:
        rate = max(1e4, channel.expected_rate_bit_s(w, ue.seen_sinr_db, w.node[b, ue.node].n_senders + 1))
        sent_bytes = costing.payload_bytes(w, v, prompt, raw)
        upload_s = 8.0 * sent_bytes / rate
        energy_j += setup.ue_tx_power_w * upload_s
        air_bytes = sent_bytes + 4.0 * output
        upload_s += setup.uplink_access_s + hop_s
        time_s += upload_s + setup.downlink_access_s + hop_s
        if not raw:
            cut_bytes = w.model[v].boundary_bytes * output
            air_bytes += cut_bytes
            energy_j += setup.ue_tx_power_w * 8.0 * cut_bytes / rate
            token_s += setup.uplink_stream_s + setup.downlink_access_s + 2.0 * hop_s + 8.0 * w.model[v].boundary_bytes / rate
    whole = raw and (layer_2 == 0 or layer_2 == total)
    if layer_2 > layer_1:
        place = _own_place(w, b, i, v)
        part = _node_part(w, place, v, layer_1, layer_2, prompt, 0.0, output, whole)
        load_s += part[0]
        wait_s += part[1]
        time_s += part[0] + part[1] + part[2]
        token_s += part[3]
        busy_s += part[4]
        price_usd += part[4] * w.device[part[5]].usd_s
        energy_j += part[4] * costing.decode_power_w(w, part[5])
    sequences, age_s, place_cycle_s = w.node[b, i].n_admitted * 1.0, 0.0, w.node[b, i].cycle_s
    if target >= 0:
        delay_s = setup.backhaul_delay_s if in_cloud else setup.xn_delay_s
        link_rate = setup.backhaul_rate_bit_s if in_cloud else setup.xn_rate_bit_s
        sent_bytes = costing.payload_bytes(w, v, prompt, layer_2 == 0)
        time_s += 2.0 * delay_s + 8.0 * sent_bytes / link_rate
        if layer_2 > 0:
            token_s += 2.0 * delay_s + 8.0 * w.model[v].boundary_bytes / link_rate
            sent_bytes += w.model[v].boundary_bytes * output
        sent_bytes += 4.0 * output
        if in_cloud:
            backhaul_bytes = sent_bytes
            share = (total - layer_2) / total
            sequences, age_s, place_cycle_s = 0.0, 0.0, path.cloud_decode_s(w, v, share, context)
            compute_s = costing.whole_prompt_s(w, setup.cloud_device, v, total - layer_2, prompt, True)
            wait_s += w.node[b, i].cloud_seen_wait_s
            time_s += w.node[b, i].cloud_seen_wait_s + compute_s
            token_s += place_cycle_s
            price_usd += share * (prompt * service.usd_per_input_token + output * service.usd_per_output_token)
            price_usd += sent_bytes * setup.usd_per_backhaul_byte + 4.0 * output * setup.usd_per_egress_byte
            energy_j += compute_s * costing.prefill_power_w(w, setup.cloud_device)
            energy_j += (
                output * place_cycle_s / setup.cloud_batch * costing.decode_power_w(w, setup.cloud_device)
            )
        else:
            k = route - NEIGHBOUR
            place = _seen_place(w, b, i, k, v)
            part = _node_part(w, place, v, layer_2, total, prompt, w.link[b, i, k].sent_since * prompt, output, whole)
            load_s += part[0]
            wait_s += part[1]
            time_s += part[0] + part[1] + part[2]
            token_s += part[3]
            busy_s += part[4]
            price_usd += part[4] * w.device[part[5]].usd_s
            energy_j += part[4] * costing.decode_power_w(w, part[5])
            sequences = place[5] * 1.0
            age_s = episode.now_s - w.link[b, i, k].report_s
            place_cycle_s = place[1]
    price_usd += air_bytes * setup.usd_per_air_byte
    ttft_s = episode.now_s - job.arrival_s + time_s
    late = timeliness(service, ttft_s, token_s)
    quality = w.model[v].quality
    exposure = 1.0 if raw and layer_1 < total else 0.0
    cost = setup.price_per_usd * price_usd + setup.energy_per_j * energy_j + service.exposure_cost * exposure
    utility = quality * late - cost
    if ttft_s + output * token_s > service.expire_s:
        utility = -setup.expired_cost - cost
    row[0], row[1] = 0.0, 0.0
    row[2] = 1.0 if route == LOCAL else 0.0
    row[3] = 1.0 if target >= 0 and not in_cloud else 0.0
    row[4] = 1.0 if in_cloud else 0.0
    row[5] = layer_1 / total
    row[6] = (layer_2 - layer_1) / total
    row[7] = (total - layer_2) / total if target >= 0 else 0.0
    row[8] = w.action[c].precision
    row[9] = ttft_s
    row[10] = token_s
    row[11] = load_s
    row[12] = wait_s
    row[13] = upload_s
    row[14] = busy_s
    row[15] = energy_j
    row[16] = 1000.0 * price_usd
    row[17] = quality
    row[18] = late
    row[19] = air_bytes / 1e6
    row[20] = backhaul_bytes / 1e6
    row[21] = exposure
    row[22] = sequences
    row[23] = place_cycle_s
    row[24] = age_s
    row[25] = utility
