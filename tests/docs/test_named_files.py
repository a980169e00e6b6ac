"""Every file that a page names is there, is what a command writes, or is said to be elsewhere."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IGNORED = {".venv", ".git", ".mypy_cache", ".ruff_cache", ".examples", "runs", "build", "dist", "site"}
OURS = [path for path in ROOT.iterdir() if path.name not in IGNORED]
WALKED = [Path(folder, name) for top in OURS for folder, _, names in os.walk(top) for name in names]
FILES = [path.relative_to(ROOT) for path in [*WALKED, *OURS] if path.is_file()]
FOLDERS = {folder for path in FILES for folder in path.parents[:-1]}
PAGES = [path for path in FILES if path.suffix == ".md" and not any(part.startswith(".") for part in path.parts)]
NAMED = re.compile(r"(?<![\w./*<>~-])([\w./*<>-]*[\w*>]\.(?:csv\.gz|csv|md|py|toml|cff|txt|png|svg|tex))(?![\w(/])")
QUOTED_PATH = re.compile(
    r"`((?!edge6g/[A-Z]|runs/|validation/|episode/|compare/|job/|node(?:_\w+)?/|neighbour_\w+/|ue/)[\w.-]+/[\w./*<>-]*)`"
)

WRITTEN = {  # by commands, into a run's folder
    *("episodes.csv", "jobs.csv.gz", "table.csv", "table.tex", "comparison.png", "comparison.svg"),
    *("learning_curve.png", "learning_curve.csv", "scenario.toml", "scenario-2.toml", "usage.csv", "matrix.csv"),
    *("learning_curves.png", "learning_curves.csv", "report.md", "groups.csv"),
    *("nodes.png",),
    *("sweep.csv", "sweep.png", "sweep.svg", "played/"),
    *("tensorboard/", "scorer-s0/", "best-rule/"),
}
READERS_OWN = {"clinic.toml", "agents/rules/shortest_ttft.py", "path/to/policy.py", "FILE.py"}  # what a reader writes
READERS_OWN |= {
    "requests.csv",
    "site.toml",
    "site.tuned.json",
    "map.png",
    "coverage.png",
    "edge6g.schema.json",
    "edge6g/profiles",
    "../shared/base.toml",
}  # and docs/site.md


def names_of(text: str) -> set[str]:
    """Files and folders that a page names, in backquotes or not; addresses, endings (`.json`, __attention.csv) and fractions are none."""
    text = re.sub(r"https?://\S+", "", text)
    folders = {path for path in QUOTED_PATH.findall(text) if path.endswith("/") or (ROOT / path.split("/")[0]).is_dir()}
    return {name for name in {*NAMED.findall(text), *folders} if not name.startswith((".", "__", "runs/"))}


def is_there(name: str) -> bool:
    """Named by its whole path or by the last parts of it; `*` and <device> stand for anything."""
    pattern = re.sub(r"<\w+>", "*", name.rstrip("/"))
    return any(place.match(pattern) for place in ({*FOLDERS} if name.endswith("/") else {*FILES, *FOLDERS}))


def missing(text: str) -> list[str]:
    """Names in a page that lead nowhere."""
    return sorted(name for name in names_of(text) - WRITTEN - READERS_OWN if not is_there(name))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_names_files_that_ship(page):
    assert missing((ROOT / page).read_text(encoding="utf-8")) == []


def test_a_name_that_leads_nowhere_is_found():
    text = "`nothing.csv`, gone.md, `reference/cost/`, docs/absent/*.png; [prices.csv], `edge6g_env/costs/data`, README.md, "
    assert missing(text) == ["docs/absent/*.png", "gone.md", "nothing.csv", "reference/cost/"]
    assert missing("`gemm_<device>.csv`, `edge6g_env/radio/data/*.csv`, `air.py`, https://x.org/a.csv") == []


def test_what_is_looked_at_is_in_the_repository():
    """A file that only this checkout has is none that ships."""
    done = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a checkout")
    assert {str(page) for page in PAGES} >= set(done.stdout.split())
