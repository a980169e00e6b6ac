"""The spread of entries, by which a search takes its first steps, against the same worked out slowly through the doors."""

from __future__ import annotations

import numpy as np
import torch

from agents.learned.scaling import Scaler
from agents.policy import make_rule
from agents.weights import weighed, weighted_entries
from edge6g_env import batch_env
from edge6g_env.kernel.codes import HOLD, REJECT
from train.spreads import LONGEST, SHORTLIST, USUAL, spreads, step_variances

SEEDS = [4, 5, 6]


def slowly(scenario, entries, distance=None) -> np.ndarray:
    """Standard deviations among the best by utility of the rows that serve, of every decision of `greedy` in an episode."""
    env = batch_env(scenario, len(SEEDS), observe="candidates", skip_idle=True)
    layout, greedy, rng = env.layout, make_rule("greedy", env.layout), np.random.default_rng(0)
    columns = [layout.candidate_index(feature.name) for feature in entries]
    scale, utility = Scaler(entries), layout.candidate_index("utility")
    obs, running, variances = env.reset(seed=SEEDS), np.ones(len(SEEDS), bool), []
    while running.any():
        for b, i in zip(*np.nonzero(obs["action_mask"][..., REJECT]), strict=True):
            rows = [c for c in np.flatnonzero(obs["action_mask"][b, i]) if c != HOLD]
            rows = sorted(rows, key=lambda c: -obs["candidates"][b, i, c, utility])[:SHORTLIST]
            rows = [c for c in rows if c != REJECT]
            if running[b] and len(rows) > 1:
                variances.append(scale(torch.from_numpy(obs["candidates"][b, i][rows][:, columns])).numpy().var(axis=0))
        obs, _, _, truncated, _ = env.step(greedy.act(obs, rng))
        running &= ~truncated
    return np.sqrt(np.mean(variances, axis=0))


def test_spreads_are_those_among_the_candidates_of_a_decision(scenario):
    layout = batch_env(scenario, 1).layout
    names = weighted_entries(layout)
    entries = weighed(layout, names)
    found = spreads(scenario, entries, SEEDS)
    np.testing.assert_allclose(found, slowly(scenario, entries), rtol=2e-3, atol=1e-5)
    assert (found[[names.index(name) for name in ("is_local", "load_s", "slowdown")]] > 0.0).all()
    assert found[names.index("is_draft")] == 0.0  # nothing drafts in tiny


def test_first_steps_move_scores_about_alike():
    spread = np.array([0.4, USUAL, 0.01, 1e-5, 0.0])
    steps = np.sqrt(step_variances(spread))
    np.testing.assert_allclose((steps * spread)[:3], USUAL)
    assert steps[1] == 1.0
    np.testing.assert_allclose(steps[3], LONGEST)
    assert steps[4] < 1e-2  # stays where it is
