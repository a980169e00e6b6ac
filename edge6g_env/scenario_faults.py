"""The table [faults] of a scenario: what fails by chance, and planned outages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge6g_env.errors import UserError
from edge6g_env.kernel.codes import FAULT_KINDS
from edge6g_env.scenario_tables import NotNegative, Positive, Table

_SHORTEST_FAULT_S = 0.05  # the longest slot: parts that change faster would split every substep


class Outage(Table):
    """A planned outage: the servers or backhauls of `nodes`, the Xn links among `nodes`, or the cloud.
    Acts: build/faults.py
    """

    kind: Literal["node", "xn", "backhaul", "cloud"]
    """What is out."""
    nodes: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list)
    """Whose, by number; of the cloud none.
    Default: none"""
    start_s: NotNegative
    """From when on, since the episode began."""
    end_s: Positive
    """Until when."""

    @model_validator(mode="after")
    def _means_something(self) -> Outage:
        if self.end_s <= self.start_s:
            raise UserError("end_s must be more than start_s")
        fewest = {"node": 1, "xn": 2, "backhaul": 1, "cloud": 0}[self.kind]
        if len(set(self.nodes)) < max(fewest, len(self.nodes)) or (self.kind == "cloud" and self.nodes):
            wanted = f"at least {fewest} different nodes" if fewest else "no nodes"
            raise UserError(f"an outage of kind {self.kind} takes {wanted}")
        return self


class Faults(Table):
    """What fails, all times exponential; what is not named never does.
    Acts: build/faults.py
    """

    retries: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a job is put back in its queue by a fault before it fails.
    Default: judgement
    Acts: kernel/requeue.py"""
    node_mtbf_s: NotNegative = 0.0
    """Mean time from a repair to the next failure of a server of a node; 0: never.
    Default: never"""
    node_mttr_s: NotNegative = 0.0
    """Mean time to repair it.
    Default: it never fails"""
    xn_mtbf_s: NotNegative = 0.0
    """Mean time from a repair to the next failure of a Xn link; 0: never.
    Default: never"""
    xn_mttr_s: NotNegative = 0.0
    """Mean time to repair it.
    Default: it never fails"""
    backhaul_mtbf_s: NotNegative = 0.0
    """Mean time from a repair to the next failure of a backhaul; 0: never.
    Default: never"""
    backhaul_mttr_s: NotNegative = 0.0
    """Mean time to repair it.
    Default: it never fails"""
    cloud_mtbf_s: NotNegative = 0.0
    """Mean time from a repair to the next failure of the cloud; 0: never.
    Default: never"""
    cloud_mttr_s: NotNegative = 0.0
    """Mean time to repair it.
    Default: it never fails"""
    outage: list[Outage] = Field(default_factory=list)
    """Planned outages."""

    def mean_times_s(self, kind: str) -> tuple[float, float]:
        """(mtbf_s, mttr_s) of a kind of part."""
        return getattr(self, f"{kind}_mtbf_s"), getattr(self, f"{kind}_mttr_s")

    @model_validator(mode="after")
    def _repairs(self) -> Faults:
        for kind in FAULT_KINDS:
            mtbf_s, mttr_s = self.mean_times_s(kind)
            if (mtbf_s > 0.0) != (mttr_s > 0.0):
                raise UserError(f"{kind}_mtbf_s and {kind}_mttr_s go together: both above 0, or neither")
            if 0.0 < min(mtbf_s, mttr_s) < _SHORTEST_FAULT_S:
                raise UserError(f"{kind}_mtbf_s and {kind}_mttr_s must be 0 or at least {_SHORTEST_FAULT_S:g} s")
        return self
