"""What is learned does not depend on who plays the episodes."""

from __future__ import annotations

import pytest
import torch

import train.trainers
from eval.pools.pool import Thread
from eval.pools.processes import Machine
from eval.pools.workers import Workers
from train.learner import Learner
from train.limits import Limit
from train.setup import Setup

LEARNED = {
    "search": ("search", {"population": 5}),
    "scorer": ("scorer", {"stage_a": 0.05, "population": 5, "episodes": 2, "seeds": 5}),
    "labels": ("scorer", {"stage_a": 0.0, "stage_c": 1.0, "seeds": 3, "labels": 2, "choices": 3}),
}


@pytest.mark.parametrize("case", LEARNED)
def test_what_is_learned_does_not_depend_on_the_workers(scenario, monkeypatch, case):
    """With a limit, whose price depends on what all of a batch cost."""
    algo, settings = LEARNED[case]
    limits = (Limit("slo_miss", 0.01),)
    states = []
    for pool in (Thread(1), Workers(Machine(1), 2)):
        with monkeypatch.context() as patch:
            patch.setattr(train.trainers, "pool_of", lambda _, pool=pool: pool)
            model = Learner(Setup((scenario,), algo, 3, decisions=8_000, settings=settings, limits=limits)).model
        for _ in range(4):
            model.advance()
        states.append(model.state_tensors())
        pool.close()
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
    assert any(name.endswith("prices") and tensor.min() > 0.0 for name, tensor in states[0].items())
