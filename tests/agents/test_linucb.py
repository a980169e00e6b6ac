"""`linucb` against ridge regression written out, and that it finds what its forecasts get wrong."""

from __future__ import annotations

import numpy as np
import pytest

from agents.policy import Observation, learn, start
from agents.rules.linucb import ENTRIES
from edge6g_env.spaces import Feature, Layout
from eval.episodes import play_worlds
from tests.made import made
from tests.scene import draw, set_candidates

ALPHA = 0.3


def scaled(feature: Feature, value: float) -> float:
    if feature.scale == "linear":
        return value / feature.high
    unit = 0.01 * feature.high**0.5
    return np.log1p(value / unit) / np.log1p(feature.high / unit)


def features(layout: Layout, obs: Observation, b: int, i: int, c: int) -> np.ndarray:
    columns = [layout.candidate_index(name) for name in ENTRIES]
    return np.array([scaled(layout.candidates[f], float(obs["candidates"][b, i, c, f])) for f in columns])


def ended(layout: Layout, rows: list[tuple[int, int, float]]) -> np.ndarray:
    return np.array(rows, [("world", np.int64), ("job", np.int64), ("worth", np.float64)])


def test_it_is_ridge_regression_on_what_the_forecast_missed(layout: Layout, obs: Observation, rng: np.random.Generator):
    """Each agent by its own jobs: theta = (I + X'X)^-1 X'y and the bonus alpha sqrt(x (I + X'X)^-1 x), solved afresh."""
    policy, shape = made("linucb", layout, alpha=ALPHA), obs["action_mask"].shape[:2]
    start(policy, shape[0])
    seen: dict[tuple[int, int], list[tuple[np.ndarray, float]]] = {where: [] for where in np.ndindex(shape)}
    utility, allowed = layout.candidate_index("utility"), None
    for step in range(12):
        draw(layout, obs, rng, 0.6)
        actions = policy.act(obs, rng)
        known = policy._entries.of(obs).nearest(policy._rows).reshape(*shape, -1)  # type: ignore[attr-defined]
        outcomes = []
        for b, i in np.ndindex(shape):
            x = np.array([[0.0] * len(ENTRIES), *(one for one, _ in seen[b, i])])
            y = np.array([0.0, *(more for _, more in seen[b, i])])
            a = np.eye(len(ENTRIES)) + x.T @ x
            theta = np.linalg.solve(a, x.T @ y)

            def score(c: int, b: int = b, i: int = i, a: np.ndarray = a, theta: np.ndarray = theta) -> float:
                mine = features(layout, obs, b, i, c)
                bonus = ALPHA * np.sqrt(mine @ np.linalg.solve(a, mine))
                return float(obs["candidates"][b, i, c, utility]) + mine @ theta + bonus

            allowed = np.flatnonzero(known[b, i])
            assert score(int(actions[b, i])) == pytest.approx(max(map(score, allowed)), abs=1e-6)
            worth = float(rng.normal())
            x_taken = features(layout, obs, b, i, int(actions[b, i]))
            seen[b, i].append((x_taken, worth - float(obs["candidates"][b, i, actions[b, i], utility])))
            outcomes.append((b, 100 * step + i, worth))
        learn(policy, np.array([[100 * step + i for i in range(shape[1])]] * shape[0]), ended(layout, outcomes))


def test_jobs_of_others_and_of_nobody_teach_nothing(layout: Layout, obs: Observation, rng: np.random.Generator):
    policy = made("linucb", layout, alpha=ALPHA)
    start(policy, len(obs["action_mask"]))
    draw(layout, obs, rng, 0.6)
    actions = policy.act(obs, rng)
    nobody = np.full(actions.shape, -1)
    learn(policy, nobody, ended(layout, [(0, 5, -9.0), (1, 5, -9.0)]))
    assert (policy.act(obs, rng) == actions).all()
    decided = nobody.copy()
    decided[0, 1] = 7
    learn(policy, decided, ended(layout, []))
    learn(policy, nobody, ended(layout, [(1, 7, -9.0)]))  # a job of that number in another world
    assert (policy.act(obs, rng) == actions).all()
    learn(policy, nobody, ended(layout, [(0, 7, -9.0)]))
    changed = policy.act(obs, rng) != actions
    assert changed[0, 1]
    assert changed.sum() == 1


def test_it_learns_that_a_place_breaks_its_promise(layout: Layout, obs: Observation, rng: np.random.Generator):
    """The cloud promises more and gives less: after some jobs it is left alone."""
    set_candidates(layout, obs, "utility", 0.0)
    cloud = np.array([name.startswith("cloud") for name in layout.action_names])
    obs["candidates"][:, :, cloud, layout.candidate_index("utility")] = 0.5
    obs["candidates"][:, :, cloud, layout.candidate_index("is_cloud")] = 1.0
    policy = made("linucb", layout, alpha=0.01)
    start(policy, len(obs["action_mask"]))
    taken = []
    for step in range(10):
        actions = policy.act(obs, rng)
        taken.append(cloud[actions])
        jobs = np.full(actions.shape, step) * 10 + np.arange(actions.shape[1])
        rows = [(b, int(jobs[b, i]), -0.5 if cloud[actions[b, i]] else 0.0) for b, i in np.ndindex(actions.shape)]
        learn(policy, jobs, ended(layout, rows))
    assert taken[0].all()
    assert not taken[-1].any()


def test_episodes_tell_it_what_came(layout: Layout):
    """It is told of every measured job that some agent decided, and of the decision before the end."""
    told: list[tuple[np.ndarray, np.ndarray]] = []

    class Listens:
        privileged, needs_candidates = False, True

        def __init__(self, layout: Layout) -> None:
            self._inner = made("greedy", layout)

        def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
            return self._inner.act(obs, rng)

        def learn(self, decided: np.ndarray, outcomes: np.ndarray) -> None:
            told.append((decided.copy(), outcomes.copy()))

    jobs, *_ = play_worlds("greedy", Listens, layout.scenario, [300_000, 300_001])
    decided, heard = set(), {}
    for numbers, outcomes in told:
        decided |= {(b, int(numbers[b, i])) for b, i in zip(*np.nonzero(numbers >= 0), strict=True)}
        for row in outcomes:
            key = int(row["world"]), int(row["job"])
            assert row["action"] < 0 or key in decided
            assert key not in heard
            heard[key] = row["worth"]
    for row in jobs:
        assert heard[int(row["world"]), int(row["job"])] == row["worth"]
