"""The job that a node decides, whether an action is legal for it, and the start of its way."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, legs, predict
from edge6g_env.kernel.ledger import end_job
from edge6g_env.kernel.rows import take_out


@njit_inner
def refusal(w, b, i, job, c):
    """Why action c is illegal for a job at node i: an index into ACTION_EFFECTS, DONE if it is legal."""
    return codes.DONE if w.action[c].route <= codes.REJECT else legs.refuse(w, b, i, job, c)


@njit_inner
def set_heads(w, b):
    """At the end of a slot: the job that each node decides in the next one is the first of its queue."""
    w.episode[b].n_heads = 0
    for i in range(w.node.shape[1]):
        w.node[b, i].head = w.queue[b, i, codes.DISPATCH, 0] if w.node[b, i].n_queue > 0 else -1
        w.episode[b].n_heads += w.node[b, i].head >= 0


@njit_inner
def act(w, b, i, c, now_s):
    """Apply action c of node i to the job at its head. An illegal choice acts as hold; why is in decision.effect."""
    decision, route, node, episode = w.decision[b, i], w.action[c].route, w.node[b, i], w.episode[b]
    if node.head < 0:
        decision.effect = codes.DONE if route == codes.HOLD else codes.NO_JOB
        return
    job = w.job[b, node.head]
    decision.job, decision.effect = job.number, refusal(w, b, i, job, c)
    if decision.effect != codes.DONE or route == codes.HOLD:
        return
    job.action, job.decided_slot, job.decider = c, episode.slot, i
    node.n_queue = take_out(w.queue[b, i, codes.DISPATCH], node.n_queue, job.row)
    if route == codes.REJECT:
        end_job(w, b, job, codes.REJECTED, now_s)
        return
    job.draft = predict.choose_draft(w, b, i, job, c)
    legs.take(w, b, i, job, c)
    w.roster[b, codes.ACTIVE, episode.n_active] = job.row
    episode.n_active += 1
    job.clock_s, job.prefilled = now_s, 0.0
    legs.begin(w, b, job, 0)
