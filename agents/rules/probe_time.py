"""Rule `probe-time`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from agents.parameters import Parameter
from agents.policy import Observation, register
from agents.rules._plans import static_plan
from agents.rules._rows import service_entries, waiting
from agents.values import STATIC, numbers, steps_from
from edge6g_env.kernel.codes import HOLD, LOCAL, NEIGHBOUR, REJECT
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout, device_shares

PLACES = ("device", "local", "neighbour", "cloud")
TURN = 0.5 * (
    5.0**0.5 - 1.0
)  # golden ratio: the shares of any stretch of turns are as even as they can be (Kronecker's sequence)


@register("probe-time")
class ProbeTime:
    """A probe: a plan that looks at nothing but whose turn it is.

    The jobs of a service go to the device, the own node, the neighbours in turn and the cloud in fixed shares, in the order of a clock that
    every agent has for each service; cuts, precision and model are those of `static`. Of the legal rows of the place the nearest to the
    plan is taken; without one the own node's, then any other place's, then `reject`. Where a scenario is won by it nothing in it need be
    observed. The shares are found by `edge6g tune`: the best static split (Tantawi and Towsley, "Optimal static load balancing in
    distributed computer systems", J. ACM 1985) that a search finds.
    """

    privileged = False
    needs_candidates = False
    reads_values_of = (STATIC,)

    @staticmethod
    def parameters_in(scenario: Scenario) -> tuple[Parameter, ...]:
        """A weight a service and place; where all are 0 the places share alike."""
        return tuple(
            Parameter(f"{place}_{one.name}", "1", 0.0, 1.0, 0.5, "linear", f"weight of {place} for {one.name}")
            for one in scenario.service
            for place in PLACES
        )

    def __init__(self, layout: Layout, values: Mapping[str, float] | None = None) -> None:
        """values: parameter -> value, None: those that ship. ValuesError if there are none or none of static, ParameterError."""
        found, plan = numbers("probe-time", layout.scenario, values), static_plan(layout)
        services = layout.scenario.service
        weights = np.array([[found[f"{place}_{one.name}"] for place in PLACES] for one in services])
        weights[weights.sum(axis=1) == 0.0] = 1.0
        self._until = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
        columns = [{c: [v] for c, v in plan[one.name].items() if c != "device_split"} for one in services]
        shares = [{"device_split": [plan[one.name]["device_split"]]} for one in services]
        self._rank = _ranks(layout, steps_from(layout, columns), steps_from(layout, shares))
        self._services, self._neighbours = service_entries(layout), layout.scenario.neighbours
        self._num_agents = layout.scenario.nodes.count
        self.reset(1)

    def reset(self, num_worlds: int) -> None:
        """All clocks of `num_worlds` worlds begin."""
        self._turn = np.zeros((num_worlds, self._num_agents, len(self._services)), np.int64)
        self._sent = np.zeros_like(self._turn)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Moves the clocks of the agents that decide. Raises ValueError for a batch that `reset` was not told of."""
        decides = waiting(obs)
        if len(decides) != len(self._turn):
            raise ValueError(f"probe-time was reset for {len(self._turn)} worlds, the batch has {len(decides)}")
        where, actions = np.nonzero(decides), np.zeros(decides.shape, np.int64)
        service = obs["observation"][where][:, self._services].argmax(axis=-1)
        clock = (*where, service)
        phase = (0.5 + TURN * self._turn[clock]) % 1.0
        place = np.minimum((phase[:, None] >= self._until[service]).sum(axis=1), len(PLACES) - 1)
        neighbour = place == PLACES.index("neighbour")
        if not self._neighbours:  # their share is the own node's
            place, neighbour = np.where(neighbour, PLACES.index("local"), place), np.zeros_like(neighbour)
        wanted = np.where(neighbour, place + self._sent[clock] % max(1, self._neighbours), place)
        wanted += (place > PLACES.index("neighbour")) * (self._neighbours - 1)
        legal = obs["action_mask"][where] == 1
        actions[where] = np.where(legal, self._rank[service, wanted], np.iinfo(np.int64).max).argmin(axis=1)
        self._turn[clock] += 1
        self._sent[clock] += neighbour
        return actions


def _ranks(layout: Layout, steps: np.ndarray, device_steps: np.ndarray) -> np.ndarray:
    """Order of the actions for each service and place (device, own node, each neighbour, cloud), int64 (S, K + 3, C), lowest is taken."""
    table = layout.action_table
    route, whole = table[:, 0], device_shares(layout.scenario, table) == 1.0
    at = np.where(whole, 0, 1 + route - LOCAL)
    out = np.zeros((len(steps), layout.cloud_route - NEIGHBOUR + 3, len(table)), np.int64)
    for s, place in np.ndindex(out.shape[:2]):
        kind = np.select([route == HOLD, route == REJECT, at == place, at == 1], [4, 3, 0, 1], default=2)
        far = steps[s] + np.where(whole, 0, device_steps[s])
        out[s, place, np.lexsort((far, kind))] = np.arange(len(table))
    return out
