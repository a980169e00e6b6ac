"""The parts of a scenario that can fail, and its planned outages, as the kernel takes them."""

from __future__ import annotations

import numpy as np

from edge6g_env.errors import UserError
from edge6g_env.kernel import codes
from edge6g_env.kernel.fields import DTYPES, blank
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_faults import Outage


def fault_parts(scenario: Scenario, neighbours: np.ndarray) -> np.recarray:
    """FAULT (P,) as an episode begins: every part that fails by chance or is named by a planned outage. neighbours: int64 (N, K).

    A Xn link is one part, whichever of its ends lists the other as a neighbour. Raises UserError for an outage of links
    among nodes that none joins.
    """
    faults = scenario.faults
    every = _all_parts(scenario.nodes.count, neighbours)
    for n, outage in enumerate(faults.outage):
        if not any(_is_meant(outage, *part[:3]) for part in every):
            raise UserError(f"faults.outage[{n}].nodes: no Xn link joins two of {outage.nodes}")
    rows = []
    for kind, node, peer, owner in every:
        mtbf_s, mttr_s = faults.mean_times_s(codes.FAULT_KINDS[kind])
        if mtbf_s > 0.0 or any(_is_meant(outage, kind, node, peer) for outage in faults.outage):
            rows.append((kind, node, peer, owner, mtbf_s, mttr_s))
    parts = np.repeat(blank()["fault"], len(rows))
    for part, row in zip(parts, rows, strict=True):
        part["kind"], part["node"], part["peer"], part["owner"], part["mtbf_s"], part["mttr_s"] = row
    return parts.view(np.recarray)


def _all_parts(count: int, neighbours: np.ndarray) -> list[tuple[int, int, int, int]]:
    """(kind, node, peer, owner) of every part; the owner, address of its random numbers, depends on no other part."""
    links = sorted({(min(i, j), max(i, j)) for i, row in enumerate(neighbours.tolist()) for j in row})
    kinds = len(codes.FAULT_KINDS)
    return [
        *((codes.NODE_FAULT, i, -1, kinds * i + codes.NODE_FAULT) for i in range(count)),
        *((codes.XN_FAULT, i, j, kinds * (count * i + j) + codes.XN_FAULT) for i, j in links),
        *((codes.BACKHAUL_FAULT, i, -1, kinds * i + codes.BACKHAUL_FAULT) for i in range(count)),
        (codes.CLOUD_FAULT, -1, -1, codes.CLOUD_FAULT),
    ]


def _is_meant(outage: Outage, kind: int, node: int, peer: int) -> bool:
    if codes.FAULT_KINDS[kind] != outage.kind:
        return False
    return kind == codes.CLOUD_FAULT or (node in outage.nodes and (peer < 0 or peer in outage.nodes))


def planned_outages(scenario: Scenario, parts: np.ndarray) -> np.recarray:
    """OUTAGE (E,): beginnings and ends in the order of time, for parts (P,) of `fault_parts`; what begins as another ends stays down."""
    changes = []
    for outage in scenario.faults.outage:
        for p, part in enumerate(parts):
            if _is_meant(outage, int(part["kind"]), int(part["node"]), int(part["peer"])):
                changes += [(outage.start_s, p, 1), (outage.end_s, p, -1)]
    rows = np.zeros(len(changes), DTYPES["outage"])
    for row, change in zip(rows, sorted(changes, key=lambda change: (change[0], -change[2])), strict=True):
        row["at_s"], row["part"], row["change"] = change
    return rows.view(np.recarray)
