"""`clone` and `redraw`: the same world again, and the same present with another future."""

import copy

import numpy as np
import pytest

import edge6g_env
from edge6g_env import BatchEnv, CompiledPolicy, batch_env
from edge6g_env.errors import UserError
from edge6g_env.kernel import codes
from edge6g_env.varied import VariedBatch

STORM = {
    "radio.blockers_per_m2": 0.02,
    "faults.node_mtbf_s": 30.0,
    "faults.node_mttr_s": 3.0,
    "ues.indoor_share": 0.3,
}


def futures(env, seconds, **options):
    """Outcomes of each world in the next seconds under greedy, without the number of the world."""
    until_s = env.times_s() + seconds
    outcomes = env.fly(CompiledPolicy(env.layout), until_s, **options).outcomes
    found = []
    for b in range(env.num_worlds):
        mine = np.array(outcomes[outcomes["world"] == b])
        mine["world"] = 0
        found.append(mine)
    return found


@pytest.mark.parametrize("scenario", edge6g_env.scenarios())
def test_a_clone_has_the_same_future(scenario):
    source = BatchEnv(scenario, 2, observe="candidates")
    source.reset(seed=7)
    source.fly(CompiledPolicy(source.layout), 6.0)
    target = BatchEnv(scenario, 3, threads=2, debug=True)
    target.reset(seed=99)
    target.clone(source, [1, 0, 1], [0, 1, 2])
    seen, of = target.observations(), source.observations()
    assert np.array_equal(seen["observation"], of["observation"][[1, 0, 1]])
    assert np.array_equal(seen["action_mask"], of["action_mask"][[1, 0, 1]])
    assert np.array_equal(target.state(), source.state()[[1, 0, 1]])
    clones, own = futures(target, 4.0), futures(source, 4.0)
    assert [len(one) for one in own] != [0, 0]
    for clone, world in zip(clones, (1, 0, 1), strict=True):
        assert np.array_equal(clone, own[world])
    target.close()


def test_steps_go_on_alike_in_a_clone():
    source, target = batch_env("tiny", 2, observe="candidates"), batch_env("tiny", 4, observe="candidates")
    source.reset(seed=3)
    target.reset(seed=50)
    for _ in range(60):
        source.step(np.ones((2, source.num_agents), np.int64))
    target.clone(source, [0], [2])
    assert np.array_equal(target.outcomes(2)["job"], source.outcomes(0)["job"])
    for _ in range(40):
        mine, *_, infos = source.step(np.full((2, source.num_agents), 2))
        other, *_, more = target.step(np.full((4, target.num_agents), 2))
        assert np.array_equal(mine["candidates"][0], other["candidates"][2])
        assert infos["time_s"][0] == more["time_s"][2]


def test_a_batch_that_shows_candidates_works_them_out_for_a_clone():
    source, target = batch_env("tiny", 1), batch_env("tiny", 1, observe="candidates")
    shown = batch_env("tiny", 1, observe="candidates")
    for env in (source, target, shown):
        env.reset(seed=3 if env is not target else 8)
    for env in (source, shown):
        env.fly(CompiledPolicy(env.layout), np.inf, at_decision=True)
    target.clone(source, [0], [0])
    assert np.array_equal(target.observations()["candidates"], shown.observations()["candidates"])
    assert target.observations()["candidates"].any()


def test_worlds_of_one_batch_change_places():
    env = batch_env("tiny", 2)
    env.reset(seed=[1, 2])
    env.fly(CompiledPolicy(env.layout), 5.0)
    before = env.state()
    env.clone(env, [1, 0], [0, 1])
    assert np.array_equal(env.state(), before[[1, 0]])


def test_errors_of_a_clone():
    env, other = batch_env("tiny", 2), batch_env("tiny", 2, arrivals={"rate_jobs_s": 1.0})
    with pytest.raises(RuntimeError, match="call reset before clone"):
        env.clone(env, [0], [1])
    for one in (env, other):
        one.reset(seed=0)
    before = env.save_state()
    with pytest.raises(UserError, match="they must be of this scenario"):
        env.clone(other, [0], [1])
    varied = VariedBatch([env.scenario, other.scenario], lambda seed, episode: other.scenario, 2)
    varied.reset(seed=0)
    with pytest.raises(UserError, match="the worlds of the source vary, copies have one scenario"):
        env.clone(varied, [0], [1])
    for worlds, targets, words in (
        ([0, 1], [0], "2 worlds for 1 targets"),
        ([0, 1], [0, 0], "no target twice"),
        ([2], [0], "worlds must be a list of integers in 0..1"),
        ([0], [-1], "targets must be a list of integers in 0..1"),
    ):
        with pytest.raises(UserError, match=words):
            env.clone(env, worlds, targets)
    with pytest.raises(UserError, match="the source must be a BatchEnv, it is a str"):
        env.clone("tiny", [0], [1])
    after = env.save_state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("scenario", ["tiny", "azure", "rush", "robotics", "finetune", "blackout", "telemedicine"])
def test_equal_presents_with_equal_seeds_have_equal_futures(scenario):
    env = BatchEnv(scenario, 4, observe="candidates", debug=True)
    env.reset(seed=7)
    env.fly(CompiledPolicy(env.layout), 8.0)
    env.clone(env, [0, 0, 0], [1, 2, 3])
    seen = {name: part.copy() for name, part in env.observations().items()}
    env.redraw([1, 2, 3], [5, 5, 6])
    assert all(np.array_equal(part, env.observations()[name]) for name, part in seen.items())
    first, second, third, fourth = futures(env, 8.0)
    assert np.array_equal(second, third)
    assert not np.array_equal(second, fourth)
    assert not np.array_equal(first, second)


def test_redrawn_worlds_keep_their_invariants():
    """With everything that has a future: blockage, faults by chance, walls, bursts."""
    env = BatchEnv("tiny", 4, debug=True, **STORM)
    env.reset(seed=1)
    for n in range(8):
        env.fly(CompiledPolicy(env.layout), 3.0 * (n + 1))
        env.redraw([0, 1, 2, 3], 100 + n)
    assert env.times_s() == pytest.approx(np.full(4, 24.0))


def test_redrawn_arrivals_have_their_rate():
    rate, worlds, seconds = 4.0, 200, 10.0
    for kind in ({"kind": "poisson"}, {"kind": "burst", "calm_s": 5.0, "burst_s": 2.0, "burst_ratio": 6.0}):
        env = BatchEnv("tiny", worlds, arrivals={"rate_jobs_s": rate, **kind})
        env.reset(seed=0)
        env.fly(CompiledPolicy(env.layout), 5.0)
        before = env.counters().arrived.copy()
        env.redraw(range(worlds), np.arange(worlds))
        env.fly(CompiledPolicy(env.layout), 5.0 + seconds)
        came = env.counters().arrived - before
        error = came.std(ddof=1) / np.sqrt(worlds)
        assert came.mean() == pytest.approx(rate * seconds, abs=4.5 * error)


def test_a_burst_goes_on():
    """Who is busy now is more likely to be so in the next second, in any future."""
    kind = {"kind": "burst", "rate_jobs_s": 4.0, "calm_s": 40.0, "burst_s": 20.0, "burst_ratio": 6.0}
    env = BatchEnv("tiny", 400, arrivals=kind)
    env.reset(seed=0)
    env.fly(CompiledPolicy(env.layout), 10.0)
    first = env.world.source["busy"].mean(axis=1)  # near enough the state now: the next job is close
    before = env.counters().arrived.copy()
    env.redraw(range(400), 3)
    env.fly(CompiledPolicy(env.layout), 13.0)
    came = env.counters().arrived - before
    assert came[first > 0.9].mean() > 1.5 * came[first < 0.1].mean()


def test_who_is_busy_stays_so_however_often_the_future_is_drawn():
    """Bursts and lulls of hours: where jobs come they come in every future, where none come none do."""
    kind = {"kind": "burst", "rate_jobs_s": 4.0, "calm_s": 1e4, "burst_s": 1e4, "burst_ratio": 1e6}
    env, other, worlds = BatchEnv("tiny", 64, arrivals=kind), BatchEnv("tiny", 64, arrivals=kind), range(64)
    env.reset(seed=0)
    env.fly(CompiledPolicy(env.layout), 10.0)
    other.reset(seed=0)
    comes = []
    for futures in (0, 1, 40):
        other.clone(env, worlds, worlds)
        for n in range(futures):
            other.redraw(worlds, n)
        before = other.counters().arrived.copy()
        other.fly(CompiledPolicy(env.layout), 20.0)
        comes.append(other.counters().arrived > before)
    assert 0 < comes[0].sum() < 64
    assert np.array_equal(comes[0], comes[1])
    assert np.array_equal(comes[0], comes[2])


def test_redrawn_answers_are_longer_than_what_is_done():
    """In the mean as the rest of the lengths of the service says."""
    env = BatchEnv("tiny", 1)
    env.reset(seed=2)
    env.fly(CompiledPolicy(env.layout), 25.0)
    world = env.world
    rows = np.flatnonzero((world.job["stage"][0] == codes.DECODE) & (world.job["done_tokens"][0] > 1.0))
    assert len(rows) > 0
    many = BatchEnv("tiny", 400)
    many.reset(seed=0)
    many.clone(env, [0] * 400, range(400))
    many.redraw(range(400), np.arange(400))
    for row in rows:
        done = int(world.job["done_tokens"][0, row])
        service = env.scenario.service[int(world.job["service"][0, row])]
        lengths = service.lengths()[:, 2]
        expected = lengths[lengths > done]
        drawn = many.world.job["output_tokens"][:, row]
        assert drawn.min() > world.job["done_tokens"][0, row] or (drawn == world.job["output_tokens"][0, row]).all()
        assert np.isin(drawn, expected).all()
        assert drawn.mean() == pytest.approx(expected.mean(), abs=4.5 * expected.std() / np.sqrt(400) + 1e-9)
    assert (many.world.job["done_tokens"] == world.job["done_tokens"]).all()


def test_errors_of_a_redraw():
    env = batch_env("tiny", 2)
    with pytest.raises(RuntimeError, match="call reset before redraw"):
        env.redraw([0], 1)
    env.reset(seed=0)
    before = env.save_state()
    for seeds in ([1, 2, 3], 1.5, [0, np.nan], None, "one", 2**70, True, [[1], [2, 3]]):
        with pytest.raises(UserError, match="seeds must be an integer, or 2 of them, it is"):
            env.redraw([0, 1], seeds)
    with pytest.raises(UserError, match=r"worlds: one stands twice in \[0, 0\]"):
        env.redraw([0, 0], [1, 2])
    assert all(np.array_equal(before[name], array) for name, array in env.save_state().items())
    with pytest.raises(UserError, match="worlds must be a list"):
        env.redraw([2], 1)


def test_no_worlds_are_cloned_redrawn_and_flown():
    env = batch_env("tiny", 2)
    env.reset(seed=0)
    before = env.save_state()
    env.clone(env, [], [])
    env.redraw([], [])
    env.redraw([], 1)
    env.fly(CompiledPolicy(env.layout), 1.0, worlds=[])
    after = env.save_state()
    for state in (before, after):
        state["step"]["chosen"] = 0  # of the last call
    assert all(np.array_equal(before[name], array) for name, array in after.items())


def test_a_world_that_is_not_there_has_no_state():
    env = batch_env("tiny", 2)
    env.reset(seed=0)
    of_one = env.save_state(1)
    for world in (2, -1, True, 1.0):
        with pytest.raises(UserError, match=r"world must be an integer in 0..1, it is"):
            env.save_state(world)
        with pytest.raises(UserError, match=r"world must be an integer in 0..1, it is"):
            env.load_state(of_one, world)


def test_a_copy_steps_no_world_of_the_original():
    env = batch_env("tiny", 1)
    env.reset(seed=0)
    other = copy.copy(env)
    other.step(np.zeros((1, env.num_agents), np.int64))
    assert (env.times_s()[0], other.times_s()[0]) == (0.0, env.scenario.time.slot_s)
