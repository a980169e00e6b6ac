"""No text of users becomes markup in any page: read by a parser, and opened in a browser where there is one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from edge6g_env.scenario import Scenario, load_scenario
from eval.comparison import Comparison
from eval.matrix import Column, Matrix
from eval.replay import write_replay
from eval.report.charts import plain_style
from eval.report.matrix import page as matrix_page
from eval.report.page import page as report_page
from eval.report.sweep import page as sweep_page
from eval.sweep.knee import LOAD
from eval.sweep.swept import Swept
from tests.browser import Browser, find_browser
from tests.eval.conftest import comparison_by_hand, episodes_by_hand, made_by
from tests.eval.recorded import recording
from tests.eval.test_sweep_figures import table

EVIL = "</script><img src=x onerror=\"document.title='owned'\">\u2028<!--"
PAGES = ("report", "sweep", "replay", "matrix")


def evil_comparison(scenario: Scenario) -> Comparison:
    names = {"greedy": EVIL, "scorer:x": f"scorer:{EVIL}"}
    episodes = episodes_by_hand().replace({"policy": names, "group": names})
    comparison = comparison_by_hand(scenario, episodes)
    comparison.summary["policies"][f"scorer:{EVIL}"]["trained_on"] = EVIL
    comparison.made_by["command"] = comparison.made_by["machine"] = EVIL
    return comparison


def evil_sweep(scenario: Scenario) -> Swept:
    """A key with a loads' axis, and one whose values are the user's words."""

    def reward(setting: Mapping[str, object], policy: str, seed: int) -> float:
        return seed % 4 + len(str(setting["service.chat.model"])) + 0.01 * len(policy)

    vary = {"service.chat.model": ["calm", EVIL], LOAD: [1, 2]}
    frame = table(vary, {EVIL: "rule", f"mine{EVIL}/1": "learned", f"mine{EVIL}/2": "learned"}, reward_per_job=reward)
    empty = {"policy": "greedy", "group": "greedy", "kind": "rule", "privileged": False, "reason": EVIL}
    rows = pd.DataFrame([{**empty, "service.chat.model": "calm", LOAD: 1}]).astype({"privileged": bool})
    made = made_by(scenario)
    made["command"] = EVIL
    return Swept(scenario, pd.concat([frame, rows], ignore_index=True), {f"mine{EVIL}": EVIL}, made)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every page, with evil names, summary and words in it."""
    folder = tmp_path_factory.mktemp("pages")
    scenario = load_scenario("tiny", summary=f"A {EVIL} world")
    found = {name: folder / f"{name}.html" for name in PAGES}
    comparison = evil_comparison(scenario)
    with plain_style():
        found["report"].write_text(report_page(comparison), encoding="utf-8")
        found["sweep"].write_text(sweep_page(evil_sweep(scenario)), encoding="utf-8")
    column = Column.of_summary(EVIL, comparison.summary)
    found["matrix"].write_text(matrix_page(Matrix([column]), EVIL), encoding="utf-8")
    write_replay([recording(EVIL, scenario), recording(f"other {EVIL}", scenario)], found["replay"])
    return found


class _Read(HTMLParser):
    """Elements of a page, their event handlers, its scripts and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.handlers: list[str] = []
        self.sources: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.sources += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("data:")
        ]
        if tag == "script":
            self.scripts.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", PAGES)
def test_text_of_users_is_text(pages: dict[str, Path], name: str):
    text = pages[name].read_text(encoding="utf-8")
    read = _Read(text)
    assert read.handlers == []
    assert [source for source in read.sources if not source.endswith("/report.html")] == []
    assert [one.get("id") for one in read.scripts] == (["head", "arrays", None] if name == "replay" else [])
    assert "<img src=x" not in text
    if name == "replay":
        head = json.loads(re.findall(r'id="head">(.*?)</script>', text, re.DOTALL)[0])
        assert head["takes"][0]["policy"] == EVIL
        assert head["scene"]["summary"] == f"A {EVIL} world"
        assert "\u2028" not in text.partition("</title>")[2]
    else:
        assert EVIL in read.text


@pytest.mark.parametrize("name", PAGES)
def test_a_page_allows_itself_nothing_from_elsewhere(pages: dict[str, Path], name: str):
    text = pages[name].read_text(encoding="utf-8")
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'"
    assert "unsafe" not in allowed.get("script-src", "")
    assert text.index("Content-Security-Policy") < text.index("<style>")


@pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")
def test_a_browser_runs_nothing_of_it(pages: dict[str, Path]):
    program = find_browser()
    assert program is not None
    with Browser(program) as browser:
        for name in PAGES:
            browser.open(pages[name])
            if name == "replay":
                browser.until("globalThis.replay")
                browser.run("replay.pick(3); replay.clock.seek(2)")
            assert browser.run("document.querySelectorAll('[onerror], img[src=x]').length") == 0, name
            assert browser.run(f"document.body.textContent.includes({json.dumps(EVIL)})"), name
            assert browser.run("[...document.images].every((one) => one.complete && one.naturalWidth > 0)"), name
            assert browser.run("document.title") != "owned", name
            assert browser.errors == [], name
