"""Policies of one's own: what `make(layout)` of a module or a file returns, where the command line of this very call names it.

`my_package.module:make` is imported as Python does, from the current folder last; `path/to/policy.py:make` is loaded under a private name,
so that it shadows nothing, with its folder at the end of sys.path, so that what lies beside it is found. Nothing else runs such code:
folders of runs, checkpoints, results and scenarios are data.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.policy import Around, Observation, Policy, UnknownPolicyError
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.spaces import Layout

if TYPE_CHECKING:
    from edge6g_env.batch import BatchEnv

PREFIX = "_edge6g_own_"  # of the private names of files
MOST_NAMED = 8
PROTOCOL = "a policy has act(obs, rng) and the flags privileged and needs_candidates"


class OwnPolicyError(UserError):
    """Code of one's own that fails, or makes no policy; the message says where and why."""


class IllegalActionError(UserError):
    """A policy of one's own that chose what its mask does not allow; the message has the agent, the action and the time."""


@dataclass(frozen=True)
class Factory:
    """Makes the policy that `place:name` names. It can be pickled, and loads the code in whatever process it is called.

    place: a dotted module, or the absolute path of a file; folder: goes to the end of sys.path; word: as it was given, for messages.
    """

    place: str
    name: str
    folder: str
    word: str

    def __call__(self, layout: Layout) -> Guarded:
        """The policy for worlds of this layout, see `guarded`. Raises UnknownPolicyError for code that is not there, OwnPolicyError."""
        return guarded(self.load(), layout, self.word)

    def load(self) -> Callable[[Layout], Any]:
        """The factory itself; its code runs, if it has not yet in this process."""
        module = self.module()
        if not hasattr(module, self.name):
            raise UnknownPolicyError(f"{self.word}: there is no {self.name!r} in it{_what_else(module, self.name)}")
        found = getattr(module, self.name)
        if not callable(found):
            raise OwnPolicyError(f"{self.word}: {self.name!r} is no function of a layout, it is {found!r}")
        return found

    def module(self) -> ModuleType:
        """The module of the code, which runs if it has not yet in this process."""
        if self.folder not in sys.path:
            sys.path.append(self.folder)
        with _failing(f"{self.word} cannot be loaded"):
            return self._of_file(Path(self.place)) if self.place.endswith(".py") else self._by_name()

    def _by_name(self) -> ModuleType:
        try:
            return importlib.import_module(self.place)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{self.place}.".startswith(f"{error.name}."):
                raise
            raise UnknownPolicyError(
                f"{self.word}: there is no module {error.name}, neither installed, on PYTHONPATH nor in {self.folder}; a file is named as "
                f"{self.place.replace('.', '/')}.py:{self.name}"
            ) from None

    def _of_file(self, path: Path) -> ModuleType:
        """Known by path and content: what was edited meanwhile is another module."""
        try:
            source = path.read_bytes()
        except OSError as error:
            raise UnknownPolicyError(f"{self.word}: cannot read {path}: {error.strerror}") from None
        name = f"{PREFIX}{path.stem}_{hashlib.sha256(os.fsencode(path) + source).hexdigest()[:16]}"
        if name not in sys.modules:
            loader = SourceFileLoader(name, str(path))
            spec = importlib.util.spec_from_loader(name, loader)
            assert spec is not None
            code = loader.source_to_code(source, str(path))  # these very bytes, and no cached ones of a second ago
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            try:
                exec(code, vars(module))
            except BaseException:
                del sys.modules[name]
                raise
        return sys.modules[name]


def factory_of(word: str, asked: str = "") -> Factory | None:
    """The factory that a word names, its code not yet loaded; None if it has another form. asked: what messages call it, the word if empty.

    MODULE:NAME or FILE.py:NAME; a relative path is one of the current folder, now.
    """
    place, _, name = word.rpartition(":")
    if not name.isidentifier():
        return None
    if place.endswith(".py"):
        path = Path(os.path.abspath(place))
        return Factory(str(path), name, str(path.parent), asked or word)
    if all(part.isidentifier() for part in place.split(".")):
        return Factory(place, name, str(Path.cwd()), asked or word)
    return None


def guarded(make: Callable[[Layout], Any], layout: Layout, word: str) -> Guarded:
    """What a factory makes, if it is a policy; OwnPolicyError if it fails or is none. word: what messages call it."""
    with _failing(f"{word} made no policy"):
        made = make(layout)
    flags = ("privileged", "needs_candidates")
    lacking = [flag for flag in flags if not isinstance(getattr(made, flag, None), bool | np.bool_)]
    if isinstance(made, type) or not callable(getattr(made, "act", None)):
        lacking = ["act(obs, rng)"]
    if lacking:
        what = f"an object of {type(made).__name__}" if made is not None else "None"
        what = f"the class {made.__name__}, no object of it" if isinstance(made, type) else what
        raise OwnPolicyError(f"{word} returned {what}, which has no {lacking[0]}: {PROTOCOL}")
    worlds = getattr(made, "worlds_at_a_time", 1)
    if isinstance(worlds, bool) or not isinstance(worlds, int | np.integer) or worlds < 1:
        raise OwnPolicyError(
            f"{word}: worlds_at_a_time of its policy is {worlds!r}, it must be a whole number from 1 on"
        )
    return Guarded(made, word)


class Guarded(Around):
    """A policy of one's own; IllegalActionError at the first action that its mask does not allow."""

    def __init__(self, policy: Policy, word: str) -> None:
        super().__init__(policy)
        self._word = word
        self._env: BatchEnv | None = None

    @property
    def made(self) -> Policy:
        """What the factory made."""
        return self._policy

    def attach(self, env: BatchEnv) -> None:
        """See `agents.policy.attach`."""
        self._env = env
        super().attach(env)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """What the policy does; see Policy.act."""
        mask = obs["action_mask"]
        try:
            chosen = np.asarray(super().act(obs, rng))
        except Exception as error:
            error.add_note(f"in act of {self._word}")
            raise
        if chosen.shape != mask.shape[:2] or chosen.dtype.kind not in "iu":
            what = f"{chosen.dtype} of shape {chosen.shape}"
            raise OwnPolicyError(f"{self._word}: act returned {what}, it must be integers of shape {mask.shape[:2]}")
        actions = chosen.astype(np.int64)
        inside = (chosen >= 0) & (chosen < mask.shape[2])
        legal = np.take_along_axis(mask, np.where(inside, actions, 0)[..., None], axis=2)[..., 0] == 1
        if not (legal & inside).all():
            world, agent = np.argwhere(~(legal & inside))[0].tolist()
            raise IllegalActionError(self._illegal(world, agent, int(chosen[world, agent]), mask[world, agent]))
        return actions

    def _illegal(self, world: int, agent: int, action: int, mask: np.ndarray) -> str:
        """The sentence about a choice; mask: int8 (C,)."""
        called, where, count = "", f"world {world}", int(mask.sum())
        if self._env is not None:
            if 0 <= action < len(mask):
                called = f" ({self._env.action_names[action]})"
            shot = self._env.snapshot(world)
            where = f"{shot.now_s:.3f} s of the episode of seed {shot.seed}"
        allows = "hold, 0, as no job waits" if count == 1 and mask[0] else f"{count} of {len(mask)} actions"
        return f"{self._word}: node_{agent} chose action {action}{called} at {where}: its mask allows {allows}"


def _what_else(module: ModuleType, name: str) -> str:
    """What functions and classes a module has of its own; the one that may be meant."""
    there = [
        one
        for one, what in vars(module).items()
        if getattr(what, "__module__", "") == module.__name__ and callable(what)
    ]
    has = f", it has {', '.join(there[:MOST_NAMED])}" if there else ""
    return f"{has}{did_you_mean(name, there, before='; ')}"


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """Whatever code of one's own raises, Ctrl-C apart, as an OwnPolicyError of one sentence, with the place in that code."""
    try:
        yield
    except UnknownPolicyError:
        raise
    except (Exception, SystemExit) as error:
        said = str(error).strip().partition("\n")[0]
        told = said if isinstance(error, UserError) else f"{type(error).__name__}{f': {said}' if said else ''}"
        raise OwnPolicyError(f"{what}: {told}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """Where it was raised: the last line outside of what is installed, as far as one is known."""
    if isinstance(error, SyntaxError):
        return ""  # its own words have the file and the line
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename != __file__]
    own = [one for one in frames if not one.filename.startswith(("<frozen", sys.prefix, sys.base_prefix))] or frames
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
