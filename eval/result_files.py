"""What the policies of a scenario earn on the evaluation seeds, as it ships: `eval/results/SCENARIO.json`, a row a policy.

`edge6g compare --keep FOLDER` writes rows, `edge6g verify` plays them again, `eval.room` and docs/matrix.md read them. A file is of one
version of a scenario, by its fingerprint; one of another version is refused. Rewards are kept by seed, so that policies can be paired.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict  # the one that pydantic reads before Python 3.12

from edge6g_env._files import TextError, read_json
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.scenario import Scenario, scenarios
from eval import EVALUATION_SEED, VALIDATION_SEED
from eval.files import write_text_atomic
from eval.provenance import Provenance
from eval.statistics import bounds, iqm
from eval.summary import PolicySummary

DIGITS = 6  # decimals of a reward: `verify` compares these
SIGNIFICANT = 6  # digits of the other figures
MAIN_METRICS = (
    "reward_per_job", "slo_attainment", "goodput_jobs_per_s", "ttft_mean_s", "ttft_p95_s", "tpot_mean_s", "energy_j_per_job",
    "price_per_job", "backhaul_bytes_per_job", "exposure_mean", "quality_mean", "rejected_share", "expired_share", "progress_mean",
)  # fmt: skip
LIBRARIES = ("numpy", "numba")
ANOTHER_FILE = ", so it needs a file of its own (remove the old one, or name another folder with --keep)"


class ResultsError(UserError):
    """Results that cannot be read, are of another version of a scenario, or cannot be kept as asked."""


class Training(TypedDict):
    """How a learned row was trained. Lists have an entry a training seed; made_by of the row is what played it.

    command: of the study; options: of `edge6g train`; minutes: by the clock, validations included; cpu_minutes: of all its processes, None
    where it is not known; rewards: mean over the evaluation seeds; validation: IQM of the reward on the validation seeds of the row.
    """

    command: str
    algo: str
    options: str
    seeds: list[int]
    decisions: list[int]
    minutes: list[float]
    cpu_minutes: list[float | None]
    rewards: list[float]
    validation: list[float]


class Validation(TypedDict):
    """IQM of a rule's reward on VALIDATION_SEED + 0, 1, ...; of one that is clearly not the best there, on the first ones only."""

    first_seed: int
    seeds: int
    reward_per_job: float


class _OfSome(TypedDict, total=False):
    training: Training
    privileged: bool


class ResultRow(_OfSome):
    """One policy: how it is named to `--policies`, what decides its actions, its rewards on EVALUATION_SEED + 0, 1, ... and what made it.

    metrics: middle, low and high by name, None where there is none. validation: of rules. Of a group of checkpoints rewards are their means
    in each seed, and metrics are of these. training: of what `edge6g study` trained; privileged: of code of one's own that is.
    """

    policy: str
    kind: str
    identity: str
    seeds: int
    rewards: list[float | None]
    metrics: dict[str, list[float | None]]
    validation: Validation | None
    made_by: dict[str, str | None]


@dataclass
class Results:
    """The rows of a scenario by name."""

    scenario: str
    fingerprint: str
    rows: dict[str, ResultRow] = field(default_factory=dict)
    file: str = ""
    """What sentences call it."""

    def rewards(self, name: str) -> dict[int, float]:
        """Reward of a policy by seed."""
        rewards = self.rows[name]["rewards"]
        return {EVALUATION_SEED + n: math.nan if reward is None else reward for n, reward in enumerate(rewards)}

    def of_kind(self, kind: str) -> list[str]:
        """Names of the rows of a kind, see `eval.summary`."""
        return [name for name, row in self.rows.items() if row["kind"] == kind]

    @property
    def best_rule(self) -> str | None:
        """The rule with the highest IQM on the validation seeds; None where none was played on them.

        One that was played on fewer of them than rows have seeds does not count: it was clearly not the best, or was kept with few seeds.
        """
        known = {name: (row["seeds"], row["validation"]) for name, row in self.rows.items() if row["kind"] == "rule"}
        most = max((seeds for seeds, one in known.values() if one), default=0)
        validated = {name: (min(one["seeds"], most), one["reward_per_job"]) for name, (_, one) in known.items() if one}
        return max(validated, key=validated.__getitem__) if validated else None

    def row(self, name: str) -> ResultRow:
        """The row of a policy; ResultsError with the names that there are."""
        if name not in self.rows:
            hint = did_you_mean(name, self.rows, before="; ")
            raise ResultsError(f"{self.file} has no row {name!r}: there are {', '.join(self.rows) or 'none'}{hint}")
        return self.rows[name]


def shipped_file(name: str) -> Traversable:
    """Where the results of a scenario that ships lie."""
    return files("eval") / "results" / f"{name}.json"


def shipped(scenario: Scenario) -> Results | None:
    """The results that ship with a scenario; None if there are none, or they are of another version of it, as with --set."""
    file = shipped_file(scenario.name)
    if scenario.name not in scenarios() or not file.is_file():
        return None
    found = read(file, f"results/{file.name}")
    return found if found.fingerprint == scenario.fingerprint else None


def is_outdated(scenario: Scenario) -> bool:
    """Whether results ship with a scenario that is as it ships, but are of another version of it."""
    file = shipped_file(scenario.name)
    known = scenario.name in scenarios() and not scenario.changes and file.is_file()
    return known and read(file).fingerprint != scenario.fingerprint


def read(file: Path | Traversable, called: str = "") -> Results:
    """Results as they were written; ResultsError if the file is no such file. called: what sentences call it, its name if left out."""
    try:
        content = read_json(file)
        rows = {str(name): _checked(row) for name, row in content["rows"].items()}
        return Results(str(content["scenario"]), str(content["fingerprint"]), rows, called or file.name)
    except OSError as error:
        raise ResultsError(f"cannot read {error}") from None
    except TextError as error:
        raise ResultsError(f"{file.name} holds no results as `edge6g compare --keep` writes them: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ResultsError(f"{file.name} holds no results as `edge6g compare --keep` writes them") from None


_ROW = TypeAdapter(with_config(ConfigDict(strict=True, extra="allow"))(ResultRow))


def _checked(row: Any) -> ResultRow:
    """A row that has every key, all of their types, and as many rewards as it says; ValueError otherwise."""
    checked = _ROW.validate_python(row)
    if len(checked["rewards"]) != checked["seeds"] or checked["seeds"] < 1:
        raise ValueError
    return checked


def for_scenario(file: Path | Traversable, scenario: Scenario, advice: str = "") -> Results:
    """Results of this very version of a scenario; ResultsError, which ends with `advice`, for those of another one."""
    found = read(file)
    if found.fingerprint != scenario.fingerprint:
        raise ResultsError(
            f"{file.name} is of another version of {found.scenario}, fingerprint {found.fingerprint}: {scenario.label} has "
            f"{scenario.fingerprint}{advice}"
        )
    return found


def new_row(
    policy: str,
    identity: str,
    summary: PolicySummary,
    rewards: Sequence[float],
    validated: Sequence[float] | None,
    made_by: Provenance,
    training: Training | None = None,
) -> ResultRow:
    """The row of a policy. rewards, validated: one a seed, from EVALUATION_SEED and VALIDATION_SEED up; None: was not played there."""
    metrics = {name: summary["metrics"][name] for name in MAIN_METRICS}
    row = ResultRow(
        policy=policy,
        kind=summary["kind"],
        identity=identity,
        seeds=len(rewards),
        rewards=rounded(rewards),
        metrics={name: [_significant(one) for one in bounds(estimate)] for name, estimate in metrics.items()},
        validation=None
        if validated is None
        else {"first_seed": VALIDATION_SEED, "seeds": len(validated), "reward_per_job": round(iqm(validated), DIGITS)},
        made_by={
            **{key: made_by[key] for key in ("command", "version", "commit", "date")},
            **{name: version(name) for name in LIBRARIES},
        },
    )
    if summary["kind"] == "own" and summary["privileged"]:
        row["privileged"] = True
    return row if training is None else {**row, "training": training}


def rounded(rewards: Sequence[float]) -> list[float | None]:
    """Rewards as they are kept; None for NaN, an episode in which no job is measured."""
    return [None if math.isnan(reward) else round(float(reward), DIGITS) for reward in rewards]


def _significant(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{SIGNIFICANT}g}")


def check_keep(folder: Path, scenario: Scenario, seeds: Sequence[int], names: Sequence[str]) -> None:
    """Raise ResultsError if rows of these names and seeds cannot be put into `folder`."""
    if list(seeds) != [EVALUATION_SEED + n for n in range(len(seeds))]:
        raise ResultsError("--keep takes the evaluation seeds from the first one up: leave --seed at 0")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "cannot be written to" if there.is_dir() else "is a file"
        raise ResultsError(f"--keep {folder}: {there} {why}: name a folder for results")
    file = folder / f"{scenario.name}.json"
    if not file.exists():
        return
    for name, row in for_scenario(file, scenario, ANOTHER_FILE).rows.items():
        if name in names and row["seeds"] > len(seeds):
            raise ResultsError(f"{file} has {name} on {row['seeds']} seeds: take at least as many, not {len(seeds)}")


def keep(folder: Path, scenario: Scenario, rows: Mapping[str, ResultRow]) -> Path:
    """Put rows into the file of a scenario, in place of those of the same names, and return its path; the others stay."""
    file = folder / f"{scenario.name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".{scenario.name}.lock")
    with lock:  # two comparisons may end at once
        earlier = for_scenario(file, scenario, ANOTHER_FILE).rows if file.exists() else {}
        merged = {**earlier, **rows}
        write_text_atomic(file, _text(Results(scenario.id, scenario.fingerprint, merged)))
        Path(lock.lock_file).unlink(missing_ok=True)
    return file


def _text(results: Results) -> str:
    """JSON with a line a row, the best first, so that a change of one is a change of one line."""
    order = sorted(results.rows, key=lambda name: -iqm(list(results.rewards(name).values())))
    rows = (f"    {json.dumps(name)}: {json.dumps(results.rows[name], allow_nan=False)}" for name in order)
    head = {"scenario": results.scenario, "fingerprint": results.fingerprint, "first_seed": EVALUATION_SEED}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    return "\n".join(["{", *lines, '  "rows": {', ",\n".join(rows), "  }", "}"]) + "\n"
