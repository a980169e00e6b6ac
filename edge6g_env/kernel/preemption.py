"""A sequence that outgrows its KV memory reserves another block; if there is none, the youngest makes way (recomputation, as vLLM does).

One that outgrows what its node could give it with nobody beside it must go elsewhere: an engine bounds its context by the memory that it
starts with, and a sequence that waited for such a block would wait for ever, and let nobody pass.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import codes, costing, legs
from edge6g_env.kernel.ledger import release
from edge6g_env.kernel.places import memory, node, training


@njit_inner
def grow_kv(w, b, job):
    """Reserve blocks where the sequence has outgrown its reservation; without room the youngest goes, which may be the job itself. Returns
    False if a node could not hold the sequence even alone."""
    while job.prompt_tokens + job.done_tokens > job.kv_tokens:
        wanted = job.kv_tokens + memory.KV_BLOCK_TOKENS
        for p in range(job.first_part, node.end_part(w, job)):
            part = w.part[b, job.row, p]
            if part.state < codes.WAITING:
                continue
            want_bytes = costing.kv_bytes(w, job.variant, part.high - part.low, wanted)
            more_bytes, adapter = want_bytes - part.kv_bytes, memory.adapter_of(w, job)
            if _alone_bytes(w, job, part, adapter) + want_bytes > w.site[part.node].usable_bytes:
                return False
            while not memory.make_room(w, b, part.node, more_bytes, job.variant, adapter):
                if training.make_way(w, b, part.node, job.clock_s):
                    continue
                if _preempt_youngest(w, b, part.node, job.clock_s) == job.row:
                    return True
            memory.hold_kv(w, b, part, want_bytes)
        job.kv_tokens = wanted
    return True


@njit_inner
def _alone_bytes(w, job, part, adapter):
    """What a node holds for a part beside its KV."""
    return costing.weight_bytes(w, job.variant, part.low, part.high) + (w.lora[adapter].bytes if adapter >= 0 else 0.0)


@njit_seldom
def _preempt_youngest(w, b, i, at_s):
    """Put back the sequence at node i that was admitted last; returns its row, -1 for none."""
    youngest = -1
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        ingress, target = w.part[b, job.row, codes.INGRESS], w.part[b, job.row, codes.TARGET]
        holds = (ingress.node == i and ingress.kv_bytes > 0.0) or (target.node == i and target.kv_bytes > 0.0)
        if not holds or (job.stage != codes.DECODE and job.stage != codes.NODE_PREFILL):
            continue
        last = w.job[b, youngest]
        if youngest < 0 or job.admit_s > last.admit_s or (job.admit_s == last.admit_s and job.number > last.number):
            youngest = job.row
    if youngest < 0:
        return -1
    job = w.job[b, youngest]
    if job.stage == codes.NODE_PREFILL:
        job.clock_s = max(job.clock_s, at_s)  # it was that of its admission
    release(w, b, job, job.clock_s)
    job.done_tokens = math.floor(job.done_tokens)  # the token under way is lost
    job.setup_tokens = job.prompt_tokens + job.done_tokens
    job.kv_tokens = max(job.kv_tokens, job.setup_tokens + memory.KV_BLOCK_TOKENS)
    w.tally[b].preempted += 1
    legs.compute_again(w, b, job)
    return youngest
