"""The UE's device: it reads its layers from storage and computes them, shares its memory among the jobs that it has and its
time among those that compute."""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import codes, costing

_LEAST_WATCH_S = 10.0  # a rate of jobs is not taken from less than so long; judgement
_IDLE, _FULL = 1e-6, 1.0 - 1e-6  # load of a device that has hardly any jobs, and of one that turns jobs away


@njit_inner
def accelerator(w, job):
    """The device of the job's UE."""
    return w.equipment[job.ue].accelerator


@njit_inner
def refuse(w, b, job, v, layers, own_bytes):
    """Why the first `layers` layers of variant v cannot run on the job's device, with own_bytes of KV or training state: it has one
    variant at a time, at the largest part that a job there needs, and what all jobs have of their own."""
    ue = w.ue[b, job.ue]
    if layers == 0:
        return codes.DONE
    if ue.device_jobs > 0 and ue.device_variant != v:
        return codes.DEVICE_BUSY
    held = max(layers, ue.device_layers) if ue.device_jobs > 0 else layers
    need_bytes = costing.weight_bytes(w, v, 0, held) + ue.device_kv_bytes + own_bytes
    return codes.DONE if need_bytes <= w.device[accelerator(w, job)].usable_bytes else codes.DEVICE_TOO_SMALL


@njit_inner
def has_whole_model(w, job):
    """Whether nothing leaves the device, neither prompt nor tokens."""
    return job.device_layers == w.model[job.variant].layers


@njit_inner
def part_of(w, job):
    """(variant, layers from the first on) that the job has on its device: a part of its model, or the whole of its draft."""
    if job.draft < 0:
        return job.variant, job.device_layers
    v = w.service[job.service].draft
    return v, w.model[v].layers


@njit_inner
def begin(w, b, job):
    """Load what the device lacks of its layers, and compute the prompt there. A draft does so beside the job's way."""
    v, layers = part_of(w, job)
    if layers == 0:
        return codes.OVER
    ue, device = w.ue[b, job.ue], accelerator(w, job)
    work_s = missing_s(w, b, job, v, layers)
    _hold(w, b, ue, job, v, layers)
    compute_s = costing.whole_prompt_s(w, device, job, v, 0, layers)
    work_s += compute_s
    _pay(w, job, compute_s)
    compute(w, b, job, 1)
    if job.draft >= 0:
        job.draft_left_s, job.draft_s = work_s, job.clock_s
        return codes.OVER
    job.left_s, job.stage, job.stage_s = work_s, codes.DEVICE, job.clock_s
    return codes.UNDER_WAY


@njit_inner
def _pay(w, job, compute_s):
    """Energy of what the device begins to compute."""
    job.energy_j += compute_s * w.device[accelerator(w, job)].prefill_w
    job.left_compute_s = compute_s


@njit_inner
def take_back(w, job):
    """Take back the energy of what it does not compute any more."""
    left_s = job.draft_left_s if job.draft >= 0 else job.left_s
    if (job.stage == codes.DEVICE or job.draft >= 0) and left_s > 0.0:
        job.energy_j -= min(left_s, job.left_compute_s) * w.device[accelerator(w, job)].prefill_w


@njit_seldom
def begin_load(w, b, job):
    """Have the layers of a training job on the device, and room for its state."""
    if job.device_layers == 0:
        return codes.OVER
    ue = w.ue[b, job.ue]
    load_s = missing_s(w, b, job, job.variant, job.device_layers)
    _hold(w, b, ue, job, job.variant, job.device_layers)
    return begin_work(w, b, job, load_s, 0.0)


@njit_seldom
def begin_work(w, b, job, load_s, compute_s):
    """Have the device work for so long if it does nothing else."""
    if load_s + compute_s <= 0.0:
        return codes.OVER
    _pay(w, job, compute_s)
    compute(w, b, job, 1)
    job.left_s, job.stage, job.stage_s = load_s + compute_s, codes.DEVICE, job.clock_s
    return codes.UNDER_WAY


@njit_inner
def _hold(w, b, ue, job, v, layers):
    """Have the job's layers and room for its KV on the device; layers that no job needs any more give way to KV."""
    usable_bytes = w.device[accelerator(w, job)].usable_bytes
    job.on_device = 1
    ue.device_jobs += 1
    w.node[b, job.ingress].device_jobs += 1
    ue.device_kv_bytes += job.device_kv_bytes
    kept = max(layers, ue.device_layers) if ue.device_variant == v else layers
    if ue.device_jobs == 1 and costing.weight_bytes(w, v, 0, kept) + ue.device_kv_bytes > usable_bytes:
        kept = layers
    ue.device_variant, ue.device_layers = v, kept


@njit_inner
def compute(w, b, job, now):
    """Have the job compute on the device from now on (1), or not (0)."""
    w.ue[b, job.ue].device_busy += now - job.computes
    job.computes = now


@njit_inner
def count(w, b, job):
    """Note who computes on the job's device as a substep begins, and whether the job does."""
    job.shares, w.ue[b, job.ue].device_sharers = job.computes, w.ue[b, job.ue].device_busy


@njit_inner
def missing_s(w, b, job, v, layers):
    """Time in s to read from the UE's storage what layers [0, layers) of v lack on the job's device."""
    ue = w.ue[b, job.ue]
    held = ue.device_layers if ue.device_variant == v else 0
    if held >= layers:
        return 0.0
    missing = costing.weight_bytes(w, v, 0, layers) - costing.weight_bytes(w, v, 0, held)
    return missing / w.device[accelerator(w, job)].load_bytes_s


@njit_inner
def advance(w, b, job, t1):
    """Load and compute until t1; the device's jobs share its time. Of training jobs those count that computed when the substep began, so
    that it does not matter which of them is advanced first."""
    share = w.ue[b, job.ue].device_busy
    if w.service[job.service].kind == codes.FINETUNE:
        share = w.ue[b, job.ue].device_sharers - job.shares + 1
    need_s = job.left_s * share
    if job.clock_s + need_s > t1:
        job.left_s -= (t1 - job.clock_s) / share
        job.clock_s = t1
        return codes.UNDER_WAY
    job.clock_s += need_s
    job.left_s = 0.0
    compute(w, b, job, 0)
    return codes.OVER


@njit_inner
def _pass_s(w, job):
    """Time in s of a pass on a device that does nothing else: its layers for one token, or the tokens that are drafted, one by one."""
    v, layers = part_of(w, job)
    steps = job.pass_tokens - 1.0 if job.draft >= 0 else 1.0
    if layers == 0 or steps == 0.0:
        return 0.0
    return steps * costing.lone_pass_s(w, accelerator(w, job), job, v, 1.0, layers, layers == w.model[v].layers)


@njit_inner
def pass_s(w, b, job):
    """Time in s of a pass on the device."""
    return _pass_s(w, job) * w.ue[b, job.ue].device_busy


@njit_inner
def pay_passes(w, job, passes):
    """Energy of passes; the device is the user's own and costs nothing."""
    job.energy_j += passes * _pass_s(w, job) * w.device[accelerator(w, job)].decode_w


@njit_inner
def _load(w, b, job, alone_s):
    """Load of the UE's device by jobs like this one, of alone_s each, that come as often as the node has sent jobs to its UEs' devices."""
    ues_a_node = w.ue.shape[1] / w.node.shape[1]
    rate = w.node[b, job.ingress].device_jobs / (max(w.episode[b].now_s, _LEAST_WATCH_S) * ues_a_node)
    return min(_FULL, rate * alone_s)


@njit_inner
def _sharing(others, load, part):
    """How much longer the first `part` of a job takes, 1: all of it, beside `others` jobs that are like it, end, and are followed by new
    ones: the mean sojourn in an M/M/1 queue with processor sharing (Coffman, Muntz, Trotter 1970)."""
    free = 1.0 - load
    return (1.0 + (others * free - load) * (1.0 - math.exp(-free * part)) / (free * part)) / free


@njit_inner
def forecast(w, b, job, v, layers, output):
    """Add the device's part to what is expected of a candidate: layers of its model, or all of its draft."""
    if layers == 0:
        return
    ue, expected, device = w.ue[b, job.ue], w.forecast[b], accelerator(w, job)
    others, with_head = ue.device_busy, layers == w.model[v].layers
    known = w.known[b, w.known.shape[1] - 2, v]
    costing.know_pass(w, known, device, v, job, output, 1.0)
    load_s = missing_s(w, b, job, v, layers)
    compute_s = costing.one_pass_s(w, device, v, layers, known.prompt_layer_s, with_head)
    compute_s += costing.encoder_s(w, device, job, v, 0)
    step_s = costing.iteration_s(w, device, v, known.with_layer_s, 1.0, layers / w.model[v].layers, with_head)
    passes, drafted = costing.decode_steps(output) / expected.pass_yield, expected.pass_tokens - 1.0
    if drafted > 0.0:
        step_s *= drafted
    decode_s = passes * step_s
    alone_s = compute_s + decode_s
    load = _load(w, b, job, alone_s)
    sharing = _sharing(others, load, 1.0)
    prompt_s = load_s + compute_s * _sharing(others, load, compute_s / alone_s)
    if drafted > 0.0:
        expected.draft_s, expected.draft_j = prompt_s, compute_s * w.device[device].prefill_w
    else:
        expected.load_s += load_s
        expected.time_s += prompt_s
    expected.token_s += step_s * sharing
    if others == 0 and load > _IDLE:
        expected.lone, expected.lone_s = math.exp(-load), step_s * (sharing - 1.0)
    expected.energy_j += compute_s * w.device[device].prefill_w
    expected.energy_j += decode_s * w.device[device].decode_w


@njit_inner
def give_up(w, b, job):
    """Free the job's share of the device; what its draft had is lost."""
    compute(w, b, job, 0)
    job.draft_left_s, job.pass_tokens, job.pass_yield = 0.0, 1.0, 1.0
    if job.on_device == 1:
        ue, job.on_device = w.ue[b, job.ue], 0
        ue.device_jobs -= 1
        ue.device_kv_bytes = ue.device_kv_bytes - job.device_kv_bytes if ue.device_jobs > 0 else 0.0
