"""The radio keys of a scenario: what is refused, and that each of those with a default says something else when it is set."""

import pytest

from edge6g_env import batch_env, load_scenario, radio
from tests.looking import Look


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"radio.presets": []}, "radio.presets: List should have at least 1 item"),
        ({"radio.presets": ["fr2_28g", "fr2_29g"]}, "presets: no 'fr2_29g'; did you mean fr2_28g?"),
        ({"radio.cell_offset_db": [0.0, 10.0]}, "cell_offset_db must have one value a preset, 1"),
        ({"radio.cell_offset_db": [50.0]}, "radio.cell_offset_db[0] = 50.0"),
        ({"radio.rain_mm_per_h": -1.0}, "radio.rain_mm_per_h = -1.0"),
        ({"radio.rain_mm_per_h": 201.0}, "radio.rain_mm_per_h = 201.0"),
        ({"radio.blockers_per_m2": 1.5}, "radio.blockers_per_m2 = 1.5"),
        ({"radio.background_load": 1.0}, "radio.background_load = 1.0"),
        ({"radio.candidate_cells": 0}, "radio.candidate_cells = 0"),
        ({"radio.filter_coefficient": 20}, "radio.filter_coefficient = 20"),
        ({"radio.time_to_trigger_s": -0.1}, "radio.time_to_trigger_s = -0.1"),
        ({"radio.measurement_period_s": 0.0}, "radio.measurement_period_s = 0.0"),
        ({"radio.beam_tracking_s": 0.0}, "radio.beam_tracking_s = 0.0"),
        ({"radio.link_step_m": 0.0}, "radio.link_step_m = 0.0"),
        (
            {"radio.environment": "RMa", "radio.presets": ["subthz_140g"]},
            "subthz_140g has 140 GHz, RMa is valid up to 30",
        ),
        (
            {"radio.environment": "InH-Office-open"},
            "nodes.spacing_m: links are up to 632 m long, InH-Office-open is valid",
        ),
        (
            {"radio.environment": "InF-DH", "ues.indoor_share": 0.5, "nodes.spacing_m": 20.0},
            "ues.indoor_share must be 0",
        ),
        ({"ues.indoor_share": 1.5}, "ues.indoor_share = 1.5"),
        ({"ues.building": "tall"}, "ues.building = 'tall': Input should be 'low' or 'high'"),
    ],
)
def test_a_radio_that_cannot_be_is_refused(overrides, line, refusal):
    found = refusal("tiny", **overrides)
    assert all(part.startswith("tiny.toml: ") for part in found)
    assert any(line in part for part in found), found


@pytest.mark.parametrize("name", radio.presets())
def test_every_preset_has_a_world_with_its_link_budget_and_latencies(name):
    """Beside the presets' own numbers: means of access latencies, with and without a configured grant, and efficiencies."""
    preset = radio.preset(name)
    for configured in (True, False):
        band = Look(batch_env("tiny", 1, **{"radio.presets": [name], "radio.configured_grant": configured})).bands[0]
        for key in (
            "carrier_ghz",
            "bandwidth_hz",
            "ptx_bs_dbm",
            "ptx_ue_dbm",
            "p0_dbm",
            "path_loss_share",
            "max_layers",
        ):
            assert band[key] == getattr(preset, key), key
        assert band["gain_db"] == preset.gain_bs_dbi + preset.gain_ue_dbi - preset.misalignment_db
        assert band["uplink_access_s"] == preset.uplink_grant_latency_s
        stream_s = preset.uplink_configured_latency_s if configured else preset.uplink_grant_latency_s
        assert band["uplink_stream_s"] == stream_s
        assert band["downlink_access_s"] == preset.downlink_latency_s
        assert band["uplink_efficiency"] == pytest.approx(0.2 * (1.0 - preset.overhead_uplink))  # one slot of DDDSU
        assert band["downlink_efficiency"] == pytest.approx(0.75 * (1.0 - preset.overhead_downlink))


def test_what_has_a_default_is_off_by_default():
    options = load_scenario("tiny", radio={"background_load": 0.0}).radio
    assert (options.rain_mm_per_h, options.blockers_per_m2, options.cell_offset_db, options.link_step_m) == (
        0,
        0,
        None,
        1,
    )
    assert load_scenario("tiny").ues.indoor_share == 0.0
