"""What an action means for a job of the kind inference: where its layers run, why that is refused, and what is expected of it."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, costing
from edge6g_env.kernel.places import air, cloud, device, link, memory, node


@njit_inner
def target_of(w, b, i, route):
    """Node that a route of node i leads to: N for the cloud, -1 for none or no such neighbour."""
    if route <= codes.LOCAL:
        return -1
    if route == codes.NEIGHBOUR + w.link.shape[2]:
        return w.node.shape[1]
    return w.neighbour[i, route - codes.NEIGHBOUR]


@njit_inner
def expected_output(w, job):
    """Tokens that a job is expected to generate: its service's mean, after a fault less what its UE has, but a block at least."""
    mean = w.service[job.service].mean_output_tokens
    if job.done_tokens > 0.0:
        return max(mean - job.done_tokens, memory.KV_BLOCK_TOKENS)
    return mean


@njit_inner
def share_beyond(w, job, tokens):
    """Share of outputs of the job's service that go on for more than `tokens` tokens from now on, of those as long as it is already."""
    if tokens <= 0.0:
        return 1.0
    if job.done_tokens + tokens >= w.longer.shape[1]:
        return 0.0
    of = w.longer[job.service, int(job.done_tokens)]
    return w.longer[job.service, int(job.done_tokens + tokens)] / of if of > 0.0 else 0.0


@njit_inner
def variant_of(w, job, c):
    """Variant of the model and precision of action c; of the first weights for a job without a model, which asks nothing of it."""
    return (
        max(0, w.choice[job.service, w.action[c].model].weights) * w.interface[0].n_precisions + w.action[c].precision
    )


@njit_inner
def _on_device(w, job, v, layers, drafts):
    """(variant, layers) that the device computes: some of variant v, or all of the service's draft."""
    if not drafts:
        return v, layers
    return w.service[job.service].draft, w.model[w.service[job.service].draft].layers


@njit_inner
def refuse(w, b, i, job, c):
    """Why action c is illegal for a job at node i: an index into ACTION_EFFECTS, DONE if it is legal. The first reason along the way
    counts, privacy and what is down before what is too small."""
    route = w.action[c].route
    v, target, tokens = variant_of(w, job, c), target_of(w, b, i, route), job.setup_tokens + expected_output(w, job)
    layer_1, layer_2, total = w.action_layers[c, v, 0], w.action_layers[c, v, 1], w.model[v].layers
    has_model = w.choice[job.service, w.action[c].model].weights >= 0
    why = air.refuse(w, job, layer_1) if has_model else codes.NO_MODEL
    drafts = w.action[c].draft == 1
    if why == codes.DONE and drafts and w.round[job.service, w.action[c].model, 0].drafted == 0.0:
        why = codes.NO_DRAFT
    if why == codes.DONE and target == w.node.shape[1]:
        why = cloud.refuse(w, b, i, job, layer_2)
    if why == codes.DONE and layer_2 > layer_1:
        why = node.refuse_down(w, b, i, codes.LOCAL)
    if why == codes.DONE and target >= 0:
        why = link.refuse(w, b, i, route, target)
    if why == codes.DONE and 0 <= target < w.node.shape[1]:
        why = node.refuse_down(w, b, i, route)
    if why == codes.DONE:
        on_device, layers = _on_device(w, job, v, layer_1, drafts)
        why = device.refuse(w, b, job, on_device, layers, costing.kv_bytes(w, on_device, layers, tokens))
    if why == codes.DONE and layer_2 > layer_1:
        why = node.refuse(w, i, v, layer_1, layer_2, costing.kv_bytes(w, v, layer_2 - layer_1, tokens))
    if why == codes.DONE and 0 <= target < w.node.shape[1]:
        why = node.refuse(w, target, v, layer_2, total, costing.kv_bytes(w, v, total - layer_2, tokens))
    return why


@njit_inner
def take(w, b, i, job, c):
    """Note where action c of node i has the job computed."""
    ingress, target = w.part[b, job.row, codes.INGRESS], w.part[b, job.row, codes.TARGET]
    route, v = w.action[c].route, variant_of(w, job, c)
    job.model, job.variant, job.device_layers = w.action[c].model, v, w.action_layers[c, v, 0]
    job.kv_tokens = job.setup_tokens + expected_output(w, job)
    ingress.node, ingress.low, ingress.high = i, job.device_layers, w.action_layers[c, v, 1]
    job.first_part = codes.INGRESS if ingress.high > ingress.low else codes.TARGET
    target.node, target.low, target.high = target_of(w, b, i, route), ingress.high, w.model[v].layers
    if target.node >= 0:
        job.link = route - codes.NEIGHBOUR
    if 0 <= job.link < w.link.shape[2]:
        w.link[b, i, job.link].sent_since += 1
    on_device, layers = device.part_of(w, job)
    job.device_kv_bytes = costing.kv_bytes(w, on_device, layers, job.kv_tokens)


@njit_inner
def forecast(w, b, i, job, c):
    """Add to w.forecast[b] what action c brings, place by place along the way."""
    v, route = variant_of(w, job, c), w.action[c].route
    target = target_of(w, b, i, route)
    layer_1, layer_2, total = w.action_layers[c, v, 0], w.action_layers[c, v, 1], w.model[v].layers
    output, in_cloud = expected_output(w, job), target == w.node.shape[1]
    passes, drafts = costing.decode_steps(output) / w.forecast[b].pass_yield, w.forecast[b].pass_tokens > 1.0
    whole = layer_1 == 0 and (layer_2 == 0 or layer_2 == total) and not drafts  # a draft comes and goes
    on_device, layers = _on_device(w, job, v, layer_1, drafts)
    device.forecast(w, b, job, on_device, layers, output)
    air.forecast(w, b, job, v, layer_1, passes)
    if layer_2 > layer_1:
        node.forecast(w, b, i, node.OWN, v, layer_1, layer_2, job, output, whole)
    if target >= 0:
        sent_bytes = link.forecast(w, b, job, v, layer_2, in_cloud, passes)
        if in_cloud:
            cloud.forecast(w, b, i, job, v, layer_2, output, sent_bytes)
        else:
            node.forecast(w, b, i, node.OWN + 1 + route - codes.NEIGHBOUR, v, layer_2, total, job, output, whole)
