"""The table [arrivals] of a scenario, of one of three kinds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge6g_env.scenario_kinds import OneOf
from edge6g_env.scenario_tables import Period, Table


class Arrivals(Table):
    """How jobs arrive but for those of loops, at a wanted mean rate. Each kind adds its own keys, and says which kind it is.
    Acts: kernel/traffic.py
    """

    kind: str
    """poisson: drawn; trace: the traces of the services are replayed; burst: drawn, with calm and busy times."""
    rate_jobs_s: Annotated[float, Field(gt=0.0, le=1e5)]
    """Mean arrivals of the whole site."""

    @property
    def course(self) -> str:
        """How they arrive, in words."""
        raise NotImplementedError


class PoissonArrivals(Arrivals):
    """A Poisson process of the whole world; each job draws its service."""

    kind: Literal["poisson"]

    @property
    def course(self) -> str:
        """How they arrive, in words."""
        return "Poisson"


class TraceArrivals(Arrivals):
    """The traces of the services, replayed."""

    kind: Literal["trace"]

    @property
    def course(self) -> str:
        """How they arrive, in words."""
        return "the traces replayed"


class BurstArrivals(Arrivals):
    """Each service switches by itself between a calm and a busy rate: a Poisson process modulated by two states, exponential dwells."""

    kind: Literal["burst"]
    burst_ratio: Annotated[float, Field(ge=1.0, le=1e6)]
    """Busy rate over calm rate.
    Acts: scenario_arrivals.py"""
    calm_s: Period
    """Mean time that a service is calm."""
    burst_s: Period
    """Mean time that it is busy."""

    @property
    def busy_share(self) -> float:
        """Share of the time in which a service is busy."""
        return self.burst_s / (self.calm_s + self.burst_s)

    @property
    def calm_factor(self) -> float:
        """Calm rate over the mean rate."""
        return 1.0 / (1.0 + self.busy_share * (self.burst_ratio - 1.0))

    @property
    def busy_factor(self) -> float:
        """Busy rate over the mean rate."""
        return self.burst_ratio * self.calm_factor

    @property
    def course(self) -> str:
        """How they arrive, in words."""
        factors = f"{self.busy_factor:.3g} x its mean rate for {self.burst_s:g} s, {self.calm_factor:.3g} x for {self.calm_s:g} s"
        return f"each service in bursts: {factors} on average"


AnyArrivals = Annotated[PoissonArrivals | TraceArrivals | BurstArrivals, OneOf("kind")]
