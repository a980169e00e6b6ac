"""The tables of a scenario as records of one row: a key of the file is a field of the record of its table."""

from __future__ import annotations

import math

import numpy as np

from edge6g_env import costs
from edge6g_env.build._records import from_table, or_zero
from edge6g_env.build.places import tiles_of
from edge6g_env.kernel import codes
from edge6g_env.kernel.fields import DTYPES
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_tables import Link
from edge6g_env.spaces import Layout, job_features


def interface_table(layout: Layout, debug: bool) -> np.recarray:
    """What the doors ask for."""
    scenario = layout.scenario
    return from_table(
        DTYPES["interface"],
        None,
        n_precisions=len(scenario.actions.precision),
        n_job_features=len(job_features(scenario)),
        shows_device=scenario.ues.differ,
        debug=debug,
    )


def time_table(scenario: Scenario) -> np.recarray:
    """[time]"""
    time = scenario.time
    return from_table(DTYPES["time"], time, episode_slots=round(time.episode_s / time.slot_s))


def mobility_table(scenario: Scenario) -> np.recarray:
    """[ues], and the area that they are in; keys of other models of mobility are 0."""
    ues = scenario.ues
    width_m, height_m = scenario.area_m
    own = {
        "width_m": width_m,
        "height_m": height_m,
        **tiles_of(scenario)._asdict(),
        "model": codes.MOBILITY_NAMES.index(ues.mobility),
    }
    return from_table(DTYPES["mobility"], None, **or_zero(DTYPES["mobility"], ues, own))


def wired_table(scenario: Scenario) -> np.recarray:
    """[xn] and [backhaul]"""
    xn, backhaul = scenario.xn, scenario.backhaul
    return from_table(
        DTYPES["wired"],
        None,
        xn_rate_bit_s=xn.rate_bit_s,
        xn_delay_s=_mean_delay_s(xn),
        xn_delay_jitter=xn.delay_jitter,
        backhaul_rate_bit_s=backhaul.rate_bit_s,
        backhaul_delay_s=_mean_delay_s(backhaul),
        backhaul_delay_jitter=backhaul.delay_jitter,
    )


def _mean_delay_s(link: Link) -> float:
    """Mean of the lognormal delay whose median the scenario gives."""
    return link.delay_s * math.exp(0.5 * link.delay_jitter**2)


def cloud_table(scenario: Scenario) -> np.recarray:
    """[cloud]"""
    cloud = scenario.cloud
    is_rented = any(service.may_use_cloud for service in scenario.finetune)
    return from_table(
        DTYPES["cloud"],
        cloud,
        cloud_device=scenario.devices.index(cloud.device),
        accelerator_places=int(min(cloud.batch, cloud.concurrency)),
        usd_s=costs.accelerator_price_usd_per_s(scenario.device_spec(cloud.device)) if is_rented else 0.0,
    )


def serving_table(scenario: Scenario) -> np.recarray:
    """[serving], and what is done after a fault"""
    return from_table(DTYPES["serving"], scenario.serving, retries=scenario.faults.retries)


def prediction_table(scenario: Scenario) -> np.recarray:
    """[prediction]"""
    return from_table(DTYPES["prediction"], scenario.prediction)


def arrivals_table(scenario: Scenario) -> np.recarray:
    """[arrivals]; keys of other kinds are 0."""
    kind, ues = codes.ARRIVAL_NAMES.index(scenario.arrivals.kind), scenario.drawn_ues
    count = scenario.num_ues
    most = max((getattr(service, "participants", 1) for service in scenario.service), default=1)
    own = {"kind": kind, "first_ue": ues.start if ues else count, "n_ues": len(ues) or count, "most_participants": most}
    return from_table(DTYPES["arrivals"], None, **or_zero(DTYPES["arrivals"], scenario.arrivals, own))


def reward_table(scenario: Scenario) -> np.recarray:
    """[reward]"""
    return from_table(DTYPES["reward"], scenario.reward)


def prices_table(scenario: Scenario) -> np.recarray:
    """[prices]"""
    prices = scenario.prices
    return from_table(
        DTYPES["prices"],
        None,
        usd_per_air_byte=prices.air_usd_per_gb * 1e-9,
        usd_per_backhaul_byte=prices.backhaul_usd_per_gb * 1e-9,
        usd_per_egress_byte=prices.egress_usd_per_gb * 1e-9,
    )
