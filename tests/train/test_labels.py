"""Stage C: labels against worlds that are played slot by slot through the doors, and what a step on labels does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from agents.learned.scorer import CANDIDATE, CONTEXT, Scorer, ScorerConfig, ScorerPolicy
from agents.planners.choices import Choices
from agents.planners.options import Options
from edge6g_env import BatchEnv, load_scenario
from edge6g_env.kernel.codes import HOLD, REJECT
from eval.pools.pool import Hangar
from tests.train.small import Inline, learner, same
from train.checkpoint import TRAINER, read_tensors
from train.limits import Limit
from train.scorer import StageError, _ends
from train.stages import branches
from train.stages.advantage import AdvantageGradient
from train.stages.credit import jobs_of
from train.stages.labels import Labelled, LabelPart, Labels
from train.stages.team import Terms
from train.worlds import Worlds

SEED, HORIZON_S = 5, 1.5
TEAM = Terms(own=False, horizon_s=HORIZON_S, share=0.5)
SMALL = {"seeds": 2, "learning_rate": 3e-4, "max_grad_norm": 0.5}
LIMITS = (Limit("slo_miss", 0.1, price=0.25),)
STAGES = {"stage_a": 0.3, "stage_c": 0.35, "labels": 3, "choices": 3}


def net_of(scenario: Any) -> Scorer:
    """One that corrects what is predicted a little."""
    torch.manual_seed(1)
    net = Scorer(Worlds([scenario], 0).reads(CONTEXT, CANDIDATE, 10.0), ScorerConfig())
    torch.nn.init.normal_(net.correction.weight, std=0.02)
    return net


def part_of(scenario: Any, seeds: list[int], most: int = 1000, **options: Any) -> LabelPart:
    policy = net_of(scenario).compiled(Worlds([scenario], 0).layouts[0], records=True)
    return LabelPart(scenario, policy, seeds, most, **{"choices": 4, "terms": TEAM, "limits": LIMITS, **options})


# --- labels --------------------------------------------------------------------------------------------------------------


class Decision(NamedTuple):
    slot: int
    node: int
    job: int
    action: int
    mask: np.ndarray
    candidates: np.ndarray
    time_s: float


class Slowly:
    """A world played step by step through the doors, by the policy or by what was decided before."""

    def __init__(self, scenario: Any, seed: int) -> None:
        self.env, self.seed, self.scenario = BatchEnv(scenario, 1, observe="candidates"), seed, scenario
        self.policy = ScorerPolicy(self.env.layout, net_of(scenario))

    def play(self, script: dict[int, int] | None = None, forced: tuple[int, int, int] = (-1, -1, -1)) -> Any:
        """Jobs of a whole episode and its decisions; script: action of each job, forced: slot, node and another action."""
        obs, outcomes, decisions = self.env.reset([self.seed]), [], []
        for slot in range(round(self.scenario.time.episode_s / self.scenario.time.slot_s)):
            actions, heads = np.zeros((1, self.env.num_agents), np.int64), self.env.deciding()
            for node in np.flatnonzero(obs["action_mask"][0, :, REJECT]).tolist():
                mask, job = obs["action_mask"][0, node], int(heads[0, node])
                if (slot, node) == forced[:2]:
                    actions[0, node] = forced[2]
                elif script is not None and mask[script[job]]:
                    actions[0, node] = script[job]
                else:
                    actions[0, node] = self.policy.act(obs, np.random.default_rng(0))[0, node]
                seen = mask.copy(), obs["candidates"][0, node].copy()
                now_s = float(self.env.times_s()[0])
                decisions.append(Decision(slot, node, job, int(actions[0, node]), *seen, now_s))
            obs, *_, info = self.env.step(actions)
            outcomes.append(info["outcomes"])
        rows = np.concatenate(outcomes)
        costs = sum(limit.price * (1.0 - rows["slo_met"]) for limit in LIMITS)
        return jobs_of(self.scenario, rows, costs), decisions


def tried_slowly(decision: Decision, layout: Any, part: LabelPart) -> dict[int, int]:
    """Actions to try by their places in the shortlist, word by word: none but its own if the decision is not to be labelled."""
    utility = decision.candidates[:, layout.candidate_index("utility")]
    legal = [action for action in np.flatnonzero(decision.mask).tolist() if action != HOLD]
    shortlist = sorted(sorted(legal, key=lambda action: -utility[action])[: part.policy.top])
    time, choices = part.scenario.time, Choices(layout, part.choices, Options.gap)
    if decision.time_s >= time.episode_s - time.drain_s or not choices.contested(decision.mask, decision.candidates):
        return {}
    mask = np.array([action in shortlist for action in range(len(utility))], np.int8)
    actions = choices.of(mask, decision.candidates, decision.action).tolist()
    return {shortlist.index(action): action for action in actions} if len(actions) > 1 else {}


@pytest.fixture(scope="module")
def every(scenario):
    """All labels of a world."""
    return part_of(scenario, [SEED])(Hangar(1))


def test_labels_are_those_of_worlds_that_are_played_slot_by_slot(scenario, every):
    """Every contested decision of the time that is measured has labels. One is the team's gain by the end of the episode, of the jobs that
    count, when the others are decided as in the base run."""
    part, found, slow = part_of(scenario, [SEED]), every.labelled, Slowly(scenario, SEED)
    base, decisions = slow.play()
    script = {decision.job: decision.action for decision in decisions}
    assert len(script) == len(decisions)
    choices = [one for one in decisions if one.mask.sum() > 2]  # hold, reject and something else
    tried = [tried_slowly(one, slow.env.layout, part) for one in choices]
    assert [np.flatnonzero(row).tolist() for row in found.tried] == [sorted(actions) for actions in tried]
    assert sum(map(bool, tried)) > 10
    checked = 0
    for row in np.flatnonzero(list(map(bool, tried)))[::7].tolist():
        one, expected = choices[row], np.zeros(found.gain.shape[1])
        for place, action in tried[row].items():
            if action != one.action:
                gain = slow.play(script, (one.slot, one.node, action))[0].worth - base.worth
                others = gain[base.arrival_s <= one.time_s + HORIZON_S].sum() - gain[one.job]
                expected[place] = gain[one.job] + TEAM.share * others
        np.testing.assert_allclose(found.gain[row], expected, atol=1e-6)
        checked += np.count_nonzero(expected)
    assert checked > 5


@pytest.mark.parametrize("name", ["tiny", "blackout"])
def test_a_copy_that_changes_nothing_is_the_base_run(scenario, name):
    """To the bit, from a decision in its midst on: after faults too, by which jobs are decided again."""
    scenario = scenario if name == "tiny" else load_scenario(name)
    flights = Hangar(1).flights(scenario)
    policy = net_of(scenario).compiled(flights.layout, records=True)
    base = flights.fly([policy] * 2, [3, 4], record=True)
    rows = np.concatenate([flight.recorded.rows for flight in base])
    outcomes = np.concatenate([flight.outcomes for flight in base])
    if name == "blackout":
        assert len(np.unique(rows[["world", "job"]])) < len(rows)
    env, greedy = flights.env(3), part_of(scenario, []).policy
    env.reset([3, 4, 0])
    at_s = [float(np.median(rows["time_s"][rows["world"] == world])) for world in range(2)]
    env.fly(policy, [*at_s, 0.0], worlds=[0, 1], at_decision=False)
    env.clone(env, [1], [2])
    jobs = int(outcomes["job"].max()) + 1
    copies = branches.Branches(
        np.array([2, 0]), np.array([1, 0]), np.full((2, env.num_agents), -1), np.ones((2, jobs), bool)
    )
    played, taken = branches.fly(env, greedy, branches.Script(rows), copies, lambda: None)
    assert taken > 20
    for of, source in zip(played, (1, 0), strict=True):
        expected = outcomes[(outcomes["world"] == source) & np.isin(outcomes["job"], of["job"])]
        assert len(of) > 20
        for column in ("job", "worth", "end_s", "phase"):
            assert np.array_equal(of[column], expected[column]), column


def test_a_script_says_what_was_decided_last():
    rows = np.zeros(4, [("world", "i8"), ("job", "i8"), ("slot", "i8"), ("action", "i8")])
    rows["world"], rows["job"] = [0, 1, 1, 1], [7, 7, 7, 9]
    rows["slot"], rows["action"] = [5, 20, 10, 12], [50, 51, 52, 53]
    script = branches.Script(rows)
    asked = {
        (1, 7, 9): 52,
        (1, 7, 10): 52,
        (1, 7, 19): 52,
        (1, 7, 25): 51,
        (0, 7, 0): 50,
        (1, 9, 90): 53,
        (0, 9, 12): -1,
    }
    assert script.actions(*np.array(list(asked)).T).tolist() == list(asked.values())


def test_some_decisions_are_labelled_at_random_with_the_labels_that_all_would_have(scenario, every):
    """Whatever other worlds are played beside."""
    some = part_of(scenario, [1, SEED], most=4)(Hangar(1))
    rows = slice(len(some.labelled.tried) - len(every.labelled.tried), None)
    of_seed = Labelled(*(column[rows] for column in some.labelled))
    labelled = of_seed.tried.any(axis=1)
    assert labelled.sum() == some.labelled.tried[: rows.start].any(axis=1).sum() == 4
    assert every.labelled.tried.any(axis=1).sum() > 8
    assert np.array_equal(of_seed.gain[labelled], every.labelled.gain[labelled])
    assert np.array_equal(of_seed.inputs, every.labelled.inputs)
    assert some.rewards[1:] == every.rewards


# --- learning from them --------------------------------------------------------------------------------------------------


def advantage_gradient(scenario: Any, pool: Any = None, limits: Any = (), **settings: Any) -> AdvantageGradient:
    worlds = Worlds([scenario], 1)
    options = {**SMALL, "labels": 3, "choices": 3, **settings}
    return AdvantageGradient(worlds, pool or Inline(), net_of(scenario), TEAM, stage=2, limits=limits, **options)


def made(net: Scorer, gain: float, n: int = 64) -> Labelled:
    """Decisions among three candidates that differ in one entry each, the second labelled; the later half of them has no labels."""
    names, top = [feature.name for feature in net.reads.candidates], net.config.top
    inputs = np.zeros((n, top, len(names) + 1), np.float32)
    inputs[:, 1, names.index("is_local")] = inputs[:, 2, names.index("is_cloud")] = 1.0
    tried, labels = np.zeros((n, top), bool), np.zeros((n, top), np.float32)
    tried[: n // 2, :2], labels[: n // 2, 1] = True, gain
    return Labelled(np.zeros((n, len(net.reads.observation)), np.float32), inputs, np.full(n, 3), tried, labels)


def probabilities(net: Scorer, labelled: Labelled) -> np.ndarray:
    """float64 (n, R), plainly."""
    with torch.inference_mode():
        scores = net(torch.from_numpy(labelled.context), torch.from_numpy(labelled.inputs)).double().numpy()
    there = np.arange(scores.shape[1]) < labelled.candidates[:, None]
    raised = np.where(there, np.exp(net.config.beta * (scores - scores[there].max())), 0.0)
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("gain", [-0.3, 0.3])
def test_a_step_raises_what_gains_over_what_the_base_run_chose(scenario, gain):
    gradient = advantage_gradient(scenario, kl=0.05)
    labelled = made(gradient.net, gain)
    before = probabilities(gradient.net, labelled)
    for _ in range(10):
        gradient._update(labelled)
    after = probabilities(gradient.net, labelled)
    odds = (after[0, 1] / after[0, 0]) / (before[0, 1] / before[0, 0])
    assert odds > 1.5 if gain > 0.0 else odds < 1.0 / 1.5
    assert (after[:, 3:] == 0.0).all()


def test_the_gradient_of_the_loss_is_that_of_an_expectation(scenario):
    """By the score of a choice: beta x its probability among those that were tried x what it gains over their mean."""
    gradient = advantage_gradient(scenario)
    net, rng = gradient.net, np.random.default_rng(0)
    torch.nn.init.zeros_(net.correction.weight)  # a score is the regret then, plus nothing
    labelled = made(net, 0.0, n=6)
    inputs, tried = torch.from_numpy(labelled.inputs), rng.random(labelled.tried.shape) < 0.4
    tried[:, 0] = True
    inputs[..., -1] = -0.05 * torch.rand(inputs.shape[:2], generator=torch.Generator().manual_seed(0))
    inputs.requires_grad_()
    gains = torch.from_numpy(rng.normal(size=tried.shape).astype(np.float32)) * torch.from_numpy(tried)
    gradient._expected(torch.from_numpy(labelled.context), inputs, torch.from_numpy(tried), gains).sum().backward()
    raised = np.exp(net.config.beta * inputs.detach().double().numpy()[..., -1]) * tried
    chance, gain = raised / raised.sum(axis=1, keepdims=True), gains.double().numpy()
    expected = net.config.beta * chance * (gain - (chance * gain).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(inputs.grad[..., -1].numpy(), expected, atol=1e-4)
    assert np.abs(expected).max() > 1.0


@pytest.mark.parametrize(("rate", "cut"), [(3e-2, True), (1e-6, False)])
def test_no_batch_moves_the_policy_beyond_the_bound(scenario, rate, cut):
    """Over all decisions, those without labels among them; a step that would is cut as far as it must be and no further."""
    gradient = advantage_gradient(scenario, learning_rate=rate, kl=0.01)
    labelled = made(gradient.net, 0.3)
    for _ in range(3):
        before = probabilities(gradient.net, labelled)
        told = gradient._update(labelled)
        after = probabilities(gradient.net, labelled)
        there = before > 0.0
        moved = (before[there] * np.log(before[there] / after[there])).sum() / len(before)
        assert moved <= 0.01 * (1.0 + 1e-3)
        assert told["kl"] == pytest.approx(moved, abs=1e-4)
        assert (told["step_share"] < 1.0) == cut
        assert moved > 0.005 or not cut


def test_a_batch_without_labels_that_differ_moves_nothing(scenario):
    gradient = advantage_gradient(scenario)
    before = {name: weights.clone() for name, weights in gradient.net.state_dict().items()}
    assert gradient._update(made(gradient.net, 0.0)) == {}
    assert same(gradient.net.state_dict(), before)


def test_labels_are_learned_from_again_until_there_are_enough_newer_ones(scenario, monkeypatch):
    """A batch of which nothing is labelled learns from those before it; when others have taken their place, from these alone."""
    gradient = advantage_gradient(scenario, kl=0.05)
    good, bad = (made(gradient.net, gain) for gain in (0.3, -0.3))
    none = good._replace(tried=np.zeros_like(good.tried))
    odds = [np.inf]

    def learn(labelled: Labelled) -> float:
        told = gradient._update(labelled)
        after = probabilities(gradient.net, good)[0]
        odds.append(after[1] / after[0])
        return told["labels"]

    assert [learn(good), learn(none), learn(none)] == [32.0] * 3
    assert odds[1] < odds[2] < odds[3]
    monkeypatch.setattr("train.stages.advantage.LABELS_KEPT", 40)
    assert learn(bad) == 40.0
    monkeypatch.setattr("train.stages.advantage.LABELS_KEPT", 32)
    assert [learn(bad) for _ in range(15)] == [32.0] * 15
    assert odds[-1] < odds[3]


def test_what_is_learned_does_not_depend_on_how_a_batch_is_cut(scenario):
    """Nor on the threads of the simulator: the same bits, prices too, and as many decisions."""
    limits, learned = (Limit("energy_j", 10.0),), []
    for pool in (Inline(), Inline(2), Inline(threads=2)):
        gradient = advantage_gradient(scenario, pool, limits)
        decisions = [gradient.advance()[0] for _ in range(2)]
        learned.append({**gradient.tensors(), "decisions": torch.tensor(decisions)})
        assert {len(parts) for parts in pool.parts} == {pool.workers}
    assert all(same(learned[0], other) for other in learned[1:])
    assert learned[0]["prices"].item() > 0.0
    start = net_of(scenario).state_dict()
    assert not torch.equal(learned[0]["net.correction.weight"], start["correction.weight"])
    assert torch.equal(learned[0]["net.linear"], start["linear"])


# --- as the last stage ---------------------------------------------------------------------------------------------------


def test_what_was_saved_after_any_batch_goes_on_to_the_same_bits_through_all_stages(scenario, tmp_path):
    options, batches = {"decisions": 1_500, "settings": STAGES}, 7
    whole = learner(scenario, **options)
    for n in range(batches):
        whole.save(tmp_path / str(n), 1.0, policy=True)
        whole.model.advance()
    expected = whole.model.state_tensors()
    stages = [int(read_tensors(tmp_path / str(n) / TRAINER)["stage"]) for n in range(batches)]
    assert {*stages} == {0, 1, 2}
    for n in (stages.index(1), stages.index(2) - 1, stages.index(2), batches - 1):
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


@pytest.mark.parametrize("validated", [False, True])
def test_stage_c_begins_with_the_network_that_did_best(scenario, validated):
    """With what stage B began with, if nothing of that was better."""
    one = learner(scenario, decisions=4_000, settings={**STAGES, "stage_a": 0.0})
    model, kept = one.model, None
    model.keep(0)
    while not model.ends_stage:
        kept = model.net.state_dict() if kept is None else kept
        kept = {name: tensor.clone() for name, tensor in kept.items()}
        model.advance()
        if validated and model.gradient.half == 1:
            model.keep(1)
            kept = model.gradient.mean_net.state_dict()
    assert not same(model.net.state_dict(), kept)
    model._begin(2)
    assert all(same(net.state_dict(), kept) for net in model.nets())
    one.close()


def test_stages_have_their_shares():
    inf = np.inf
    assert _ends(0.35, 0.0, 100.0) == {0: 35.0, 1: inf}
    assert _ends(0.0, 0.0, 100.0) == {1: inf}
    assert _ends(0.25, 0.25, 100.0) == {0: 25.0, 1: 75.0, 2: inf}
    assert _ends(0.5, 0.5, 100.0) == {0: 50.0, 2: inf}
    assert _ends(0.0, 1.0, 100.0) == {2: inf}
    for stage_a in (0.9, 0.8, 0.7):  # of which 1 less the one is not the other to the last bit
        assert _ends(stage_a, round(1.0 - stage_a, 1), 100.0) == {0: 100.0 * stage_a, 2: inf}
    for shares in ((1.0, 0.0), (0.5, 0.6), (0.0, 1.1)):
        with pytest.raises(StageError, match="it must be a share of the budget"):
            _ends(*shares, 100.0)


def test_what_a_part_tells_can_be_sent(scenario):
    """Through a pipe, as workers do."""
    import pickle

    told = part_of(scenario, [1], most=2)(Hangar(1))
    again = pickle.loads(pickle.dumps(told))
    assert isinstance(again, Labels)
    assert all(np.array_equal(a, b) for a, b in zip(told.labelled, again.labelled, strict=True))
