"""Whatever is no number is refused by name, with its range, by every public function that takes numbers or arrays."""

import math

import numpy as np
import pytest

from edge6g_env import radio

CALLS = {
    radio.wall_loss_db: {"carrier_ghz": 28.0, "building": "low"},
    radio.wall_std_db: {"carrier_ghz": 28.0, "building": "low"},
    radio.gas_attenuation_db_per_km: {"frequency_ghz": 28.0},
    radio.rain_attenuation_db_per_km: {"frequency_ghz": 28.0, "rain_mm_per_h": 5.0, "polarisation": "h"},
    radio.blockage_loss_db: {"carrier_ghz": 28.0, "los": True},
    radio.blocked_share: {"distance_2d_m": 50.0, "h_bs_m": 10.0, "h_ut_m": 1.3, "blockers_per_m2": 0.01},
    radio.los_probability: {"environment": "UMa", "distance_2d_m": 50.0, "h_ut_m": 1.5},
    radio.path_loss_db: {
        "environment": "InF-DL",
        "los": 1,
        "distance_2d_m": 50.0,
        "h_bs_m": 1.5,
        "h_ut_m": 1.5,
        "carrier_ghz": 28.0,
    },
    radio.spectral_efficiency: {"sinr_db": 10.0},
    radio.environment: {"name": "UMa", "carrier_ghz": 28.0},
    radio.median_delay_spread_s: {"environment_name": "UMa", "los": True, "carrier_ghz": 28.0},
    radio.coherence_bandwidth_hz: {"environment_name": "UMa", "los": True, "carrier_ghz": 28.0},
}
ONE_NUMBER = [
    radio.blockage_loss_db,
    radio.environment,
    radio.median_delay_spread_s,
    radio.coherence_bandwidth_hz,
]
NUMBERS = [
    (function, name)
    for function, arguments in CALLS.items()
    for name, value in arguments.items()
    if not isinstance(value, str | bool)
]


@pytest.mark.parametrize("wrong", ["a", "28", None, [1.0, [2.0]], 1j, 10**400, {}], ids=lambda w: str(w)[:12])
@pytest.mark.parametrize(("function", "name"), NUMBERS)
def test_no_number(function, name, wrong):
    with pytest.raises(ValueError, match=rf"^{name} = .* is outside .*; not a number$"):
        function(**CALLS[function] | {name: wrong})


@pytest.mark.parametrize(("function", "name"), NUMBERS)
@pytest.mark.parametrize("number", [np.float32, np.array, np.int64])
def test_numbers_of_any_kind(function, name, number):
    whole = {n: round(v) or 1 if n == name else v for n, v in CALLS[function].items() if n == name}
    assert np.all(function(**CALLS[function] | {name: number(whole[name])}) == function(**CALLS[function] | whole))


@pytest.mark.parametrize("function", ONE_NUMBER)
def test_an_array_where_one_number_is_taken(function):
    with pytest.raises(ValueError, match=r"^carrier_ghz = \[28.0\] is outside .*; not one number$"):
        function(**CALLS[function] | {"carrier_ghz": [28.0]})


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("function", ONE_NUMBER[1:])
def test_a_carrier_above_0(function, wrong):
    with pytest.raises(ValueError, match=rf"^carrier_ghz = {wrong} is outside its range: above 0 GHz$"):
        function(**CALLS[function] | {"carrier_ghz": wrong})
