"""Same seed, same numbers, to the bit: whatever the batch size, the thread count or the door."""

import gymnasium
import numpy as np
import pytest

from edge6g_env import batch_env, env, parallel_env, sb3_vec_env
from edge6g_env.gym import Edge6gEnv
from tests.tasks import QUICK_TASKS

SLOTS = 120
SEED = 11
COMPARED = ("decision", "job", "action_effect", "reward_terms", "costs", "slots", "time_s")


def roll(batch, legal, worlds, seeds, slots=SLOTS):
    """Step with actions that depend on (seed, slot) only; yields what `worlds` show after each step, as copies."""
    rngs = [np.random.default_rng(seed) for seed in seeds]
    obs = batch.reset(SEED)
    yield [{name: obs[name][b].copy() for name in obs} for b in worlds]
    for _ in range(slots):
        obs, rewards, terminated, truncated, info = batch.step(
            np.array([legal(obs["action_mask"][b], rng) for b, rng in enumerate(rngs)])
        )
        yield [
            {
                "obs": {name: obs[name][b].copy() for name in obs},
                "reward": rewards[b].copy(),
                "ended": (terminated[b], truncated[b]),
                "info": {key: info[key][b].copy() for key in COMPARED},
                "outcomes": info["outcomes"][info["outcomes"]["world"] == b].copy(),
                "counters": [count[b] for count in batch.counters()],
                "final": {key: part[b].copy() for key, part in info["final_obs"].items()} if truncated[b] else {},
            }
            for b in worlds
        ]


def test_a_world_does_not_depend_on_its_batch(scenario, short, busy, legal, assert_same):
    """The first and the sixth of sixteen, each beside itself alone."""
    worlds, rolls = (0, 5), []
    for world in worlds:
        alone = batch_env(scenario, 1, observe="candidates", **short, **busy)
        alone.reset = lambda seed, reset=alone.reset, world=world: reset(seed + world)
        rolls.append(roll(alone, legal, [0], [world]))
    many = batch_env(scenario, 16, observe="candidates", **short, **busy)
    for slot, (a, *each) in enumerate(zip(roll(many, legal, worlds, range(16)), *rolls, strict=True)):
        assert_same(a, [b for (b,) in each], f"slot {slot}", ignore=("world",))


def test_two_threads_give_the_numbers_of_one(scenario, short, busy, legal, assert_same):
    one = batch_env(scenario, 6, threads=1, observe="candidates", **short, **busy)
    two = batch_env(scenario, 6, threads=2, observe="candidates", **short, **busy)
    pairs = zip(
        roll(one, legal, range(6), range(6)),
        roll(two, legal, range(6), range(6)),
        strict=True,
    )
    for slot, (a, b) in enumerate(pairs):
        assert_same(a, b, f"slot {slot}")


def test_nor_do_worlds_in_which_tasks_of_several_ues_train(legal, assert_same):
    """Neither on their batch nor on threads."""
    many = batch_env("tiny", 4, threads=2, observe="candidates", debug=True, **QUICK_TASKS)
    alone = batch_env("tiny", 1, observe="candidates", debug=True, **QUICK_TASKS)
    alone_reset, ended = alone.reset, []
    alone.reset = lambda seed: alone_reset(seed + 3)
    pairs = zip(roll(many, legal, [3], range(4), 500), roll(alone, legal, [0], [3], 500), strict=True)
    for slot, (a, b) in enumerate(pairs):
        assert_same(a, b, f"slot {slot}", ignore=("world",))
        ended += b[0]["outcomes"].tolist() if slot else []
    assert len(ended) > 50


def test_parallel_env_is_the_batch(scenario, observe, short, busy, legal, joint, stacked, assert_same):
    """Over three episodes: reset() goes on to the episode that a batch starts by itself."""
    single, batch = (make(scenario, observe=observe, **short, **busy) for make in (parallel_env, _one_world))
    rng = np.random.default_rng(1)
    obs, expected = single.reset(seed=SEED)[0], batch.reset(SEED)
    for slot in range(3 * SLOTS):
        assert_same(stacked(obs), {name: part[0] for name, part in expected.items()}, f"slot {slot}")
        actions = legal(expected["action_mask"], rng)
        obs, rewards, _, truncations, infos = single.step(joint(single, actions[0]))
        expected, r, _, truncated, info = batch.step(actions)
        assert_same(list(rewards.values()), r[0].tolist())
        assert set(truncations.values()) == {bool(truncated[0])}
        for key in ("decision", "job", "action_effect", "reward_terms", "costs"):
            assert np.array_equal([infos[agent][key] for agent in infos], info[key][0]), key
        assert_same(single.outcomes(), info["outcomes"])
        assert_same(single.counters(), batch.counters())
        if truncated[0]:
            assert_same(stacked(obs), {name: part[0] for name, part in info["final_obs"].items()})
            obs = single.reset()[0]
            assert all(count == 0 for count in single.counters())
            assert len(single.outcomes()) == 0


def _one_world(scenario, **options):
    return batch_env(scenario, 1, **options)


def test_aec_is_the_parallel_env(scenario, busy, legal, joint, assert_same):
    turns, single = env(scenario, **busy), parallel_env(scenario, **busy)
    rng = np.random.default_rng(2)
    turns.reset(seed=SEED)
    obs, _ = single.reset(seed=SEED)
    for _ in range(SLOTS):
        actions = legal([row["action_mask"] for row in obs.values()], rng)
        for agent, c in zip(single.possible_agents, actions, strict=True):
            assert turns.agent_selection == agent
            assert_same(turns.observe(agent), obs[agent])
            turns.step(c)
        obs, rewards, _, _, infos = single.step(joint(single, actions))
        assert_same(turns.rewards, rewards)
        assert_same(turns.infos, infos)


def test_gym_is_the_batch(scenario, observe, short, busy, legal, assert_same):
    single, batch = (make(scenario, observe=observe, **short, **busy) for make in (Edge6gEnv, _one_world))
    rng = np.random.default_rng(3)
    obs, expected = single.reset(seed=SEED)[0], batch.reset(SEED)
    for _ in range(2 * SLOTS):
        assert_same(obs, {name: part[0] for name, part in expected.items()})
        actions = legal(expected["action_mask"], rng)
        obs, reward, _, truncation, step_info = single.step(actions[0])
        expected, rewards, _, truncated, info = batch.step(actions)
        assert reward == pytest.approx(rewards[0].mean(), abs=0.0)
        assert truncation == truncated[0]
        assert_same(step_info, {key: info[key][0] for key in COMPARED})
        if truncation:
            obs = single.reset()[0]


def test_gym_vector_is_the_batch(scenario, short, busy, legal, assert_same):
    spec = next(s for s in gymnasium.registry.values() if s.kwargs.get("scenario") == scenario)
    vector, batch = gymnasium.make_vec(spec.id, num_envs=3, **short, **busy), batch_env(scenario, 3, **short, **busy)
    rng = np.random.default_rng(4)
    obs, expected = vector.reset(seed=SEED)[0], batch.reset(SEED)
    for _ in range(SLOTS):
        assert_same(obs, expected)
        actions = legal(expected["action_mask"], rng)
        obs, rewards, _, truncations, infos = vector.step(actions)
        expected, r, _, truncated, info = batch.step(actions)
        assert_same(rewards, r.mean(axis=1))
        assert_same(truncations, truncated)
        for key in COMPARED:
            assert_same(infos[key], info[key], key)
        for b in np.flatnonzero(truncated):
            assert_same(infos["final_obs"][b], {name: part[b] for name, part in info["final_obs"].items()})


def test_sb3_is_the_batch(scenario, short, busy, legal, assert_same):
    vec, batch = sb3_vec_env(scenario, 3, **short, **busy), batch_env(scenario, 3, **short, **busy)
    rng = np.random.default_rng(5)
    vec.seed(SEED)
    obs, expected = vec.reset(), batch.reset(SEED)
    for _ in range(SLOTS):
        assert_same(obs, {name: part.reshape(vec.num_envs, *part.shape[2:]) for name, part in expected.items()})
        actions = legal(expected["action_mask"], rng)
        obs, rewards, dones, infos = vec.step(actions.reshape(-1))
        expected, r, _, truncated, info = batch.step(actions)
        assert_same(rewards, r.astype(np.float32).reshape(-1))
        assert_same(dones, np.repeat(truncated, batch.num_agents))
        for key in ("decision", "job", "action_effect"):
            assert [i[key] for i in infos] == info[key].reshape(-1).tolist(), key
        for place in np.flatnonzero(dones):
            b, agent = divmod(place, batch.num_agents)
            last = {name: part[b, agent] for name, part in info["final_obs"].items()}
            assert_same(infos[place]["terminal_observation"], last)


DOORS = {
    "parallel": (parallel_env, lambda e, seed: e.reset(seed=seed)[0]),
    "aec": (env, lambda e, seed: (e.reset(seed=seed), {a: e.observe(a) for a in e.agents})[1]),
    "gym": (Edge6gEnv, lambda e, seed: e.reset(seed=seed)[0]),
    "batch": (_one_world, lambda e, seed: e.reset(seed)),
    "sb3": (lambda s, **o: sb3_vec_env(s, 1, **o), lambda e, seed: (e.seed(seed), e.reset())[1]),
}


def test_a_seed_decides_everything(scenario, busy, assert_same):
    _check_that_a_seed_decides("batch", scenario, busy, assert_same)


@pytest.mark.parametrize("door", [door for door in DOORS if door != "batch"])
def test_a_seed_decides_everything_by_any_door(door, busy, assert_same):
    """A door hands its seed on: what comes of it is the batch's, so one scenario says enough."""
    _check_that_a_seed_decides(door, "tiny", busy, assert_same)


def _check_that_a_seed_decides(door, scenario, busy, assert_same):
    """Held long enough for jobs to arrive, seed 7 twice is the same and seed 8 is another."""
    make, reset = DOORS[door]

    def state_after(seed):
        made = make(scenario, **busy)
        reset(made, seed)
        batch = _batch_of(made)
        for _ in range(30):
            batch.step(np.zeros((1, batch.num_agents), np.int64))
        return batch.save_state()

    first, again, other = state_after(7), state_after(7), state_after(8)
    assert_same(first, again)
    assert not np.array_equal(first["observation"], other["observation"])
    assert not np.array_equal(first["ue"]["x_m"], other["ue"]["x_m"])


def _batch_of(made):
    return made if hasattr(made, "num_worlds") else made.batch


def test_episodes_of_a_seed_differ(scenario, busy):
    batch = batch_env(scenario, 1, **busy)
    batch.reset(3)
    first = batch.snapshot().ues.x_m
    batch.reset()
    assert not np.array_equal(first, batch.snapshot().ues.x_m)
    batch.reset(3)
    assert np.array_equal(first, batch.snapshot().ues.x_m)


def test_seeds_may_be_given_one_by_one(assert_same):
    batch, listed = batch_env("tiny", 3), batch_env("tiny", 3)
    assert_same(batch.reset(5), listed.reset([5, 6, 7]))
    with pytest.raises(ValueError, match=r"seed must be an integer .* or a list of 3"):
        listed.reset([1, 2])
