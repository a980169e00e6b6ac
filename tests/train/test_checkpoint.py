"""Checkpoints: the same policy comes back, anything else is refused in a sentence."""

import json

import numpy as np
import pytest
import torch

from agents.learned.scorer import Scorer, ScorerConfig, ScorerPolicy
from edge6g_env import load_scenario
from edge6g_env.spaces import Layout
from train import checkpoint
from train.checkpoint import CheckpointError, load_policy
from train.ppo import PpoPolicy, make_ppo_policy


def random_policy(scenario, algo):
    """(policy, its network) with weights that are not those of a start."""
    torch.manual_seed(5)
    if algo == "scorer":
        net = Scorer(Layout(scenario), ScorerConfig(hidden=32, top=8))
        for layer in (net.correction, net.value):
            torch.nn.init.normal_(layer.weight, std=2.0)
        return ScorerPolicy(Layout(scenario), net), net
    net = make_ppo_policy(Layout(scenario))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return PpoPolicy(net), net


def saved(folder, scenario, algo):
    """A checkpoint of such a policy in `folder`; returns the policy."""
    policy, net = random_policy(scenario, algo)
    config = net.config.to_dict() if algo == "scorer" else {}
    record = {"algo": algo, "scenario": scenario.id, "fingerprint": scenario.fingerprint, "config": config, "seed": 0}
    record |= {"decisions": 0, "minutes": 0.0, "runs": 1, "validation_gain": None, "settings": {}}
    checkpoint.write_record(folder, record)
    checkpoint.write_tensors(folder / checkpoint.POLICY, net.state_dict())
    return policy


@pytest.mark.parametrize("algo", ["scorer", "ppo"])
def test_a_loaded_policy_acts_as_the_saved_one(tmp_path, scenario, algo, observations):
    policy = saved(tmp_path, scenario, algo)
    loaded, rng, chosen = load_policy(tmp_path, scenario), np.random.default_rng(0), set()
    assert loaded.needs_candidates == policy.needs_candidates
    for obs in observations(scenario, 60):
        actions = policy.act(obs, rng)
        assert np.array_equal(loaded.act(obs, rng), actions)
        assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()
        chosen |= set(actions.flat)
    assert len(chosen) > 3


def test_another_scenario_is_refused(tmp_path, scenario):
    saved(tmp_path, scenario, "scorer")
    with pytest.raises(CheckpointError, match=r"was trained on tiny_v0: it cannot act on campus_v0"):
        load_policy(tmp_path, load_scenario("campus"))
    with pytest.raises(CheckpointError, match=r"tiny_v0 with other settings"):
        load_policy(tmp_path, load_scenario(scenario, **{"reward.price_per_usd": 50.0}))


@pytest.mark.parametrize("algo", ["scorer", "ppo"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(tmp_path, scenario, algo, part):
    saved(tmp_path, scenario, algo)
    path = tmp_path / checkpoint.POLICY
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(CheckpointError, match=r"cannot read .*policy\.safetensors"):
        load_policy(tmp_path, scenario)


def test_other_troubles_are_said(tmp_path, scenario):
    with pytest.raises(CheckpointError, match=r"holds no checkpoint"):
        load_policy(tmp_path, scenario)
    saved(tmp_path, scenario, "scorer")
    path = tmp_path / checkpoint.RECORD
    record = json.loads(path.read_text())
    for change, message in (
        ({"format": 99}, "is not a checkpoint of format 1"),
        ({"algo": "dqn"}, "'dqn', which this version does not know"),
        ({"config": {**record["config"], "hidden": 16}}, "do not fit"),
        ({"config": {"width": 3}}, "do not fit"),
    ):
        path.write_text(json.dumps({**record, **change}))
        with pytest.raises(CheckpointError, match=message):
            load_policy(tmp_path, scenario)
    path.write_text("{")
    with pytest.raises(CheckpointError, match=r"cannot read .*checkpoint\.json"):
        load_policy(tmp_path, scenario)
    path.write_text(json.dumps(record))
    (tmp_path / checkpoint.POLICY).unlink()
    with pytest.raises(CheckpointError, match=r"cannot read .*policy\.safetensors"):
        load_policy(tmp_path, scenario)


def test_an_optimizer_goes_on_where_it_was(tmp_path):
    """Two steps in one go, and with a save and a load between: the same weights."""

    def trained(steps, state=None):
        torch.manual_seed(6)
        net = torch.nn.Linear(3, 2)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
        if state is not None:
            net.load_state_dict(state[0])
            checkpoint.load_optimizer(optimizer, state[1])
        for _ in range(steps):
            optimizer.zero_grad()
            (net(torch.ones(4, 3)) ** 2).sum().backward()
            optimizer.step()
        return net, optimizer

    whole, _ = trained(2)
    half, optimizer = trained(1)
    checkpoint.write_tensors(tmp_path / "o", checkpoint.optimizer_tensors(optimizer))
    resumed, _ = trained(1, (half.state_dict(), checkpoint.read_tensors(tmp_path / "o")))
    assert torch.equal(whole.weight, resumed.weight)
    assert not torch.equal(half.weight, resumed.weight)
