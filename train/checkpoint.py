"""Checkpoints without pickles: `checkpoint.json`, `policy.safetensors` for acting, `trainer.safetensors` for going on.

Each file appears whole or not at all, and none has to match another of the same moment: the trainer's tensors carry the progress that they
belong to in their own header, the policy's the gain that it had. What acting needs of `checkpoint.json` is the same all through a run;
its progress is a copy of the trainer's, for people. So a run that is killed between any two writes goes on from a state that was one.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from agents.learned.linear import LinearPolicy
from agents.learned.reading import LayoutError, Reads
from agents.learned.scorer import Scorer, ScorerConfig, ScorerPolicy
from edge6g_env._files import CHECKPOINT_FILE, read_json
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval.contenders import HParam
from eval.files import write_bytes_atomic, write_json_atomic
from eval.provenance import SCENARIO_FILE
from train.mappo import PromptPolicy, make_mlp_policy
from train.ppo import PpoPolicy, make_ppo_policy
from train.worlds import Varied

FORMAT = 4
RECORD, POLICY, TRAINER = CHECKPOINT_FILE, "policy.safetensors", "trainer.safetensors"

Policy = ScorerPolicy | PpoPolicy | LinearPolicy
Tensors = Mapping[str, torch.Tensor]


class CheckpointError(UserError):
    """A checkpoint that cannot be read, or that does not fit; the message says what would."""


class Record(BaseModel):
    """What checkpoint.json must say, beside its format."""

    model_config = ConfigDict(strict=True)

    algo: str
    trained_on: str
    scenario: str
    fingerprint: str
    changes: dict[str, Any]
    varied: dict[str, str]
    seed: int
    decisions: int
    minutes: float
    runs: int
    validation_gain: float | None
    above_limits: float
    settings: dict[str, Any]
    limits: dict[str, float]
    config: dict[str, Any]
    layout: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far a training run is."""

    decisions: int = 0
    minutes: float = 0.0
    """Time spent, validation included."""
    runs: int = 1
    """The first run and each resume."""
    validation_gain: float | None = None
    """Of the policy that is kept: reward per job over the best rule; None before the first validation."""

    above_limits: float = 0.0
    """Of the same policy: share by which the mean cost of a job lay above the limit that it broke most; 0 where all were met."""

    @property
    def standing(self) -> tuple[float, float]:
        """What of two policies the better one has the higher of: it breaks limits less, or with equal breach gains more."""
        return (-math.inf, -math.inf) if self.validation_gain is None else (-self.above_limits, self.validation_gain)


def scenario_record(scenarios: Sequence[Scenario], varied: Sequence[Varied] = ()) -> dict[str, Any]:
    """What checkpoint.json says of the scenarios. All of each is in a file beside it: a policy acts in the first if none is named."""
    return {
        "trained_on": " + ".join(scenario.label for scenario in scenarios),
        "scenario": " + ".join(scenario.id for scenario in scenarios),
        "fingerprint": "+".join(scenario.fingerprint for scenario in scenarios),
        "changes": {key: value for scenario in scenarios for key, value in scenario.changes.items()},
        "varied": {one.key: one.range for one in varied},
    }


def write_record(folder: Path, record: Mapping[str, Any], progress: Progress) -> None:
    """Write checkpoint.json; `record` has all of Record that `progress` has not."""
    write_json_atomic({"format": FORMAT, **record, **asdict(progress)}, folder / RECORD)


def write_tensors(path: Path, tensors: Tensors, about: Mapping[str, Any]) -> None:
    """Write tensors to a safetensors file, atomically, with `about` in its header."""
    plain = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    write_bytes_atomic(path, save(plain, metadata={"about": json.dumps(about)}))


def read_record(folder: Path) -> dict[str, Any]:
    """checkpoint.json of a folder; CheckpointError if there is none that can be read."""
    path = folder / RECORD
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no checkpoint: there is no {RECORD} in it")
    try:
        record = read_json(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from None
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        other = "not a checkpoint" if found is None else f"a checkpoint of format {found}"
        raise CheckpointError(f"{path} is {other}, this version of edge6g reads format {FORMAT}: train it anew")
    try:
        Record.model_validate(record)
    except ValidationError as error:
        wrong = ", ".join(f"{problem['loc'][0]} ({problem['msg']})" for problem in error.errors())
        raise CheckpointError(f"{path} is damaged: {wrong}") from None
    return record


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file; CheckpointError if it cannot be read."""
    try:
        return load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from None


def read_about(path: Path) -> dict[str, Any]:
    """What write_tensors put into the header of a safetensors file; CheckpointError if it is not there."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from None
    except (KeyError, ValueError):
        raise CheckpointError(f"{path} does not fit: its header does not say what it belongs to") from None
    return dict(about)


def read_progress(folder: Path) -> Progress:
    """Progress of the trainer's state; a policy that was written just before a kill keeps its place as the best."""
    path = folder / TRAINER
    try:
        progress = Progress(**read_about(path))
    except TypeError:
        raise CheckpointError(f"{path} does not fit: its header is not that of a trainer's state") from None
    about = read_about(folder / POLICY)
    kept = replace(progress, **{name: about[name] for name in ("validation_gain", "above_limits") if name in about})
    if kept.validation_gain is not None and kept.standing > progress.standing:
        progress = kept
    return progress


def check_same_scenarios(
    folder: Path, record: Mapping[str, Any], scenarios: Sequence[Scenario], varied: Sequence[Varied] = ()
) -> None:
    """CheckpointError if the run was of any other scenarios; to act, `load_policy` asks for less."""
    now = scenario_record(scenarios, varied)
    theirs, mine = record["trained_on"], now["trained_on"]
    if record["fingerprint"] != now["fingerprint"]:
        if theirs == mine:
            theirs, mine = f"{theirs} with other values (see {SCENARIO_FILE} there)", f"{mine} as it is now"
        raise CheckpointError(f"{folder} holds a run on {theirs}: --resume cannot go on with {mine}")
    if record["varied"] != now["varied"]:
        ranges = ", ".join(f"{key}={ends}" for key, ends in record["varied"].items()) or "nothing"
        raise CheckpointError(f"{folder} holds a run that varies {ranges}: --vary must say the same")


def load_policy(folder: str | os.PathLike[str], scenario: str | Path | Scenario | None = None) -> Policy:
    """The policy of a checkpoint folder, for worlds of a scenario; None: of the one that it was trained on.

    A `scorer`, a `search` or a `mappo` with candidates acts in every scenario, a `ppo` or a `mappo` without where observation and action
    table have the same entries; CheckpointError, with the first entry that differs, otherwise. The policy says what it is: `algo`,
    `trained_on` (a scenario's label), `hparams` and `limits` (by cost).
    """
    folder = Path(folder)
    record = read_record(folder)
    policy = _policy(folder, record, load_scenario(folder / SCENARIO_FILE if scenario is None else scenario))
    policy.algo, policy.trained_on, policy.hparams = record["algo"], record["trained_on"], hparams(record)
    policy.limits = record["limits"]
    return policy


def hparams(record: Mapping[str, Any]) -> dict[str, HParam]:
    """What a policy was trained with, by name: algorithm, settings, network, and what `--set` changed in the scenario and `--vary` did."""
    told = {key: record[key] for key in ("algo", "seed", "decisions", "minutes") if key in record}
    values = {**told, **record["settings"], **record["config"], **record["changes"], **record["varied"]}
    return {name: value if isinstance(value, HParam) else json.dumps(value) for name, value in values.items()}


def _policy(folder: Path, record: Mapping[str, Any], scenario: Scenario) -> Policy:
    layout, tensors = Layout(scenario), read_tensors(folder / POLICY)
    try:
        if wrong := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
            raise ValueError(f"{wrong[0]} has a number that is not finite")
        reads = Reads.from_dict(record["layout"])
        if record["algo"] == "scorer" or (record["algo"] == "mappo" and record["settings"]["candidates"]):
            net = Scorer(reads, ScorerConfig(**record["config"]))
            net.load_state_dict(tensors)
            return ScorerPolicy(layout, net.eval())
        if record["algo"] == "ppo":
            policy = make_ppo_policy(layout, reads)
            policy.load_state_dict(tensors)
            return PpoPolicy(policy)
        if record["algo"] == "mappo":
            central = make_mlp_policy(layout, reads)
            central.actor_net.load_state_dict(tensors)
            return PromptPolicy(central)
        if record["algo"] == "search":
            return LinearPolicy(layout, reads, tensors["weights"].numpy())
    except LayoutError as error:
        raise CheckpointError(
            f"{folder} was trained on {record['trained_on']} and cannot act on {scenario.label}: {error}"
        ) from None
    except (RuntimeError, TypeError, KeyError, ValueError) as error:
        raise CheckpointError(f"the tensors in {folder} do not fit its {RECORD}: {error}") from None
    raise CheckpointError(f"{folder} holds a checkpoint of {record['algo']!r}, which this version does not know")


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The state of an Adam optimizer as named tensors."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put an Adam optimizer into the state of optimizer_tensors."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
