"""Checkpoints without pickles: `checkpoint.json`, `policy.safetensors` for acting, `trainer.safetensors` for going on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from agents.learned.scorer import Scorer, ScorerConfig, ScorerPolicy
from agents.policy import Policy
from edge6g_env._files import read_text
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.files import write_bytes_atomic, write_json_atomic
from train.ppo import PpoPolicy, make_ppo_policy

FORMAT = 1
KEYS = (
    "algo",
    "scenario",
    "fingerprint",
    "seed",
    "decisions",
    "minutes",
    "runs",
    "validation_gain",
    "settings",
    "config",
)
RECORD, POLICY, TRAINER = "checkpoint.json", "policy.safetensors", "trainer.safetensors"

Tensors = Mapping[str, torch.Tensor]


class CheckpointError(UserError):
    """A checkpoint that cannot be read, or that does not fit; the message says what would."""


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write checkpoint.json; `record` names algo, scenario and fingerprint at least."""
    write_json_atomic({"format": FORMAT, **record}, folder / RECORD)


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write tensors to a safetensors file, atomically."""
    write_bytes_atomic(path, save({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}))


def read_record(folder: Path) -> dict[str, Any]:
    """checkpoint.json of a folder; CheckpointError if there is none that can be read."""
    path = folder / RECORD
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no checkpoint: there is no {RECORD} in it")
    try:
        record = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of format {FORMAT}")
    missing = [key for key in KEYS if key not in record]
    if missing:
        raise CheckpointError(f"{path} is damaged: it has no {', '.join(missing)}")
    return record


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file; CheckpointError if it cannot be read."""
    try:
        return load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from None


def check_scenario(folder: Path, record: dict[str, Any], scenario: Scenario) -> None:
    """CheckpointError if the checkpoint was trained on another scenario."""
    if record["fingerprint"] != scenario.fingerprint:
        theirs, mine = record["scenario"], scenario.id
        if theirs == mine:
            theirs, mine = f"{theirs} with other settings", f"{mine} as given here"
        raise CheckpointError(f"{folder} was trained on {theirs}: it cannot act on {mine}")


def load_policy(folder: Path, scenario: Scenario) -> Policy:
    """The policy of a checkpoint folder, for worlds of the scenario that it was trained on; CheckpointError otherwise.

    The policy's `hparams` are what it was trained with, for TensorBoard.
    """
    record = read_record(folder)
    check_scenario(folder, record, scenario)
    policy = _policy(folder, record, scenario)
    policy.hparams = hparams(record)
    return policy


def hparams(record: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters of a checkpoint's record, by name."""
    told = {key: record[key] for key in ("algo", "seed", "decisions", "minutes")}
    return {**told, **record["settings"], **record["config"]}


def _policy(folder: Path, record: dict[str, Any], scenario: Scenario) -> ScorerPolicy | PpoPolicy:
    layout, tensors = Layout(scenario), read_tensors(folder / POLICY)
    try:
        if record["algo"] == "scorer":
            net = Scorer(layout, ScorerConfig(**record["config"]))
            net.load_state_dict(tensors)
            return ScorerPolicy(layout, net.eval())
        if record["algo"] == "ppo":
            policy = make_ppo_policy(layout)
            policy.load_state_dict(tensors)
            return PpoPolicy(policy)
    except (RuntimeError, TypeError, KeyError) as error:
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
