"""A small comparison by hand: two rules and one learned policy over six seeds, with known order and differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eval.metrics import METRIC_NAMES, episodes_frame
from eval.statistics import Summary, summarise

SEEDS = range(100, 106)
ADVANTAGE = {"local": 0.0, "greedy": 0.30, "runs/scorer": 0.35}  # over `local`, the same in every seed


@pytest.fixture
def episodes() -> pd.DataFrame:
    """Reward = how easy the seed is + what the policy adds; no TPOT anywhere, so that column is empty."""
    ease = dict(zip(SEEDS, np.linspace(0.0, 0.5, len(SEEDS)), strict=True))
    rows: list[dict[str, object]] = []
    for policy, advantage in ADVANTAGE.items():
        for seed in SEEDS:
            row = dict.fromkeys(METRIC_NAMES, 1.0) | {"tpot_mean_s": np.nan, "tpot_p95_s": np.nan}
            row |= {"reward_per_job": ease[seed] + advantage, "jobs": 500.0, "finished_jobs": 400.0}
            rows.append({"policy": policy, "seed": seed, **row})
    return episodes_frame(rows)


@pytest.fixture
def summary(episodes: pd.DataFrame) -> Summary:
    """Its summary."""
    return summarise(episodes, rules=["local", "greedy"], learned=["runs/scorer"])
