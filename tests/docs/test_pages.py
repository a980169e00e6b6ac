"""Pages are found, lead somewhere and read alike on a code host and on the site: navigation, links, anchors, lists, generated pages."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
OUTSIDE = {"CONTRIBUTING.md", "CHANGELOG.md", "traces.md"}  # pages of the site that lie elsewhere: docs/site_hooks.py


def prose_of(text: str, instead: str = "") -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", instead, text, flags=re.DOTALL | re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """As code hosts make them: lower case, no punctuation, hyphens for spaces, a number behind what comes again."""
    seen: Counter[str] = Counter()
    out = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose_of(page.read_text(encoding="utf-8")), flags=re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) if "](" in heading else heading
        slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        out.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return out


def links_of(page: Path) -> list[tuple[str, str]]:
    """(file, anchor) of each link that leads to no other site; either may be empty."""
    prose = prose_of(page.read_text(encoding="utf-8"))
    return re.findall(r"\]\((?!\w+:)([^()#\s]*)#?([^()\s]*)\)", re.sub(r"`[^`\n]*`", "", prose))


def pages_of(nav: object) -> Iterator[str]:
    """Every page that a navigation names."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, list):
        for entry in nav:
            yield from pages_of(entry)
    elif isinstance(nav, dict):
        yield from pages_of(list(nav.values()))


def cells_of(row: str) -> int:
    """Of a row of a table; a bar in code or behind a backslash parts nothing."""
    return len(re.sub(r"`[^`]*`|\\\|", "", row).strip().strip("|").split("|"))


def runs_together(text: str) -> list[str]:
    """First lines of lists and tables right behind a line of text or a block of code: some renderers take them for more of it. And lines
    that go on with a sum, which some take for lists, and tables whose lines have other numbers of cells, which some take for text."""
    found, before = [], ""
    for line in re.sub(r"^<!--.*?-->$", "", prose_of(text, "```"), flags=re.MULTILINE).splitlines():
        if line.lstrip().startswith("+ ") or (
            line.startswith("|") and before.startswith("|") and cells_of(line) != cells_of(before)
        ):
            found.append(line)
        is_item, is_row = re.match(r"([-*]|\d+\.) ", line), line.startswith("|")
        in_list = re.match(r"([-*]|\d+\.) |  ", before)
        if before and not before.startswith("#") and ((is_item and not in_list) or (is_row and before[0] != "|")):
            found.append(line)
        if before.startswith("|") and line and not is_row:
            found.append(line)  # a row without bars
        before = line
    return found


def test_the_navigation_names_every_page_once():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = Counter(pages_of(config["nav"]))
    there = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} | OUTSIDE
    assert named == Counter(there)


def test_the_site_loads_nothing_from_elsewhere():
    """Of its own the plugin that searches without a server would load its script from another host."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    scripts = config["extra"]["polyfills"]
    assert any("iframe-worker" in script for script in scripts)
    for file in (*scripts, *config["extra_css"]):
        assert (DOCS / file).is_file()
        assert "https:" not in (DOCS / file).read_text(encoding="utf-8")
    assert config["theme"]["font"] is False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_anchors_lead_somewhere(page):
    for file, anchor in links_of(page):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), file
        assert target.is_relative_to(ROOT), file
        if anchor:
            assert anchor in anchors_of(target), f"{file}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lists_and_tables_stand_apart(page):
    assert runs_together(page.read_text(encoding="utf-8")) == []


def test_what_runs_together_is_found():
    assert runs_together("text\n- a\n- b\n  more\n- c\n\n- d\n") == ["- a"]
    assert runs_together("# head\n- a\n\ntext\n| a |\n|---|\n| b |\nmore\n") == ["| a |", "more"]


def test_every_page_has_one_title():
    for page in PAGES:
        heads = re.findall(r"^# (.+)$", prose_of(page.read_text(encoding="utf-8")), flags=re.MULTILINE)
        assert len(heads) == 1, page


@pytest.mark.parametrize("script", ["make_entries.py", "make_ranking.py"])
def test_what_is_generated_is_up_to_date(script):
    done = subprocess.run([sys.executable, f"docs/{script}", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_site_changes_links_and_formulas_as_it_should(monkeypatch):
    """Only where the extra `docs` is installed."""
    pytest.importorskip("mkdocs")
    pytest.importorskip("latex2mathml")
    monkeypatch.syspath_prepend(str(DOCS))
    import site_hooks

    def link(text: str, place: str, source: str) -> str:
        return site_hooks.LINK.sub(lambda found: site_hooks._link(place, source, found), text)

    assert link("[a](../CONTRIBUTING.md#tests)", "docs/index.md", "index.md") == "[a](CONTRIBUTING.md#tests)"
    assert link("[a](../matrix.md)", "docs/scenarios/tiny.md", "scenarios/tiny.md") == "[a](../matrix.md)"
    assert link("[study](docs/study.md)", "CONTRIBUTING.md", "CONTRIBUTING.md") == "[study](study.md)"
    assert link("[ippo](../examples/ippo.py)", "docs/index.md", "index.md") == "ippo (`examples/ippo.py`)"
    assert link("![a](../b.png) [c](https://d.e/f)", "docs/index.md", "index.md") == "![a](../b.png) [c](https://d.e/f)"
    shown = site_hooks.FORMULA.sub(site_hooks._math_ml, r'<span class="arithmatex">\(a &lt; b_t\)</span>')
    assert shown.startswith("<math")
    assert "<msub>" in shown
    for heading, anchor in (("`[ues]` with `kind = 1`", "ues-with-kind--1"), ("A, b: c-d", "a-b-c-d")):
        assert site_hooks.slug(heading, "-") == anchor
