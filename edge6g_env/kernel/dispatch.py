"""What an action means: which combinations are legal for the job at the head of a queue, and how one is carried out."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import costing, memory, setup_pass
from edge6g_env.kernel.ledger import end_job
from edge6g_env.kernel.world import (
    ACTIVE,
    BACKHAUL_DOWN,
    CLOUD_DOWN,
    DEVICE_BUSY,
    DEVICE_TOO_SMALL,
    DISPATCH,
    DONE,
    HOLD,
    LINK_DOWN,
    LOCAL,
    NEIGHBOUR,
    NEIGHBOUR_DOWN,
    NO_JOB,
    NO_NEIGHBOUR,
    NODE_DOWN,
    NODE_TOO_SMALL,
    ON_DEVICE,
    RAW_LEAVES_DEVICE,
    RAW_REACHES_CLOUD,
    REJECT,
    REJECTED,
    SITE,
)


@njit_inner
def target_of(w, b, i, route):
    """Node that a route of node i leads to: N for the cloud, -1 for none or no such neighbour."""
    if route <= LOCAL:
        return -1
    if route == NEIGHBOUR + w.link.shape[2]:
        return w.node.shape[1]
    return w.neighbour[i, route - NEIGHBOUR]


@njit_inner
def expected_output(w, job):
    """Tokens that a job is expected to generate: its service's mean, after a fault less what its UE has, but a block at least."""
    mean = w.service[job.service].mean_output_tokens
    if job.done_tokens > 0.0:
        return max(mean - job.done_tokens, memory.KV_BLOCK_TOKENS)
    return mean


@njit_inner
def expected_tokens(w, job):
    """Tokens to prefill and expected output of a job."""
    return job.setup_tokens + expected_output(w, job)


@njit_inner
def variant_of(w, job, c):
    """Variant of the job's model at the precision of action c."""
    return w.service[job.service].model * w.interface[0].n_precisions + w.action[c].precision


@njit_inner
def _node_fits(w, b, i, v, low, high, tokens):
    """Whether the part fits node i if it were empty."""
    kv_bytes = w.model[v].kv_bytes * (high - low) * tokens
    return costing.weight_bytes(w, v, low, high) + kv_bytes <= w.site[i].usable_bytes


@njit_inner
def _device_refusal(w, b, job, v, layer_1):
    ue, device = w.ue[b, job.ue], w.mobility[0].ue_device
    if ue.device_jobs > 0 and ue.device_variant != v:
        return DEVICE_BUSY
    need_bytes = costing.weight_bytes(w, v, 0, layer_1) + w.model[v].kv_bytes * layer_1 * expected_tokens(w, job)
    return DONE if need_bytes <= w.device[device].usable_bytes else DEVICE_TOO_SMALL


@njit_inner
def _fault_refusal(w, b, i, route, target, at_ingress):
    """A node knows its own parts and ends of links now, its neighbours' servers and the cloud by what it heard last."""
    node = w.node[b, i]
    if at_ingress and node.up == 0:
        return NODE_DOWN
    if target < 0:
        return DONE
    if target == w.node.shape[1]:
        if node.backhaul_up == 0:
            return BACKHAUL_DOWN
        return DONE if node.cloud_seen_up == 1 else CLOUD_DOWN
    link = w.link[b, i, route - NEIGHBOUR]
    if link.up == 0:
        return LINK_DOWN
    return DONE if link.seen_up == 1 else NEIGHBOUR_DOWN


@njit_inner
def refusal(w, b, i, job, c):
    """Why action c is illegal for a job at node i: an index into ACTION_EFFECTS, DONE if it is legal."""
    route = w.action[c].route
    if route <= REJECT:
        return DONE
    service, v = w.service[job.service], variant_of(w, job, c)
    layer_1, layer_2 = w.action_layers[c, v, 0], w.action_layers[c, v, 1]
    target = target_of(w, b, i, route)
    if route > LOCAL and target < 0:
        return NO_NEIGHBOUR
    if service.privacy == ON_DEVICE and layer_1 == 0:
        return RAW_LEAVES_DEVICE
    if service.privacy == SITE and target == w.node.shape[1] and layer_2 == 0:
        return RAW_REACHES_CLOUD
    why = _fault_refusal(w, b, i, route, target, layer_2 > layer_1)
    if why != DONE:
        return why
    if layer_1 > 0:
        why = _device_refusal(w, b, job, v, layer_1)
        if why != DONE:
            return why
    tokens = expected_tokens(w, job)
    if layer_2 > layer_1 and not _node_fits(w, b, i, v, layer_1, layer_2, tokens):
        return NODE_TOO_SMALL
    if 0 <= target < w.node.shape[1] and not _node_fits(w, b, target, v, layer_2, w.model[v].layers, tokens):
        return NODE_TOO_SMALL
    return DONE


@njit_inner
def set_heads(w, b):
    """At the end of a slot: the job that each node decides in the next one is the first of its queue."""
    for i in range(w.node.shape[1]):
        w.node[b, i].head = w.queue[b, i, DISPATCH, 0] if w.node[b, i].n_queue > 0 else -1


@njit_inner
def _pop_head(w, b, i):
    node = w.node[b, i]
    for place in range(1, node.n_queue):
        w.queue[b, i, DISPATCH, place - 1] = w.queue[b, i, DISPATCH, place]
    node.n_queue -= 1


@njit_inner
def _send(w, b, i, job, c, now_s):
    """Start a job on its way as action c says."""
    episode, route = w.episode[b], w.action[c].route
    job.variant = variant_of(w, job, c)
    job.layer_1, job.layer_2 = w.action_layers[c, job.variant, 0], w.action_layers[c, job.variant, 1]
    job.target = target_of(w, b, i, route)
    if 0 <= job.target < w.node.shape[1]:
        job.link = route - NEIGHBOUR
        w.link[b, i, job.link].sent_since += 1
    job.kv_tokens = expected_tokens(w, job)
    w.roster[b, ACTIVE, episode.n_active] = job.row
    episode.n_active += 1
    setup_pass.begin_setup(w, b, job, now_s, False)


@njit_inner
def act(w, b, i, c, now_s):
    """Apply action c of node i to the job at its head. An illegal choice acts as hold; why is in decision.effect."""
    node, decision, route = w.node[b, i], w.decision[b, i], w.action[c].route
    if node.head < 0:
        decision.effect = DONE if route == HOLD else NO_JOB
        return
    job = w.job[b, node.head]
    decision.job, decision.effect = job.number, refusal(w, b, i, job, c)
    if decision.effect != DONE or route == HOLD:
        return
    job.action, job.decided_slot, job.decider = c, w.episode[b].slot, i
    _pop_head(w, b, i)
    if route == REJECT:
        end_job(w, b, job, REJECTED, now_s)
    else:
        _send(w, b, i, job, c, now_s)
