"""What there is to choose from: devices, models, traces, bands and scenarios as tables of facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from edge6g_env import costs, radio
from edge6g_env.scenario import ScenarioError, load_scenario, scenarios
from edge6g_env.trace_files import read_trace, traces


class Facts(NamedTuple):
    """A table: the first column names the row, and a note may follow it."""

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def devices() -> Facts:
    """Rows of devices.csv and the user's own profiles."""
    heads = ("device", "class", "GB", "GB/s", "USD/h", "times")
    rows = []
    for name in costs.devices():
        spec = costs.device(name)
        sizes = f"{spec.mem_gb:g}", f"{spec.mem_bw_gbs:g}"
        rows.append((name, spec.class_, *sizes, _usd_per_hour(name), _known_times(spec)))
    return Facts(heads, rows, "Without USD/h it is no node. Precisions in brackets are those that were measured.")


def _usd_per_hour(device: str) -> str:
    try:
        return f"{3600.0 * costs.accelerator_price_usd_per_s(device):.3g}"
    except ValueError:
        return "-"


def _known_times(spec: costs.DeviceSpec) -> str:
    """What of a device was measured, else that its times follow from its data sheet."""
    fit = costs.fit_of(spec)
    parts = [f"{name} ({', '.join(by)})" for name, by in (("layers", fit.layer), ("products", fit.gemm)) if by]
    if fit.decode_attention or fit.prefill_attention:
        parts.append("attention")
    how = "profiled" if spec.is_profiled else "measured"
    return f"{how}: {', '.join(parts)}" if parts else "data sheet"


def models() -> Facts:
    """Rows of models.csv and moe.csv."""
    heads = ("model", "params", "layers", "fp16 (GB)", "quality", "USD", "input")
    rows = []
    for name in costs.models():
        spec = costs.model(name)
        counted = [spec.params_total, *([spec.params_active] if spec.has_experts else [])]
        params = "/".join(f"{count / 1e9:.3g}" for count in counted)
        size = f"{costs.memory_bytes(name) / 1e9:.3g}"
        rows.append((name, params, str(spec.layers), size, _quality(name), _usd_per_million(name), spec.modality))
    note = (
        "Parameters in billions, of experts all/active a token. A service needs a model with a quality (relative, here at fp16) "
        "and a price (USD for a million tokens in/out)."
    )
    return Facts(heads, rows, note)


def _quality(model: str) -> str:
    try:
        return f"{costs.quality(model, 'fp16'):.2f}"
    except ValueError:
        return "-"


def _usd_per_million(model: str) -> str:
    try:
        price = costs.token_price_usd(model)
    except ValueError:
        return "-"
    return f"{1e6 * price.in_usd:.3g}/{1e6 * price.out_usd:.3g}"


def request_traces() -> Facts:
    """Files of lengths and arrivals."""
    rows = []
    for name in traces():
        trace = read_trace(name)
        span_s = float(np.ptp(trace[:, 0]))
        means = (f"{mean:.0f}" for mean in trace[:, 1:].mean(axis=0))
        rows.append((name, str(len(trace)), f"{span_s:.0f}", f"{(len(trace) - 1) / span_s:.3g}", *means))
    return Facts(("trace", "rows", "span (s)", "jobs/s", "prompt mean", "output mean"), rows, "Lengths are in tokens.")


def bands() -> Facts:
    """Presets of `radio.presets`."""
    heads = ("band", "range", "carrier (GHz)", "band (MHz)", "node (dBm)", "UE (dBm)", "layers")
    rows = []
    for name in radio.presets():
        one = radio.preset(name)
        numbers = (one.carrier_ghz, one.bandwidth_hz / 1e6, one.ptx_bs_dbm, one.ptx_ue_dbm, one.max_layers)
        rows.append((name, one.band, *(f"{value:g}" for value in numbers)))
    return Facts(heads, rows)


def shipped_scenarios() -> Facts:
    """The scenarios that ship."""
    rows = []
    for name in scenarios():
        try:
            one = load_scenario(name)
        except ScenarioError as error:  # a file that somebody is writing: the others are listed
            rows.append((name, "", "", "", str(error)))
            continue
        rows.append((name, str(one.nodes.count), str(one.num_ues), f"{sum(one.rates_jobs_s):g}", one.summary))
    return Facts(("scenario", "nodes", "UEs", "jobs/s", "what"), rows, "edge6g scenarios show NAME says more.")


LISTS: dict[str, Callable[[], Facts]] = {
    "devices": devices,
    "models": models,
    "traces": request_traces,
    "bands": bands,
    "scenarios": shipped_scenarios,
}
