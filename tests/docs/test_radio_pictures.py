"""docs/make_radio.py: what it reads from the worlds is what the radio promises, and the page shows what it drew."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from edge6g_env import load_scenario, radio, scenarios
from edge6g_env.pictures import coverage

DOCS = Path(__file__).parents[2] / "docs"
MOST_BYTES = 200_000  # a picture of a page


@pytest.fixture(scope="module")
def make_radio():
    """The module, with the folder of its neighbours on the path, as when it is run."""
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("make_radio")
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def samples(make_radio):
    return make_radio.radio_samples


@pytest.fixture(scope="module")
def points():
    return coverage.points_of(load_scenario("dense-urban"), 2)


@pytest.fixture(scope="module")
def rows(samples):
    return samples.record("dense-urban", 6.0)


def test_squares_hold_the_ues_that_stand_in_them(points):
    area_m = load_scenario("dense-urban").area_m
    medians = coverage.by_pixel(points, "uplink_sinr_db", area_m, 100.0)
    shares = coverage.share_of_band(points, 1, area_m, 100.0)
    servers = coverage.most_frequent(points, area_m, 100.0)
    assert medians.shape == shares.shape == servers.shape == (4, 8)
    for row, column in np.ndindex(4, 8):
        here = (points["x_m"] // 100.0 == column) & (points["y_m"] // 100.0 == row)
        nodes = points["node"][here].tolist()
        assert here.sum() > 3
        assert medians[row, column] == np.median(points["uplink_sinr_db"][here])
        assert shares[row, column] == np.mean([(node % 8 + node // 8) % 2 for node in nodes])  # bands as a chessboard
        assert nodes.count(int(servers[row, column])) == max(map(nodes.count, nodes))


def test_an_empty_square_is_nan(points):
    area_m = load_scenario("dense-urban").area_m
    corner = {name: values[(points["x_m"] > 100.0) | (points["y_m"] > 100.0)] for name, values in points.items()}
    for values in (
        coverage.by_pixel(corner, "uplink_sinr_db", area_m, 100.0),
        coverage.share_of_band(corner, 1, area_m, 100.0),
        coverage.most_frequent(corner, area_m, 100.0),
    ):
        assert np.isnan(values[0, 0])
        assert np.isfinite(values.ravel()[1:]).all()


def test_levels_keep_to_the_band_that_serves(points):
    """Nobody gets more than all layers of the top MCS (7.41 bit/s/Hz) over what other traffic leaves of the band."""
    scenario = load_scenario("dense-urban")
    for band, name in enumerate(scenario.radio.presets):
        preset, here = radio.preset(name), points["band"] == band
        top_bit_s = preset.max_layers * 7.41 * preset.bandwidth_hz * (1.0 - scenario.radio.background_load)
        assert here.sum() > 20
        assert (points["downlink_bit_s"][here] <= top_bit_s * preset.downlink_share).all()
        assert (points["uplink_bit_s"][here] <= top_bit_s * preset.uplink_share).all()
        assert (points["power_dbm"][here] < preset.ptx_bs_dbm + preset.gain_bs_dbi + preset.gain_ue_dbi).all()


def test_each_scenario_is_in_one_distribution(samples):
    groups = samples.same_radio()
    assert sorted(name for names in groups for name in names) == scenarios()
    for names in groups:
        assert len({load_scenario(name).radio.model_dump_json() for name in names}) == 1


def test_the_bands_share_the_time(samples, make_radio):
    lines = samples.distribution(["dense-urban"], 1, 2.0, 1.0)
    ues = load_scenario("dense-urban").num_ues
    assert sum(line.share for line in lines) == pytest.approx(1.0)
    assert sum(len(line.levels["los"]) for line in lines) == 2 * ues
    table = make_radio.radio_text.table(lines).splitlines()
    assert len(table) == 2 + len(lines)
    assert len({row.count("|") for row in table}) == 1


def test_nothing_is_sent_after_a_handover(rows):
    interruption_s = load_scenario("dense-urban").radio.handover_interruption_s
    changed = np.diff(rows["node"], axis=0) != 0
    assert changed.sum() > 100
    left_s = rows["silent_until_s"] - rows["time_s"][:, None]
    assert left_s[1:][changed] == pytest.approx(interruption_s)
    for way in ("uplink", "downlink"):
        assert (rows[f"{way}_bit_s"][left_s > 0.0] == 0.0).all()
        assert (rows[f"{way}_bit_s"][left_s <= 0.0] > 0.0).mean() > 0.5


def test_the_serving_power_is_filtered(rows):
    """Between handovers the filtered power changes once a measurement period at most, and lies between what it saw."""
    kept = (np.diff(rows["node"], axis=0) == 0).all(axis=0)
    power_dbm = (rows["power_dbm"] + rows["offset_db"])[:, kept]
    filtered_dbm = rows["serving_dbm"][:, kept]
    assert kept.sum() > 20
    assert (np.diff(filtered_dbm, axis=0) != 0.0).sum(axis=0).max() <= round(6.0 / 0.1)
    later = slice(100, None)  # the start, which the filter forgets by half a measurement, is not in the rows
    assert (filtered_dbm[later] <= power_dbm.max(axis=0) + 1e-3).all()
    assert (filtered_dbm[later] >= power_dbm.min(axis=0) - 1e-3).all()


def test_the_window_that_is_shown_has_both(samples, rows):
    u, window = samples.tell_tale(rows, 3.0)
    assert len(np.unique(rows["node"][window, u])) > 1
    assert (rows["blocked"][window, u] * rows["los"][window, u]).any()
    still = {**rows, "node": np.zeros_like(rows["node"])}
    with pytest.raises(ValueError, match="record more seconds"):
        samples.tell_tale(still, 3.0)


def test_pictures_are_drawn(make_radio, samples, rows, tmp_path):
    plots = make_radio.radio_plots
    lines = samples.distribution(["tiny"], 1, 2.0, 1.0)
    figures = (
        make_radio.coverage("tiny", num_worlds=2, pixel_m=20.0).draw(),
        make_radio.coverage("dense-urban", num_worlds=2, pixel_m=20.0).draw(),
        plots.draw_distributions(lines),
        plots.draw_trace("dense-urban", samples.one_ue(rows, *samples.tell_tale(rows, 3.0))),
    )
    for number, figure in enumerate(figures):
        figure.savefig(tmp_path / f"{number}.png", dpi=50)
        named = [axes for axes in figure.axes if axes.get_xlabel() or axes.get_ylabel() or axes.get_title()]
        assert len(named) >= 3
    shown = [axes.lines[0].get_xdata() for axes in figures[2].axes]
    assert [data[-1] for data in shown] == [
        pytest.approx(lines[0].levels[level].max() * scale) for level, _, scale, _ in plots.PANELS
    ]


def test_the_page_tells_what_the_trace_shows(make_radio, samples, rows):
    """Each row of its table against the rows of the window, looked up here by time."""
    u, window = samples.tell_tale(rows, 3.0)
    one = samples.one_ue(rows, u, window)
    text = make_radio.radio_text.trace_text("dense-urban", u, one)
    assert text.startswith(f"UE {u} of `dense-urban`, seed 0, {one['time_s'][0]:.1f} to {one['time_s'][-1]:.1f} s:")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line][2:]
    slot_s = load_scenario("dense-urban").time.slot_s
    handovers = np.flatnonzero(np.diff(one["node"])) + 1
    served = [row for row in cells if row[2].startswith("served by")]
    assert [float(row[0]) for row in served[1:]] == pytest.approx(one["time_s"][handovers], abs=0.051)
    for row in cells:
        middle = np.searchsorted(one["time_s"], 0.5 * (float(row[0]) + float(row[1])))
        if row[2].startswith("served by"):
            node = int(re.match(r"served by node (\d+)", row[2])[1])
            assert one["node"][middle] == node
            assert ("sub-THz" in row[2]) == bool((node % 8 + node // 8) % 2)
        else:
            assert one["blocked" if row[2] == "blocked" else "los"][middle] == (row[2] == "blocked")
    lost_s = sum(float(row[1]) - float(row[0]) for row in cells if row[2] == "out of sight")
    assert lost_s == pytest.approx((one["los"] == 0).sum() * slot_s, abs=0.1 * len(cells))


def test_the_page_tells_what_a_coverage_map_shows(make_radio, points):
    """Its medians from the UEs themselves: none of those near a node, or far from all, lies outside of theirs."""
    text = make_radio.radio_text.coverage_text(load_scenario("dense-urban"), points, 20.0)
    near_db, far_m, far_db = (
        float(re.search(pattern, text)[1])
        for pattern in (r"SINR of (-?\d+) dB", r"Mbit/s, (\d+) m and more", r"from all of them (-?\d+) dB")
    )
    x_m, y_m = np.meshgrid(np.arange(8) * 100.0 + 50.0, np.arange(4) * 100.0 + 50.0)
    distance_m = np.hypot(
        points["x_m"].ravel()[:, None] - x_m.ravel(), points["y_m"].ravel()[:, None] - y_m.ravel()
    ).min(axis=1)
    sinr_db = points["downlink_sinr_db"].ravel()
    near, far = sinr_db[distance_m < 35.0], sinr_db[distance_m > far_m - 15.0]
    assert near.min() <= near_db <= near.max()
    assert far.min() <= far_db <= far.max()
    assert far_m == pytest.approx(np.hypot(40.0, 40.0), abs=6.0)  # a tenth of the squares of 20 m


def test_page_and_pictures_agree(make_radio):
    assert make_radio.kept_problems() == []
    page = (DOCS / "radio.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\(radio/([\w-]+)\.png\)", page)
    assert sorted(shown) == sorted(make_radio.SHOWN) == sorted(path.stem for path in (DOCS / "radio").iterdir())
    for name in shown:
        assert (DOCS / "radio" / f"{name}.png").stat().st_size < MOST_BYTES
        assert len(re.findall(rf"^<!-- /?{name} -->$", page, flags=re.MULTILINE)) == 2


@pytest.fixture
def copy(make_radio, monkeypatch, tmp_path):
    """A page of its own, with the pictures that ship."""
    page = tmp_path / "radio.md"
    page.write_text((DOCS / "radio.md").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(make_radio, "PAGE", page)
    return page


def edit(page, name):
    """One digit of what the page says of a picture is another."""
    text = page.read_text(encoding="utf-8")
    head, tail = text.split(f"<!-- {name} -->\n", 1)
    changed = re.sub(r"\d(?=\D*<!-- /)", lambda found: str((int(found[0]) + 1) % 10), tail, count=1)
    assert changed != tail
    page.write_text(f"{head}<!-- {name} -->\n{changed}", encoding="utf-8")


@pytest.mark.parametrize("name", ["trace", "coverage-campus", "coverage-dense-urban", "distributions"])
def test_a_page_that_describes_another_run_is_found_out(make_radio, copy, name):
    edit(copy, name)
    assert make_radio.kept_problems() == [f"radio/{name}.png shows another run than radio.md describes"]


def test_check_plays_anew_and_fails_where_the_page_differs(make_radio, copy, monkeypatch):
    """What is worked out decides, even where page and picture agree."""
    monkeypatch.setattr(sys, "argv", ["make_radio.py", "--check"])
    page = copy.read_text(encoding="utf-8")
    fresh = {name: make_radio.Content(name, make_radio.said(page, name), lambda: None) for name in make_radio.SHOWN}
    monkeypatch.setattr(make_radio, "contents", lambda: list(fresh.values()))
    make_radio.main()  # agrees, and says nothing
    fresh["trace"] = make_radio.Content("trace", "UE 7 of another run", lambda: None)
    with pytest.raises(SystemExit, match=r"what radio\.md says of radio/trace\.png is out of date"):
        make_radio.main()
    assert copy.read_text(encoding="utf-8") == page


def test_a_picture_of_another_scenario_is_found_out(make_radio, monkeypatch):
    monkeypatch.setattr(make_radio.radio_samples, "radio_fingerprint", lambda scenario: "changed")
    assert [line.split()[0] for line in make_radio.kept_problems()] == [
        f"radio/{name}.png" for name in make_radio.SHOWN
    ]
