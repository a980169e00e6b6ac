"""What a candidate costs the other jobs, from what the agent can know: entries for rules, search and networks, no part of the utility.

Node by node along the way, what others lose is added to w.forecast[b] beside the job's own times; `put_all` writes it. All are 0 for
hold and reject, and but for what the action itself says for the whole model on the device.
"""

from __future__ import annotations

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import costing
from edge6g_env.kernel.rows import put, put_nothing

_EIGHT_BITS, _SIXTEEN_BITS = (
    6.0,
    12.0,
)  # stored bits of a weight, scales included, from which it counts as one of 8 or 16
_FULL_BYTES = 1e6  # the least free memory that a need is compared with: beyond it memory is full; judgement


@njit_inner
def clear(forecast):
    """Before the parts of an action are added up."""
    forecast.slowdown, forecast.slowdown_over_30ms, forecast.slowdown_over_80ms = 0.0, 0.0, 0.0
    forecast.prefill_decoding_s, forecast.prefill_waiting_s = 0.0, 0.0
    forecast.load_prefill_s, forecast.kept_prefill_s = 0.0, 0.0
    forecast.loads, forecast.load_token_s, forecast.load_evicts, forecast.need_share = 0.0, 0.0, 0.0, 0.0
    forecast.ue_share = 0.0


@njit_inner
def add_slowdown(forecast, known, added_s):
    """The sequences at a node lose added_s each cycle: times their number, over the cycle that they have then."""
    if known.sequences > 0:
        cycle_s = max(known.cycle_s + added_s, 1e-9)
        lost = known.sequences * max(added_s, 0.0) / cycle_s
        forecast.slowdown += lost
        if cycle_s > 0.03:
            forecast.slowdown_over_30ms += lost
        if cycle_s > 0.08:
            forecast.slowdown_over_80ms += lost


@njit_inner
def add_prompt(forecast, known, compute_s, loads):
    """Who decodes at a node or waits there for a prompt gives way to compute_s of work."""
    forecast.prefill_decoding_s += known.sequences * compute_s
    forecast.prefill_waiting_s += (known.prompts + known.sent_since) * compute_s
    if loads:
        forecast.load_prefill_s += compute_s
    else:
        forecast.kept_prefill_s += compute_s


@njit_inner
def add_memory(w, b, i, p, forecast, known, missing_bytes, need_bytes, token_s):
    """Memory that a part takes at place p as node i knows it, what a load there puts out, and how many UEs ask there."""
    forecast.ue_share = known.ue_share
    forecast.need_share = max(forecast.need_share, need_bytes / max(known.free_bytes, _FULL_BYTES))
    if missing_bytes > 0.0:
        forecast.loads, forecast.load_token_s = 1.0, max(forecast.load_token_s, token_s)
        if need_bytes > known.free_bytes - _unused_bytes(w, b, i, p):
            forecast.load_evicts = 1.0


@njit_seldom
def _unused_bytes(w, b, i, p):
    """Weights at place p, the node itself (0) or neighbour p - 1 by its report, that no job needs: they count as free."""
    unused_bytes = 0.0
    for v in range(w.variant.shape[2]):
        if p == 0:
            if w.variant[b, i, v].users == 0 and w.server[b, i].load_variant != v:
                unused_bytes += costing.weight_bytes(w, v, w.variant[b, i, v].low, w.variant[b, i, v].high)
        elif w.seen[b, i, p - 1, v].users == 0:
            unused_bytes += costing.weight_bytes(w, v, w.seen[b, i, p - 1, v].low, w.seen[b, i, p - 1, v].high)
    return unused_bytes


@njit_seldom
def _copies(w, b, i, v):
    """Nodes among i and its neighbours, by their reports, that hold the whole model of variant v, at whatever precision."""
    precisions = w.interface[0].n_precisions
    first, copies = v - v % precisions, 0
    for k in range(-1, w.link.shape[2]):
        whole = False
        for one in range(first, first + precisions):
            held = w.variant[b, i, one].high - w.variant[b, i, one].low
            if k >= 0:
                held = w.seen[b, i, k, one].high - w.seen[b, i, k, one].low
            whole = whole or held >= w.model[one].layers
        copies += whole
    return copies


@njit_inner
def put_all(w, b, i, job, v, layer_1, target, row, at):
    """Write the entries of the candidate whose forecast stands in w.forecast[b]; returns where the next one goes."""
    forecast, model, node = w.forecast[b], w.model[v], w.node[b, i]
    loads, in_cloud = forecast.loads, target == w.node.shape[1]
    small, middle = model.weight_bits < _EIGHT_BITS, model.weight_bits < _SIXTEEN_BITS
    place_s, copies = 0.0, 0.0
    if in_cloud:
        tokens = w.service[job.service].mean_output_tokens
        place_s = forecast.tpot_s * (tokens if w.service[job.service].steps == 0 else w.service[job.service].steps)
    if loads > 0.0:
        copies = _copies(w, b, i, v)
    at = put(row, at, forecast.slowdown)
    at = put(row, at, forecast.slowdown_over_30ms)
    at = put(row, at, forecast.slowdown_over_80ms)
    at = put(row, at, forecast.prefill_decoding_s)
    at = put(row, at, forecast.prefill_waiting_s)
    at = put(row, at, place_s)
    at = put(row, at, place_s * node.cloud_seen_wait_s)
    at = put(row, at, in_cloud and node.cloud_seen_wait_s > 0.0)
    at = put(row, at, loads * (not middle))
    at = put(row, at, loads * (middle and not small))
    at = put(row, at, loads * small)
    at = put(row, at, not middle)
    at = put(row, at, middle and not small)
    at = put(row, at, small)
    at = put(row, at, 0 < layer_1 < model.layers)
    at = put(row, at, forecast.load_prefill_s)
    at = put(row, at, forecast.kept_prefill_s)
    at = put(row, at, copies > 0.0)
    at = put(row, at, copies)
    at = put(row, at, forecast.load_evicts)
    at = put(row, at, forecast.load_token_s)
    at = put(row, at, loads * w.service[job.service].rate_share)
    at = put(row, at, forecast.need_share)
    if layer_1 == model.layers or in_cloud:
        return put_nothing(row, at, 2)
    at = put(row, at, forecast.ue_share)
    return put(row, at, w.site[i if target < 0 else target].usable_bytes / 1e9)
