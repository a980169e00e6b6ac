"""Fast fading of the serving link: taps that are kept only for UEs that use the air, and the SINR over them.

Formulas: CHANNEL 7 in edge6g_env.radio. Over a pause of k grid steps the taps are caught up in one exact step.
"""

from __future__ import annotations

import math

from edge6g_env import radio
from edge6g_env._jit import njit_inner
from edge6g_env.kernel import channel, rng
from edge6g_env.kernel.world_fields import NO_STEP
from edge6g_env.radio.fading import MAX_TAPS

_RE, _IM, _NOW, _BEFORE = range(4)  # rows of World.tap
_LEAST_SPEED_M_S = 0.28  # 1 km/h: people and leaves move around a UE that stands still; judgement


@njit_inner
def _ray_phase(w, b, u, carrier_ghz):
    """Phase in rad of the direct ray: its way in wavelengths, so that it turns by the Doppler shift of the UE's own motion."""
    channel.stand(w.ue[b, u], w.episode[b].slot * w.time[0].slot_s)
    d3_m = math.hypot(channel.distance_m(w, b, u, w.ue[b, u].node), w.radio[0].h_bs_m - w.radio[0].h_ue_m)
    wavelengths = radio.doppler_hz(d3_m, carrier_ghz)  # metres a second over a wavelength, or metres over one
    return -2.0 * math.pi * (wavelengths - math.floor(wavelengths))


@njit_inner
def _set_powers(w, b, u, band):
    """Tap powers with the Rician ray, mean 1; what was the present becomes the step before."""
    ue = w.ue[b, u]
    cell, tap = w.cell[b, u, ue.serving], w.tap[b, u]
    ray, phase = 0.0, 0.0
    if cell.los == 1 and ue.indoor == 0:
        ray = radio.ray_amplitude(w.radio[0].k_mean_db + w.radio[0].k_std_db * cell.z_k)
        phase = _ray_phase(w, b, u, band.carrier_ghz)
    scatter, ray_re, ray_im = math.sqrt(1.0 - ray * ray), ray * math.cos(phase), ray * math.sin(phase)
    for n in range(band.n_taps):
        re, im = ray_re + scatter * tap[_RE, n], ray_im + scatter * tap[_IM, n]
        tap[_BEFORE, n], tap[_NOW, n] = tap[_NOW, n], re * re + im * im


@njit_inner
def _advance_to(w, b, u, step):
    """Bring the taps of UE u to a grid step: correlation r^k over k steps, none for a new link."""
    ue, key = w.ue[b, u], w.episode[b].key
    band = w.band[w.site[ue.node].band]
    r = 0.0
    if ue.fading_step > NO_STEP:
        doppler_hz = radio.doppler_hz(max(ue.speed_m_s, _LEAST_SPEED_M_S), band.carrier_ghz)
        r = radio.tap_correlation(doppler_hz, (step - ue.fading_step) * w.radio[0].fading_period_s)
    tap, owner = w.tap[b, u], channel.link_address(u, ue.node)
    for n in range(band.n_taps):
        n_re, n_im = rng.normal_pair(key, rng.FOR_FADING, owner, (step + 1) * MAX_TAPS + n)
        tap[_RE, n], tap[_IM, n] = radio.fading_step(tap[_RE, n], tap[_IM, n], r, n_re, n_im)
    ue.fading_step = step
    _set_powers(w, b, u, band)


@njit_inner
def step_of(w, now_s):
    """Step of the time grid of fading and interference."""
    return int(now_s / w.radio[0].fading_period_s + 1e-9)


@njit_inner
def refresh(w, b, u, now_s):
    """Bring taps and loss of UE u's serving link to now_s, and keep those of the grid step before: the MCS is chosen by them."""
    ue, step = w.ue[b, u], step_of(w, now_s)
    if ue.fading_node != ue.node:
        ue.fading_node, ue.fading_step = ue.node, NO_STEP
    loss_db = channel.link_loss_db(w, b, u, ue.serving, now_s)
    if step > ue.fading_step:
        ue.old_loss_db = ue.fading_loss_db
        if ue.fading_step == NO_STEP or step > ue.fading_step + 1:
            _advance_to(w, b, u, step - 1)
            ue.old_loss_db = loss_db
        _advance_to(w, b, u, step)
    ue.fading_loss_db = loss_db


@njit_inner
def sinr_now(w, b, u, n_taps, mean_db):
    """Effective SINR, linear, over the present taps."""
    return radio.effective_sinr_of(w.tap[b, u, _NOW, :n_taps], radio.linear_of(mean_db))


@njit_inner
def sinr_before(w, b, u, n_taps, mean_db):
    """The same a grid step before, at the loss of that time."""
    ue = w.ue[b, u]
    mean_db += ue.fading_loss_db - ue.old_loss_db
    return radio.effective_sinr_of(w.tap[b, u, _BEFORE, :n_taps], radio.linear_of(mean_db))
