"""Observations, masks, candidates and the reports between neighbours. What happens in a world does not depend on it.

The order of the entries is that of spaces.observation_features and spaces.CANDIDATE_FEATURES; a test holds them together.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import dispatch, predict
from edge6g_env.kernel.engine import set_backlog
from edge6g_env.kernel.memory import free_bytes
from edge6g_env.kernel.world import DISPATCH, DONE


@njit_inner
def _put(row, at, value):
    row[at] = value
    return at + 1


@njit_inner
def _put_nothing(row, at, count):
    for f in range(at, at + count):
        row[f] = 0.0
    return at + count


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
        w.node[b, i].free_bytes = free_bytes(w, b, i)
    for i in range(w.node.shape[1]):
        if w.node[b, i].backhaul_up == 1:
            w.node[b, i].cloud_seen_up = episode.cloud_up
        for k in range(w.link.shape[2]):
            link = w.link[b, i, k]
            if link.peer >= 0 and link.up == 1:
                _read_report(w, b, i, k)


@njit_inner
def _read_report(w, b, i, k):
    link = w.link[b, i, k]
    peer = w.node[b, link.peer]
    link.report_s, link.sent_since, link.seen_up = w.episode[b].now_s, 0, peer.up
    link.seen_queue, link.seen_inbox, link.seen_admitted = peer.n_queue, peer.n_inbox, peer.n_admitted
    link.seen_cycle_s, link.seen_prefill_share = peer.cycle_s, peer.prefill_share
    link.seen_backlog_s, link.seen_free_bytes = peer.backlog_s, peer.free_bytes
    for v in range(w.variant.shape[2]):
        variant, seen = w.variant[b, link.peer, v], w.seen[b, i, k, v]
        seen.low, seen.high, seen.users, seen.tokens = variant.low, variant.high, variant.users, variant.tokens


@njit_inner
def _put_job(w, b, i, row, at):
    """The job at the head of the queue, its UE and channel; zeros without one."""
    node = w.node[b, i]
    if node.n_queue == 0:
        return _put_nothing(row, at, w.interface[0].n_job_features)
    job = w.job[b, w.queue[b, i, DISPATCH, 0]]
    service, ue = w.service[job.service], w.ue[b, job.ue]
    at = _put(row, at, 1.0)
    at = _put(row, at, w.episode[b].now_s - job.arrival_s)
    at = _put(row, at, job.prompt_tokens)
    at = _put(row, at, service.mean_output_tokens)
    at = _put(row, at, service.ttft_slo_s)
    at = _put(row, at, service.tpot_slo_s)
    at = _put(row, at, service.privacy == 0)
    at = _put(row, at, service.privacy == 1)
    at = _put(row, at, service.privacy == 2)
    for s in range(w.service.shape[0]):
        at = _put(row, at, job.service == s)
    at = _put(row, at, ue.seen_uplink_db)
    at = _put(row, at, ue.seen_downlink_db)
    at = _put(row, at, w.episode[b].now_s - ue.seen_s)
    # The senders of another cell are that node's present: an agent knows its own only.
    at = _put(row, at, node.n_senders if ue.node == i else 0)
    at = _put(row, at, ue.device_jobs)
    at = _put(row, at, ue.node != i)
    at = _put(row, at, job.done_tokens)
    return _put(row, at, job.retries)


@njit_inner
def _resident_share(w, v, low, high):
    return max(0, high - low) / w.model[v].layers


@njit_inner
def _head_model(w, b, i):
    """Model of the job at the head of the queue, -1 without one."""
    if w.node[b, i].n_queue == 0:
        return -1
    return w.service[w.job[b, w.queue[b, i, DISPATCH, 0]].service].model


@njit_inner
def _put_node(w, b, i, row, at):
    node, precisions = w.node[b, i], w.interface[0].n_precisions
    at = _put(row, at, node.n_queue)
    at = _put(row, at, node.n_inbox)
    at = _put(row, at, node.n_admitted)
    at = _put(row, at, node.backlog_s)
    at = _put(row, at, node.cycle_s)
    at = _put(row, at, node.prefill_share)
    at = _put(row, at, node.kv_bytes / node.usable_bytes)
    at = _put(row, at, node.weight_bytes / node.usable_bytes)
    at = _put(row, at, node.load_variant >= 0)
    at = _put(row, at, node.n_senders)
    at = _put(row, at, node.n_backhaul)
    at = _put(row, at, node.cloud_seen_wait_s)
    at = _put(row, at, node.cloud_seen_up)
    at = _put(row, at, node.backhaul_up)
    at = _put(row, at, node.up)
    model = _head_model(w, b, i)
    for p in range(precisions):
        share = 0.0
        if model >= 0:
            v = model * precisions + p
            share = _resident_share(w, v, w.variant[b, i, v].low, w.variant[b, i, v].high)
        at = _put(row, at, share)
    return at


@njit_inner
def _put_neighbour(w, b, i, k, row, at):
    link, precisions = w.link[b, i, k], w.interface[0].n_precisions
    if link.peer < 0:
        return _put_nothing(row, at, w.interface[0].n_neighbour_features)
    at = _put(row, at, 1.0)
    at = _put(row, at, w.episode[b].now_s - link.report_s)
    at = _put(row, at, link.seen_queue)
    at = _put(row, at, link.seen_inbox)
    at = _put(row, at, link.seen_admitted)
    at = _put(row, at, link.seen_backlog_s)
    at = _put(row, at, link.seen_cycle_s)
    at = _put(row, at, link.seen_prefill_share)
    at = _put(row, at, link.seen_free_bytes / w.node[b, link.peer].usable_bytes)
    at = _put(row, at, link.sent_since)
    at = _put(row, at, link.up)
    at = _put(row, at, link.seen_up)
    model = _head_model(w, b, i)
    for p in range(precisions):
        share = 0.0
        if model >= 0:
            v = model * precisions + p
            share = _resident_share(w, v, w.seen[b, i, k, v].low, w.seen[b, i, k, v].high)
        at = _put(row, at, share)
    return at


@njit_inner
def _mask(w, b, i):
    """Which actions are legal for the job at the head of node i's queue; a mask stays while all that it depends on does."""
    mask, node = w.action_mask[0, b, i], w.node[b, i]
    if node.n_queue == 0:
        mask[:] = 0
        mask[0] = 1
        node.mask_job = -1
    elif not _mask_holds(w, b, i):
        for c in range(w.action.shape[0]):
            mask[c] = dispatch.refusal(w, b, i, w.queue[b, i, DISPATCH, 0], c) == DONE


@njit_inner
def _mask_holds(w, b, i):
    """Whether node i's mask was made for this job, what its device holds and the same parts up; notes what there is now."""
    node, job = w.node[b, i], w.job[b, w.queue[b, i, DISPATCH, 0]]
    ue, parts = w.ue[b, job.ue], _parts_up(w, b, i)
    device_variant = ue.device_variant if ue.device_jobs > 0 else -1
    holds = node.mask_job == job.number and node.mask_retries == job.retries
    holds = holds and node.mask_device_variant == device_variant and node.mask_parts == parts
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
def _clip(row, low, high):
    for f in range(row.shape[0]):
        row[f] = min(max(row[f], low[f]), high[f])


@njit_inner
def _candidates(w, b, i):
    """Predictions for every legal combination; rows of illegal ones are zero."""
    j = w.queue[b, i, DISPATCH, 0]
    predict.begin(w, b, i, j)
    for c in range(w.candidates.shape[3]):
        row = w.candidates[0, b, i, c]
        if w.action_mask[0, b, i, c] == 1:
            predict.candidate(w, b, i, j, c, row)
            _clip(row, w.candidate_limits[0], w.candidate_limits[1])
        else:
            row[:] = 0.0


@njit_inner
def observe(w, b):
    """Write observation, mask and candidates of every agent of world b. A node without a job shows `hold` only."""
    for i in range(w.node.shape[1]):
        node, row = w.node[b, i], w.observation[0, b, i]
        at = _put_job(w, b, i, row, 0)
        if node.n_queue > 0:
            set_backlog(w, b, i)
            node.free_bytes = free_bytes(w, b, i)
            node.shown = 1
            _mask(w, b, i)
            if w.candidates.shape[3] > 0:
                _candidates(w, b, i)
        elif node.shown == 1:
            node.shown = 0
            _mask(w, b, i)
            w.candidates[0, b, i] = 0.0
        at = _put_node(w, b, i, row, at)
        for k in range(w.link.shape[2]):
            at = _put_neighbour(w, b, i, k, row, at)
        _clip(row, w.observation_limits[0], w.observation_limits[1])
