"""What a cut gives away: the table of docs/exposure.md at its points, the line between them, raw data at any precision."""

import re
from pathlib import Path

import numpy as np
import pytest

from edge6g_env import costs

DEPTHS = [0.0, 0.11, 0.25, 0.5, 0.75, 1.0]
TABLE = {"strong": [1.0, 0.99, 0.98, 0.95, 0.92, 0.88], "learned": [1.0, 0.83, 0.80, 0.76, 0.75, 0.60]}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "exposure.md"


@pytest.mark.parametrize("attacker", TABLE)
def test_it_is_the_table_at_its_points_and_the_line_between(attacker):
    values = np.array(TABLE[attacker])
    assert costs.exposure(DEPTHS, attacker=attacker) == pytest.approx(values, abs=1e-9)
    for share in (0.25, 0.5, 0.9):
        between = (1 - share) * np.array(DEPTHS[:-1]) + share * np.array(DEPTHS[1:])
        line = (1 - share) * values[:-1] + share * values[1:]
        assert costs.exposure(between, attacker=attacker) == pytest.approx(line, abs=1e-9)


def test_the_page_has_the_same_table():
    rows = re.findall(r"^\| ([\d.]+)[^|]*\| ([\d.]+) j? ?\| ([\d.]+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert pytest.approx(np.array([DEPTHS, *TABLE.values()])) == np.array(rows, float).T


@pytest.mark.parametrize(
    ("precision", "factor"), [("fp32", 1.0), ("bf16", 1.0), ("int8", 1.0), ("fp8", 1.0), ("int4", 0.97)]
)
def test_bits_change_little_and_nothing_of_raw_data(precision, factor):
    found = costs.exposure(DEPTHS, precision)
    assert found[0] == 1.0
    assert found[1:] == pytest.approx(factor * np.array(TABLE["strong"][1:]), abs=1e-9)


@pytest.mark.parametrize("attacker", TABLE)
def test_deeper_cuts_never_give_away_more(attacker):
    found = costs.exposure(np.linspace(0.0, 1.0, 201), attacker=attacker)
    assert (np.diff(found) <= 0.0).all()
    assert found.shape == (201,)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth_share": 1.1}, "depth_share"),
        ({"depth_share": [-0.1]}, "depth_share"),
        ({"depth_share": 0.5, "precision": "int3"}, "precision = 'int3'"),
        ({"depth_share": 0.5, "attacker": "strongest"}, "attacker = 'strongest'"),
    ],
)
def test_what_means_nothing_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        costs.exposure(**options)
