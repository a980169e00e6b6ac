"""Decisions are credited with the worth of their own job, however late it ends."""

import numpy as np
import pytest
import torch

from agents.learned.scorer import Situations
from edge6g_env.kernel.codes import CUT, FINISHED, REJECTED
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from train.decisions import Decisions

TOP, ENTRIES, FEATURES = 3, 2, 4


def taken(decisions, keys):
    """Add decisions whose arrays all hold a number made from their key; returns those numbers."""
    worlds, jobs = np.array(keys).T
    tag = torch.tensor(100.0 * worlds + jobs, dtype=torch.float32)
    n = len(tag)
    situations = Situations(
        tag[:, None].expand(n, ENTRIES),
        tag[:, None, None].expand(n, TOP, FEATURES),
        tag[:, None].expand(n, TOP) / 4.0,
        tag / 8.0,
    )
    decisions.add(worlds, jobs, situations, torch.arange(n) % TOP, -tag, tag / 2.0)
    return tag.numpy()


def tags(batch):
    """Those numbers of a batch, in its order; all arrays hold the same."""
    tag = batch.situations.context[:, 0]
    assert torch.equal(batch.situations.candidates, tag[:, None, None].expand(len(tag), TOP, FEATURES))
    assert torch.equal(batch.situations.regret, tag[:, None].expand(len(tag), TOP) / 4.0)
    for column, factor in ((batch.situations.best, 8.0), (batch.log_prob, -1.0), (batch.value, 2.0)):
        assert torch.equal(column * factor, tag)
    return tag.tolist()


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
    assert tags(batch) == [c, a]
    assert batch.worth.tolist() == pytest.approx([0.7, -0.1])
    assert len(decisions) == 0
    taken(decisions, [(1, 1)])
    decisions.credit(outcomes((0, 6, 0.3, FINISHED)))
    late = decisions.take()
    assert tags(late) == [b]
    assert late.worth.tolist() == pytest.approx([0.3])
    assert late.choice.dtype == torch.int64


def test_a_cut_job_has_no_outcome_and_gives_its_place_back(decisions):
    taken(decisions, [(0, n) for n in range(6)])
    decisions.credit(outcomes(*((0, n, 9.0, CUT) for n in range(6))))
    assert len(decisions) == 0
    assert len(decisions.take().worth) == 0
    taken(decisions, [(0, n) for n in range(6)])  # all places are free again, under the same keys too
    decisions.credit(outcomes((0, 3, 1.0, FINISHED)))
    assert tags(decisions.take()) == [3.0]


def test_places_are_reused_and_a_batch_keeps_its_numbers(decisions):
    batches = []
    for n in range(50):  # far more than there are places
        taken(decisions, [(n % 3, n)])
        decisions.credit(outcomes((n % 3, n, float(n), FINISHED)))
        batches.append(decisions.take())
    assert [batch.worth.tolist() for batch in batches] == [[float(n)] for n in range(50)]
    assert [tags(batch) for batch in batches] == [[float(n % 3 * 100 + n)] for n in range(50)]


def test_places_grow_as_they_are_needed(decisions):
    """Ten times as many open decisions as places, some done and some open when they run out: all keep their numbers."""
    few = taken(decisions, [(0, n) for n in range(4)])
    decisions.credit(outcomes((0, 1, 0.1, FINISHED)))
    more = np.concatenate([taken(decisions, [(1, n + 7 * k) for n in range(7)]) for k in range(8)])
    every = np.concatenate([few, more])
    keys = [(0, 0), (0, 2), (0, 3), *((1, n) for n in range(56))]
    decisions.credit(outcomes(*((w, j, w + j / 64.0, FINISHED) for w, j in keys)))
    batch = decisions.take()
    assert sorted(tags(batch)) == sorted(every.tolist())
    expected = {100.0 * w + j: w + j / 64.0 for w, j in keys} | {1.0: np.float32(0.1)}
    assert batch.worth.tolist() == pytest.approx([expected[tag] for tag in tags(batch)])


def test_outcomes_of_others_are_left_alone(decisions):
    """Jobs that expired undecided, those of other worlds, the same outcome twice."""
    (tag,) = taken(decisions, [(0, 5)])
    decisions.credit(outcomes((0, 4, 1.0, FINISHED), (1, 5, 1.0, FINISHED)))
    assert len(decisions) == 0
    decisions.credit(outcomes((0, 5, 0.5, FINISHED), (0, 5, 0.9, FINISHED)))
    batch = decisions.take()
    assert tags(batch) == [tag]
    assert batch.worth.tolist() == [0.5]


def test_worlds_of_a_later_batch_are_counted_on(decisions):
    """World 0 of a batch that begins at world 3 is the run's world 3, not its world 0."""
    first, later = taken(decisions, [(0, 5), (3, 5)])
    decisions.credit(outcomes((0, 5, 0.25, FINISHED)), first_world=3)
    decisions.credit(outcomes((0, 5, 0.75, FINISHED)))
    batch = decisions.take()
    assert tags(batch) == [later, first]
    assert batch.worth.tolist() == [0.25, 0.75]


def test_a_job_that_was_put_back_credits_each_decision_about_it(decisions):
    """Two decisions about job 5, then one about job 6 that is cut: both of the first bear the worth, all places come back."""
    (first,) = taken(decisions, [(0, 5)])
    second, _ = taken(decisions, [(0, 5), (0, 6)])
    decisions.credit(outcomes((0, 5, 0.4, FINISHED), (0, 6, 0.9, CUT)))
    batch = decisions.take()
    assert tags(batch) == [first, second]
    assert batch.worth.tolist() == pytest.approx([0.4, 0.4])
    taken(decisions, [(1, n) for n in range(6)])
