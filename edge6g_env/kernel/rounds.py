"""Rounds of a fine-tuning task of several UEs (SplitFed: Thapa et al., AAAI 2022): after so many steps each member sends its device's part
of the adapter up, waits for the others, and gets the average down.

A round ends when all that are in it have arrived, or `round_timeout_s` after the first; who is late loses the round's steps. Nobody waits
for a member that is undecided, waits for memory, or has ended. Rounds are settled once a substep, after all jobs have been advanced, so
that their order does not matter.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_seldom
from edge6g_env.kernel import codes, legs
from edge6g_env.kernel.places import training


@njit_seldom
def settle(w, b, t1):
    """Begin and end the rounds of all tasks as far as their members have come by t1."""
    if w.arrivals[0].most_participants == 1:
        return
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        if job.stage == codes.MEET and _is_first(w, b, job):
            _settle_task(w, b, job.task, w.service[job.service].round_timeout_s, t1)


@njit_seldom
def _is_first(w, b, job):
    """Whether no member of its task with a lower number waits: one of them speaks for all."""
    for place in range(w.episode[b].n_active):
        other = w.job[b, w.roster[b, codes.ACTIVE, place]]
        if other.task == job.task and other.stage == codes.MEET and other.number < job.number:
            return False
    return True


@njit_seldom
def _arrivals(w, b, task):
    """(first and last arrival in s at the end of the round, inf and -inf if there is none)."""
    first_s, last_s = math.inf, -math.inf
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        if job.task == task and job.stage == codes.MEET and job.in_round == 1:
            first_s, last_s = min(first_s, job.stage_s), max(last_s, job.stage_s)
    return first_s, last_s


@njit_seldom
def _settle_task(w, b, task, timeout_s, t1):
    first_s, last_s = _arrivals(w, b, task)
    complete, now_s = True, w.episode[b].now_s
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        if job.task != task:
            continue
        if job.stage == codes.MEET and job.in_round == 0 and job.stage_s < first_s:
            job.in_round = 1  # nobody has come to the end of the running round before it
            job.clock_s = max(job.clock_s, now_s)  # that it has waited for may have left in this substep
            legs.finish(w, b, job)
        complete = complete and (job.in_round == 0 or job.stage == codes.MEET)
    if first_s == math.inf:
        return
    end_s = first_s + timeout_s
    if complete:
        end_s = min(end_s, last_s)
    if complete or end_s < t1:
        _end_round(w, b, task, end_s, max(end_s, now_s))


@njit_seldom
def _end_round(w, b, task, end_s, next_s):
    """Credit the steps of those that have arrived by end_s; all that train or wait are in the next round from next_s on, which is later
    if the last that they waited for has left, and get the average."""
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        if job.task != task:
            continue
        arrived = job.stage == codes.MEET and job.in_round == 1 and job.stage_s <= end_s
        if arrived:
            training.credit(job)
        job.run_steps = 0.0
        if job.stage == codes.MEET and job.in_round == 0:  # it begins with the next one
            job.in_round, job.clock_s = 1, max(job.clock_s, next_s)
            legs.finish(w, b, job)
        elif job.in_round == 1:
            training.interrupt(w, b, job)
            job.clock_s, job.average = max(job.clock_s, next_s), 1
            if training.is_done(w, job):  # it needs its server no more, and nobody waits for its last average
                job.in_round = 0
                training.leave(w, b, job, job.clock_s)
            legs.begin(w, b, job, legs.AVERAGE)
