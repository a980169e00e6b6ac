"""The pages about the kernel say what the sources say."""

import re
from pathlib import Path

import pytest

import edge6g_env
from edge6g_env.kernel import world as k

DOCS = Path(__file__).parents[2] / "docs"
KERNEL = Path(edge6g_env.__file__).parent / "kernel"


def test_the_state_page_is_generated(python):
    code = "import runpy; runpy.run_module('edge6g_env.kernel.world', run_name='__main__')"
    assert python(code) == (DOCS / "state.md").read_text(encoding="utf-8"), (
        "python -m edge6g_env.kernel.world > docs/state.md"
    )


def test_the_state_page_has_every_field():
    page = (DOCS / "state.md").read_text(encoding="utf-8")
    for name, rows in k.ENTITIES.items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == [row[0] for row in rows]
    assert set(re.findall(r"^\| `(\w+)` \|", page.split("\n## ")[0], flags=re.MULTILINE)) == set(k.World._fields)


@pytest.mark.parametrize("page", ["kernel.md"])
def test_the_kernel_page_names_every_module_and_no_other(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    table = text.split("\n## ")[0]
    named = set(re.findall(r"`(\w+)\.py`", table))
    assert named == {path.stem for path in KERNEL.glob("*.py")} - {"__init__"}
