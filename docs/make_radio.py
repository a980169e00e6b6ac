"""Writes the pictures and the table of docs/radio.md: `python docs/make_radio.py`.

Coverage maps, distributions of SINR and rate over the scenarios that ship, and one UE's trace, all from the kernel's own worlds with a
fixed seed. --check works out the table anew and compares it with the page, and looks whether every picture is there, is on the page and
was drawn with the scenarios as they are now.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import radio_plots
import radio_samples
from matplotlib.figure import Figure
from PIL import Image
from radio_samples import Sample

from edge6g_env.scenario import load_scenario, scenarios

PAGE = Path(__file__).resolve().parent / "radio.md"
PICTURES = PAGE.parent / "radio"
MAPPED = ("campus", "dense-urban")
TRACED = "dense-urban"
_TABLE = re.compile(r"<!-- figures -->\n.*?<!-- /figures -->", flags=re.DOTALL)
_DPI = 100


def coverage_picture(name: str, num_worlds: int = 256, ues: int = 512, pixel_m: float = 10.0) -> Figure:
    """Coverage of a scenario by that many UEs a world that stand still."""
    scenario = load_scenario(name)
    points = radio_samples.coverage(name, num_worlds, max(1, ues // scenario.nodes.count))
    return radio_plots.draw_coverage(scenario, points, pixel_m)


def trace_picture(name: str = TRACED, seconds: float = 60.0, window_s: float = 12.0) -> Figure:
    """One UE through a handover and a blockage."""
    rows = radio_samples.record(name, seconds)
    return radio_plots.draw_trace(name, rows, *radio_samples.tell_tale(rows, window_s))


def all_samples(num_worlds: int = 16, seconds: float = 30.0, every_s: float = 1.0) -> list[Sample]:
    """A line of the distributions for each radio that ships and each of its bands."""
    return [
        sample
        for names in radio_samples.same_radio()
        for sample in radio_samples.distribution(names, num_worlds, seconds, every_s)
    ]


def table(samples: Sequence[Sample]) -> str:
    """The figures of the distributions, between the marks of the page."""
    return "\n".join(["<!-- figures -->", *_rows(samples), "<!-- /figures -->"])


def _rows(samples: Sequence[Sample]) -> Iterator[str]:
    yield (
        "| | time | in sight | blocked | uplink SINR (dB) | downlink SINR (dB) | uplink rate (Mbit/s) | downlink rate (Mbit/s) | "
        "handovers a UE and minute | of them ping-pongs |"
    )
    yield "|---" * 10 + "|"
    for sample in samples:
        level = sample.levels
        shares = f"{sample.share:.0%} | {level['los'].mean():.0%} | {level['blocked'].mean():.1%}"
        sinrs = f"{_spread(level['uplink_sinr_db'], 1.0)} | {_spread(level['downlink_sinr_db'], 1.0)}"
        rates = f"{_spread(level['uplink_bit_s'], 1e6)} | {_spread(level['downlink_bit_s'], 1e6)}"
        handovers = f"{sample.handovers_per_ue_min:.1f} | {sample.ping_pong_share:.0%}"
        yield f"| {sample.label} | {shares} | {sinrs} | {rates} | {handovers} |"


def _spread(values: np.ndarray, unit: float) -> str:
    """5 %, 50 % and 95 % of the values; for rates, whose unit is not 1, the share of zeros too."""
    text = " / ".join(f"{value:.0f}" for value in np.percentile(values, (5, 50, 95)) / unit)
    return text if unit == 1.0 else f"{text}; none {np.mean(values == 0.0):.0%}"


def _pictures(samples: list[Sample]) -> dict[str, tuple[Callable[[], Figure], Sequence[str]]]:
    """Name of each file, how it is drawn, the scenarios that it shows."""
    maps = {f"coverage-{name}.png": (lambda name=name: coverage_picture(name), (name,)) for name in MAPPED}
    return {
        **maps,
        "distributions.png": (lambda: radio_plots.draw_distributions(samples), scenarios()),
        "trace.png": (trace_picture, (TRACED,)),
    }


def _seen(names: Sequence[str]) -> str:
    """What a picture carries about the scenarios it was drawn from."""
    return ", ".join(f"{name} {radio_samples.radio_fingerprint(load_scenario(name))}" for name in names)


def problems() -> list[str]:
    """What is wrong with the pictures, as far as it can be told without drawing them."""
    page, found = PAGE.read_text(encoding="utf-8"), []
    for file, (_, names) in _pictures([]).items():
        path = PICTURES / file
        if f"](radio/{file})" not in page:
            found.append(f"{PAGE.name} does not show radio/{file}")
        if not path.is_file():
            found.append(f"radio/{file} is missing")
        elif Image.open(path).info.get("Scenarios") != _seen(names):
            found.append(f"radio/{file} was drawn from other scenarios than those that ship now")
    return found


def main() -> None:
    """Write the pictures and the table, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if something is out of date")
    options = parser.parse_args()
    samples = all_samples()
    page = PAGE.read_text(encoding="utf-8")
    text = _TABLE.sub(lambda _: table(samples), page)
    if options.check:
        found = problems() + ([] if text == page else [f"the table of {PAGE.name} is out of date"])
        if found:
            raise SystemExit("\n".join([*found, "python docs/make_radio.py"]))
        return
    PICTURES.mkdir(exist_ok=True)
    for file, (draw, names) in _pictures(samples).items():
        draw().savefig(PICTURES / file, dpi=_DPI, metadata={"Scenarios": _seen(names)})
        print((PICTURES / file).relative_to(PAGE.parents[1]))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
