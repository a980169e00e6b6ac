"""The links between a UE and its candidate cells: line of sight, shadowing, K factor, walls, weather, beams, blockage.

What is updated when: the loss of a link as its UE moves, a link step at a time; blockage at its own instants, brought up
to date when somebody looks. Formulas: edge6g_env.radio, after 3GPP TR 38.901; the rest of the radio is in handover.py, fading.py and
air.py.
"""

from __future__ import annotations

import math

from edge6g_env import radio
from edge6g_env._jit import njit_inner
from edge6g_env.kernel import rng

_CANDIDATES_EVERY_M = 20  # a UE looks for new candidate cells this often; judgement: a tenth of the UMi site distance
_NODE_ADDRESS = 65_536  # owner of a link's random numbers is ue * _NODE_ADDRESS + node
_OF_UE = _NODE_ADDRESS - 1  # what a UE has once, not once a link


@njit_inner
def link_address(u, node):
    """Owner of the random numbers of the link between UE u and a node."""
    return u * _NODE_ADDRESS + node


@njit_inner
def stand(ue, now_s):
    """Put a UE where it is on its present leg at now_s; returns the share of the leg that it has walked."""
    done = 1.0
    if now_s < ue.leg_end_s:
        done = (now_s - ue.leg_start_s) / (ue.leg_end_s - ue.leg_start_s)
    ue.x_m = ue.from_x_m + done * (ue.to_x_m - ue.from_x_m)
    ue.y_m = ue.from_y_m + done * (ue.to_y_m - ue.from_y_m)
    return done


@njit_inner
def distance_m(w, b, u, i):
    """Ground distance in m between UE u, where it last stood, and node i."""
    return math.hypot(w.ue[b, u].x_m - w.site[i].x_m, w.ue[b, u].y_m - w.site[i].y_m)


# --- loss ---------------------------------------------------------------------------------------------------------------------


@njit_inner
def _indoor_m(w, b, u, cell, band):
    """Indoor distance of a link (TR 38.901 7.4.3): from 6 GHz on one a UE, below it one a link."""
    ue = w.ue[b, u]
    if ue.indoor == 0 or band.wall_std_db > 0.0:
        return ue.indoor_m
    return radio.MAX_INDOOR_M * rng.uniform(w.episode[b].place_key, rng.FOR_INDOOR, link_address(u, cell.node), 0)


@njit_inner
def _refresh_loss(w, b, u, m, now_s):
    """Loss of candidate link m at the UE's present place."""
    cell, ue = w.cell[b, u, m], w.ue[b, u]
    band = w.band[w.site[cell.node].band]
    d_m = distance_m(w, b, u, cell.node)
    env, h_bs_m, h_ue_m = w.radio[0].environment, w.radio[0].h_bs_m, w.radio[0].h_ue_m
    indoor_m = _indoor_m(w, b, u, cell, band)
    p_los = radio.los_probability_of(env, max(d_m - indoor_m, 0.0), h_ue_m, h_bs_m)
    cell.los = 1 if radio.normal_cdf(cell.z_los) < p_los else 0
    loss_db = radio.basic_path_loss_db(env, cell.los == 1, d_m, h_bs_m, h_ue_m, band.carrier_ghz)
    near_db, far_db = band.sigma_los_db, band.sigma_los_far_db
    sigma_db = radio.shadow_std_db_of(cell.los == 1, d_m, band.breakpoint_m, near_db, far_db, band.sigma_nlos_db)
    loss_db += sigma_db * cell.z_shadow
    d3_m = max(math.hypot(d_m, h_bs_m - h_ue_m), 1.0)
    loss_db += band.air_db_per_m * d3_m
    loss_db += radio.pointing_loss_db(ue.speed_m_s, d3_m, w.radio[0].beam_tracking_s, band.beamwidth_deg)
    loss_db += radio.pointing_loss_db(ue.speed_m_s, d3_m, w.radio[0].beam_tracking_s, band.ue_beamwidth_deg)
    if ue.indoor == 1:
        loss_db += band.wall_db + radio.INDOOR_LOSS_DB_PER_M * indoor_m + band.wall_std_db * ue.z_wall
    cell.coupling_loss_db = loss_db - band.gain_db
    if w.radio[0].blockers_per_m2 > 0.0:
        _pace_blockage(w, b, u, cell, d_m, now_s)
    else:
        keep_powers(band, cell)


@njit_inner
def link_loss_db(w, b, u, m, now_s):
    """Coupling loss in dB of candidate link m at now_s, blockage included, fast fading not."""
    cell = w.cell[b, u, m]
    if w.radio[0].blockers_per_m2 <= 0.0:
        return cell.coupling_loss_db
    bring_blockage(w, b, u, cell, now_s)
    band = w.band[w.site[cell.node].band]
    depth_db = band.blocked_los_db if cell.los == 1 and w.ue[b, u].indoor == 0 else band.blocked_nlos_db
    return cell.coupling_loss_db + depth_db * _blockage_level(cell, now_s)


@njit_inner
def keep_powers(band, cell):
    """Work out the powers of a link that nobody walks through: they stay until its loss changes."""
    cell.power_dbm = band.ptx_bs_dbm - cell.coupling_loss_db
    cell.heard_mw = radio.linear_of(cell.power_dbm + 0.0)
    cell.heard_astray_mw = radio.linear_of(cell.power_dbm + band.stray_db)


@njit_inner
def power_dbm(w, b, u, m, now_s):
    """Downlink power in dBm of candidate cell m at UE u, its beam aligned."""
    cell = w.cell[b, u, m]
    if w.radio[0].blockers_per_m2 <= 0.0:
        return cell.power_dbm
    return w.band[w.site[cell.node].band].ptx_bs_dbm - link_loss_db(w, b, u, m, now_s)


@njit_inner
def heard_mw(w, b, u, m, points_here, now_s):
    """The same in mW, of a beam that points here or not."""
    cell = w.cell[b, u, m]
    if w.radio[0].blockers_per_m2 <= 0.0:
        return cell.heard_mw if points_here else cell.heard_astray_mw
    stray_db = 0.0 if points_here else w.band[w.site[cell.node].band].stray_db
    return radio.linear_of(power_dbm(w, b, u, m, now_s) + stray_db)


# --- blockage: a two-state Markov chain in continuous time (Jain et al. 2019) ---------------------------------------------------


@njit_inner
def _blockage_rates(w, d_m):
    h_bs_m, blockers_per_m2 = w.radio[0].h_bs_m, w.radio[0].blockers_per_m2
    return radio.blockage_rates_of(max(d_m, 1.0), h_bs_m, radio.BLOCKED_UE_HEIGHT_M, blockers_per_m2)


@njit_inner
def next_change_s(w, b, u, cell, from_s):
    """The instant after from_s at which the chain changes, for the rate of its present state."""
    rate = _blockage_rates(w, 1.0)[1] if cell.blocked == 1 else cell.to_blocked_per_s
    return (
        from_s + rng.exponential(w.episode[b].key, rng.FOR_BLOCKAGE, link_address(u, cell.node), cell.blockages) / rate
    )


@njit_inner
def _blockage_level(cell, now_s):
    """Share of the blockage loss at now_s, on its ramp from where it was when the state changed."""
    return radio.blockage_ramp_step(cell.changed_level, cell.blocked == 1, max(now_s - cell.changed_s, 0.0))


@njit_inner
def bring_blockage(w, b, u, cell, now_s):
    """Let the changes happen whose instant has come."""
    while cell.change_s <= now_s:
        cell.changed_level = _blockage_level(cell, cell.change_s)
        cell.changed_s, cell.blocked = cell.change_s, 1 - cell.blocked
        cell.blockages += 1
        cell.change_s = next_change_s(w, b, u, cell, cell.changed_s)


@njit_inner
def _pace_blockage(w, b, u, cell, d_m, now_s):
    """The rate of blockages grows with the distance; the wait for the next one is a hazard, so it shrinks by the same factor."""
    before = cell.to_blocked_per_s
    rate, to_clear = _blockage_rates(w, d_m)
    if before > 0.0:
        bring_blockage(w, b, u, cell, now_s)
        cell.to_blocked_per_s = rate
        if cell.blocked == 0:
            cell.change_s = now_s + (cell.change_s - now_s) * before / rate
        return
    cell.to_blocked_per_s = rate
    share = rate / (rate + to_clear)
    draw = rng.uniform(w.episode[b].key, rng.FOR_BLOCKAGE, link_address(u, cell.node), cell.blockages)
    cell.blocked, cell.changed_s = 1 if draw < share else 0, now_s
    cell.changed_level = float(cell.blocked)
    cell.blockages += 1
    cell.change_s = next_change_s(w, b, u, cell, now_s)


# --- candidate cells -------------------------------------------------------------------------------------------------------------


@njit_inner
def _fresh_cell(w, b, u, m, link_steps):
    """Candidate m of UE u, in the spare row, becomes a new link to its node, in the stationary state."""
    cell = w.cell[b, w.ue.shape[1], m]
    node, near_m = cell.node, cell.distance_m
    w.cell[b, w.ue.shape[1], m] = w.blank[0].cell
    cell.node, cell.distance_m = node, near_m
    key, owner = w.episode[b].key, link_address(u, node)
    cell.z_shadow = rng.normal(key, rng.FOR_SHADOW, owner, 2 * link_steps + 1)
    cell.z_los = rng.normal(key, rng.FOR_LOS, owner, 2 * link_steps + 1)
    cell.z_k = rng.normal(key, rng.FOR_K, owner, 2 * link_steps + 1)
    cell.offset_db = w.band[w.site[cell.node].band].offset_db
    cell.blockages = link_steps << 16  # a link that comes back has other blockages


@njit_inner
def _put_in_order(near, filled, i, d_m):
    """Insert node i into the `filled` nearest so far, by distance and number, if it belongs there; returns how many there are."""
    place = filled
    while place > 0 and (
        d_m < near[place - 1].distance_m or (d_m == near[place - 1].distance_m and i < near[place - 1].node)
    ):
        place -= 1
    if place == near.shape[0]:
        return filled
    filled = min(filled + 1, near.shape[0])
    for later in range(filled - 1, place, -1):
        near[later].distance_m, near[later].node = near[later - 1].distance_m, near[later - 1].node
    near[place].distance_m, near[place].node = d_m, i
    return filled


@njit_inner
def _tile_of(place_m, tile_m, count):
    """The column, or row, of tiles that a coordinate lies in."""
    return min(max(int(place_m / tile_m), 0), count - 1)


@njit_inner
def _look_at_ring(w, b, u, ring, filled):
    """Put the nodes `ring` columns or rows of tiles away from UE u, and not more, among the nearest; returns how many there are."""
    mobility, ue, near = w.mobility[0], w.ue[b, u], w.cell[b, w.ue.shape[1]]
    columns, rows = mobility.tile_columns, mobility.tile_rows
    column = _tile_of(ue.x_m, mobility.tile_m, columns)
    row = _tile_of(ue.y_m, mobility.tile_m, rows)
    for y in range(max(row - ring, 0), min(row + ring, rows - 1) + 1):
        whole_row = y == row - ring or y == row + ring
        for x in range(column - ring, column + ring + 1, 1 if whole_row else 2 * ring):
            if 0 <= x < columns:
                for place in range(w.tile[y * columns + x], w.tile[y * columns + x + 1]):
                    i = w.tile_node[place]
                    filled = _put_in_order(near, filled, i, distance_m(w, b, u, i))
    return filled


@njit_inner
def _find_nearest(w, b, u):
    """The nearest nodes of UE u, nearest first, and the serving one in any case, in the spare row of w.cell. Ring by ring of tiles: a node
    of ring r is at least r - tile_reach sides of a tile away."""
    n_cells, spare, mobility = w.cell.shape[2], w.ue.shape[1], w.mobility[0]
    near, serving, has_serving = w.cell[b, spare], w.ue[b, u].node, False
    filled, ring = 0, 0
    while filled < n_cells or near[n_cells - 1].distance_m > (ring - mobility.tile_reach) * mobility.tile_m:
        filled = _look_at_ring(w, b, u, ring, filled)
        ring += 1
    for m in range(n_cells):
        has_serving = has_serving or near[m].node == serving
    if serving >= 0 and not has_serving:
        near[n_cells - 1].distance_m, near[n_cells - 1].node = distance_m(w, b, u, serving), serving


@njit_inner
def _choose_candidates(w, b, u, link_steps):
    """The nearest nodes become candidate cells; links that stay keep their state."""
    n_cells, spare = w.cell.shape[2], w.ue.shape[1]
    _find_nearest(w, b, u)
    for m in range(n_cells):
        near = w.cell[b, spare, m]
        kept = -1
        for old in range(n_cells):
            if w.cell[b, u, old].node == near.node:
                kept = old
        if kept >= 0:
            distance_m = near.distance_m
            w.cell[b, spare, m] = w.cell[b, u, kept]
            w.cell[b, spare, m].distance_m = distance_m
        else:
            _fresh_cell(w, b, u, m, link_steps)
    for m in range(n_cells):
        w.cell[b, u, m] = w.cell[b, spare, m]
        if w.cell[b, u, m].node == w.ue[b, u].node:
            w.ue[b, u].serving = m


# --- a UE's way ------------------------------------------------------------------------------------------------------------------


@njit_inner
def _mixed(z, keep, normal_number):
    """Gauss-Markov step of a unit normal, as radio.gauss_markov_step with the correlation worked out before."""
    return keep * z + math.sqrt(1.0 - keep * keep) * normal_number


@njit_inner
def _step_links(w, b, u, link_steps):
    """One step of every link (TR 38.901 7.6.3.1, Gudmundson 1991); shadowing by the distance of its present LOS state."""
    key = w.episode[b].key
    for m in range(w.cell.shape[2]):
        cell = w.cell[b, u, m]
        owner = link_address(u, cell.node)
        z_shadow, z_k = rng.normal_pair(key, rng.FOR_SHADOW, owner, 2 * link_steps)
        z_los = rng.normal(key, rng.FOR_LOS, owner, 2 * link_steps)
        shadow_keep = w.radio[0].shadow_keep_los if cell.los == 1 else w.radio[0].shadow_keep_nlos
        cell.z_shadow = _mixed(cell.z_shadow, shadow_keep, z_shadow)
        cell.z_los = _mixed(cell.z_los, w.radio[0].los_keep, z_los)
        cell.z_k = _mixed(cell.z_k, w.radio[0].k_keep, z_k)


@njit_inner
def _enter_or_stay_out(w, b, u):
    """Whether UE u spends the episode in a building, and how deep (TR 38.901 7.4.3: the smaller of two uniform distances)."""
    ue, key, owner = w.ue[b, u], w.episode[b].key, link_address(u, _OF_UE)
    ue.indoor = 1 if rng.uniform(key, rng.FOR_INDOOR, owner, 0) < w.mobility[0].indoor_share else 0
    if ue.indoor == 1:
        nearer = min(rng.uniform(key, rng.FOR_INDOOR, owner, 1), rng.uniform(key, rng.FOR_INDOOR, owner, 2))
        ue.indoor_m, ue.z_wall = radio.MAX_INDOOR_M * nearer, rng.normal(key, rng.FOR_INDOOR, owner, 3)


@njit_inner
def draw_links(w, b, u):
    """Draw the candidate links of UE u at its first place."""
    _enter_or_stay_out(w, b, u)
    for m in range(w.cell.shape[2]):
        w.cell[b, u, m] = w.blank[0].cell
    _choose_candidates(w, b, u, 0)
    for m in range(w.cell.shape[2]):
        _refresh_loss(w, b, u, m, 0.0)


@njit_inner
def follow(w, b, u, link_steps, now_s):
    """Bring the links of UE u to where its way is link_steps steps long."""
    ue = w.ue[b, u]
    while ue.link_steps < link_steps:
        ue.link_steps += 1
        _step_links(w, b, u, ue.link_steps)
        every = max(1, int(_CANDIDATES_EVERY_M / w.radio[0].link_step_m))
        if ue.link_steps % every == 0 and w.cell.shape[2] < w.node.shape[1]:
            _choose_candidates(w, b, u, ue.link_steps)
    for m in range(w.cell.shape[2]):
        _refresh_loss(w, b, u, m, now_s)
