"""Parts fail and are repaired: servers of nodes, Xn links, backhauls, the cloud.

By chance, an alternating renewal process a part (Cox: Renewal Theory, 1962, chapter 7; recalled): times up and down are exponential with
the means mtbf_s and mttr_s, stationary from the start, so a part is down for mttr_s / (mtbf_s + mttr_s) of the time. By plan: outages at
given instants. A part is down while either says so. Instants belong to the part and the number of its change, not to slots, decisions or
other parts.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_seldom
from edge6g_env.kernel import codes, notes, requeue, rng
from edge6g_env.kernel.places import memory


@njit_seldom
def start_faults(w, b):
    """Draw which parts of world b are down as an episode starts; all of them were up before."""
    key, episode = w.episode[b].key, w.episode[b]
    for p in range(w.fault.shape[1]):
        fault = w.fault[b, p]
        w.fault[b, p] = w.part_faults[p]
        if fault.mtbf_s > 0.0:
            down_share = fault.mttr_s / (fault.mtbf_s + fault.mttr_s)
            fault.broken = 1 if rng.uniform(key, rng.FOR_FAULT, fault.owner, 0) < down_share else 0
            fault.next_s = 0.0
            _draw_next(w, b, fault)
        _apply(w, b, fault, 0.0)
    _set_next(w, b)
    if episode.next_fault_s <= 0.0:
        change_parts(w, b, 0.0)


@njit_seldom
def redraw_faults(w, b, now_s):
    """Draw anew when each part that can fail by chance changes next; the time in a state has no memory."""
    for p in range(w.fault.shape[1]):
        if w.fault[b, p].mtbf_s > 0.0:
            w.fault[b, p].next_s = now_s
            _draw_next(w, b, w.fault[b, p])
    _set_next(w, b)


@njit_seldom
def _draw_next(w, b, fault):
    """Add the time in the present state to the instant of the last change."""
    fault.changes += 1
    mean_s = fault.mttr_s if fault.broken == 1 else fault.mtbf_s
    fault.next_s += mean_s * rng.exponential(w.episode[b].key, rng.FOR_FAULT, fault.owner, fault.changes)


@njit_seldom
def _set_next(w, b):
    episode = w.episode[b]
    episode.next_fault_s = math.inf
    for p in range(w.fault.shape[1]):
        episode.next_fault_s = min(episode.next_fault_s, w.fault[b, p].next_s)
    if episode.next_outage < w.outage.shape[0]:
        episode.next_fault_s = min(episode.next_fault_s, w.outage[episode.next_outage].at_s)


@njit_seldom
def change_parts(w, b, now_s):
    """Let the parts of world b fail or be repaired whose instant has come."""
    episode = w.episode[b]
    for p in range(w.fault.shape[1]):
        fault = w.fault[b, p]
        if fault.next_s <= now_s:
            fault.broken = 1 - fault.broken
            _draw_next(w, b, fault)
            _apply(w, b, fault, now_s)
    while episode.next_outage < w.outage.shape[0] and w.outage[episode.next_outage].at_s <= now_s:
        outage = w.outage[episode.next_outage]
        fault = w.fault[b, outage.part]
        fault.planned += outage.change
        episode.next_outage += 1
        _apply(w, b, fault, now_s)
    _set_next(w, b)


@njit_seldom
def _apply(w, b, fault, now_s):
    """Make the part up or down where the world looks it up; what a failed part held is lost."""
    up = 1 if fault.broken == 0 and fault.planned == 0 else 0
    if up == fault.up:
        return
    fault.up = up
    w.tally[b].outages += 1 - up
    notes.of_world(w, b, notes.PART, fault.node, fault.kind, fault.peer, now_s, up)
    if fault.kind == codes.NODE_FAULT:
        w.node[b, fault.node].up = up
        if up == 0:
            _fail_node(w, b, fault.node, now_s)
    elif fault.kind == codes.XN_FAULT:
        _set_link(w, b, fault.node, fault.peer, up)
        _set_link(w, b, fault.peer, fault.node, up)
    elif fault.kind == codes.BACKHAUL_FAULT:
        w.node[b, fault.node].backhaul_up = up
    else:
        w.episode[b].cloud_up = up
        if up == 0:
            _fail_cloud(w, b, now_s)


@njit_seldom
def _set_link(w, b, i, peer, up):
    for k in range(w.link.shape[2]):
        if w.neighbour[i, k] == peer:
            w.link[b, i, k].up = up


@njit_seldom
def _fail_node(w, b, i, now_s):
    """The server of node i stops: jobs that wait, are computed or hold KV there go back, its memory is empty."""
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        for p in (codes.TARGET, codes.INGRESS):
            part = w.part[b, job.row, p]
            if part.state >= codes.ASKING and part.node == i:
                requeue.lose(w, b, job, p, now_s)
    memory.empty_server(w, b, i, now_s)


@njit_seldom
def _fail_cloud(w, b, now_s):
    """The cloud stops: jobs that wait or are computed there go back."""
    for place in range(w.episode[b].n_active):
        job = w.job[b, w.roster[b, codes.ACTIVE, place]]
        if job.in_cloud == 1 or job.stage == codes.CLOUD_WAIT:
            requeue.lose(w, b, job, codes.TARGET, now_s)
