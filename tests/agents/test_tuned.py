"""`tuned`: what its weights and rows mean, and what is no value of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.learned.linear import LinearPolicy
from agents.learned.reading import LayoutError, Reads
from agents.learned.scaling import Scaler
from agents.policy import Observation, make_rule
from agents.rules.restricted import Restricted
from agents.rules.static import Static
from agents.rules.tuned import TunedWeights
from agents.values import ALL_ROWS, TUNED, ValuesError, identity_of, tuned
from agents.weights import SCORED_ROWS, weighted_entries
from edge6g_env.kernel.codes import HOLD, REJECT
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout

RESTRICTED_TO = {
    "device_split": [0.0, 0.5],
    "edge_split": [0.0],
    "precision": ["int8"],
    "model": ["llama-3.1-8b", "llama-3.2-3b"],
}
STATIC_AT = {
    "chat": {"device_split": 0.0, "edge_split": 0.25, "precision": "int8", "model": "llama-3.1-8b"},
    "assistant": {"device_split": 0.125, "edge_split": 0.0, "precision": "int4", "model": "llama-3.2-3b"},
}


def draw(layout: Layout, obs: Observation, rng: np.random.Generator) -> None:
    """Random masks, services, and entries within their ranges."""
    low, high = layout.candidate_limits
    obs["candidates"][...] = low + (high - low) * rng.random(obs["candidates"].shape, np.float32) ** 4
    obs["candidates"][..., layout.candidate_index("utility")] = rng.random(obs["action_mask"].shape)
    obs["candidates"][
        ..., HOLD, layout.candidate_index("utility")
    ] = -1.0  # `greedy` never waits, for hold is worth less than reject
    obs["action_mask"][...] = rng.random(obs["action_mask"].shape) < 0.4
    obs["action_mask"][..., [HOLD, REJECT]] = 1
    which = rng.random(obs["action_mask"].shape[:-1]) < 0.5
    for name, chosen in (("chat", which), ("assistant", ~which)):
        obs["observation"][..., layout.observation_index(f"job/service_{name}")] = chosen


@pytest.mark.parametrize("rows", [ALL_ROWS, {"restricted": RESTRICTED_TO}, {"static": STATIC_AT}])
def test_weights_of_zero_are_the_rule_whose_rows_it_has(
    layout: Layout, obs: Observation, rng: np.random.Generator, rows: Any
):
    same = {
        ALL_ROWS: lambda: make_rule("greedy", layout),
        "restricted": lambda: Restricted(layout, RESTRICTED_TO),
        "static": lambda: Static(layout, STATIC_AT),
    }[rows if isinstance(rows, str) else next(iter(rows))]()
    for weights in ({}, {"load_s": 0.0}):
        mine = TunedWeights(layout, {"rows": rows, "weights": weights})
        for _ in range(20):
            draw(layout, obs, rng)
            assert (mine.act(obs, rng) == same.act(obs, rng)).all()


def test_a_weight_counts_as_much_as_its_scaled_entry(layout: Layout, obs: Observation, rng: np.random.Generator):
    """Against the network's own scaler, entry by entry; what is in seconds counts in seconds."""
    names = weighted_entries(layout)
    weights = dict(zip(names, rng.normal(0.0, 0.5, len(names)).tolist(), strict=True))
    columns = [layout.candidate_index(name) for name in names]
    scale, mine = (
        Scaler([layout.candidates[c] for c in columns]),
        TunedWeights(layout, {"rows": "all", "weights": weights}),
    )
    in_seconds = np.array([layout.candidates[c].unit == "s" for c in columns])
    moved = 0
    for _ in range(20):
        draw(layout, obs, rng)
        raw = obs["candidates"][..., columns]
        scaled = np.where(in_seconds, raw, scale(torch.from_numpy(raw)).numpy())
        utility = obs["candidates"][..., layout.candidate_index("utility")]
        score = np.where(obs["action_mask"] == 1, utility + scaled @ np.array(list(weights.values())), -np.inf)
        score[..., HOLD] = -np.inf
        legal = np.where(obs["action_mask"] == 1, utility, -np.inf)
        score[legal < np.sort(legal, axis=-1)[..., [-SCORED_ROWS]]] = -np.inf
        actions = mine.act(obs, rng)
        np.testing.assert_allclose(
            np.take_along_axis(score, actions[..., None], -1)[..., 0], score.max(axis=-1), atol=1e-5
        )
        moved += int((actions != make_rule("greedy", layout).act(obs, rng)).sum())
    assert moved > 20


def test_a_search_weighs_neither_the_utility_nor_what_no_choice_is(layout: Layout):
    names = weighted_entries(layout)
    assert not {"utility", "is_hold", "is_reject"} & {*names}
    assert {*names} <= {feature.name for feature in layout.candidates}


def test_a_policy_of_other_entries_is_refused_with_the_first_that_is_missing(layout: Layout):
    names = weighted_entries(layout)
    reads = Reads.of(layout, (), names)
    LinearPolicy(layout, reads, np.zeros(len(names)))
    record = reads.to_dict()
    record["candidates"][3]["name"] = "cloud_humidity"
    with pytest.raises(LayoutError, match="cloud_humidity"):
        LinearPolicy(layout, Reads.from_dict(record), np.zeros(len(names)))
    with pytest.raises(ValueError, match="argument"):
        LinearPolicy(layout, reads, np.zeros(len(names) + 1))


def write(path: Path, values: Any) -> Path:
    path.write_text(json.dumps({"tuned": {"values": values, "scenario": "tiny_v0"}}))
    return path


def test_values_of_a_file_are_read(tmp_path: Path):
    values = {"rows": {"restricted": RESTRICTED_TO}, "weights": {"load_s": -0.2}}
    found = tuned(TUNED, load_scenario("tiny"), write(tmp_path / "mine.json", values))
    assert found.values == values
    other = tuned(TUNED, load_scenario("tiny"), write(tmp_path / "other.json", {**values, "weights": {"load_s": -0.3}}))
    first, second = (identity_of(TUNED, load_scenario("tiny"), one.values) for one in (found, other))
    assert first != second


BAD = {
    "entry": ({"rows": "all", "weights": {"load_m": 1.0}}, "weights has 'load_m', which no candidate has"),
    "number": ({"rows": "all", "weights": {"load_s": "much"}}, "weights.load_s = 'much' is no number"),
    "infinite": ({"rows": "all", "weights": {"load_s": float("inf")}}, "weights.load_s = inf is no number"),
    "rows": ({"rows": "some", "weights": {}}, "rows must be 'all'"),
    "rule": ({"rows": {"greedy": {}}, "weights": {}}, "rows must be 'all'"),
    "values": ({"rows": {"restricted": {**RESTRICTED_TO, "precision": []}}, "weights": {}}, "precision has no value"),
    "form": ({"rows": "all"}, "not as `edge6g tune` writes it"),
}


@pytest.mark.parametrize("case", BAD)
def test_values_that_do_not_fit_are_refused(tmp_path: Path, case: str):
    values, message = BAD[case]
    with pytest.raises(ValuesError, match=r"^mine\.json: ") as error:
        tuned(TUNED, load_scenario("tiny"), write(tmp_path / "mine.json", values))
    assert message in str(error.value)
