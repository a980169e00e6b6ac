"""What the rules share: who has a job to decide, and the row of the action table that goes with a wanted route."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation
from edge6g_env.kernel.codes import HOLD, LOCAL, REJECT
from edge6g_env.spaces import Layout, device_shares


def waiting(obs: Observation) -> np.ndarray:
    """Agents with a job to decide, bool (B, N): `reject` is legal for any job and for nothing else."""
    return obs["action_mask"][..., REJECT] == 1


def nearest_legal(mask: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Legal actions that are nearest to what is wanted, bool (..., C); `hold` and `reject` are near to everything.

    mask: (..., C), 1 for legal; distance: int64 (C,) or (..., C), 0 for what is wanted. Where that is illegal (a job whose raw prompt must
    stay on its device, say) the nearest legal actions stand in for it.
    """
    serves = np.ones(mask.shape[-1], bool)
    serves[[HOLD, REJECT]] = False
    distance = np.where((mask == 1) & serves, distance, np.iinfo(np.int64).max)
    return (mask == 1) & (~serves | (distance == distance.min(axis=-1, keepdims=True)))


def service_entries(layout: Layout) -> list[int]:
    """Entries of an observation of which that of the job's service is 1."""
    return [layout.observation_index(f"job/service_{one.name}") for one in layout.scenario.service]


class DefaultRows:
    """The action of a rule that chooses only the route.

    Of the legal rows with the wanted route: the smallest device split, then the smallest edge split, then the
    service's default model or the next one in its list, then the scenario's `default_precision` or the next one.
    Without such a row: `local`, else the first other place, else `reject`. device_first: before all of them the whole model on the device.
    """

    def __init__(self, layout: Layout, *, device_first: bool = False) -> None:
        routes, services = range(layout.cloud_route + 1), range(len(layout.scenario.service))
        self._services = service_entries(layout)
        self._rank = np.array([[_ranks(layout, s, wanted) for wanted in routes] for s in services])
        """(services, routes, C), lowest is taken."""
        if device_first:
            self._rank -= np.where(device_shares(layout.scenario, layout.action_table) == 1.0, layout.num_actions, 0)

    def choose(self, obs: Observation, routes: np.ndarray | int) -> np.ndarray:
        """Actions int64 (B, N) for the wanted routes (B, N), `hold` where no job waits."""
        decides = waiting(obs)
        actions = np.zeros(decides.shape, np.int64)
        service = obs["observation"][decides][:, self._services].argmax(axis=-1)
        ranks = self._rank[service, np.broadcast_to(routes, decides.shape)[decides]]
        legal = obs["action_mask"][decides] == 1
        actions[decides] = np.where(legal, ranks, np.iinfo(np.int64).max).argmin(axis=-1)
        return actions


def _ranks(layout: Layout, s: int, wanted: int) -> np.ndarray:
    """Place of each action in the order of preference for a job of service s and a wanted route, int64 (C,)."""
    grid, service = layout.scenario.actions, layout.scenario.service[s]
    route, device_split, edge_split, precision, model = layout.action_table.T
    other = (model - service.family.index(service.default)) % layout.scenario.most_models
    default = [str(name) for name in grid.precision].index(grid.default_precision)
    turn = (precision - default) % len(grid.precision)
    kind = np.select([route == HOLD, route == REJECT, route == wanted, route == LOCAL], [4, 3, 0, 1], default=2)
    order = np.lexsort((turn, other, edge_split, device_split, route, kind))
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks
