"""Writes the pictures of docs/radio.md and what the page says about them: `python docs/make_radio.py`.

Coverage maps, distributions of SINR and rate over the scenarios that ship, and one UE's trace, all from the kernel's own worlds with a
fixed seed. Every figure that depends on such a run stands between two marks of the page, `<!-- NAME -->` and `<!-- /NAME -->`, and in the
picture's own data. --check plays the worlds anew and compares all three.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import radio_plots
import radio_samples
import radio_text
from matplotlib.figure import Figure
from PIL import Image
from radio_samples import Sample

from edge6g_env.pictures.coverage import draw_coverage, points_of
from edge6g_env.scenario import load_scenario, scenarios

PAGE = Path(__file__).resolve().parent / "radio.md"
PICTURES = PAGE.parent / "radio"
MAPPED = ("campus", "dense-urban")
TRACED = "dense-urban"
SHOWN = {  # picture -> scenarios that it shows
    "trace": [TRACED],
    **{f"coverage-{name}": [name] for name in MAPPED},
    "distributions": scenarios(),
}
_DPI = 100


@dataclass(frozen=True)
class Content:
    """A picture, and what the page says about it between the marks of its name."""

    name: str
    text: str
    draw: Callable[[], Figure]


def coverage(name: str, num_worlds: int = 256, pixel_m: float = 10.0) -> Content:
    """Coverage of a scenario by UEs that do not move."""
    scenario = load_scenario(name)
    points = points_of(scenario, num_worlds)
    text = radio_text.coverage_text(scenario, points, pixel_m)
    return Content(f"coverage-{name}", text, lambda: draw_coverage(scenario, points, pixel_m))


def trace(name: str = TRACED, seconds: float = 60.0, window_s: float = 12.0) -> Content:
    """One UE through a handover and a blockage."""
    rows = radio_samples.record(name, seconds)
    u, window = radio_samples.tell_tale(rows, window_s)
    one = radio_samples.one_ue(rows, u, window)
    return Content("trace", radio_text.trace_text(name, u, one), lambda: radio_plots.draw_trace(name, one))


def all_samples(num_worlds: int = 16, seconds: float = 30.0, every_s: float = 1.0) -> list[Sample]:
    """A line of the distributions for each radio that ships and each of its bands."""
    return [
        sample
        for names in radio_samples.same_radio()
        for sample in radio_samples.distribution(names, num_worlds, seconds, every_s)
    ]


def distributions() -> Content:
    """SINR and rates of every scenario."""
    samples = all_samples()
    text = radio_text.table(samples)
    return Content("distributions", text, lambda: radio_plots.draw_distributions(samples))


def contents() -> list[Content]:
    """Everything, worked out anew, in the order of SHOWN."""
    return [trace(), *(coverage(name) for name in MAPPED), distributions()]


def said(page: str, name: str) -> str | None:
    """What the page says between the marks of a name; None without them."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", page, flags=re.DOTALL)
    return found[1] if found else None


def with_text(page: str, content: Content) -> str:
    """The page with the text of a content between its marks."""
    marks = re.compile(rf"(<!-- {content.name} -->\n).*?(\n<!-- /{content.name} -->)", flags=re.DOTALL)
    return marks.sub(lambda found: found[1] + content.text + found[2], page)


def seen(picture: str) -> str:
    """What a picture carries about the scenarios it was drawn from."""
    return ", ".join(f"{name} {radio_samples.radio_fingerprint(load_scenario(name))}" for name in SHOWN[picture])


def kept_problems() -> list[str]:
    """Where page, pictures and scenarios differ, as far as it can be told without playing anything."""
    page, found = PAGE.read_text(encoding="utf-8"), []
    for name in SHOWN:
        path = PICTURES / f"{name}.png"
        if f"](radio/{name}.png)" not in page:
            found.append(f"{PAGE.name} does not show radio/{name}.png")
        if not path.is_file():
            found.append(f"radio/{name}.png is missing")
            continue
        info = Image.open(path).info
        if info.get("Scenarios") != seen(name):
            found.append(f"radio/{name}.png was drawn from other scenarios than those that ship now")
        if info.get("Description") != said(page, name):
            found.append(f"radio/{name}.png shows another run than {PAGE.name} describes")
    return found


def problems(fresh: Sequence[Content]) -> list[str]:
    """The same, and where the page says something else than what was worked out anew."""
    page = PAGE.read_text(encoding="utf-8")
    outdated = [one.name for one in fresh if said(page, one.name) != one.text]
    return kept_problems() + [f"what {PAGE.name} says of radio/{name}.png is out of date" for name in outdated]


def main() -> None:
    """Write the pictures and what the page says about them, or check both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if something is out of date")
    options = parser.parse_args()
    fresh = contents()
    if options.check:
        if found := problems(fresh):
            raise SystemExit("\n".join([*found, "python docs/make_radio.py"]))
        return
    PICTURES.mkdir(exist_ok=True)
    page = PAGE.read_text(encoding="utf-8")
    for one in fresh:
        metadata = {"Scenarios": seen(one.name), "Description": one.text}
        one.draw().savefig(PICTURES / f"{one.name}.png", dpi=_DPI, metadata=metadata)
        page = with_text(page, one)
        print((PICTURES / f"{one.name}.png").relative_to(PAGE.parents[1]))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
