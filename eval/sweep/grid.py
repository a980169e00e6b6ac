"""The settings of a sweep: values of keys of the scenario, and the scenario of each combination."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from edge6g_env.errors import UserError
from edge6g_env.overrides import plain, read_setting
from edge6g_env.scenario import Scenario, ScenarioError, load_scenario
from edge6g_env.scenario_errors import toml_value

EXAMPLE = "arrivals.rate_jobs_s=2,4,8"
_RANGE = re.compile(r"\s*[-+\d.eE]+\s*:\s*[-+\d.eE]+\s*")
_TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|.""", re.DOTALL)


class SweepError(UserError):
    """A sweep that cannot be made as asked; the message says what would be right."""


@dataclass(frozen=True)
class Cell:
    """A combination of values, key by key, and the scenario that it makes."""

    setting: Mapping[str, Any]
    scenario: Scenario

    @property
    def label(self) -> str:
        """As a sentence calls it."""
        return in_words(self.setting)


def in_words(setting: Mapping[str, Any]) -> str:
    """Keys and values: "arrivals.rate_jobs_s = 4, actions.device_split = [0.0]"."""
    return ", ".join(f"{key} = {toml_value(value)}" for key, value in setting.items())


def shown(value: Any) -> Any:
    """A value as it stands in the table of a sweep: numbers and text as they are, all else as TOML has it."""
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else toml_value(value)


def read_vary(words: Sequence[str]) -> dict[str, list[Any]]:
    """Values by key of KEY=V1,V2,...: the text is cut at semicolons if it has any, else at commas, outside of brackets and quotes, and each
    part is read as `--set` reads it. SweepError for a word without values, a range, or a key that stands twice."""
    found: dict[str, list[Any]] = {}
    for word in words:
        key, text = (part.strip() for part in word.partition("=")[::2])
        if not key or not text:
            raise SweepError(f"--vary {word}: it has no values, it must be KEY=V1,V2,..., as {EXAMPLE}")
        if key in found:
            raise SweepError(f"--vary {key} stands twice: a key has one list of values")
        found[key] = [_value(key, part, word) for part in _parts(text)]
    return found


def _value(key: str, text: str, word: str) -> Any:
    if not text.strip():
        raise SweepError(f"--vary {word}: one of its values is empty")
    if _RANGE.fullmatch(text):
        ends = text.strip().replace(":", ",")
        raise SweepError(
            f"--vary {word}: a range is what `edge6g train` draws values from; here they stand one by one, as {key}={ends}"
        )
    return read_setting(f"{key}={text}", "--vary")[1]


def _parts(text: str) -> list[str]:
    """The text cut at its semicolons, or without any at its commas."""
    cut = list(_cut(text, ";"))
    return cut if len(cut) > 1 else list(_cut(text, ","))


def _cut(text: str, at: str) -> Iterator[str]:
    """Pieces of a text between the letters `at` that stand outside of brackets and quotes."""
    piece, depth = "", 0
    for token in _TOKEN.findall(text):
        depth += (token in "[{") - (token in "]}")
        if token == at and depth <= 0:
            yield piece
            piece = ""
        else:
            piece += token
    yield piece


def cells_of(scenario: Scenario, vary: Mapping[str, Sequence[Any]]) -> list[Cell]:
    """A cell a combination of values, those of the last key change first.

    Raises SweepError for no key, a key without a list of values, or two combinations that are one scenario, ScenarioError for one that is
    none.
    """
    values = {key: _listed(key, of) for key, of in vary.items()}
    if not values:
        raise SweepError(f"nothing varies: --vary KEY=V1,V2,... says what, as {EXAMPLE}")
    for key, given in product(values, scenario.changes):
        if f"{key}.".startswith(f"{given}.") or f"{given}.".startswith(f"{key}."):
            raise SweepError(f"{key} varies, and --set gives it a value ({given}): leave that out")
    cells = [_cell(scenario, dict(zip(values, of, strict=True))) for of in product(*values.values())]
    seen: dict[str, Cell] = {}
    for cell in cells:
        other = seen.setdefault(cell.scenario.fingerprint, cell)
        if other is not cell:
            raise SweepError(f"{other.label} and {cell.label} are the same scenario: each stands once")
    return cells


def _listed(key: str, values: Any) -> list[Any]:
    found = plain(values)
    if not isinstance(found, list) or not found:
        raise SweepError(f"vary {key}: it must be a list of values, such as [2, 4, 8], it is {values!r}")
    return found


def _cell(scenario: Scenario, setting: Mapping[str, Any]) -> Cell:
    try:
        return Cell(setting, load_scenario(scenario, **setting))
    except ScenarioError as error:
        label = in_words(setting)
        said = str(error)
        raise ScenarioError(said if label in said else f"{said} (with {label})") from None
