"""The examples of docs/radio.md give the numbers that stand beside them."""

import re
from pathlib import Path

import numpy as np
import pytest

from edge6g_env import radio

PAGE = (Path(__file__).parents[2] / "docs" / "radio.md").read_text(encoding="utf-8")
LINES = [
    line
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if "#" in line
]


def test_examples_of_the_page():
    names = {"radio": radio}
    compared = 0
    for line in LINES:
        code, comment = line.split("#")
        if re.match(r"\w+ = ", code):
            exec(code, names)
            continue
        said = re.findall(r"\d+(?:\.\d+)?", comment.split("bit")[0])
        last_digit = max(10.0 ** -len(number.partition(".")[2]) for number in said)
        assert np.ravel(eval(code, names)) == pytest.approx([float(n) for n in said], abs=0.51 * last_digit), line
        compared += 1
    assert compared == 8
