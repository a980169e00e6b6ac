"""What Gymnasium's, Stable-Baselines3's and PettingZoo's own makers and wrappers ask of the doors."""

import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import wrappers
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector
from pettingzoo.utils import wrappers as of_pettingzoo
from pettingzoo.utils.conversions import aec_to_parallel, parallel_to_aec
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecCheckNan, VecMonitor, VecNormalize

import edge6g_env
from edge6g_env import parallel_env, sb3_vec_env, tiny_v0
from edge6g_env.gym import Edge6gEnv

ID = "edge6g_env:edge6g/Tiny-v0"
SB3 = {
    "make_vec_env": lambda **o: make_vec_env(ID, n_envs=2, env_kwargs=o),
    "of the class": lambda **o: make_vec_env(Edge6gEnv, n_envs=2, env_kwargs={"scenario": "tiny", **o}),
    "in processes": lambda **o: make_vec_env(
        ID, n_envs=2, env_kwargs=o, vec_env_cls=SubprocVecEnv, vec_env_kwargs={"start_method": "fork"}
    ),
    "dummy": lambda **o: DummyVecEnv([lambda: gymnasium.make(ID, **o)] * 2),
    "one env an agent": lambda **o: sb3_vec_env("tiny", 2, **o),
}


@pytest.mark.parametrize("made_by", SB3)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_stable_baselines3_makes_and_wraps(made_by, short):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # no stumble at the first use
        vec = SB3[made_by](**short)
    vec.seed(3)
    vec = VecCheckNan(VecNormalize(vec, norm_obs_keys=["observation"]), raise_exception=True)
    obs = vec.reset()
    masks = obs["action_mask"].reshape(vec.num_envs, -1) == 1
    assert np.array_equal(np.stack(vec.env_method("action_masks")), masks)
    ends = 0
    for _ in range(60):
        _, _, dones, infos = vec.step(np.array([vec.action_space.sample() for _ in range(vec.num_envs)]))
        ends += dones.sum()
        assert all(("terminal_observation" in info) == done for info, done in zip(infos, dones, strict=True))
    assert ends == vec.num_envs
    assert len(vec.env_method("counters", indices=[0])[0].arrived) == 1
    vec.close()


def test_both_forms_of_stable_baselines3_know_the_same_of_a_world(short, busy, assert_same):
    """sb3_vec_env, an environment an agent, against make_vec_env, an environment a world."""
    agents, worlds = sb3_vec_env("tiny", 2, **short, **busy), SB3["make_vec_env"](**short, **busy)
    for vec in (agents, worlds):
        vec.seed(5)
        vec.reset()
    for _ in range(30):
        actions = agents.action_space.n - 1 - np.zeros((2, 3), np.int64)
        agents.step(actions.reshape(-1))
        worlds.step(actions)
        for name in ("state", "counters"):
            of_agents = agents.env_method(name)
            for place, got in enumerate(of_agents):
                assert_same(got, worlds.env_method(name, indices=place // 3)[0])
        for place, got in enumerate(agents.env_method("outcomes")):
            expected = worlds.env_method("outcomes", f"node_{place % 3}", indices=place // 3)[0]
            assert_same(got, expected, ignore=("world",))
    names = ("action_names", "observation_names", "candidate_names", "state_names", "reward_terms", "cost_names")
    for name in (*names, "action_table", "action_effects", "phases", "np_random_seed"):
        assert_same(agents.get_attr(name)[::3], worlds.get_attr(name))
    assert_same(
        [rng.random() for rng in agents.get_attr("np_random")[::3]], [r.random() for r in worlds.get_attr("np_random")]
    )
    assert agents.get_attr("scenario")[0] == worlds.get_attr("scenario")[0]


def test_attributes_can_be_set_and_none_is_invented():
    vec = sb3_vec_env("tiny", 2)
    vec.set_attr("note", 7, indices=[1, 4])
    assert vec.get_attr("note", [1, 4]) == [7, 7]
    assert not vec.has_attr("note")
    envs = gymnasium.make_vec(ID, num_envs=2)
    envs.set_attr("note", [1, 2])
    envs.set_attr("other", "x")
    assert (envs.get_attr("note"), envs.get_attr("other")) == ((1, 2), ("x", "x"))
    with pytest.raises(ValueError, match="list of 2"):
        envs.set_attr("note", [1, 2, 3])
    for wrong in (lambda: envs.call("no_such"), lambda: vec.env_method("no_such")):
        with pytest.raises(AttributeError, match="no_such"):
            wrong()


@pytest.mark.parametrize("reach", ["sb3", "gym vector"])
def test_one_world_goes_from_door_to_door(reach, short, busy, assert_same):
    """Saved from a door to several worlds, loaded into one world and into another place; the others stay."""
    vec = sb3_vec_env("tiny", 3, **short, **busy)
    envs = gymnasium.make_vec("edge6g/Tiny-v0", num_envs=3, **short, **busy)
    vec.seed(1)
    vec.reset()
    envs.reset(seed=1)
    hold = np.zeros((3, 3), np.int64)
    for _ in range(10):
        vec.step(hold.reshape(-1))
        envs.step(hold)
    kept = vec.env_method("save_state", indices=4)[0] if reach == "sb3" else envs.call("save_state")[1]
    one = gymnasium.make("edge6g/Tiny-v0", **short, **busy)
    one.load_state(kept)
    vec.env_method("load_state", kept, indices=0)
    obs = vec.step(hold.reshape(-1))[0]
    of_all = envs.step(hold)
    of_one = one.step(hold[0])
    for name, values in of_all[0].items():
        assert_same(values[1], of_one[0][name])
        by_world = obs[name].reshape(3, 3, *obs[name].shape[1:])
        for place, world in enumerate((1, 1, 2)):
            assert_same(by_world[place], values[world])
    assert_same(of_all[1][1], np.float64(of_one[1]))
    with pytest.raises(ValueError, match="not of one world"):
        vec.env_method("load_state", vec.save_state(), indices=0)


@pytest.fixture
def one_thread():
    """Networks this small are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_ppo_learns_and_is_evaluated(short, busy):
    vec = make_vec_env(ID, n_envs=2, env_kwargs={**short, **busy})
    model = PPO("MultiInputPolicy", vec, n_steps=16, batch_size=32, n_epochs=1, device="cpu", seed=0).learn(32)
    agents = VecMonitor(sb3_vec_env("tiny", 1, **short))
    for policy, played in (
        (model, vec),
        (PPO("MultiInputPolicy", agents, n_steps=16, batch_size=48, device="cpu"), agents),
    ):
        rewards, lengths = evaluate_policy(policy, played, n_eval_episodes=3, return_episode_rewards=True)
        assert np.isfinite(rewards).all()
        assert lengths == [50, 50, 50]


def _flat(env):
    return wrappers.FlattenObservation(env)


WRAPPERS = {
    "TimeLimit": lambda env: wrappers.TimeLimit(env, 10),
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "NormalizeReward": wrappers.NormalizeReward,
    "NormalizeObservation": lambda env: wrappers.NormalizeObservation(_flat(env)),
    "FilterObservation": lambda env: wrappers.FilterObservation(env, ["observation"]),
    "FrameStackObservation": lambda env: wrappers.FrameStackObservation(env, 2),
    "TimeAwareObservation": lambda env: wrappers.TimeAwareObservation(wrappers.TimeLimit(env, 10)),
    "DelayObservation": lambda env: wrappers.DelayObservation(env, 2),
    "OrderEnforcing": wrappers.OrderEnforcing,
    "PassiveEnvChecker": wrappers.PassiveEnvChecker,
    "Autoreset": wrappers.Autoreset,
    "StickyAction": lambda env: wrappers.StickyAction(env, 0.25),
    "ClipReward": lambda env: wrappers.ClipReward(env, -1.0, 1.0),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_gymnasiums_wrappers(name, short):
    env = WRAPPERS[name](gymnasium.make(ID, **short))
    env.reset(seed=1)
    assert env.unwrapped.np_random_seed == 1
    for _ in range(60):
        obs, _, terminated, truncated, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(obs)
        if (terminated or truncated) and name != "Autoreset":
            env.reset()
    assert env.get_wrapper_attr("counters")().arrived.shape == (1,)
    env.close()


def _flat_all(envs):
    return vector.FlattenObservation(envs)


VECTOR_WRAPPERS = {
    "RecordEpisodeStatistics": vector.RecordEpisodeStatistics,
    "DictInfoToList": lambda envs: vector.DictInfoToList(vector.RecordEpisodeStatistics(envs)),
    "NormalizeReward": vector.NormalizeReward,
    "ClipReward": lambda envs: vector.ClipReward(envs, -1.0, 1.0),
    "FlattenObservation": _flat_all,
    "FilterObservation": lambda envs: vector.FilterObservation(envs, ["observation"]),
    "NormalizeObservation": lambda envs: vector.NormalizeObservation(_flat_all(envs)),
}
TAKES = {  # by Gymnasium's own rules
    **dict.fromkeys(VECTOR_WRAPPERS, tuple(AutoresetMode)),
    **dict.fromkeys(("FlattenObservation", "FilterObservation"), (AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED)),
    "NormalizeObservation": (AutoresetMode.NEXT_STEP,),
}


@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name, modes in TAKES.items() for mode in modes])
def test_gymnasiums_wrappers_for_batches(name, mode, short):
    envs = VECTOR_WRAPPERS[name](gymnasium.make_vec(ID, num_envs=2, autoreset_mode=mode, **short))
    envs.reset(seed=[4, 5])
    assert envs.np_random_seed == 4
    lengths = []
    for _ in range(110):
        obs, _, terminated, truncated, infos = envs.step(envs.action_space.sample())
        assert envs.observation_space.contains(obs)
        lengths += infos["episode"]["l"][infos["_episode"]].tolist() if "episode" in infos else []
        if mode is AutoresetMode.DISABLED and truncated.any():
            envs.reset(options={"reset_mask": terminated | truncated})
    assert set(lengths) == ({50} if name == "RecordEpisodeStatistics" else set())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_processes_the_numbers_are_the_same(short, assert_same):
    ours = gymnasium.make_vec(ID, num_envs=2, autoreset_mode="NextStep", **short)
    theirs = gymnasium.make_vec(ID, num_envs=2, vectorization_mode="async", **short)
    assert_same(ours.reset(seed=2), theirs.reset(seed=2))
    for _ in range(60):
        actions = ours.action_space.sample()
        assert_same(ours.step(actions)[:4], theirs.step(actions)[:4])
    theirs.close()


def test_pettingzoos_wrappers(short):
    for wrap in (
        of_pettingzoo.AssertOutOfBoundsWrapper,
        of_pettingzoo.BaseWrapper,
        lambda env: of_pettingzoo.MultiEpisodeEnv(env, 2),
    ):
        env = wrap(tiny_v0.raw_env(**short))
        env.reset(seed=1)
        for agent in env.agent_iter():
            *_, terminated, truncated, _ = env.last()
            env.step(None if terminated or truncated else env.action_space(agent).sample())
        assert not env.agents
    for env in (
        of_pettingzoo.BaseParallelWrapper(parallel_env("tiny", **short)),
        aec_to_parallel(tiny_v0.env(**short)),
    ):
        env.reset(seed=1)
        while env.agents:
            env.step({agent: env.action_space(agent).sample() for agent in env.agents})
    assert parallel_to_aec(parallel_env("tiny")).possible_agents == ["node_0", "node_1", "node_2"]


def test_pettingzoo_environments_have_a_generator():
    """SuperSuit's frame_skip draws from it."""
    env = edge6g_env.env("tiny")
    env.reset(seed=3)
    assert env.unwrapped.np_random_seed == 3
    first = env.unwrapped.np_random.integers(1000, size=5).tolist()
    assert first == gymnasium.utils.seeding.np_random(3)[0].integers(1000, size=5).tolist()
    env.unwrapped.np_random = np.random.default_rng(1)
    assert env.unwrapped.np_random_seed == -1
