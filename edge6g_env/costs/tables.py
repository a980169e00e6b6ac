"""The rows of models.csv and devices.csv, as typed records looked up by name."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

from edge6g_env.costs.efficiency import DeviceFit

Spec = TypeVar("Spec", "ModelSpec", "DeviceSpec")

DATA: Traversable = resources.files("edge6g_env.costs") / "data"


@dataclass(frozen=True)
class ModelSpec:
    """A row of models.csv: parameters, layers, units and tokens; `*_bytes*` are bytes; `enc_*` is 0 without encoder."""

    name: str
    params_total: int
    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    vocab: int
    head_dim: int
    context: int
    modality: str
    fp16_bytes: int
    kv_bytes_per_token_fp16: int
    params_per_layer: int
    tied_embeddings: int
    gated_mlp: int
    boundary_bytes_per_token_fp16: int
    enc_layers: int
    enc_hidden: int
    enc_ffn: int
    enc_heads: int
    enc_tokens_per_input: int
    enc_params: int
    source: str = ""
    status: str = ""


@dataclass(frozen=True)
class DeviceSpec:
    """A row of devices.csv: dense peaks (TFLOP/s, TOPS), memory (GB, GB/s), watts, disk and host link (GB/s).

    A peak of None is a precision without units for it; a host link of None is a device whose memory is shared with its
    CPU. `fit` holds fitted parameters where they are not those of the shipped measurements (see `fit_device`).
    """

    name: str
    class_: str
    fp16_tflops: float
    int8_tops: float | None
    fp8_tflops: float | None
    int4_tops: float | None
    mem_gb: float
    mem_bw_gbs: float
    idle_w: float
    tdp_w: float
    disk_read_gbs: float
    host_link_gbs: float | None
    source: str = ""
    status: str = ""
    fit: DeviceFit | None = field(default=None, hash=False)

    @property
    def shares_memory(self) -> bool:
        """Whether CPU and accelerator use one memory: phones and Jetsons."""
        return self.host_link_gbs is None


def read_rows(name: str) -> list[dict[str, str]]:
    """Rows of the shipped CSV file `name`, a path below the package's data folder."""
    return list(csv.DictReader((DATA / name).read_text(encoding="utf-8").splitlines()))


def _parse(text: str, kind: str) -> Any:
    if kind == "str":
        return text
    if kind == "int":
        return int(text)
    return float(text) if text else None


def _load(kind: type[Spec], file: str) -> dict[str, Spec]:
    columns = {f.name: str(f.type).split(" ")[0] for f in fields(kind) if f.name != "fit"}
    specs = (
        kind(**{name: _parse(row[name.rstrip("_")], column) for name, column in columns.items()})
        for row in read_rows(file)
    )
    return {spec.name: spec for spec in specs}


@cache
def _models() -> dict[str, ModelSpec]:
    return _load(ModelSpec, "models.csv")


@cache
def _devices() -> dict[str, DeviceSpec]:
    return _load(DeviceSpec, "devices.csv")


def models() -> tuple[str, ...]:
    """Names of the models in models.csv."""
    return tuple(_models())


def devices() -> tuple[str, ...]:
    """Names of the devices in devices.csv."""
    return tuple(_devices())


def unknown(what: str, name: object, known: Iterable[str]) -> ValueError:
    """The error for a name that is not in a table: says which names are close, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}"
    return ValueError(f"{what} = {name!r} is not in the table; {hint}")


def model(name: str | ModelSpec) -> ModelSpec:
    """The model `name` of models.csv (a ModelSpec passes through); ValueError with close names if there is none."""
    if isinstance(name, ModelSpec):
        return name
    try:
        return _models()[name]
    except (KeyError, TypeError):
        raise unknown("model", name, _models()) from None


def device(name: str | DeviceSpec) -> DeviceSpec:
    """The device `name` of devices.csv (a DeviceSpec passes through); ValueError with close names if there is none."""
    if isinstance(name, DeviceSpec):
        return name
    try:
        return _devices()[name]
    except (KeyError, TypeError):
        raise unknown("device", name, _devices()) from None
