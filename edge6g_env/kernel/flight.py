"""A world in flight: a compiled policy decides between slots, without Python and without observations that nobody reads.

What it is asked and what came of it stand in w.flight[b]. A flight pauses where its lists are full, or after so many slots, for Python to
empty them and to be interrupted; it goes on as if nothing had been.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import choose, codes, observe, predict, rng, worth
from edge6g_env.kernel.places import cloud
from edge6g_env.kernel.rows import clip

_PAUSE_SLOTS = 512
_STILL_TO_WAIT = 1.0  # of a job without a first token: as long again as it has waited; judgement


@njit_seldom
def rests(w, b):
    """Whether world b goes no further: its flight is over, or pauses."""
    flight, episode, step = w.flight[b], w.episode[b], w.step[b]
    ends = episode.slot >= w.time[0].episode_slots or episode.now_s >= flight.until_s - codes.SAME_INSTANT_S
    ends = ends or (flight.counts == 1 and flight.limit >= 0 and flight.left == 0)
    if ends or (flight.stops_at_decision == 1 and flight.slots > 0 and episode.n_heads > 0):
        flight.over = 1
    full = w.outcome.shape[1] - step.n_outcomes <= 2 * w.job.shape[1]
    full = full or (flight.records == 1 and w.recorded.shape[1] - flight.n_recorded < w.node.shape[1])
    return flight.over == 1 or full or step.slots == _PAUSE_SLOTS


@njit_seldom
def go_on(w, b):
    """Before the first slot of a flight, and of each piece of it: no outcome of this piece has been looked at."""
    w.flight[b].n_read = 0
    if w.flight[b].limit < 0:
        count(w, b)


@njit_seldom
def decide(w, b):
    """Write the actions of a slot: those that are forced in the first one, else what the policy chooses."""
    flight, some = w.flight[b], False
    for i in range(w.node.shape[1]):
        w.actions[b, i] = codes.HOLD
        if w.node[b, i].head < 0:
            continue
        if not some:
            cloud.count_jobs(w, b)
            some = True
        flight.decisions += 1
        observe.look_at_job(w, b, i)
        forced = w.forced[b, i] if flight.slots == 0 else -1
        w.actions[b, i] = forced if forced >= 0 else _choose(w, b, i)
    flight.slots += 1


@njit_seldom
def _choose(w, b, i):
    """Action of node i for the job at its head."""
    job, p, utility = w.job[b, w.node[b, i].head], w.flight[b].policy, w.utility[b]
    choose.allow(w.action_mask[codes.NOW, b, i], w.policy_distance[p, job.service], w.policy_route, utility)
    predict.begin(w, b, i, job)
    last = w.candidate_limits.shape[1] - 1
    for c in range(utility.shape[0]):
        if utility[c] == 0.0:
            utility[c] = predict.utility_of(w, b, i, job, c)
            utility[c] = min(max(utility[c], w.candidate_limits[0, last]), w.candidate_limits[1, last])
    best = choose.best_of(utility)
    if w.policy[0].scored == 0:
        return best
    return _choose_scored(w, b, i, job, best)


@njit_seldom
def _choose_scored(w, b, i, job, best):
    """The same by the scores of the shortlist; drawn by their softmax where the flight samples."""
    policy, flight, p = w.policy[0], w.flight[b], w.flight[b].policy
    utility, rows, inputs, scores = w.utility[b], w.shortlist[b], w.inputs[b], w.scores[b]
    context, hidden, last = w.context[b], w.hidden[b], w.candidate_limits.shape[1] - 1
    n = choose.shortlist(utility, rows)
    if context.shape[0] > 0:
        observe.put_observation(w, b, i)
        choose.scale(w.observation[codes.NOW, b, i], w.policy_context, w.policy_scales, 0, context)
    choose.read_context(w.policy_network[p], context, hidden)
    for place in range(n):
        predict.candidate(w, b, i, job, rows[place], w.candidate_row[b])
        clip(w.candidate_row[b], w.candidate_limits)
        choose.scale(w.candidate_row[b], w.policy_entries, w.policy_scales, context.shape[0], inputs[place])
        inputs[place, inputs.shape[1] - 1] = w.candidate_row[b, last] - utility[best]
        scores[place] = choose.score(
            policy, w.policy_linear[p], w.policy_network[p], context.shape[0], inputs[place], hidden
        )
    top = choose.best_score(scores, n)
    chosen, log_probability = top, 0.0
    if flight.samples == 1:
        chosen, log_probability = _draw(w, b, i, n, scores, policy.beta, scores[top])
    if flight.records == 1:
        _record(w, b, i, job, n, chosen, log_probability)
    return rows[chosen]


@njit_seldom
def _draw(w, b, i, n, scores, beta, highest):
    """Place drawn by softmax(beta x score), and the logarithm of its probability. The number belongs to (key of the flight, node, slot)."""
    total = 0.0
    for place in range(n):
        total += math.exp(beta * (scores[place] - highest))
    left = rng.uniform(w.flight[b].sample_key, rng.FOR_CHOICE, i, w.episode[b].slot) * total
    chosen = 0
    for place in range(n):
        chosen = place
        left -= math.exp(beta * (scores[place] - highest))
        if left <= 0.0:
            break
    return chosen, beta * (scores[chosen] - highest) - math.log(total)


@njit_seldom
def _record(w, b, i, job, n, chosen, log_probability):
    """Keep the decision and what it was made from."""
    flight = w.flight[b]
    r = flight.n_recorded
    row = w.recorded[b, r]
    row.world, row.node, row.job, row.slot, row.time_s = b, i, job.number, w.episode[b].slot, w.episode[b].now_s
    row.n_shortlist, row.choice, row.action = n, chosen, w.shortlist[b, chosen]
    row.log_probability = log_probability
    for d in range(w.context.shape[1]):
        w.recorded_context[b, r, d] = w.context[b, d]
    for place in range(n):
        for e in range(w.inputs.shape[2]):
            w.recorded_inputs[b, r, place, e] = w.inputs[b, place, e]
    flight.n_recorded += 1


@njit_seldom
def count(w, b):
    """How many of the jobs that are counted are still under way."""
    flight, step = w.flight[b], w.step[b]
    if flight.counts == 0:
        return
    if flight.limit < 0:
        flight.n_read = step.n_outcomes
        if w.episode[b].now_s >= flight.count_until_s - codes.SAME_INSTANT_S:
            flight.limit, flight.left = w.episode[b].next_job, in_flight(w, b)
        return
    for n in range(flight.n_read, step.n_outcomes):
        flight.left -= w.outcome[b, n].job < flight.limit
    flight.n_read = step.n_outcomes


@njit_inner
def in_flight(w, b):
    """Jobs that wait for a decision or are under way."""
    jobs = w.episode[b].n_active
    for i in range(w.node.shape[1]):
        jobs += w.node[b, i].n_queue
    return jobs


@njit_seldom
def finish(w, b):
    """At the end of a flight: the jobs that have not ended, and what those that are counted should be worth by their pace."""
    flight = w.flight[b]
    flight.unfinished, flight.worth_left = 0, 0.0
    for j in range(w.job.shape[1]):
        job = w.job[b, j]
        if job.stage != codes.FREE and (flight.counts == 0 or flight.limit < 0 or job.number < flight.limit):
            flight.unfinished += 1
            if flight.counts == 1:
                flight.worth_left += _worth_by_pace(w, b, job)


@njit_seldom
def _worth_by_pace(w, b, job):
    """What a job under way should be worth in the end, if it goes on as it went so far: tokens at the pace of those that came, steps at
    that of those that were done; before the first it takes as long again as until now. Costs grow with the tokens that are computed, of
    prompt and answer alike, or with the steps."""
    service, since_s = w.service[job.service], w.episode[b].now_s - job.arrival_s
    answer = service.value * worth.quality(w, job.service, job.model, job.variant)
    given_away = worth.priced_exposure(service, job.exposure_device, job.exposure_site)
    price, energy, exposure = worth.costs_of(w, service, job.price_usd, job.energy_j, given_away)
    lost = worth.cost_of_end(w, codes.EXPIRED)
    if service.kind == codes.FINETUNE:
        done = job.done_steps
        steps = min(service.steps, done * service.expire_s / max(since_s, 1e-9))
        progress, growth = steps / service.steps, max(1.0, steps / max(done, 1.0))
        return answer * progress - lost * (1.0 - progress) - growth * (price + energy) - exposure
    growth = (job.setup_tokens + job.output_tokens) / (job.setup_tokens + job.done_tokens)
    if job.first_token_s < 0.0 or job.done_tokens <= 1.0:
        ttft_s, growth = since_s * (1.0 + _STILL_TO_WAIT), 1.0
        tpot_s = service.deadline_s / service.mean_output_tokens if service.deadline_s > 0.0 else service.tpot_slo_s
    else:
        ttft_s = job.first_token_s - job.arrival_s
        tpot_s = max(since_s - ttft_s, 0.0) / (job.done_tokens - 1.0)
    latency_s = ttft_s + max(job.output_tokens - 1.0, 0.0) * tpot_s
    if latency_s > service.expire_s:
        return -lost - (price + energy) - exposure
    return answer * worth.timeliness(service, ttft_s, tpot_s, latency_s) - growth * (price + energy) - exposure
