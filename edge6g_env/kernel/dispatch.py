"""What an action means: which combinations are legal for the job at the head of a queue, and how one is carried out."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, costing, legs
from edge6g_env.kernel.ledger import end_job
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
def variant_of(w, job, c):
    """Variant of the job's model at the precision of action c."""
    return w.service[job.service].model * w.interface[0].n_precisions + w.action[c].precision


@njit_inner
def refusal(w, b, i, job, c):
    """Why action c is illegal for a job at node i: an index into ACTION_EFFECTS, DONE if it is legal. The first reason along the way
    counts, privacy and what is down before what is too small."""
    route = w.action[c].route
    if route <= codes.REJECT:
        return codes.DONE
    v, target, tokens = variant_of(w, job, c), target_of(w, b, i, route), job.setup_tokens + expected_output(w, job)
    layer_1, layer_2, total = w.action_layers[c, v, 0], w.action_layers[c, v, 1], w.model[v].layers
    why = air.refuse(w, job, layer_1)
    if why == codes.DONE and target == w.node.shape[1]:
        why = cloud.refuse(w, b, i, job, layer_2)
    if why == codes.DONE and layer_2 > layer_1:
        why = node.refuse_down(w, b, i, codes.LOCAL)
    if why == codes.DONE and target >= 0:
        why = link.refuse(w, b, i, route, target)
    if why == codes.DONE and 0 <= target < w.node.shape[1]:
        why = node.refuse_down(w, b, i, route)
    if why == codes.DONE:
        why = device.refuse(w, b, job, v, layer_1, tokens)
    if why == codes.DONE and layer_2 > layer_1:
        why = node.refuse(w, i, v, layer_1, layer_2, tokens)
    if why == codes.DONE and 0 <= target < w.node.shape[1]:
        why = node.refuse(w, target, v, layer_2, total, tokens)
    return why


@njit_inner
def set_heads(w, b):
    """At the end of a slot: the job that each node decides in the next one is the first of its queue."""
    w.episode[b].n_heads = 0
    for i in range(w.node.shape[1]):
        w.node[b, i].head = w.queue[b, i, codes.DISPATCH, 0] if w.node[b, i].n_queue > 0 else -1
        w.episode[b].n_heads += w.node[b, i].head >= 0


@njit_inner
def _pop_head(w, b, i):
    node = w.node[b, i]
    for place in range(1, node.n_queue):
        w.queue[b, i, codes.DISPATCH, place - 1] = w.queue[b, i, codes.DISPATCH, place]
    node.n_queue -= 1


@njit_inner
def _send(w, b, i, job, c, now_s):
    """Start a job on its way as action c says."""
    episode, ingress, target = w.episode[b], w.part[b, job.row, codes.INGRESS], w.part[b, job.row, codes.TARGET]
    route, v = w.action[c].route, variant_of(w, job, c)
    job.variant, job.device_layers = v, w.action_layers[c, v, 0]
    job.kv_tokens = job.setup_tokens + expected_output(w, job)
    ingress.node, ingress.low, ingress.high = i, job.device_layers, w.action_layers[c, v, 1]
    target.node, target.low, target.high = target_of(w, b, i, route), ingress.high, w.model[v].layers
    if target.node >= 0:
        job.link = route - codes.NEIGHBOUR
    if 0 <= job.link < w.link.shape[2]:
        w.link[b, i, job.link].sent_since += 1
    w.roster[b, codes.ACTIVE, episode.n_active] = job.row
    episode.n_active += 1
    job.clock_s, job.prefilled = now_s, 0.0
    job.device_kv_bytes = costing.kv_bytes(w, v, job.device_layers, job.kv_tokens)
    legs.begin(w, b, job, 0)


@njit_inner
def act(w, b, i, c, now_s):
    """Apply action c of node i to the job at its head. An illegal choice acts as hold; why is in decision.effect."""
    decision, route, head = w.decision[b, i], w.action[c].route, w.node[b, i].head
    if head < 0:
        decision.effect = codes.DONE if route == codes.HOLD else codes.NO_JOB
        return
    job = w.job[b, head]
    decision.job, decision.effect = job.number, refusal(w, b, i, job, c)
    if decision.effect != codes.DONE or route == codes.HOLD:
        return
    job.action, job.decided_slot, job.decider = c, w.episode[b].slot, i
    _pop_head(w, b, i)
    if route == codes.REJECT:
        end_job(w, b, job, codes.REJECTED, now_s)
    else:
        _send(w, b, i, job, c, now_s)
