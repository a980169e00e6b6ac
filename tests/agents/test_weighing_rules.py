"""Rules that weigh utility against something: prices, backlogs, thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from agents import values
from agents.parameters import ParameterError
from agents.policy import Observation, parameters_of, rule_class, rule_names
from agents.rules._plans import reference_rows
from agents.values import ValuesError
from edge6g_env.kernel.codes import REJECT
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from tests.made import made
from tests.scene import Row, draw, first_best, jobs

LEGAL = 0.8


@pytest.fixture(scope="module")
def distance(layout: Layout) -> np.ndarray:
    """Of each action from the reference, by service."""
    found = reference_rows(layout)
    assert found is not None
    return found


def nearest(layout: Layout, distance: np.ndarray, rows: list[Row]) -> list[Row]:
    """Of the rows that serve those nearest to the reference, and `reject`."""
    names = [service.name for service in layout.scenario.service]
    (s,) = [names.index(name) for name in names if rows[0].job(f"service_{name}") == 1.0]
    least = min((distance[s, row.c] for row in rows if row.serves), default=0)
    return [row for row in rows if not row.serves or distance[s, row.c] == least]


@pytest.mark.parametrize(("price", "cloud"), [(0.001, 0.0001), (0.03, 0.001), (3.0, 0.5)])
def test_greedy_price_pays_for_accelerator_seconds(
    price: float, cloud: float, layout: Layout, distance: np.ndarray, obs: Observation, rng: np.random.Generator
):
    policy, rejected = made("greedy-price", layout, price_per_s=price, cloud_price_per_s=cloud), 0
    for _ in range(20):
        draw(layout, obs, rng, LEGAL)
        for name, value in (("accelerator_s", 0.0), ("cloud_place_s", 0.0), ("utility", -0.1)):
            obs["candidates"][..., REJECT, layout.candidate_index(name)] = value
        actions = policy.act(obs, rng)
        for b, i, rows in jobs(layout, obs):
            expected = first_best(
                nearest(layout, distance, rows),
                lambda row: row.utility - price * row.accelerator_s - cloud * row.cloud_place_s,
            )
            assert actions[b, i] == expected
            rejected += expected == REJECT
    assert (rejected > 0) == (price == 3.0)


def drift(row: Row) -> float:
    """Work that is there times work that comes, s^2."""
    return (row.wait_s + row.sequences * row.accelerator_s) * (row.accelerator_s + row.cloud_place_s)


@pytest.mark.parametrize("v", [1.0, 30.0, 9_000.0])
def test_drift_plus_penalty_minimises_drift_less_v_times_utility(
    v: float, layout: Layout, distance: np.ndarray, obs: Observation, rng: np.random.Generator
):
    policy = made("drift-plus-penalty", layout, v_s2=v)
    for _ in range(20):
        draw(layout, obs, rng, LEGAL)
        obs["candidates"][..., REJECT, layout.candidate_index("wait_s")] = 0.0
        obs["candidates"][..., REJECT, layout.candidate_index("sequences")] = 0.0
        actions = policy.act(obs, rng)
        for b, i, rows in jobs(layout, obs):
            allowed = nearest(layout, distance, rows)
            most = max(v * row.utility - drift(row) for row in allowed)
            taken = next(row for row in allowed if row.c == actions[b, i])
            assert v * taken.utility - drift(taken) == pytest.approx(most, rel=1e-4, abs=1e-3)


def test_backlog_of_what_drift_plus_penalty_takes_grows_with_v(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    """Of the same choices a larger V never takes less utility, nor less drift: the trade of the theory."""
    draw(layout, obs, rng, 1.0)
    utility, drifts = [], []
    for v in (1.0, 10.0, 100.0, 1e3, 1e4):
        actions = made("drift-plus-penalty", layout, v_s2=v).act(obs, rng)
        taken = [next(row for row in rows if row.c == actions[b, i]) for b, i, rows in jobs(layout, obs)]
        utility.append([row.utility for row in taken])
        drifts.append([drift(row) for row in taken])
    assert (np.diff(utility, axis=0) >= -1e-6).all()
    assert (np.diff(drifts, axis=0) >= -1e-3).all()
    assert np.ptp(utility, axis=0).max() > 0.0


@pytest.mark.parametrize(("threshold", "per_s"), [(0.5, 0.0), (1.9, 0.1), (0.05, 0.0), (0.9, 0.05)])
def test_the_threshold_rule_chooses_a_side_then_the_best_row(
    threshold: float, per_s: float, layout: Layout, distance: np.ndarray, obs: Observation, rng: np.random.Generator
):
    policy, sides = made("edge-cloud-threshold", layout, threshold=threshold, per_s=per_s), set()
    for legal in (0.9, 0.3, 0.05) * 8:
        draw(layout, obs, rng, legal)
        actions = policy.act(obs, rng)
        for b, i, rows in jobs(layout, obs):
            allowed = nearest(layout, distance, rows)
            edge, cloud = ([row for row in allowed if row.where == where] for where in ("local", "cloud"))
            stays = not cloud
            if edge and cloud:
                score = max(row.quality * row.timeliness for row in edge)
                stays = score >= threshold - per_s * min(row.ttft_s for row in cloud)
            side = (edge if stays else cloud) or [row for row in allowed if row.serves]
            rejects = [row for row in allowed if row.where == "reject"]
            assert actions[b, i] == first_best(side + rejects, lambda row: row.utility)
            sides |= {(bool(edge and cloud), stays)}
    assert {(True, True), (True, False)} & sides


def test_the_threshold_rule_falls_back_less_the_farther_the_cloud(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    draw(layout, obs, rng, 1.0)
    policy, shares = made("edge-cloud-threshold", layout, threshold=1.0, per_s=0.2), []
    cloud = np.array([name.startswith("cloud") for name in layout.action_names])
    utility = obs["candidates"][..., layout.candidate_index("utility")]
    utility[..., REJECT] = -1.0
    for away_s in (0.0, 1.0, 2.0, 4.0, 10.0):
        obs["candidates"][:, :, cloud, layout.candidate_index("ttft_s")] = away_s
        shares.append(float(cloud[policy.act(obs, rng)].mean()))
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (1.0, 0.0)


NUMERIC = [name for name in rule_names() if parameters_of(name, load_scenario("tiny"))]


@pytest.mark.parametrize("name", NUMERIC)
def test_values_out_of_range_are_refused(name: str, layout: Layout):
    first = parameters_of(name, layout.scenario)[0]
    with pytest.raises(ParameterError, match=f"{first.name} = .* is no number between"):
        made(name, layout, **{first.name: first.high + 1.0})


@pytest.mark.parametrize("name", NUMERIC)
def test_without_values_the_command_that_finds_them_is_said(name: str, tmp_path, monkeypatch):
    monkeypatch.setattr(values, "values_file", lambda scenario: tmp_path / "none.json")
    with pytest.raises(ValuesError, match=f"tiny has no values of {name}: `edge6g tune --rule {name} --scenario tiny"):
        rule_class(name)(Layout(load_scenario("tiny")))
