"""Decisions are credited with the worth of their own job, however late it ends."""

import numpy as np
import pytest
import torch

from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.kernel.world import CUT, FINISHED, REJECTED
from train.decisions import Decisions

TOP, ENTRIES, FEATURES = 3, 2, 4


def taken(decisions, keys):
    """Add decisions whose arrays all hold a number made from their key; returns those numbers."""
    keys = np.array(keys)
    tag = (keys @ [100, 1]).astype(np.float32)
    decisions.add(
        keys,
        np.repeat(tag[:, None], ENTRIES, 1),
        np.broadcast_to(tag[:, None, None], (len(tag), TOP, FEATURES)),
        np.ones((len(tag), TOP), bool),
        np.arange(len(tag)) % TOP,
        -tag,
        tag / 2.0,
    )
    return tag


def outcomes(*rows):
    """Outcome rows (world, job, worth, phase)."""
    out = np.zeros(len(rows), OUTCOME_DTYPE)
    for n, row in enumerate(rows):
        out[n]["world"], out[n]["job"], out[n]["worth"], out[n]["phase"] = row
    return out


@pytest.fixture
def decisions():
    return Decisions(ENTRIES, TOP, FEATURES, places=6)


def test_late_outcomes_find_their_decision(decisions):
    """Three decisions end in another order than they were taken, one of them two updates later."""
    a, b, c = taken(decisions, [(0, 5), (0, 6), (2, 5)])
    assert len(decisions) == 0
    decisions.credit(outcomes((2, 5, 0.7, FINISHED)))
    decisions.credit(outcomes((0, 5, -0.1, REJECTED)))
    batch = decisions.take()
    assert batch.context[:, 0].tolist() == [c, a]
    assert batch.worth.tolist() == pytest.approx([0.7, -0.1])
    assert batch.candidates[:, 0, 0].tolist() == [c, a]
    assert batch.log_prob.tolist() == [-c, -a]
    assert batch.value.tolist() == [c / 2.0, a / 2.0]
    assert len(decisions) == 0
    taken(decisions, [(1, 1)])
    decisions.credit(outcomes((0, 6, 0.3, FINISHED)))
    late = decisions.take()
    assert late.context[:, 0].tolist() == [b]
    assert late.worth.tolist() == pytest.approx([0.3])
    assert late.choice.dtype == torch.int64


def test_a_cut_job_has_no_outcome_and_gives_its_place_back(decisions):
    taken(decisions, [(0, n) for n in range(6)])
    decisions.credit(outcomes(*((0, n, 9.0, CUT) for n in range(6))))
    assert len(decisions) == 0
    assert len(decisions.take().worth) == 0
    taken(decisions, [(0, n) for n in range(6)])  # all places are free again, under the same keys too
    decisions.credit(outcomes((0, 3, 1.0, FINISHED)))
    assert decisions.take().context[:, 0].tolist() == [3.0]


def test_places_are_reused_and_a_batch_keeps_its_numbers(decisions):
    batches = []
    for n in range(50):  # far more than there are places
        taken(decisions, [(n % 3, n)])
        decisions.credit(outcomes((n % 3, n, float(n), FINISHED)))
        batches.append(decisions.take())
    assert [batch.worth.tolist() for batch in batches] == [[float(n)] for n in range(50)]
    assert [batch.context[0, 0].item() for batch in batches] == [float(n % 3 * 100 + n) for n in range(50)]


def test_places_grow_as_they_are_needed(decisions):
    """Ten times as many open decisions as places, some done and some open when they run out: all keep their numbers."""
    tags = taken(decisions, [(0, n) for n in range(4)])
    decisions.credit(outcomes((0, 1, 0.1, FINISHED)))
    more = np.concatenate([taken(decisions, [(1, n + 7 * k) for n in range(7)]) for k in range(8)])
    every = np.concatenate([tags, more])
    keys = [(0, 0), (0, 2), (0, 3), *((1, n) for n in range(56))]
    decisions.credit(outcomes(*((w, j, w + j / 64.0, FINISHED) for w, j in keys)))
    batch = decisions.take()
    assert sorted(batch.context[:, 0].tolist()) == sorted(every.tolist())
    assert torch.equal(batch.context[:, 0], -batch.log_prob)
    expected = {100.0 * w + j: w + j / 64.0 for w, j in keys} | {1.0: np.float32(0.1)}
    assert batch.worth.tolist() == pytest.approx([expected[tag] for tag in batch.context[:, 0].tolist()])


def test_outcomes_of_others_are_left_alone(decisions):
    """Jobs that expired undecided, those of other worlds, the same outcome twice."""
    (tag,) = taken(decisions, [(0, 5)])
    decisions.credit(outcomes((0, 4, 1.0, FINISHED), (1, 5, 1.0, FINISHED)))
    assert len(decisions) == 0
    decisions.credit(outcomes((0, 5, 0.5, FINISHED), (0, 5, 0.9, FINISHED)))
    batch = decisions.take()
    assert batch.context[:, 0].tolist() == [tag]
    assert batch.worth.tolist() == [0.5]


def test_a_job_that_was_put_back_credits_each_decision_about_it(decisions):
    """Two decisions about job 5, then one about job 6 that is cut: both of the first bear the worth, all places come back."""
    (first,) = taken(decisions, [(0, 5)])
    second, _ = taken(decisions, [(0, 5), (0, 6)])
    decisions.credit(outcomes((0, 5, 0.4, FINISHED), (0, 6, 0.9, CUT)))
    batch = decisions.take()
    assert batch.context[:, 0].tolist() == [first, second]
    assert batch.worth.tolist() == pytest.approx([0.4, 0.4])
    taken(decisions, [(1, n) for n in range(6)])
