"""What stands in a list of policies: rules, files of values, checkpoints, patterns of their folders, code of one's own, and names."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from agents.own import Factory, factory_of
from agents.planners.options import Asked, asked, best_base
from agents.planners.planner import MAKERS
from agents.policy import MakePolicy, Policy, UnknownPolicyError, check_rule, make_rule, rule_class, rule_names
from agents.values import (
    RULES,
    STATIC,
    Tuned,
    has_values,
    how_to_find,
    identity_of,
    read_file,
    rules_with_values,
    tuned,
)
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.own_identity import own_identity
from eval.summary import Kind

HParam = bool | str | float | int

LoadCheckpoint = Callable[[Path, Scenario], Policy]
"""Loads the policy of a checkpoint folder for a scenario; a UserError if it does not fit or cannot be read. What the policy says of itself,
if it does, are `algo`, `trained_on` (a scenario's label), `hparams` and `limits` (cost -> the most that a job may cost in the mean)."""

LONGEST_PART = 14  # characters of a folder's name in that of its policy: a table of 80 columns has room for them
LONGEST_NAME = 100  # letters: names become folders
_NAME = re.compile(r"[\w.+:/ -]*\w[\w.+:/ -]*")
_PATTERN = re.compile(r"[*?\[]")


class PolicyListError(UserError):
    """A list of policies that cannot be compared."""


@dataclass(frozen=True)
class Contender:
    """A policy that plays: its name in the results, how it is made (what can be pickled), and what decides its actions."""

    name: str
    make: MakePolicy
    identity: str
    """A rule's name, with a hash of its values, or a hash of a checkpoint's files or of code: of two with the same identity one need not be
    played."""
    kind: Kind = "rule"
    folder: Path | None = None
    """Of a checkpoint."""
    algo: str = ""
    """Of a checkpoint; of a rule with values its name."""
    trained_on: str | None = None
    """Label of the scenario in which it was trained, or its values were found."""
    hparams: Mapping[str, HParam] | None = None
    privileged: bool = False
    """Whether it sees more than an agent sees: a planner, or code of one's own that says so."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Of a checkpoint: those that it was trained with, the most that a job may cost in the mean by cost."""


@dataclass(frozen=True)
class Row:
    """A row of a comparison: one policy, or several checkpoints that are taken as one."""

    name: str
    members: tuple[Contender, ...]
    word: str = ""
    """Of the list of policies, that asked for it."""

    @property
    def kind(self) -> Kind:
        """Of its members, which are of one."""
        return self.members[0].kind

    @property
    def privileged(self) -> bool:
        """Whether it sees more than an agent sees."""
        return self.members[0].privileged

    @property
    def identity(self) -> str:
        """What decides its actions: of one policy its own, of a group a hash of those of its members."""
        own = [member.identity for member in self.members]
        return own[0] if len(own) == 1 else f"checkpoints {hashlib.sha256(' '.join(own).encode()).hexdigest()}"

    @property
    def limits(self) -> dict[str, float]:
        """Those with which all its members were trained."""
        first, *others = (member.limits for member in self.members)
        return {cost: most for cost, most in first.items() if all(of.get(cost) == most for of in others)}

    @property
    def hparams(self) -> dict[str, HParam]:
        """What its members were trained with; of several what is not the same in all is "several"."""
        first, *others = (dict(member.hparams or {}) for member in self.members)
        if not others:
            return first
        alike = {name: x if all(of.get(name) == x for of in others) else "several" for name, x in first.items()}
        return {**alike, "checkpoints": len(self.members)}

    @property
    def trained_on(self) -> str | None:
        """Label of the scenario that it was trained in or its values found in, all if its members differ; None where it is unknown."""
        labels = dict.fromkeys(member.trained_on for member in self.members if member.trained_on)
        return "; ".join(labels) or None


def find_rows(
    words: Sequence[str], scenario: Scenario, load_checkpoint: LoadCheckpoint, own_code: bool = False
) -> list[Row]:
    """The rows that a list of policies asks for, every checkpoint loaded.

    A word is a rule's name, a file of values (`agents.values`), the folder of a checkpoint, a pattern of folders (`runs/scorer-*`: a row a
    folder), a planner (`agents.planners`; its options after colons: `clairvoyant:base=runs/scorer:k=4`), code of one's own (`agents.own`:
    `path/to/policy.py:make`), or one of these after `name=`; a pattern with a name is one row of all its folders. A checkpoint without a
    name is called by its algorithm and the last parts of its folder; `static=FILE` takes the values of that rule from a file with both.
    own_code: words may name code, which runs: only those of the very call that is carried out may, never any from a file. Raises
    UnknownPolicyError for what is none of these, PolicyListError for an empty list, a bad name, or two rows of one name, ValuesError for
    a rule without values that fit, OwnPolicyError for code that makes no policy, and what `load_checkpoint` raises.
    """
    if not words:
        raise PolicyListError(f"no policies to compare: the rules are {', '.join(rule_names())}")
    rows = [replace(row, word=word) for word in words for row in _rows(word, scenario, load_checkpoint, own_code)]
    rows = _named_by_folder(rows)
    names = [row.name for row in rows]
    names += [one.name for row in rows if len(row.members) > 1 for one in row.members]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PolicyListError(f"policy {twice[0]} is named twice")
    return rows


def find_one(word: str, scenario: Scenario, load_checkpoint: LoadCheckpoint, says: str) -> Contender:
    """The one policy that a word of `find_rows` names, code of one's own too; PolicyListError, which ends with `says`, for several."""
    rows = find_rows([word], scenario, load_checkpoint, own_code=True)
    if len(rows) > 1:
        raise PolicyListError(f"{word} names several policies: {says}")
    return only_member(rows[0], says)


def only_member(row: Row, says: str) -> Contender:
    """The policy of a row; PolicyListError, which ends with `says`, for a group of checkpoints."""
    if len(row.members) > 1:
        raise PolicyListError(f"{row.word} names several policies: {says}")
    return row.members[0]


def how_to_add_references(rows: Sequence[Row], scenario: Scenario) -> str | None:
    """Where neither `static` nor `restricted` is among the rows: the sentence that says how they are named. None where one is."""
    if any(member.algo in RULES for row in rows for member in row.members):
        return None
    found = [rule for rule in RULES if has_values(rule, scenario)]
    how = f"--policies {','.join(found)} adds them" if found else how_to_find(STATIC, scenario)
    return f"Neither {' nor '.join(RULES)}, the rules with the values found best in a scenario, is among the policies: {how}."


def checkpoints_of(word: str) -> list[Path]:
    """The folders that a word with or without a name before it means; none where it means something else, or they are not there."""
    try:
        _, places = _name_and_places(word)
    except UnknownPolicyError:
        return []
    return places if isinstance(places, list) else []


def missing_place(word: str) -> str | None:
    """The folder, pattern or file that a word names, or the base of its planner, if nothing is there; None for all other words."""
    _, wanted = _planner_asked(word)
    if wanted is not None:
        return missing_place(wanted.base) if wanted.base else None
    place = word.partition("=")[2] or word
    if factory_of(place) is not None:
        return None
    named = os.sep in place or place.endswith(".json") or _PATTERN.search(place)
    return place if named and not _folders(place) and not Path(place).exists() else None


def _rows(word: str, scenario: Scenario, load_checkpoint: LoadCheckpoint, own_code: bool) -> Iterator[Row]:
    """The rows of one word; a checkpoint without a name has none yet."""
    if (planner := _planner(word, scenario, load_checkpoint)) is not None:
        yield planner
        return
    name, places = _name_and_places(word)
    _check_name(name)
    if isinstance(places, Path):
        found = _values_of(places, name, scenario)
        yield Row(name or found.rule, (_with_values(name or found.rule, found, scenario),))
        return
    if isinstance(places, Factory):
        if not own_code:
            raise UnknownPolicyError(f"{word} names code, which runs only where the command line itself names it")
        shown = name or f"{Path(places.place).stem}:{places.name}"
        yield Row(shown, (_of_code(shown, places, scenario),))
        return
    if isinstance(places, str):
        check_rule(places)
        shown = name or places
        if places in rules_with_values():
            yield Row(shown, (_with_values(shown, tuned(places, scenario), scenario),))
        else:
            yield Row(shown, (Contender(shown, partial(make_rule, places), identity_of(places, scenario)),))
        return
    loaded = [_load(place, scenario, load_checkpoint) for place in places]
    if name is None or len(loaded) == 1:
        for one in loaded:
            yield Row(name or "", (replace(one, name=name or ""),))
    else:
        parts = _shortest_parts([str(one.folder) for one in loaded])
        yield Row(name, tuple(replace(one, name=f"{name}/{part}") for one, part in zip(loaded, parts, strict=True)))


def _check_name(name: str | None) -> None:
    if name is not None and not _NAME.fullmatch(name):
        raise PolicyListError(f"{name!r} cannot name a policy: letters, digits, blanks and . + - _ : / can")
    if name is not None and len(name) > LONGEST_NAME:
        raise PolicyListError(
            f"{name[:20]}... cannot name a policy: it has {len(name)} letters, {LONGEST_NAME} are most"
        )


def _planner(word: str, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> Row | None:
    """The row of a word that names a planner, None if it does not."""
    name, wanted = _planner_asked(word)
    if wanted is None:
        return None
    _check_name(name)
    shown = name or wanted.name
    base = _base(wanted, scenario, load_checkpoint)
    make = partial(_make_planner, wanted, base.make)
    make(Layout(scenario))  # says at once what does not fit
    identity = f"planner {wanted.options.identity(wanted.kind)} over {base.identity}"
    one = Contender(shown, make, identity, "planner", None, wanted.kind, base.trained_on, privileged=True)
    return Row(shown, (one,))


def _planner_asked(word: str) -> tuple[str | None, Asked | None]:
    """The name before a planner, and what is asked of it; None where the word names none."""
    wanted, (before, equals, after) = asked(word), word.partition("=")
    if wanted is None and equals and ":" not in before:
        return before.strip(), asked(after)
    return None, wanted


def _base(wanted: Asked, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> Contender:
    """The base policy of a planner."""
    word = wanted.base or best_base(scenario)
    rows = find_rows([word], scenario, load_checkpoint)
    if len(rows) > 1 or len(rows[0].members) > 1:
        raise PolicyListError(f"base={word} of {wanted.kind} names several policies: a planner has one")
    return rows[0].members[0]


def _make_planner(wanted: Asked, make_base: MakePolicy, layout: Layout) -> Policy:
    return MAKERS[wanted.kind](layout, make_base(layout), wanted.options)


def _values_of(file: Path, name: str | None, scenario: Scenario) -> Tuned:
    """What a file says of the rule of this name, or of the only one in it."""
    there = list(read_file(file))
    if name is not None and name in rules_with_values():
        return tuned(name, scenario, file)
    if len(there) == 1:
        return tuned(there[0], scenario, file)
    raise PolicyListError(f"{file} holds values of {' and '.join(there)}: say which, as {there[0]}={file}")


def _with_values(name: str, found: Tuned, scenario: Scenario) -> Contender:
    make = partial(rule_class(found.rule), values=found.values)
    identity = identity_of(found.rule, scenario, found.values)
    return Contender(name, make, identity, algo=found.rule, trained_on=found.scenario)


def _of_code(name: str, factory: Factory, scenario: Scenario) -> Contender:
    """Made once, so that it is said at once what is wrong with it."""
    made = factory(Layout(scenario))
    return Contender(name, factory, own_identity(factory, made), "own", privileged=bool(made.privileged))


def _name_and_places(word: str) -> tuple[str | None, str | Path | list[Path] | Factory]:
    """(name, rule), (name, file of values), (name, folders) or (name, code): an equals sign ends a name, unless the whole is there as it
    is called."""
    if word in rule_names():
        return None, word
    if found := _folders(word):
        return None, found
    if _is_file(word):
        return None, Path(word)
    if (code := factory_of(word)) is not None and Path(code.place).is_file():
        return None, code
    name, equals, place = word.partition("=")
    if equals and place in rule_names():
        return name.strip(), place
    if equals and _is_file(place):
        return name.strip(), Path(place)
    if equals and (found := _folders(place)):
        return name.strip(), found
    place = place if equals else word
    if (code := factory_of(place, word)) is not None:
        return name.strip() if equals else None, code
    if not place:
        raise PolicyListError(
            f"{word} names nothing: a rule, a folder or a pattern of folders comes after the equals sign"
        )
    if _PATTERN.search(place):
        raise UnknownPolicyError(f"no policy {place!r}: no folder is called so")
    if place.endswith(".py"):
        raise UnknownPolicyError(
            f"no policy {place!r}: a file of code stands with the function that makes the policy, {place}:make"
        )
    if os.sep in place or Path(place).exists():
        raise UnknownPolicyError(
            f"no policy {place!r}: there is no such folder with a checkpoint, nor a file of values"
        )
    return name.strip() if equals else None, place  # a rule's name, misspelt


def _is_file(place: str) -> bool:
    """Whether it is called as a file of values is, and is there."""
    return place.endswith(".json") and Path(place).is_file()


def _folders(place: str) -> list[Path]:
    """The folder of this name, or those that a pattern matches, in the order of their numbers; none if there is none."""
    if not place:
        return []
    if Path(place).is_dir():
        return [Path(place)]
    return sorted((Path(found) for found in glob.glob(place) if Path(found).is_dir()), key=_by_number)


def _by_number(path: Path) -> list[tuple[int, str]]:
    """`scorer-2` before `scorer-10`."""
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in re.split(r"(\d+)", str(path))]


def _load(folder: Path, scenario: Scenario, load_checkpoint: LoadCheckpoint) -> Contender:
    identity = f"checkpoint {_digest(folder)}"
    policy = load_checkpoint(folder, scenario)
    hparams = getattr(policy, "hparams", None) or {}
    return Contender(
        "",
        partial(_loaded, policy),
        identity,
        "learned",
        folder,
        str(getattr(policy, "algo", None) or hparams.get("algo", "learned")),
        getattr(policy, "trained_on", None),
        hparams,
        limits=getattr(policy, "limits", None) or {},
    )


def _loaded(policy: Policy, layout: Layout) -> Policy:
    return policy


def _digest(folder: Path) -> str:
    """Hash of the files that make a checkpoint: records and tensors."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors") and path.is_file():
            digest.update(path.name.encode("utf-8", "surrogateescape"))
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _named_by_folder(rows: list[Row]) -> list[Row]:
    """Rows whose checkpoints have no name yet, with one: `ppo:campus-3`, or `scorer-3` where the folder says the algorithm."""
    unnamed = [row.members[0] for row in rows if not row.name]
    parts = iter(_shortest_parts([str(one.folder) for one in unnamed]))
    return [row if row.name else _called(row, next(parts)) for row in rows]


def _called(row: Row, part: str) -> Row:
    (contender,) = row.members
    name = part if part.startswith(contender.algo) else f"{contender.algo}:{part}"
    return replace(row, name=name, members=(replace(contender, name=name),))


def _shortest_parts(folders: Sequence[str]) -> list[str]:
    """The fewest last parts of each path that tell it from the others; long ones cut in the middle while they still do."""
    paths = [tuple(_plain(part) for part in Path(os.path.abspath(folder)).parts) for folder in folders]
    whole = ["/".join(path[-_parts_needed(path, paths) :]) for path in paths]
    short = [part if len(part) <= LONGEST_PART else f"{part[:4]}..{part[6 - LONGEST_PART :]}" for part in whole]
    return [cut if short.count(cut) == 1 else part for cut, part in zip(short, whole, strict=True)]


def _parts_needed(path: tuple[str, ...], paths: Sequence[tuple[str, ...]]) -> int:
    """How many last parts only this path has; all of them, if it is there twice."""
    alike = (sum(other[-count:] == path[-count:] for other in paths) for count in range(1, len(path)))
    return next((count for count, number in enumerate(alike, 1) if number == 1), len(path))


def _plain(part: str) -> str:
    """A folder's name in characters that every table, page and file can show."""
    return re.sub(r"[^\w.+-]", "-", part) or "-"
