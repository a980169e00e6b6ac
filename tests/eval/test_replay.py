"""The replay says what the record says, and the page moves: arrays read back in Python, the page in a browser where there is one."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.policy import make_rule
from edge6g_env.kernel.codes import FINISHED
from edge6g_env.scenario import Scenario, load_scenario
from eval.record.play import record_episode
from eval.record.recording import Recording
from eval.replay import write_replay
from eval.replay.embed import Arrays, script_json
from eval.replay.page import SCRIPTS, page, script
from eval.replay.paths import TOLERANCE_M, turns
from tests.browser import Browser, find_browser
from tests.eval.recorded import END_S, LEG_NAMES, NUMBERS, recording

NEEDS_BROWSER = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")
DASH = "\N{EN DASH}"
TYPES = {"u1", "i1", "u2", "i2", "u4", "i4", "f4"}


def embedded(text: str, name: str) -> str:
    """What stands in a script element."""
    found = re.search(rf'<script[^>]* id="{name}">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return found[1]


def revived(value: Any, data: bytes) -> Any:
    """Facts with their arrays, as data.js reads them."""
    if isinstance(value, list):
        return [revived(one, data) for one in value]
    if not isinstance(value, dict):
        return value
    if "dtype" in value:
        assert value["dtype"] in TYPES
        assert value["at"] % int(value["dtype"][1]) == 0, "a typed array begins at a multiple of its size"
        return np.frombuffer(data, f"<{value['dtype']}", value["length"], value["at"])
    return {name: revived(one, data) for name, one in value.items()}


def read(text: str) -> Any:
    """What a page is drawn from."""
    data = zlib.decompress(base64.b64decode(embedded(text, "arrays")))
    return revived(json.loads(embedded(text, "head")), data)


@pytest.fixture(scope="module")
def both() -> list[Recording]:
    return [recording("greedy"), recording("local")]


@pytest.fixture(scope="module")
def film(both: list[Recording]) -> Any:
    return read(page(both))


def test_jobs_and_their_legs_are_those_of_the_record(both: list[Recording], film: Any):
    for one, take in zip(both, film["takes"], strict=True):
        assert take["policy"] == one.policy
        assert tuple(take["jobs"]["number"]) == NUMBERS
        for name in ("service", "ue", "ingress", "arrival_s", "end_s", "phase", "slo_met", "worth"):
            np.testing.assert_allclose(take["jobs"][name], one.jobs[name], rtol=1e-7, err_msg=name)
        for name in ("ttft_s", "tpot_s", "price_usd", "energy_j", "quality", "prompt_tokens", "output_tokens"):
            np.testing.assert_allclose(take["jobs"][name], one.outcomes[name], rtol=1e-7, err_msg=name)
        legs = take["legs"]
        for row, number in enumerate(NUMBERS):
            mine, kept = slice(legs["first"][row], legs["first"][row + 1]), one.legs_of(number)
            assert [legs["names"][name] for name in legs["name"][mine]] == [LEG_NAMES[name] for name in kept["name"]]
            ends = np.append(legs["start_s"][mine][1:], take["jobs"]["end_s"][row])
            np.testing.assert_array_equal(ends - legs["start_s"][mine], kept["end_s"] - kept["start_s"])
            np.testing.assert_array_equal(legs["place"][mine], kept["place"])
            np.testing.assert_array_equal(legs["origin"][mine], kept["origin"])


def test_decisions_have_their_options(both: list[Recording], film: Any):
    for one, take in zip(both, film["takes"], strict=True):
        decisions, seen = take["decisions"], 0
        for row, number in enumerate(NUMBERS):
            for k in range(decisions["first"][row], decisions["first"][row + 1]):
                place = int(np.flatnonzero(one.decisions["job"] == number)[0])
                first, kept = decisions["first_option"][k], one.options_of(place)
                assert decisions["time_s"][k] == one.decisions["time_s"][place]
                for name in kept.dtype.names or ():
                    got = take["options"][name][first : first + decisions["options"][k]]
                    np.testing.assert_array_equal(got, kept[name], err_msg=name)
                seen += 1
        assert seen == len(one.decisions) == 2


def test_frames_are_those_of_the_record(both: list[Recording], film: Any):
    frames, shown = both[0].frames, film["takes"][0]["frames"]
    np.testing.assert_allclose(film["scene"]["times_s"], frames.times_s, rtol=1e-6)
    for name in ("queue", "inbox", "sequences", "training", "load_variant", "up"):
        np.testing.assert_array_equal(shown[name].reshape(-1, len(frames.times_s)).T, getattr(frames, name))
    share = shown["kv_bytes"].reshape(-1, len(frames.times_s)) / film["scene"]["memory_parts"]
    np.testing.assert_allclose(share, 0.25, atol=1e-4)


def test_what_policies_share_is_stored_once(both: list[Recording]):
    head = json.loads(embedded(page(both), "head"))
    first, second = head["takes"]
    assert {key: value for key, value in first.items() if key != "policy"} == {
        key: value for key, value in second.items() if key != "policy"
    }
    grown = len(page(both)) - len(page(both[:1]))
    assert grown < 10_000, "only the facts of a take that refer to arrays stand twice"


@given(
    st.lists(st.tuples(st.floats(0, 500, width=32), st.floats(0, 500, width=32)), min_size=2, max_size=6),
    st.integers(3, 20),
)
@settings(max_examples=30)
def test_a_way_is_its_turns_and_nothing_farther_off_than_the_tolerance(corners: list[tuple[float, float]], frames: int):
    corners_at = np.arange(len(corners)) * frames
    at = np.arange(corners_at[-1] + 1)
    way_m = np.stack([np.interp(at, corners_at, np.array(corners)[:, axis]) for axis in range(2)], axis=1)
    kept = turns(way_m)
    assert len(kept) <= len(corners)
    again_m = np.stack([np.interp(at, kept, way_m[kept, axis]) for axis in range(2)], axis=1)
    assert np.hypot(*(again_m - way_m).T).max() <= TOLERANCE_M + 1e-9


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=9))
@settings(max_examples=40)
def test_whole_numbers_come_back_as_they_were(values: list[int]):
    arrays = Arrays()
    where = [arrays.add(np.array(part, np.int64)) for part in ([1], values, values)]
    assert where[1] == where[2]
    data = zlib.decompress(base64.b64decode(arrays.text()))
    assert revived(where[1], data).tolist() == values


@given(st.text("<>/!-a\\\"'&\u2028\u2029\n", max_size=12))
def test_text_in_script_data_ends_no_script_and_comes_back_as_it_was(text: str):
    written = script_json({"policy": f"</script><!--{text}"})
    assert not set(written) & set("<\u2028\u2029")
    assert json.loads(written) == {"policy": f"</script><!--{text}"}


def test_recordings_of_a_replay_are_of_one_episode():
    with pytest.raises(ValueError, match="needs a recording"):
        page([])
    with pytest.raises(ValueError, match="one scenario and one seed"):
        page([recording(seed=1), recording(seed=2)])
    other = load_scenario("tiny", **{"arrivals.rate_jobs_s": 3.0})
    with pytest.raises(ValueError, match="one scenario and one seed"):
        page([recording(), recording(scenario=other)])


def test_modules_import_from_those_above_them_and_share_no_name():
    folder = files("eval.replay") / "template"
    for place, name in enumerate(SCRIPTS):
        text = (folder / f"{name}.js").read_text(encoding="utf-8")
        for taken, source in re.findall(r'^import \{(.*?)\} from "\./(\w+)\.js";', text, re.MULTILINE | re.DOTALL):
            assert source in SCRIPTS[:place], f"{name}.js imports from {source}.js"
            above = (folder / f"{source}.js").read_text(encoding="utf-8")
            for one in map(str.strip, taken.split(",")):
                assert re.search(rf"^export .*\b{one}\b", above, re.MULTILINE), f"{source}.js exports no {one}"
    declared = re.findall(r"^(?:async )?(?:const|let|class|function) (\w+)", script(), re.MULTILINE)
    assert len(declared) == len(set(declared)) > 50
    assert not re.search(
        r"^(import|export)\b|innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(", script(), re.MULTILINE
    )


# In a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_browser()
    assert program is not None
    with Browser(program) as one:
        yield one


@pytest.fixture
def shown(browser: Browser, both: list[Recording], tmp_path: Path) -> Iterator[Browser]:
    """The replay of both, at 1 s; nothing may go wrong in it."""
    write_replay(both, tmp_path / "replay.html")
    browser.size(1400, 900)
    browser.errors.clear()
    browser.open(tmp_path / "replay.html", "#t=1")
    browser.until("globalThis.replay")
    yield browser
    assert browser.errors == []


def texts(browser: Browser, selector: str) -> list[str]:
    found: list[str] = browser.run(f"[...document.querySelectorAll({selector!r})].map((one) => one.textContent)")
    return found


@NEEDS_BROWSER
def test_the_page_draws_plays_and_seeks(shown: Browser):
    assert shown.run("replay.clock.t") == 1.0
    assert len(texts(shown, ".stage canvas")) == 2
    colours = "new Set(new Uint32Array(replay.stages[0].pen.getImageData(0, 0, 600, 300).data.buffer)).size"
    assert shown.run(colours) > 50
    shown.press("ArrowRight")
    assert shown.run("replay.clock.t") == 2.0
    shown.run(
        "(slider => { slider.value = 3.2; slider.dispatchEvent(new Event('input')); })(document.getElementById('slider'))"
    )
    assert shown.run("replay.clock.t") == pytest.approx(3.2)
    assert texts(shown, "#now") == ["3.2 s of 4 s"]
    shown.press("Home")
    shown.press(" ")
    assert texts(shown, "#play") == ["Pause"]
    shown.until("replay.clock.t > 0.3")
    shown.press(" ")
    stopped = shown.run("replay.clock.t")
    assert 0.3 < stopped < END_S
    assert shown.run("location.hash").startswith("#t=")
    shown.run("replay.clock.speed = 8; replay.clock.play()")
    shown.until(f"replay.clock.t === {END_S} && !replay.clock.runs")


@NEEDS_BROWSER
def test_a_click_shows_the_life_of_a_job_as_recorded(shown: Browser, both: list[Recording]):
    x, y = shown.run(
        "(({canvas, hits, take}) => { const at = hits.find(({row}) => take.jobs.number[row] === 3), box = canvas.getBoundingClientRect();"
        "return [box.left + canvas.clientLeft + at.x, box.top + canvas.clientTop + at.y]; })(replay.stages[1])"
    )
    shown.click(x, y)
    assert texts(shown, "#life-head") == ["Job 3: chat of UE 0, at node_0, 0.25 s"]
    assert texts(shown, ".life h3") == ["greedy", "local"]
    life = "#lives article:nth-child(2)"
    legs = both[1].legs_of(3)
    assert texts(shown, f"{life} .tall tbody th") == [LEG_NAMES[name] for name in legs["name"]]
    assert texts(shown, f"{life} .tall tbody tr:nth-child(2) td") == ["UE → node_0", "250 ms", "250 ms"]
    assert texts(shown, f"{life} .candidates tbody tr:first-child > *") == [
        "★ 2. neighbour 1, int8", "1.00", "62.5", "3.00", "10.0", "0.875", "0.813",
    ]  # fmt: skip
    assert texts(shown, f"{life} .candidates tbody tr th")[1:] == ["1. cloud, fp16", "3. local, int4", "what came"]
    assert texts(shown, f"{life} .came td") == ["1.25", "62.5", "2.00", "12.5", "0.875", "0.750"]
    shown.run(f"document.querySelector({life + ' .tall tr:nth-child(3) button'!r}).click()")
    assert shown.run("replay.clock.t") == 0.75, "a leg leads to its beginning"


@NEEDS_BROWSER
def test_numbers_of_nodes_and_scores_are_those_of_the_record(shown: Browser):
    shown.run("document.querySelector('#nodes details').open = true; replay.clock.seek(3.5)")
    shown.until("document.querySelectorAll('#node-tables table').length === 2")
    rows = [texts(shown, f"#node-tables div:first-child tbody tr:nth-child({row}) td") for row in (2, 3)]
    assert rows[0] == ["l4", "up", "0", "0", "35", "0", "50 %", "25 %", DASH]
    assert rows[1][1:3] == ["down", "1"]
    assert texts(shown, ".stage:first-child .score dd")[:2] == ["0.500", "0 %"], "job 4 alone has ended"
    shown.run("replay.clock.seek(4)")
    assert texts(shown, ".stage:first-child .score dd")[:2] == ["0.350", "33 %"]
    assert shown.run("replay.stages[0].serving.at(2.4)[0]") == 0
    assert shown.run("replay.stages[0].serving.at(2.6)[0]") == 1


@NEEDS_BROWSER
def test_what_was_played_is_shown_at_any_time(browser: Browser, scenario: Scenario, tmp_path: Path):
    """Against the record, at frames and between them: UEs, their cells, jobs under way and where they are."""
    one = record_episode("greedy", partial(make_rule, "greedy"), scenario, 11)
    write_replay([one], tmp_path / "replay.html")
    browser.errors.clear()
    browser.open(tmp_path / "replay.html")
    browser.until("globalThis.replay")
    scale, left = browser.run("(({layout}) => [layout.perMetre, layout.toX(0)])(replay.stages[0])")
    for frame, t in ((0, 0.0), (23, 2.3), (50, 5.0), (None, 3.4567), (None, 6.789)):
        browser.run(f"replay.clock.seek({t})")
        if frame is not None:
            x = np.array(browser.run("replay.stages[0].points.map((point) => point.x)"))
            np.testing.assert_allclose((x - left) / scale, one.frames.ue_xy_m[frame, :, 0], atol=0.06)
            assert browser.run("[...replay.stages[0].serving.at(replay.clock.t)]") == one.frames.ue_node[frame].tolist()
        alive = one.jobs[(one.jobs["arrival_s"] <= t) & (one.jobs["end_s"] > t)]["job"].tolist()
        now = [next(leg for leg in one.legs_of(job) if leg["start_s"] <= t < leg["end_s"]) for job in alive]
        shown = browser.run(
            "(({action, take}) => [action.flights, action.atUe, ...action.resting.values()].flatMap((some) => some.waiting ? "
            "[...some.waiting, ...some.working] : some).map((some) => take.jobs.number[some.row ?? some]))(replay.stages[0])"
        )
        assert sorted(shown) == sorted(alive)
        assert browser.run("replay.stages[0].action.flights.length") == sum(
            leg["place"] != leg["origin"] for leg in now
        )
    assert browser.errors == []


@NEEDS_BROWSER
def test_the_score_has_the_ttft_of_the_metrics(browser: Browser, tmp_path: Path):
    """Of measured jobs that finished: those that had a first token and expired later have none in the metrics."""
    crowded = load_scenario("tiny", **{"arrivals.rate_jobs_s": 10.0})
    one = record_episode("jsq", partial(make_rule, "jsq"), crowded, 10_000_001)
    ended = one.outcomes[(one.outcomes["measured"] == 1) & (one.outcomes["ttft_s"] >= 0.0)]
    finished = ended["phase"] == FINISHED
    assert 0 < np.count_nonzero(finished) < len(ended)
    write_replay([one], tmp_path / "replay.html")
    browser.open(tmp_path / "replay.html")
    browser.until("globalThis.replay")
    browser.run(f"replay.clock.seek({crowded.time.episode_s})")
    (number, unit) = texts(browser, ".stage:first-child .score dd")[2].split()
    shown_s = float(number) * {"ms": 1e-3, "s": 1.0}[unit]
    assert shown_s == pytest.approx(ended["ttft_s"][finished].mean(), rel=0.006)
    assert shown_s != pytest.approx(ended["ttft_s"].mean(), rel=0.02)


@NEEDS_BROWSER
def test_the_page_fits_a_narrow_window_in_both_themes(shown: Browser):
    grounds = []
    for dark in (False, True):
        shown.size(500, 800, dark)
        shown.run("replay.pick(3)")
        shown.until("replay.stages[0].canvas.clientWidth < 500")
        assert shown.run("document.documentElement.scrollWidth") <= 500
        shown.until(f"matchMedia('(prefers-color-scheme: dark)').matches === {str(dark).lower()}")
        grounds.append(shown.run("replay.stages[0].colours.ground"))
    assert grounds[0] != grounds[1]
