"""One job in an empty world: what the cost model expects of a decision, and what it brings, leg by leg.

The job goes through the kernel like any other: a world is prepared in which nothing else arrives, and the job's legs are noted.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge6g_env import _arguments, capacity
from edge6g_env.batch import BatchEnv
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.kernel import codes
from edge6g_env.kernel.legs import LEG_NAMES
from edge6g_env.kernel.world import World
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.scenario_services import FinetuneService, Service
from edge6g_env.scenario_tables import check_known
from edge6g_env.spaces import Layout

_RATE_JOBS_S = 1e-12  # so few that none arrives but the one
_MOST_EPISODES = 1000  # tried until the node serves a UE


class LoneJob(NamedTuple):
    """Times are in s since the job's arrival."""

    decided_s: float
    """When it was decided about: the start of the first slot after its arrival."""
    predicted: dict[str, float]
    """What was expected, by candidate feature (BatchEnv.candidate_names)."""
    outcome: dict[str, float]
    """What came, by field of OUTCOME (docs/state.md); arrival_s is 0."""
    legs: list[tuple[str, float, float]]
    """(name, start, end) of each leg that had work, in order, up to end_s, but no more than are noted, 64: steps of fine-tuning have many.
    Names: edge6g_env.kernel.legs.LEG_NAMES."""


def lone_job(
    scenario: str | Path | Scenario,
    action: str,
    *,
    service: str | None = None,
    prompt_tokens: int | None = None,
    output_tokens: int | None = None,
    warm: bool = True,
    node: int = 0,
    seed: int = 0,
    **overrides: Any,
) -> LoneJob:
    """Let one job of a scenario run through an empty world, decided as `action` in the first slot after its arrival.

    action: a name of BatchEnv.action_names; without a model it means the service's default one. service: its name, the first if None.
    prompt_tokens, output_tokens: in place of those that the service's lengths give at this seed; output_tokens also stands for the mean
    that candidates and the cloud go by. Steps of fine-tuning are changed by overrides, of a service of one participant. warm: the
    weights that the plan needs, and no others, are resident at its nodes and on the device. node: the one that serves the job's UE; UEs
    stand still. overrides: see load_scenario.

    Raises UserError, a ValueError, for an action that is illegal for the job, with the reason, and for arguments that name nothing;
    ScenarioError as load_scenario does.
    """
    loaded = load_scenario(scenario, **overrides)
    s = _service_of(loaded, service)
    c = _action_of(loaded, loaded.service[s], action)
    if isinstance(one := loaded.service[s], FinetuneService):
        _check_tuning(one, prompt_tokens, output_tokens)
    lengths = tuple(
        value if value is None else _arguments.count(name, value)
        for name, value in (("prompt_tokens", prompt_tokens), ("output_tokens", output_tokens))
    )
    if isinstance(node, bool) or node not in range(loaded.nodes.count):
        raise UserError(f"node must be a node of the scenario, 0 to {loaded.nodes.count - 1}, it is {node!r}")
    world = _LoneWorld(loaded, s, lengths)
    world.send_one(node, _arguments.one_seed(seed))
    return world.play(c, _arguments.flag("warm", warm))


def _service_of(scenario: Scenario, name: str | None) -> int:
    """Index of a service; the first without a name."""
    names = [service.name for service in scenario.service]
    if name is None:
        return 0
    if not isinstance(name, str):
        raise UserError("service is the name of one; services are changed by load_scenario(scenario, service=[...])")
    check_known("service", [name], names)
    return names.index(name)


def _action_of(scenario: Scenario, service: Service, name: str) -> int:
    """Row of the action of this name, of the service's default model where the name has none."""
    names = Layout(scenario).action_names
    of_default = f"{name}, model {service.family.index(service.default) + 1}"
    if of_default in names:
        return names.index(of_default)
    if name not in names:  # names have commas in them
        hint = did_you_mean(name, names, before="; ") or f"; one of the {len(names)} is {names[len(names) // 2]!r}"
        raise UserError(f"no action {name!r}{hint} (`action_names` of an environment has all)")
    return names.index(name)


def _check_tuning(service: FinetuneService, prompt_tokens: int | None, output_tokens: int | None) -> None:
    """It is one job, and has no text; UserError otherwise."""
    if service.participants > 1:
        key = f"service.{service.name}.participants"
        raise UserError(f"{key} = {service.participants}: a lone job is of one participant, override it by 1")
    if prompt_tokens is not None or output_tokens is not None:
        raise UserError(
            f"prompt_tokens, output_tokens: a job of {service.name} has no text; override service.{service.name}.step_tokens or steps"
        )


def _at_rest(scenario: Scenario) -> Scenario:
    """The scenario without its arrivals and without movement, in an episode in which the job ends."""
    time, ues = scenario.time, scenario.ues
    drain_s = max(service.expire_s for service in scenario.service)
    slots = max(round(time.episode_s / time.slot_s), math.ceil(drain_s / time.slot_s) + 4)
    placed = {key: getattr(ues, key, 0) for key in ("hotspots", "hotspot_share", "hotspot_radius_m")}
    return load_scenario(
        scenario,
        time={"warmup_s": 0.0, "drain_s": drain_s, "episode_s": slots * time.slot_s},
        ues={"mobility": "stationary", **placed},
        arrivals={"kind": "poisson", "rate_jobs_s": _RATE_JOBS_S},
    )


class _LoneWorld(BatchEnv):
    """A world in which one job arrives, of a service and with lengths that are given."""

    def __init__(self, scenario: Scenario, s: int, lengths: tuple[int | None, ...]) -> None:
        self._s, self._lengths = s, lengths
        super().__init__(_at_rest(scenario), 1, observe="candidates", debug=True)

    def _make_world(self) -> World:
        """Any job that arrives is one of the service's, as long as told."""
        world, (prompt, output) = super()._make_world(), self._lengths
        world.service["share"] = np.arange(len(world.service)) == self._s
        if prompt is not None:
            world.trace[:, 1] = prompt + world.service["input_tokens"][self._s]
        if output is None:
            return world
        world.trace[:, 2] = world.service["mean_output_tokens"][self._s] = output
        return world._replace(
            longer=np.tile(np.arange(output + 2.0) < output, (len(world.service), 1)).astype(np.float64)
        )

    def send_one(self, node: int, seed: int) -> None:
        """Let a job arrive in the first slot at a UE that the node serves, in the first episode of the seed in which it serves one."""
        self.reset(seed)
        for _ in range(_MOST_EPISODES):
            served = np.flatnonzero(self.world.ue["node"][0] == node)
            if len(served):
                break
            self.reset()
        else:
            raise UserError(f"node {node} serves no UE in any of {_MOST_EPISODES} episodes: give it more, ues.per_node")
        u, order = int(served[0]), np.arange(self.scenario.num_ues)
        order[[0, u]] = u, 0  # all others never: the heap has the one on top
        self._node, self._arrival_s = node, 0.5 * self.scenario.time.slot_s
        self.world.ue["next_arrival_s"][0] = self.world.ue["next_loop_s"][0] = np.inf
        self.world.ue["next_arrival_s"][0, u] = self.world.episode["next_arrival_s"][0] = self._arrival_s
        self.world.arrival_heap[0] = order
        self.world.episode["watched"][0] = self.world.episode["next_job"][0]

    def play(self, c: int, warm: bool) -> LoneJob:
        """Decide as action c, and go on until the job has ended."""
        before = self.save_state()
        predicted, ended = self._decide(c)
        if warm and self.action_table[c, 0] > codes.REJECT:
            plan = self._plan()  # what the kernel made of the action
            self.load_state(before)
            self._hold_weights(*plan)
            predicted, ended = self._decide(c)
        while not len(ended):
            ended = self._step(c if self._is_legal(c) else 0)
        outcome = dict(zip(ended.dtype.names or (), ended[0].item(), strict=True))
        for name in ("arrival_s", "end_s"):
            outcome[name] -= self._arrival_s
        decided_s = self.scenario.time.slot_s - self._arrival_s
        return LoneJob(decided_s, predicted, outcome, self._legs(outcome["end_s"]))

    def _step(self, c: int) -> np.ndarray:
        """A slot with an action of the node; the jobs that ended."""
        actions = np.zeros((1, self.num_agents), np.int64)
        actions[0, self._node] = c
        info = self.step(actions)[-1]
        if effect := info["action_effect"][0, self._node]:
            why = codes.ACTION_EFFECTS[effect].removeprefix("refused: ")
            service = self.scenario.service[self._s].name
            raise UserError(f"{self.action_names[c]!r} is illegal for a job of {service} at node {self._node}: {why}")
        return info["outcomes"]

    def _is_legal(self, c: int) -> bool:
        return bool(self.world.action_mask[codes.NOW, 0, self._node, c])

    def _decide(self, c: int) -> tuple[dict[str, float], np.ndarray]:
        """The slot in which the job arrives, and the next: what is expected then, and the jobs that ended."""
        self._step(0)
        self._row = int(self.world.node["head"][0, self._node])
        row = self.world.candidates[codes.NOW, 0, self._node, c]
        predicted = {name: float(value) for (name, *_), value in zip(self.candidate_names, row, strict=True)}
        return predicted, self._step(c)

    def _plan(self) -> tuple[Any, list[Any]]:
        """The job as it was decided, and its parts at nodes."""
        parts = [part.copy() for part in self.world.part[0, self._row] if 0 <= part.node < self.num_agents]
        return self.world.job[0, self._row].copy(), [part for part in parts if part.high > part.low]

    def _hold_weights(self, job: Any, parts: list[Any]) -> None:
        """Have the weights of the job, and no others, at its nodes and on its device, and its neighbours know of it."""
        for part in parts:
            self._hold_at(int(part.node), job, int(part.low), int(part.high))
        draft, ue = int(self.world.service["draft"][self._s]), self.world.ue[0, job.ue]
        if job.draft >= 0:
            ue.device_variant, ue.device_layers = draft, self.world.model["layers"][draft]
        elif job.device_layers > 0:
            ue.device_variant, ue.device_layers = job.variant, job.device_layers

    def _hold_at(self, i: int, job: Any, low: int, high: int) -> None:
        world, service = self.world, self.scenario.service[self._s]
        reports = (world.seen[0, j, k] for j, k in np.argwhere(world.neighbour == i))
        for rows in (world.variant[0, i], *reports):
            rows["low"], rows["high"] = 0, 0
            rows["low"][job.variant], rows["high"][job.variant] = low, high
        _, precision = self.scenario.variants[job.variant]
        model = self.scenario.model_spec(service.family[job.model])
        world.server[0, i].weight_bytes = capacity.part_bytes(model, precision, low, high)
        world.adapter["resident"][0, i] = 0
        if (a := world.choice[self._s, job.model].adapter) >= 0:
            world.adapter["resident"][0, i, a] = 1
            world.server[0, i].weight_bytes += world.lora[a].bytes

    def _legs(self, end_s: float) -> list[tuple[str, float, float]]:
        """The legs that were noted, each up to the next one's start; the end is none, nor what took no time."""
        noted = self.world.noted[0, : self.world.step["n_noted"][0]]
        is_all = len(noted) < self.world.noted.shape[1]  # else nobody knows when the last one ended
        starts_s = [*(noted["start_s"] - self._arrival_s).tolist(), *([end_s] if is_all else [])]
        places = [(int(one.stage), int(one.part)) for one in noted]
        names = LEG_NAMES[int(self.world.service["kind"][self._s])]
        legs = zip(places, starts_s, starts_s[1:], strict=False)
        return [
            (names[place], start_s, ends_s)
            for place, start_s, ends_s in legs
            if place[0] != codes.END and ends_s > start_s
        ]
