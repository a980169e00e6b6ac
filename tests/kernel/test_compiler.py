"""How the kernel is compiled: functions for callers only have no machine code, and the first call says that it compiles."""

import gc

import numpy as np
import pytest
from numba.core import config

from edge6g_env import _jit
from edge6g_env._inner import EntryCompiler
from edge6g_env._jit import njit_inner

compiled_only = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")


@njit_inner
def _leaf(x: float, n: int) -> float:
    total = 0.0
    for i in range(n):
        total += np.sin(x + i) / (1.0 + i)
    return total


@njit_inner
def _twig(x: float, n: int) -> float:
    return _leaf(x, n) - 0.1 * _leaf(0.5 * x, n)


def _plain(x):
    return x + 1.0


def _entry(x, out):
    for i in range(out.size):
        out[i] = _twig(x[i], i) + _leaf(x[i], 3)


@compiled_only
def test_inner_functions_calculate_what_python_does_and_have_no_machine_code():
    x, found, expected = np.linspace(-3.0, 3.0, 41), np.empty(41), np.empty(41)
    _jit._compile(_entry, **_jit._with(EntryCompiler))(x, found)
    for i in range(x.size):
        py_leaf, half = _leaf.py_func(x[i], i), _leaf.py_func(0.5 * x[i], i)
        expected[i] = py_leaf - 0.1 * half + _leaf.py_func(x[i], 3)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    for function in (_leaf, _twig):
        assert len(function.overloads) == 1  # none of its own for the literal 3
        for result in function.overloads.values():
            assert not result.library._codegen._engine.is_symbol_defined(result.fndesc.mangled_name)


@compiled_only
def test_a_compile_is_announced_once_and_collects_no_garbage(capsys: pytest.CaptureFixture[str]):
    name = "nowhere.nothing"
    assert gc.isenabled()
    for _ in range(2):
        with _jit.compiling(name):
            first = not gc.isenabled()
        assert gc.isenabled()
    assert not first
    assert capsys.readouterr().err.count("compiling the simulator") == 1


@compiled_only
def test_garbage_is_collected_again_after_a_compile_that_fails():
    seen = []

    def fail() -> None:
        with _jit.compiling("nowhere.else"):
            seen.append(gc.isenabled())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen == [False]
    assert gc.isenabled()


@compiled_only
def test_what_is_in_the_cache_is_not_announced(
    monkeypatch: pytest.MonkeyPatch, tmp_path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("EDGE6G_CACHE_DIR", str(tmp_path))
    assert _jit.njit(_plain)(1.0) == 2.0
    assert [_jit.is_cached(name) for name in ("test_compiler._plain", "_plain", "test_compiler._pla")] == [
        True,
        False,
        False,
    ]
    with _jit.compiling("test_compiler._plain"):
        assert gc.isenabled()
    assert capsys.readouterr().err == ""
