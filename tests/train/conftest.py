"""What the training tests share: a small busy scenario, and observations as policies meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import train.learner
import train.run
import train.validation
from edge6g_env import batch_env, load_scenario
from edge6g_env.scenario import Scenario


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Forward passes of a few decisions; more threads only get into each other's way."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    """Tiny with short episodes and many jobs."""
    time = {"episode_s": 8.0, "warmup_s": 1.0, "drain_s": 3.0}
    return load_scenario("tiny", time=time, arrivals={"rate_jobs_s": 8.0})


@pytest.fixture(scope="session")
def observations() -> Callable[[Scenario | str, int], list[dict[str, np.ndarray]]]:
    """Observations with candidates of some slots of random play, as copies."""

    def play(scenario: Scenario | str, slots: int) -> list[dict[str, np.ndarray]]:
        batch, rng = batch_env(scenario, 4, observe="candidates"), np.random.default_rng(1)
        obs, seen = batch.reset(1), []
        for _ in range(slots):
            seen.append({name: part.copy() for name, part in obs.items()})
            mask = obs["action_mask"]
            obs, *_ = batch.step(np.where(mask == 1, rng.random(mask.shape), -1.0).argmax(axis=-1))
        return seen

    return play


@pytest.fixture(scope="session")
def quick() -> Iterator[None]:
    """Four validations of three episodes and one rule, and a clock that goes on by 5 ms whenever it is read: no run hangs on the machine's
    speed."""
    ticks = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.callbacks, "time", SimpleNamespace(monotonic=lambda: 0.005 * next(ticks)))
        patch.setattr(train.run, "VALIDATION_EPISODES", dict.fromkeys(train.run.ALGORITHMS, (3, 3)))
        patch.setattr(train.learner, "VALIDATIONS", 4)
        patch.setattr(train.learner, "APART", 0)
        patch.setattr(train.validation, "SHOWN_RULES", ("greedy",))
        yield
