"""Weights, adapters and KV cache at a node: what is resident, who holds what. weights + adapters + KV + what training holds <= memory,
always.

A variant (a model at a precision) is resident as one range of layers; a part outside it extends the range. Idle variants are
evicted, least recently used first. A sequence reserves KV for its prompt and expected output when it is admitted, and grows by
blocks when its output is longer.
"""

from __future__ import annotations

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import codes, notes
from edge6g_env.kernel.costing import weight_bytes
from edge6g_env.kernel.rows import take_out

KV_BLOCK_TOKENS = 64.0  # a sequence that outgrows its reservation grows by this; judgement, four of vLLM's blocks
_PRELOAD_SHARE = 0.5  # of a node's memory; judgement


@njit_inner
def adapter_of(w, job):
    """LoRA adapter of the job's model, -1 for none."""
    return w.choice[job.service, job.model].adapter


@njit_inner
def is_resident(w, b, i, v, low, high):
    """Whether node i holds layers [low, high) of variant v."""
    variant = w.variant[b, i, v]
    return variant.low <= low and high <= variant.high and variant.high > variant.low


@njit_inner
def joined_range(w, b, i, v, low, high):
    """The resident range of v extended to hold [low, high)."""
    variant = w.variant[b, i, v]
    if variant.high <= variant.low:
        return low, high
    return min(low, variant.low), max(high, variant.high)


@njit_inner
def bytes_to_load(w, b, i, v, low, high):
    """Bytes that node i has to load to hold [low, high) of v as well."""
    joined_low, joined_high = joined_range(w, b, i, v, low, high)
    held = weight_bytes(w, v, w.variant[b, i, v].low, w.variant[b, i, v].high)
    return weight_bytes(w, v, joined_low, joined_high) - held


@njit_seldom
def empty_server(w, b, i, now_s):
    """Leave the server of node i at now_s without work, weights and KV; the jobs that held any have left before."""
    server = w.server[b, i]
    notes.of_world(w, b, notes.LOADED, i, server.load_variant, 0, now_s, 0.0)
    w.server[b, i] = w.blank[0].server
    server.load_clock_s = server.load_end_s = server.prefill_free_s = server.chunk_end_s = now_s
    for v in range(w.variant.shape[2]):
        w.variant[b, i, v] = w.blank[0].variant
    for a in range(w.adapter.shape[2]):
        w.adapter[b, i, a] = w.blank[0].adapter


@njit_seldom
def narrow(w, b, i, v, low, high):
    """Let node i keep of variant v only what lies in layers [low, high)."""
    server, variant = w.server[b, i], w.variant[b, i, v]
    server.weight_bytes -= weight_bytes(w, v, variant.low, variant.high)
    variant.low, variant.high = max(variant.low, low), min(variant.high, high)
    if variant.high <= variant.low:
        variant.low, variant.high = 0, 0
    server.weight_bytes += weight_bytes(w, v, variant.low, variant.high)


@njit_inner
def _oldest_variant(w, b, i, keep):
    """Idle variant of node i that was used least recently, -1 for none. A job that only waits for memory does not count as a user while
    no sequence runs: its weights may go."""
    server, oldest = w.server[b, i], -1
    for v in range(w.variant.shape[2]):
        variant = w.variant[b, i, v]
        unused = variant.users == 0 or server.n_admitted + server.n_training == 0
        idle = unused and variant.high > variant.low and v != keep and v != server.load_variant
        if idle and (oldest < 0 or variant.last_used_s < w.variant[b, i, oldest].last_used_s):
            oldest = v
    return oldest


@njit_inner
def _oldest_adapter(w, b, i, keep):
    """The same of adapters."""
    oldest = -1
    for a in range(w.adapter.shape[2]):
        adapter = w.adapter[b, i, a]
        unused = adapter.users == 0 or w.server[b, i].n_admitted + w.server[b, i].n_training == 0
        idle = adapter.resident == 1 and unused and a != keep
        if idle and (oldest < 0 or adapter.last_used_s < w.adapter[b, i, oldest].last_used_s):
            oldest = a
    return oldest


@njit_inner
def make_room(w, b, i, need_bytes, keep, keep_adapter):
    """Evict idle variants and adapters of node i, least recently used first, until need_bytes fit; False if they never do."""
    site, server = w.site[i], w.server[b, i]
    while server.weight_bytes + server.kv_bytes + server.training_bytes + need_bytes > site.usable_bytes:
        v, a = _oldest_variant(w, b, i, keep), _oldest_adapter(w, b, i, keep_adapter)
        if v < 0 and a < 0:
            return False
        if a >= 0 and (v < 0 or w.adapter[b, i, a].last_used_s <= w.variant[b, i, v].last_used_s):
            server.weight_bytes -= w.lora[a].bytes
            w.adapter[b, i, a].resident = 0
        else:
            variant = w.variant[b, i, v]
            server.weight_bytes -= weight_bytes(w, v, variant.low, variant.high)
            variant.low, variant.high = 0, 0
    return True


@njit_inner
def free_bytes(w, b, i):
    """Memory of node i that neither KV nor weights in use hold: free, or evictable; what only training holds is free, it makes way."""
    site, server = w.site[i], w.server[b, i]
    held = server.kv_bytes
    for v in range(w.variant.shape[2]):
        variant = w.variant[b, i, v]
        if v == server.load_variant:
            held += weight_bytes(w, v, server.load_low, server.load_high)
        elif variant.users > variant.trainers:
            held += weight_bytes(w, v, variant.low, variant.high)
    for a in range(w.adapter.shape[2]):
        if w.adapter[b, i, a].resident == 1 and w.adapter[b, i, a].users > 0:
            held += w.lora[a].bytes
    return site.usable_bytes - held


@njit_seldom
def preload(w, b, i, v):
    """Make the whole of variant v resident at the start, if half of the node's memory stays for KV and other weights."""
    site, server, layers = w.site[i], w.server[b, i], w.model[v].layers
    held_bytes = server.weight_bytes + weight_bytes(w, v, 0, layers)
    if held_bytes <= _PRELOAD_SHARE * site.usable_bytes:
        server.weight_bytes = held_bytes
        w.variant[b, i, v].low, w.variant[b, i, v].high = 0, layers


@njit_inner
def count_user(w, b, job, part, change):
    """Count a job as user of the weights at its part's node (1), or no longer (-1)."""
    a = adapter_of(w, job)
    w.variant[b, part.node, job.variant].users += change
    if a >= 0:
        w.adapter[b, part.node, a].users += change


@njit_inner
def hold_kv(w, b, part, new_bytes):
    """Set the KV that is held for a part; the first bytes make it an admitted sequence, none end that."""
    server = w.server[b, part.node]
    server.kv_bytes += new_bytes - part.kv_bytes
    if part.kv_bytes == 0.0 and new_bytes > 0.0:
        server.n_admitted += 1
    elif part.kv_bytes > 0.0 and new_bytes == 0.0:
        server.n_admitted -= 1
        if server.n_admitted == 0:
            server.kv_bytes = 0.0  # no rounding error outlives the last sequence
    part.kv_bytes = new_bytes


@njit_inner
def leave(w, b, job, part, now_s):
    """Give back what is held for a part: its KV and the use of the weights."""
    hold_kv(w, b, part, 0.0)
    count_user(w, b, job, part, -1)
    variant, a = w.variant[b, part.node, job.variant], adapter_of(w, job)
    variant.last_used_s = max(variant.last_used_s, now_s)
    if a >= 0:
        w.adapter[b, part.node, a].last_used_s = max(w.adapter[b, part.node, a].last_used_s, now_s)
    part.state = codes.ABSENT


@njit_inner
def drop_from(w, b, i, listed, job):
    """Take a job out of the inbox of node i, or of its training jobs, if it is there."""
    server = w.server[b, i]
    if listed == codes.INBOX:
        server.n_inbox = take_out(w.queue[b, i, listed], server.n_inbox, job.row)
    else:
        server.n_trainees = take_out(w.queue[b, i, listed], server.n_trainees, job.row)
