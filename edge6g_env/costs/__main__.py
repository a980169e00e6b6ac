"""`python -m edge6g_env.costs`: the fitted parameters of each measured device and the mean error of each fit."""

from __future__ import annotations

from collections.abc import Iterator

from edge6g_env.costs.efficiency import DEFAULT_GEMM, DEFAULT_LAYERS, DeviceFit, Roofline
from edge6g_env.costs.fit import attention_kind
from edge6g_env.costs.shipped_fits import fit_of, fits
from edge6g_env.costs.tables import device, devices, shipped_devices

HEADER = f"{'device':20} {'what':18} {'ec':>5} {'eb':>5} {'o us':>6} {'p':>5} {'n0':>6} {'error %':>8}"


def _line(
    device: str,
    what: str,
    ec: float | None,
    eb: float | None,
    o_s: float,
    p: float | None,
    n0: float | None,
    error: float | None,
) -> str:
    cells = ((ec, 5, 2), (eb, 5, 2), (o_s * 1e6, 6, 1), (p, 5, 2), (n0, 6, 0), (error, 8, 1))
    text = " ".join(f"{'':{width}}" if v is None else f"{v:{width}.{digits}f}" for v, width, digits in cells)
    return f"{device:20} {what:18} {text}".rstrip()


def _roofline(device: str, what: str, values: Roofline, error: float | None) -> str:
    return _line(device, what, values.ec, values.eb, values.o_s, values.p, None, error)


def _lines(name: str, fit: DeviceFit) -> Iterator[str]:
    for kind, table in (("gemm", fit.gemm), ("layer", fit.layer), ("head", fit.head)):
        for precision, values in table.items():
            what = f"{kind} {precision}"
            yield _roofline(name, what, values, fit.errors.get(what))
    for precision, decode in fit.decode_attention.items():
        what = attention_kind("decode", precision)
        yield _line(name, what, None, decode.eb, decode.o_s, decode.p, None, fit.errors.get(what))
    for precision, prefill in fit.prefill_attention.items():
        what = attention_kind("prefill", precision)
        yield _line(name, what, prefill.ec, None, prefill.o_s, prefill.p, prefill.n0, fit.errors.get(what))
    if "decode step" in fit.errors:
        yield f"{name:20} {'decode step':18} {'':32} {fit.errors['decode step']:8.1f}"


def main() -> None:
    """Print the table."""
    print(HEADER)
    profiled = {name: fit_of(device(name)) for name in devices() if name not in shipped_devices()}
    for name, fit in {**fits(), **profiled}.items():
        print(*_lines(name, fit), sep="\n")
    for precision, values in DEFAULT_GEMM.items():
        print(_roofline("(no data)", f"gemm {precision}", values, None))
    for kind, values in DEFAULT_LAYERS.items():
        print(_roofline("(no data)", f"layer, {kind}", values, None))
    print("defaults only:", ", ".join(name for name in shipped_devices() if name not in fits()))


if __name__ == "__main__":
    main()
