"""AWQ / TinyChat: 4-bit weights make a single stream decode two to four times faster, less than the bytes shrink."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.published.claims import Claim, show
from edge6g_env import costs
from edge6g_env.costs import tables

WORK = "AWQ"
MODELS = ("llama-2-7b", "llama-2-13b")
CONTEXT_TOKENS = 500.0  # as the chat demo's rows (measured/README.md)
RANGES = {"a6000": (2.3, 3.4), "rtx-4090": (2.6, 3.7), "jetson-agx-orin-64g": (2.7, 3.3)}
BYTES_RATIO = 16.0 / 4.15


def _device(name: str) -> costs.DeviceSpec:
    """The device of devices.csv; the A6000, which is not there, from its data sheet and the chat demo's rows."""
    if name != "a6000":
        return costs.device(name)
    sheet = replace(costs.device("a40"), name=name, fp16_tflops=154.8, mem_bw_gbs=768.0)
    rows = [row for row in tables.read_rows("measured/tinychat_edge.csv") if row["device"] == name]
    return costs.fit_device(rows, sheet)


def _speed_up(model: str, device: costs.DeviceSpec) -> float:
    times = [float(costs.decode_step_s(model, device, CONTEXT_TOKENS, 1, p)) for p in ("fp16", "int4")]
    return times[0] / times[1]


def claims() -> list[Claim]:
    """Speed-up of int4 over fp16 on each device: above 2, below the ratio of bytes, inside or near the published range."""
    out = []
    for name, (low, high) in RANGES.items():
        device = _device(name)
        speed = sorted(_speed_up(model, device) for model in MODELS if _fits(model, device))
        near = 0.85 * low <= speed[0] and speed[-1] <= 1.15 * high
        holds = near and speed[0] > 1.0 and speed[-1] < BYTES_RATIO
        out.append(Claim(f"decode on {name}, int4 over fp16", f"{low} to {high} x", _span(speed), holds))
    return out


def _fits(model: str, device: costs.DeviceSpec) -> bool:
    return costs.memory_bytes(model) < 0.9e9 * device.mem_gb


def _span(values: list[float]) -> str:
    return " to ".join(dict.fromkeys(f"{v:.1f}" for v in (values[0], values[-1]))) + " x"


if __name__ == "__main__":
    show(WORK, claims())
