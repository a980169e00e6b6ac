"""The pages about the kernel say what the sources say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import edge6g_env
from edge6g_env.kernel.fields import ENTITIES
from edge6g_env.kernel.world import World

DOCS = Path(__file__).parents[2] / "docs"
KERNEL = Path(edge6g_env.__file__).parent / "kernel"


@pytest.mark.parametrize("page", ["state", "families"])
def test_the_page_is_generated(page):
    command = [sys.executable, f"docs/make_{page}.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=KERNEL.parents[1])
    assert done.stdout == (DOCS / f"{page}.md").read_text(encoding="utf-8"), (
        f"regenerate docs/{page}.md with this command"
    )


def test_the_state_page_has_every_field():
    page = (DOCS / "state.md").read_text(encoding="utf-8")
    for name, rows in ENTITIES.items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == [row[0] for row in rows]
    assert set(re.findall(r"^\| `(\w+)` \|", page.split("\n## ")[0], flags=re.MULTILINE)) == set(World._fields)


@pytest.mark.parametrize("page", ["kernel.md"])
def test_the_kernel_page_names_every_module_and_no_other(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    table = text.split("\n## ")[0]
    named = set(re.findall(r"`(\w+)\.py`", table))
    assert named == {path.stem for path in KERNEL.rglob("*.py")} - {"__init__"}
