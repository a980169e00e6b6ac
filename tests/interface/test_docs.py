"""The examples of docs/interface.md, docs/libraries.md and docs/looking.md run as they stand, one after another."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NO_DEPENDENCY = ("torchrl", "supersuit")


def _blocks(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)


BLOCKS = [
    (page, number) for page in ("interface.md", "libraries.md", "looking.md") for number in range(len(_blocks(page)))
]


def test_there_are_examples():
    assert len(BLOCKS) >= 9


@pytest.mark.parametrize(("page", "number"), BLOCKS)
def test_an_example_runs(page, number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    block = _blocks(page)[number]
    for library in NO_DEPENDENCY:
        if library in block and find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    exec(compile(block, f"{page}, example {number}", "exec"), {})
