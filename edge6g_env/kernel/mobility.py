"""UEs move in legs, each straight and at one speed, from instant to instant; the cell that serves them follows.

Positions are exact functions of time, so worlds with other slots share their paths. A model (`ues.mobility`) says where a UE begins
and which leg comes next:

waypoint      to random points, some of them in hotspots, with a pause at each (Bettstetter, Hartenstein, Perez-Costa: Stochastic
              properties of the random waypoint mobility model, Wireless Networks 2004)
gauss-markov  a velocity with memory, renewed once a period (Liang, Haas: Predictive distance-based mobility management for PCS
              networks, INFOCOM 1999; Camp, Boleng, Davies: A survey of mobility models, WCMC 2002, section 2.5)
street-grid   along streets from crossing to crossing (ETSI TR 101 112, UMTS 30.03, annex B, outdoor to indoor and pedestrian)
stationary    nowhere
"""

from __future__ import annotations

import math

from edge6g_env._jit import njit, njit_inner
from edge6g_env.kernel import channel, codes, rng

# UMTS 30.03 turns with probability 0.5 at a crossing; TR 36.885 A.1.2: 0.5 straight on, 0.25 left, 0.25 right (recalled).
_STRAIGHT_ON = 0.5
_FASTEST_SIGMAS = 4.0  # Gauss-Markov: nobody is faster than this above speed_max_m_s (1 in 3,000 would); judgement
_EARLY = 0.999999  # of the time to a link step: it may not be missed by rounding
_TRIES = 64  # for a place near a node, which then is that of the node itself; judgement, of a box half full all fail once in 1e19
_ON_CROSSING = 1e-6  # of a block: what rounding may put between a UE and the crossing that it stands on


@njit_inner
def hotspot_m(w, b, spot):
    """Centre of a hotspot: the same for all UEs, drawn anew each episode."""
    mobility, key = w.mobility[0], w.episode[b].place_key
    x_m = rng.uniform(key, rng.FOR_HOTSPOT, spot, 0) * mobility.width_m
    return x_m, rng.uniform(key, rng.FOR_HOTSPOT, spot, 1) * mobility.height_m


@njit_inner
def _is_nearest(w, home, x_m, y_m):
    """Whether no node is nearer to a place than this one."""
    least_m = math.hypot(x_m - w.site[home].x_m, y_m - w.site[home].y_m)
    for i in range(w.site.shape[0]):
        if math.hypot(x_m - w.site[i].x_m, y_m - w.site[i].y_m) < least_m:
            return False
    return True


@njit_inner
def _place_at_home(w, b, u, leg):
    """A uniform place among those whose nearest node is that of UE u, by rejection. They are a convex part of the area: the way from one
    of them to the next leads through no others."""
    site, key, first = w.site[w.equipment[u].home], w.episode[b].key, 2 * _TRIES * leg
    for n in range(first, first + 2 * _TRIES, 2):
        x_m = site.west_m + rng.uniform(key, rng.FOR_HOME, u, n) * (site.east_m - site.west_m)
        y_m = site.south_m + rng.uniform(key, rng.FOR_HOME, u, n + 1) * (site.north_m - site.south_m)
        if _is_nearest(w, w.equipment[u].home, x_m, y_m):
            return x_m, y_m
    return site.x_m, site.y_m


@njit_inner
def _waypoint(w, b, u, leg):
    mobility, key = w.mobility[0], w.episode[b].key
    if mobility.hotspots > 0 and rng.uniform(key, rng.FOR_WAYPOINT, u, 4 * leg) < mobility.hotspot_share:
        spot = int(rng.uniform(key, rng.FOR_WAYPOINT, u, 4 * leg + 1) * mobility.hotspots)
        radius = mobility.hotspot_radius_m * math.sqrt(rng.uniform(key, rng.FOR_WAYPOINT, u, 4 * leg + 2))
        angle = 2.0 * math.pi * rng.uniform(key, rng.FOR_WAYPOINT, u, 4 * leg + 3)
        x_m, y_m = hotspot_m(w, b, spot)
        x, y = x_m + radius * math.cos(angle), y_m + radius * math.sin(angle)
        return min(max(x, 0.0), mobility.width_m), min(max(y, 0.0), mobility.height_m)
    if w.equipment[u].home >= 0:
        return _place_at_home(w, b, u, leg)
    x = rng.uniform(key, rng.FOR_WAYPOINT, u, 4 * leg + 2) * mobility.width_m
    return x, rng.uniform(key, rng.FOR_WAYPOINT, u, 4 * leg + 3) * mobility.height_m


@njit_inner
def _head_for(ue, x_m, y_m):
    """A new leg to (x_m, y_m), from where and when the last one was left; its end is still to be set."""
    ue.walked_m += ue.leg_m
    ue.legs += 1
    ue.leg_start_s = ue.leave_s
    ue.from_x_m, ue.from_y_m = ue.to_x_m, ue.to_y_m
    ue.to_x_m, ue.to_y_m = x_m, y_m
    ue.leg_m = math.hypot(ue.to_x_m - ue.from_x_m, ue.to_y_m - ue.from_y_m)


@njit_inner
def _drawn_speed_m_s(w, b, u, count):
    mobility = w.mobility[0]
    span = mobility.speed_max_m_s - mobility.speed_min_m_s
    return mobility.speed_min_m_s + span * rng.uniform(w.episode[b].key, rng.FOR_SPEED, u, count)


@njit_inner
def _to_waypoint(w, b, u):
    ue = w.ue[b, u]
    x_m, y_m = _waypoint(w, b, u, ue.legs + 1)
    _head_for(ue, x_m, y_m)
    ue.leg_end_s = ue.leg_start_s + ue.leg_m / _drawn_speed_m_s(w, b, u, ue.legs)
    ue.leave_s = ue.leg_end_s + w.mobility[0].pause_s * rng.exponential(w.episode[b].key, rng.FOR_PAUSE, u, ue.legs)


@njit_inner
def _draw_mean_velocity(w, b, u):
    """A mean speed and a mean direction of its own for each UE."""
    ue = w.ue[b, u]
    speed_m_s, angle = _drawn_speed_m_s(w, b, u, 0), 2.0 * math.pi * rng.uniform(w.episode[b].key, rng.FOR_TURN, u, 0)
    ue.mean_x_m_s, ue.mean_y_m_s = speed_m_s * math.cos(angle), speed_m_s * math.sin(angle)


@njit_inner
def _renew_velocity(w, b, u):
    """Liang, Haas: v' = a v + (1 - a) mean + sqrt(1 - a^2) sigma n, for each component; the first is drawn from the stationary law."""
    mobility, ue = w.mobility[0], w.ue[b, u]
    a = mobility.velocity_memory if ue.periods > 0 else 0.0
    spread_m_s = math.sqrt(1.0 - a * a) * mobility.velocity_std_m_s
    n_x, n_y = rng.normal_pair(w.episode[b].key, rng.FOR_VELOCITY, u, ue.periods)
    ue.velocity_x_m_s = a * ue.velocity_x_m_s + (1.0 - a) * ue.mean_x_m_s + spread_m_s * n_x
    ue.velocity_y_m_s = a * ue.velocity_y_m_s + (1.0 - a) * ue.mean_y_m_s + spread_m_s * n_y
    ue.periods += 1


@njit_inner
def _leads_out(place_m, side_m, velocity_m_s):
    return (place_m <= 0.0 and velocity_m_s < 0.0) or (place_m >= side_m and velocity_m_s > 0.0)


@njit_inner
def _reflect(w, ue):
    """At a border velocity and mean turn back: the world behind it is a mirror image, in which the velocity keeps its law."""
    if _leads_out(ue.to_x_m, w.mobility[0].width_m, ue.velocity_x_m_s):
        ue.velocity_x_m_s, ue.mean_x_m_s = -ue.velocity_x_m_s, -ue.mean_x_m_s
    if _leads_out(ue.to_y_m, w.mobility[0].height_m, ue.velocity_y_m_s):
        ue.velocity_y_m_s, ue.mean_y_m_s = -ue.velocity_y_m_s, -ue.mean_y_m_s


@njit_inner
def _to_border_s(place_m, side_m, velocity_m_s):
    if velocity_m_s == 0.0:
        return math.inf
    return (side_m - place_m) / velocity_m_s if velocity_m_s > 0.0 else place_m / -velocity_m_s


@njit_inner
def _gone_m(place_m, side_m, velocity_m_s, time_s):
    """Where a UE is after time_s: on the border itself if that is as far as it gets, else a leg to it could take no time."""
    if _to_border_s(place_m, side_m, velocity_m_s) <= time_s:
        return side_m if velocity_m_s > 0.0 else 0.0
    return min(max(place_m + velocity_m_s * time_s, 0.0), side_m)


@njit_inner
def _keep_velocity(w, b, u):
    """A leg to the end of the period or to the border, whichever comes first."""
    mobility, ue = w.mobility[0], w.ue[b, u]
    if ue.leave_s >= ue.periods * mobility.velocity_period_s:
        _renew_velocity(w, b, u)
    _reflect(w, ue)
    most_m_s = mobility.speed_max_m_s + _FASTEST_SIGMAS * mobility.velocity_std_m_s
    slower = min(1.0, most_m_s / math.hypot(ue.velocity_x_m_s, ue.velocity_y_m_s))
    x_m_s, y_m_s = slower * ue.velocity_x_m_s, slower * ue.velocity_y_m_s
    end_s = ue.periods * mobility.velocity_period_s
    border_s = min(_to_border_s(ue.to_x_m, mobility.width_m, x_m_s), _to_border_s(ue.to_y_m, mobility.height_m, y_m_s))
    time_s = min(end_s - ue.leave_s, border_s)
    x_m = _gone_m(ue.to_x_m, mobility.width_m, x_m_s, time_s)
    _head_for(ue, x_m, _gone_m(ue.to_y_m, mobility.height_m, y_m_s, time_s))
    ue.leg_end_s = end_s if time_s < border_s else ue.leg_start_s + time_s
    ue.leave_s = ue.leg_end_s


@njit_inner
def _blocks(side_m, spacing_m):
    """Blocks between the parallel streets that fit into a side of the area; none: one street in the middle."""
    return int(side_m / spacing_m + _ON_CROSSING)


@njit_inner
def _street_m(side_m, spacing_m, place):
    """Coordinate of a place on a side, counted in blocks from the first street; the streets leave equal margins."""
    margin_m = max(0.5 * (side_m - _blocks(side_m, spacing_m) * spacing_m), 0.0)
    return min(margin_m + place * spacing_m, side_m)


@njit_inner
def _crossing_ahead(side_m, spacing_m, place_m, forward):
    """Number of the next crossing from place_m along a street, -1: there is none."""
    place = (place_m - _street_m(side_m, spacing_m, 0.0)) / spacing_m
    if forward:
        ahead = math.floor(place + _ON_CROSSING) + 1
        return ahead if ahead <= _blocks(side_m, spacing_m) else -1
    return math.ceil(place - _ON_CROSSING) - 1


@njit_inner
def _next_crossing(w, ue, heading):
    """Number of the next crossing towards 0 east, 1 north, 2 west, 3 south, -1: there is none."""
    mobility = w.mobility[0]
    if heading % 2 == 0:
        return _crossing_ahead(mobility.width_m, mobility.street_spacing_m, ue.to_x_m, heading == 0)
    return _crossing_ahead(mobility.height_m, mobility.street_spacing_m, ue.to_y_m, heading == 1)


@njit_inner
def _turn(w, ue, draw):
    """The heading after a crossing: straight on as often as not, left as often as right, back only where nothing else leads on."""
    left, right = (ue.heading + 1) % 4, (ue.heading + 3) % 4
    straight_on, goes_left = _next_crossing(w, ue, ue.heading) >= 0, _next_crossing(w, ue, left) >= 0
    goes_right = _next_crossing(w, ue, right) >= 0
    if straight_on:
        if draw < _STRAIGHT_ON or not (goes_left or goes_right):
            return ue.heading
        draw = (draw - _STRAIGHT_ON) / (1.0 - _STRAIGHT_ON)
    if goes_left and goes_right:
        return left if draw < 0.5 else right
    if goes_left or goes_right:
        return left if goes_left else right
    return (ue.heading + 2) % 4


@njit_inner
def _to_crossing(w, b, u):
    mobility, ue = w.mobility[0], w.ue[b, u]
    if ue.legs > 0:  # the first leg begins between two crossings
        ue.heading = _turn(w, ue, rng.uniform(w.episode[b].key, rng.FOR_TURN, u, ue.legs))
    crossing = _next_crossing(w, ue, ue.heading)
    if ue.heading % 2 == 0:
        _head_for(ue, _street_m(mobility.width_m, mobility.street_spacing_m, crossing), ue.to_y_m)
    else:
        _head_for(ue, ue.to_x_m, _street_m(mobility.height_m, mobility.street_spacing_m, crossing))
    ue.leg_end_s = ue.leg_start_s + ue.leg_m / _drawn_speed_m_s(w, b, u, ue.legs)
    ue.leave_s = ue.leg_end_s


@njit_inner
def _street_place(w, b, u):
    """A uniform place on the streets and the heading of UE u there. The walk keeps such places uniform: each block is entered
    from its crossings as often as it is left, whatever way they lead on."""
    mobility, key = w.mobility[0], w.episode[b].key
    width_m, height_m, spacing_m = mobility.width_m, mobility.height_m, mobility.street_spacing_m
    across, along = _blocks(width_m, spacing_m), _blocks(height_m, spacing_m)
    eastward, northward = across * (along + 1), along * (across + 1)
    block, place = (
        int(rng.uniform(key, rng.FOR_WAYPOINT, u, 0) * (eastward + northward)),
        rng.uniform(key, rng.FOR_WAYPOINT, u, 1),
    )
    w.ue[b, u].heading = 0 if rng.uniform(key, rng.FOR_WAYPOINT, u, 2) < 0.5 else 2
    if block < eastward:
        return _street_m(width_m, spacing_m, block % across + place), _street_m(height_m, spacing_m, block // across)
    block -= eastward
    w.ue[b, u].heading += 1
    return _street_m(width_m, spacing_m, block // along), _street_m(height_m, spacing_m, block % along + place)


@njit_inner
def _next_leg(w, b, u):
    ue, model = w.ue[b, u], w.mobility[0].model
    if model == codes.WAYPOINT:
        _to_waypoint(w, b, u)
    elif model == codes.GAUSS_MARKOV:
        _keep_velocity(w, b, u)
    elif model == codes.STREET_GRID:
        _to_crossing(w, b, u)
    else:
        _head_for(ue, ue.to_x_m, ue.to_y_m)
        ue.leg_end_s, ue.leave_s = ue.leg_start_s, math.inf
    time_s = ue.leg_end_s - ue.leg_start_s
    ue.speed_m_s = ue.leg_m / time_s if time_s > 0.0 else 0.0


@njit_inner
def place_ue(w, b, u):
    """Put UE u of world b where its model begins, and draw its links."""
    ue, model = w.ue[b, u], w.mobility[0].model
    ue.to_x_m, ue.to_y_m = _street_place(w, b, u) if model == codes.STREET_GRID else _waypoint(w, b, u, 0)
    ue.x_m, ue.y_m = ue.to_x_m, ue.to_y_m
    if model == codes.GAUSS_MARKOV:
        _draw_mean_velocity(w, b, u)
    _next_leg(w, b, u)
    channel.draw_links(w, b, u)


@njit_inner
def _walk(w, b, u, now_s):
    """Whole link steps walked so far; sets position, speed, and when there is something to see again: the next step, the end of the leg
    or of the pause after it."""
    ue, link_step_m = w.ue[b, u], w.radio[0].link_step_m
    while now_s >= ue.leave_s:
        _next_leg(w, b, u)
    if now_s >= ue.leg_end_s:
        ue.speed_m_s = 0.0
    gone_m = ue.walked_m + channel.stand(ue, now_s) * ue.leg_m
    link_steps = int(gone_m / link_step_m)
    ue.look_s = ue.leave_s
    if ue.speed_m_s > 0.0:
        ahead_s = ((link_steps + 1) * link_step_m - gone_m) / ue.speed_m_s
        ue.look_s = min(ue.leg_end_s, now_s + _EARLY * ahead_s)
    return link_steps


@njit
def stand_ues(w):
    """Bring the places of the UEs of all worlds to now, for those who look from outside: the kernel asks for one where it needs it."""
    for b in range(w.ue.shape[0]):
        for u in range(w.ue.shape[1]):
            channel.stand(w.ue[b, u], w.episode[b].now_s)


@njit_inner
def move_ues(w, b, now_s):
    """Move the UEs of world b to time now_s that begin a leg or a link step, or stop; channels follow step by step. The places of the
    others are functions of time."""
    for u in range(w.ue.shape[1]):
        ue = w.ue[b, u]
        if now_s < ue.look_s:
            continue
        speed_m_s = ue.speed_m_s
        link_steps = _walk(w, b, u, now_s)
        if link_steps != ue.link_steps or ue.speed_m_s != speed_m_s:  # beams lag by the speed
            channel.follow(w, b, u, link_steps, now_s)
