"""The contract of the parallel environment beyond PettingZoo's own checks."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env import parallel_env
from tests.looking import Look

INFO = {"decision", "job", "action_effect", "slots", "reward_terms", "costs"}


@pytest.fixture
def tiny():
    made = parallel_env("tiny", arrivals={"rate_jobs_s": 60.0})
    made.reset(seed=1)
    return made


def _mixed(c):
    """Types that numpy would join to float64."""
    return np.uint64(c) if c % 2 else np.int64(c)


def holds(env):
    return dict.fromkeys(env.possible_agents, 0)


def test_names_fit_the_shapes(scenario, observe):
    env = parallel_env(scenario, observe=observe)
    obs, infos = env.reset(seed=1)
    first = obs["node_0"]
    assert env.possible_agents == [f"node_{i}" for i in range(env.num_agents)]
    assert len(env.action_names) == len(env.action_table) == env.action_space("node_0").n == len(first["action_mask"])
    assert env.action_names[0] == "hold"
    assert len(env.observation_names) == len(first["observation"])
    assert all(unit and low < high for _, unit, low, high in env.observation_names)
    assert len({name for name, *_ in env.observation_names}) == len(env.observation_names)
    if observe == "candidates":
        assert first["candidates"].shape == (len(env.action_table), len(env.candidate_names))
    assert infos == {agent: {} for agent in env.agents}
    assert env.metadata["name"] == env.scenario.id
    assert env.state_space.contains(env.state())


def test_infos_have_the_same_keys_in_every_step(scenario, short):
    env = parallel_env(scenario, **short)
    env.reset(seed=1)
    while env.agents:
        *_, truncations, infos = env.step({agent: env.action_space(agent).sample() for agent in env.agents})
        for info in infos.values():
            assert info.keys() == INFO
            assert info["reward_terms"].shape == (len(env.reward_terms),)
            assert info["costs"].shape == (len(env.cost_names),)
            assert info["reward_terms"].dtype == info["costs"].dtype == np.float32
            assert {type(info[key]) for key in ("decision", "action_effect", "slots")} == {int}
    assert all(truncations.values())


def test_nothing_is_handed_out_twice(tiny):
    def arrays(part):
        return [part] if isinstance(part, np.ndarray) else [a for v in part.values() for a in arrays(v)]

    first, second = tiny.step(holds(tiny)), tiny.step(holds(tiny))
    kept = [a.copy() for a in arrays(first[0])]
    for a in arrays(first[0]):
        assert not any(np.shares_memory(a, b) for b in arrays(second[0]))
        assert not any(np.shares_memory(a, b) for b in tiny.batch.world)
    tiny.step(holds(tiny))
    assert all(np.array_equal(a, b) for a, b in zip(arrays(first[0]), kept, strict=True))
    for info in first[4].values():
        info.clear()  # a trainer may write into what it is given
    assert tiny.step(holds(tiny))[4]["node_0"].keys() == INFO
    assert not np.shares_memory(tiny.state(), tiny.batch.world.observation)


def test_actions_in_any_order_and_of_any_integer_type(tiny, assert_same):
    rows = range(tiny.num_agents)
    state = tiny.save_state()
    results = []
    for make in (int, np.int64, np.int32, np.uint8, np.array, _mixed):
        for order in (1, -1):
            tiny.load_state(state)
            results.append(tiny.step({f"node_{i}": make(i) for i in list(rows)[::order]})[0])
    for other in results[1:]:
        assert_same(results[0], other)


@pytest.mark.parametrize("wrong", [-1, 10_000, 2**70, 1.0, "1", None, np.float64(2.0), np.array([0, 1])])
def test_a_malformed_action_names_agent_and_range(tiny, wrong, assert_same):
    before = tiny.save_state()
    with pytest.raises(ValueError, match=r"node_1 is .* 0\.\."):
        tiny.step({**holds(tiny), "node_1": wrong})
    assert_same(tiny.save_state(), before)


def test_missing_and_unknown_agents_are_named(tiny, assert_same):
    before = tiny.save_state()
    with pytest.raises(ValueError, match="no action of node_2"):
        tiny.step({"node_0": 0, "node_1": 0})
    with pytest.raises(ValueError, match="unknown agent, 'node_7'"):
        tiny.step({**holds(tiny), "node_7": 0})
    for wrong in (None, [0, 0, 0], np.zeros(3, int)):
        with pytest.raises(ValueError, match="step needs a dict with one of each agent"):
            tiny.step(wrong)
    with pytest.raises(ValueError, match="no agent 'node_7'"):
        tiny.outcomes("node_7")
    assert_same(tiny.save_state(), before)


def test_an_ended_episode_must_be_reset(short, assert_same):
    env = parallel_env("tiny", **short)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(holds(env))
    env.reset(seed=1)
    while env.agents:
        obs, _, terminations, truncations, _ = env.step(holds(env))
    assert not any(terminations.values())
    assert all(truncations.values())
    last = np.concatenate([row["observation"] for row in obs.values()])
    assert_same(env.state()[: len(last)], last)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(holds(env))
    env.reset()
    assert env.agents == env.possible_agents


def test_outcomes_are_told_apart_by_agent(tiny):
    counted = 0
    for _ in range(50):
        tiny.step(dict.fromkeys(tiny.agents, 1))
        parts = [tiny.outcomes(agent) for agent in tiny.possible_agents]
        assert all((part["agent"] == i).all() for i, part in enumerate(parts))
        assert sum(map(len, parts)) == len(tiny.outcomes())
        counted += len(tiny.outcomes())
    assert counted == tiny.counters().rejected[0] > 0


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="render_mode"):
        parallel_env("tiny", render_mode="ansi")
    with pytest.raises(ValueError, match="observe"):
        parallel_env("tiny", observe="everything")
    with pytest.raises(ValueError, match="this environment has one world"):
        parallel_env("tiny", num_worlds=2)
    with pytest.raises(edge6g_env.ScenarioError, match="unknown key"):
        parallel_env("tiny", observes="candidates")


def test_the_state_names_what_no_agent_sees():
    """Cloud, nodes now and UEs in the state are those of the world."""
    env = parallel_env("tiny", **{"arrivals.rate_jobs_s": 20.0})
    env.reset(seed=2)
    rng = np.random.default_rng(0)
    for _ in range(200):
        actions = {}
        for agent in env.agents:
            mask = env.batch.action_masks()[0, int(agent[5:])]
            actions[agent] = int(rng.choice(np.flatnonzero(mask)))
        env.step(actions)
    state = dict(zip([name for name, *_ in env.state_names], env.state().tolist(), strict=True))
    look = Look(env.batch)
    assert state["world/jobs_in_flight"] == env.counters().in_flight[0]
    assert state["world/cloud_jobs"] == look.episode.cloud_running
    assert state["world/time_share"] == pytest.approx(look.now_s / env.scenario.time.episode_s)
    for i in range(3):
        assert state[f"node_{i}/now/sequences"] == look.server(i).n_admitted
    assert state["ue_3/x_m"] == pytest.approx(look.ue(3).x_m, rel=1e-5)
