"""Public names, scenario modules, and what an import costs."""

import importlib
import subprocess
import sys

import pytest

import edge6g_env


def test_public_names_are_there():
    for name in edge6g_env.__all__:
        assert getattr(edge6g_env, name) is not None
    assert set(edge6g_env.__all__) <= set(dir(edge6g_env))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = edge6g_env.no_such_name


def test_every_scenario_is_a_module(scenario):
    name = edge6g_env.load_scenario(scenario).id
    module = importlib.import_module(f"edge6g_env.{name}")
    assert module is getattr(edge6g_env, name)
    for make in (module.parallel_env, module.env, module.raw_env):
        assert str(make(debug=True)) == name


def test_an_import_loads_no_trainer_and_no_compiler():
    code = (
        "import edge6g_env, sys; from edge6g_env import tiny_v0; import edge6g_env.campus_v0\n"
        "print([m for m in ('torch', 'stable_baselines3', 'pettingzoo', 'numba') if m in sys.modules])\n"
        "edge6g_env.parallel_env('tiny'); tiny_v0.env(); edge6g_env.scenarios()\n"
        "print([m for m in ('torch', 'stable_baselines3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"
