"""`edge6g train --algo search`: its folder, what it goes on from, where its policy acts."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from stable_baselines3.common.callbacks import BaseCallback

import train.run
from agents.policy import make_rule
from agents.values import distances, tuned
from edge6g_env import load_scenario
from edge6g_env.spaces import Layout
from eval.episodes import run_episodes
from eval.pools.flights import Flights
from tests.train.small import SEARCH, Inline, learner, same
from train import checkpoint
from train.checkpoint import CheckpointError, load_policy, read_progress, read_record, read_tensors, write_tensors
from train.learner import Learner
from train.limits import Limit
from train.run import TrainingError
from train.search import DEFAULTS, PRICED_EPISODES, LinearSearch, weighted_reads
from train.setup import SettingError, Setup
from train.worlds import Worlds


class Until(BaseCallback):
    """Stops after so many generations; or raises Ctrl-C in the midst of the one after."""

    def __init__(self, generations: int, *, interrupt: bool = False) -> None:
        super().__init__()
        self._generations, self._interrupt = generations, interrupt

    def _on_step(self) -> bool:
        if self.model.search.state.generation < self._generations:
            return True
        if self._interrupt:
            raise KeyboardInterrupt
        return False


def state_of(made: Learner) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in made.model.search.state._asdict().items()}


def test_a_search_that_was_interrupted_ends_as_one_that_was_not(scenario, tmp_path):
    whole = learner(scenario, "search", 3)
    whole.model.learn(10**9, Until(4))
    first = learner(scenario, "search", 3)
    with pytest.raises(KeyboardInterrupt):
        first.model.learn(10**9, Until(2, interrupt=True))
    first.save(tmp_path, 1.0, policy=True)
    second = learner(scenario, "search", 3, threads=2)
    second.load(tmp_path)
    assert second.model.num_timesteps == first.model.num_timesteps > 0
    second.model.learn(10**9, Until(4))
    assert second.model.num_timesteps == whole.model.num_timesteps
    mine, theirs = state_of(second), state_of(whole)
    assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
    other = learner(scenario, "search", 4)
    other.model.learn(10**9, Until(4))
    assert not np.array_equal(state_of(other)["mean"], theirs["mean"])
    for one in (whole, first, second, other):
        one.close()


def test_a_generation_is_the_same_however_it_is_cut(scenario):
    """Into one part or three, in two scenarios that take turns, with limits: the same states and prices."""
    worlds = Worlds([scenario, load_scenario(scenario, **{"arrivals.rate_jobs_s": 4.0})], 0)
    ends = []
    for workers in (1, 3):
        pool = Inline(workers)
        search = LinearSearch(
            worlds, pool, weighted_reads(worlds), 5, population=4, episodes=3, limits=(Limit("energy_j", 10.0),)
        )
        decisions = [search.advance()[0] for _ in range(2)]
        ends.append({**search.tensors(), "decisions": torch.tensor(decisions)})
        # Of the candidates in both scenarios, and of the search point, whose costs move the price.
        assert [len(parts) for parts in pool.parts] == [2 * workers + 2 * workers] * 2
        candidates, point = pool.parts[0][: 2 * workers], pool.parts[0][2 * workers :]
        assert sorted(len(part.seeds) for part in candidates) == [1] * workers + [2] * workers
        assert {len(part.policies) for part in point} == {1}
        assert sum(len(part.seeds) for part in point) == PRICED_EPISODES
        assert {part.scenario.time.episode_s for part in point} == {scenario.time.episode_s}
        pool.close()
    assert same(*ends)
    assert ends[0]["prices"] > 0.0


def test_a_price_moves_alike_however_its_episodes_are_cut():
    """Also where a part of them has no measured job, as at one job in five seconds."""
    quiet, ends = load_scenario("tiny", **{"arrivals.rate_jobs_s": 0.2}), []
    worlds = Worlds([quiet], 0)
    for workers in (1, 8):
        pool = Inline(workers)
        options = {"population": 4, "limits": (Limit("energy_j", 10.0),)}
        search = LinearSearch(worlds, pool, weighted_reads(worlds), 5, **options)
        decisions = [search.advance()[0] for _ in range(3)]
        ends.append({**search.tensors(), "decisions": torch.tensor(decisions)})
        empty = [
            all(np.isnan(part(pool._hangar).costs).all() for part in parts if part.seeds == [seed])
            for parts in pool.parts
            for seed in {part.seeds[0] for part in parts if len(part.seeds) == 1 and part.is_share}
        ]
        assert any(empty) == (workers == 8)
        pool.close()
    assert same(*ends)


def test_first_steps_are_by_what_differs_in_any_of_the_scenarios(scenario):
    """Whichever is named first: `progress` is 1 of all inference, and differs where there is fine-tuning."""
    tuning = load_scenario("finetune")
    for named in ([scenario, tuning], [tuning, scenario]):
        worlds, pool = Worlds(named, 0), Inline(1)
        reads = weighted_reads(worlds)
        search = LinearSearch(worlds, pool, reads, 0, population=4)
        place = [one.name for one in reads.candidates].index("progress")
        assert search.state.variances[place] > 1e-3
        pool.close()


def test_the_points_of_a_generation_meet_the_same_fresh_worlds(scenario):
    pool, worlds = Inline(2), Worlds([scenario], 0)
    search = LinearSearch(worlds, pool, weighted_reads(worlds), 0, population=4, episodes=2)
    for _ in range(3):
        search.advance()
    met = [{tuple(part.seeds) for part in parts} for parts in pool.parts]
    assert [len(of) for of in met] == [1, 1, 1]
    assert len({seed for of in met for seeds in of for seed in seeds}) == 6


def test_episodes_in_the_kernel_are_those_of_the_doors(scenario):
    flights, seeds = Flights(scenario), [5_000_000, 5_000_001, 5_000_002]
    greedy, static = (make_rule(name, flights.layout) for name in ("greedy", "static"))
    flown = flights([greedy], seeds)
    for policy, rewards in ((greedy, flown.rewards[0]), (static, flights([static], seeds).rewards[0])):
        rows = run_episodes("any", lambda _, policy=policy: policy, scenario, seeds).rows
        np.testing.assert_allclose(rewards, [row["reward_per_job"] for row in rows], rtol=1e-12)
    assert flown.decisions >= len(flown.jobs[0])


def run(scenario, out, decisions=2_000, algo="search", resume=False, **options):
    console = Console(file=io.StringIO(), width=200)
    options = {"settings": SEARCH, **options} if algo == "search" else options
    setup = Setup((scenario,), algo, 3, decisions=decisions, **options)
    train.run.train(setup, out, resume=resume, console=console)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def trained(scenario, quick, tmp_path_factory):
    """The folder of a run of some generations, and what it said."""
    out = tmp_path_factory.mktemp("runs") / "search"
    return out, run(scenario, out)


def test_a_run_leaves_what_the_others_leave(trained, scenario):
    out, said = trained
    record, curve = read_record(out), pd.read_csv(out / "learning_curve.csv")
    assert (record["algo"], record["fingerprint"], record["runs"]) == ("search", scenario.fingerprint, 1)
    assert record["settings"] == {**DEFAULTS, **SEARCH}
    assert "best on the validation seeds" in said
    assert curve["decisions"].is_monotonic_increasing
    assert curve["decisions"].iloc[-1] == record["decisions"] > 0
    np.testing.assert_allclose(curve["gain_over_best_rule"].max(), record["validation_gain"])
    tensors = read_tensors(out / checkpoint.TRAINER)
    assert int(tensors["generation"]) > 0
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["best-rule", "search-s3"]
    assert read_tensors(out / checkpoint.POLICY)["weights"].shape == tensors["mean"].shape


def test_what_is_kept_is_the_point_that_did_best(trained, scenario):
    """Played again, its gain is that of the record."""
    out, _ = trained
    flights, seeds = Flights(scenario), [5_000_000 + n for n in range(3)]
    mine, greedy = (
        flights([one], seeds).rewards[0] for one in (load_policy(out), make_rule("greedy", Layout(scenario)))
    )
    from eval.statistics import iqm

    np.testing.assert_allclose(iqm(mine - greedy), read_record(out)["validation_gain"], atol=1e-12)


def test_the_policy_acts_in_other_scenarios_by_the_names_of_entries(trained, observations):
    out, _ = trained
    for name in ("campus", "tiny"):
        policy = load_policy(out, name)
        for obs in observations(name, 5):
            actions = policy.act(obs, np.random.default_rng(0))
            assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()


def test_a_run_goes_on(trained, scenario, quick):
    out, _ = trained
    before, generation = read_progress(out), int(read_tensors(out / checkpoint.TRAINER)["generation"])
    run(scenario, out, decisions=before.decisions + 1_000, resume=True)
    after = read_progress(out)
    assert after.decisions >= before.decisions + 1_000
    assert after.runs == before.runs + 1
    assert after.standing >= before.standing
    assert int(read_tensors(out / checkpoint.TRAINER)["generation"]) > generation


def test_what_does_not_fit_is_refused(trained, scenario, tmp_path):
    out, _ = trained
    with pytest.raises(TrainingError, match="holds a run of search: --algo scorer cannot go on with it"):
        run(scenario, out, decisions=10**6, algo="scorer", resume=True)
    one = learner(scenario, "search")
    one.save(tmp_path, 1.0, policy=True)
    tensors = read_tensors(tmp_path / checkpoint.TRAINER)
    write_tensors(tmp_path / checkpoint.TRAINER, {name: t[:3] if t.ndim else t for name, t in tensors.items()}, {})
    with pytest.raises(CheckpointError, match="it has 3 weights"):
        one.load(tmp_path)
    write_tensors(tmp_path / checkpoint.POLICY, {"weights": tensors["mean"][:3]}, {})
    with pytest.raises(CheckpointError, match="do not fit"):
        load_policy(tmp_path, scenario)


def test_a_scenario_without_an_entry_that_it_weighs_is_refused(trained, tmp_path):
    """As from another version, with another list of features."""
    out, _ = trained
    record = checkpoint.read_record(out)
    record["layout"]["candidates"][5]["name"] = "cloud_humidity"
    checkpoint.write_json_atomic(record, tmp_path / checkpoint.RECORD)
    (tmp_path / checkpoint.POLICY).write_bytes((out / checkpoint.POLICY).read_bytes())
    with pytest.raises(CheckpointError, match=r"cannot act on .*'cloud_humidity', which is not there"):
        load_policy(tmp_path, load_scenario("tiny"))


@pytest.mark.parametrize("algo", ["search", "scorer"])
@pytest.mark.parametrize("name", ["campus", "shard", "tiny"])  # rows by `restricted`, of two precisions, by `static`
def test_it_begins_at_tuned_with_its_rows(algo, name):
    short = load_scenario(name, time={"episode_s": 12.0, "warmup_s": 1.0, "drain_s": 3.0})
    layout = Layout(short)
    made = learner(short, algo, settings={"begin": "tuned", **({"stage_a": 0.0} if algo == "scorer" else {})})
    (policy, *_) = made.policies(layout)
    jobs = [Flights(short).pairs([one], [5])[0] for one in (policy.compiled, make_rule("tuned", layout).compiled)]
    assert len(jobs[0]) > 10
    np.testing.assert_array_equal(jobs[0], jobs[1])
    made.close()


def test_first_steps_are_those_of_the_rows_that_it_keeps():
    short = load_scenario("campus", time={"episode_s": 12.0, "warmup_s": 1.0, "drain_s": 3.0})
    for begin, moves in (("greedy", True), ("tuned", False)):  # these rows are all of int8
        made = learner(short, "search", settings={"begin": begin})
        names = [one.name for one in made.model.search.reads.candidates]
        assert (made.model.search.state.variances[names.index("is_int4")] > 1e-6) == moves
        made.close()


def test_rows_of_tuned_go_into_the_checkpoint_and_elsewhere(tmp_path):
    short = load_scenario("tiny", time={"episode_s": 8.0, "warmup_s": 1.0, "drain_s": 3.0})
    made = learner(short, "search", settings={"begin": "tuned"})
    made.save(tmp_path, 1.0, policy=True)
    made.close()
    rows = tuned("tuned", short).values["rows"]
    assert {*rows} == {"static"}
    assert {*rows["static"]} == {"chat", "assistant"}
    (tmp_path / "scenario.toml").write_text(short.to_toml())
    for name, free in (("tiny", []), ("campus", ["code"]), ("robotics", ["action", "chunk", "planner"])):
        there = Layout(load_scenario(name))
        far = load_policy(tmp_path, there.scenario).compiled.distance
        services = [service.name for service in there.scenario.service]
        assert [service for service in services if not far[services.index(service)].any()] == free
        np.testing.assert_array_equal(far, distances(there, "static", rows["static"]))


def test_a_checkpoint_that_says_no_rows_has_all(tmp_path, scenario):
    made = learner(scenario, "search")
    made.save(tmp_path, 1.0, policy=True)
    made.close()
    record = read_record(tmp_path)
    assert record["layout"].pop("rows") == "all"
    checkpoint.write_json_atomic(record, tmp_path / checkpoint.RECORD)
    assert not load_policy(tmp_path, scenario).compiled.distance.any()


def test_a_beginning_that_is_not_there_is_refused(scenario):
    with pytest.raises(SettingError, match="begin = 'best': it is one of greedy, tuned"):
        learner(scenario, "search", settings={"begin": "best"})
    own = load_scenario("tiny", name="own")
    with pytest.raises(SettingError, match="begin = tuned: own has no values of tuned: `edge6g tune --rule tuned"):
        learner(own, "scorer", settings={"begin": "tuned"})
    both = tuple(map(load_scenario, ("campus", "shard")))
    with pytest.raises(SettingError, match="begin = tuned: the rows of tuned in shard_v0 are not those in campus_v0"):
        Learner(Setup(both, "search", 0, decisions=1000, settings={"begin": "tuned"}))
