"""The setup pass of a job, up to its first token: device part, upload, ingress part, link, target part.

What a node computes of it is in engine.py. After a preemption or a fault the pass takes the prompt and what was generated.
"""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import air, costing, generation, memory, requeue, way
from edge6g_env.kernel.world import (
    AT_CLOUD,
    CLOUD_WAIT,
    DEVICE,
    INBOX,
    LINK,
    NODE_PREFILL,
    TURNED_AWAY,
    UPLINK,
    WAITING,
)


@njit_inner
def begin_setup(w, b, job, start_s, sent_before):
    """Start the setup pass of a job at its first part; after a preemption or a fault the prompt includes what was generated.
    sent_before: the nodes know these tokens already."""
    job.clock_s, job.prefilled = start_s, 0.0
    if job.layer_1 > 0:
        _begin_device(w, b, job)
    elif sent_before:
        _begin_node_parts(w, b, job)
    else:
        _begin_upload(w, b, job)


@njit_inner
def _begin_device(w, b, job):
    mobility, ue, v = w.mobility[0], w.ue[b, job.ue], job.variant
    if job.on_device == 0:
        job.on_device = 1
        ue.device_jobs += 1
    job.left_s = device_load_s(w, ue, v, job.layer_1)
    if ue.device_variant != v:
        ue.device_variant, ue.device_layers = v, job.layer_1
    ue.device_layers = max(ue.device_layers, job.layer_1)
    with_head = not way.needs_upload(w, job)
    compute_s = costing.whole_prompt_s(w, mobility.ue_device, v, job.layer_1, job.setup_tokens, with_head)
    job.left_s += compute_s
    job.energy_j += compute_s * costing.prefill_power_w(w, mobility.ue_device)
    job.stage, job.stage_s = DEVICE, job.clock_s


@njit_inner
def device_load_s(w, ue, v, layer_1):
    """Time in s to read from the UE's storage what layers [0, layer_1) of v lack on the device."""
    held = ue.device_layers if ue.device_variant == v else 0
    if held >= layer_1:
        return 0.0
    missing = costing.weight_bytes(w, v, 0, layer_1) - costing.weight_bytes(w, v, 0, held)
    return missing / w.device[w.mobility[0].ue_device].load_bytes_s


@njit_inner
def _begin_upload(w, b, job):
    prices = w.prices[0]
    raw = job.layer_1 == 0
    job.left_bytes = costing.prompt_bytes(w, job, job.variant, job.setup_tokens, raw)
    job.air_bytes += job.left_bytes
    job.price_usd += job.left_bytes * prices.usd_per_air_byte
    if raw:
        job.raw_left = 1
    job.clock_s += air.uplink_access_s(w, b, job)
    job.stage, job.stage_s = UPLINK, job.clock_s


@njit_inner
def _begin_node_parts(w, b, job):
    if job.layer_2 > job.layer_1:
        enter_inbox(w, b, job, 0)
    else:
        _begin_link(w, b, job)


@njit_inner
def enter_inbox(w, b, job, part):
    """Queue at a node; a full inbox is tried again in the next substep."""
    i = memory.part_node(job, part)
    node, server = w.node[b, i], w.server[b, i]
    if node.up == 0:
        requeue.lose(w, b, job, part, job.clock_s)
        return
    job.part, job.stage, job.stage_s, job.prefilled, job.admitted = part, NODE_PREFILL, job.clock_s, 0.0, WAITING
    if server.n_inbox == w.queue.shape[3]:
        job.admitted = TURNED_AWAY
        return
    w.queue[b, i, INBOX, server.n_inbox] = job.row
    server.n_inbox += 1
    memory.join_node(w, b, job, part)


@njit_inner
def _begin_link(w, b, job):
    raw = job.layer_2 == 0
    job.left_bytes = costing.prompt_bytes(w, job, job.variant, job.setup_tokens, raw)
    way.pay_link(w, job, job.left_bytes)
    job.stage, job.stage_s = LINK, job.clock_s


@njit_inner
def _arrive_at_target(w, b, job):
    job.clock_s += way.crossing_s(w, b, job)
    episode = w.episode[b]
    if not way.to_cloud(w, job):
        enter_inbox(w, b, job, 1)
        return
    if episode.cloud_up == 0:
        requeue.lose(w, b, job, 1, job.clock_s)
        return
    job.stage, job.stage_s = CLOUD_WAIT, job.clock_s
    w.roster[b, AT_CLOUD, episode.n_cloud_wait] = job.row
    episode.n_cloud_wait += 1


@njit_inner
def start_in_cloud(w, b, job, start_s):
    """Give the job one of the cloud's places at start_s: its part is computed at once, tokens are paid by the list."""
    cloud, v, service = w.cloud[0], job.variant, w.service[job.service]
    w.episode[b].cloud_running += 1
    job.in_cloud = 1
    w.node[b, job.ingress].cloud_seen_wait_s = start_s - job.clock_s
    w.node[b, job.ingress].cloud_seen_s = start_s
    layers = w.model[v].layers - job.layer_2
    share = layers / w.model[v].layers
    job.price_usd += share * job.setup_tokens * service.usd_per_input_token
    compute_s = costing.whole_prompt_s(w, cloud.cloud_device, v, layers, job.setup_tokens, True)
    job.energy_j += compute_s * costing.prefill_power_w(w, cloud.cloud_device)
    job.cloud_decode_s = generation.cloud_decode_s(w, v, share, job.setup_tokens + service.mean_output_tokens / 2.0)
    job.clock_s = start_s + compute_s
    generation.begin_decode(w, job)


@njit_inner
def after_part(w, b, job):
    """What follows when a node has finished the job's prefill part, at the job's clock."""
    if job.part == 0 and way.has_target(w, job):
        _begin_link(w, b, job)
    else:
        generation.begin_decode(w, job)


@njit_inner
def advance_device(w, b, job, t1):
    """Load and compute on the device until t1; its jobs share its time."""
    share = max(1, w.ue[b, job.ue].device_jobs)
    need_s = job.left_s * share
    if job.clock_s + need_s > t1:
        job.left_s -= (t1 - job.clock_s) / share
        job.clock_s = t1
        return
    job.clock_s += need_s
    job.left_s = 0.0
    if way.needs_upload(w, job):
        _begin_upload(w, b, job)
    else:
        generation.begin_decode(w, job)


@njit_inner
def advance_upload(w, b, job, t0, t1):
    """Send over the air until t1, beside the cell's other senders; a handover or an outage interrupts."""
    ue = w.ue[b, job.ue]
    senders = w.node[b, ue.node].n_senders
    if job.stage_s >= t0:
        senders += 1  # began in this substep, so it was not counted
    start_s = max(job.clock_s, min(ue.silent_until_s, t1))
    if start_s >= t1:
        job.clock_s = t1
        return
    rate, error_rate = air.uplink(w, b, job.ue, max(1, senders), start_s)
    if rate <= 0.0:
        job.clock_s = t1
        return
    need_s = 8.0 * job.left_bytes / rate
    sent_s = min(need_s, t1 - start_s)
    job.energy_j += sent_s * w.mobility[0].tx_power_w
    if start_s + need_s > t1:
        job.left_bytes -= sent_s * rate / 8.0
        job.clock_s = t1
        return
    job.clock_s = start_s + need_s + way.hop_s(w, b, job) + air.retransmission_s(w, b, job, air.UPLOAD, error_rate)
    job.left_bytes = 0.0
    _begin_node_parts(w, b, job)


@njit_inner
def advance_link(w, b, job, t0, t1):
    """Send over the link to the target until t1, its rate shared with the other transfers; a link that is down loses the job."""
    if way.is_cut_off(w, b, job):
        requeue.lose(w, b, job, 0, job.clock_s)
        return
    if way.to_cloud(w, job):
        transfers = w.node[b, job.ingress].n_backhaul
    else:
        transfers = w.link[b, job.ingress, job.link].n_transfers
    if job.stage_s >= t0:
        transfers += 1
    rate = way.link_rate_bit_s(w, job)
    need_s = 8.0 * job.left_bytes * max(1, transfers) / rate
    if job.clock_s + need_s > t1:
        job.left_bytes -= (t1 - job.clock_s) * rate / (8.0 * max(1, transfers))
        job.clock_s = t1
        return
    job.clock_s += need_s
    job.left_bytes = 0.0
    _arrive_at_target(w, b, job)
