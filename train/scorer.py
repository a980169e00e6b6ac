"""Trains the candidate scorer in stages: a direct search of its linear part, then a policy gradient of its network with team credit, then,
if it is asked for, labels of what other choices would have brought.

Stage A is train/search.py, stage B train/stages/gradient.py, stage C train/stages/advantage.py. Each has its share of the budget, in
decisions, and begins with the policy of the ones before that did best on the validation seeds.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from agents.learned.scorer import CANDIDATE, CONTEXT, Scorer, ScorerConfig
from agents.values import Rows
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from eval.pools.pool import Pool
from train import search
from train.algorithm import Algorithm, Tensors
from train.limits import Limit, reads_costs
from train.search import LinearSearch
from train.setup import SettingError
from train.stages import advantage, gradient
from train.stages.advantage import AdvantageGradient
from train.stages.gradient import TeamGradient
from train.stages.team import Terms
from train.worlds import Worlds

LIFE_SHARE = 1.0 / 3.0  # of the longest life of a job: horizon of the credit
SETTINGS: dict[str, Any] = {
    "stage_a": 0.85,  # share of the budget, in decisions; what is left is stage B's. By the study in docs/training.md
    "stage_c": 0.0,
    "credit": "team",
    "others_share": 1.0,  # weight of what other jobs gain
    "horizon_s": None,
    "episodes": search.EPISODES,
    **search.SETTINGS,
    **gradient.SETTINGS,
    **advantage.SETTINGS,
}
PER_S = 10.0  # a network takes seconds in tens: most lie between 0 and 1 then
CREDITS = ("team", "own")
_STAGE_A, _STAGE_B, _STAGE_C = range(3)
_NAMES = "abc"


class StageError(UserError):
    """Stages that cannot be trained as asked."""


def terms_of(settings: Mapping[str, Any], scenarios: Sequence[Scenario]) -> Terms:
    """How decisions are credited."""
    longest_s = max(service.expire_s for scenario in scenarios for service in scenario.service)
    horizon_s = LIFE_SHARE * longest_s if settings["horizon_s"] is None else settings["horizon_s"]
    return Terms(settings["credit"] == "own", float(horizon_s), float(settings["others_share"]))


class ScorerAlgorithm(Algorithm):
    """All stages as the callbacks take them."""

    def __init__(
        self,
        worlds: Worlds,
        pool: Pool,
        seed: int,
        budget_decisions: float,
        limits: Sequence[Limit] = (),
        config: ScorerConfig | None = None,
        rows: Rows | None = None,
        **settings: Any,
    ) -> None:
        """budget_decisions: of which the stages have their shares; rows: see LinearSearch. Raises StageError if a share leaves a stage
        nothing, SettingError for other settings that cannot be."""
        super().__init__(pool)
        self.settings = {**SETTINGS, **settings}
        if self.settings["credit"] not in CREDITS:
            raise SettingError(f"credit = {self.settings['credit']!r}: it is one of {', '.join(CREDITS)}")
        self.config = config or ScorerConfig()
        self._ends = _ends(self.settings["stage_a"], self.settings["stage_c"], budget_decisions)
        reads = reads_costs(worlds.reads(CONTEXT, CANDIDATE, PER_S), limits, worlds.layouts[0])
        own = {name: self.settings[name] for name in search.SETTINGS}
        self.search = LinearSearch(
            worlds,
            pool,
            search.weighted_reads(worlds),
            seed,
            stage=_STAGE_A,
            episodes=self.settings["episodes"],
            top=self.config.top,
            limits=limits,
            rows=rows,
            **own,
        )
        searched = self.search.reads.candidates
        self._columns = [[one.name for one in reads.candidates].index(one.name) for one in searched]
        self._units = np.array([PER_S if one.unit == "s" else 1.0 for one in searched])
        torch.manual_seed(seed)
        self.net = Scorer(replace(reads, rows=self.search.reads.rows), self.config)
        self._set_linear(self.net, self.search.first())
        terms = terms_of(self.settings, worlds.scenarios)
        own = {name: self.settings[name] for name in gradient.SETTINGS}
        self.gradient = TeamGradient(worlds, pool, self.net, seed, terms, stage=_STAGE_B, limits=limits, **own)
        shared = ("seeds", "learning_rate", "max_grad_norm")
        own = {name: self.settings[name] for name in (*shared, *advantage.SETTINGS)}
        self.advantage = AdvantageGradient(worlds, pool, self.net, terms, stage=_STAGE_C, limits=limits, **own)
        self._stage = next(iter(self._ends))
        self._best: np.ndarray | None = None  # weights of stage A that did best on the validation seeds
        self._best_net: Tensors | None = None  # of stage B, or what it began with; where stage C follows

    @property
    def _stages(self) -> dict[int, LinearSearch | TeamGradient | AdvantageGradient]:
        """Those that the run has."""
        return {stage: (self.search, self.gradient, self.advantage)[stage] for stage in self._ends}

    @property
    def ends_stage(self) -> bool:
        """See Algorithm."""
        return self.num_timesteps >= self._ends[self._stage]

    @property
    def unreached(self) -> list[str]:
        """Stages with a share of the budget that have not begun."""
        return [_NAMES[stage].upper() for stage in self._ends if stage > self._stage]

    def _advance(self) -> tuple[int, dict[str, float]]:
        if self.ends_stage:
            self._begin(next(stage for stage in self._ends if stage > self._stage))
        decisions, figures = self._stages[self._stage].advance()
        return decisions, {**figures, "stage": float(self._stage)}

    def _begin(self, stage: int) -> None:
        """Go on with the next stage."""
        if self._stage == _STAGE_A:
            weights = self.search.points()[-1] if self._best is None else self._best
            self._set_linear(self.net, weights)
        elif self._best_net is not None:
            self.net.load_state_dict(self._best_net)
        following = self.gradient if stage == _STAGE_B else self.advantage
        following.limits = self._stages[self._stage].limits
        following.begin()
        if stage == _STAGE_B and _STAGE_C in self._ends:
            self._best_net = {name: tensor.clone() for name, tensor in self.net.state_dict().items()}
        self._stage = stage

    def _set_linear(self, net: Scorer, weights: np.ndarray) -> None:
        """weights: as a search has them, of seconds; the network takes those in PER_S."""
        net.linear[self._columns] = torch.from_numpy(weights * self._units).to(net.linear.dtype)

    def nets(self) -> list[Scorer]:
        """What a validation plays: the search point and its running mean, later the network and the running mean of its weights."""
        if self._stage != _STAGE_A:
            return [self.net, (self.gradient if self._stage == _STAGE_B else self.advantage).mean_net]
        found = []
        for point in self.search.points():
            net = Scorer(self.net.reads, self.config)
            self._set_linear(net, point)
            found.append(net)
        return found

    def keep(self, index: int) -> None:
        """Of `nets` that of this place is the best until now: the next stage will begin with it."""
        if self._stage == _STAGE_A:
            self._best = self.search.points()[index]
            self._at = self._at[0], self._tensors()
        elif self._stage == _STAGE_B and _STAGE_C in self._ends:
            state = self.state_tensors()  # an update may be under way
            best = _named(("b.net.", "b.mean.module.")[index], state)
            self._best_net = {name: tensor.clone() for name, tensor in best.items()}
            self._at = self._at[0], {**state, **_under("best_net.", self._best_net)}

    def _tensors(self) -> Tensors:
        parts = [_under(f"{_NAMES[stage]}.", part.tensors()) for stage, part in self._stages.items()]
        best = {} if self._best is None else {"best": torch.from_numpy(self._best.copy())}
        best_net = _under("best_net.", self._best_net or {})  # never changed in place
        return {**ChainMap(*parts), **best, **best_net, "stage": torch.tensor(self._stage)}

    def _load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        for stage, part in self._stages.items():
            part.load(_named(f"{_NAMES[stage]}.", tensors))
        self._best = tensors["best"].numpy().copy() if "best" in tensors else None
        self._best_net = _named("best_net.", tensors) or None
        self._stage = int(tensors["stage"])


def _named(start: str, tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Those whose names begin so, without it."""
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}


def _under(start: str, tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """The same tensors, their names beginning so."""
    return {start + name: tensor for name, tensor in tensors.items()}


def _ends(stage_a: float, stage_c: float, budget: float) -> dict[int, float]:
    """Decisions at which each stage that has any ends, in their order; the last one never does."""
    if not 0.0 <= stage_a < 1.0:
        raise StageError(
            f"stage_a = {stage_a:g}: it must be a share of the budget from 0 to below 1, what is left is stage B's"
        )
    if not 0.0 <= stage_c <= 1.0 - stage_a + 1e-9:
        raise StageError(
            f"stage_c = {stage_c:g}: it must be a share of the budget from 0 to {1.0 - stage_a:g}, which stage_a = {stage_a:g} leaves"
        )
    shares = {_STAGE_A: stage_a, _STAGE_B: 1.0 - stage_a - stage_c, _STAGE_C: stage_c}
    found, so_far = {}, 0.0
    for stage, share in shares.items():
        so_far += share
        if share > 1e-9:
            found[stage] = so_far * budget
    found[max(found)] = math.inf
    return found
