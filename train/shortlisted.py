"""Agents that choose from a shortlist of candidates, as Stable-Baselines3's `VecEnv`: as many choices whatever the action table is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from gymnasium import spaces

from agents.learned.reading import Reads
from agents.learned.scaling import Scaler
from edge6g_env.batch import BatchEnv, Observation
from edge6g_env.kernel.codes import HOLD, REJECT
from edge6g_env.sb3 import AgentVecEnv


class Shortlisted(NamedTuple):
    """The candidates of the n agents that decide, as a compiled policy takes them (edge6g_env/kernel/choose.py)."""

    places: np.ndarray  # (n,) of these agents, counted world by world
    rows: np.ndarray  # (n, R) of the action table
    legal: np.ndarray  # bool (n, R)
    regret: np.ndarray  # float32 (n, R) predicted utility less that of the best, 0 where illegal


def shortlisted(obs: Observation, top: int) -> Shortlisted:
    """The `top` legal candidates of highest predicted utility, never `hold`, in the order of the table; of equal ones the first.

    obs: with candidates, of which the utility is the last entry.
    """
    mask, utility = (array.reshape(-1, array.shape[2]) for array in (obs["action_mask"], obs["candidates"][..., -1]))
    places = np.flatnonzero(mask[:, REJECT])
    legal, utility = mask[places] == 1, utility[places]
    legal[:, HOLD] = False
    rows = np.argsort(np.where(legal, -utility, np.inf), axis=1, kind="stable")[:, :top]
    rows.sort(axis=1)
    legal, utility = (np.take_along_axis(array, rows, axis=1) for array in (legal, utility))
    best = np.where(legal, utility, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    return Shortlisted(places, rows, legal, np.where(legal, utility - best, np.float32(0.0)))


class ShortlistVecEnv(AgentVecEnv):
    """As AgentVecEnv on worlds with candidates, but an agent sees and chooses from its shortlist alone, and all is scaled.

    `context` is float32 (D,), `inputs` float32 (R, E + 1), as flights record them (edge6g_env.flight.Recorded), `action_mask` int8 (R,);
    an action is a place in the shortlist. Who has nothing to decide sees zeros, can only choose 0, and holds.
    """

    def __init__(self, batch: BatchEnv, reads: Reads, top: int, *, state: bool = False) -> None:
        """reads: entries that are shown; LayoutError if the layout lacks one."""
        self._top, self._reads = min(top, batch.layout.num_actions), reads
        self._context, self._entries = reads.columns(batch.layout)
        self._scale_context, self._scale_entries = Scaler(reads.observation), Scaler(reads.candidates)
        self._rows = np.full((batch.num_worlds * batch.num_agents, self._top), HOLD)
        self._legal = np.zeros(self._rows.shape, np.int8)
        super().__init__(batch, state=state)

    def _spaces(self) -> tuple[spaces.Dict, spaces.Discrete]:
        own: dict[str, spaces.Space] = {
            "context": _any(len(self._context)),
            "inputs": _any(self._top, len(self._entries) + 1),
            "action_mask": spaces.Box(0, 1, (self._top,), np.int8),
        }
        return self._and_state(spaces.Dict(own)), spaces.Discrete(self._top)

    def step_async(self, actions: np.ndarray) -> None:
        """Take places in the shortlists, int (B * N,), for the next step_wait."""
        super().step_async(np.take_along_axis(self._rows, np.reshape(actions, (-1, 1)), axis=1))

    def action_masks(self) -> np.ndarray:
        """bool (B * N, R): candidates that may be chosen."""
        return self._legal.astype(bool)

    def _present(self, obs: Observation) -> Observation:
        flat = super()._present(obs)
        self._rows[...] = HOLD
        self._rows[self._seen.places] = self._seen.rows
        self._legal = flat["action_mask"]
        return flat

    def _flat(self, obs: Observation) -> Observation:
        seen = self._seen = shortlisted(obs, self._top)
        context = np.zeros((self.num_envs, len(self._context)), np.float32)
        inputs = np.zeros((*self._rows.shape, len(self._entries) + 1), np.float32)
        legal = np.zeros(self._rows.shape, np.int8)
        legal[:, 0] = 1
        own = obs["observation"].reshape(self.num_envs, -1)[seen.places][:, self._context]
        table = obs["candidates"].reshape(self.num_envs, -1, obs["candidates"].shape[-1])
        entries = table[seen.places[:, None], seen.rows][..., self._entries]
        context[seen.places] = self._scale_context(torch.from_numpy(own)).numpy()
        inputs[seen.places, :, :-1] = self._scale_entries(torch.from_numpy(entries)).numpy() * seen.legal[..., None]
        inputs[seen.places, :, -1], legal[seen.places] = seen.regret, seen.legal
        return {"context": context, "inputs": inputs, "action_mask": legal}


def _any(*shape: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, shape, np.float32)
