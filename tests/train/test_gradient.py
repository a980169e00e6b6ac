"""Stage B: what a gradient step does, with which weights a half is played, and that nothing else decides what is learned."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import CallbackList

from agents.learned.scorer import CANDIDATE, CONTEXT, Scorer, ScorerConfig
from eval.pools.pool import Hangar, Thread
from tests.train.small import Inline, learner, same
from train.checkpoint import TRAINER, read_tensors
from train.limits import Limit
from train.stages.gradient import KEPT, TeamGradient
from train.stages.team import Decided, TeamPart, Terms
from train.worlds import Worlds

SMALL = {"seeds": 2, "draws": 2, "minibatch": 128}
TEAM = Terms(own=False, horizon_s=2.0, share=1.0)
LONGEST_S = 60.0  # of any wait, on a busy machine


def team_gradient(scenario, pool=None, seed=1, terms=TEAM, **options):
    torch.manual_seed(seed)
    worlds = Worlds([scenario], seed)
    net = Scorer(worlds.reads(CONTEXT, CANDIDATE, 10.0), ScorerConfig())
    return TeamGradient(worlds, pool or Inline(), net, seed, terms, stage=1, **{**SMALL, **options})


def packed(net, layout):
    return net.compiled(layout, records=True).network


def made(gradient, n, better):
    """Decisions among two candidates that differ in one entry, and the one that is `better` has more credit."""
    top, reads = gradient.net.config.top, gradient.net.reads
    inputs = np.zeros((n, top, len(reads.candidates) + 1), np.float32)
    inputs[:, 1, [feature.name for feature in reads.candidates].index("is_local")] = 1.0
    context, choice = np.zeros((n, len(reads.observation)), np.float32), np.arange(n) % 2
    credit = np.where(choice == better, 1.0, 0.0).astype(np.float32)
    return Decided(context, inputs, np.full(n, 2), choice, np.zeros(n, np.float32), credit)


def probabilities(net, decided):
    with torch.inference_mode():
        scores = net(torch.from_numpy(decided.context), torch.from_numpy(decided.inputs))
    scores = scores.masked_fill(torch.arange(scores.shape[1]) >= torch.from_numpy(decided.candidates)[:, None], -1e9)
    return torch.log_softmax(net.config.beta * scores, dim=1)


@pytest.mark.parametrize("better", [0, 1])
def test_a_gradient_step_makes_what_had_more_credit_likelier(scenario, better):
    gradient = team_gradient(scenario)
    decided = made(gradient, 64, better)
    assert probabilities(gradient.net, decided).exp()[0, :2].tolist() == pytest.approx([0.5, 0.5])
    for _ in range(20):
        before = probabilities(gradient.net, decided)[np.arange(64), decided.choice].numpy()
        gradient._update(decided._replace(log_probability=before))
    after = probabilities(gradient.net, decided).exp()[0]
    assert after[better] > 0.6
    assert after[2:].max() == 0.0  # candidates that are not there


def test_credit_that_is_the_same_for_all_moves_no_choice(scenario):
    """Only differences teach: the value takes what is the same. Nor does a batch without two decisions."""
    gradient = team_gradient(scenario)
    decided = made(gradient, 64, 1)._replace(
        credit=np.full(64, 5.0, np.float32), log_probability=np.full(64, np.log(0.5), np.float32)
    )
    for _ in range(20):
        gradient._update(decided)
    assert probabilities(gradient.net, decided).exp()[0, :2].tolist() == pytest.approx([0.5, 0.5], abs=0.02)
    before = gradient.tensors()
    for few in (0, 1):
        assert gradient._update(Decided(*(column[:few] for column in decided))) == {}
    assert same(gradient.tensors(), before)


def test_a_ratio_beyond_the_clip_teaches_nothing_more(scenario):
    """Choices that have become likelier than the clip allows: the weights of the policy stay (Schulman et al. 2017, equation 7)."""
    gradient = team_gradient(scenario, learning_rate=1e-2, epochs=1)
    decided = made(gradient, 64, 1)
    torch.nn.init.normal_(gradient.net.correction.weight, std=0.1)
    now = probabilities(gradient.net, decided)[np.arange(64), decided.choice].numpy()
    before = [tensor.clone() for tensor in gradient.net.parameters()]
    far = np.where(
        decided.credit > 0.0, now - 1.0, now + 1.0
    )  # the good ones e times likelier, the bad ones e times less
    gradient._update(decided._replace(log_probability=far.astype(np.float32)))
    assert all(torch.equal(a, b) for a, b in zip(before, gradient.net.parameters(), strict=True))
    gradient._update(decided._replace(log_probability=now))
    assert not all(torch.equal(a, b) for a, b in zip(before, gradient.net.parameters(), strict=True))


def test_every_layer_moves_and_the_linear_part_stands(scenario):
    gradient = team_gradient(scenario)
    gradient.net.linear[3] = 0.25
    gradient.begin()
    before = {name: tensor.clone() for name, tensor in gradient.net.state_dict().items()}
    for _ in range(3):
        decisions, figures = gradient.advance()
        assert decisions > 100
        assert all(np.isfinite(value) for value in figures.values())
    after = gradient.net.state_dict()
    # the last layer begins at 0, so the first ones move from the second step on
    assert all(not torch.equal(before[name], after[name]) for name, _ in gradient.net.named_parameters())
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert torch.equal(before["linear"], after["linear"])
    assert torch.equal(gradient.mean_net.linear, before["linear"])


def slow_thread():
    """A pool whose thread dawdles."""
    pool, rng = Thread(), np.random.default_rng(0)
    pool._hangar.tick = lambda: time.sleep(0.01 * rng.random())
    return pool


def test_what_is_learned_depends_on_seed_alone(scenario):
    """Not on the threads of the simulator, on the speed of a thread, or on into how many parts a half is cut: the same bits, prices too."""
    limits = (Limit("energy_j", 10.0), Limit("slo_miss", 0.3))
    pools = {"inline": Inline(), "two parts": Inline(2), "two threads": Inline(threads=2), "slow": slow_thread()}
    learned = {}
    for name, pool in pools.items():
        gradient = team_gradient(scenario, pool, seed=1, limits=limits)
        decisions = [gradient.advance()[0] for _ in range(3)]
        learned[name] = {**gradient.tensors(), "decisions": torch.tensor(decisions)}
        pool.close()
    assert {len(parts) for parts in pools["two parts"].parts} == {2}
    assert all(same(learned["inline"], other) for other in learned.values())
    assert (learned["inline"]["prices"] > 0.0).all()
    other = team_gradient(scenario, seed=2, limits=limits)
    other.advance()
    assert not torch.equal(other.net.first.weight, learned["inline"]["net.first.weight"])


def test_a_half_is_played_with_the_weights_of_exactly_one_update_before(scenario):
    """The first two with those of the start; no two halves are of the same worlds or draws."""
    pool = Inline()
    gradient, layout = team_gradient(scenario, pool), Worlds([scenario], 0).layouts[0]
    weights = [packed(gradient.net, layout)]
    for _ in range(4):
        gradient.advance()
        weights.append(packed(gradient.net, layout))
    played = [parts[0].policy.network for parts in pool.parts]
    assert len(played) == 5
    for half, network in enumerate(played):
        assert np.array_equal(network, weights[max(half - 1, 0)]), half
    assert all(not np.array_equal(a, b) for a, b in pairwise(weights))
    for kind in ("seeds", "draws"):
        numbers = [number for (part,) in pool.parts for number in getattr(part, kind)]
        assert len(set(numbers)) == len(numbers) == 10


def test_the_next_half_is_played_beside_the_update(scenario, monkeypatch):
    """The first update ends only when a thread has begun to play the second half, and no thread is left behind."""
    begun, second = [], threading.Event()
    play, before = TeamPart.__call__, set(threading.enumerate())

    def playing(self, hangar):
        begun.append(threading.current_thread())
        if len(begun) == 2:
            second.set()
        return play(self, hangar)

    monkeypatch.setattr(TeamPart, "__call__", playing)
    pool = Thread()
    gradient = team_gradient(scenario, pool)
    update, waited = gradient._update, []
    gradient._update = lambda decided: waited.append(second.wait(LONGEST_S)) or update(decided)
    gradient.advance()
    pool.close()
    assert waited == [True]
    assert threading.main_thread() not in begun
    assert set(threading.enumerate()) == before


def test_the_kernel_draws_by_the_probabilities_of_the_network(scenario):
    """Log-probabilities that a flight records are those of torch on the inputs that it records."""
    gradient = team_gradient(scenario)
    torch.nn.init.normal_(gradient.net.correction.weight, std=0.02)
    gradient.net.linear.normal_(std=0.05)
    layout = Worlds([scenario], 0).layouts[0]
    policy = gradient.net.compiled(layout, records=True)
    decided = TeamPart(scenario, policy, [1, 2], [3, 4], TEAM)(Hangar(1)).decided
    expected = probabilities(gradient.net, decided)[np.arange(len(decided.choice)), decided.choice].numpy()
    np.testing.assert_allclose(decided.log_probability, expected, atol=1e-4)
    assert len(expected) > 200
    assert (decided.choice < decided.candidates).all()
    assert (decided.log_probability < np.log(0.9)).mean() > 0.02  # it does draw


def test_the_mean_is_the_running_mean_of_the_weights(scenario):
    gradient, expected = team_gradient(scenario), None
    for _ in range(4):
        gradient.advance()
        now = gradient.net.correction.weight.detach().double().numpy()
        expected = now.copy() if expected is None else KEPT * expected + (1.0 - KEPT) * now
    np.testing.assert_allclose(gradient.mean_net.correction.weight.detach().numpy(), expected, atol=1e-7)
    assert not torch.equal(gradient.mean_net.correction.weight, gradient.net.correction.weight)


# --- going on ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [(), (Limit("energy_j", 10.0),)])
def test_what_was_saved_after_any_batch_goes_on_to_the_same_bits(scenario, tmp_path, limits):
    """In another learner, within stage A, at its end, and within stage B."""
    options = {"decisions": 3_000, "limits": limits}
    whole, batches = learner(scenario, **options), 7
    for n in range(batches):
        whole.save(tmp_path / str(n), 1.0, policy=True)  # keeps the search point: stage B begins with it
        whole.model.advance()
    expected = whole.model.state_tensors()
    stages = [int(read_tensors(tmp_path / str(n) / TRAINER)["stage"]) for n in range(batches)]
    switch = stages.index(1)
    assert 2 <= switch <= 5, stages
    for n in (1, switch - 1, switch, batches - 1):
        other = learner(scenario, **options)
        other.load(tmp_path / str(n))
        for m in range(n, batches):
            if m > n:
                other.save(tmp_path / "again", 1.0, policy=True)
            other.model.advance()
        other.close()
        assert other.model.num_timesteps == whole.model.num_timesteps
        assert same(other.model.state_tensors(), expected), n
    whole.close()


@pytest.mark.parametrize("stage_a", [0.0, 0.9])
def test_a_batch_that_does_not_come_to_its_end_leaves_no_trace(scenario, tmp_path, stage_a, monkeypatch):
    """Interrupted in the midst of the first batch of a run and of the first after a resume, at the worst moment: in the update."""

    def interrupted(self, *_, **__):
        self.net.correction.bias.data += 1.0
        raise KeyboardInterrupt

    def interrupted_search(self, *_):
        raise KeyboardInterrupt

    first = learner(scenario, settings={"stage_a": stage_a})
    for _ in range(2):
        first.save(tmp_path, 1.0, policy=True)
        before = {name: tensor.clone() for name, tensor in first.model.state_tensors().items()}
        with monkeypatch.context() as patch:
            patch.setattr(TeamGradient, "_minibatch", interrupted)
            patch.setattr("train.evolution.Evolution.tell", interrupted_search)
            with pytest.raises(KeyboardInterrupt):
                first.model.learn(10**9, callback=CallbackList([]))
        first.save(tmp_path, 1.0, policy=True)
        first.close()
        assert same(first.model.state_tensors(), before)
        first = learner(scenario, settings={"stage_a": stage_a})
        first.load(tmp_path)
        first.model.advance()
        first.save(tmp_path, 1.0, policy=True)
        first.close()
        first = learner(scenario, settings={"stage_a": stage_a})
        first.load(tmp_path)
    first.close()
