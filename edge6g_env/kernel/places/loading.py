"""Weights on their way into a node's memory: from its disk, from a neighbour that holds them, or over the backhaul.

The fastest source is taken, at what it would give now; on a link the load shares the rate with the transfers there. A load whose
source is lost goes on from the disk, which holds every model. LoRA adapters come from the disk: milliseconds.
"""

from __future__ import annotations

from edge6g_env._jit import njit_inner, njit_seldom
from edge6g_env.kernel import notes
from edge6g_env.kernel.places import link, memory

_DISK = -1


@njit_inner
def _sharers(w, b, i, source):
    """Transfers on the source's link, this load among them once it is counted."""
    if source == w.link.shape[2]:
        return w.node[b, i].n_backhaul
    return w.link[b, w.neighbour[i, source], link.back_link(w, i, source)].n_transfers


@njit_inner
def _rate_bytes_s(w, b, i, source, sharers):
    wired = w.wired[0]
    if source == _DISK:
        return w.device[w.site[i].accelerator].load_bytes_s
    link_bit_s = wired.backhaul_rate_bit_s if source == w.link.shape[2] else wired.xn_rate_bit_s
    return link_bit_s / (8.0 * max(1, sharers))


@njit_inner
def _reports_it(w, b, i, k, v, low, high):
    """Whether neighbour k, by its last report, holds layers [low, high) of v, and the link from it is up."""
    seen = w.seen[b, i, k, v]
    if w.link[b, i, k].up == 0 or link.back_link(w, i, k) < 0:
        return False
    return seen.low <= low and high <= seen.high and seen.high > seen.low


@njit_inner
def best_source(w, b, i, v, low, high):
    """The fastest source of layers [low, high) of v for node i, as far as the node knows."""
    best, best_rate = _DISK, _rate_bytes_s(w, b, i, _DISK, 1)
    if 8.0 * best_rate >= max(w.wired[0].xn_rate_bit_s, w.wired[0].backhaul_rate_bit_s):
        return _DISK
    for k in range(w.link.shape[2]):
        if _reports_it(w, b, i, k, v, low, high):
            rate = _rate_bytes_s(w, b, i, k, _sharers(w, b, i, k) + 1)
            if rate > best_rate:
                best, best_rate = k, rate
    if w.node[b, i].backhaul_up == 1:
        rate = _rate_bytes_s(w, b, i, w.link.shape[2], w.node[b, i].n_backhaul + 1)
        if rate > best_rate:
            best, best_rate = w.link.shape[2], rate
    return best


@njit_inner
def best_rate_bytes_s(w, b, i, v, low, high):
    """What the fastest source would give now, in B/s."""
    source = best_source(w, b, i, v, low, high)
    return _rate_bytes_s(w, b, i, source, 1 if source == _DISK else _sharers(w, b, i, source) + 1)


@njit_seldom
def start_load(w, b, i, v, low, high, start_s):
    """Begin to load what [low, high) of v lacks at node i, unless a load is under way; False if memory does not allow it."""
    server = w.server[b, i]
    if server.load_variant >= 0:
        return True
    need_bytes = memory.bytes_to_load(w, b, i, v, low, high)
    if not memory.make_room(w, b, i, need_bytes, v, -1):
        if server.n_admitted + server.n_training > 0:
            return False
        memory.narrow(w, b, i, v, low, high)  # nobody computes here: other layers of v make way
        need_bytes = memory.bytes_to_load(w, b, i, v, low, high)
        if not memory.make_room(w, b, i, need_bytes, v, -1):
            return False
    server.weight_bytes += need_bytes
    server.load_variant = v
    server.load_low, server.load_high = memory.joined_range(w, b, i, v, low, high)
    server.load_source = best_source(w, b, i, v, server.load_low, server.load_high)
    server.load_left_bytes = need_bytes
    server.load_clock_s = max(start_s, server.load_end_s) + w.serving[0].load_overhead_s
    notes.of_world(w, b, notes.LOADS, i, v, 0, max(start_s, server.load_end_s), need_bytes)
    rate = best_rate_bytes_s(w, b, i, v, server.load_low, server.load_high)
    server.load_end_s = server.load_clock_s + need_bytes / rate
    return True


@njit_seldom
def give_up(w, b, i, now_s):
    """Give up node i's load, and free its memory; the next one need not wait for it."""
    server = w.server[b, i]
    server.weight_bytes -= memory.bytes_to_load(w, b, i, server.load_variant, server.load_low, server.load_high)
    notes.of_world(w, b, notes.LOADED, i, server.load_variant, 0, now_s, 0.0)
    server.load_variant, server.load_left_bytes, server.load_end_s = -1, 0.0, min(server.load_end_s, now_s)


@njit_seldom
def _has_source(w, b, i):
    """Whether the source of node i's load still gives: its link is up, and a neighbour still holds the layers."""
    node, server, source = w.node[b, i], w.server[b, i], w.server[b, i].load_source
    if source == _DISK:
        return True
    if source == w.link.shape[2]:
        return node.backhaul_up == 1
    peer = w.neighbour[i, source]
    holds = memory.is_resident(w, b, peer, server.load_variant, server.load_low, server.load_high)
    return holds and w.link[b, i, source].up == 1 and w.node[b, peer].up == 1


@njit_inner
def count_load(w, b, i, t0):
    """Count node i's load among the transfers of the link that it comes over."""
    node, server = w.node[b, i], w.server[b, i]
    if server.load_variant < 0 or server.load_source == _DISK:
        return
    if not _has_source(w, b, i):
        server.load_source = _DISK
    elif server.load_clock_s <= t0:
        if server.load_source == w.link.shape[2]:
            node.n_backhaul += 1
        else:
            peer = w.neighbour[i, server.load_source]
            w.link[b, peer, link.back_link(w, i, server.load_source)].n_transfers += 1


@njit_inner
def advance_load(w, b, i, t0, t1):
    """Advance node i's load from t0 to t1; what is complete becomes resident at that instant."""
    server = w.server[b, i]
    if server.load_variant < 0 or server.load_clock_s >= t1:
        return
    sharers = 0 if server.load_source == _DISK else _sharers(w, b, i, server.load_source)
    if server.load_clock_s > t0:
        sharers += 1  # its bytes begin in this substep, so it was not counted
    rate = _rate_bytes_s(w, b, i, server.load_source, sharers)
    server.load_end_s = server.load_clock_s + server.load_left_bytes / rate
    if server.load_end_s > t1:
        server.load_left_bytes -= (t1 - server.load_clock_s) * rate
        server.load_clock_s = t1
        return
    variant = w.variant[b, i, server.load_variant]
    variant.low, variant.high = server.load_low, server.load_high
    variant.last_used_s, variant.ready_s = server.load_end_s, server.load_end_s
    notes.of_world(w, b, notes.LOADED, i, server.load_variant, 0, server.load_end_s, 0.0)
    server.load_variant, server.load_left_bytes = -1, 0.0


@njit_seldom
def bring_adapter(w, b, i, job):
    """Have the job's LoRA adapter at node i, from its disk if need be; False if memory does not allow it."""
    a = memory.adapter_of(w, job)
    if a < 0:
        return True
    adapter = w.adapter[b, i, a]
    if adapter.resident == 0:
        if not memory.make_room(w, b, i, w.lora[a].bytes, job.variant, a):
            return False
        w.server[b, i].weight_bytes += w.lora[a].bytes
        rate = w.device[w.site[i].accelerator].load_bytes_s
        adapter.resident, adapter.ready_s = 1, job.clock_s + w.lora[a].bytes / rate
    adapter.last_used_s = job.clock_s
    job.clock_s = max(job.clock_s, adapter.ready_s)
    return True
