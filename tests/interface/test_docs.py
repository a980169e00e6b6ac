"""The examples of docs/interface.md run as they stand, one after another."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "interface.md"


def test_the_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 5
    for number, block in enumerate(blocks):
        exec(compile(block, f"{PAGE.name}, example {number}", "exec"), {})
