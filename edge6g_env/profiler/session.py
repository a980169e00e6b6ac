"""One run of the profiler: every point in three passes, each timing kept at once, those that are known already left alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from rich.console import Console

from edge6g_env._bars import Bars
from edge6g_env._cache import cache_root
from edge6g_env.costs.efficiency import ACTIVATIONS, HEADS
from edge6g_env.costs.profiles import ProfileError
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.profiler import machine, plan
from edge6g_env.profiler.bench import Bench, time_calls
from edge6g_env.profiler.fitting import Timed, label_of
from edge6g_env.profiler.machine import Machine
from edge6g_env.profiler.measurements import MOST_PASSES, PASSES, Measurements
from edge6g_env.profiler.plan import Point

PASS_S = 0.05  # for a point in one of its passes
LONGEST_CALL_S = 1.0  # a point that takes longer is left out, unless the fit has too few of its kind
LONGEST_STEP_S = 3.0
FEWEST_FIT_POINTS = 5
BUSY_PER_CORE = 0.5  # judgement: runnable processes a core from which on times suffer
# Judgement: a machine of 1,000 USD over 3 years of 26,280 h, as prices.csv has it for the boards; the package of a laptop's processor.
USD_PER_HOUR, IDLE_W, FULL_W = 0.038, 5.0, 45.0


class Costs(NamedTuple):
    """What no program can measure: price in USD per hour, power in W when idle and at full load."""

    usd_per_hour: float = USD_PER_HOUR
    idle_w: float = IDLE_W
    full_w: float = FULL_W


class _Section(NamedTuple):
    """Points of a kind with what is known of their times."""

    points: list[Point]
    times: Measurements


class _Bar:
    """The progress that the user sees: a bar, and where there is no terminal a line a pass."""

    def __init__(self, console: Console, total: int) -> None:
        self.progress = Bars(console)
        self._task = self.progress.add_task("profile", total=total, rate="", note="")

    def note(self, note: str) -> None:
        """Say what is being timed."""
        self.progress.update(self._task, note=note)

    def advance(self) -> None:
        """One pass of a point is done, or left out."""
        self.progress.advance(self._task)


class _Gate:
    """Keeps out points that would take too long, going by the first pass of smaller ones; a fit has its fewest in any case."""

    def __init__(self) -> None:
        self._fits: dict[str, int] = {}
        self._last_s: dict[str, float] = {}

    def lets(self, point: Point, work_s: float | None) -> bool:
        """Whether to time a point; work_s: the time that its unit of work takes, None if only smaller points can say."""
        longest_s = LONGEST_STEP_S if point.kind == "step" else LONGEST_CALL_S
        expected_s = point.work * (self._last_s.get(point.part, 0.0) if work_s is None else work_s)
        if expected_s > longest_s and (point.held_out or self._fits.get(point.part, 0) >= FEWEST_FIT_POINTS):
            return False
        self._fits[point.part] = self._fits.get(point.part, 0) + (not point.held_out)
        return True

    def saw(self, point: Point, first_s: float | None) -> None:
        """Take note of the first pass of a point."""
        if first_s is not None:
            self._last_s[point.part] = first_s / point.work


class Session:
    """All that is timed in one run."""

    def __init__(
        self, specs: Sequence[ModelSpec], precisions: Sequence[str], here: Machine, fresh: bool, console: Console
    ) -> None:
        self.specs, self.precisions, self.machine, self._console = list(specs), list(precisions), here, console
        self._sections: dict[tuple[ModelSpec, str], _Section] = {}
        for spec in specs:
            for precision in precisions:
                self._add_sections(spec, precision, fresh)
        self._probes = Measurements([*_identity(here), "machine"], fresh=fresh)
        self.timed = 0
        self.reused = self._passes()

    def _add_sections(self, spec: ModelSpec, precision: str, fresh: bool) -> None:
        for kind, points in plan.points_of(spec).items():
            key = spec, label_of(kind, precision)
            if key not in self._sections:
                times = Measurements([*_identity(self.machine), _shape(spec), key[1]], fresh=fresh)
                self._sections[key] = _Section(points, times)

    def _passes(self) -> int:
        return sum(one.times.passes(p.name) for one in self._sections.values() for p in one.points)

    def measure(self) -> None:
        """Time everything that is not known yet; KeyboardInterrupt leaves what is known on disk."""
        if machine.load_per_core() > BUSY_PER_CORE:
            self._console.print("other programs keep this machine busy: times will be long, and the fit worse")
        of_models = sum(len(points) for spec in self.specs for points in plan.points_of(spec).values())
        bar = _Bar(self._console, PASSES * of_models * len(self.precisions))
        try:
            with bar.progress:
                self._measure_machine(bar)
                for spec in self.specs:
                    self._measure_model(spec, bar)
                bar.note("")
        except KeyboardInterrupt:
            self._console.print(f"{self.timed} timings are kept: the same command goes on from there")
            raise

    def _measure_machine(self, bar: _Bar) -> None:
        bar.note("memory and disk")
        self._probe("memory", partial(machine.read_s, PASS_S))
        self._probe("disk", partial(machine.disk_s, cache_root() / "profiler"))
        for precision in self._used():
            self._probe(f"product {precision}", partial(machine.product_s, precision, PASS_S))

    def _probe(self, name: str, measure: Callable[[], float]) -> None:
        while self._probes.passes(name) < PASSES:
            self._probes.add(name, measure())

    def _measure_model(self, spec: ModelSpec, bar: _Bar) -> None:
        """Passes over all points of a model, so that no disturbance meets all timings of one; more where they disagree."""
        benches, before = {precision: Bench(spec, precision) for precision in self.precisions}, self.timed
        for turn in range(MOST_PASSES):
            for precision, bench in benches.items():
                for kind in plan.points_of(spec):
                    self._pass(spec, precision, kind, turn, bench, bar)
            if not self._console.is_terminal and turn < PASSES:
                self._console.print(f"{spec.name}: pass {turn + 1} of {PASSES}, {self.timed - before} timings made")

    def _pass(self, spec: ModelSpec, precision: str, kind: plan.Kind, turn: int, bench: Bench, bar: _Bar) -> None:
        points, times = self._sections[spec, label_of(kind, precision)]
        gate = _Gate()
        for point in points:
            bar.note(f"{precision} {point.name}")
            if gate.lets(point, self._step_work_s(spec, precision, point, bench.copies)):
                if not times.is_known(point.name, turn):
                    call, layers = bench.call_of(point)
                    times.add(point.name, time_calls(call, PASS_S) / layers)
                    self.timed += 1
                gate.saw(point, times.first_s(point.name))
            if turn < PASSES:
                bar.advance()

    def _step_work_s(self, spec: ModelSpec, precision: str, point: Point, copies: int) -> float | None:
        """Time of all layers of a step, a token, going by single layers of as many tokens or fewer; None for other points."""
        if point.kind != "step":
            return None
        points, times = self._sections[spec, label_of("layer", precision)]
        smaller = [(p.work, s) for p in points if p.work <= point.work and (s := times.first_s(p.name))]
        return copies * smaller[-1][1] / smaller[-1][0] if smaller else math.inf

    def results(self) -> list[Timed]:
        """Every point that was timed, of every model and precision."""
        found = []
        for spec in self.specs:
            for precision in self.precisions:
                for kind, points in plan.points_of(spec).items():
                    times = self._sections[spec, label_of(kind, precision)].times
                    found += [Timed(spec, precision, p, s) for p in points if (s := times.time_s(p.name))]
        return found

    def spread(self) -> float:
        """Median over the points of how far the middle pass lies above the quietest one."""
        every = ((one.times, p.name) for one in self._sections.values() for p in one.points)
        spreads = sorted(times.spread(name) for times, name in every if times.passes(name))
        return spreads[len(spreads) // 2]

    def sheet(self, name: str, fixed: Costs) -> DeviceSpec:
        """What stands for the data sheet that the machine does not have."""
        seen = {p: self._probes.time_s(f"product {p}") for p in ACTIVATIONS}
        tflops = {p: 2e-12 * math.prod(machine.PROBE) / s for p, s in seen.items() if s and p in self._used()}
        return DeviceSpec(
            name=name,
            class_="edge",
            fp16_tflops=max(tflops.values()),
            int8_tops=tflops.get("int8"),
            fp8_tflops=None,
            int4_tops=None,
            mem_gb=self.machine.memory_bytes / 1e9,
            mem_bw_gbs=machine.READ_BYTES / 1e9 / _known(self._probes, "memory"),
            idle_w=fixed.idle_w,
            tdp_w=fixed.full_w,
            disk_read_gbs=machine.DISK_BYTES / 1e9 / _known(self._probes, "disk"),
            host_link_gbs=None,
            source=f"edge6g profile: {self.machine.processor}, torch {self.machine.torch}, {self.machine.threads} threads",
            status="measured; price and watts as given",
            measured_tflops=tflops,
            usd_per_hour=fixed.usd_per_hour,
        )

    def _used(self) -> list[str]:
        """Precisions of layers and heads."""
        return list(dict.fromkeys([*self.precisions, *(HEADS[p] for p in self.precisions)]))


def _known(times: Measurements, name: str) -> float:
    time_s = times.time_s(name)
    if time_s is None:
        raise ProfileError(f"{name} was not timed")
    return time_s


def _identity(here: Machine) -> list[object]:
    """What times depend on beside the shape."""
    return [here.processor, here.architecture, here.system, here.cores, here.threads, here.torch]


def _shape(spec: ModelSpec) -> list[int]:
    names = ("layers", "hidden", "ffn", "heads", "kv_heads", "head_dim", "vocab", "gated_mlp", "context")
    return [getattr(spec, name) for name in names]
