"""What becomes of a job that loses its place to a fault: back to its ingress, which puts it back in its queue or gives it up.

It keeps its age and the tokens that its UE has; all else begins anew with the next decision, whose setup pass takes the prompt and those
tokens, as after a preemption.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_seldom
from edge6g_env.kernel import codes, notes
from edge6g_env.kernel.ledger import end_job, release
from edge6g_env.kernel.places import link, training


@njit_seldom
def lose(w, b, job, p, at_s):
    """Take from the job all that it holds. p: the part that was lost; the ingress knows at once of its own, of the one at the target
    after the mean delay of the link."""
    trains = w.service[job.service].kind == codes.FINETUNE
    if trains:
        training.interrupt(w, b, job)
    release(w, b, job, at_s)
    if job.stage == codes.DECODE and job.clock_s > at_s:
        job.done_tokens -= 1.0  # counted ahead, at the end of a setup pass that does not end
    if job.first_token_s > at_s:
        job.first_token_s = -1.0
    job.part, job.stage, job.stage_s, job.clock_s = p, codes.RETURN, at_s, at_s
    notes.of_wait(w, b, job, notes.REPAIR, at_s)
    if p == codes.TARGET:
        job.clock_s += link.delay_s(w, job)
    job.run_steps, job.in_round, job.average, job.put_back = 0.0, 0, 0, 0  # of a training job: what was not credited
    if trains and training.is_done(w, job):
        job.stage = codes.END  # without its last average, for which there is no server any more


@njit_seldom
def _enqueue(w, b, job):
    """Put the job where its age belongs: before all that came later."""
    node, place = w.node[b, job.ingress], w.node[b, job.ingress].n_queue
    while place > 0 and w.job[b, w.queue[b, job.ingress, codes.DISPATCH, place - 1]].number > job.number:
        w.queue[b, job.ingress, codes.DISPATCH, place] = w.queue[b, job.ingress, codes.DISPATCH, place - 1]
        place -= 1
    w.queue[b, job.ingress, codes.DISPATCH, place] = job.row
    node.n_queue += 1


@njit_seldom
def come_back(w, b, job, t1):
    """At the ingress again: True if the job waits for a decision or has failed, False if the queue has no place for it yet."""
    if job.part == codes.TARGET:  # it tells its ingress that the target is down
        job.part = codes.INGRESS
        if link.leads_to_cloud(w, job):
            w.node[b, job.ingress].cloud_seen_up = 0
        else:
            w.link[b, job.ingress, job.link].seen_up = 0
    if job.retries >= w.serving[0].retries:
        end_job(w, b, job, codes.FAILED, job.clock_s)
        return True
    if w.node[b, job.ingress].n_queue == w.queue.shape[3]:
        job.clock_s = t1
        return False
    job.retries += 1
    w.tally[b].requeued += 1
    if job.first_token_s < 0.0:
        job.done_tokens = 0.0  # what was generated has not reached the UE
    job.done_tokens = math.floor(job.done_tokens)  # the token under way is lost
    job.setup_tokens = job.prompt_tokens + job.done_tokens
    job.stage, job.link, job.device_layers, job.draft = codes.QUEUED, -1, 0, -1
    for p in range(w.part.shape[2]):
        w.part[b, job.row, p] = w.blank[0].part
    notes.of_wait(w, b, job, notes.DECISION, job.clock_s)
    _enqueue(w, b, job)
    return True
