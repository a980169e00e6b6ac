"""Imports go one way, as CONTRIBUTING.md says: a package imports only those below it."""

import ast
from pathlib import Path

import pytest

from edge6g_env.kernel.world import World

ROOT = Path(__file__).parents[2]
LAYERS = ("edge6g_env", "agents", "eval", "train", "bench", "edge6g")  # each above those before it


def imported(path: Path) -> set[str]:
    """Packages of ours that a file imports, at its top or within."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names} & {*LAYERS}


def read_of_worlds(path: Path) -> set[str]:
    """Arrays of a World that a file reads by `.world`, as the kernel has them."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes if isinstance(node.value, ast.Attribute) and node.value.attr == "world"} & {
        *World._fields
    }


@pytest.mark.parametrize("folder", ["agents", "eval", "train", "docs", "examples"])
def test_who_looks_at_a_world_reads_a_snapshot(folder):
    """BatchEnv.snapshot and its other methods say what there is to see: the kernel may lay out its arrays as it likes."""
    files = list((ROOT / folder).rglob("*.py"))
    found = {str(file.relative_to(ROOT)): sorted(read_of_worlds(file)) for file in files}
    assert len(files) > 3
    assert {file: names for file, names in found.items() if names} == {}
    assert read_of_worlds(ROOT / "edge6g_env" / "batch.py") >= {"episode", "actions"}


@pytest.mark.parametrize("package", LAYERS[:-1])
def test_a_package_imports_nothing_from_above_it(package):
    above = LAYERS[LAYERS.index(package) + 1 :]
    files = list((ROOT / package).rglob("*.py"))
    found = {str(file.relative_to(ROOT)): sorted(imported(file) & {*above}) for file in files}
    assert len(files) > 3
    assert {file: names for file, names in found.items() if names} == {}
