"""What the cost model expects of each candidate, from what the agent can know: its own node now, its neighbours by their last reports
and what it sent them since, the cloud by its own last exchange, its channel by its estimate, output lengths by their mean.

A forecast is added up part by part along the job's way in w.forecast[b]. What depends on a place and a precision only stands in
w.known[b], worked out when the first candidate of a decision asks for it: the node itself, its neighbours, the UE's device, the cloud.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, draft, externality, finetune, inference, legs, worth
from edge6g_env.kernel.places import air, cloud
from edge6g_env.kernel.rows import put, put_nothing


@njit_inner
def begin(w, b, i, job):
    """Before the candidates of a job at node i: forget the places of the decision before, and see what the UE's rates should be."""
    for p in range(w.known.shape[1]):
        for n in range(w.known.shape[2]):
            w.known[b, p, n].ready = 0
    air.expect_rates(w, b, i, job)
    cloud.look_at_queue(w, b, i)


@njit_inner
def _clear(forecast):
    forecast.time_s, forecast.back_s, forecast.token_s, forecast.load_s, forecast.wait_s = 0.0, 0.0, 0.0, 0.0, 0.0
    forecast.upload_s, forecast.draft_s, forecast.draft_j = 0.0, 0.0, 0.0
    forecast.busy_s, forecast.energy_j, forecast.price_usd = 0.0, 0.0, 0.0
    forecast.air_bytes, forecast.backhaul_bytes = 0.0, 0.0
    forecast.setup_air_bytes, forecast.setup_link_bytes, forecast.progress = 0.0, 0.0, 1.0
    forecast.sequences, forecast.cycle_s, forecast.age_s = 0.0, 0.0, 0.0
    forecast.lone, forecast.lone_s = 0.0, 0.0
    externality.clear(forecast)
    forecast.pass_tokens, forecast.pass_yield = 1.0, 1.0


@njit_inner
def _put_bare(w, row, hold):
    """The candidate hold or reject. To wait has no prediction: it is worth no more than any other end."""
    at = put(row, 0, hold)
    at = put(row, at, not hold)
    at = put_nothing(row, at, row.shape[0] - 3)
    put(row, at, -w.reward[0].rejected_cost - (w.reward[0].expired_cost if hold else 0.0))


@njit_inner
def _latency_s(start_s, output, token_s):
    """Of a whole answer whose `output` tokens come every token_s from start_s on."""
    return start_s + (output - 1.0) * token_s


@njit_inner
def _tpot_s(job, output, start_s, ttft_s, token_s):
    """Of all output tokens after the first; of a job that was put back after a fault, the gap counts among them."""
    if job.first_token_s < 0.0:
        return token_s
    return (start_s + output * token_s - ttft_s) / (job.done_tokens + output)


@njit_inner
def _gain(w, job, answer, start_s, ttft_s, token_s):
    """What the job's end brings on average, if tokens come every token_s from start_s on: an answer, or none where it is so long that it
    expires. answer: what it brings in time; start_s, ttft_s: since the arrival."""
    service, output = w.service[job.service], inference.expected_output(w, job)
    tpot_s = _tpot_s(job, output, start_s, ttft_s, token_s)
    expires = inference.share_beyond(w, job, (service.expire_s - start_s) / max(token_s, 1e-9))
    late = worth.timeliness(service, ttft_s, tpot_s, _latency_s(start_s, output, token_s))
    return (1.0 - expires) * answer * late - expires * worth.cost_of_end(w, codes.EXPIRED)


@njit_inner
def _expect(w, b, i, job, c, n):
    """Fill w.forecast[b] with what action c of node i should bring, drafting by row n of w.round, -1: not; returns its utility."""
    service, model, v = w.service[job.service], w.action[c].model, inference.variant_of(w, job, c)
    _clear(w.forecast[b])
    if service.kind == codes.FINETUNE:
        return finetune.expect(w, b, i, job, c)
    output = inference.expected_output(w, job)
    if n >= 0:
        row = w.round[job.service, model, n]
        w.forecast[b].pass_tokens, w.forecast[b].pass_yield = row.drafted + 1.0, row.tokens
    legs.forecast(w, b, i, job, c)
    w.forecast[b].price_usd += w.forecast[b].air_bytes * w.prices[0].usd_per_air_byte
    if n >= 0:
        draft.settle(w, b, output)
    forecast = w.forecast[b]
    layer_1, layer_2 = w.action_layers[c, v, 0], w.action_layers[c, v, 1]
    in_cloud = inference.target_of(w, b, i, w.action[c].route) == w.node.shape[1]
    left_device = w.exposure[v, layer_1] if layer_1 < w.model[v].layers else 0.0
    reached_cloud = w.exposure[v, layer_2] if in_cloud else 0.0
    given_away = worth.expose(w, b, job, left_device, reached_cloud)
    start_s = w.episode[b].now_s - job.arrival_s + forecast.time_s  # since the arrival
    ttft_s = start_s if job.first_token_s < 0.0 else job.first_token_s - job.arrival_s
    tpot_s = _tpot_s(job, output, start_s, ttft_s, forecast.token_s)
    late = worth.timeliness(service, ttft_s, tpot_s, _latency_s(start_s, output, forecast.token_s))
    quality = worth.quality(w, job.service, model, v)
    answer = service.value * quality
    gain = _gain(
        w, job, answer, start_s, ttft_s, forecast.token_s + forecast.lone_s * forecast.lone / (1.0 - forecast.lone)
    )
    if forecast.lone > 0.0:
        gain += forecast.lone * (_gain(w, job, answer, start_s, ttft_s, forecast.token_s - forecast.lone_s) - gain)
    price, energy, exposed = worth.costs_of(w, service, forecast.price_usd, forecast.energy_j, given_away)
    forecast.ttft_s, forecast.tpot_s, forecast.quality = ttft_s, tpot_s, quality
    forecast.timeliness = late
    return gain - (price + energy + exposed)


@njit_inner
def _best_draft(w, b, i, job, c):
    """Row of w.round by which the utility of action c is highest, -1 if it drafts nothing."""
    if w.action[c].draft == 0:
        return -1
    best, most = -1, -math.inf
    _expect(w, b, i, job, c, -1)
    w.undrafted[b] = w.forecast[b]
    for n in range(w.round.shape[2]):
        if w.round[job.service, w.action[c].model, n].drafted > 0.0:
            utility = _expect(w, b, i, job, c, n)
            if utility > most:
                best, most = n, utility
    return best


@njit_inner
def choose_draft(w, b, i, job, c):
    """The same where action c is taken, of which nobody may have asked for candidates."""
    if w.action[c].draft == 0:
        return -1
    cloud.count_jobs(w, b)
    begin(w, b, i, job)
    return _best_draft(w, b, i, job, c)


@njit_inner
def utility_of(w, b, i, job, c):
    """Predicted utility of an action; of one that serves the job w.forecast[b] has the rest of what is expected of it."""
    if w.action[c].route == codes.REJECT:
        return -w.reward[0].rejected_cost
    return _expect(w, b, i, job, c, _best_draft(w, b, i, job, c))


@njit_inner
def candidate(w, b, i, job, c, row):
    """Fill row (F,) of candidate c for a job at node i; the order is that of spaces.CANDIDATE_FEATURES."""
    route = w.action[c].route
    if route <= codes.REJECT:
        _put_bare(w, row, route == codes.HOLD)
        return
    service, model, v = w.service[job.service], w.action[c].model, inference.variant_of(w, job, c)
    choice, target = w.choice[job.service, model], inference.target_of(w, b, i, route)
    utility = utility_of(w, b, i, job, c)
    forecast, total, in_cloud = w.forecast[b], w.model[v].layers, target == w.node.shape[1]
    layer_1, layer_2 = w.action_layers[c, v, 0], w.action_layers[c, v, 1]
    at = put_nothing(row, 0, 2)
    at = put(row, at, route == codes.LOCAL)
    at = put(row, at, target >= 0 and not in_cloud)
    at = put(row, at, in_cloud)
    at = put(row, at, w.action[c].draft)
    at = put(row, at, layer_1 / total)
    at = put(row, at, (layer_2 - layer_1) / total)
    at = put(row, at, (total - layer_2) / total if target >= 0 else 0.0)
    at = put(row, at, w.model[v].weight_bits)
    at = put(row, at, forecast.ttft_s)
    at = put(row, at, forecast.tpot_s)
    at = put(row, at, forecast.load_s)
    at = put(row, at, forecast.wait_s)
    at = put(row, at, forecast.upload_s)
    at = put(row, at, forecast.busy_s)
    at = put(row, at, forecast.energy_j)
    at = put(row, at, 1000.0 * forecast.price_usd)
    at = put(row, at, forecast.quality)
    at = put(row, at, choice.score)
    at = put(row, at, choice.weights == service.model)
    at = put(row, at, forecast.timeliness)
    at = put(row, at, forecast.progress)
    at = put(row, at, forecast.air_bytes / 1e6)
    at = put(row, at, forecast.backhaul_bytes / 1e6)
    at = put(row, at, forecast.exposure_device)
    at = put(row, at, forecast.exposure_site)
    at = put(row, at, forecast.sequences)
    at = put(row, at, forecast.cycle_s)
    at = put(row, at, forecast.age_s)
    at = externality.put_all(w, b, i, job, v, layer_1, target, row, at)
    put(row, at, utility)
