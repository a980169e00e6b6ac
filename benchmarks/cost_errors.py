"""Errors of the cost model on every shared measurement, and of a device known from its data sheet alone.

`held out` derives the defaults again without the device: its own measurements play no part in them. For the cloud boards this is
the mean of the default of COSTS 3.3b and the layers of the other board; the other defaults use no layers of the cards shown. For
attention it is the default of the other measured cards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from edge6g_env import costs
from edge6g_env.costs import efficiency, parts, shipped_fits, tables
from edge6g_env.costs.efficiency import DecodeAttention, PrefillAttention
from edge6g_env.costs.fit import device_name, mean_error_percent
from edge6g_env.costs.measured_rows import Row

PHASES = ("decode", "prefill")
CLOUD = ("a100-80g", "h100-80g")
SHORT_CHUNK_TOKENS = 64
HEADER = f"{'device':20} {'model':16} {'tp':>3} {'fitted':>8} {'sheet':>8} {'held out':>9}"


def layer_files() -> Iterator[list[Row]]:
    """Rows of each shared file of layer times."""
    for file in shipped_fits.measured_files():
        rows = tables.read_rows(f"measured/{file.name}")
        if "layer_ms" in rows[0]:
            yield list(rows)


def shard(row: Row) -> costs.ModelSpec:
    """The layer of a row; with tensor parallelism one shard of it, which is a layer with fewer heads and a narrower ffn."""
    tp, hidden, heads = (int(row[name]) for name in ("tp", "hidden", "heads"))
    return costs.ModelSpec(
        str(row["model"]),
        layers=1,
        hidden=hidden,
        ffn=int(row["ffn"]) // tp,
        heads=heads // tp,
        kv_heads=int(row["kv_heads"]) // tp,
        head_dim=hidden // heads,
        vocab=1,
        gated_mlp=int(row["gated"]),
    )


def held_out(name: str) -> costs.DeviceSpec:
    """The device from its data sheet, with class defaults that its own measurements had no part in."""
    sheet = replace(costs.device(name), name="held out")
    if name not in CLOUD:
        return sheet
    others = [costs.fit_of(costs.device(other)).layer["fp16"] for other in CLOUD if other != name]
    known = [efficiency.EDGE_LAYER, *others]
    mean = {field: float(np.mean([getattr(r, field) for r in known])) for field in ("ec", "eb", "o_s")}
    return replace(sheet, fit=costs.DeviceFit(layer={"fp16": costs.Roofline(p=2.0, **mean)}))


def layer_errors(rows: list[Row]) -> tuple[float, float, float]:
    """Mean error in percent of the fitted device, its data sheet, and the data sheet with itself held out."""
    name, model = device_name(rows[0]), shard(rows[0])
    tokens, measured = (np.array([float(row[c]) for row in rows]) for c in ("tokens", "layer_ms"))
    specs = (costs.device(name), replace(costs.device(name), name="unseen"), held_out(name))
    predicted = (1e3 * costs.layer_time_s(model, spec, tokens) for spec in specs)
    first, second, third = (mean_error_percent(p, measured) for p in predicted)
    return first, second, third


def product_lines() -> Iterator[str]:
    """A line for each device and precision with measured products."""
    for name, fit in shipped_fits.fits().items():
        rows = tables.read_rows(f"measured/gemm_{name}.csv") if fit.gemm else []
        for precision in fit.gemm:
            own = [row for row in rows if row["precision"] == precision]
            m, n, k, us = (np.array([float(row[c]) for row in own]) for c in ("m", "n", "k", "gemm_us"))
            unseen = replace(costs.device(name), name="unseen")
            errors = [mean_error_percent(1e6 * costs.gemm_time_s(s, m, n, k, precision), us) for s in (name, unseen)]
            yield f"{name:20} {'product ' + precision:16} {'':3} {errors[0]:8.1f} {errors[1]:8.1f}"


def attention_files() -> dict[str, list[Row]]:
    """Rows of each shared file of attention times by device; a100__attention.csv is of an older kernel (COSTS 3.2)."""
    names = {file.name for file in shipped_fits.measured_files()} - {"a100__attention.csv"}
    tables_read: Iterator[list[Row]] = (list(tables.read_rows(f"measured/{name}")) for name in sorted(names))
    return {
        device_name(rows[0]): rows for rows in tables_read if "attn_ms" in rows[0] and rows[0].get("phase") in PHASES
    }


def geometric_mean(values: list[float]) -> float:
    """Of positive numbers."""
    return float(np.exp(np.mean(np.log(values))))


def decode_without(name: str | None) -> DecodeAttention:
    """The default of decode attention derived again from the other measured cards."""
    known = [f.decode_attention["fp16"] for n, f in shipped_fits.fits().items() if n != name and f.decode_attention]
    return DecodeAttention(float(np.mean([fit.eb for fit in known])), geometric_mean([fit.o_s for fit in known]), 1.0)


def prefill_without(name: str | None, sheet: costs.DeviceSpec) -> PrefillAttention:
    """The default of prefill attention on a card with this data sheet derived again from the other measured cards."""
    known = {
        n: f.prefill_attention["fp16"] for n, f in shipped_fits.fits().items() if n != name and f.prefill_attention
    }
    ramp = geometric_mean([fit.n0 / costs.device(n).fp16_tflops ** 0.5 for n, fit in known.items()])
    alike = [fit for n, fit in known.items() if costs.device(n).halves_fp16 == sheet.halves_fp16] or [*known.values()]
    ec, p = float(np.mean([fit.ec for fit in alike])), float(np.median([fit.p for fit in alike]))
    return PrefillAttention(ec, ramp * sheet.fp16_tflops**0.5, efficiency.PREFILL_O_S, p=p)


def blind(name: str) -> costs.DeviceSpec:
    """The device as known from its data sheet and the attention of the other cards."""
    decode, prefill = {"fp16": decode_without(name)}, {"fp16": prefill_without(name, costs.device(name))}
    fit = costs.DeviceFit(decode_attention=decode, prefill_attention=prefill)
    return replace(costs.device(name), name="unseen", fit=fit)


def attention_lines() -> Iterator[str]:
    """A line for each device and phase with measured attention, and for its prompt chunks of at most 64 tokens."""
    for name, rows in attention_files().items():
        specs = (name, replace(costs.device(name), name="unseen"), blind(name))
        kinds = {f"{phase} attention": [row for row in rows if row["phase"] == phase] for phase in PHASES}
        short = [row for row in kinds["prefill attention"] if int(row["new_tokens"]) <= SHORT_CHUNK_TOKENS]
        for kind, own in {**kinds, "short chunks": short}.items():
            if not own:
                continue
            measured = np.array([float(row["attn_ms"]) for row in own])
            errors = [mean_error_percent(attention_ms(own, spec), measured) for spec in specs]
            yield f"{name:20} {kind:17} {'':2} {errors[0]:8.1f} {errors[1]:8.1f} {errors[2]:9.1f}"


def attention_ms(rows: list[Row], device: str | costs.DeviceSpec) -> np.ndarray:
    """Predicted time of each row's attention, ms."""
    found = []
    for row in rows:
        batch, new, prior, heads, kv_heads, head_dim = (
            int(row[c]) for c in ("batch", "new_tokens", "kv_prior", "q_heads", "kv_heads", "head_dim")
        )
        shape = {"layers": 1, "hidden": heads * head_dim, "ffn": 1, "heads": heads, "vocab": 1}
        spec = costs.model_of_row({"name": "attention", **shape, "kv_heads": kv_heads, "head_dim": head_dim})
        found.append(1e3 * float(costs.attention_time_s(spec, device, new, prior, batch)))
    return np.array(found)


def expert_lines() -> Iterator[str]:
    """A line for each measured shape and routing of experts, errors in three ranges of tokens."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    columns = ("device", "hidden", "experts", "experts_active", "expert_ffn", "routing")
    for row in tables.read_rows("measured/moe_layers.csv"):
        groups[tuple(row[c] for c in columns)].append(row)
    for (name, hidden, experts, active, width, routing), rows in groups.items():
        shape = {"hidden": hidden, "experts": experts, "experts_active": active, "expert_ffn": width}
        spec = costs.model_of_row({"name": "experts", "layers": 1, "heads": 16, "vocab": 1, **shape})
        tokens, us = (np.array([float(row[c]) for row in rows]) for c in ("tokens", "moe_us"))
        predicted = 1e6 * costs.experts_time_s(spec, name, tokens)
        ranges = [(tokens >= low) & (tokens <= high) for low, high in ((1, 4), (8, 16), (32, 4096))]
        errors = [mean_error_percent(predicted[inside], us[inside]) for inside in ranges]
        yield f"{name:20} {experts + ' experts':16} {'':3} {errors[0]:8.1f} {errors[1]:8.1f} {errors[2]:9.1f}  {routing}"


def main() -> None:
    """Print the tables; errors are means in percent, and the last lines are means over the files of a device, tp 1."""
    print(HEADER)
    whole: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for rows in layer_files():
        for tp in dict.fromkeys(row["tp"] for row in rows):
            own = [row for row in rows if row["tp"] == tp]
            errors = layer_errors(own)
            name = device_name(own[0])
            if tp == "1":
                whole[name].append(errors)
            print(f"{name:20} {own[0]['model']:16} {tp:>3} {errors[0]:8.1f} {errors[1]:8.1f} {errors[2]:9.1f}")
    print(*product_lines(), "", *attention_lines(), sep="\n")
    print(f"\n{'routed experts':45}{'1-4':>4} {'8-16':>8} {'32-4096':>9}  tokens", *expert_lines(), "", sep="\n")
    for name, errors_of_files in whole.items():
        first, second, third = np.mean(errors_of_files, axis=0)
        default = parts.class_layer(costs.device(name))
        used = f"ec {default.ec}, eb {default.eb}, o {1e6 * default.o_s:.0f} us"
        print(f"{name:20} {'mean of layers':16} {'':3} {first:8.1f} {second:8.1f} {third:9.1f}  sheet: {used}")


if __name__ == "__main__":
    main()
