"""Episodes of a policy: one a seed, many worlds at a time, and what became of every measured job."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from agents.policy import Compiled, MakePolicy, Policy, attach, learn, start
from edge6g_env.batch import BatchEnv
from edge6g_env.errors import UserError
from edge6g_env.flight import pieces
from edge6g_env.kernel.codes import DONE
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.forecasts import Promises
from eval.metrics import episode_metrics

WORLDS_AT_A_TIME = 32
STEPS_PER_REPORT = 20
FLIGHTS = 20  # of an episode inside the kernel: between two of them the bar moves, and Ctrl-C is heard
TIMED_STEPS = 50  # in which the time of a decision is measured where the episodes themselves are flown
WIDEST_BAR = 40
BESIDE_BAR = 14  # columns that percentage, time and the blanks between take

Share = Callable[[float], None]


class Episodes(NamedTuple):
    """Episodes of one policy.

    rows: policy, seed and all metrics, one a seed, in order. jobs: the measured jobs of all episodes, rows of
    OUTCOME (docs/state.md) whose `world` is the index of the seed. promised: float64 (J,), what the candidate promised by which each of
    them was decided, NaN where that is not known (`eval.forecasts`). busy_share: float64 (seeds, N), share of each episode in which a node
    computed.
    """

    rows: list[dict[str, object]]
    jobs: np.ndarray
    promised: np.ndarray
    busy_share: np.ndarray


class Played(NamedTuple):
    """Episodes of several worlds: jobs and promised as of Episodes, us a decision, busy_share as of Episodes, decisions of all."""

    jobs: np.ndarray
    promised: np.ndarray
    decision_us: float
    busy_share: np.ndarray
    decisions: int


class NothingMeasuredError(UserError):
    """Episodes in which no job is measured: there is nothing to compare."""


class Store(Protocol):
    """Where episodes are kept, see eval.kept."""

    def get(self, name: str, seeds: Sequence[int] | None = None) -> Episodes | None:
        """The episodes of a policy, None if it has to be played; seeds: some of the run's."""
        ...

    def put(self, name: str, episodes: Episodes, seeds: Sequence[int] | None = None) -> None:
        """Keep the episodes of a policy; seeds: some of the run's."""
        ...


def run_episodes(
    policy_name: str,
    make_policy: MakePolicy,
    scenario: Scenario,
    seeds: Sequence[int],
    progress: Share | None = None,
    store: Store | None = None,
    may_fly: bool = False,
) -> Episodes:
    """Run one episode a seed. progress: called with the share that is done, 0 to 1; store: where the episodes of a policy that plays few
    worlds at a time are kept, as each takes long; may_fly: a compiled policy plays inside the kernel, sooner, and what was promised of its
    jobs is not known.

    The worlds are the same for every policy. The policy's own random stream comes from its name and the first of the seeds that are played
    together: one that says so (`worlds_at_a_time`) has each world to itself, and what it draws depends on that world's seed alone.
    `decision_us_mean` is that of up to WORLDS_AT_A_TIME worlds together. Raises ValueError without seeds or with one that comes twice.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be different numbers, they are {list(seeds)}")
    keep = store if plays_few_worlds(make_policy, scenario) else None
    parts: list[Episodes] = []
    first = 0
    for chunk in chunks(make_policy, scenario, seeds):
        part = keep.get(policy_name, chunk) if keep else None
        if part is None:
            part = play_chunk(policy_name, make_policy, scenario, chunk, _part(progress, first, chunk, seeds), may_fly)
            if keep:
                keep.put(policy_name, part, chunk)
        part.jobs["world"] += first
        parts.append(part)
        first += len(chunk)
    rows, jobs, promised, busy_share = zip(*parts, strict=True)
    return Episodes([row for some in rows for row in some], *map(np.concatenate, (jobs, promised, busy_share)))


def plays_few_worlds(make_policy: MakePolicy, scenario: Scenario) -> bool:
    """Whether a policy plays fewer worlds at a time than others do, as each takes long."""
    return _worlds_at_a_time(make_policy, scenario) < WORLDS_AT_A_TIME


def chunks(make_policy: MakePolicy, scenario: Scenario, seeds: Sequence[int]) -> list[Sequence[int]]:
    """Seeds as `run_episodes` has a policy play them together: what it does in a world may depend on the others of its chunk."""
    at_a_time = _worlds_at_a_time(make_policy, scenario)
    return [seeds[first : first + at_a_time] for first in range(0, len(seeds), at_a_time)]


def _worlds_at_a_time(make_policy: MakePolicy, scenario: Scenario) -> int:
    return getattr(make_policy(Layout(scenario)), "worlds_at_a_time", WORLDS_AT_A_TIME)


def play_chunk(
    name: str,
    make_policy: MakePolicy,
    scenario: Scenario,
    seeds: Sequence[int],
    progress: Share | None = None,
    may_fly: bool = False,
) -> Episodes:
    """As `run_episodes`, of seeds that are played together, see `chunks`."""
    policy = make_policy(Layout(scenario)) if may_fly else None
    if isinstance(policy, Compiled):
        played = fly_worlds(policy, scenario, seeds, progress)
    else:
        played = play_worlds(name, make_policy, scenario, seeds, progress)
    rows: list[dict[str, object]] = []
    for index, seed in enumerate(seeds):
        mine = played.jobs[played.jobs["world"] == index]
        rows.append({"policy": name, "seed": seed, **episode_metrics(mine, measured_s(scenario), played.decision_us)})
    return Episodes(rows, played.jobs, played.promised, played.busy_share)


def run_policies(
    policies: Mapping[str, MakePolicy],
    scenario: Scenario,
    seeds: Sequence[int],
    console: Console,
    store: Store | None = None,
) -> dict[str, Episodes]:
    """Episodes of several policies on the same seeds, with a bar for each on `console`; what `store` has is not played again. They may fly.

    Raises NothingMeasuredError after the first policy if no job was measured: all policies meet the same jobs.
    """
    with _bars(console, policies) as bars:
        tasks = {name: bars.add_task(name, total=1.0, start=False) for name in policies}
        episodes = {}
        for name, make_policy in policies.items():
            bars.start_task(tasks[name])
            kept = store.get(name) if store else None
            episodes[name] = kept or run_episodes(
                name, make_policy, scenario, seeds, _bar(bars, tasks[name]), store, True
            )
            if not len(episodes[name].jobs):
                raise NothingMeasuredError(nothing_measured(scenario, seeds))
            bars.update(tasks[name], completed=1.0)
            if store and not kept:
                store.put(name, episodes[name])
    return episodes


def nothing_measured(scenario: Scenario, seeds: Sequence[int]) -> str:
    """What to say where no job is measured in any episode."""
    time = scenario.time
    return (
        f"no job arrives in {time.warmup_s:g} to {time.episode_s - time.drain_s:g} s, where jobs are measured, in any of {len(seeds)} "
        f"episodes: raise time.episode_s or arrivals.rate_jobs_s, or play more --seeds"
    )


def _bar(bars: Progress, task: TaskID) -> Share:
    return lambda share: bars.update(task, completed=share)


@contextmanager
def progress_bars(console: Console, names: Iterable[str]) -> Iterator[Callable[[str], Share]]:
    """A bar for each name; what is given starts the bar of a name and returns how to move it."""
    with _bars(console, list(names)) as bars:
        tasks = {name: bars.add_task(name, total=1.0, start=False) for name in names}

        def started(name: str) -> Share:
            bars.start_task(tasks[name])
            return _bar(bars, tasks[name])

        yield started


@contextmanager
def _bars(console: Console, names: Iterable[str]) -> Iterator[Progress]:
    """Bars that fit a narrow terminal: names take half of it at most, what is left is the bar's."""
    name_width = min(max(map(len, names), default=1), max(8, console.width // 2))
    bar_width = max(3, min(WIDEST_BAR, console.width - name_width - BESIDE_BAR))
    name = TextColumn(
        "{task.description}", markup=False, table_column=Column(width=name_width, no_wrap=True, overflow="ellipsis")
    )
    columns = (name, BarColumn(bar_width), TaskProgressColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console) as bars:
        yield bars


def measured_s(scenario: Scenario) -> float:
    """Length of the window of an episode in which arriving jobs are measured, s."""
    return scenario.time.episode_s - scenario.time.warmup_s - scenario.time.drain_s


def _part(progress: Share | None, first: int, chunk: Sequence[int], seeds: Sequence[int]) -> Share | None:
    if progress is None:
        return None
    return lambda share: progress((first + share * len(chunk)) / len(seeds))


def policy_stream(name: str, seed: int) -> np.random.Generator:
    """The random stream of a policy, by its name, that plays worlds of which the first has this seed."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def play_worlds(
    name: str,
    make_policy: MakePolicy,
    scenario: Scenario,
    seeds: Sequence[int],
    progress: Share | None = None,
    threads: int = 1,
) -> Played:
    """Play an episode a seed to its end, all together: measured jobs ordered by world, what was promised of each, and so on.

    name: seeds the policy's random stream, with the first seed.
    """
    policy = make_policy(Layout(scenario))
    observe = "candidates" if policy.needs_candidates else "plain"
    env = BatchEnv(scenario, len(seeds), skip_idle=True, observe=observe, threads=threads)
    rng = policy_stream(name, seeds[0])
    start(policy, len(seeds))
    attach(policy, env)
    watch, promises = _Watch(policy, env.layout), Promises(env.layout)
    running, busy_s = np.ones(len(seeds), bool), np.zeros((len(seeds), env.num_agents))
    jobs: list[np.ndarray] = []
    obs, steps, decisions = env.reset(seed=list(seeds)), 0, 0
    while running.any():
        actions = watch.act(obs, rng)
        promised = promises.look(obs, actions)
        obs, _, _, truncated, info = env.step(actions)
        promises.keep(promised, info["job"], info["action_effect"], running)
        ended = np.asarray(info["outcomes"])
        ended = ended[running[ended["world"]]]
        decided = (info["action_effect"] == DONE) & running[:, None]
        decisions += int(np.count_nonzero(info["decision"][running]))
        learn(policy, np.where(decided, info["job"], -1), ended)
        jobs.append(ended[ended["measured"] == 1])
        if (last := running & truncated).any():
            busy_s[last] = env.statistics().busy_s[last]
        running &= ~truncated
        steps += 1
        if progress and (steps % STEPS_PER_REPORT == 0 or not running.any()):
            progress(float(np.where(running, np.asarray(info["time_s"]) / scenario.time.episode_s, 1.0).mean()))
    played = np.concatenate(jobs)
    played = played[np.argsort(played["world"], kind="stable")]
    return Played(played, promises.of(played), watch.us_mean, busy_s / scenario.time.episode_s, decisions)


def fly_worlds(
    policy: Compiled, scenario: Scenario, seeds: Sequence[int], progress: Share | None = None, threads: int = 1
) -> Played:
    """As `play_worlds`, inside the kernel: the same jobs, several times as fast; what was promised of them is not known, all NaN.

    The time of a decision is that of the door's, over the first TIMED_STEPS steps.
    """
    env = BatchEnv(scenario, len(seeds), threads=threads)
    env.reset(seed=list(seeds))
    jobs: list[np.ndarray] = []
    decisions = 0
    for part, flight in enumerate(pieces(env, policy, FLIGHTS), 1):
        decisions += int(flight.decisions.sum())
        jobs.append(flight.outcomes[flight.outcomes["measured"] == 1])
        if progress:
            progress(part / FLIGHTS)
    played = np.concatenate(jobs)
    played = played[np.argsort(played["world"], kind="stable")]
    busy_share = env.statistics().busy_s / scenario.time.episode_s
    return Played(played, np.full(len(played), np.nan), _decision_us(policy, scenario, seeds), busy_share, decisions)


def _decision_us(policy: Policy, scenario: Scenario, seeds: Sequence[int]) -> float:
    """Time of a decision through the doors, us, over the first steps in which somebody decides."""
    env = BatchEnv(scenario, len(seeds), skip_idle=True, observe="candidates")
    watch, rng = _Watch(policy, env.layout), np.random.default_rng(0)
    obs = env.reset(seed=list(seeds))
    policy.act(obs, rng)  # the first time of a process it is compiled, or looked up
    for _ in range(TIMED_STEPS):
        obs, *_ = env.step(watch.act(obs, rng))
    return watch.us_mean


class _Watch:
    """A policy with a clock: time in `act` and the decisions that it took there."""

    def __init__(self, policy: Policy, layout: Layout) -> None:
        self._policy, self._waiting = policy, layout.observation_index("job/waiting")
        self._spent_s, self._decisions = 0.0, 0

    def act(self, obs: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
        self._decisions += int(np.count_nonzero(obs["observation"][..., self._waiting]))
        begin_s = time.perf_counter()
        actions = self._policy.act(obs, rng)
        self._spent_s += time.perf_counter() - begin_s
        return actions

    @property
    def us_mean(self) -> float:
        return 1e6 * self._spent_s / self._decisions if self._decisions else float("nan")
