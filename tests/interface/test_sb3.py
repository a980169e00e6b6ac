"""Stable-Baselines3: masks, ends of episodes, and a few steps of MaskablePPO."""

import numpy as np
import pytest
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.vec_env import VecMonitor

from edge6g_env import sb3_vec_env


def test_masks_reach_sb3_contrib(scenario, busy):
    vec = sb3_vec_env(scenario, 2, **busy)
    vec.seed(1)
    obs = vec.reset()
    assert is_masking_supported(vec)
    assert is_masking_supported(VecMonitor(vec))
    for _ in range(10):
        masks = get_action_masks(vec)
        assert masks.dtype == bool
        assert np.array_equal(masks, obs["action_mask"] == 1)
        obs, *_ = vec.step(np.zeros(vec.num_envs, np.int64))
    one = vec.env_method("action_masks", indices=[3])
    assert np.array_equal(one[0], vec.get_attr("action_masks", 3)[0]())
    assert not vec.has_attr("no_such_attribute")
    assert vec.env_is_wrapped(object) == [False] * vec.num_envs
    assert [vec.get_attr(name, 5)[0] for name in ("world", "agent")] == list(divmod(5, vec.batch.num_agents))


def test_ends_carry_the_last_observation(short):
    vec = sb3_vec_env("tiny", 2, **short)
    vec.seed(1)
    vec.reset()
    ends, keys = 0, set()
    for _ in range(120):
        _, rewards, dones, infos = vec.step(np.zeros(vec.num_envs, np.int64))
        assert rewards.dtype == np.float32
        for done, info in zip(dones, infos, strict=True):
            assert info["TimeLimit.truncated"] is bool(done)
            assert ("terminal_observation" in info) == done
            assert {type(info[key]) for key in ("decision", "action_effect", "slots")} == {int}
            if done:
                assert vec.observation_space.contains(info["terminal_observation"])
            keys.add(tuple(key for key in info if key != "terminal_observation"))
        ends += dones.sum()
    assert ends == 2 * vec.num_envs
    assert len(keys) == 1


def test_the_state_is_that_of_the_agents_world(scenario, short, busy, legal):
    vec, rng = sb3_vec_env(scenario, 2, state=True, **short, **busy), np.random.default_rng(0)
    vec.seed(1)
    obs = vec.reset()
    for _ in range(8):
        assert vec.observation_space.contains({name: part[-1] for name, part in obs.items()})
        assert np.array_equal(obs["state"], np.stack(vec.env_method("state")))
        seen = obs["observation"].reshape(2, -1).repeat(vec.batch.num_agents, axis=0)
        assert np.array_equal(obs["state"][:, : seen.shape[1]], seen)
        obs, *_ = vec.step(legal(vec.action_masks(), rng))
    assert not np.array_equal(obs["state"][0], obs["state"][-1])


def test_who_does_not_ask_for_the_state_gets_the_rest_alike(short, busy, legal, assert_same):
    vecs, rng = (
        [sb3_vec_env("tiny", 2, state=state, **short, **busy) for state in (False, True)],
        np.random.default_rng(0),
    )
    for vec in vecs:
        vec.seed(1)
    seen = [vec.reset() for vec in vecs]
    for _ in range(60):  # over an end
        seen[1].pop("state")
        assert_same(*seen)
        actions = legal(vecs[0].action_masks(), rng)
        steps = [vec.step(actions) for vec in vecs]
        for info in steps[1][3]:
            info.get("terminal_observation", {}).pop("state", None)
        assert_same(*(step[1:] for step in steps))
        seen = [step[0] for step in steps]


@pytest.mark.parametrize("reach", ["all", "one"])
def test_a_last_state_has_the_last_observations_and_the_rest_of_before(short, busy, reach):
    """After a state was loaded, too, by the whole batch or world by world."""
    vec = sb3_vec_env("tiny", 2, state=True, **short, **busy)
    vec.seed(1)
    obs, hold, ends = vec.reset(), np.zeros(vec.num_envs, np.int64), 0
    for _ in range(120):
        kept = (
            vec.save_state() if reach == "all" else [vec.env_method("save_state", indices=place)[0] for place in (0, 3)]
        )
        before, (obs, _, dones, infos) = obs["state"], vec.step(hold)
        for _ in range(2):
            if dones.any():
                last = np.stack([info["terminal_observation"]["observation"] for info in infos])
                state = np.stack([info["terminal_observation"]["state"] for info in infos])
                seen = last.reshape(2, -1).repeat(vec.batch.num_agents, axis=0)
                assert np.array_equal(state, np.concatenate([seen, before[:, seen.shape[1] :]], axis=1))
                ends += 1
                vec.reset()
                if reach == "all":
                    vec.load_state(kept)
                else:
                    for place, one in zip((0, 3), kept, strict=True):
                        vec.env_method("load_state", one, indices=place)
                obs, _, dones, infos = vec.step(hold)
    assert ends == 4


def test_observations_are_copies():
    vec = sb3_vec_env("tiny", 2)
    first = vec.reset()
    kept = {name: part.copy() for name, part in first.items()}
    for _ in range(20):
        vec.step(np.zeros(vec.num_envs, np.int64))
    assert all(np.array_equal(first[name], kept[name]) for name in kept)


@pytest.mark.parametrize("wrong", [np.zeros(2, np.int64), np.zeros(6), np.full(6, 10_000)])
def test_malformed_actions_raise_and_leave_the_worlds(wrong, assert_same):
    vec = sb3_vec_env("tiny", 2)
    vec.reset()
    before = vec.save_state()
    with pytest.raises(ValueError, match="action"):
        vec.step(wrong)
    assert_same(vec.save_state(), before)


def test_maskable_ppo_learns(short, busy):
    vec = VecMonitor(sb3_vec_env("tiny", 2, **short, **busy))
    model = MaskablePPO("MultiInputPolicy", vec, n_steps=64, batch_size=96, n_epochs=1, seed=1, device="cpu")
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(64 * vec.num_envs)
    assert any(not p.equal(q) for p, q in zip(before, model.policy.parameters(), strict=True))
    assert all(p.isfinite().all() for p in model.policy.parameters())
    assert len(model.ep_info_buffer) > 0
    obs = vec.reset()
    actions, _ = model.predict(obs, action_masks=get_action_masks(vec))
    assert (obs["action_mask"][np.arange(vec.num_envs), actions] == 1).all()
