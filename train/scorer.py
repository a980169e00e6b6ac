"""Trains the candidate scorer in stages: a direct search of its linear part, then a policy gradient of its network with team credit.

Stage A is train/search.py, stage B train/gradient.py. Each has its share of the budget, in decisions, and begins with the policy of the one
before that did best on the validation seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from agents.learned.scorer import CANDIDATE, CONTEXT, Scorer, ScorerConfig
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from train import gradient, search
from train.algorithm import Algorithm, Tensors
from train.gradient import TeamGradient
from train.limits import Limit
from train.pool import Pool
from train.search import LinearSearch
from train.setup import SettingError
from train.team import Terms
from train.worlds import Worlds

LIFE_SHARE = 1.0 / 3.0  # of the longest life of a job: horizon of the credit
SETTINGS: dict[str, Any] = {
    "stage_a": 0.35,  # share of the budget, in decisions; what is left is stage B's
    "credit": "team",
    "others_share": 1.0,  # weight of what other jobs gain
    "horizon_s": None,
    "episodes": search.EPISODES,
    **search.SETTINGS,
    **gradient.SETTINGS,
}
PER_S = 10.0  # a network takes seconds in tens: most lie between 0 and 1 then
CREDITS = ("team", "own")
_STAGE_A, _STAGE_B = range(2)


class StageError(UserError):
    """Stages that cannot be trained as asked."""


def terms_of(settings: Mapping[str, Any], scenarios: Sequence[Scenario]) -> Terms:
    """How decisions are credited."""
    longest_s = max(service.expire_s for scenario in scenarios for service in scenario.service)
    horizon_s = LIFE_SHARE * longest_s if settings["horizon_s"] is None else settings["horizon_s"]
    return Terms(settings["credit"] == "own", float(horizon_s), float(settings["others_share"]))


class ScorerAlgorithm(Algorithm):
    """Both stages as the callbacks take them."""

    def __init__(
        self,
        worlds: Worlds,
        pool: Pool,
        seed: int,
        budget_decisions: float,
        limits: Sequence[Limit] = (),
        config: ScorerConfig | None = None,
        **settings: Any,
    ) -> None:
        """budget_decisions: of which the stages have their shares. Raises StageError if a share leaves a stage nothing, SettingError for
        other settings that cannot be."""
        super().__init__(pool)
        self.settings = {**SETTINGS, **settings}
        if self.settings["credit"] not in CREDITS:
            raise SettingError(f"credit = {self.settings['credit']!r}: it is one of {', '.join(CREDITS)}")
        self.config = config or ScorerConfig()
        self._stage_a_decisions = _checked_share(self.settings["stage_a"]) * budget_decisions
        torch.manual_seed(seed)
        reads = worlds.reads(CONTEXT, CANDIDATE, PER_S)
        self.net = Scorer(reads, self.config)
        weighted = search.weighted_reads(worlds, PER_S)
        self._columns = [[one.name for one in reads.candidates].index(one.name) for one in weighted.candidates]
        own = {name: self.settings[name] for name in search.SETTINGS}
        self.search = LinearSearch(
            worlds,
            pool,
            weighted,
            seed,
            stage=_STAGE_A,
            episodes=self.settings["episodes"],
            top=self.config.top,
            per_s=PER_S,
            limits=limits,
            **own,
        )
        self._set_linear(self.net, self.search.first)
        terms = terms_of(self.settings, worlds.scenarios)
        own = {name: self.settings[name] for name in gradient.SETTINGS}
        self.gradient = TeamGradient(worlds, pool, self.net, seed, terms, stage=_STAGE_B, limits=limits, **own)
        self._stage = _STAGE_A if self._stage_a_decisions > 0.0 else _STAGE_B
        self._best: np.ndarray | None = None  # weights of stage A that did best on the validation seeds

    @property
    def ends_stage(self) -> bool:
        """See Algorithm."""
        return self._stage == _STAGE_A and self.num_timesteps >= self._stage_a_decisions

    def _advance(self) -> tuple[int, dict[str, float]]:
        if self.ends_stage:
            self._begin_b()
        stage = self.search if self._stage == _STAGE_A else self.gradient
        decisions, figures = stage.advance()
        return decisions, {**figures, "stage": float(self._stage)}

    def _begin_b(self) -> None:
        weights = self.search.state.running_mean if self._best is None else self._best
        self._set_linear(self.net, weights)
        self.gradient.limits = self.search.limits
        self.gradient.begin()
        self._stage = _STAGE_B

    def _set_linear(self, net: Scorer, weights: np.ndarray) -> None:
        net.linear[self._columns] = torch.from_numpy(weights).to(net.linear.dtype)

    def nets(self) -> list[Scorer]:
        """What a validation plays: the search point and its running mean, in stage B the network and the running mean of its weights."""
        if self._stage == _STAGE_B:
            return [self.net, self.gradient.mean_net]
        found = []
        for point in self.search.points():
            net = Scorer(self.net.reads, self.config)
            self._set_linear(net, point)
            found.append(net)
        return found

    def keep(self, index: int) -> None:
        """Of `nets` that of this place is the best until now: stage B will begin with it."""
        if self._stage == _STAGE_A:
            self._best = self.search.points()[index].copy()
            self._at = self._at[0], self._tensors()

    def _tensors(self) -> Tensors:
        parts = {"a": self.search.tensors(), "b": self.gradient.tensors()}
        named = {f"{stage}.{name}": tensor for stage, of in parts.items() for name, tensor in of.items()}
        best = {} if self._best is None else {"best": torch.from_numpy(self._best.copy())}
        return {**named, **best, "stage": torch.tensor(self._stage)}

    def _load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        for stage, part in (("a.", self.search), ("b.", self.gradient)):
            part.load({name[2:]: one for name, one in tensors.items() if name.startswith(stage)})
        self._best = tensors["best"].numpy().copy() if "best" in tensors else None
        self._stage = int(tensors["stage"])


def _checked_share(share: float) -> float:
    if not 0.0 <= share < 1.0:
        raise StageError(
            f"stage_a = {share:g}: it must be a share of the budget from 0 to below 1, what is left is stage B's"
        )
    return share
