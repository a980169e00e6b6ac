"""The page, charts and sentences of a sweep by hand: they say what its table says."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from edge6g_env.scenario import load_scenario
from eval.report.sweep import console_tables, page, write_report
from eval.report.sweep_charts import entries, panels, sweep_figure
from eval.sweep.knee import LOAD
from eval.sweep.swept import Swept
from eval.sweep.words import effects, knee_sentences, sentences
from tests.eval.conftest import made_by
from tests.eval.test_sweep_figures import table

CUT, NONE, ALL = "actions.device_split", "[0.0, 1.0]", "[0.0, 0.5, 1.0]"
POLICIES = {"<jsq>": "rule", "greedy": "rule", "mine/1": "learned", "mine/2": "learned"}


def gain(setting: Mapping[str, object], policy: str, seed: int) -> float:
    """Cuts bring 0.1 to `greedy` from 4 jobs/s on, and cost 0.05 at 1; at 2, and to all others, nothing but noise."""
    by_load = {1: -0.05, 4: 0.1, 8: 0.1}.get(int(str(setting[LOAD])), 0.0) if policy == "greedy" else 0.0
    hard = 0.3 * (seed % 4) + {"greedy": 0.1, "mine/1": 0.2, "mine/2": 0.3}.get(policy, 0.0)
    noise = 0.001 * (-1.0 if (seed + len(policy) + int(policy[-1] == "2")) % 2 else 1.0)
    return hard + (by_load + noise if setting[CUT] == ALL else 0.0)


def attained(setting: Mapping[str, object], policy: str, seed: int) -> float:
    """`greedy` falls below 90 % at 4 jobs/s, with cuts never; `<jsq>` is always below."""
    if policy == "<jsq>":
        return 0.5
    return 1.0 if setting[CUT] == ALL else 1.0 - 0.025 * float(str(setting[LOAD]))


@pytest.fixture(scope="module")
def swept() -> Swept:
    frame = table({LOAD: [8, 1, 2, 4], CUT: [NONE, ALL]}, POLICIES, reward_per_job=gain, slo_attainment=attained)
    refused = (frame["policy"] == "<jsq>") & (frame[LOAD] == 8)
    empty = {LOAD: 8, "policy": "<jsq>", "group": "<jsq>", "kind": "rule", "privileged": False, "reason": "it <cannot>"}
    rows = pd.DataFrame([{**empty, CUT: cut} for cut in (NONE, ALL)])
    scenario = load_scenario("tiny")
    frame = pd.concat([frame[~refused], rows.astype({"privileged": bool})], ignore_index=True)
    return Swept(scenario, frame, {"mine": "campus_v0"}, made_by(scenario))


def test_sentences_say_what_a_value_brings_and_from_where_on(swept: Swept):
    by_policy = {line.partition(": ")[0]: line.partition(": ")[2] for line in effects(swept)}
    assert by_policy == {
        "greedy": f"device_split = {ALL} against {NONE}: less reward at 1 jobs/s (by 0.050), not told apart at 2 jobs/s, "
        "more reward from 4 to 8 jobs/s (by up to 0.100)",
        "<jsq>": f"device_split = {ALL} against {NONE}: not told apart from 1 to 4 jobs/s",
        "mine": f"device_split = {ALL} against {NONE}: not told apart from 1 to 8 jobs/s",
    }
    kept = "90 % of the jobs within their objectives up to"
    assert knee_sentences(swept) == [
        f"greedy, device_split = {NONE}; mine, device_split = {NONE}: {kept} 4.00 jobs/s [4.00, 4.00]",
        f"greedy, device_split = {ALL}; mine, device_split = {ALL}: {kept} 8 jobs/s at least, the knee is above",
        f"<jsq>, device_split = {NONE}; <jsq>, device_split = {ALL}: no knee, it has no figures at one of the loads",
    ]
    everything = "\n".join(sentences(swept))
    assert f"<jsq> does not play with rate_jobs_s = 8, device_split = {NONE}: it <cannot>" in everything
    assert "mine (2 checkpoints): trained on campus_v0; played on tiny_v0" in everything
    assert "probability of improvement over greedy 1.00" in everything


def test_the_page_has_every_figure_and_loads_nothing(swept: Swept, tmp_path: Path):
    write_report(swept, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<jsq>" not in text
    assert "<cannot>" not in text
    assert re.findall(r"(?:src|href)=\"(?!data:)", text) == []
    assert text.count("<img ") == len(panels(swept)) == 6
    assert text.count("<svg ") == len(entries(swept)) == 6
    for row in swept.estimates[swept.estimates["metric"] == "reward_per_job"].to_dict("records"):
        assert f'<td class="">{row["middle"]:.3f}<small>[' in text
    for cell in (">above highest<", '<td class="better">+0.100', '<td class="worse">\N{MINUS SIGN}0.050'):
        assert cell in text
    assert "Groups of checkpoints" in text
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "sweep.svg").read_text()
    assert svg.startswith("<?xml")


def test_the_table_of_the_terminal_is_cut_to_its_width(swept: Swept):
    for width, most in ((200, 1), (60, 3)):
        shown = list(console_tables(swept, width))
        assert 1 <= len(shown) <= most
        out = io.StringIO()
        console = Console(file=out, width=width)
        for one in shown:
            console.print(one)
        lines = out.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        for policy in swept.policies:
            assert policy in out.getvalue()


@pytest.mark.parametrize(
    "vary",
    [
        {LOAD: [2.0]},
        {"serving.max_batch": [8, 16, 512]},
        {"service.chat.model": ["a", "b"], "xn.delay_s": [0.001, 0.01], "x.y": [True, False]},
        {"service.chat.model": ["a", "b"], "service.code.privacy": ["site", "open", "device"]},
        {LOAD: [1, 2], "a.b": list("uvwxy")},
    ],
)
def test_any_keys_can_be_drawn(vary: dict):
    scenario = load_scenario("tiny")
    frame = table(vary, {"greedy": "rule", "mine": "own"}, reward_per_job=lambda setting, policy, seed: seed % 5)
    swept = Swept(scenario, frame, {}, made_by(scenario))
    figure = sweep_figure(swept, "any")
    assert len(figure.axes) == len(panels(swept))
    assert "Figures of each setting" in page(swept)
    assert len(swept.record()["settings"]) == len(swept.settings)
