"""UEs walk between random waypoints, some of which lie in hotspots; the cell that serves them follows.

Random waypoint model with pauses (Bettstetter, Hartenstein, Perez-Costa: Stochastic properties of the random waypoint mobility
model, Wireless Networks 2004). Positions are exact functions of time, so worlds with other slots share their paths.
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import channel
from edge6g_env.kernel.rng import FOR_HOTSPOT, FOR_PAUSE, FOR_SPEED, FOR_WAYPOINT, exponential, uniform


@njit_inner
def _waypoint(w, b, u, leg):
    setup, key = w.setup[0], w.episode[b].key
    if setup.hotspots > 0 and uniform(key, FOR_WAYPOINT, u, 4 * leg) < setup.hotspot_share:
        spot = int(uniform(key, FOR_WAYPOINT, u, 4 * leg + 1) * setup.hotspots)
        radius = setup.hotspot_radius_m * math.sqrt(uniform(key, FOR_WAYPOINT, u, 4 * leg + 2))
        angle = 2.0 * math.pi * uniform(key, FOR_WAYPOINT, u, 4 * leg + 3)
        x = uniform(key, FOR_HOTSPOT, spot, 0) * setup.width_m + radius * math.cos(angle)
        y = uniform(key, FOR_HOTSPOT, spot, 1) * setup.height_m + radius * math.sin(angle)
        return min(max(x, 0.0), setup.width_m), min(max(y, 0.0), setup.height_m)
    x = uniform(key, FOR_WAYPOINT, u, 4 * leg + 2) * setup.width_m
    return x, uniform(key, FOR_WAYPOINT, u, 4 * leg + 3) * setup.height_m


@njit_inner
def _start_leg(w, b, u, start_s):
    setup, key = w.setup[0], w.episode[b].key
    ue = w.ue[b, u]
    ue.from_x_m, ue.from_y_m = ue.to_x_m, ue.to_y_m
    ue.legs += 1
    ue.to_x_m, ue.to_y_m = _waypoint(w, b, u, ue.legs)
    way = math.hypot(ue.to_x_m - ue.from_x_m, ue.to_y_m - ue.from_y_m)
    span = setup.speed_max_m_s - setup.speed_min_m_s
    ue.speed_m_s = setup.speed_min_m_s + span * uniform(key, FOR_SPEED, u, ue.legs)
    ue.leg_start_s = start_s
    ue.leg_end_s = start_s + way / ue.speed_m_s
    ue.leave_s = ue.leg_end_s + setup.pause_s * exponential(key, FOR_PAUSE, u, ue.legs)


@njit_inner
def place_ue(w, b, u):
    """Put UE u of world b at its first waypoint, and draw its links."""
    ue = w.ue[b, u]
    ue.legs = 0
    ue.to_x_m, ue.to_y_m = _waypoint(w, b, u, 0)
    ue.x_m, ue.y_m = ue.to_x_m, ue.to_y_m
    ue.walked_m, ue.metre = 0.0, 0
    _start_leg(w, b, u, 0.0)
    channel.draw_links(w, b, u)


@njit_inner
def _walk(w, b, u, now_s):
    """Metres walked so far; sets the position."""
    ue = w.ue[b, u]
    while now_s >= ue.leave_s:
        ue.walked_m += math.hypot(ue.to_x_m - ue.from_x_m, ue.to_y_m - ue.from_y_m)
        _start_leg(w, b, u, ue.leave_s)
    way = math.hypot(ue.to_x_m - ue.from_x_m, ue.to_y_m - ue.from_y_m)
    done, ue.speed_m_s = 1.0, 0.0
    if now_s < ue.leg_end_s:
        done = (now_s - ue.leg_start_s) / (ue.leg_end_s - ue.leg_start_s)
        ue.speed_m_s = way / (ue.leg_end_s - ue.leg_start_s)
    ue.x_m = ue.from_x_m + done * (ue.to_x_m - ue.from_x_m)
    ue.y_m = ue.from_y_m + done * (ue.to_y_m - ue.from_y_m)
    return ue.walked_m + done * way


@njit_inner
def move_ues(w, b, now_s):
    """Move every UE of world b to time now_s; channels and serving cell follow metre by metre."""
    for u in range(w.ue.shape[1]):
        metre = int(_walk(w, b, u, now_s))
        if metre != w.ue[b, u].metre:
            channel.follow(w, b, u, metre, now_s)
