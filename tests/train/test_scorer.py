"""The scorer: greedy at its start, and better informed after an update."""

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger

import edge6g_env
from agents.learned.scorer import Scorer, ScorerConfig, ScorerPolicy, Shortlist
from agents.policy import make_rule
from edge6g_env import load_scenario, sb3_vec_env
from edge6g_env.kernel.codes import HOLD, REJECT
from edge6g_env.spaces import Layout
from train.decisions import DecisionBatch
from train.scorer import ScorerAlgorithm


@pytest.mark.parametrize("name", edge6g_env.scenarios())
def test_at_its_start_the_scorer_is_greedy(name, observations):
    """On every observation of a random game under load: the same action for every agent."""
    scenario = load_scenario(name, arrivals={"kind": "poisson", "rate_jobs_s": 20.0})
    layout, rng = Layout(scenario), np.random.default_rng(0)
    torch.manual_seed(3)
    scorer, greedy = ScorerPolicy(layout, Scorer(layout, ScorerConfig())), make_rule("greedy", layout)
    decisions, chosen = 0, set()
    for obs in observations(scenario, round(3.0 / scenario.time.slot_s)):
        expected = greedy.act(obs, rng)
        assert np.array_equal(scorer.act(obs, rng), expected)
        decisions += (obs["action_mask"][..., REJECT] == 1).sum()
        chosen |= set(expected.flat)
    assert decisions > 100
    assert len(chosen) > 2


def test_a_scorer_never_takes_what_is_illegal_and_never_holds_a_job(scenario, observations):
    layout, rng = Layout(scenario), np.random.default_rng(0)
    net = Scorer(layout, ScorerConfig())
    torch.manual_seed(4)
    for layer in (net.correction, net.value):
        torch.nn.init.normal_(layer.weight, std=3.0)
    policy, differs = ScorerPolicy(layout, net), 0
    greedy = make_rule("greedy", layout)
    for obs in observations(scenario, 100):
        actions, decides = policy.act(obs, rng), obs["action_mask"][..., REJECT] == 1
        assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()
        assert ((actions > 0) == decides).all()
        differs += (actions != greedy.act(obs, rng)).sum()
    assert differs > 10


def test_a_score_is_that_of_plain_layers(scenario, observations):
    """Each candidate by itself through the layers as they are named, in double precision: the same logits, and their mean as the value."""
    torch.manual_seed(5)
    layout = Layout(scenario)
    net = Scorer(layout, ScorerConfig())
    for layer in (net.correction, net.value):
        torch.nn.init.normal_(layer.weight, std=0.3)
    short = next(s for s in map(Shortlist(layout, 16), observations(scenario, 100)[20:]) if not s.legal.all())
    context, candidates, legal = short.tensors()
    logits, values = (x.detach().numpy() for x in net(context, candidates, legal))
    weights = {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}

    def linear(layer, x):
        return weights[f"{layer}.weight"] @ x + weights[f"{layer}.bias"]

    own = net.scale_candidate(candidates[..., net.candidate_columns]).double().numpy()
    shared = net.scale_context(context[:, net.context_columns]).double().numpy()
    for n, mask in enumerate(short.legal):
        utility = short.candidates[n, :, layout.candidate_index("utility")].astype(float)
        best, expected, worth = utility[mask].max(), [], []
        for c in np.flatnonzero(mask):
            x = np.concatenate([shared[n], own[n, c], [utility[c] - best]])
            x = np.maximum(linear("second", np.maximum(linear("first", x), 0.0)), 0.0)
            expected.append(net.config.beta * (utility[c] - best + linear("correction", x)[0]))
            worth.append(utility[c] + linear("value", x)[0])
        chance = np.exp(np.array(expected) - max(expected))
        assert logits[n, mask] == pytest.approx(expected, abs=1e-3)
        assert values[n] == pytest.approx((chance * worth).sum() / chance.sum(), abs=1e-4)
        assert (logits[n, ~mask] < -1e6).all()


def test_a_shortlist_has_the_highest_utilities(scenario, observations):
    """Of every agent that decides, in the table's order, with its own arrays; nothing left out is worth more than what is in."""
    layout, seen = Layout(scenario), 0
    column, top = layout.candidate_index("utility"), 8
    for obs in observations(scenario, 150):
        short = Shortlist(layout, top)(obs)
        deciding = np.argwhere(obs["action_mask"][..., REJECT] == 1)
        assert short.places.tolist() == [world * obs["action_mask"].shape[1] + agent for world, agent in deciding]
        for n, (world, agent) in enumerate(deciding):
            rows, table = short.rows[n], obs["candidates"][world, agent]
            mask = obs["action_mask"][world, agent].astype(bool) & (np.arange(layout.num_actions) != HOLD)
            assert (np.diff(rows) > 0).all()
            assert np.array_equal(short.legal[n], mask[rows])
            assert np.array_equal(short.candidates[n], table[rows])
            assert np.array_equal(short.context[n], obs["observation"][world, agent])
            assert mask[rows].sum() == min(top, mask.sum())
            others = np.setdiff1d(np.flatnonzero(mask), rows)
            assert not others.size or table[others, column].max() <= table[rows[mask[rows]], column].min()
            seen += 1
    assert seen > 100


def algorithm(scenario, seed=1, worlds=(2, 2), **settings):
    envs = [sb3_vec_env(scenario, n, observe="candidates", skip_idle=True) for n in worlds]
    return ScorerAlgorithm(envs, seed, **{"batch_decisions": 128, "minibatch": 64, **settings})


def parameters(model):
    return {name: tensor.clone() for name, tensor in model.policy.net.state_dict().items()}


def test_an_update_changes_every_layer(scenario):
    """And counts decisions, not slots."""
    model = algorithm(scenario)
    before = parameters(model)
    model.learn(400)
    after = parameters(model)
    # the last layers start at 0, so the first ones move from the second step on
    assert all(not torch.equal(before[name], after[name]) for name, _ in model.policy.net.named_parameters())
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert 400 <= model.num_timesteps < 2_000


def test_two_runs_of_a_seed_learn_the_same(scenario):
    first, again, other = (algorithm(scenario, seed=seed) for seed in (1, 1, 2))
    for model in (first, again, other):
        model.learn(200)
    assert all(torch.equal(a, b) for a, b in zip(*(parameters(m).values() for m in (first, again)), strict=True))
    assert not torch.equal(parameters(first)["first.weight"], parameters(other)["first.weight"])


def test_a_gradient_step_makes_what_was_worth_more_likelier(scenario, observations):
    """Two candidates of one situation, the second always worth more: after some steps it is chosen."""
    model = algorithm(scenario)
    model.set_logger(Logger(None, []))
    top = model._shortlist.top
    n, layout = 64, Layout(scenario)
    context = torch.zeros(n, len(layout.observation))
    candidates = torch.zeros(n, top, len(layout.candidates))
    candidates[:, 1, layout.candidate_index("is_local")] = 1.0
    legal = torch.zeros(n, top, dtype=torch.bool)
    legal[:, :2] = True
    choice = torch.arange(n) % 2
    worth = torch.where(choice == 1, 1.0, 0.0)
    situations = model.policy.net.situations(context, candidates, legal)
    before = torch.softmax(model.policy.net.score(situations)[0], dim=1)[0]
    assert before[:2].tolist() == pytest.approx([0.5, 0.5])
    for _ in range(20):
        with torch.no_grad():
            logits, value = model.policy.net.score(situations)
            log_prob = torch.log_softmax(logits, dim=1).gather(1, choice[:, None])[:, 0]
        model._update(DecisionBatch(situations, choice, log_prob, value, worth))
    after = torch.softmax(model.policy.net.score(situations)[0], dim=1)[0]
    assert after[1] > 0.6
    assert after[2:].max() < 1e-6
