"""The version of compiled code: all that is compiled is in it, and nothing else."""

from __future__ import annotations

import dis
import importlib
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType

import pytest
from numba.core import config

import edge6g_env
from edge6g_env import _jit

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")

PACKAGE = Path(edge6g_env.__file__).parent


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the package whose version is asked for, in a process that has imported it as it is; its cache is empty."""
    copy = tmp_path / "edge6g_env"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "data", "scenarios", "traces"))
    monkeypatch.setenv("EDGE6G_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_jit, "_PACKAGE", copy)
    monkeypatch.setattr(_jit, "_IMPORTED", _jit._stamps())
    _jit._deciding.cache_clear()
    _jit.version.cache_clear()
    yield copy
    _jit._deciding.cache_clear()
    _jit.version.cache_clear()


def edit(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")


@pytest.mark.parametrize("name", ["costs/prices.py", "costs/fit.py", "scenario.py", "batch.py"])
def test_an_edit_of_what_is_not_compiled_leaves_the_version(package: Path, name: str):
    before = _jit._source_hash()
    edit(package / name)
    assert _jit._source_hash() == before
    assert _jit.version() == before


@pytest.mark.parametrize(
    "name",
    [
        "kernel/traffic.py",
        "kernel/codes.py",  # constants
        "radio/penetration.py",  # constants, by way of radio
        "radio/__init__.py",  # passes names on
        "costs/formulas.py",
        "kernel/handle.py",  # how compiled code reads a world
        "_inner.py",
        "_jit.py",
    ],
)
def test_an_edit_of_what_is_compiled_is_another_version(package: Path, name: str):
    before = _jit._source_hash()
    edit(package / name)
    assert _jit._source_hash() != before
    assert _jit.version() not in (
        before,
        _jit._source_hash(),
    )  # asked for when the process may have imported the old one


def test_a_file_that_somebody_is_writing_is_another_version(package: Path):
    before = _jit._source_hash()
    with (package / "kernel" / "rows.py").open("a") as file:
        file.write("def half_")
    assert _jit._source_hash() != before
    assert _jit.version() not in (before, _jit._source_hash())


def test_a_constant_counts_through_what_it_is_made_of(package: Path):
    """A new file of a number, from which a constant of another file is made, that a compiled function takes from a third."""
    (package / "numbers.py").write_text("HALF = 0.5\nOTHER = 1.0\n")
    codes, future = package / "kernel" / "codes.py", "from __future__ import annotations\n"
    text = codes.read_text(encoding="utf-8").replace(
        future, future + "\nfrom edge6g_env.numbers import HALF\n\nDOUBLE = _twice()\n", 1
    )
    codes.write_text(text + "\n\ndef _twice():\n    return 2 * HALF\n", encoding="utf-8")
    assert "numbers.py" not in _jit._deciding(_jit._contents(_jit._stamps()))
    rows = package / "kernel" / "rows.py"
    rows.write_text(
        rows.read_text(encoding="utf-8")
        + "\n\nfrom edge6g_env.kernel import codes\n\n\n@njit_inner\ndef new(x):\n    return codes.DOUBLE * x\n"
    )
    assert "numbers.py" in _jit._deciding(_jit._contents(_jit._stamps()))


def test_the_files_are_found_once_for_the_same_sources(package: Path, monkeypatch: pytest.MonkeyPatch):
    found, count = _jit.deciding_files, []
    monkeypatch.setattr(_jit, "deciding_files", lambda texts: count.append(1) or found(texts))
    first = _jit._source_hash()
    kept = package.parent / "cache" / "numba" / "sources.json"
    for content, searches in ((None, 1), ("", 2), ("[1]", 3), (None, 3)):
        if content is not None:
            kept.write_text(content)
        _jit._deciding.cache_clear()
        assert _jit._source_hash() == first
        assert len(count) == searches


def loaded(code: CodeType) -> Iterator[tuple[str, str]]:
    """(global, attribute of it or nothing) of all that a function loads."""
    instructions = list(dis.get_instructions(code))
    for one, after in zip(instructions, [*instructions[1:], None], strict=True):
        if one.opname == "LOAD_GLOBAL":
            yield one.argval, after.argval if after and after.opname in ("LOAD_ATTR", "LOAD_METHOD") else ""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from loaded(inner)


def origins(module: ModuleType, name: str) -> Iterator[str]:
    """Files through which a module has a name: its own, and those that it is imported from."""
    text = Path(module.__file__).read_text(encoding="utf-8")
    yield Path(module.__file__).relative_to(PACKAGE).as_posix()
    for origin, names in re.findall(r"^from (edge6g_env\S*) import (\([^)]*\)|.*)", text, re.MULTILINE):
        if re.search(rf"\b{name}\b", names) and not hasattr(sys.modules.get(f"{origin}.{name}"), "__file__"):
            yield from origins(sys.modules[origin], name)


def test_all_that_compiled_functions_refer_to_is_in_the_version():
    for module in pkgutil.walk_packages(edge6g_env.__path__, "edge6g_env."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    modules = [one for name, one in sys.modules.items() if name.startswith("edge6g_env.") and hasattr(one, "__file__")]
    deciding, seen = set(_jit._deciding(_jit._contents(_jit._stamps()))), set()
    for module in modules:
        for one in [one for one in vars(module).values() if getattr(one, "__module__", "") == module.__name__]:
            if not hasattr(one, "py_func"):
                continue
            own = {*origins(module, one.__name__)}
            for name, attribute in loaded(one.py_func.__code__):
                value = one.py_func.__globals__.get(name)
                if isinstance(value, ModuleType) and value.__name__.startswith("edge6g_env"):
                    own |= {*origins(value, attribute)}
                elif value is not None:
                    own |= {*origins(module, name)}
            assert own <= deciding, (module.__name__, one.__name__, own - deciding)
            seen |= own
    assert len(seen) > 40
    assert deciding - seen == {"_jit.py", "_inner.py", "kernel/handle.py"}  # how it is compiled
