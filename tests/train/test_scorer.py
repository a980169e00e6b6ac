"""The scorer: greedy at its start, and better informed after an update."""

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger

import edge6g_env
from agents.learned.scorer import Scorer, ScorerConfig, ScorerPolicy
from agents.policy import make_rule
from edge6g_env import load_scenario, sb3_vec_env
from edge6g_env.kernel.world import REJECT
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


def algorithm(scenario, seed=1, **settings):
    env = sb3_vec_env(scenario, 4, observe="candidates", skip_idle=True)
    env.seed(seed)
    return ScorerAlgorithm(env, seed, batch_decisions=128, minibatch=64, **settings)


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
    before = torch.softmax(model.policy.net(context, candidates, legal)[0], dim=1)[0]
    assert before[:2].tolist() == pytest.approx([0.5, 0.5])
    for _ in range(20):
        with torch.no_grad():
            logits, value = model.policy.net(context, candidates, legal)
            log_prob = torch.log_softmax(logits, dim=1).gather(1, choice[:, None])[:, 0]
        model._update(DecisionBatch(context, candidates, legal, choice, log_prob, value, worth))
    after = torch.softmax(model.policy.net(context, candidates, legal)[0], dim=1)[0]
    assert after[1] > 0.6
    assert after[2:].max() < 1e-6
