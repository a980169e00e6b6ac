"""The package as a whole: what it imports, and that it works without the compiler."""

import json
import os
import subprocess
import sys

import pytest

from edge6g_env import radio

SAMPLE = """
import json, numpy as np
from edge6g_env import radio
powers = np.array([0.2, 1.0, 2.5])
print(json.dumps([
    [radio.path_loss_db(n, los, [20.0, 90.0], 10.0, 1.5, f).tolist()
     for n in ("UMi-StreetCanyon", "UMa", "RMa", "InH-Office", "InF-DL", "InF-SH")
     for los in (0, 1) for f in (2.0, 28.0)],
    [radio.los_probability(n, 30.0, 1.5, 10.0)
     for n in ("UMi-StreetCanyon", "UMa", "RMa", "InH-Office-open", "InF-DL", "InF-SH", "InF-HH")],
    radio.spectral_efficiency([-20.0, 3.0, 40.0]).tolist(),
    radio.path_loss_db("UMa", False, 100.0, 25.0, 1.5, 140.0),
    radio.fading_step(0.3, -0.2, 0.9, 1.1, -0.4),
    radio.effective_sinr_db(powers, 12.0), radio.effective_sinr_db(np.zeros(2), 12.0),
    radio.uplink_power_dbm(23.0, -76.0, 0.8, 100.0, 1e6), radio.layers_of(15.0, 4),
    radio.tap_count(1e8, 5e6, 10.0, 0.01),
    [column[::40].tolist() for n in ("UMi-StreetCanyon", "RMa", "InF-HH")
     for column in radio.trace(n, 8.0, 20.0, 8.0, 0.02, 5).values()],
    radio.blocked_share([10.0, 200.0], 10.0).tolist(), radio.wall_loss_db([2.0, 28.0], "high").tolist(),
    [radio.pointing_loss_db(v, 9.0, 0.02, radio.beamwidth_deg(36.0)) for v in (0.0, 30.0)],
    [radio.access_wait_s(x, 4, 0.5e-3, 2.5e-3) for x in (0.1, 0.59, 0.61)],
    radio.block_error_rate_of(5.0, -4.3, 4.8), radio.normal_cdf(-9.0), radio.with_evm_floor_db(25.0, 30.0),
]))
"""


def run(code, **variables):
    environment = os.environ | variables
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=os.getcwd(), check=True, capture_output=True, text=True
    ).stdout


def flattened(value):
    return [x for part in value for x in flattened(part)] if isinstance(value, list) else [value]


def test_same_numbers_without_the_compiler():
    compiled, interpreted = (json.loads(run(SAMPLE, NUMBA_DISABLE_JIT=off)) for off in ("0", "1"))
    assert flattened(interpreted) == pytest.approx(flattened(compiled), rel=1e-12)


def test_needs_no_pandas_and_scipy_for_gas_alone():
    gas, rest = (
        "radio.gas_attenuation_db_per_km(60.0)",
        "radio.rain_attenuation_db_per_km(60.0, 5.0, 'h'), radio.spectral_efficiency(9.0)",
    )
    for without, numbers in (("pandas=None", gas), ("pandas=None, scipy=None", rest)):
        code = f"from edge6g_env import radio; print({numbers})"
        assert run(f"import sys; sys.modules.update({without})\n{code}") == run(code)


def test_all_names_exist_once():
    assert len(set(radio.__all__)) == len(radio.__all__)
    assert all(hasattr(radio, name) for name in radio.__all__)
