"""MAPPO: one actor for all agents, masks, a critic that alone sees the state, one reward; what it leaves, goes on from and refuses."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
import torch
from gymnasium import spaces
from rich.console import Console
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback

import train.run
from agents.policy import make_rule
from edge6g_env import load_scenario
from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.codes import HOLD, NEIGHBOUR, REJECT
from edge6g_env.spaces import Layout
from train import checkpoint
from train.checkpoint import CheckpointError, load_policy, read_progress, read_record, read_tensors
from train.decided import DecisionBuffer
from train.learner import Learner
from train.limits import limits_of
from train.run import TrainingError
from train.setup import SettingError, Setup, settings_of
from train.shortlisted import shortlisted
from train.trainers import TRAINERS, MappoTrainer

SHORT = {"n_steps": 16, "batch_size": 32}
FORMS = pytest.mark.parametrize("candidates", [True, False])


class Seen(BaseCallback):
    """Decisions and rewards of a training, counted from what the steps told."""

    def __init__(self) -> None:
        super().__init__()
        self.decisions, self.rewards = 0, []

    def _on_step(self) -> bool:
        self.decisions += sum(info["decision"] for info in self.locals["infos"])
        self.rewards.append(self.locals["rewards"].mean())
        return True


def setup(scenario, candidates=True, algo="mappo", **options):
    settings = {**SHORT, **options.pop("settings", {})} | ({"candidates": candidates} if algo == "mappo" else {})
    return Setup((scenario,), algo, settings=settings, **{"decisions": 400, "num_worlds": 3, "seed": 3, **options})


def trained(scenario, candidates, decisions=200, **options):
    """A learner after so many decisions at least, and what was seen of them."""
    learner, seen = Learner(setup(scenario, candidates, **options)), Seen()
    learner.model.learn(decisions, callback=seen, reset_num_timesteps=False)
    return learner, seen


def tensors_of(learner):
    return {name: tensor.clone() for name, tensor in learner._trainer.state_tensors().items()}


def observed(learner):
    """(observations as tensors, masks) of all agents, some of whom decide."""
    env = learner.model.env
    obs, most = env.reset(), {}
    for _ in range(12):
        if not most or (obs["action_mask"].sum(1) > 1).sum() > (most["action_mask"].sum(1) > 1).sum():
            most = obs
        masks = np.stack(env.env_method("action_masks"))
        obs, *_ = env.step(np.array([np.flatnonzero(mask)[-1] for mask in masks]))
    return {name: torch.as_tensor(part).float() for name, part in most.items()}


@FORMS
def test_the_critic_alone_sees_the_state(scenario, candidates):
    learner, _ = trained(scenario, candidates)
    policy, obs = learner.model.policy, observed(learner)
    masks = obs["action_mask"].bool()
    moved = {**obs, "state": obs["state"] + 1.0}
    others = {name: part + 1.0 for name, part in obs.items() if name not in ("state", "action_mask")}
    actions, values, log_prob = policy(obs, deterministic=True, action_masks=masks)
    again = policy(moved, deterministic=True, action_masks=masks)
    assert torch.equal(again[0], actions)
    assert torch.equal(again[2], log_prob)
    assert not torch.allclose(again[1], values)
    of_others = policy({**obs, **others}, action_masks=masks)
    assert torch.equal(of_others[1], values)
    blind = {name: part.numpy() for name, part in obs.items() if name != "state"}
    assert np.array_equal(policy.predict(blind, deterministic=True, action_masks=masks.numpy())[0], actions.numpy())


@FORMS
def test_gradients_of_each_reach_its_own_part(scenario, candidates):
    learner, _ = trained(scenario, candidates)
    policy, obs = learner.model.policy, observed(learner)
    values, log_prob, _ = policy.evaluate_actions(obs, obs["action_mask"].argmax(1), obs["action_mask"].bool())
    parts = {name: dict(getattr(policy.mlp_extractor, name).named_parameters()) for name in ("actor", "critic")}
    for loss, own, other in ((values.sum(), "critic", "actor"), (log_prob.sum(), "actor", "critic")):
        policy.zero_grad()
        loss.backward(retain_graph=True)
        assert any(bool(p.grad.any()) for p in parts[own].values() if p.grad is not None)
        assert not any(bool(p.grad.any()) for p in parts[other].values() if p.grad is not None)


@FORMS
def test_both_parts_learn_and_every_agent_by_the_same_parameters(scenario, candidates):
    fresh, (learner, _) = Learner(setup(scenario, candidates)), trained(scenario, candidates)
    before, after = tensors_of(fresh), tensors_of(learner)
    changed = {name for name in before if name.startswith("network.") and not torch.equal(before[name], after[name])}
    assert {name.split(".")[2] for name in changed} == {"actor", "critic"}
    policy, obs = learner.model.policy, observed(learner)
    order = torch.randperm(len(obs["state"]), generator=torch.Generator().manual_seed(0))
    one = policy.get_distribution(obs, obs["action_mask"].bool()).distribution.logits
    other = {name: part[order] for name, part in obs.items()}
    shuffled = policy.get_distribution(other, other["action_mask"].bool()).distribution.logits
    torch.testing.assert_close(shuffled, one[order])
    more = Learner(setup(load_scenario(scenario, **{"nodes.count": 5}), candidates))
    assert {n: t.shape for n, t in more.model.policy.actor_net.named_parameters()} == {
        n: t.shape for n, t in learner.model.policy.actor_net.named_parameters()
    }


@FORMS
def test_agents_of_a_world_have_one_reward_and_every_choice_is_legal(scenario, candidates):
    learner = Learner(setup(scenario, candidates))
    env, rng, total = learner._trainer._env, np.random.default_rng(0), 0.0
    own = BatchEnv(scenario, env.batch.num_worlds, skip_idle=True)
    obs, _ = (
        env.reset(),
        own.reset(
            [handle.batch.last_step.step["seed"][handle.world] for handle in env._agents[:: env.batch.num_agents]]
        ),
    )
    for _ in range(60):
        assert env.observation_space.contains({name: part[1] for name, part in obs.items()})
        masks = np.stack(env.env_method("action_masks"))
        assert np.array_equal(masks, obs["action_mask"] == 1)
        assert masks.any(axis=1).all()
        assert not (masks[:, HOLD] & (masks.sum(axis=1) > 1)).any() or candidates
        chosen = np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)
        env.step_async(chosen)
        actions = env._actions.copy()
        assert np.take_along_axis(env.batch.action_masks(), actions[..., None], -1).all()
        obs, rewards, _, infos = env.step_wait()
        _, theirs, *_ = own.step(actions)
        assert not any(info["action_effect"] for info in infos)
        np.testing.assert_allclose(
            rewards.reshape(theirs.shape), theirs.mean(axis=1, keepdims=True).repeat(theirs.shape[1], 1), atol=1e-6
        )
        total += np.abs(theirs).sum()
    assert total > 1.0


@pytest.mark.parametrize("top", [4, 16, 1000])
def test_a_shortlist_has_the_best_legal_candidates(scenario, observations, top):
    """Against sorting each agent's candidates one by one."""
    utility, seen = Layout(scenario).candidate_index("utility"), 0
    for obs in observations(scenario, 30):
        short = shortlisted(obs, top)
        where = iter(range(len(short.places)))
        for place in np.ndindex(obs["action_mask"].shape[:2]):
            legal = [c for c in np.flatnonzero(obs["action_mask"][place]) if c > 0]
            if not legal:
                continue
            row, of = next(where), obs["candidates"][place][:, utility]
            best = sorted(sorted(legal, key=lambda c: (-of[c], c))[:top])
            assert short.rows[row][short.legal[row]].tolist() == best
            np.testing.assert_allclose(short.regret[row][short.legal[row]], of[best] - of[legal].max(), atol=1e-6)
            assert not short.regret[row][~short.legal[row]].any()
            seen += 1
        assert next(where, None) is None
    assert seen > 10


@pytest.mark.parametrize("drawn", [False, True])
def test_the_actor_chooses_as_the_policy_that_plays_and_begins_as_greedy(scenario, drawn):
    """What learns, on shortlists, and what acts, compiled for the kernel."""
    learner = Learner(setup(scenario))
    trainer, (policy,) = learner._trainer, learner.policies(Layout(scenario))
    if drawn:
        for parameter in policy.net.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        (policy,) = learner.policies(Layout(scenario))
    env, greedy, rng, same = trainer._env, make_rule("greedy", Layout(scenario)), np.random.default_rng(0), []
    obs = env.reset()
    for _ in range(40):
        chosen, _ = learner.model.policy.predict(obs, deterministic=True, action_masks=env.action_masks())
        env.step_async(chosen)
        whole = env.batch.observations()
        assert np.array_equal(env._actions, policy.act(whole, rng))
        same.append(np.array_equal(env._actions, greedy.act(whole, rng)))
        obs, *_ = env.step_wait()
    assert all(same) != drawn


def test_the_buffer_has_the_decisions_with_the_advantages_of_all():
    """Against sb3-contrib's buffer, which keeps every agent in every step."""
    rng, steps, agents, choices = np.random.default_rng(4), 12, 5, 3
    space = spaces.Dict({"x": spaces.Box(-9.0, 9.0, (2,), np.float32)})
    arguments = (steps, space, spaces.Discrete(choices), "cpu", 0.9, 0.95, agents)
    mine, whole = DecisionBuffer(*arguments), MaskableDictRolloutBuffer(*arguments)
    for _ in range(steps):
        masks = np.zeros((agents, choices), bool)
        masks[:, 0] = True
        masks[rng.random(agents) < 0.3] = True
        obs = {"x": rng.normal(size=(agents, 2)).astype(np.float32)}
        numbers = rng.normal(size=(3, agents)).astype(np.float32)
        starts, actions = rng.random(agents) < 0.1, rng.integers(0, choices, (agents, 1))
        for buffer in (mine, whole):
            values, log_prob = torch.from_numpy(numbers[1]), torch.from_numpy(numbers[2])
            buffer.add(obs, actions, numbers[0], starts, values, log_prob, action_masks=masks)
    for buffer in (mine, whole):
        buffer.compute_returns_and_advantage(torch.ones(agents), np.zeros(agents, bool))

    def rows(buffer, size):
        found = []
        for of in buffer.get(size):
            parts = (
                of.observations["x"],
                of.actions,
                of.old_values,
                of.old_log_prob,
                of.advantages,
                of.returns,
                of.action_masks,
            )
            found += [torch.cat([part.reshape(len(of.actions), -1).float() for part in parts], dim=1)]
        assert len({len(one) for one in found}) <= 2
        found = torch.cat(found).numpy()
        return found[np.lexsort(found.T)]

    theirs = rows(whole, None)
    decided = theirs[theirs[:, -choices:].sum(axis=1) > 1]
    for size in (4, 7, None):
        assert np.array_equal(rows(mine, size), decided)
    assert mine.decisions == len(decided) > 4


@pytest.mark.parametrize("algo", ["mappo", "ppo"])
def test_decisions_are_counted_and_no_agent_without_one(scenario, algo):
    learner, seen = trained(scenario, True, algo=algo)
    steps = len(seen.rewards) * learner.model.n_envs
    assert 200 <= learner.model.num_timesteps == seen.decisions < 0.8 * steps


def test_where_nobody_has_a_choice_nothing_is_learned_and_nothing_breaks(scenario):
    learner = Learner(setup(load_scenario(scenario, **{"arrivals.rate_jobs_s": 1e-6})))
    before = tensors_of(learner)
    callback = Seen()
    learner.model._setup_learn(1, callback, False, "x")
    learner.model.collect_rollouts(learner.model.env, callback, learner.model.rollout_buffer, 16)
    learner.model.train()
    after = tensors_of(learner)
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("network."))


@FORMS
def test_a_seed_decides_everything(scenario, candidates):
    one, same, other = (tensors_of(trained(scenario, candidates, seed=seed)[0]) for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@FORMS
def test_a_resume_has_the_state_of_the_end_and_other_worlds(scenario, candidates, tmp_path):
    first, _ = trained(scenario, candidates)
    first.save(tmp_path, 1.0, policy=True)
    second = Learner(setup(scenario, candidates))
    second.load(tmp_path)
    mine, theirs = tensors_of(second), tensors_of(first)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert float(mine["returns.count"]) > 16
    assert second.model.num_timesteps == first.model.num_timesteps
    assert second._trainer._env._seeds != Learner(setup(scenario, candidates))._trainer._env._seeds
    second.model.learn(first.model.num_timesteps + 1, callback=Seen(), reset_num_timesteps=False)
    assert second.model.num_timesteps > first.model.num_timesteps


@FORMS
def test_it_learns_what_is_rewarded(scenario, candidates):
    """A reward of another kind, given at once: the share of decisions of a world that go to a neighbour."""
    settings = {"n_steps": 32, "batch_size": 64, "gamma": 0.0, "learning_rate": 3e-3}
    learner = Learner(setup(scenario, candidates, num_worlds=6, settings=settings))
    env, shares = learner._trainer._env, []
    route, whole = env.batch.action_table[:, 0], env.step_wait
    away = (route >= NEIGHBOUR) & (route < env.batch.layout.cloud_route)

    def step_wait():
        obs, _, dones, infos = whole()
        chosen = away[env._actions].sum(axis=1) / np.maximum((env._actions > HOLD).sum(axis=1), 1)
        shares.append(chosen.mean())
        return obs, chosen.repeat(env.batch.num_agents).astype(np.float32), dones, infos

    env.step_wait = step_wait
    learner.model.learn(2500, callback=Seen(), reset_num_timesteps=False)
    first, last = (np.mean(part) for part in (shares[:32], shares[-32:]))
    assert last > first + 0.2, (first, last)


@FORMS
def test_a_loaded_policy_acts_as_the_learner_where_it_fits(scenario, candidates, tmp_path, observations):
    learner, _ = trained(scenario, candidates)
    learner.save(tmp_path, 1.0, policy=True)
    (policy,), rng = learner.policies(Layout(scenario)), np.random.default_rng(0)
    loaded = load_policy(tmp_path, scenario)
    assert (loaded.algo, loaded.needs_candidates, loaded.privileged) == ("mappo", candidates, False)
    assert {"algo": "mappo", "candidates": candidates, "n_steps": 16}.items() <= loaded.hparams.items()
    for obs in observations(scenario, 30):
        actions = loaded.act(obs, rng)
        assert np.array_equal(actions, policy.act(obs, rng))
        assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()
        assert np.array_equal(actions == HOLD, obs["action_mask"][..., REJECT] == 0)
    assert not any("critic" in name for name in read_tensors(tmp_path / checkpoint.POLICY))
    if candidates:
        for obs in observations("campus", 30):
            actions = load_policy(tmp_path, "campus").act(obs, rng)
            assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()
    else:
        with pytest.raises(CheckpointError, match=r"tiny_v0, .* cannot act on campus_v0: observation entry \d+"):
            load_policy(tmp_path, "campus")
        with pytest.raises(CheckpointError, match=r"'neighbour_2/exists', there it is none"):
            load_policy(tmp_path, load_scenario(scenario, **{"nodes.neighbours": 1}))


def test_what_does_not_fit_is_refused(scenario, tmp_path):
    for candidates in (True, False):
        learner, _ = trained(scenario, candidates)
        learner.save(tmp_path, 1.0, policy=True)
        record = read_record(tmp_path)
        for settings in ({**record["settings"], "candidates": not candidates}, {}):
            checkpoint.write_json_atomic({**record, "settings": settings}, tmp_path / checkpoint.RECORD)
            with pytest.raises(CheckpointError, match=r"do not fit|cannot act on"):
                load_policy(tmp_path, scenario)
        with pytest.raises(CheckpointError, match="does not fit"):
            Learner(setup(scenario, not candidates)).load(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["candidates=maybe"], "it must be candidates=yes or no"),
        (["n_steps=0"], "it must be n_steps=a whole number above 0"),
        (["gamma=1.01"], "gamma = 1.01: it must be from 0 to 1"),
        (["gae_lambda=2"], "gae_lambda = 2: it must be from 0 to 1"),
        (["width=3"], "mappo has no setting 'width'"),
    ],
)
def test_settings_out_of_range_are_refused(scenario, words, message):
    with pytest.raises(SettingError, match=message):
        Learner(setup(scenario, settings=settings_of("mappo", words, MappoTrainer.defaults)))


def run(scenario, out, decisions, candidates=True, **options):
    console = Console(file=io.StringIO(), width=200)
    train.run.train(setup(scenario, candidates, decisions=decisions), out, console=console, **options)
    return console.file.getvalue()


@FORMS
def test_a_run_leaves_what_the_others_leave_and_goes_on(scenario, candidates, tmp_path, monkeypatch):
    monkeypatch.setattr(train.run, "VALIDATION_EPISODES", dict.fromkeys(TRAINERS, (2, 2)))
    monkeypatch.setattr(train.validation, "SHOWN_RULES", ("greedy",))
    said = run(scenario, tmp_path, 300, candidates)
    assert "best on the validation seeds" in said
    record, curve = read_record(tmp_path), pd.read_csv(tmp_path / "learning_curve.csv")
    assert (record["algo"], record["fingerprint"]) == ("mappo", scenario.fingerprint)
    assert record["settings"] == {**MappoTrainer.defaults, **SHORT, "candidates": candidates}
    assert curve["decisions"].iloc[-1] == record["decisions"] >= 300
    np.testing.assert_allclose(curve["gain_over_best_rule"].max(), record["validation_gain"])
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"mappo-s3", "best-rule"}
    for path in tmp_path.glob("*.json"):
        json.loads(path.read_text())
    before = read_progress(tmp_path)
    with pytest.raises(TrainingError, match=f"with candidates={candidates}: --with candidates={not candidates} cannot"):
        run(scenario, tmp_path, 900, not candidates, resume=True)
    assert read_progress(tmp_path) == before
    run(scenario, tmp_path, before.decisions + 100, candidates, resume=True)
    after = read_progress(tmp_path)
    assert (after.runs, after.decisions >= before.decisions + 100) == (before.runs + 1, True)


def test_what_cannot_start_is_refused(scenario, tmp_path):
    both = Setup((scenario, load_scenario("campus")), "mappo", decisions=100)
    with pytest.raises(TrainingError, match="mappo keeps no limits"):
        train.run.train(setup(scenario, limits=limits_of(["slo_miss=0.1"])), tmp_path / "out")
    with pytest.raises(TrainingError, match="mappo learns in one scenario"):
        train.run.train(both, tmp_path / "out")
    assert not (tmp_path / "out").exists()
