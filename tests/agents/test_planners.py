"""Planners: which actions are tried, which one is taken, and that what was foreseen comes."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.planners import planner as planner_module
from agents.planners.choices import Choices
from agents.planners.options import Asked, Options, PlannerError, asked, best_base
from agents.planners.planner import Clairvoyant, Planner, Rollout
from agents.policy import Observation, Policy, attach, make_rule
from agents.values import read_file, values_file
from edge6g_env.batch import BatchEnv
from edge6g_env.errors import Caution
from edge6g_env.kernel.codes import HOLD, REJECT
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from tests.slow_flight import Greedy, SlowWorlds


def kind_of(layout: Layout, action: int) -> tuple[Any, ...]:
    """What tells two choices apart, from the words of an action."""
    words = layout.action_names[action].split(", ")
    model = next((word for word in words if word.startswith("model")), "")
    precision = next((word for word in words if word in layout.scenario.actions.precision), "")
    return words[0], precision, model, "draft on the device" in words, "1 on the device" in words


@pytest.mark.parametrize("name", ["tiny", "rush", "telemedicine"])
def test_choices_are_the_best_of_each_kind_near_the_best(name: str):
    layout, rng = Layout(load_scenario(name)), np.random.default_rng(3)
    kinds = [kind_of(layout, action) for action in range(layout.num_actions)]
    utility = layout.candidate_index("utility")
    for most, gap in ((4, 0.2), (8, 0.6), (1000, 10.0)):
        choices = Choices(layout, most, gap)
        for _ in range(20):
            mask = (rng.random(layout.num_actions) < 0.5).astype(np.int8)
            mask[[HOLD, REJECT]] = 1
            candidates = np.zeros((layout.num_actions, len(layout.candidates)), np.float32)
            candidates[:, utility] = rng.random(layout.num_actions)
            own = int(rng.choice(np.flatnonzero(mask)[1:]))
            tried = choices.of(mask, candidates, own).tolist()
            legal = [action for action in np.flatnonzero(mask).tolist() if action != HOLD]
            value = {action: float(candidates[action, utility]) for action in legal}
            best_of_kind = {
                kinds[a]: max((b for b in legal if kinds[b] == kinds[a]), key=value.__getitem__) for a in legal
            }
            others = [
                a for kind, a in best_of_kind.items() if kind != kinds[own] and value[a] >= max(value.values()) - gap
            ]
            others.sort(key=value.__getitem__, reverse=True)
            assert tried == [own, *others[: most - 1]]


def test_a_decision_is_contested_if_its_best_choice_loads_or_is_late(layout: Layout):
    choices = Choices(layout, 8, 0.6)
    mask = np.ones(layout.num_actions, np.int8)
    for load_s, timeliness, expected in ((0.0, 1.0, False), (0.5, 1.0, True), (0.0, 0.9, True), (0.2, 0.99, False)):
        candidates = np.zeros((layout.num_actions, len(layout.candidates)), np.float32)
        candidates[:, layout.candidate_index("load_s")], candidates[:, layout.candidate_index("timeliness")] = 5.0, 0.1
        candidates[7, layout.candidate_index("utility")] = 1.0
        candidates[7, layout.candidate_index("load_s")] = load_s
        candidates[7, layout.candidate_index("timeliness")] = timeliness
        assert choices.contested(mask, candidates) == expected
    mask[7] = 0  # the best is not legal: one of the others is
    assert choices.contested(mask, candidates)


@pytest.fixture
def obs(obs: Observation, layout: Layout) -> Observation:
    """As forecasts have it, `hold` is worth less than all else."""
    obs["candidates"][..., HOLD, layout.candidate_index("utility")] = -1.0
    return obs


class Copies:
    """A BatchEnv of which a flight comes to what `value` says of its forced actions (N,), and which notes all calls."""

    value: Any = staticmethod(lambda actions: 0.0)
    copies_worlds = True

    def __init__(self, scenario: Any, num_worlds: int, threads: int = 1) -> None:
        self.scenario, self.num_worlds, self.threads = scenario, num_worlds, threads
        self.now_s = 10.0
        self.calls: list[Any] = []

    def times_s(self) -> np.ndarray:
        return np.full(self.num_worlds, self.now_s)

    def reset(self, seed: int) -> None:
        """No world to start."""

    def clone(self, source: Any, worlds: list[int], targets: range) -> None:
        self.calls.append(("clone", source, list(worlds), list(targets)))

    def redraw(self, worlds: range, seeds: np.ndarray) -> None:
        self.calls.append(("redraw", list(worlds), seeds))

    def fly(self, policy: object, until_s: float, *, worlds: range, forced: np.ndarray, count_until_s: float) -> Any:
        self.calls.append(("fly", until_s, count_until_s, forced.copy()))
        worth = np.array(
            [type(self).value(forced[world]) if world in worlds else np.nan for world in range(self.num_worlds)]
        )
        return SimpleNamespace(worth=worth, now_s=np.full(self.num_worlds, until_s))


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> type[Copies]:
    monkeypatch.setattr(planner_module, "BatchEnv", Copies)
    monkeypatch.setattr(Copies, "value", staticmethod(lambda actions: 0.0))
    return Copies


def attached(kind: type[Planner], layout: Layout, base: Policy | None = None, **options: Any) -> tuple[Planner, Copies]:
    made = kind(layout, base or Greedy(layout), Options(**{"contested": False, "gap": 100.0, **options}))
    made.attach(Copies(layout.scenario, 2))  # type: ignore[arg-type]
    return made, made._copies  # type: ignore[return-value]


def test_the_choice_whose_copy_comes_to_the_most_is_taken(
    copies: type[Copies], layout: Layout, obs: Observation, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
):
    wanted = layout.action_names.index("neighbour 1, int8")
    monkeypatch.setattr(copies, "value", staticmethod(lambda actions: float((actions == wanted).sum())))
    planner, made = attached(Clairvoyant, layout, k=100)
    assert (planner.act(obs, rng) == wanted).all()
    flights = [call for call in made.calls if call[0] == "fly"]
    assert len(flights) == planner.effort.planned == obs["action_mask"][..., 0].size
    own = Greedy(layout).act(obs)[0]
    for agent, (_, _, _, forced) in enumerate(flights[: len(own)]):
        # Those before have what was chosen for them, those behind what the base policy does.
        assert (forced[:, :agent] == wanted).all()
        np.testing.assert_array_equal(
            forced[:, agent + 1 :], np.broadcast_to(own[agent + 1 :], forced[:, agent + 1 :].shape)
        )
        assert forced[0, agent] == own[agent]
    assert {tuple(call[2]) for call in made.calls if call[0] == "clone"} <= {(0,) * n for n in range(101)} | {
        (1,) * n for n in range(101)
    }


def test_equal_copies_leave_the_base_policy_its_choice(
    copies: type[Copies], layout: Layout, obs: Observation, rng: np.random.Generator
):
    planner, _ = attached(Clairvoyant, layout)
    np.testing.assert_array_equal(planner.act(obs, rng), Greedy(layout).act(obs))
    assert planner.effort.changed == 0


def test_jobs_count_until_the_horizon_and_no_further_than_they_are_measured(
    copies: type[Copies], layout: Layout, obs: Observation, rng: np.random.Generator
):
    measured_s = layout.scenario.time.episode_s - layout.scenario.time.drain_s
    planner, made = attached(Clairvoyant, layout, horizon_s=9.5, drain_s=2.0)
    planner.act(obs, rng)
    assert {call[1:3] for call in made.calls if call[0] == "fly"} == {(21.5, min(19.5, measured_s))}
    first_s = layout.scenario.time.warmup_s - 2.0
    for now_s, planned in ((measured_s - 1e-3, True), (measured_s, False), (first_s + 1e-3, True), (first_s, False)):
        planner, made = attached(Clairvoyant, layout, horizon_s=2.0)
        planner._env.now_s = now_s  # type: ignore[union-attr]
        planner.act(obs, rng)
        assert (planner.effort.planned > 0) == planned


def test_what_is_not_contested_or_has_one_choice_is_not_copied(
    copies: type[Copies], layout: Layout, obs: Observation, rng: np.random.Generator
):
    obs["candidates"][..., layout.candidate_index("timeliness")] = 1.0
    planner, made = attached(Clairvoyant, layout, contested=True)
    planner.act(obs, rng)
    obs["action_mask"][..., REJECT + 1 :] = 0
    alone, made_alone = attached(Clairvoyant, layout)
    assert (alone.act(obs, rng) == REJECT).all()
    assert made.calls == made_alone.calls == []


def test_rollout_tries_all_choices_in_the_same_fresh_futures(
    copies: type[Copies], layout: Layout, obs: Observation, rng: np.random.Generator
):
    planner, made = attached(Rollout, layout, k=3, futures=2)
    planner.act(obs, rng)
    assert made.num_worlds == 6
    drawn = [call[2] for call in made.calls if call[0] == "redraw"]
    assert all(list(seeds) == [seeds[0]] * 3 + [seeds[3]] * 3 and seeds[0] != seeds[3] for seeds in drawn)
    assert len({int(seeds[0]) for seeds in drawn}) == len(drawn)  # each decision has its own


@pytest.mark.parametrize(
    ("sure", "gains", "taken"),
    [
        # One of four futures has it all: a mean of 1 with a standard error of 1.
        (0.0, [[4.0, 0.0, 0.0, 0.0]], 1),
        (0.9, [[4.0, 0.0, 0.0, 0.0]], 1),
        (1.1, [[4.0, 0.0, 0.0, 0.0]], 0),
        (100.0, [[0.1, 0.1, 0.1, 0.1]], 1),  # whatever the future: no chance in it
        (0.0, [[4.0, 0.0, 0.0, 0.0], [0.9, 0.9, 0.9, 0.9]], 1),
        (1.0, [[4.0, 0.0, 0.0, 0.0], [0.9, 0.9, 0.9, 0.9]], 2),  # the surer one
        (0.0, [[-1.0, -1.0, -1.0, -1.0]], 0),
        (1.0, [[3.0]], 1),  # of a single future nobody knows how sure it is
    ],
)
def test_rollout_takes_what_is_better_by_more_than_chance(
    copies: type[Copies], layout: Layout, sure: float, gains: list[list[float]], taken: int
):
    """gains: of each other choice over that of the base policy, by future; all futures are better or worse alike by luck."""
    planner, _ = attached(Rollout, layout, sure=sure)
    luck = np.linspace(-50.0, 50.0, len(gains[0]))
    worths = np.array([np.zeros(len(luck)), *gains]).T + luck[:, None]
    assert planner._best(worths) == taken


def test_without_worlds_that_can_be_copied_it_says_what_it_needs(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    planner = Clairvoyant(layout, Greedy(layout))
    with pytest.raises(
        PlannerError, match=r"clairvoyant tries choices in copies of the worlds: hand it their BatchEnv by attach"
    ):
        planner.act(obs, rng)
    import edge6g_env.gym

    with pytest.raises(PlannerError, match=r"edge6g_env\.gym\.Edge6gEnv cannot copy its own"):
        planner.attach(edge6g_env.gym.Edge6gEnv(scenario="tiny"))  # type: ignore[arg-type]


def test_worlds_of_another_scenario_are_refused(copies: type[Copies], layout: Layout):
    other = load_scenario("tiny", **{"arrivals.rate_jobs_s": 3.0})
    with pytest.raises(
        PlannerError, match=r"was made for tiny_v0, and these are worlds of tiny_v0, arrivals\.rate_jobs_s = 3"
    ):
        Clairvoyant(layout, Greedy(layout)).attach(Copies(other, 1))  # type: ignore[arg-type]


def test_a_base_without_a_compiled_form_is_refused(layout: Layout):
    with pytest.raises(PlannerError, match="RoundRobin has no compiled form"):
        Rollout(layout, make_rule("round-robin", layout))


def test_a_base_may_be_a_compiled_policy(layout: Layout):
    greedy = make_rule("greedy", layout)
    assert Rollout(layout, greedy.compiled)._compiled is greedy.compiled


@pytest.mark.parametrize("option", ["k", "futures", "threads"])
def test_numbers_of_things_are_whole(option: str):
    with pytest.raises(PlannerError, match=f"{option} of a planner must be a whole number, it is 2.5"):
        Options(**{option: 2.5})


def test_a_horizon_below_the_longest_load_is_warned_of_with_both(layout: Layout):
    with pytest.warns(Caution, match=r"horizon_s = 8 of rollout is shorter than the longest load of tiny, 9\.0 s"):
        Rollout(layout, Greedy(layout), Options(horizon_s=8.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Rollout(layout, Greedy(layout), Options(horizon_s=9.1))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("clairvoyant:horizon=8", r"clairvoyant has no option 'horizon': it has base, .*did you mean horizon_s\?"),
        ("clairvoyant:futures=3", "clairvoyant has no option 'futures'"),
        ("clairvoyant:sure=1", "clairvoyant has no option 'sure'"),
        ("rollout:sure=-1", "sure of a planner must be a number of at least 0, it is -1"),
        ("rollout:k", r"rollout:k: an option is written NAME=VALUE"),
        ("rollout:k=3.5", "rollout: k must be a whole number, it is '3.5'"),
        ("rollout:k=1", "k of a planner must be a number of at least 2, it is 1"),
        ("rollout:k=4:k=4", "rollout has its option k twice"),
        ("rollout:contested=yes", "rollout: contested must be 0 or 1, it is 'yes'"),
        ("rollout:horizon_s=nan", "horizon_s of a planner must be a number of at least 0, it is nan"),
        ("rollout:horizon_s=0", "horizon_s of a planner must be above 0"),
        ("rollout:futures=0", "futures of a planner must be a number of at least 1"),
    ],
)
def test_options_that_are_not_there_are_refused(word: str, message: str):
    with pytest.raises(PlannerError, match=message):
        asked(word)


def test_options_are_read_as_they_are_written():
    assert asked("greedy") is None
    assert asked("runs/clairvoyant") is None
    assert asked("clairvoyant") == Asked("clairvoyant", None, Options(), "clairvoyant")
    assert asked("rollout:base=runs/a=b:k=4:threads=2:horizon_s=8:contested=0:futures=2") == Asked(
        "rollout",
        "runs/a=b",
        Options(k=4, threads=2, horizon_s=8.0, contested=False, futures=2),
        "rollout:base runs/a b:k 4:horizon_s 8:contested 0:futures 2",
    )


def test_a_horizon_is_half_of_the_longest_life_unless_it_is_given(layout: Layout):
    longest_s = max(service.expire_s for service in layout.scenario.service)
    assert Options().times_s(layout.scenario) == pytest.approx((longest_s / 2, longest_s / 6))
    assert Options(horizon_s=9.0).times_s(layout.scenario) == pytest.approx((9.0, 3.0))
    assert Options(drain_s=1.0).times_s(layout.scenario) == pytest.approx((longest_s / 2, 1.0))


def test_threads_are_no_other_planner():
    assert Options(threads=2).identity("rollout") == Options().identity("rollout") != Options(k=3).identity("rollout")


def test_the_base_is_a_rule_with_values_where_there_is_one():
    assert best_base(load_scenario("tiny")) in ("tuned", "restricted", "static")
    assert best_base(load_scenario("tiny"), among=()) == "greedy"


def test_values_that_do_not_say_what_they_earn_are_no_better_base(monkeypatch):
    tiny = load_scenario("tiny")
    entries = read_file(values_file(tiny))
    told = {
        name: {k: v for k, v in entries[name].items() if k != "reward_per_job"} for name in ("restricted", "static")
    }
    for first, second in (("restricted", "static"), ("static", "restricted")):
        kept = {**told, first: {**told[first], "reward_per_job": 0.1}, second: {**told[second], "reward_per_job": None}}
        monkeypatch.setattr("agents.planners.options.read_file", lambda _, kept=kept: kept)
        assert best_base(tiny, among=("restricted", "static")) == first


def play(policy: Policy, make_env: type[BatchEnv], scenario: Scenario) -> tuple[list[list[int]], float]:
    """All actions and the worth of all jobs of an episode."""
    env = make_env(scenario, 1, skip_idle=True, observe="candidates")
    attach(policy, env)
    obs, actions, worth, truncated = env.reset(seed=5), [], 0.0, np.zeros(1, bool)
    while not truncated.any():
        actions.append(policy.act(obs, np.random.default_rng(0))[0])
        obs, _, _, truncated, info = env.step(actions[-1][None])
        worth += info["outcomes"]["worth"][info["outcomes"]["measured"] == 1].sum()
    return [row.tolist() for row in actions], worth


def test_with_the_whole_future_in_sight_no_decision_costs_anything(monkeypatch: pytest.MonkeyPatch):
    """What a planned choice comes to is at least what the base policy's comes to, and this comes true: by induction over the decisions the
    sum is that of the base policy or more. Copies that are played through the doors come to the same."""
    scenario = load_scenario(
        "tiny", **{"time.episode_s": 66.0, "time.warmup_s": 0.0}
    )  # jobs of 6 s, and then until all have ended
    layout, options = Layout(scenario), Options(horizon_s=66.0, k=3, contested=False)
    _, alone = play(Greedy(layout), BatchEnv, scenario)
    planner = Clairvoyant(layout, Greedy(layout), options)
    actions, worth = play(planner, BatchEnv, scenario)
    assert worth >= alone
    assert planner.effort.changed > 0
    monkeypatch.setattr(planner_module, "BatchEnv", SlowWorlds)
    assert play(Clairvoyant(layout, Greedy(layout), options), SlowWorlds, scenario) == (actions, worth)


def test_rollout_plays_alike_with_the_same_random_numbers_and_knows_no_future(monkeypatch: pytest.MonkeyPatch):
    """Its choice in a slot depends on the present and its own numbers alone: in another future of the same present it is the same."""
    scenario = load_scenario("tiny", **{"time.warmup_s": 0.0})
    layout, options = Layout(scenario), Options(k=3, futures=2, contested=False)
    policy, choices = Rollout(layout, Greedy(layout), options), []
    for future in (None, 7):
        env = BatchEnv(scenario, 1, skip_idle=True, observe="candidates")
        policy.attach(env)
        obs = env.reset(seed=5)
        for _ in range(8):
            obs, *_ = env.step(Greedy(layout).act(obs))
        if future is not None:
            env.redraw([0], [future])
        choices.append(policy.act(env.observations(), np.random.default_rng(0)).tolist())
    assert choices[0] == choices[1]
    assert policy.effort.planned == 2
