"""Observations, masks, candidates and the reports between neighbours. What happens in a world does not depend on it.

The order of the entries is that of spaces.observation_features and spaces.CANDIDATE_FEATURES; a test holds them together.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, dispatch, predict
from edge6g_env.kernel.places import cloud
from edge6g_env.kernel.places.engine import set_backlog
from edge6g_env.kernel.places.memory import free_bytes
from edge6g_env.kernel.places.node import count_releases
from edge6g_env.kernel.rows import clip, put, put_nothing


@njit_inner
def exchange_reports(w, b):
    """Send every node's report to its neighbours, and ask for the cloud, when a report period has passed and the link carries."""
    episode = w.episode[b]
    period = int(math.floor(episode.now_s / w.time[0].report_period_s + 1e-9))
    if period == episode.reports:
        return
    episode.reports = period
    for i in range(w.node.shape[1]):
        set_backlog(w, b, i)
        w.server[b, i].free_bytes = free_bytes(w, b, i)
    cloud.count_jobs(w, b)
    count_releases(w, b)
    for i in range(w.node.shape[1]):
        if w.node[b, i].backhaul_up == 1:
            w.node[b, i].cloud_seen_up = episode.cloud_up
        for k in range(w.link.shape[2]):
            if w.link[b, i, k].up == 1:
                _read_report(w, b, i, k)


@njit_inner
def _read_report(w, b, i, k):
    link, n = w.link[b, i, k], w.neighbour[i, k]
    peer, server = w.node[b, n], w.server[b, n]
    link.report_s, link.sent_since, link.seen_up = w.episode[b].now_s, 0, peer.up
    link.seen_queue, link.seen_inbox, link.seen_admitted = peer.n_queue, server.n_inbox, server.n_admitted
    link.seen_cycle_s, link.seen_prefill_share, link.seen_cloud = server.cycle_s, server.prefill_share, peer.n_cloud
    link.seen_ran_load, link.seen_ues = peer.ran_load, peer.n_ues
    link.seen_backlog_s, link.seen_free_bytes = server.backlog_s, server.free_bytes
    link.seen_trainees = server.n_trainees
    link.seen_claimed_bytes, link.seen_release_bytes_s = server.claimed_bytes, server.release_bytes_s
    for v in range(w.variant.shape[2]):
        variant, seen = w.variant[b, n, v], w.seen[b, i, k, v]
        seen.low, seen.high, seen.users = variant.low, variant.high, variant.users
        seen.tokens, seen.decoders = variant.tokens, variant.decoders


@njit_inner
def _put_job(w, b, i, row, at):
    """The job at the head of the queue, its UE and channel; zeros without one."""
    node = w.node[b, i]
    if node.head < 0:
        return put_nothing(row, at, w.interface[0].n_job_features)
    job = w.job[b, node.head]
    service, ue = w.service[job.service], w.ue[b, job.ue]
    at = put(row, at, 1.0)
    at = put(row, at, w.episode[b].now_s - job.arrival_s)
    at = put(row, at, job.prompt_tokens)
    at = put(row, at, service.inputs)
    at = put(row, at, service.mean_output_tokens)
    at = put(row, at, service.ttft_slo_s)
    at = put(row, at, service.tpot_slo_s)
    at = put(row, at, service.deadline_s)
    at = put(row, at, service.value)
    at = put(row, at, service.privacy == codes.OPEN)
    at = put(row, at, service.privacy == codes.SITE)
    at = put(row, at, service.privacy == codes.ON_DEVICE)
    for s in range(w.service.shape[0]):
        at = put(row, at, job.service == s)
    at = put(row, at, ue.seen_uplink_db)
    at = put(row, at, ue.seen_downlink_db)
    at = put(row, at, w.episode[b].now_s - ue.seen_s)
    # The senders of another cell are that node's present: an agent knows its own only.
    at = put(row, at, node.n_senders if ue.node == i else 0)
    at = put(row, at, ue.device_jobs)
    at = put(row, at, ue.node != i)
    at = put(row, at, job.done_tokens)
    at = put(row, at, job.retries)
    at = put(row, at, service.kind == codes.FINETUNE)
    at = put(row, at, service.steps)
    at = put(row, at, service.step_tokens)
    at = put(row, at, job.done_steps)
    if w.interface[0].shows_device == 0:
        return at
    device = w.device[w.equipment[job.ue].accelerator]
    at = put(row, at, device.memory_gb)
    return put(row, at, device.tflops)


@njit_inner
def _put_resident(w, b, i, held, row, at):
    """Share of the layers of the model that node i decides about, at each precision; held (V,): resident ranges of a node."""
    head, precisions = w.node[b, i].head, w.interface[0].n_precisions
    if head < 0 or w.service[w.job[b, head].service].model < 0:
        return put_nothing(row, at, precisions)
    first = w.service[w.job[b, head].service].model * precisions
    for v in range(first, first + precisions):
        at = put(row, at, max(0, held[v].high - held[v].low) / w.model[v].layers)
    return at


@njit_inner
def _put_node(w, b, i, row, at):
    node, site, server = w.node[b, i], w.site[i], w.server[b, i]
    at = put(row, at, node.n_queue)
    at = put(row, at, server.n_inbox)
    at = put(row, at, server.n_admitted)
    at = put(row, at, server.backlog_s)
    at = put(row, at, server.cycle_s)
    at = put(row, at, server.prefill_share)
    at = put(row, at, node.ran_load)
    at = put(row, at, server.kv_bytes / site.usable_bytes)
    at = put(row, at, server.weight_bytes / site.usable_bytes)
    at = put(row, at, server.load_variant >= 0)
    at = put(row, at, node.n_senders)
    at = put(row, at, node.n_backhaul)
    at = put(row, at, node.cloud_seen_wait_s)
    at = put(row, at, node.cloud_seen_up)
    at = put(row, at, node.backhaul_up)
    at = put(row, at, node.up)
    at = _put_resident(w, b, i, w.variant[b, i], row, at)
    return put(row, at, server.n_trainees)


@njit_inner
def _put_neighbour(w, b, i, k, row, at):
    link = w.link[b, i, k]
    at = put(row, at, 1.0)
    at = put(row, at, w.episode[b].now_s - link.report_s)
    at = put(row, at, link.seen_queue)
    at = put(row, at, link.seen_inbox)
    at = put(row, at, link.seen_admitted)
    at = put(row, at, link.seen_backlog_s)
    at = put(row, at, link.seen_cycle_s)
    at = put(row, at, link.seen_prefill_share)
    at = put(row, at, link.seen_ran_load)
    at = put(row, at, link.seen_free_bytes / w.site[w.neighbour[i, k]].usable_bytes)
    at = put(row, at, link.sent_since)
    at = put(row, at, link.up)
    at = put(row, at, link.seen_up)
    at = _put_resident(w, b, i, w.seen[b, i, k], row, at)
    return put(row, at, link.seen_trainees)


@njit_inner
def _mask(w, b, i):
    """Which actions are legal for the job at the head of node i's queue; a mask stays while all that it depends on does."""
    mask, node = w.action_mask[codes.NOW, b, i], w.node[b, i]
    if node.head < 0:
        mask[:] = 0
        mask[0] = 1
        node.mask_job = -1
    elif not _mask_holds(w, b, i):
        for c in range(w.action.shape[0]):
            mask[c] = dispatch.refusal(w, b, i, w.job[b, node.head], c) == codes.DONE


@njit_inner
def _mask_holds(w, b, i):
    """Whether node i's mask was made for this job, what its device holds and the same parts up; notes what there is now."""
    node = w.node[b, i]
    job = w.job[b, node.head]
    ue, parts = w.ue[b, job.ue], _parts_up(w, b, i)
    device_variant = ue.device_variant if ue.device_jobs > 0 else -1
    device_layers = ue.device_layers if ue.device_jobs > 0 else 0
    holds = node.mask_job == job.number and node.mask_retries == job.retries
    holds = holds and node.mask_device_variant == device_variant and node.mask_parts == parts
    holds = holds and node.mask_device_layers == device_layers and node.mask_device_kv_bytes == ue.device_kv_bytes
    node.mask_device_layers, node.mask_device_kv_bytes = device_layers, ue.device_kv_bytes
    node.mask_job, node.mask_retries = job.number, job.retries  # put back after a fault, it has other tokens
    node.mask_device_variant, node.mask_parts = device_variant, parts
    return holds


@njit_inner
def _parts_up(w, b, i):
    """A bit each of the parts that node i knows of: 1 up."""
    node = w.node[b, i]
    word = node.up + 2 * node.backhaul_up + 4 * node.cloud_seen_up
    for k in range(w.link.shape[2]):
        word = 4 * word + 2 * w.link[b, i, k].up + w.link[b, i, k].seen_up
    return word


@njit_inner
def _candidates(w, b, i):
    """Predictions for every legal combination; rows of illegal ones are zero."""
    job = w.job[b, w.node[b, i].head]
    predict.begin(w, b, i, job)
    for c in range(w.candidates.shape[3]):
        row = w.candidates[codes.NOW, b, i, c]
        if w.action_mask[codes.NOW, b, i, c] == 1:
            predict.candidate(w, b, i, job, c, row)
            clip(row, w.candidate_limits)
        else:
            row[:] = 0.0


@njit_inner
def put_observation(w, b, i):
    """Write the observation of node i."""
    row = w.observation[codes.NOW, b, i]
    at = _put_job(w, b, i, row, 0)
    at = _put_node(w, b, i, row, at)
    for k in range(w.link.shape[2]):
        at = _put_neighbour(w, b, i, k, row, at)
    clip(row, w.observation_limits)


@njit_inner
def look_at_job(w, b, i):
    """Work out what observation, mask and predictions about the job at the head of node i's queue need, and the mask."""
    set_backlog(w, b, i)
    w.server[b, i].free_bytes = free_bytes(w, b, i)
    w.node[b, i].shown = 1
    _mask(w, b, i)


@njit_inner
def observe(w, b):
    """Write observation, mask and candidates of every agent of world b. A node without a job shows `hold` only."""
    if w.episode[b].n_heads > 0 and w.candidates.shape[3] > 0:
        cloud.count_jobs(w, b)  # only candidates look at it; reports count for themselves
    for i in range(w.node.shape[1]):
        node = w.node[b, i]
        if node.head >= 0:
            look_at_job(w, b, i)
            if w.candidates.shape[3] > 0:
                _candidates(w, b, i)
        else:
            set_backlog(w, b, i)
            if node.shown == 1:
                node.shown = 0
                _mask(w, b, i)
                w.candidates[codes.NOW, b, i] = 0.0
        put_observation(w, b, i)
