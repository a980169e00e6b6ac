"""How much a weight moves a choice: the spread of its entry among the candidates of a decision, by which a search takes its first steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge6g_env import BatchEnv, CompiledPolicy
from edge6g_env.features import Feature, flag
from edge6g_env.scenario import Scenario

SHORTLIST = 8  # candidates of highest utility: the choice is among them; judgement
DECISIONS = 500  # that are looked at, at least
PIECES = 40  # of an episode
# Spread of an entry whose weight takes the search's step size as it is; of one with less the step is longer, as far as LONGEST; judgement.
USUAL, LONGEST = 0.1, 20.0


def spreads(
    scenario: Scenario, entries: Sequence[Feature], seeds: Sequence[int], distance: np.ndarray | None = None
) -> np.ndarray:
    """Standard deviation of entries, scaled, among the candidates of a decision, root mean square over decisions, float64 (entries,).

    As the best by utility of all rows, or of those that `distance` allows (CompiledPolicy), meets them in worlds of these seeds.
    """
    env, read = BatchEnv(scenario, len(seeds)), (*entries, flag("is_reject"))
    weights = dict.fromkeys((one.name for one in read), 0.0)
    policy = CompiledPolicy(env.layout, distance=distance, linear=weights, scaled_as=((), read), top=SHORTLIST)
    env.reset(list(seeds))
    variances: list[np.ndarray] = []
    for piece in range(1, PIECES + 1):
        recorded = env.fly(policy, scenario.time.episode_s * piece / PIECES, record=True).recorded
        assert recorded is not None
        for inputs, count in zip(recorded.inputs, recorded.rows["n_shortlist"].tolist(), strict=True):
            serves = inputs[:count][inputs[:count, len(entries)] == 0.0, : len(entries)]
            if len(serves) > 1:
                variances.append(serves.var(axis=0, dtype=np.float64))
        if len(variances) >= DECISIONS:
            break
    env.close()
    return np.sqrt(np.mean(variances, axis=0)) if variances else np.zeros(len(entries))


def step_variances(spread: np.ndarray) -> np.ndarray:
    """Diagonal of a search's first covariance matrix: every weight moves the score of a candidate about as much, float64 as spread.

    One whose entry is the same of all candidates moves nothing, whatever it is: it stays where it is.
    """
    steps = np.minimum(USUAL / np.maximum(spread, 1e-12), LONGEST)
    return np.where(spread > 0.0, steps, 1e-6) ** 2
