"""Gymnasium: registration, masks, ends of episodes."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

import edge6g_env


def spec_of(scenario):
    return next(s for s in gymnasium.registry.values() if s.kwargs.get("scenario") == scenario)


def test_every_scenario_is_registered(scenario):
    loaded = edge6g_env.load_scenario(scenario)
    spec = spec_of(scenario)
    assert (spec.namespace, spec.version) == ("edge6g", loaded.version)
    assert spec.name.lower() == loaded.name.replace("-", "")


def test_make_works_without_an_import():
    code = 'import gymnasium; print(gymnasium.make("edge6g_env:edge6g/Campus-v0").action_space.shape)'
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(8,)\n"


def test_masks_are_those_of_the_observation(scenario, busy):
    env = gymnasium.make(spec_of(scenario).id, **busy)
    obs, info = env.reset(seed=1)
    assert info == {}
    for _ in range(20):
        masks = env.action_masks()
        assert masks.dtype == bool
        assert masks.shape == (env.action_space.nvec.sum(),)
        assert np.array_equal(masks, obs["action_mask"].reshape(-1) == 1)
        obs, reward, *_ = env.step(env.action_space.sample(tuple(obs["action_mask"])))
        assert type(reward) is float


def test_infos_have_the_same_keys_and_no_mask(scenario, short):
    env = gymnasium.make(spec_of(scenario).id, **short)
    env.reset(seed=1)
    truncated, keys = False, set()
    while not truncated:
        _, _, _, truncated, info = env.step(env.action_space.sample())
        keys.add(tuple(info))
        assert all(np.asarray(value).dtype.kind in "if" for value in info.values())
    assert len(keys) == 1
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())


@pytest.mark.parametrize("wrong", [[0, 0], [0, 0, 10_000], [0.0, 0.0, 0.0], 0, None, [[0, 0, 0]]])
def test_malformed_actions_raise_and_leave_the_world(wrong, assert_same):
    env = gymnasium.make("edge6g/Tiny-v0")
    env.reset(seed=1)
    before = env.save_state()
    with pytest.raises(ValueError, match="action"):
        env.step(wrong)
    assert_same(env.save_state(), before)


def test_vector_env_resets_in_the_same_step(short, assert_same):
    envs = gymnasium.make_vec("edge6g/Tiny-v0", num_envs=4, observe="candidates", **short)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    obs, infos = envs.reset(seed=[3, 4, 5, 6])
    assert infos == {}
    assert envs.observation_space.contains(obs)
    assert envs.action_masks().shape == (4, envs.single_action_space.nvec.sum())
    ends, keys = 0, set()
    for _ in range(120):
        obs, _, _, truncated, infos = envs.step(envs.action_space.sample())
        assert envs.observation_space.contains(obs)
        keys.add(tuple(key for key in infos if "final" not in key))
        assert ("final_obs" in infos) == truncated.any()
        for b in np.flatnonzero(truncated):
            assert envs.single_observation_space.contains(infos["final_obs"][b])
            assert infos["final_obs"][b]["observation"].base is None
            assert_same(infos["final_info"]["reward_terms"][b], infos["reward_terms"][b])
        ends += truncated.sum()
    assert ends == 8
    assert len(keys) == 1


def test_vector_env_agrees_with_gymnasiums_own(short, assert_same):
    """The kernel's batch against SyncVectorEnv over single worlds in the same autoreset mode."""
    mode = {"autoreset_mode": AutoresetMode.SAME_STEP}
    ours = gymnasium.make_vec("edge6g/Tiny-v0", num_envs=2, **short)
    theirs = gymnasium.make_vec("edge6g/Tiny-v0", num_envs=2, vectorization_mode="sync", vector_kwargs=mode, **short)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert_same(ours.reset(seed=1)[0], theirs.reset(seed=1)[0])
    for _ in range(120):
        actions = ours.action_space.sample()
        a, b = ours.step(actions), theirs.step(actions)
        assert_same(a[:4], b[:4])
        for key in {"final_obs", "_final_obs", "final_info", "_final_info"} & b[4].keys():
            if key == "final_obs":
                assert_same(list(a[4][key]), list(b[4][key]))
            else:
                assert_same(a[4][key], b[4][key])


def test_wrappers_for_batches_work(short):
    envs = gymnasium.wrappers.vector.RecordEpisodeStatistics(gymnasium.make_vec("edge6g/Tiny-v0", num_envs=2, **short))
    envs.reset(seed=1)
    lengths = []
    for _ in range(60):
        *_, infos = envs.step(envs.action_space.sample())
        lengths += infos["episode"]["l"][infos["_episode"]].tolist() if "episode" in infos else []
    assert lengths == [50, 50]
