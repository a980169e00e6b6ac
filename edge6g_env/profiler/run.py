"""`edge6g profile`: time a model's parts on this machine, fit, say how far the fit is off, leave a profile. Ctrl-C loses nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console

from edge6g_env import costs
from edge6g_env._files import write_json_atomic
from edge6g_env.costs import profiles, shapes
from edge6g_env.costs.efficiency import ACTIVATIONS
from edge6g_env.costs.profiles import ProfileError
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.costs.tables import shipped_devices
from edge6g_env.profiler import fitting, machine, products
from edge6g_env.profiler.bench import stored_bytes
from edge6g_env.profiler.fitting import Errors
from edge6g_env.profiler.machine import Machine
from edge6g_env.profiler.session import Costs, Session

MEMORY_SHARE = 0.75  # of the machine's memory that layers and head may take; judgement


class Result(NamedTuple):
    """A finished profile: its file, the device, its errors, how many timings were made and how many were there already."""

    path: Path
    device: DeviceSpec
    errors: Errors
    machine: Machine
    models: list[ModelSpec]
    timed: int
    reused: int
    spread: float


def profile(
    models: Sequence[str | ModelSpec],
    precisions: Sequence[str],
    out: str,
    *,
    fresh: bool = False,
    threads: int | None = None,
    fixed: Costs | None = None,
    console: Console | None = None,
) -> Result:
    """Time the parts of dense models on this machine and leave the profile `out` (a name, or a path that ends in .json).

    precisions: of fp32, bf16, fp16, int8, int8-wo, int4. threads: of torch, by default as many as it chooses. What was timed
    before on this machine, with this torch and these threads, is reused unless `fresh`. Raises ProfileError or PrecisionError for what
    cannot be profiled, OSError where profile or cache cannot be written.
    """
    specs = _checked_models(models)
    path = _checked_path(out)
    wanted, fixed = list(dict.fromkeys(precisions)), fixed or Costs()
    _check_precisions(wanted)
    _check_costs(fixed)
    with _threads(threads) as used:
        here = machine.this_machine(used)
        _check_replaced(path, here, damaged_too=not profiles.is_path(out))
        _check_memory(specs, wanted, here)
        for precision in wanted:
            products.check_precision(precision)
        _make_folder(path.parent)
        session = Session(specs, wanted, here, fresh, console or Console(stderr=True))
        session.measure()
    return _finish(session, path, fixed)


def _checked_models(models: Sequence[str | ModelSpec]) -> list[ModelSpec]:
    """The models, each once; ProfileError if there are none, or one cannot be profiled."""
    specs = list(dict.fromkeys(_checked_model(name) for name in models))
    if not specs:
        raise ProfileError("no model to profile: name one or more dense models of models.csv")
    return specs


def _checked_model(name: str | ModelSpec) -> ModelSpec:
    try:
        spec = costs.model(name)
    except costs.UnknownNameError as error:
        raise ProfileError(str(error)) from None
    if spec.has_experts:
        raise ProfileError(f"model {spec.name} is a mixture of experts: only dense models can be profiled")
    if spec.head_dim % 2:
        raise ProfileError(f"model {spec.name} needs an even head_dim to be profiled, it has {spec.head_dim}")
    return spec


def _checked_path(out: str) -> Path:
    path = profiles.path_of(out)
    name = profiles.checked_name(path.name.removesuffix(".json"))
    if name in shipped_devices():
        raise ProfileError(f"{name} is a device of the tables: choose another --out")
    if path.is_dir():
        raise ProfileError(f"{path} is a folder: choose another --out")
    return path


def _check_precisions(wanted: Sequence[str]) -> None:
    if not wanted:
        raise ProfileError(f"no precision to profile: name some of {', '.join(ACTIVATIONS)}")
    for precision in wanted:
        if precision not in ACTIVATIONS:
            raise ProfileError(f"no profile can have precision {precision!r}: there are {', '.join(ACTIVATIONS)}")


def _check_costs(fixed: Costs) -> None:
    if not 0.0 <= fixed.usd_per_hour < float("inf"):
        raise ProfileError(f"the price must be finite and at least 0 USD per hour, it is {fixed.usd_per_hour:g}")
    if not 0.0 <= fixed.idle_w <= fixed.full_w or not 0.0 < fixed.full_w < float("inf"):
        raise ProfileError(
            "power must be finite and above 0 at full load, and from 0 to that when idle: "
            f"it is {fixed.full_w:g} and {fixed.idle_w:g} W"
        )


def _check_replaced(path: Path, here: Machine, *, damaged_too: bool) -> None:
    """What stands at the path may be replaced: a profile of this machine, and in the user's folder one that is damaged."""
    try:
        found = profiles.find(str(path))
    except ProfileError:
        if damaged_too:
            return
        raise ProfileError(f"{path} is there and is no profile: delete it, or choose another --out") from None
    host = found.content.get("host") if found else None
    there = host.get("processor") if isinstance(host, dict) else None
    if there not in (None, here.processor):
        raise ProfileError(f"{path} is the profile of a {there}, this is a {here.processor}: choose another --out")


def _make_folder(folder: Path) -> None:
    """Make a folder; OSError at once, not after minutes of timing, if nothing can be written there."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tempfile.TemporaryFile(dir=folder).close()  # what os.access says is not so for root, or on a full disk
    except OSError as error:
        raise OSError(error.errno, f"nothing can be written there: {error.strerror}", str(folder)) from None


def _check_memory(specs: Sequence[ModelSpec], precisions: Sequence[str], here: Machine) -> None:
    """What a model's benches hold at every precision must fit, and beside it the fp32 weights that the largest part is made of."""
    for spec in specs:
        largest = max(shapes.linear_params(spec), spec.vocab * spec.hidden)
        need_bytes = sum(stored_bytes(spec, p) for p in precisions) + 2.0 * 4.0 * largest
        room_bytes = MEMORY_SHARE * here.memory_bytes
        if need_bytes > room_bytes:
            raise ProfileError(
                f"model {spec.name} is too large to be profiled here at {', '.join(precisions)}: layers and head need "
                f"{need_bytes / 1e9:.1f} GB, {100.0 * MEMORY_SHARE:.0f} % of the memory is {room_bytes / 1e9:.1f} GB"
            )


@contextmanager
def _threads(wanted: int | None) -> Iterator[int]:
    """Torch on so many threads; afterwards as before."""
    before = torch.get_num_threads()
    if wanted is not None and wanted < 1:
        raise ProfileError(f"threads must be at least 1, it is {wanted}")
    torch.set_num_threads(wanted or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _finish(session: Session, path: Path, fixed: Costs) -> Result:
    """Fit, and write the profile."""
    name, timed = path.name.removesuffix(".json"), session.results()
    rows = [fitting.row_of(one, name) for one in timed]
    device = fitting.fit_profile(session.sheet(name, fixed), rows)
    errors = fitting.errors_of(device, timed)
    sheet = {key: value for key, value in asdict(device).items() if key not in ("name", "fit")}
    content = {
        "format": profiles.FORMAT,
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "host": session.machine._asdict(),
        "models": [spec.name for spec in session.specs],
        "device": sheet,
        "fit": costs.fit_of(device).to_dict(),
        "errors_percent": {p: {part: _plain(e) for part, e in parts.items()} for p, parts in errors.items()},
        "rows": _distinct(rows),
    }
    write_json_atomic(content, path)
    return Result(path, device, errors, session.machine, session.specs, session.timed, session.reused, session.spread())


def _plain(errors: dict[str, fitting.Error]) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": round(e.mean_percent, 2), "worst": round(e.worst_percent, 2), "points": e.points}
        for name, e in errors.items()
    }


def _distinct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without those that two precisions have in common."""
    return [row for i, row in enumerate(rows) if row not in rows[:i]]
