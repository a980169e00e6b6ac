"""What a kind of job does, leg by leg. A leg says where and with what; what it costs is worked out when it begins, one without work is
skipped, and none names the next: that is the table."""

from __future__ import annotations

import numpy as np

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import codes, finetune, inference, notes, requeue, stream
from edge6g_env.kernel.places import air, cloud, device, link, node

_ = 0  # a leg that has one part of a job only
# The setup pass: forward through the device, over the air, through the ingress, over the link, through the target; then tokens. A kind
# whose answer is more than tokens of 4 bytes sets job.back_bytes and goes BACK over the link and by DOWNLOAD over the air, as it came.
_INFERENCE = (
    (codes.DEVICE, _),
    (codes.UPLINK, _),
    (codes.NODE_PREFILL, codes.INGRESS),
    (codes.LINK, _),
    (codes.NODE_PREFILL, codes.TARGET),
    (codes.CLOUD_WAIT, codes.TARGET),
    (codes.DECODE, _),
    (codes.DOWNLINK, _),
)
# Setup, memory, then steps: forward and backward, by way of the device's head where labels stay there; at the end of a round the average.
_FINETUNE = (
    (codes.DEVICE, finetune.LOAD),
    (codes.DOWNLOAD, finetune.ADAPTER),
    (codes.UPLINK, finetune.DATA),
    (codes.LINK, finetune.DATA),
    (codes.ADMIT, _),
    (codes.MEET, finetune.BEGINNING),
    (codes.DEVICE, finetune.FORWARD),
    (codes.UPLINK, finetune.CUT),
    (codes.LINK, finetune.CUT),
    (codes.TRAIN, finetune.FORWARD),
    (codes.BACK, finetune.TOP),
    (codes.DOWNLOAD, finetune.TOP),
    (codes.DEVICE, finetune.HEAD),
    (codes.UPLINK, finetune.TOP),
    (codes.LINK, finetune.TOP),
    (codes.TRAIN, finetune.BACKWARD),
    (codes.BACK, finetune.CUT),
    (codes.DOWNLOAD, finetune.CUT),
    (codes.DEVICE, finetune.BACKWARD),
    (codes.STEP, _),
    (codes.UPLINK, finetune.UPDATE),
    (codes.MEET, finetune.END),
    (codes.DOWNLOAD, finetune.AVERAGE),
    (codes.LOOP, 5),
)
AVERAGE = _FINETUNE.index((codes.DOWNLOAD, finetune.AVERAGE))  # the leg with which all go on after a round
_WAYS = {"inference": _INFERENCE, "finetune": _FINETUNE}
KINDS = tuple(_WAYS)
_LONGEST = 1 + max(map(len, _WAYS.values()))
# (kinds, legs, 2) stage, part or what else the leg is about; after the last leg comes END. A LOOP goes back to the leg of its number as
# long as there are steps to do.
LEGS = np.array([[*way, *[(codes.END, _)] * (_LONGEST - len(way))] for way in _WAYS.values()])
_INFERENCE_NAMES = {
    (codes.DEVICE, _): "device",
    (codes.UPLINK, _): "uplink",
    (codes.NODE_PREFILL, codes.INGRESS): "ingress",
    (codes.LINK, _): "link",
    (codes.NODE_PREFILL, codes.TARGET): "target",
    (codes.CLOUD_WAIT, codes.TARGET): "cloud",
    (codes.DECODE, _): "decode",
    (codes.DOWNLINK, _): "downlink",
    (codes.BACK, _): "back",
    (codes.DOWNLOAD, _): "download",
}
_FINETUNE_NAMES = {
    (codes.DEVICE, finetune.LOAD): "device load",
    (codes.DOWNLOAD, finetune.ADAPTER): "adapter down",
    (codes.UPLINK, finetune.DATA): "data up",
    (codes.LINK, finetune.DATA): "data over the link",
    (codes.ADMIT, _): "memory",
    (codes.MEET, finetune.BEGINNING): "wait for a round",
    (codes.DEVICE, finetune.FORWARD): "device forward",
    (codes.UPLINK, finetune.CUT): "activations up",
    (codes.LINK, finetune.CUT): "activations over the link",
    (codes.TRAIN, finetune.FORWARD): "server forward",
    (codes.BACK, finetune.TOP): "states back over the link",
    (codes.DOWNLOAD, finetune.TOP): "states down",
    (codes.DEVICE, finetune.HEAD): "device head",
    (codes.UPLINK, finetune.TOP): "head gradients up",
    (codes.LINK, finetune.TOP): "head gradients over the link",
    (codes.TRAIN, finetune.BACKWARD): "server",
    (codes.BACK, finetune.CUT): "gradients back over the link",
    (codes.DOWNLOAD, finetune.CUT): "gradients down",
    (codes.DEVICE, finetune.BACKWARD): "device backward",
    (codes.UPLINK, finetune.UPDATE): "adapter up",
    (codes.MEET, finetune.END): "wait for the others",
    (codes.DOWNLOAD, finetune.AVERAGE): "average down",
}
LEG_NAMES = (_INFERENCE_NAMES, _FINETUNE_NAMES)  # of each kind, in words, for those who look at a job
_AT_NODES = 2  # first leg of a sequence that is computed again and whose prompt the nodes have


@njit_inner
def _begin_leg(w, b, job, stage, p):
    if stage == codes.DEVICE:
        return device.begin(w, b, job)
    if stage == codes.UPLINK:
        return air.begin(w, b, job)
    if stage == codes.NODE_PREFILL:
        return node.begin(w, b, job, p)
    if stage == codes.LINK:
        return link.begin(w, b, job)
    if stage == codes.CLOUD_WAIT:
        return cloud.begin(w, b, job)
    if stage == codes.DECODE:
        return stream.begin(w, b, job)
    if stage == codes.BACK:
        return link.begin_back(w, b, job)
    if stage == codes.DOWNLOAD:
        return air.begin_download(w, b, job)
    return stream.begin_delivery(w, b, job)


@njit_inner
def advance(w, b, job, t0, t1):
    """Go on with the present leg until t1, where the job advances on its own."""
    if job.stage == codes.DEVICE:
        return device.advance(w, b, job, t1)
    if job.stage == codes.UPLINK or job.stage == codes.DOWNLOAD:
        return air.advance(w, b, job, t0, t1)
    if job.stage == codes.LINK or job.stage == codes.BACK:
        return link.advance(w, b, job, t0, t1)
    if job.stage == codes.DECODE:
        return stream.advance(w, b, job, t1)
    if job.stage == codes.TRAIN:
        return cloud.advance_step(job, t1)
    return stream.advance_delivery(w, b, job, t1)


@njit_inner
def begin(w, b, job, leg):
    """Begin a leg of the job's way, or the first one after it that has work."""
    job.leg, kind = leg, w.service[job.service].kind
    while True:
        stage, p, start_s = LEGS[kind, job.leg, 0], LEGS[kind, job.leg, 1], job.clock_s
        if stage == codes.LOOP:
            job.leg = p if finetune.goes_on(w, job) else job.leg + 1
            continue
        if stage == codes.END:
            job.stage, job.stage_s, state = codes.END, job.clock_s, codes.UNDER_WAY
        elif kind == codes.FINETUNE:
            state = finetune.begin_leg(w, b, job, stage, p)
        else:
            state = _begin_leg(w, b, job, stage, p)
        if state != codes.OVER and (notes.are_kept(w) or job.number == w.episode[b].watched):
            notes.of_leg(w, b, job, stage, p, start_s)
        if state == codes.LOST:
            requeue.lose(w, b, job, p if kind == codes.INFERENCE else finetune.server_part(job), job.clock_s)
        if state != codes.OVER:
            return
        job.leg += 1


@njit_inner
def count(w, b, job, t0):
    """Count a job that goes on from t0 on among those that share what its leg uses."""
    if job.stage == codes.DECODE:
        for p in range(job.first_part, node.end_part(w, job)):
            node.count(w, b, job, w.part[b, job.row, p])
    elif job.stage == codes.UPLINK or job.stage == codes.DOWNLOAD:
        air.count(w, b, job, t0)
    elif job.stage == codes.LINK or job.stage == codes.BACK:
        link.count(w, b, job, t0)


# --- what an action means for a job of a kind ---------------------------------------------------------------------------------


@njit_inner
def refuse(w, b, i, job, c):
    """Why action c of node i, which is neither hold nor reject, is illegal."""
    if w.service[job.service].kind == codes.FINETUNE:
        return finetune.refuse(w, b, i, job, c)
    return inference.refuse(w, b, i, job, c)


@njit_inner
def take(w, b, i, job, c):
    """Note what action c of node i means."""
    if w.service[job.service].kind == codes.FINETUNE:
        finetune.take(w, b, i, job, c)
    else:
        inference.take(w, b, i, job, c)


@njit_inner
def forecast(w, b, i, job, c):
    """Add what is expected of action c to w.forecast[b]."""
    inference.forecast(w, b, i, job, c)


@njit_inner
def finish(w, b, job):
    """Go on with the next leg."""
    begin(w, b, job, job.leg + 1)


@njit_inner
def compute_again(w, b, job):
    """Begin the setup pass anew, of the prompt and what was generated: the device computes its part again, nodes have the tokens."""
    job.prefilled = 0.0
    if job.draft >= 0:
        device.begin(w, b, job)
    begin(w, b, job, 0 if job.device_layers > 0 else _AT_NODES)
