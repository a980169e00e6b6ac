"""Helpers of the interface tests: random legal actions, comparison of whatever a step returns, short episodes."""

import numpy as np
import pytest

import edge6g_env
from tests.short import shortened


@pytest.fixture(params=edge6g_env.scenarios())
def scenario(request):
    """Every scenario that ships."""
    return request.param


@pytest.fixture(params=["plain", "candidates"])
def observe(request):
    return request.param


@pytest.fixture
def short(request):
    """Overrides: an episode of 50 slots or so in which every job is measured, where no models are tuned."""
    every = "scenario" in request.fixturenames
    return shortened(request.getfixturevalue("scenario") if every else "tiny", 1.0)


@pytest.fixture
def busy():
    """Overrides: so many jobs that most agents have one to decide."""
    return {"arrivals": {"kind": "poisson", "rate_jobs_s": 60.0}}


@pytest.fixture
def legal():
    """A function: int64 (...) random legal actions for masks (..., C)."""

    def draw(mask, rng):
        return np.where(np.asarray(mask) == 1, rng.random(np.shape(mask)), -1.0).argmax(axis=-1)

    return draw


@pytest.fixture
def joint():
    """A function: a dict by agent from actions (N,)."""
    return lambda env, actions: {agent: int(c) for agent, c in zip(env.possible_agents, actions, strict=True)}


@pytest.fixture
def stacked():
    """A function: arrays (N, ...) from the observations of a parallel environment."""
    return lambda obs: {name: np.stack([row[name] for row in obs.values()]) for name in next(iter(obs.values()))}


@pytest.fixture
def assert_same():
    """A function that compares nested dicts, sequences and arrays bit by bit, field by field; NaN equals NaN."""

    def check(a, b, where="", ignore=()):
        if isinstance(a, dict):
            assert a.keys() == b.keys(), where
            for key in a:
                check(a[key], b[key], f"{where}/{key}", ignore)
        elif isinstance(a, tuple | list):
            assert len(a) == len(b), where
            for place, (one, other) in enumerate(zip(a, b, strict=True)):
                check(one, other, f"{where}/{place}", ignore)
        else:
            _check_arrays(np.asarray(a), np.asarray(b), where, ignore)

    return check


def _check_arrays(a, b, where, ignore):
    assert a.shape == b.shape, where
    assert a.dtype == b.dtype, where
    if a.tobytes() == b.tobytes():  # most are, and records are slow to take apart
        return
    for name in a.dtype.names or ():
        if name not in ignore:
            _check_arrays(a[name], b[name], f"{where}.{name}", ignore)
    if a.dtype.names is None:
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), where
