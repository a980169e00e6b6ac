"""The UEs of a world by the instant of their next job, drawn or of their loop, a binary heap: the earliest is known at once, the next
one in log2(U) comparisons.

`w.arrival_heap[b]` holds UEs; those at 2 p + 1 and 2 p + 2 are not before the one at p. Traffic alone changes an instant, and puts the
heap in order again.
"""

from __future__ import annotations

from edge6g_env._jit import njit_inner


@njit_inner
def next_s(ue):
    """Instant of a UE's next job, inf: none."""
    return min(ue.next_arrival_s, ue.next_loop_s)


@njit_inner
def _is_before(w, b, u, other):
    """By instant; at the same one, by number."""
    at_s, other_s = next_s(w.ue[b, u]), next_s(w.ue[b, other])
    return at_s < other_s or (at_s == other_s and u < other)


@njit_inner
def _sink(w, b, place):
    """Let the UE at a place go down until none below it is before it."""
    heap, count = w.arrival_heap[b], w.arrival_heap.shape[1]
    while True:
        first = place
        for child in range(2 * place + 1, min(2 * place + 3, count)):
            if _is_before(w, b, heap[child], heap[first]):
                first = child
        if first == place:
            return
        heap[place], heap[first] = heap[first], heap[place]
        place = first


@njit_inner
def order(w, b):
    """Make the heap anew, from any instants."""
    count = w.arrival_heap.shape[1]
    for u in range(count):
        w.arrival_heap[b, u] = u
    for place in range(count // 2 - 1, -1, -1):
        _sink(w, b, place)


@njit_inner
def earliest(w, b):
    """The UE whose job comes next."""
    return w.arrival_heap[b, 0]


@njit_inner
def postpone(w, b):
    """Put the heap in order after the earliest UE's instant has moved on."""
    _sink(w, b, 0)
