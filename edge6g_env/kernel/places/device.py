"""The UE's device: it reads its layers from storage, computes them, and shares its time among the jobs that it has."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, costing


@njit_inner
def refuse(w, b, job, v, layers, tokens):
    """Why the first `layers` layers of variant v cannot run on the job's device, with the KV of `tokens` tokens."""
    ue, device = w.ue[b, job.ue], w.mobility[0].ue_device
    if layers == 0:
        return codes.DONE
    if ue.device_jobs > 0 and ue.device_variant != v:
        return codes.DEVICE_BUSY
    need_bytes = costing.weight_bytes(w, v, 0, layers) + w.model[v].kv_bytes * layers * tokens
    return codes.DONE if need_bytes <= w.device[device].usable_bytes else codes.DEVICE_TOO_SMALL


@njit_inner
def has_whole_model(w, job):
    """Whether nothing leaves the device, neither prompt nor tokens."""
    return job.device_layers == w.model[job.variant].layers


@njit_inner
def begin(w, b, job):
    """Load what the device lacks of its layers, and compute the prompt there."""
    ue, v, device = w.ue[b, job.ue], job.variant, w.mobility[0].ue_device
    if job.device_layers == 0:
        return codes.OVER
    if job.on_device == 0:
        job.on_device = 1
        ue.device_jobs += 1
    job.left_s = _load_s(w, ue, v, job.device_layers)
    if ue.device_variant != v:
        ue.device_variant, ue.device_layers = v, job.device_layers
    ue.device_layers = max(ue.device_layers, job.device_layers)
    compute_s = costing.whole_prompt_s(w, device, v, job.device_layers, job.setup_tokens, has_whole_model(w, job))
    job.left_s += compute_s
    job.energy_j += compute_s * w.device[device].prefill_w
    job.stage, job.stage_s = codes.DEVICE, job.clock_s
    return codes.UNDER_WAY


@njit_inner
def _load_s(w, ue, v, layers):
    """Time in s to read from the UE's storage what layers [0, layers) of v lack on the device."""
    held = ue.device_layers if ue.device_variant == v else 0
    if held >= layers:
        return 0.0
    missing = costing.weight_bytes(w, v, 0, layers) - costing.weight_bytes(w, v, 0, held)
    return missing / w.device[w.mobility[0].ue_device].load_bytes_s


@njit_inner
def advance(w, b, job, t1):
    """Load and compute until t1; the device's jobs share its time."""
    share = max(1, w.ue[b, job.ue].device_jobs)
    need_s = job.left_s * share
    if job.clock_s + need_s > t1:
        job.left_s -= (t1 - job.clock_s) / share
        job.clock_s = t1
        return codes.UNDER_WAY
    job.clock_s += need_s
    job.left_s = 0.0
    return codes.OVER


@njit_inner
def _step_s(w, job):
    """Time in s of a token's layers on a device that does nothing else."""
    v, layers = job.variant, job.device_layers
    share, context = layers / w.model[v].layers, job.prompt_tokens + job.done_tokens
    return costing.decode_iteration_s(w, w.mobility[0].ue_device, v, 1.0, context, share, layers == w.model[v].layers)


@njit_inner
def token_s(w, b, job):
    """Time in s of a token on the device."""
    return _step_s(w, job) * max(w.ue[b, job.ue].device_jobs, 1) if job.device_layers > 0 else 0.0


@njit_inner
def pay_tokens(w, job, tokens):
    """Energy of tokens; the device is the user's own and costs nothing."""
    if job.device_layers > 0:
        job.energy_j += tokens * _step_s(w, job) * w.device[w.mobility[0].ue_device].decode_w


@njit_inner
def forecast(w, b, job, v, layers, output):
    """Add the device's part to what is expected of a candidate."""
    if layers == 0:
        return
    ue, expected, device = w.ue[b, job.ue], w.forecast[b], w.mobility[0].ue_device
    jobs, with_head = ue.device_jobs + 1, layers == w.model[v].layers
    known = w.known[b, w.known.shape[1] - 2, w.model[v].precision]
    costing.know_pass(w, known, device, v, job.setup_tokens, output, 1.0)
    load_s = _load_s(w, ue, v, layers)
    compute_s = costing.one_pass_s(w, device, v, layers, known.prompt_layer_s, with_head)
    step_s = costing.iteration_s(w, device, v, known.with_layer_s, 1.0, layers / w.model[v].layers, with_head)
    expected.load_s += load_s
    expected.time_s += load_s + compute_s * jobs
    expected.token_s += step_s * jobs
    expected.energy_j += compute_s * w.device[device].prefill_w
    expected.energy_j += output * step_s * w.device[device].decode_w


@njit_inner
def give_up(w, b, job):
    """Free the job's share of the device."""
    if job.on_device == 1:
        w.ue[b, job.ue].device_jobs -= 1
        job.on_device = 0
