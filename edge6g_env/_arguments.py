"""What the doors are given is checked before anything is made; each refusal says what would be right."""

from __future__ import annotations

import operator
import os
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from edge6g_env.errors import ArgumentError, UserError

SEEDS = 2**62
_EPISODE = "the length of an episode is time.episode_s, in seconds: time={'episode_s': 60.0}"
_NODES = "the agents are the nodes of the scenario: nodes={'count': 4}"
_PICTURES = (
    'render_mode="rgb_array" or "human" is an option of parallel_env, env, gymnasium.make, make_vec and sb3_vec_env; '
    "a batch has snapshot()"
)
_FPS = "a frame is one slot: metadata['render_fps'] is round(1 / time.slot_s)"
_SLOTS = "a step is one slot (time.slot_s), or with skip_idle=True it runs on to the next decision"
_ACTIONS = "actions are discrete, rows of action_table"
HINTS: Mapping[str, str] = {
    **dict.fromkeys(("max_cycles", "max_episode_steps", "max_steps", "max_num_steps"), _EPISODE),
    **dict.fromkeys(("episode_length", "episode_limit", "episode_steps", "horizon", "time_limit"), _EPISODE),
    **dict.fromkeys(("num_agents", "n_agents", "num_nodes", "n_nodes"), _NODES),
    **dict.fromkeys(("render_mode", "render"), _PICTURES),
    "render_fps": _FPS,
    **dict.fromkeys(("frame_skip", "frameskip", "action_repeat"), _SLOTS),
    **dict.fromkeys(("continuous_actions", "continuous"), _ACTIONS),
    "seed": "a seed is given to reset(seed=0)",
    "autoreset_mode": 'it is an option of gymnasium.make_vec("edge6g/Campus-v0", num_envs=64, autoreset_mode="Disabled")',
}
_COUNTS = ("num_worlds", "num_envs", "n_envs", "n_worlds")


def refuse_foreign(options: Collection[str], worlds: str) -> None:
    """ArgumentError with a hint for keyword arguments that other environments have; worlds: how this door is told how many."""
    hints = {**HINTS, **dict.fromkeys(_COUNTS, worlds)}
    for name in options:
        if name in hints:
            raise ArgumentError(f"got an unexpected keyword argument {name!r}: {hints[name]}")


def count(name: str, value: Any) -> int:
    """The value as an int of at least 1; UserError for anything else, booleans too."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise UserError(f"{name} must be an integer of at least 1, it is {value!r}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """The value as a bool; UserError for anything that is none."""
    if not isinstance(value, bool | np.bool_):
        raise UserError(f"{name} must be True or False, it is {value!r}")
    return bool(value)


def choice(name: str, value: Any, among: Collection[str]) -> str:
    """The value if it is one of these words, else UserError."""
    if not isinstance(value, str) or value not in among:
        words = " or ".join(f'"{word}"' for word in among)
        raise UserError(f"{name} must be {words}, it is {value!r}")
    return value


def one_seed(value: Any) -> int:
    """The seed of one world; UserError for anything but an integer in 0..2**62 - 1."""
    try:
        seed = -1 if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        seed = -1
    if not 0 <= seed < SEEDS:
        raise UserError(f"seed must be an integer in 0..2**62 - 1, it is {value!r}")
    return seed


def seeds_of_worlds(seed: Any, num_worlds: int) -> np.ndarray:
    """int64 (B,): world b has seed `seed + b` or `seed[b]`; -1 where none is given (None). UserError for anything else."""
    if seed is None:
        return np.full(num_worlds, -1)
    try:
        if isinstance(seed, str | bytes) or np.ndim(seed) != 1:
            return one_seed(seed) + np.arange(num_worlds)
        given = np.array([-1 if one is None else one_seed(one) for one in seed], np.int64)
    except (UserError, ValueError):  # ValueError: nested lists of different lengths
        given = np.zeros(0, np.int64)
    if len(given) != num_worlds:
        raise UserError(f"seed must be an integer in 0..2**62 - 1, or a list of {num_worlds}, it is {seed!r}")
    return given


def fits_memory(bytes_each: int, num_worlds: int) -> None:
    """UserError if so many worlds need more memory than the machine has (where the system tells)."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return
    if bytes_each * num_worlds > total:
        raise UserError(
            f"{num_worlds} worlds of {bytes_each / 1e6:.1f} MB each do not fit into this machine's {total / 1e9:.0f} GB of memory: "
            f"{total // bytes_each} would fill it"
        )


def one_world(value: Any, num_worlds: int) -> int:
    """The number of a world of a batch; UserError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < num_worlds:
        raise UserError(f"world must be an integer in 0..{num_worlds - 1}, it is {value!r}")
    return int(value)


def worlds_in(name: str, worlds: Any, num_worlds: int) -> np.ndarray:
    """int64 (n,): a list of worlds of a batch; UserError for anything else."""
    try:
        given = np.asarray(worlds)
    except ValueError:  # nested lists of different lengths
        given = np.zeros((0, 0))
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu") or np.any((given < 0) | (given >= num_worlds)):
        raise UserError(f"{name} must be a list of integers in 0..{num_worlds - 1}, it is {worlds!r}")
    return given.astype(np.int64)


def some_worlds(name: str, worlds: Any, num_worlds: int) -> np.ndarray:
    """bool (B,): a list of worlds, None: all; UserError for anything else."""
    chosen = np.zeros(num_worlds, bool)
    chosen[slice(None) if worlds is None else worlds_in(name, worlds, num_worlds)] = True
    return chosen


def integers(name: str, value: Any, count: int) -> np.ndarray:
    """int64 (count,): an integer for all, or one each; UserError for anything else, booleans too."""
    try:
        given = np.asarray(value)
        fits = (
            (given.dtype.kind in "iu" or not given.size)
            and given.shape in ((), (count,))
            and not np.any(given > np.iinfo(np.int64).max)
        )
    except ValueError:  # nested lists of different lengths
        fits = False
    if not fits:
        raise UserError(f"{name} must be an integer, or {count} of them, it is {value!r}")
    return np.broadcast_to(given.astype(np.int64), (count,))


def one_a_world(name: str, value: Any, num_worlds: int) -> np.ndarray:
    """(B,): a number for all worlds, or one each; UserError for anything else, NaN too."""
    try:
        given = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        given = np.zeros((0, 0))
    if given.shape not in ((), (num_worlds,)) or np.any(given != given):
        raise UserError(f"{name} must be a number, or {num_worlds} of them, it is {value!r}")
    return np.broadcast_to(given, (num_worlds,))
