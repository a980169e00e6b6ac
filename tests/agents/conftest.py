"""Observations made by hand: every action legal, everything else zero, until a test says otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from agents.policy import Observation
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout

NUM_WORLDS = 2


@pytest.fixture(scope="session")
def layout() -> Layout:
    return Layout(load_scenario("tiny"))


@pytest.fixture
def obs(layout: Layout) -> Observation:
    """Two worlds in which every agent has a job and every action is legal."""
    shape, c = (NUM_WORLDS, layout.scenario.nodes.count), layout.num_actions
    observation = np.zeros((*shape, len(layout.observation)), np.float32)
    for name in ("job/waiting", "node/queue_jobs", "neighbour_1/exists", "neighbour_2/exists"):
        observation[..., layout.observation_index(name)] = 1.0
    return {
        "observation": observation,
        "action_mask": np.ones((*shape, c), np.int8),
        "candidates": np.zeros((*shape, c, len(layout.candidates)), np.float32),
    }


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
