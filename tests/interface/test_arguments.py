"""What the doors are given: a sentence for every argument that is none, and nothing left behind."""

import threading

import gymnasium
import numpy as np
import pytest

import edge6g_env
from edge6g_env import batch_env, env, parallel_env, sb3_vec_env, tiny_v0
from edge6g_env._arguments import HINTS
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario

ONE_WORLD = {
    "parallel": lambda **o: parallel_env("tiny", **o),
    "aec": lambda **o: env("tiny", **o),
    "module": lambda **o: tiny_v0.parallel_env(**o),
    "gym": lambda **o: gymnasium.make("edge6g/Tiny-v0", **o),
}
SEVERAL = {
    "batch": lambda num_worlds=2, **o: batch_env("tiny", num_worlds, **o),
    "sb3": lambda num_worlds=2, **o: sb3_vec_env("tiny", num_worlds, **o),
    "gym vector": lambda num_worlds=2, **o: gymnasium.make_vec("edge6g/Tiny-v0", num_envs=num_worlds, **o),
}
DOORS = {**ONE_WORLD, **SEVERAL}
NO_COUNT = [True, False, np.True_, None, 1.5, 2.0, "4", 0, -1, [2], np.float64(2)]
NO_FLAG = [1, 0, None, "yes", np.array([True, False])]
NO_SEED = [
    True,
    np.False_,
    1.5,
    "1",
    -1,
    2**62,
    2**70,
    {},
    [1, 2, 3, 4, 5],
    [True, False],
    [1.0, 2.0],
    [[1, 2]],
    [[1], [1, 2]],
]


@pytest.fixture(params=DOORS)
def door(request):
    return DOORS[request.param]


@pytest.mark.parametrize("wrong", NO_COUNT, ids=repr)
@pytest.mark.parametrize("name", SEVERAL)
def test_a_number_of_worlds_or_threads_is_an_integer(name, wrong):
    before = threading.active_count()
    counted = "num_envs" if name == "gym vector" else "num_worlds"
    with pytest.raises(UserError, match=f"^{counted} must be an integer of at least 1, it is "):
        SEVERAL[name](wrong)
    with pytest.raises(UserError, match=r"^threads must be an integer of at least 1, it is "):
        SEVERAL[name](threads=wrong)
    assert threading.active_count() == before


def test_numpy_integers_count():
    made = batch_env("tiny", np.int32(3), threads=np.int64(2), skip_idle=np.True_)
    assert (made.num_worlds, made.threads, made.skip_idle) == (3, 2, True)
    assert type(made.num_worlds) is int


@pytest.mark.parametrize("wrong", NO_FLAG, ids=repr)
@pytest.mark.parametrize("option", ["skip_idle", "debug"])
def test_flags_are_true_or_false(door, option, wrong):
    with pytest.raises(UserError, match=f"{option} must be True or False, it is "):
        door(**{option: wrong})


@pytest.mark.parametrize("wrong", [None, True, "all", ["plain"], np.array(["plain"])], ids=repr)
def test_observe_is_one_of_two_words(door, wrong):
    with pytest.raises(UserError, match='observe must be "plain" or "candidates", it is '):
        door(observe=wrong)


@pytest.mark.parametrize("wrong", NO_SEED, ids=repr)
def test_a_wrong_seed_leaves_all_as_it_was(door, wrong, assert_same):
    made = door()
    if hasattr(made, "env_method"):  # a VecEnv takes its seed apart
        with pytest.raises(UserError, match="seed must be an integer"):
            made.seed(wrong)
        assert made.get_attr("np_random_seed") is not None
        return
    made.reset(seed=1)
    before = made.save_state()
    generator = getattr(made.unwrapped, "np_random_seed", None) if hasattr(made, "unwrapped") else None
    with pytest.raises(UserError, match="seed must be an integer"):
        made.reset(seed=wrong)
    assert_same(made.save_state(), before)
    assert generator == (getattr(made.unwrapped, "np_random_seed", None) if hasattr(made, "unwrapped") else None)


@pytest.mark.parametrize("seed", [np.int64(3), np.uint8(3)])
def test_numpy_seeds_are_seeds(seed, assert_same):
    for make in (ONE_WORLD["parallel"], ONE_WORLD["gym"], SEVERAL["batch"], SEVERAL["gym vector"]):
        assert_same(make().reset(seed=seed), make().reset(seed=3))
    vec, other = SEVERAL["sb3"](), SEVERAL["sb3"]()
    assert vec.seed(seed) == other.seed(3)


@pytest.mark.parametrize(
    "name", [name for name in HINTS if name not in ("render_mode", "max_episode_steps", "autoreset_mode")]
)
def test_arguments_of_other_environments_get_a_hint(door, name):
    with pytest.raises(UserError, match=f"unexpected keyword argument '{name}': ") as raised:
        door(**{name: 7})
    assert isinstance(raised.value, TypeError)  # makers that try again without it catch this
    assert name not in Scenario.model_fields


@pytest.mark.parametrize("name", ["max_cycles", "horizon", "max_steps"])
def test_the_length_of_an_episode_is_in_the_scenario(door, name):
    with pytest.raises(UserError, match=r"time\.episode_s"):
        door(**{name: 100})


def test_gymnasium_takes_max_episode_steps_itself():
    made = gymnasium.make("edge6g/Tiny-v0", max_episode_steps=2)
    made.reset()
    nothing = np.zeros(3, np.int64)
    assert [made.step(nothing)[3] for _ in range(2)] == [False, True]
    with pytest.raises(UserError, match=r"time\.episode_s"):
        gymnasium.make_vec("edge6g/Tiny-v0", max_episode_steps=2)


@pytest.mark.parametrize("name", ["num_worlds", "num_envs", "n_envs"])
def test_how_many_worlds_is_said_in_the_doors_own_word(name):
    for make in ONE_WORLD.values():
        with pytest.raises(UserError, match="this environment has one world"):
            make(**{name: 2})
    for make, word in ((batch_env, "num_worlds"), (sb3_vec_env, "num_worlds")):
        if name != word:
            with pytest.raises(UserError, match=f"{word} is the number of worlds"):
                make("tiny", **{name: 2})
    if name != "num_envs":
        with pytest.raises(UserError, match="num_envs is the number of worlds"):
            gymnasium.make_vec("edge6g/Tiny-v0", **{name: 2})


def test_more_worlds_than_memory():
    for make in SEVERAL.values():
        with pytest.raises(UserError, match=r"do not fit into this machine's .* memory"):
            make(10**12)


@pytest.mark.parametrize("other", ["campus", None, "tiny.toml", edge6g_env.load_scenario("tiny")], ids=str)
def test_an_id_is_of_one_scenario(other):
    for make in (
        lambda: gymnasium.make("edge6g/Tiny-v0", scenario=other),
        lambda: gymnasium.make_vec("edge6g/Tiny-v0", scenario=other),
        lambda: gymnasium.make_vec("edge6g/Tiny-v0", vectorization_mode="sync", scenario=other),
        lambda: tiny_v0.parallel_env(scenario=other),
        lambda: tiny_v0.env(scenario=other),
    ):
        with pytest.raises(UserError, match="this is the scenario 'tiny'"):
            make()


def test_an_id_takes_its_own_scenario_and_overrides():
    made = gymnasium.make("edge6g/Tiny-v0", scenario="tiny", arrivals={"rate_jobs_s": 5.0})
    assert (made.scenario.name, made.scenario.arrivals.rate_jobs_s) == ("tiny", 5.0)
    again = gymnasium.make(made.spec)
    assert again.scenario == made.scenario
    envs = gymnasium.make_vec("edge6g/Tiny-v0", num_envs=2, scenario="tiny", **{"arrivals.rate_jobs_s": 5.0})
    assert (
        envs.scenario == made.scenario == tiny_v0.parallel_env(scenario="tiny", arrivals={"rate_jobs_s": 5.0}).scenario
    )


def test_every_agent_has_spaces_of_its_own(observe):
    made = parallel_env("tiny", observe=observe)
    agents = made.possible_agents
    for spaces in (made.observation_space, made.action_space):
        assert all(spaces(agent) is spaces(agent) for agent in agents)
        assert len({id(spaces(agent)) for agent in agents}) == len(agents)
        for agent in agents:
            spaces(agent).seed(7)
        samples = [str(spaces(agent).sample()) for agent in agents]
        assert len(set(samples)) == 1  # each from its own seed
    parts = {id(part) for agent in agents for part in made.observation_space(agent).values()}
    assert len(parts) == len(agents) * len(made.observation_space(agents[0]))
