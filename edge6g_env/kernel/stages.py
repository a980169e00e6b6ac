"""What happens to the jobs under way in a substep: counted, then served by nodes and cloud, then advanced one after the other.

Each job carries its own clock and is advanced through as many stages as fit before the end of the substep, so a stage that ends
early hands its left-over time to the next. Latencies without a queue only move the clock. Rates are those of the substep.
"""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, draft, legs, preemption, requeue
from edge6g_env.kernel.ledger import end_job
from edge6g_env.kernel.places import air, cloud, device, loading, memory, node


@njit_inner
def count_work(w, b, t0):
    """Count the jobs that decode, send and transfer from t0 on; one that begins later in the substep counts itself."""
    for i in range(w.node.shape[1]):
        w.node[b, i].n_senders, w.node[b, i].n_receivers, w.node[b, i].n_backhaul = 0, 0, 0
        for k in range(w.link.shape[2]):
            w.link[b, i, k].n_transfers = 0
        node.clear_counts(w, b, i)
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        legs.count(w, b, job, t0)
        if w.service[job.service].kind == codes.FINETUNE:
            device.count(w, b, job)
    for i in range(w.node.shape[1]):
        loading.count_load(w, b, i, t0)
        air.load_cell(w, w.node[b, i])


@njit_inner
def run_servers(w, b, t0, t1):
    """Let the nodes and the cloud work until t1; jobs whose part they have computed go on."""
    for i in range(w.node.shape[1]):
        node.advance(w, b, i, t0, t1)
        _leave_inbox(w, b, i)
        _go_on_training(w, b, i)
    row = cloud.advance(w, b, t1)
    while row >= 0:
        legs.finish(w, b, w.job[b, row])
        row = cloud.advance(w, b, t1)


@njit_inner
def _leave_inbox(w, b, i):
    place = 0
    while place < w.server[b, i].n_inbox:
        job = w.job[b, w.queue[b, i, codes.INBOX, place]]
        part = w.part[b, job.row, job.part]
        if part.state == codes.PREFILLED:
            part.state = codes.ADMITTED
            memory.drop_from(w, b, i, codes.INBOX, job)
            legs.finish(w, b, job)
        else:
            place += 1


@njit_inner
def _go_on_training(w, b, i):
    """Let training jobs go on that have got memory, or whose step the node has computed."""
    for place in range(w.server[b, i].n_trainees):
        job = w.job[b, w.queue[b, i, codes.TRAINING, place]]
        part = w.part[b, job.row, job.part]
        if part.state == codes.PREFILLED:
            part.state = codes.ADMITTED
            legs.finish(w, b, job)


@njit_inner
def _is_served(w, b, job, t1):
    """Whether the job is at a node or the cloud, which advance it, or waits for others; one that a full list turned away tries again."""
    at_node = job.stage == codes.NODE_PREFILL or job.stage == codes.ADMIT
    if at_node and w.part[b, job.row, job.part].state == codes.TURNED_AWAY:
        job.clock_s = t1
        legs.begin(w, b, job, job.leg)
        return True
    if job.stage == codes.TRAIN:
        return job.in_cloud == 0
    return at_node or job.stage == codes.CLOUD_WAIT or job.stage == codes.MEET


@njit_inner
def advance(w, b, job, t0, t1):
    """Advance a job to t1 through every stage that needs no node or cloud to act; True when it is no longer under way."""
    if job.draft_left_s > 0.0:
        draft.advance(w, b, job, t1)
    while job.stage != codes.END and job.clock_s < t1 - codes.SAME_INSTANT_S:
        if job.stage == codes.RETURN:
            return requeue.come_back(w, b, job, t1)
        if _is_served(w, b, job, t1):
            return False
        state = legs.advance(w, b, job, t0, t1)
        if state == codes.LOST:
            requeue.lose(w, b, job, codes.INGRESS, job.clock_s)
        elif state == codes.OVER:
            legs.finish(w, b, job)
        elif state == codes.UNDER_WAY and job.stage == codes.DECODE and not preemption.grow_kv(w, b, job):
            requeue.lose(w, b, job, codes.INGRESS, job.clock_s)
    if job.stage != codes.END or job.clock_s > t1:  # the answer may be on its way for longer
        return False
    due_s = job.arrival_s + w.service[job.service].expire_s
    end_job(w, b, job, codes.FINISHED if job.clock_s <= due_s else codes.EXPIRED, min(job.clock_s, due_s))
    return True
