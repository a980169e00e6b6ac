"""The cloud: a number of places, first come first served; a prompt in one pass, tokens in a batch of its own, paid by the token."""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import codes, costing, notes
from edge6g_env.kernel.places import link
from edge6g_env.kernel.rows import take_out

_REMEMBERED_JOBS = 16.0  # over which a node keeps the mean of its waits at the cloud; judgement


@njit_inner
def refuse(w, b, i, job, layers_before):
    """Why node i cannot send a job there behind `layers_before` layers: raw data of some services stay on the site, of others all data,
    and the cloud may have been down when the node heard of it last."""
    if w.service[job.service].cloud == 0:
        return codes.STAYS_ON_SITE
    if layers_before == 0 and w.service[job.service].privacy == codes.SITE:
        return codes.RAW_REACHES_CLOUD
    return codes.DONE if w.node[b, i].cloud_seen_up == 1 else codes.CLOUD_DOWN


@njit_inner
def begin(w, b, job):
    """Join the queue for a place."""
    if not link.leads_to_cloud(w, job):
        return codes.OVER
    return join_queue(w, b, job, w.exposure[job.variant, w.part[b, job.row, codes.TARGET].low])


@njit_inner
def join_queue(w, b, job, exposure):
    """Wait there; what has come or will come gives away a share of the job's data."""
    episode = w.episode[b]
    if episode.cloud_up == 0:
        return codes.LOST
    job.exposure_site = max(job.exposure_site, exposure)
    job.stage, job.stage_s = codes.CLOUD_WAIT, job.clock_s
    w.roster[b, codes.AT_CLOUD, episode.n_cloud_wait] = job.row
    episode.n_cloud_wait += 1
    return codes.UNDER_WAY


@njit_inner
def _places(w, job):
    """Places that the job takes: one for a sequence, those of an accelerator for training."""
    return 1 if w.service[job.service].kind == codes.INFERENCE else w.cloud[0].accelerator_places


@njit_inner
def _needed(w, b):
    """Places that the job takes which has waited longest; one where none waits."""
    if w.episode[b].n_cloud_wait == 0:
        return 1
    return _places(w, w.job[b, w.roster[b, codes.AT_CLOUD, 0]])


@njit_inner
def _lacks_places(w, b):
    """Whether there are fewer than that."""
    return w.episode[b].cloud_running + _needed(w, b) > w.cloud[0].concurrency


@njit_inner
def advance(w, b, t1):
    """Give free places to the job that has waited longest and compute its part; returns its row, -1 if there is no place or no job."""
    episode = w.episode[b]
    if episode.n_cloud_wait == 0 or _lacks_places(w, b):
        return -1
    job = w.job[b, w.roster[b, codes.AT_CLOUD, 0]]
    if job.clock_s >= t1:
        return -1
    episode.n_cloud_wait = take_out(w.roster[b, codes.AT_CLOUD], episode.n_cloud_wait, job.row)
    cloud, v, node = w.cloud[0], job.variant, w.node[b, job.ingress]
    episode.cloud_running += _places(w, job)
    job.in_cloud, start_s = 1, max(job.clock_s, episode.cloud_free_s)
    notes.of_work(w, b, job, start_s, job.setup_tokens)
    node.cloud_seen_wait_s, node.cloud_seen_s = start_s - job.clock_s, start_s
    node.cloud_jobs += 1
    node.cloud_mean_wait_s += (node.cloud_seen_wait_s - node.cloud_mean_wait_s) / min(node.cloud_jobs, _REMEMBERED_JOBS)
    if w.service[job.service].kind == codes.FINETUNE:
        job.clock_s = job.place_since_s = start_s
        return job.row
    layers, low = w.model[v].layers, w.part[b, job.row, codes.TARGET].low
    share = (layers - low) / layers
    job.price_usd += share * job.setup_tokens * w.model[v].usd_per_input_token
    compute_s = _prompt_s(w, b, job)
    job.energy_j += compute_s * w.device[cloud.cloud_device].prefill_w
    set_pass(w, b, job)
    job.clock_s = start_s + compute_s
    return job.row


@njit_inner
def _prompt_s(w, b, job):
    """Time in s of the job's prompt in the cloud's layers."""
    low = w.part[b, job.row, codes.TARGET].low
    return costing.whole_prompt_s(w, w.cloud[0].cloud_device, job, job.variant, low, w.model[job.variant].layers)


@njit_inner
def take_back(w, b, job, now_s):
    """Take back the energy of what the cloud does not compute any more, of a prompt or of a training step; its tokens are paid."""
    if job.in_cloud == 0:
        return
    left_s = 0.0
    if job.stage == codes.TRAIN:
        left_s = job.left_s
    elif job.stage == codes.DECODE and job.clock_s > now_s:
        left_s = min(job.clock_s - now_s, _prompt_s(w, b, job))
    job.energy_j -= left_s * w.device[w.cloud[0].cloud_device].prefill_w


@njit_seldom
def begin_step(w, job, compute_s):
    """Compute the cloud's part of a training step, on an accelerator of its own."""
    job.energy_j += compute_s * w.device[w.cloud[0].cloud_device].prefill_w
    job.stage, job.stage_s, job.left_s = codes.TRAIN, job.clock_s, compute_s
    return codes.UNDER_WAY


@njit_seldom
def advance_step(job, t1):
    """Compute it until t1."""
    if job.clock_s + job.left_s > t1:
        job.left_s -= t1 - job.clock_s
        job.clock_s = t1
        return codes.UNDER_WAY
    job.clock_s += job.left_s
    job.left_s = 0.0
    return codes.OVER


@njit_seldom
def pay_places(w, job, now_s):
    """Price of the seconds in which a training job has had its accelerator and has not paid yet."""
    if job.in_cloud == 1 and w.service[job.service].kind == codes.FINETUNE:
        job.price_usd += max(0.0, now_s - job.place_since_s) * w.cloud[0].usd_s
        job.place_since_s = max(job.place_since_s, now_s)


@njit_inner
def set_pass(w, b, job):
    """Work out how long a decode iteration with a pass of the job takes: the others of the batch are like it."""
    cloud, layers = w.cloud[0], w.model[job.variant].layers
    share = (layers - w.part[b, job.row, codes.TARGET].low) / layers
    context = job.setup_tokens + w.service[job.service].mean_output_tokens / 2.0 + (job.pass_tokens - 1.0)
    job.cloud_decode_s = costing.decode_iteration_s(
        w, cloud.cloud_device, job.variant, cloud.batch * job.pass_tokens, cloud.batch * context, share, True
    )


@njit_inner
def pass_s(job):
    """Time in s of a pass in the cloud."""
    return job.cloud_decode_s if job.in_cloud == 1 else 0.0


@njit_inner
def pay_passes(w, job, passes):
    """Energy of passes."""
    if job.in_cloud == 1:
        busy_s = passes * job.cloud_decode_s / w.cloud[0].batch
        job.energy_j += busy_s * w.device[w.cloud[0].cloud_device].decode_w


@njit_inner
def pay_way_back(w, b, job, tokens):
    """Price of delivered tokens by the list, and of what leaves the cloud, a token a pass."""
    if link.leads_to_cloud(w, job):
        layers = w.model[job.variant].layers
        share = (layers - w.part[b, job.row, codes.TARGET].low) / layers
        job.price_usd += tokens * share * w.model[job.variant].usd_per_output_token
        job.price_usd += tokens / job.pass_yield * costing.TOKEN_BYTES * w.prices[0].usd_per_egress_byte


@njit_inner
def count_jobs(w, b):
    """Count the jobs that each node has in the cloud or on their way there; its neighbours hear of them by its reports."""
    for i in range(w.node.shape[1]):
        w.node[b, i].n_cloud = 0
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        if link.leads_to_cloud(w, job) and job.stage != codes.DOWNLINK and job.stage != codes.END:
            w.node[b, job.ingress].n_cloud += _places(w, job)


@njit_inner
def look_at_queue(w, b, i):
    """What node i expects of the cloud's queue: how many of its own jobs wait there and how long the first of them has waited, and how many
    jobs there are in all, if the nodes that it does not hear of have as many as itself and its neighbours by their last reports."""
    episode, expected = w.episode[b], w.forecast[b]
    expected.cloud_waiting, expected.cloud_waited_s = 0, 0.0
    for place in range(episode.n_cloud_wait):
        job = w.job[b, w.roster[b, codes.AT_CLOUD, place]]
        if job.ingress == i:
            expected.cloud_waiting += 1
            expected.cloud_waited_s = max(expected.cloud_waited_s, episode.now_s - job.stage_s)
    jobs = w.node[b, i].n_cloud
    for k in range(w.link.shape[2]):
        jobs += w.link[b, i, k].seen_cloud
    expected.cloud_jobs = jobs * w.node.shape[1] / (1.0 + w.link.shape[2])


@njit_inner
def _wait_s(w, b, i, stay_s):
    """Wait that node i expects, at least that for the jobs which are more than there are places, at the pace at which jobs like this one
    leave. It saw its last job's wait, and falls back to their mean as places change hands, in a time like stay_s, that of a job at its
    place. Where jobs of its own wait, all places are taken, and they follow each other, the first no sooner than it has waited already
    (the delay of the head of the line, Ibrahim and Whitt, M&SOM 2009)."""
    node, expected, places = w.node[b, i], w.forecast[b], w.cloud[0].concurrency
    pace_s = stay_s / places
    fresh = math.exp((node.cloud_seen_s - w.episode[b].now_s) / stay_s)
    wait_s = node.cloud_mean_wait_s + fresh * (node.cloud_seen_wait_s - node.cloud_mean_wait_s)
    if expected.cloud_waiting > 0:
        wait_s = max(wait_s, expected.cloud_waited_s, pace_s) + expected.cloud_waiting * pace_s
    return min(max(wait_s, (expected.cloud_jobs - places + 1.0) * pace_s), w.prediction[0].max_wait_s)


@njit_inner
def forecast(w, b, i, job, v, low, output, sent_bytes):
    """Add layers [low, L) in the cloud after the wait for a place; sent_bytes: over the backhaul. All other places come before: their
    share of a token keeps the place, too."""
    model, expected, prices, device = w.model[v], w.forecast[b], w.prices[0], w.cloud[0].cloud_device
    prompt, layers = job.setup_tokens, w.model[v].layers - low
    share, known = layers / w.model[v].layers, w.known[b, w.known.shape[1] - 1, v]
    costing.know_pass(w, known, device, v, job, output, w.cloud[0].batch)
    compute_s = costing.one_pass_s(w, device, v, layers, known.prompt_layer_s, True)
    compute_s += costing.encoder_s(w, device, job, v, low)
    layer_s, batch, passes = known.with_layer_s, w.cloud[0].batch, costing.decode_steps(output) / expected.pass_yield
    if expected.pass_tokens > 1.0:
        context = prompt + 0.5 * output + (expected.pass_tokens - 1.0)
        batch *= expected.pass_tokens
        layer_s = costing.decode_layer_s(w, device, v, batch, w.cloud[0].batch * context)
    step_s = costing.iteration_s(w, device, v, layer_s, batch, share, True)
    expected.token_s += step_s
    wait_s = _wait_s(w, b, i, compute_s + passes * expected.token_s)
    expected.wait_s += wait_s
    expected.time_s += wait_s + compute_s
    expected.backhaul_bytes += sent_bytes
    expected.price_usd += share * (prompt * model.usd_per_input_token + output * model.usd_per_output_token)
    expected.price_usd += sent_bytes * prices.usd_per_backhaul_byte
    expected.price_usd += costing.TOKEN_BYTES * (1.0 + passes) * prices.usd_per_egress_byte
    expected.energy_j += compute_s * w.device[device].prefill_w
    expected.energy_j += passes * step_s / w.cloud[0].batch * w.device[device].decode_w
    expected.sequences, expected.cycle_s = 0.0, step_s
    expected.age_s = w.episode[b].now_s - w.node[b, i].cloud_seen_s


@njit_seldom
def forecast_training(w, b, i, stay_s, compute_s):
    """Add the cloud's part of each training step after the wait for an accelerator, which the job keeps for stay_s at most."""
    expected, device = w.forecast[b], w.cloud[0].cloud_device
    wait_s = _wait_s(w, b, i, stay_s)
    expected.wait_s += wait_s
    expected.time_s += wait_s
    expected.token_s += compute_s
    expected.energy_j += compute_s * w.device[device].prefill_w
    expected.sequences, expected.cycle_s = 0.0, 0.0
    expected.age_s = w.episode[b].now_s - w.node[b, i].cloud_seen_s


@njit_inner
def give_up(w, b, job, now_s):
    """Free the job's place at the cloud, or in its queue."""
    episode = w.episode[b]
    if job.stage == codes.CLOUD_WAIT:
        episode.n_cloud_wait = take_out(w.roster[b, codes.AT_CLOUD], episode.n_cloud_wait, job.row)
        # Who stood behind a training job may have been kept from places that were free.
        if w.service[job.service].kind == codes.FINETUNE:
            episode.cloud_free_s = max(episode.cloud_free_s, now_s)
    if job.in_cloud == 1:
        if _lacks_places(w, b):
            freed_s = now_s if w.service[job.service].kind == codes.FINETUNE else min(now_s, job.clock_s)
            # Who needs several places has them with the last.
            episode.cloud_free_s = max(freed_s, episode.cloud_free_s) if _needed(w, b) > 1 else freed_s
        episode.cloud_running -= _places(w, job)
        job.in_cloud = 0
