"""A traced UE against the laws of its parts: shadowing, line of sight, blockage, taps, budget, seeds, errors."""

import math

import numpy as np
import pytest

from edge6g_env import radio
from edge6g_env.radio import ue_trace
from edge6g_env.radio._data import rows

NAMES = [
    "UMi-StreetCanyon",
    "UMa",
    "RMa",
    "InH-Office-mixed",
    "InH-Office-open",
    "InF-SL",
    "InF-DL",
    "InF-SH",
    "InF-DH",
    "InF-HH",
]
SPEED_M_S = 10.0


def walked(name, step_m, n, seed, carrier_ghz=3.5):
    """Trace of n rows that are step_m apart."""
    dt_s = step_m / SPEED_M_S
    return radio.trace(name, carrier_ghz, SPEED_M_S, n * dt_s, dt_s, seed)


def distance_m(trace):
    return np.hypot(*trace["position_m"].T)


def stays(mask, k):
    """Whether mask holds at i, i + 1, .., i + k, for each i."""
    outside = np.concatenate(([0], np.cumsum(~mask)))
    return outside[k + 1 :] == outside[: -k - 1]


def states(name):
    """(los, sigma_db, decorrelation distance in m) of each state that occurs."""
    env = radio.environment(name)
    both = [(1, env.sigma_los_db, env.shadow_corr_los_m), (0, env.sigma_nlos_db, env.shadow_corr_nlos_m)]
    return both[:1] if name == "InF-HH" else both


@pytest.mark.parametrize("name", NAMES)
def test_shadowing_std_and_correlation(name):
    """1/e at the decorrelation distance of the state, and the std of the state."""
    k = 5  # rows in a decorrelation distance
    for los, sigma_db, corr_m in states(name):
        products, pairs, squares, count = 0.0, 0, 0.0, 0
        for seed in range(4):
            trace = walked(name, corr_m / k, 60_000, seed)
            mine = trace["los"] == los
            shadow_db = trace["shadow_db"]
            both = stays(mine, k)
            if (
                both.sum() < 2_000
            ):  # dense halls: states last a metre; both states have one decorrelation distance there
                sigma_of = {state: sigma for state, sigma, _ in states(name)}
                shadow_db = sigma_db * shadow_db / np.where(trace["los"] == 1, sigma_of[1], sigma_of[0])
                mine = np.ones(mine.shape, dtype=bool)
                both = stays(mine, k)
            products += (shadow_db[k:] * shadow_db[:-k])[both].sum() / sigma_db**2
            pairs += both.sum()
            squares += (shadow_db[mine] ** 2).sum()
            count += mine.sum()
        assert products / pairs == pytest.approx(1 / math.e, abs=0.03 if pairs > 50_000 else 0.06)
        assert math.sqrt(squares / count) == pytest.approx(sigma_db, rel=0.03)


def test_shadowing_std_beyond_the_break_point_of_rma():
    trace = walked("RMa", 40.0, 100_000, 1, carrier_ghz=0.7)
    dbp_m = radio.breakpoint_m(radio.RMA, 35.0, 1.5, 0.7)
    for far, sigma_db in ((False, 4.0), (True, 6.0)):
        mine = (trace["los"] == 1) & ((distance_m(trace) > dbp_m) == far)
        assert mine.sum() > 5_000
        assert trace["shadow_db"][mine].std() == pytest.approx(sigma_db, rel=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_line_of_sight_share_and_memory(name):
    env, k = radio.environment(name), 5
    share, expected = [], []
    for seed in range(3):
        trace = walked(name, env.los_corr_m / k, 60_000, seed)
        share.append(trace["los"].mean())
        expected.append(radio.los_probability(name, distance_m(trace), env.h_ut_m).mean())
        same = (trace["los"][1:] == trace["los"][:-1]).mean()
        assert (
            same > share[-1] ** 2 + (1 - share[-1]) ** 2 or share[-1] == 1.0
        )  # a draw a row would flip as often as that
    assert np.mean(share) == pytest.approx(np.mean(expected), abs=0.02)


@pytest.mark.parametrize("name", ["UMi-StreetCanyon", "RMa", "InH-Office-open", "InF-SL", "InF-HH"])
def test_blockage_share(name):
    env = radio.environment(name)
    trace = radio.trace(name, 3.5, 1.5, 1.2e6, 3.0, 5)
    h_ut_m = env.h_ut_m if name == "InF-HH" else radio.BLOCKED_UE_HEIGHT_M  # in InF-HH it stands above the heads
    expected = np.mean(radio.blocked_share(distance_m(trace), env.h_bs_m, h_ut_m))
    assert trace["blocked"].mean() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("row", rows("fading_correlation.csv"), ids=lambda r: "-".join(list(r.values())[:3]))
def test_tap_correlation_of_every_reference_row(row):
    dt_s = float(row["dt_ms"]) / 1e3
    speed_m_s, carrier_ghz = float(row["speed_kmh"]) / 3.6, float(row["carrier_ghz"])
    trace = radio.trace("UMi-StreetCanyon", carrier_ghz, speed_m_s, 12_000 * dt_s, dt_s, 4)
    g = trace["tap_re"] + 1j * trace["tap_im"]
    measured = np.vdot(g[:-1], g[1:]) / np.linalg.norm(g[:-1]) / np.linalg.norm(g[1:])
    assert measured.real == pytest.approx(float(row["ou_coefficient_exp_1931_fd_dt"]), abs=0.03)
    assert measured.imag == pytest.approx(0.0, abs=0.04)


@pytest.mark.parametrize("steps", [1, 4, 32])
def test_taps_meet_clarkes_correlation_at_its_0_7_point_for_every_dt(steps):
    special = pytest.importorskip("scipy.special")
    speed_m_s, carrier_ghz = 30.0, 28.0
    lag_s = 0.179 / (speed_m_s * carrier_ghz * 1e9 / 299_792_458.0)
    n = 40_000 * steps
    trace = radio.trace("UMi-StreetCanyon", carrier_ghz, speed_m_s, n * lag_s / steps, lag_s / steps, 2)
    g = trace["tap_re"] + 1j * trace["tap_im"]
    measured = np.mean(np.conj(g[:-steps]) * g[steps:]).real
    assert special.j0(2 * math.pi * 0.179) == pytest.approx(0.7, abs=0.01)
    assert measured == pytest.approx(special.j0(2 * math.pi * 0.179), abs=0.03)


@pytest.mark.parametrize("name", ["UMi-StreetCanyon", "InH-Office-open", "InF-SL"])
def test_fading_has_unit_power_and_a_ray_in_sight_only(name):
    trace = radio.trace(name, 28.0, 20.0, 60_000 * 0.01, 0.01, 6)
    tap_power = trace["tap_re"] ** 2 + trace["tap_im"] ** 2
    power = 10 ** (trace["fading_db"] / 10)
    los = trace["los"] == 1
    assert tap_power.mean() == pytest.approx(1.0, abs=0.03)
    assert power[~los] == pytest.approx(np.maximum(tap_power[~los], 1e-30))
    assert power[los].mean() == pytest.approx(1.0, abs=0.03)
    # Rician: var |h|^2 = 1 - (K/(K+1))^2, averaged over the normal K in dB (Gauss-Hermite by a fine grid)
    env, z = radio.environment(name), np.linspace(-6, 6, 2_001)
    k = 10 ** ((env.k_mean_db + env.k_std_db * z) / 10)
    expected = np.average(1 - (k / (k + 1)) ** 2, weights=np.exp(-z * z / 2))
    assert power[los].var() == pytest.approx(expected, rel=0.1)


def budget_sinr_db(name, carrier_ghz, cell, trace):
    """Mean SINR of each row from public functions; for slow UEs, whose beams lose nothing by their age."""
    env = radio.environment(name, carrier_ghz)
    d2_m, los = distance_m(trace), trace["los"]
    d3_m = np.hypot(d2_m, env.h_bs_m - env.h_ut_m)
    loss_db = radio.path_loss_db(name, los, d2_m, env.h_bs_m, env.h_ut_m, carrier_ghz) + trace["shadow_db"]
    loss_db += radio.gas_attenuation_db_per_km(carrier_ghz) * d3_m / 1e3
    loss_db += trace["blocked"] * np.array([radio.blockage_loss_db(carrier_ghz, state) for state in (0, 1)])[los]
    eirp_dbm = cell.ptx_bs_dbm + cell.gain_bs_dbi + cell.gain_ue_dbi - cell.misalignment_db
    return eirp_dbm - loss_db - radio.noise_dbm(cell.bandwidth_hz, cell.noise_figure_ue_db)


@pytest.mark.parametrize(
    ("name", "carrier_ghz", "preset"),
    [
        ("UMi-StreetCanyon", 3.5, "fr1_3g5_micro"),
        ("UMa", 3.0, "fr1_3g5_macro"),
        ("UMi-StreetCanyon", 60.0, "fr2_28g"),
        ("UMa", 183.3, "subthz_140g"),
        ("InF-DL", 9.0, "fr3_7g"),
        ("InH-Office-mixed", 140.0, "subthz_140g"),
    ],
)
def test_sinr_is_the_budget_over_rayleigh_taps_under_the_evm_floor(name, carrier_ghz, preset):
    """Out of sight, in mean and spread, against 8 Rayleigh taps drawn in numpy."""
    cell = radio.preset(preset)
    trace = radio.trace(name, carrier_ghz, 1.0, 30_000.0, 0.5, 3)
    mine = trace["los"] == 0
    mean_db = budget_sinr_db(name, carrier_ghz, cell, trace)[mine]
    g = np.random.default_rng(1).standard_normal((mean_db.size, 8, 2)) * math.sqrt(0.5)
    bits = np.log2(1 + (g**2).sum(axis=-1) * 10 ** (mean_db[:, None] / 10) / 1.6).mean(axis=-1)
    noise_share = 1 / (1.6 * (2**bits - 1)) + 10 ** (-cell.evm_db / 10)
    expected_db = -10 * np.log10(noise_share)
    difference_db = trace["sinr_db"][mine] - expected_db
    assert difference_db.mean() == pytest.approx(0.0, abs=0.1)
    assert trace["sinr_db"][mine].std() == pytest.approx(expected_db.std(), rel=0.02, abs=0.01)
    assert trace["sinr_db"].max() <= cell.evm_db


def test_a_fast_beam_lags_behind():
    """At 140 GHz and indoor distances beams of 2.9 degrees lose by their age, and only there."""
    medians_db = {
        (carrier, speed): np.median(radio.trace("InH-Office-mixed", carrier, speed, 40_000, 2.0, 9)["sinr_db"])
        for carrier in (3.5, 140.0)
        for speed in (1.0, 100.0)
    }
    assert medians_db[3.5, 1.0] - medians_db[3.5, 100.0] < 0.3
    assert medians_db[140.0, 1.0] - medians_db[140.0, 100.0] > 1.0


def test_blockage_costs_over_50_ms():
    """With short steps the SINR of a still UE slides; in sight, at 140 GHz."""
    trace = radio.trace("InF-SL", 140.0, 0.0, 400.0, 0.005, 11)
    changes = np.flatnonzero(np.diff(trace["blocked"])) + 1
    calm = changes[1:-1][(np.diff(changes)[:-1] > 40) & (np.diff(changes)[1:] > 40)]
    assert calm.size > 5
    for i in calm:
        before, during, after = trace["sinr_db"][[i - 1, i + 4, i + 12]]
        assert min(before, after) < during < max(before, after)
        assert trace["sinr_db"][i + 9] == pytest.approx(after)


def test_first_rows_are_stationary():
    """Row 0 over seeds has the law of later rows."""
    first = [radio.trace("UMi-StreetCanyon", 28.0, 1.0, 1.0, 1.0, seed) for seed in range(3_000)]
    columns = {name: np.concatenate([trace[name] for trace in first]) for name in first[0]}
    env, los = radio.environment("UMi-StreetCanyon"), columns["los"] == 1
    assert columns["shadow_db"][los].std() == pytest.approx(env.sigma_los_db, rel=0.06)
    assert columns["shadow_db"][~los].std() == pytest.approx(env.sigma_nlos_db, rel=0.06)
    d2_m = np.hypot(*columns["position_m"].T)
    assert los.mean() == pytest.approx(radio.los_probability("UMi-StreetCanyon", d2_m, 1.5).mean(), abs=0.02)
    assert columns["blocked"].mean() == pytest.approx(radio.blocked_share(d2_m, 10.0).mean(), abs=0.01)
    assert (columns["tap_re"] ** 2 + columns["tap_im"] ** 2).mean() == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("name", ["UMi-StreetCanyon", "RMa", "InF-DH"])
def test_steps_of_many_metres_are_independent_rows(name):
    trace = radio.trace(name, 3.5, 500.0, 30_000 * 10.0, 10.0, 8)
    for column in ("shadow_db", "tap_re", "los"):
        x = trace[column] - trace[column].mean()
        assert np.mean(x[1:] * x[:-1]) / x.var() == pytest.approx(0.0, abs=0.1 if column == "los" else 0.03)


def test_a_still_ue_keeps_its_place_and_its_channel():
    trace = radio.trace("UMa", 28.0, 0.0, 2_000.0, 0.1, 12)
    for column in ("position_m", "los", "shadow_db", "fading_db", "tap_re", "tap_im"):
        assert (trace[column] == trace[column][0]).all()
    assert 0 < trace["blocked"].mean() < 1  # people still walk past


@pytest.mark.parametrize(
    ("name", "half_m"), [("UMi-StreetCanyon", 200), ("UMa", 200), ("RMa", 1000), ("InH-Office", 30), ("InF-SL", 30)]
)
def test_fills_its_square(name, half_m):
    reach_m = np.abs(walked(name, half_m / 20, 20_000, 1)["position_m"]).max(axis=0)
    assert reach_m == pytest.approx([half_m, half_m], rel=0.05)
    assert (reach_m <= half_m).all()


@pytest.mark.parametrize("name", [*NAMES, "InH-Office"])
@pytest.mark.parametrize("carrier_ghz", [0.5, 28.0, 60.0, 100.0, 101.0, 300.0])
def test_every_environment_is_finite_at_every_carrier(name, carrier_ghz):
    carrier_ghz = min(carrier_ghz, 30.0) if name == "RMa" else carrier_ghz
    trace = radio.trace(name, carrier_ghz, 3.0, 30.0, 0.1, 1)
    for column, values in trace.items():
        assert values.shape == ((300, 2) if column == "position_m" else (300,))
        assert np.isfinite(values).all(), column
    for column in ("los", "blocked"):
        assert set(trace[column]) <= {0, 1}


def test_one_seed_one_trace_and_a_longer_one_begins_with_it(monkeypatch):
    arguments = ("UMi-StreetCanyon", 28.0, 3.0)
    short, again, longer, other = (
        radio.trace(*arguments, seconds, 0.01, seed) for seconds, seed in ((5, 1), (5, 1), (12, 1), (5, 2))
    )
    monkeypatch.setattr(ue_trace, "_CHUNK_ROWS", 37)
    pieces = radio.trace(*arguments, 12, 0.01, 1)
    for column, values in short.items():
        assert (values == again[column]).all()
        assert (values == longer[column][:500]).all()
        assert (longer[column] == pieces[column]).all()
    for column in ("position_m", "shadow_db", "tap_re", "tap_im", "fading_db", "sinr_db"):
        assert (short[column] != other[column]).any()


@pytest.mark.parametrize(("seconds", "dt_s", "n"), [(1.0, 0.1, 10), (1, 1, 1), (1.0, 0.3, 3), (1.4, 1.0, 1)])
def test_number_of_rows(seconds, dt_s, n):
    assert len(radio.trace("UMa", 3.5, 1, seconds, dt_s, np.int64(0))["los"]) == n


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"environment": "UMb"}, r"'UMb'; one of UMi-StreetCanyon"),
        ({"carrier_ghz": 0.4}, r"carrier_ghz = 0.4 .* 0.5 to 300 GHz"),
        ({"carrier_ghz": 301.0}, r"carrier_ghz = 301 .* 0.5 to 300 GHz"),
        ({"environment": "RMa", "carrier_ghz": 31.0}, r"carrier_ghz = 31 .* 0.5 to 30 GHz"),
        ({"carrier_ghz": math.nan}, r"carrier_ghz = nan"),
        ({"speed_m_s": -1.0}, r"speed_m_s = -1 .* 0 to 1000 m/s"),
        ({"speed_m_s": math.nan}, r"speed_m_s = nan"),
        ({"dt_s": 0.0}, r"dt_s = 0.0 .* above 0 s"),
        ({"dt_s": math.nan}, r"dt_s = nan .* above 0 s"),
        ({"dt_s": math.inf}, r"dt_s = inf .* above 0 s"),
        ({"seconds": 0.05}, r"seconds = 0.05 is outside its range: finite and at least 0.1 s \(one dt_s\)"),
        ({"seconds": math.nan}, r"seconds = nan"),
        ({"seconds": math.inf}, r"seconds = inf"),
        ({"seed": -1}, r"seed = -1 .* an integer, 0 or more"),
        ({"seed": 1.5}, r"seed = 1.5 .* an integer, 0 or more"),
        ({"seed": None}, r"seed = None .* an integer, 0 or more"),
        ({"seed": "one"}, r"seed = 'one' .* an integer, 0 or more"),
        ({"seed": np.arange(2)}, r"seed = array.* an integer, 0 or more"),
        ({"environment": None}, r"unknown environment None; one of UMi-StreetCanyon"),
        ({"environment": ["UMa"]}, r"unknown environment \['UMa'\]; one of UMi-StreetCanyon"),
        (
            {"carrier_ghz": [3.5, 28.0]},
            r"carrier_ghz = \[3.5, 28.0\] is outside 0.5 to 300 GHz \(UMa\); not one number",
        ),
        ({"carrier_ghz": "a"}, r"carrier_ghz = 'a' is outside 0.5 to 300 GHz \(UMa\); not a number"),
        ({"speed_m_s": None}, r"speed_m_s = None is outside 0 to 1000 m/s; not a number"),
        ({"speed_m_s": np.ones(1)}, r"speed_m_s = array.* is outside 0 to 1000 m/s; not one number"),
        ({"dt_s": None}, r"dt_s = None .* above 0 s; not a number"),
        ({"dt_s": "0.1"}, r"dt_s = '0.1' .* above 0 s; not a number"),
        ({"dt_s": np.array([0.1, 0.2])}, r"dt_s = array.* above 0 s; not one number"),
        ({"seconds": None}, r"seconds = None is outside its range: finite and at least 0.1 s .*; not a number"),
        (
            {"seconds": [1.0, 2.0]},
            r"seconds = \[1.0, 2.0\] is outside its range: finite and at least 0.1 s .*; not one number",
        ),
        ({"seconds": 2e7}, r"seconds = 2e\+07 is outside 1 to 100,000,000 rows of dt_s = 0.1 s"),
        ({"seconds": 1e300, "dt_s": 1e-300}, r"seconds = 1e\+300 is outside 1 to 100,000,000 rows"),
    ],
)
def test_errors_name_the_argument_and_its_range(changed, named):
    arguments = {
        "environment": "UMa",
        "carrier_ghz": 3.5,
        "speed_m_s": 1.0,
        "seconds": 1.0,
        "dt_s": 0.1,
        "seed": 0,
    } | changed
    with pytest.raises(ValueError, match=named):
        radio.trace(**arguments)
