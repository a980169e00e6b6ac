"""Worlds of one batch that differ in values: each is, to the bit, that of a batch of its own scenario."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest

from edge6g_env import load_scenario
from edge6g_env.batch import BatchEnv
from edge6g_env.errors import UserError
from edge6g_env.sb3 import AgentVecEnv
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from edge6g_env.varied import VariedBatch, difference
from tests.looking import episodes, seeds

TIME = {"episode_s": 8.0, "warmup_s": 1.0, "drain_s": 3.0}
FIRST = load_scenario("tiny", time=TIME, arrivals={"rate_jobs_s": 8.0})


def changed(**values: float) -> Scenario:
    return load_scenario(FIRST, **values)


def scenario_of(seed: int, episode: int) -> Scenario:
    """Arrivals, the length of episodes, memory and what observations are clipped by, by seed and episode."""
    n = 3 * seed + episode
    return changed(
        **{
            "arrivals.rate_jobs_s": 6.0 + n % 5,
            "time.episode_s": 8.0 + n % 3,
            "nodes.memory_gb": 24.0 + 2.0 * (n % 4),
            "nodes.spacing_m": 180.0 + 10.0 * (n % 2),
            "service.assistant.value": 1.0 + n % 4,
        }
    )


ENDS = [FIRST, *(changed(**{"service.assistant.value": value}) for value in (1.0, 4.0))]


def varied(num_worlds: int = 3, **options) -> VariedBatch:
    return VariedBatch(ENDS, scenario_of, num_worlds, skip_idle=True, **options)


def lone(seed: int, episode: int, **options) -> BatchEnv:
    """A batch of the scenario of an episode, at its start."""
    env = BatchEnv(scenario_of(seed, episode), 1, skip_idle=True, **options)
    env.reset([seed])
    for _ in range(episode):
        env.reset()
    return env


def drawn(masks, rng):
    return np.where(masks == 1, rng.random(masks.shape), -1.0).argmax(axis=-1)


def same(mine: dict, theirs: dict, b: int) -> bool:
    return all(np.array_equal(mine[name][b], theirs[name][0]) for name in theirs)


@pytest.mark.parametrize("options", [{}, {"observe": "candidates", "threads": 2, "debug": True}])
def test_a_world_is_that_of_a_batch_of_its_scenario(options):
    """Observations, rewards, infos, outcomes, counters and states of several episodes, the last ones of each too."""
    env, rng, ends = varied(**options), np.random.default_rng(0), 0
    options = {name: value for name, value in options.items() if name != "threads"}
    env.reset(5)
    others = [lone(5 + b, 0, **options) for b in range(3)]
    while ends < 8:
        actions = drawn(env.action_masks(), rng)
        obs, rewards, _, truncated, info = env.step(actions)
        state, tellings = env.state(), info["outcomes"]
        for b, other in enumerate(others):
            told, reward, _, ended, theirs = other.step(actions[b : b + 1])
            assert np.array_equal(rewards[b], reward[0])
            assert truncated[b] == ended[0]
            outcomes, last = theirs.pop("outcomes"), theirs.pop("final_obs", None)
            assert same(info, theirs, b)
            mine = tellings[tellings["world"] == b]
            assert [row.tolist()[1:] for row in mine] == [row.tolist()[1:] for row in outcomes]
            assert [count[b] for count in env.counters()] == [count[0] for count in other.counters()]
            assert np.array_equal(env.statistics().busy_s[b], other.statistics().busy_s[0])
            if ended[0]:
                ends += 1
                assert same(info["final_obs"], last, b)
                other = others[b] = lone(5 + b, episodes(env)[b], **options)
                told = other.observations()
            assert same(obs, told, b)
            assert np.array_equal(state[b], other.state()[0])
            assert np.array_equal(env.state(slice(b, b + 1)), other.state())
    assert seeds(env) == [5, 6, 7]
    assert min(episodes(env)) > 0
    env.close()


def test_spaces_are_wide_enough_for_every_scenario():
    """As wide as the widest, no wider, and everything that is seen lies within them."""
    env, rng = AgentVecEnv(varied(2, observe="candidates"), state=True), np.random.default_rng(1)
    layouts, widest = [*map(Layout, ENDS)], env.layout
    assert len({layout.observation for layout in layouts}) > 1
    for kind in ("observation", "candidates", "state"):
        for place, feature in enumerate(getattr(widest, kind)):
            of = [getattr(layout, kind)[place] for layout in layouts]
            assert {one.name for one in of} == {feature.name}
            assert (feature.low, feature.high) == (min(one.low for one in of), max(one.high for one in of))
    spaces, high = env.observation_space, np.array([feature.high for feature in widest.state], np.float32)
    assert np.array_equal(spaces["state"].high, high)
    env.seed(3)
    obs, dones = env.reset(), 0
    while dones < 12:
        for place in range(env.num_envs):
            assert spaces.contains({name: part[place] for name, part in obs.items()})
        obs, _, done, infos = env.step(drawn(env.action_masks(), rng))
        assert all(spaces.contains(infos[place]["terminal_observation"]) for place in np.flatnonzero(done))
        dones += done.sum()


def played(env, steps, seed=0):
    """Rewards of some steps, and the state at their end."""
    rng = np.random.default_rng(seed)
    rewards = [env.step(drawn(env.action_masks(), rng))[1] for _ in range(steps)]
    return np.array(rewards), env.state()


def test_states_copies_and_pickles_go_on_alike():
    """Over ends of episodes: each world in the scenario that it has there."""
    env = varied(2)
    env.reset(9)
    played(env, 100, seed=1)
    saved, again = env.save_state(), [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    of_one = env.save_state(1)
    before = episodes(env)
    rewards, state = played(env, 150)
    assert min(np.array(episodes(env)) - before) > 0
    other = varied(2)
    other.load_state(saved)
    for one in (*again, other):
        mine = played(one, 150)
        assert np.array_equal(mine[0], rewards)
        assert np.array_equal(mine[1], state)
    env.load_state(of_one, 0)
    mine = played(env, 1)[1][0]
    other.load_state(of_one, 0)
    assert np.array_equal(played(other, 1)[1][0], mine)
    assert seeds(env) == [10, 10]


def test_a_state_beyond_the_first_scenarios_end_goes_on():
    """Each world ends where its own scenario says."""
    env, other = varied(3), varied(3)
    for one in (env, other):
        one.reset(9)
    first_slots = env.world.time[0].episode_slots
    while (env.world.episode["slot"] <= first_slots).all():
        played(env, 1)
    other.load_state(env.save_state())
    mine, theirs = played(env, 60, seed=4), played(other, 60, seed=4)
    assert np.array_equal(mine[0], theirs[0])
    assert np.array_equal(mine[1], theirs[1])


def test_a_state_that_is_of_others_is_refused_and_nothing_changes():
    env, plain = varied(2), BatchEnv(FIRST, 2)
    elsewhere = VariedBatch(ENDS, lambda seed, episode: scenario_of(seed + 1, episode), 2)
    for one in (env, plain, elsewhere):
        one.reset(4)
    nameless = {name: array for name, array in env.save_state().items() if name != "fingerprint"}
    others = (
        (env, plain.save_state()),
        (env, elsewhere.save_state()),
        (plain, env.save_state()),
        (env, {}),
        (env, nameless),
    )
    for one, state in others:
        before = one.save_state()
        with pytest.raises(UserError, match="the saved state does not fit"):
            one.load_state(state)
        assert all(np.array_equal(before[name], array) for name, array in one.save_state().items())


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("nodes.count", 4, ("the number of agents", "3", "4")),
        ("ues.per_node", 5, ("the number of UEs", str(FIRST.num_ues), "15")),
        ("nodes.neighbours", 1, (r"observation entry \d+", "'neighbour_2/exists'", "none")),
        ("actions.edge_split", [0.0], (r"action \d+", "'.*of the rest at the ingress.*'", ".*")),
        ("serving.queue_jobs", 7, ("the size of 'queue' in a world", r"\(3, 3, \d+\)", r"\(3, 3, 7\)")),
        ("arrivals.rate_jobs_s", 7.0, None),
        ("time.episode_s", 9.0, None),
    ],
)
def test_what_keeps_worlds_from_standing_together_is_named(key, value, found):
    other = changed(**{key: value})
    if found is None:
        assert difference(FIRST, other) is None
        return
    what, here, there = found
    assert all(re.fullmatch(*pair) for pair in zip(found, difference(FIRST, other), strict=True))
    message = f"differ in values alone: {what} is {here} in tiny_v0.*, {there} in tiny_v0, .*{key} = "
    with pytest.raises(UserError, match=message):
        VariedBatch([FIRST], lambda seed, episode: other, 2).reset(0)
    if what.startswith("the size"):
        return
    with pytest.raises(UserError, match=message):
        VariedBatch([FIRST, other], scenario_of, 2)


def test_a_reset_that_is_refused_leaves_all_as_it_was():
    """A seed whose scenario does not fit: the worlds go on in those that they have."""
    larger = changed(**{"nodes.count": 4})
    env, other = (VariedBatch([FIRST], lambda seed, _: larger if seed == 8 else FIRST, 2) for _ in range(2))
    for one in (env, other):
        one.reset(5)
    with pytest.raises(UserError, match="differ in values alone"):
        env.reset(7)
    assert seeds(env) == [5, 6]
    for mine, theirs in zip(played(env, 60), played(other, 60), strict=True):
        assert np.array_equal(mine, theirs)


def test_what_has_one_scenario_is_refused():
    env = varied(2)
    env.reset(0)
    with pytest.raises(UserError, match="do not fly"):
        env.fly(None, 1.0)
    with pytest.raises(UserError, match="are not cloned"):
        env.clone(env, [0], [1])
