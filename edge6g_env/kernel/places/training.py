"""Fine-tuning at a node: memory, slices of the accelerator, and how it makes way.

A training job holds weights and, in the place of KV, what is its own: adapter state, activations, gradients. It stays with the node from
its first step to its last, computing or not. Inference comes first: a slice of training begins only while no prompt waits, beside decodes
it takes `train_share` of the time, and when a sequence lacks memory, training is put back before any sequence is: it loses the running
step and asks for memory again.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_seldom
from edge6g_env.kernel import codes, costing, notes
from edge6g_env.kernel.places import device, loading, memory, paid

NOTHING_LEFT_S = 1e-12  # sums of slices are equal to a step to so much


# --- memory ----------------------------------------------------------------------------------------------------------------------------


@njit_seldom
def own_bytes(w, s, v, layers):
    """What a part of `layers` layers of variant v holds beside weights for a training job of service s."""
    tuning = w.tuning[s, v]
    return layers * tuning.state_bytes + tuning.step_bytes if layers > 0 else 0.0


@njit_seldom
def ask(w, b, job, p):
    """Have the job ask its node for memory; a full list is tried again in the next substep."""
    part = w.part[b, job.row, p]
    server = w.server[b, part.node]
    job.part, job.stage, job.stage_s = p, codes.ADMIT, job.clock_s
    if server.n_trainees == w.queue.shape[3]:
        part.state = codes.TURNED_AWAY
        return codes.UNDER_WAY
    part.state = codes.ASKING
    w.queue[b, part.node, codes.TRAINING, server.n_trainees] = job.row
    server.n_trainees += 1
    return codes.UNDER_WAY


@njit_seldom
def _hold(w, b, job, part, new_bytes):
    """Set the memory that a part has of its own; the first bytes make it a user of the weights, none end that."""
    server = w.server[b, part.node]
    server.training_bytes += new_bytes - part.kv_bytes
    change = (1 if new_bytes > 0.0 else 0) - (1 if part.kv_bytes > 0.0 else 0)
    if change != 0:
        server.n_training += change
        memory.count_user(w, b, job, part, change)
        w.variant[b, part.node, job.variant].trainers += change
    if server.n_training == 0:
        server.training_bytes = 0.0  # no rounding error outlives the last job
    part.kv_bytes = new_bytes


@njit_seldom
def _first_asking(w, b, i, t1):
    """Row of the job that has asked for memory longest by number, -1 for none."""
    first = -1
    for place in range(w.server[b, i].n_trainees):
        job = w.job[b, w.queue[b, i, codes.TRAINING, place]]
        asks = w.part[b, job.row, job.part].state == codes.ASKING and job.clock_s < t1
        if asks and (first < 0 or job.number < w.job[b, first].number):
            first = job.row
    return first


@njit_seldom
def _lets_none_in(w, b, i):
    """Whether a sequence waits for memory or weights: no training takes them before it."""
    for place in range(w.server[b, i].n_inbox):
        job = w.job[b, w.queue[b, i, codes.INBOX, place]]
        if w.part[b, job.row, job.part].state == codes.WAITING:
            return True
    return False


@njit_seldom
def admit(w, b, i, t1):
    """Give memory to the jobs that ask, in the order of their numbers, as long as it is there; who waits for it has waited until t1."""
    if w.server[b, i].n_trainees == 0:
        return
    row, waits = _first_asking(w, b, i, t1), _lets_none_in(w, b, i)
    while row >= 0:
        job = w.job[b, row]
        part, v, since_s = w.part[b, row, job.part], job.variant, job.clock_s
        if not waits and memory.is_resident(w, b, i, v, part.low, part.high):
            waits = not _admit_job(w, b, i, job)
        elif not waits:
            waits = True
            loading.start_load(w, b, i, v, part.low, part.high, job.clock_s)
        loads = job.clock_s > since_s or w.server[b, i].load_variant == v
        if part.state == codes.ASKING or loads:
            notes.of_wait(w, b, job, notes.LOAD if loads else notes.MEMORY, since_s)
        if part.state == codes.ASKING:
            job.clock_s = t1
        row = _first_asking(w, b, i, t1)


@njit_seldom
def _admit_job(w, b, i, job):
    part, v = w.part[b, job.row, job.part], job.variant
    need_bytes = own_bytes(w, job.service, v, part.high - part.low)
    if not memory.make_room(w, b, i, need_bytes, v, -1):
        return False
    job.clock_s = max(job.clock_s, w.variant[b, i, v].ready_s)
    if job.put_back == 1:
        state_bytes = costing.STATE_BYTES * (part.high - part.low) * w.tuning[job.service, v].adapter_bytes
        job.clock_s += state_bytes / w.device[w.site[i].accelerator].load_bytes_s
    _hold(w, b, job, part, need_bytes)
    part.state, job.admit_s, job.put_back, job.left_s = codes.PREFILLED, job.clock_s, 0, 0.0
    return True


@njit_seldom
def make_way(w, b, i, now_s):
    """Put back the training job at node i that was admitted last, or give up a load that only training asked for; False if there is
    neither."""
    server, youngest = w.server[b, i], -1
    if server.n_trainees == 0:
        return False
    for place in range(server.n_trainees):
        job = w.job[b, w.queue[b, i, codes.TRAINING, place]]
        if w.part[b, job.row, job.part].kv_bytes <= 0.0:
            continue
        last = w.job[b, youngest]
        if youngest < 0 or job.admit_s > last.admit_s or (job.admit_s == last.admit_s and job.number > last.number):
            youngest = job.row
    if youngest >= 0:
        _put_back(w, b, i, w.job[b, youngest], now_s)
        return True
    return gives_up_load(w, b, i, now_s)


@njit_seldom
def gives_up_load(w, b, i, now_s):
    """Give up a load at node i that only training asked for; whether there was one."""
    server = w.server[b, i]
    if server.n_trainees == 0 or server.load_variant < 0 or w.variant[b, i, server.load_variant].users > 0:
        return False
    loading.give_up(w, b, i, now_s)
    return True


@njit_seldom
def _put_back(w, b, i, job, now_s):
    """Take its memory from a training job: it leaves its round, keeps the steps that are credited, and asks again."""
    part = w.part[b, job.row, job.part]
    _hold(w, b, job, part, 0.0)
    interrupt(w, b, job)
    part.state, job.stage, job.leg, job.put_back = codes.ASKING, codes.ADMIT, job.asks_at, 1
    job.in_round, job.run_steps = 0, 0.0
    job.clock_s = max(job.clock_s, now_s)
    job.stage_s = job.clock_s
    notes.of_wait(w, b, job, notes.MEMORY, job.clock_s)
    w.tally[b].put_back += 1


@njit_seldom
def interrupt(w, b, job):
    """End what a training job does: the running step is lost, and a message under way, whose random numbers the next one does not get."""
    end_slice(w, b, job)
    paid.take_back(w, b, job, job.clock_s)
    device.compute(w, b, job, 0)
    job.messages += job.stage == codes.UPLINK or job.stage == codes.DOWNLOAD
    job.left_s, job.left_bytes = 0.0, 0.0


@njit_seldom
def end_slice(w, b, job):
    """If a slice of the job runs at its node: its time is spent, and paid."""
    part = w.part[b, job.row, job.part]
    if part.state < codes.ASKING:
        return
    server = w.server[b, part.node]
    if server.chunk_job == job.row:
        _pay_slice(w, b, part.node, job)
        server.chunk_job, server.chunk_trains, server.prefill_free_s = -1, 0, server.chunk_end_s


@njit_seldom
def leave(w, b, job, now_s):
    """Give back what a training job holds at its node."""
    part = w.part[b, job.row, job.part]
    if part.state < codes.ASKING:
        return
    i = part.node
    end_slice(w, b, job)
    _hold(w, b, job, part, 0.0)
    variant = w.variant[b, i, job.variant]
    variant.last_used_s = max(variant.last_used_s, now_s)
    memory.drop_from(w, b, i, codes.TRAINING, job)
    part.state = codes.ABSENT


# --- slices ----------------------------------------------------------------------------------------------------------------------------


@njit_seldom
def begin(w, b, job, p, compute_s):
    """Have the node compute its part of a step, which takes so long if it does nothing else."""
    job.part, job.stage, job.stage_s, job.left_s = p, codes.TRAIN, job.clock_s, compute_s
    return codes.UNDER_WAY


@njit_seldom
def next_job(w, b, i, t1):
    """Row of the job whose slice can begin first at node i, at the same time the one whose last slice ended first; -1 if none wants one."""
    server, best, best_s = w.server[b, i], -1, math.inf
    if server.cycle_s > 0.0 and w.serving[0].train_share <= 0.0:
        server.slice_free_s = t1  # decodes have all of the time
        return -1
    for place in range(server.n_trainees):
        job = w.job[b, w.queue[b, i, codes.TRAINING, place]]
        part = w.part[b, job.row, job.part]
        if job.stage != codes.TRAIN or part.state != codes.ADMITTED or job.clock_s >= t1:
            continue
        at_s = slice_start_s(server, job)
        if best < 0 or at_s < best_s or (at_s == best_s and _comes_before(job, w.job[b, best])):
            best, best_s = job.row, at_s
    return best


@njit_seldom
def _comes_before(job, other):
    return job.slice_s < other.slice_s or (job.slice_s == other.slice_s and job.number < other.number)


@njit_seldom
def slice_start_s(server, job):
    """When a slice of the job can begin: after the chunk or slice before it, and after what decodes have of the time since that."""
    return max(job.clock_s, server.prefill_free_s, server.slice_free_s)


@njit_seldom
def form_slice(w, b, i, job, start_s):
    """Latch a slice: beside decodes as long as gives training its share, else as long as a full chunk of a prompt takes."""
    server, share, site = w.server[b, i], w.serving[0].train_share, w.site[i]
    slowdown = costing.slowdown(w, w.node[b, i].ran_load)
    if server.cycle_s > 0.0:
        slice_s = server.cycle_s / slowdown * share / (1.0 - share)
    else:
        part, tokens = w.part[b, job.row, job.part], w.serving[0].token_budget
        slice_s = costing.prefill_layer_s(w, site.accelerator, job.variant, tokens, 0.0, 0.0) * (part.high - part.low)
    server.chunk_job, server.chunk_trains, server.slice_before_s = job.row, 1, server.slice_free_s
    server.chunk_added_s = min(slice_s, job.left_s)
    server.chunk_s = slowdown * server.chunk_added_s
    server.chunk_end_s = start_s + server.chunk_s
    server.slice_free_s = server.chunk_end_s
    notes.of_work(w, b, job, start_s, 0.0)
    if server.cycle_s > 0.0:
        server.slice_free_s += server.chunk_s * (1.0 - share) / share


@njit_seldom
def take_back_slice(w, b, i):
    """Undo a slice that was formed before it was known that a prompt had come: it has not begun."""
    server = w.server[b, i]
    notes.of_wait(w, b, w.job[b, server.chunk_job], notes.QUEUE, server.chunk_end_s - server.chunk_s)
    server.chunk_job, server.chunk_trains, server.slice_free_s = -1, 0, server.slice_before_s
    # No chunk began before a prompt that comes now.
    server.chunk_end_s, server.chunk_s = server.prefill_free_s, math.inf


@njit_seldom
def _pay_slice(w, b, i, job):
    accelerator, server = w.site[i].accelerator, w.server[b, i]
    job.price_usd += server.chunk_added_s * w.device[accelerator].usd_s
    job.energy_j += server.chunk_added_s * w.device[accelerator].prefill_w


@njit_seldom
def complete_slice(w, b, i):
    """Credit the finished slice; a job whose step needs nobody else goes on with the next one."""
    server = w.server[b, i]
    job = w.job[b, server.chunk_job]
    end_slice(w, b, job)
    job.left_s -= server.chunk_added_s
    job.slice_s = job.clock_s = server.chunk_end_s
    notes.of_wait(w, b, job, notes.QUEUE, job.clock_s)
    if job.left_s > NOTHING_LEFT_S:
        return
    job.clock_s = server.slice_free_s
    if goes_on_alone(w, job):
        count_step(w, job)
        job.left_s = costing.step_s(
            w, job.service, w.site[i].accelerator, job.variant, w.model[job.variant].layers, True
        )
    else:
        w.part[b, job.row, job.part].state = codes.PREFILLED


# --- steps -----------------------------------------------------------------------------------------------------------------------------


@njit_seldom
def round_steps(w, job):
    """Steps after which the job meets the others of its task: those of a round, or fewer if no more are left; without others each step is
    a round of its own."""
    left = w.service[job.service].steps - job.done_steps
    return min(left, w.service[job.service].aggregate_every if job.members > 1 else 1.0)


@njit_seldom
def count_step(w, job):
    """Count a step; without others it is credited at once."""
    job.run_steps += 1.0
    if job.members == 1:
        credit(job)


@njit_seldom
def is_done(w, job):
    """Whether all steps of a training job are credited."""
    return job.done_steps >= w.service[job.service].steps


@njit_seldom
def credit(job):
    """Credit the steps of a round."""
    job.done_steps += job.run_steps
    job.run_steps = 0.0


@njit_seldom
def goes_on_alone(w, job):
    """Whether the next step follows at the server without anything between: nothing is on the device, and no round ends."""
    if job.device_layers > 0:
        return False
    if job.members > 1:
        return job.run_steps + 1.0 < round_steps(w, job)
    return job.done_steps + 1.0 < w.service[job.service].steps
