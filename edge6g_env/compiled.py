"""Compiled policies: an argmax over candidates as arrays, which the kernel plays in flight and the doors play to the bit alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from edge6g_env import _arguments
from edge6g_env.build.flight import Sizes, of_policies
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.features import Feature, scales
from edge6g_env.kernel.choose import allow_all, choose_all
from edge6g_env.spaces import Layout

Observation = dict[str, np.ndarray]


class CompiledPolicy:
    """Of the legal actions that are nearest to what is wanted for the job's service, and reject, the one of highest score.

    A score is `utility_weight` times the regret (predicted utility less that of the best), plus a linear part, plus a network; without the
    last two the predicted utility alone decides. Ties go to the lowest row of the action table. Immutable.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        distance: np.ndarray | None = None,
        utility_weight: float = 1.0,
        linear: Mapping[str, float] | None = None,
        top: int | None = None,
        network: Sequence[np.ndarray] | None = None,
        context: Sequence[str] = (),
        candidates: Sequence[str] = (),
        beta: float = 40.0,
        scaled_as: tuple[Sequence[Feature], Sequence[Feature]] | None = None,
    ) -> None:
        """distance: int64 (S, C) steps of each action from what is wanted, by service; None: all actions are as near.
        linear: weight of each named entry of a candidate, or of the "regret", scaled as for networks (features.scales).
        top: only so many of highest predicted utility are scored; None: all.
        network: weights of two hidden layers over `context` (entries of an observation), `candidates` (of a candidate) and the regret, as
        PyTorch has them: (H, D + E + 1), (H,), (H, H), (H,), (1, H), (1,). beta: inverse temperature where decisions are drawn.
        scaled_as: (context, candidates) by whose ranges they are scaled: of the worlds of the training, or features.unscaled.
        Raises UserError for an entry that the layout does not have, for arrays of another shape and for weights that are not finite.
        """
        services, actions = len(layout.scenario.service), layout.num_actions
        self.layout, self.utility_weight, self.beta = layout, float(utility_weight), float(beta)
        for name, number in (("utility_weight", self.utility_weight), ("beta", self.beta)):
            if not np.isfinite(number):
                raise UserError(f"{name} is {number}: it must be a finite number")
        if self.beta < 0.0:
            raise UserError(f"beta is {self.beta:g}: it must be at least 0, what scores more is drawn more often")
        self.distance = _steps(distance, (services, actions))
        weights = dict(linear or {})
        regret_weight = weights.pop("regret", 0.0)
        self.context = _features("observation", layout.observation, context)
        named = list(candidates) or list(weights)
        self.candidates = _features("candidate", layout.candidates, named)
        if unread := [name for name in weights if name not in named]:
            raise UserError(f"linear: {unread[0]!r} is not among candidates, the entries that are read")
        try:
            self.linear = np.array([*(weights.get(name, 0.0) for name in named), regret_weight], np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(f"linear: a weight is no number: {error}") from None
        of = scaled_as or (self.context, self.candidates)
        for what, ranges, entries in zip(("context", "candidates"), of, (self.context, self.candidates), strict=True):
            if [one.name for one in ranges] != [one.name for one in entries]:
                raise UserError(
                    f"scaled_as: its {what} are {len(ranges)} entries, they must be those that are read, in their order"
                )
        self.scales = (
            np.concatenate([scales(part) for part in of], axis=1)
            if self.context or self.candidates
            else np.zeros((3, 0), np.float32)
        )
        self.hidden, self.network = _packed(network, len(self.context), len(self.candidates))
        if not (np.isfinite(self.linear).all() and np.isfinite(self.network).all()):
            raise UserError("linear and network: a weight is no finite number")
        self.is_scored = linear is not None or network is not None
        self.top = min(actions if top is None else _arguments.count("top", top), actions) if self.is_scored else 0

    @property
    def sizes(self) -> Sizes:
        """Policies of equal sizes fly together."""
        return Sizes(1, len(self.context), len(self.candidates), self.hidden, self.top)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What policies that fly together have in common."""
        entries = tuple(feature.name for feature in (*self.context, *self.candidates))
        return (self.sizes, entries, self.scales.tobytes(), self.is_scored, self.utility_weight, self.beta)

    def __getstate__(self) -> dict[str, Any]:
        """All but what is made anew where it lands."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_arrays", "_service_entries")}

    def write(self, arrays: Mapping[str, np.ndarray], place: int) -> None:
        """Write the policy to row `place` of the arrays of World whose names begin with policy."""
        arrays["policy"]["scored"], arrays["policy"]["utility_weight"] = self.is_scored, self.utility_weight
        arrays["policy"]["beta"] = self.beta
        arrays["policy_context"][:] = [self.layout.observation_index(one.name) for one in self.context]
        arrays["policy_entries"][:] = [self.layout.candidate_index(one.name) for one in self.candidates]
        arrays["policy_scales"][:] = self.scales
        arrays["policy_distance"][place], arrays["policy_linear"][place] = self.distance, self.linear
        arrays["policy_network"][place] = self.network

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        arrays = of_policies(self.layout, 1, self.sizes)
        self.write(arrays, 0)
        return arrays

    @cached_property
    def _service_entries(self) -> np.ndarray:
        names = [f"job/service_{one.name}" for one in self.layout.scenario.service]
        return np.array([self.layout.observation_index(name) for name in names], np.int64)

    @property
    def _columns(self) -> tuple[np.ndarray, ...]:
        of = self._arrays
        return self._service_entries, of["policy_route"], of["policy_context"], of["policy_entries"]

    def _read(self, obs: Observation, *names: str) -> list[np.ndarray]:
        """Arrays of observations as the kernel reads them, which looks at no bounds."""
        layout = self.layout
        rows, width = layout.num_actions, len(layout.observation)
        last = {"observation": (width,), "action_mask": (rows,), "candidates": (rows, len(layout.candidates))}
        agents = np.shape(obs["action_mask"])[:2]
        arrays = []
        for name in names:
            if name not in obs:
                raise UserError(f"observations have no {name!r}: ask for them with observe='candidates'")
            arrays.append(np.ascontiguousarray(obs[name]))
            if len(agents) != 2 or arrays[-1].shape != (*agents, *last[name]):
                told = ", ".join(map(str, ("worlds", "agents", *last[name])))
                raise UserError(
                    f"{name} has the shape {arrays[-1].shape}: a policy made for {layout.scenario.label} reads ({told})"
                )
        return arrays

    def allowed(self, obs: Observation) -> np.ndarray:
        """The legal actions among which it chooses, int8 (B, N, C): the nearest to what is wanted, and reject; none where no job waits.

        Raises UserError for observations of another layout.
        """
        of, (seen, mask) = self._arrays, self._read(obs, "observation", "action_mask")
        allowed = np.zeros(mask.shape, np.int8)
        allow_all(self._columns, of["policy_distance"][0], allowed, seen, mask, of["utility"][0])
        return allowed

    def act(self, obs: Observation) -> np.ndarray:
        """Action of each agent, int64 (B, N), of observations with candidates; `hold` where no job waits.

        Raises UserError for observations of another layout, or without candidates.
        """
        of, (seen, mask, candidates) = self._arrays, self._read(obs, "observation", "action_mask", "candidates")
        actions = np.zeros(mask.shape[:2], np.int64)
        arguments = (
            of["policy"],
            self._columns,
            of["policy_distance"][0],
            of["policy_scales"],
            of["policy_linear"][0],
            of["policy_network"][0],
            actions,
            seen,
            mask,
            candidates,
            tuple(of[name][0] for name in ("utility", "shortlist", "context", "inputs", "hidden", "scores")),
        )
        choose_all(*arguments)
        return actions


def _steps(distance: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
    """Distances as the kernel has them; UserError for what counts no steps."""
    steps = np.zeros(shape, np.int64) if distance is None else np.array(distance)
    _check_shape("distance", steps, shape)
    if steps.dtype.kind not in "iu" or (steps < 0).any():
        raise UserError("distance counts steps: it must hold whole numbers from 0 up")
    return steps.astype(np.int64)


def _check_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise UserError(f"{name} has the shape {array.shape}: it must be {shape}")


def _features(kind: str, features: Sequence[Feature], names: Sequence[str]) -> tuple[Feature, ...]:
    by_name = {feature.name: feature for feature in features}
    for name in names:
        if name not in by_name:
            raise UserError(
                f"a compiled policy reads the {kind} entry {name!r}, which is not there{did_you_mean(name, list(by_name), before='; ')}"
            )
    return tuple(by_name[name] for name in names)


def _packed(network: Sequence[np.ndarray] | None, context: int, entries: int) -> tuple[int, np.ndarray]:
    """Hidden units and all weights in the order of kernel/choose.py."""
    if network is None:
        return 0, np.zeros(0, np.float32)
    arrays = [np.asarray(array, np.float32) for array in network]
    if len(arrays) != 6 or arrays[1].ndim != 1:
        told = ", ".join(str(array.shape) for array in arrays) or "none"
        raise UserError(
            f"network has the shapes {told}: they must be (H, D + E + 1), (H,), (H, H), (H,), (1, H) and (1,)"
        )
    h = len(arrays[1])
    shapes = [(h, context + entries + 1), (h,), (h, h), (h,), (1, h), (1,)]
    for array, shape in zip(arrays, shapes, strict=True):
        _check_shape("network", array, shape)
    first, first_bias, second, second_bias, last, last_bias = arrays
    order = (first_bias, first.T, second_bias, second.T, last, last_bias)
    return h, np.concatenate([array.ravel() for array in order])
