"""Split fine-tuning (COSTS 7; Lin et al., arXiv 2309.16739): what an action means for a training job, what its legs need, and what is
expected of it.

The first layers run on the device, all others at one server: the ingress, a neighbour, or the cloud. What crosses the cut depends on how
deep it is: behind no layer the data go up once, behind all of them nothing does, and between each step sends activations with the labels
up and gradients down. The labels of a language model are its text; where that stays on the device, head and loss do too (U-shaped:
Vepakomma et al., arXiv 1812.00564): states of the last layer come down as well, and their gradients go up.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_seldom
from edge6g_env.kernel import codes, costing, inference, worth
from edge6g_env.kernel.places import air, cloud, device, link, node, training

# What a leg is about: the part of a step that is computed, or what is sent.
LOAD, FORWARD, HEAD, BACKWARD = range(4)
DATA, ADAPTER, CUT, TOP, UPDATE, AVERAGE = range(4, 10)
BEGINNING, END = range(10, 12)  # of a round


@njit_seldom
def server_part(job):
    """The node part that trains: at the ingress, or at the target."""
    return codes.TARGET if link.is_used(job) else codes.INGRESS


@njit_seldom
def _server_layers(w, job):
    return w.model[job.variant].layers - job.device_layers


@njit_seldom
def _tokens(w, job):
    """Tokens of a step."""
    return w.service[job.service].step_tokens * w.service[job.service].step_sequences


@njit_seldom
def _exposure(w, job, v, layers):
    """Share of the data that what leaves the device behind `layers` layers gives away: labels are the text itself."""
    if layers == w.model[v].layers:
        return 0.0
    return 1.0 if w.service[job.service].u_shape == 0 else w.exposure[v, layers]


# --- what an action means --------------------------------------------------------------------------------------------------------------


@njit_seldom
def _device_bytes(w, s, v, layers):
    """What `layers` layers of variant v hold on the device beside weights: with a cut and labels that stay, the head too."""
    own_bytes = training.own_bytes(w, s, v, layers)
    if w.service[s].u_shape == 1 and 0 < layers < w.model[v].layers:
        own_bytes += w.tuning[s, v].head_bytes
    return own_bytes


@njit_seldom
def refuse(w, b, i, job, c):
    """Why action c is illegal for a training job at node i, as inference.refuse."""
    route, choice = w.action[c].route, w.choice[job.service, w.action[c].model]
    v, target, cloud_node = inference.variant_of(w, job, c), inference.target_of(w, b, i, route), w.node.shape[1]
    layer_1, layer_2, total = w.action_layers[c, v, 0], w.action_layers[c, v, 1], w.model[v].layers
    why = air.refuse(w, job, layer_1) if choice.weights >= 0 else codes.NO_MODEL
    if why == codes.DONE and w.action[c].draft == 1:
        why = codes.NO_DRAFT
    if why == codes.DONE and target >= 0 and layer_2 > layer_1:
        why = codes.NO_NODE_CUT
    if why == codes.DONE and target == cloud_node:
        why = cloud.refuse(w, b, i, job, layer_1)
        if why == codes.DONE and w.service[job.service].privacy == codes.SITE:
            why = codes.LABELS_LEAVE
    if why == codes.DONE and layer_2 > layer_1:
        why = node.refuse_down(w, b, i, codes.LOCAL)
    if why == codes.DONE and target >= 0:
        why = link.refuse(w, b, i, route, target)
    if why == codes.DONE and 0 <= target < cloud_node:
        why = node.refuse_down(w, b, i, route)
    if why == codes.DONE:
        why = device.refuse(w, b, job, v, layer_1, _device_bytes(w, job.service, v, layer_1))
    if why == codes.DONE and layer_1 < total and target != cloud_node:
        server = i if target < 0 else target
        why = node.refuse(w, server, v, layer_1, total, training.own_bytes(w, job.service, v, total - layer_1))
    return why


@njit_seldom
def take(w, b, i, job, c):
    """Note where action c of node i has the job trained."""
    inference.take(w, b, i, job, c)
    job.device_kv_bytes = _device_bytes(w, job.service, job.variant, job.device_layers)


# --- its legs --------------------------------------------------------------------------------------------------------------------------


@njit_seldom
def goes_on(w, job):
    """Whether another step follows."""
    return not training.is_done(w, job)


@njit_seldom
def _is_cut(w, job):
    return 0 < job.device_layers < w.model[job.variant].layers


@njit_seldom
def _sent_bytes(w, job, what):
    """Bytes that a leg sends, 0 if it has nothing to send."""
    service, layers = w.service[job.service], job.device_layers
    if what == DATA:
        left = service.steps - job.done_steps
        return costing.TOKEN_BYTES * _tokens(w, job) * left + service.payload_bytes if layers == 0 else 0.0
    if what in (ADAPTER, UPDATE, AVERAGE):
        return w.tuning[job.service, job.variant].adapter_bytes * layers
    if not _is_cut(w, job) or (what == TOP and service.u_shape == 0):
        return 0.0
    return _tokens(w, job) * w.model[job.variant].boundary_bytes


@njit_seldom
def _label_bytes(w, job):
    return costing.TOKEN_BYTES * _tokens(w, job) if w.service[job.service].u_shape == 0 else 0.0


@njit_seldom
def _device_s(w, job, what):
    """Seconds that the device computes in a leg; a job that it trains alone is done with the first."""
    layers, total, device_ = job.device_layers, w.model[job.variant].layers, device.accelerator(w, job)
    if layers == 0:
        return 0.0
    times = w.tuning_s[job.service, device_, job.variant]
    if layers == total:
        return costing.step_s(w, job.service, device_, job.variant, layers, True) if what == FORWARD else 0.0
    if what == HEAD:
        return times[2] if w.service[job.service].u_shape == 1 else 0.0
    return layers * (times[0] if what == FORWARD else times[1])


@njit_seldom
def _server_s(w, b, job, what):
    """Seconds that the server computes in a leg: with the head all at once, else there and back."""
    layers, accelerator = _server_layers(w, job), w.cloud[0].cloud_device
    if job.in_cloud == 0:
        accelerator = w.site[w.part[b, job.row, server_part(job)].node].accelerator
    if w.service[job.service].u_shape == 0:
        return costing.step_s(w, job.service, accelerator, job.variant, layers, True) if what == BACKWARD else 0.0
    return layers * w.tuning_s[job.service, accelerator, job.variant, 0 if what == FORWARD else 1]


@njit_seldom
def _send(w, b, job, what):
    """Over the air: what goes up with its exposure."""
    sent_bytes = _sent_bytes(w, job, what)
    if sent_bytes <= 0.0:
        return codes.OVER
    if what == UPDATE:
        return air.send(w, b, job, sent_bytes, 0.0)
    labels_bytes = _label_bytes(w, job) if what == CUT else 0.0
    exposure = _exposure(w, job, job.variant, job.device_layers)
    return air.send(w, b, job, sent_bytes + labels_bytes, exposure)


@njit_seldom
def _cross(w, job, what):
    """Over the link, if the server is behind one; what goes to the cloud with its exposure."""
    sent_bytes = _sent_bytes(w, job, what)
    if not link.is_used(job) or sent_bytes <= 0.0:
        return codes.OVER
    if what != UPDATE and link.leads_to_cloud(w, job):
        job.exposure_site = max(job.exposure_site, _exposure(w, job, job.variant, job.device_layers))
    return link.send(w, job, sent_bytes + (_label_bytes(w, job) if what == CUT else 0.0))


@njit_seldom
def _ask(w, b, job):
    """Wait for memory at the server, or for an accelerator of the cloud."""
    job.asks_at = job.leg
    if _server_layers(w, job) == 0:
        return codes.OVER
    if link.is_used(job) and link.leads_to_cloud(w, job):
        return cloud.join_queue(w, b, job, 0.0)  # nothing is there yet, see _cross
    p = server_part(job)
    if w.node[b, w.part[b, job.row, p].node].up == 0:
        job.part = p
        return codes.LOST
    return training.ask(w, b, job, p)


@njit_seldom
def _train(w, b, job, what):
    compute_s = _server_s(w, b, job, what) if _server_layers(w, job) > 0 else 0.0
    if compute_s <= 0.0:
        return codes.OVER
    if job.in_cloud == 1:
        return cloud.begin_step(w, job, compute_s)
    return training.begin(w, b, job, server_part(job), compute_s)


@njit_seldom
def _round_is_over(w, job):
    """Whether the job has done all steps of its round, after which it meets the others."""
    return job.members > 1 and job.run_steps >= training.round_steps(w, job)


@njit_seldom
def _meet(w, job, what):
    """Wait for the beginning of a round, if the job is in none, or for its end; rounds.py lets it go on."""
    if (what == BEGINNING and (job.members == 1 or job.in_round == 1)) or (what == END and not _round_is_over(w, job)):
        return codes.OVER
    job.stage, job.stage_s = codes.MEET, job.clock_s
    return codes.UNDER_WAY


@njit_seldom
def begin_leg(w, b, job, stage, what):
    """Begin a leg of a training job."""
    if stage == codes.DEVICE:
        if what == LOAD:
            return device.begin_load(w, b, job)
        return device.begin_work(w, b, job, 0.0, _device_s(w, job, what))
    if stage == codes.ADMIT:
        return _ask(w, b, job)
    if stage == codes.TRAIN:
        return _train(w, b, job, what)
    if stage == codes.STEP:
        training.count_step(w, job)
        return codes.OVER
    if stage == codes.MEET:
        return _meet(w, job, what)
    if (what == UPDATE and not _round_is_over(w, job)) or (what == AVERAGE and job.average == 0):
        return codes.OVER
    if stage == codes.UPLINK:
        return _send(w, b, job, what)
    if stage == codes.LINK:
        return _cross(w, job, what)
    job.back_bytes, job.average = _sent_bytes(w, job, what), 0
    return link.begin_back(w, b, job) if stage == codes.BACK else air.begin_download(w, b, job)


# --- what agents expect ----------------------------------------------------------------------------------------------------------------


@njit_seldom
def _expect_messages(w, b, job, v, layers, target):
    """Add what a training job sends with `layers` layers on the device: before its steps, with each, and at the ends of rounds."""
    service, expected, wired, hop_s = w.service[job.service], w.forecast[b], w.wired[0], link.hop_s(w, b, job)
    band, tokens = w.band[w.site[w.ue[b, job.ue].node].band], _tokens(w, job)
    adapter_bytes, in_cloud = w.tuning[job.service, v].adapter_bytes * layers, target == w.node.shape[1]
    rate = wired.backhaul_rate_bit_s if in_cloud else wired.xn_rate_bit_s
    delay_s = wired.backhaul_delay_s if in_cloud else wired.xn_delay_s
    up_s, down_s = band.uplink_access_s + hop_s, band.downlink_access_s + hop_s
    if layers == 0:
        data_bytes = costing.TOKEN_BYTES * tokens * (service.steps - job.done_steps) + service.payload_bytes
        expected.upload_s = up_s + 8.0 * data_bytes / expected.up_bit_s
        expected.time_s += expected.upload_s
        expected.setup_air_bytes += data_bytes
        if target >= 0:
            expected.time_s += delay_s + 8.0 * data_bytes / rate
            expected.setup_link_bytes += data_bytes
        return
    expected.time_s += down_s + 8.0 * adapter_bytes / expected.down_bit_s
    expected.setup_air_bytes += adapter_bytes
    if job.members > 1:
        left = service.steps - job.done_steps
        rounds = math.ceil(left / service.aggregate_every) / left  # a step; the last one may be shorter
        send_s = 8.0 * adapter_bytes / expected.up_bit_s
        expected.token_s += rounds * (up_s + send_s + down_s + 8.0 * adapter_bytes / expected.down_bit_s)
        expected.air_bytes += rounds * 2.0 * adapter_bytes
        expected.energy_j += rounds * w.equipment[job.ue].tx_power_w * send_s
    if layers == w.model[v].layers:
        return
    times, cut_bytes = 1.0 + service.u_shape, tokens * w.model[v].boundary_bytes
    sent_bytes = times * cut_bytes + (costing.TOKEN_BYTES * tokens if service.u_shape == 0 else 0.0)
    expected.token_s += times * (up_s + down_s)
    expected.token_s += 8.0 * (sent_bytes / expected.up_bit_s + times * cut_bytes / expected.down_bit_s)
    expected.air_bytes += sent_bytes + times * cut_bytes
    expected.energy_j += w.equipment[job.ue].tx_power_w * 8.0 * sent_bytes / expected.up_bit_s
    if target >= 0:
        expected.token_s += 2.0 * times * delay_s + 8.0 * (sent_bytes + times * cut_bytes) / rate
        expected.backhaul_bytes += sent_bytes + times * cut_bytes


@njit_seldom
def _expect_device(w, b, job, v, layers):
    """Add the device's part of each step, beside the jobs that compute there now."""
    if layers == 0:
        return
    service, expected, device_ = w.service[job.service], w.forecast[b], device.accelerator(w, job)
    whole = layers == w.model[v].layers
    compute_s = costing.step_s(w, job.service, device_, v, layers, whole or service.u_shape == 1)
    expected.load_s += device.missing_s(w, b, job, v, layers)
    expected.time_s += expected.load_s
    expected.token_s += compute_s * (1.0 + w.ue[b, job.ue].device_busy)
    expected.energy_j += compute_s * w.device[device_].prefill_w


@njit_seldom
def _expect_server(w, b, i, job, v, layers, target, route):
    """Add the server's part of each step; returns what it costs a second, where it is paid by the time that it is held."""
    total, service = w.model[v].layers, w.service[job.service]
    if layers == total:
        return 0.0
    with_head, cloud_device = service.u_shape == 0, w.cloud[0].cloud_device
    if target == w.node.shape[1]:
        compute_s = costing.step_s(w, job.service, cloud_device, v, total - layers, with_head)
        cloud.forecast_training(w, b, i, service.expire_s, compute_s)
        return w.cloud[0].usd_s
    p = node.OWN if target < 0 else node.OWN + 1 + route - codes.NEIGHBOUR
    accelerator = w.site[i if target < 0 else target].accelerator
    compute_s = costing.step_s(w, job.service, accelerator, v, total - layers, with_head)
    node.forecast_training(w, b, i, p, v, layers, job, compute_s)
    return 0.0


@njit_seldom
def _credited(service, job, steps, left):
    """Steps that count of those done by the deadline, where `left` are asked for: whole ones, of several UEs those of whole rounds."""
    if steps >= left:
        return steps
    if job.members == 1:
        return float(math.floor(steps))
    return math.floor(steps / service.aggregate_every) * service.aggregate_every


@njit_seldom
def expect(w, b, i, job, c):
    """Fill w.forecast[b], which is clear, with what action c of node i should bring a training job; returns its utility. Time to first
    token is the setup, time per token a step; steps that are not done at the deadline are lost, the others are not."""
    service, expected, model = w.service[job.service], w.forecast[b], w.action[c].model
    v, route = inference.variant_of(w, job, c), w.action[c].route
    target, layers = inference.target_of(w, b, i, route), w.action_layers[c, v, 0]
    in_cloud = target == w.node.shape[1]
    _expect_messages(w, b, job, v, layers, target)
    _expect_device(w, b, job, v, layers)
    usd_s = _expect_server(w, b, i, job, v, layers, target, route)
    start_s = w.episode[b].now_s - job.arrival_s + expected.time_s
    left = service.steps - job.done_steps
    steps = max(0.0, min(left, (service.expire_s - start_s) / max(expected.token_s, 1e-9)))
    expected.progress = (job.done_steps + _credited(service, job, steps, left)) / service.steps
    expected.busy_s *= steps
    expected.energy_j *= steps
    if layers == 0:
        expected.energy_j += w.equipment[job.ue].tx_power_w * 8.0 * expected.setup_air_bytes / expected.up_bit_s
    expected.air_bytes = expected.setup_air_bytes + steps * expected.air_bytes
    expected.backhaul_bytes = expected.setup_link_bytes + steps * expected.backhaul_bytes
    expected.price_usd = steps * (expected.price_usd + usd_s * expected.token_s)
    expected.price_usd += expected.air_bytes * w.prices[0].usd_per_air_byte
    if in_cloud:
        expected.price_usd += expected.backhaul_bytes * w.prices[0].usd_per_backhaul_byte
        expected.price_usd += steps * _egress_bytes(w, job, v, layers) * w.prices[0].usd_per_egress_byte
    else:
        expected.backhaul_bytes = 0.0
    left_device = _exposure(w, job, v, layers)
    given_away = worth.expose(w, b, job, left_device, left_device if in_cloud else 0.0)
    quality = worth.quality(w, job.service, model, v)
    expected.ttft_s, expected.tpot_s, expected.quality = start_s, expected.token_s, quality
    expected.timeliness = 1.0
    price, energy, exposed = worth.costs_of(w, service, expected.price_usd, expected.energy_j, given_away)
    lost = (1.0 - expected.progress) * worth.cost_of_end(w, codes.EXPIRED)
    return service.value * quality * expected.progress - lost - (price + energy + exposed)


@njit_seldom
def _egress_bytes(w, job, v, layers):
    """What a step sends back from its server."""
    if layers == 0:
        return 0.0
    return (1.0 + w.service[job.service].u_shape) * _tokens(w, job) * w.model[v].boundary_bytes
