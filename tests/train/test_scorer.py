"""The scorer: greedy at its start, a score of plain layers, and its stages."""

import numpy as np
import pytest
import torch

import edge6g_env
from agents.learned.scorer import CANDIDATE, CONTEXT, Scorer, ScorerConfig, ScorerPolicy
from agents.policy import make_rule
from edge6g_env import batch_env, load_scenario
from edge6g_env.features import scales
from edge6g_env.kernel.codes import REJECT
from edge6g_env.spaces import Layout
from tests.train.small import learner
from train.scorer import LIFE_SHARE, SETTINGS, terms_of
from train.worlds import Worlds


def net_of(scenario, **config):
    return Scorer(Worlds([scenario], 0).reads(CONTEXT, CANDIDATE, 10.0), ScorerConfig(**config))


def stir(net, std=0.3):
    """Weights that are not those of a start."""
    torch.nn.init.normal_(net.correction.weight, std=std)
    net.linear.normal_(std=std)
    return net


@pytest.mark.parametrize("name", edge6g_env.scenarios())
def test_at_its_start_the_scorer_is_greedy(name, observations):
    """On every observation of a random game under load: the same action for every agent, with its network and without."""
    scenario = load_scenario(name, arrivals={"kind": "poisson", "rate_jobs_s": 20.0})
    layout, rng = Layout(scenario), np.random.default_rng(0)
    torch.manual_seed(3)
    net = net_of(scenario)
    scorer, greedy = ScorerPolicy(layout, net), make_rule("greedy", layout)
    network = net.compiled(layout, records=True)
    assert network.hidden == net.config.hidden
    assert scorer.compiled.hidden == 0  # which is faster
    decisions, chosen = 0, set()
    for obs in observations(scenario, round(3.0 / scenario.time.slot_s)):
        expected = greedy.act(obs, rng)
        assert np.array_equal(scorer.act(obs, rng), expected)
        assert np.array_equal(network.act(obs), expected)
        decisions += (obs["action_mask"][..., REJECT] == 1).sum()
        chosen |= set(expected.flat)
    assert decisions > 100
    assert len(chosen) > 2


def test_a_scorer_never_takes_what_is_illegal_and_never_holds_a_job(scenario, observations):
    torch.manual_seed(4)
    layout, rng = Layout(scenario), np.random.default_rng(0)
    policy, differs = ScorerPolicy(layout, stir(net_of(scenario), 3.0)), 0
    greedy = make_rule("greedy", layout)
    for obs in observations(scenario, 100):
        actions, decides = policy.act(obs, rng), obs["action_mask"][..., REJECT] == 1
        assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()
        assert ((actions > 0) == decides).all()
        differs += (actions != greedy.act(obs, rng)).sum()
    assert differs > 10


def recorded(scenario, net, seeds=(1, 2)):
    """Decisions of a flight, and what they were made from."""
    env = batch_env(scenario, len(seeds))
    env.reset(list(seeds))
    found = env.fly(net.compiled(env.layout, records=True), np.inf, record=True).recorded
    env.close()
    return found


def test_a_score_is_that_of_plain_layers_and_the_highest_is_chosen(scenario):
    """Each candidate by itself through the layers as they are named, in double precision."""
    torch.manual_seed(5)
    net = stir(net_of(scenario))
    seen = recorded(scenario, net)
    rows = np.flatnonzero(seen.rows["n_shortlist"] > 1)[:60]
    with torch.inference_mode():
        scores = net(torch.from_numpy(seen.context[rows]), torch.from_numpy(seen.inputs[rows])).numpy()
    weights = {name: tensor.double().numpy() for name, tensor in net.state_dict().items()}

    def layer(name, x):
        return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]

    assert len(rows) == 60
    for n, row in enumerate(rows):
        expected = []
        for own in seen.inputs[row, : seen.rows["n_shortlist"][row]].astype(float):
            x = np.concatenate([seen.context[row].astype(float), own])
            x = np.maximum(layer("second", np.maximum(layer("first", x), 0.0)), 0.0)
            expected.append(own[-1] + own[:-1] @ weights["linear"] + layer("correction", x)[0])
        assert scores[n, : len(expected)] == pytest.approx(expected, abs=1e-4)
        assert expected[seen.rows["choice"][row]] == pytest.approx(max(expected), abs=1e-4)


def test_a_shortlist_has_the_highest_utilities(scenario):
    """Greedy decides alike by any shortlist: the shorter one of each decision has the best of the longer one."""
    short, long = (recorded(scenario, net_of(scenario, top=top)) for top in (8, 24))
    utility, (_, unit, _) = CANDIDATE.index("utility"), scales(net_of(scenario).reads.candidates)
    assert np.array_equal(short.rows["action"], long.rows["action"])
    full = 0
    for few, many, row, of_many in zip(short.inputs, long.inputs, short.rows, long.rows, strict=True):
        count = row["n_shortlist"]
        assert count == min(8, of_many["n_shortlist"])
        worth, every = (of[:, utility] * unit[utility] for of in (few[:count], many[: of_many["n_shortlist"]]))
        assert np.array_equal(np.sort(worth), np.sort(every)[-count:])
        assert few[:count, -1] == pytest.approx(worth - worth.max(), abs=1e-5)  # the regret
        assert (few[count:] == 0.0).all()
        full += of_many["n_shortlist"] > 8
    assert full > 50


def test_terms_are_those_of_the_settings(scenario):
    """By default all other jobs within a third of the longest life count as much as the own one."""
    campus = load_scenario("campus")
    terms = terms_of(SETTINGS, [scenario, campus])
    longest_s = max(service.expire_s for one in (scenario, campus) for service in one.service)
    assert (terms.own, terms.horizon_s, terms.share) == (False, LIFE_SHARE * longest_s, 1.0)
    terms = terms_of({**SETTINGS, "credit": "own", "horizon_s": 0.0, "others_share": 0.5}, [scenario])
    assert (terms.own, terms.horizon_s, terms.share) == (True, 0.0, 0.5)


def test_stage_b_begins_with_the_policy_of_stage_a_that_did_best(scenario, observations):
    """It decides as the search point that was kept, whatever the search has come to since."""
    one = learner(scenario, decisions=1_500, settings={"stage_a": 0.5})
    model, layout = one.model, Layout(scenario)
    model.advance()
    assert not model.ends_stage
    kept = model.search.points()[0].copy()
    model.keep(0)
    while not model.ends_stage:
        model.advance()
    assert model.num_timesteps >= 750
    assert not np.array_equal(model.search.points()[0], kept)
    last = model.num_timesteps
    model._begin(1)
    searched, nets, rng = model.search.policy(layout, kept), model.nets(), np.random.default_rng(0)
    assert len(nets) == 2
    for obs in observations(scenario, 40):
        expected = searched.act(obs, rng)
        for net in nets:
            assert np.array_equal(ScorerPolicy(layout, net).act(obs, rng), expected)
    assert not np.array_equal(kept, 0.0 * kept)
    model.advance()
    assert model.num_timesteps > last
    assert not model.ends_stage
    one.close()


def test_without_stage_a_it_begins_as_greedy_and_learns_at_once(scenario):
    one = learner(scenario, settings={"stage_a": 0.0})
    one.model.advance()
    net = one.model.net
    assert (net.linear == 0.0).all()
    assert (net.correction.weight != 0.0).any()
    one.close()
