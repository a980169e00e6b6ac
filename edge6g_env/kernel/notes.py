"""What is written down of a world that is recorded: rows of World.noted, as things happen. Where nobody records, World.last_note has no
room, which is all that is asked elsewhere; nothing in a world depends on a note.

A job's rows say what it does from then on: a leg of its way, or a wait. Which wait a leg begins with that queues for a node, the cloud or
the others of a round is for who reads them (edge6g_env.noting).
"""

from __future__ import annotations

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import codes

# Of a job: it came, a leg began, a node or the cloud works on it; it waits for a decision, memory, weights, its turn, a repair.
ARRIVED, LEG, WORKS, DECISION, MEMORY, LOAD, QUEUE, REPAIR = range(8)
# Of the world: an episode began, weights begin and end to load, a UE changed its cell, a part failed or was repaired.
BEGINS, LOADS, LOADED, HANDOVER, PART = range(8, 13)


@njit_inner
def are_kept(w):
    """Whether this world is recorded."""
    return w.last_note.shape[1] > 0


@njit_inner
def of_arrival(w, b, job):
    """Note that a job came, and its UE."""
    if are_kept(w):
        _write_job(w, b, job, ARRIVED, codes.QUEUED, 0, job.arrival_s, job.ue)


@njit_inner
def of_leg(w, b, job, stage, p, at_s):
    """Note that a leg of a job began; one that a full list turned away begins again in every substep, and is noted once."""
    if not are_kept(w):
        _write(w, b, job.number, LEG, stage, p, job.leg, -1, at_s, 0.0)
        return
    turned_away = w.part[b, job.row, job.part].state == codes.TURNED_AWAY
    if turned_away and w.last_note[b, job.row] == QUEUE:
        return
    _write_job(w, b, job, LEG, stage, p, at_s, 0.0)
    if turned_away:
        w.last_note[b, job.row] = QUEUE


@njit_inner
def of_wait(w, b, job, what, at_s):
    """Note what a job waits for from at_s on, unless it does so already."""
    if are_kept(w) and w.last_note[b, job.row] != what:
        _write_job(w, b, job, what, job.stage, job.part, at_s, 0.0)


@njit_inner
def of_work(w, b, job, at_s, amount):
    """Note that the job's leg is worked on from at_s on: a chunk of so many tokens, a slice of training."""
    if are_kept(w):
        _write_job(w, b, job, WORKS, job.stage, job.part, at_s, amount)


@njit_inner
def of_repair(w, b, job, at_s):
    """Note that the job goes on, if it has waited for a repair."""
    if are_kept(w) and w.last_note[b, job.row] == REPAIR:
        _write_job(w, b, job, WORKS, job.stage, job.part, at_s, 0.0)


@njit_inner
def of_admission(w, b, job, what, since_s, t0):
    """Note what a job in an inbox waits for that has been looked at, since it came there or, if it has been before, since t0."""
    if are_kept(w) and w.last_note[b, job.row] != what:
        first = w.last_note[b, job.row] == LEG
        _write_job(w, b, job, what, job.stage, job.part, since_s if first else max(since_s, t0), 0.0)


@njit_inner
def of_world(w, b, what, node, about, other, at_s, amount):
    """Note what happens beside jobs."""
    if are_kept(w):
        _write(w, b, -1, what, about, other, 0, node, at_s, amount)


@njit_seldom
def _write_job(w, b, job, what, stage, p, at_s, amount):
    w.last_note[b, job.row] = what
    _write(w, b, job.number, what, stage, p, job.leg, _place(w, b, job, stage), at_s, amount)


@njit_seldom
def _place(w, b, job, stage):
    """Node that a stage of the job is about, N: the cloud, -1: its UE's device."""
    if stage == codes.QUEUED or stage == codes.UPLINK or stage == codes.RETURN:
        return job.ingress
    if stage == codes.DEVICE:
        return -1
    if stage == codes.NODE_PREFILL:
        return w.part[b, job.row, job.part].node
    for p in (codes.TARGET, codes.INGRESS):
        part = w.part[b, job.row, p]
        if part.node >= 0 and part.high > part.low:
            return part.node
    return -1


@njit_seldom
def _write(w, b, number, what, stage, p, leg, node, at_s, amount):
    """What comes after the last row is counted, and not written."""
    step = w.step[b]
    if step.n_noted < w.noted.shape[1]:
        noted = w.noted[b, step.n_noted]
        noted.job, noted.what, noted.stage, noted.part, noted.leg = number, what, stage, p, leg
        noted.node, noted.start_s, noted.amount = node, at_s, amount
    step.n_noted += 1
