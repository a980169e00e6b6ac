"""edge6g: a multi-agent reinforcement learning environment for LLM serving at the 6G edge.

Every edge node is an agent that decides, for each job that reaches it, where it runs, where the model is cut and at
what precision. The doors are `parallel_env`, `env`, `batch_env`, `sb3_vec_env`, `gymnasium.make("edge6g/Campus-v0")`
and, for each scenario, a module such as `edge6g_env.campus_v0` with `parallel_env`, `env` and `raw_env`. What they need
is imported when first used.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module, resources
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gymnasium.envs.registration import register

from edge6g_env._files import read_text

if TYPE_CHECKING:
    from edge6g_env import costs, radio
    from edge6g_env.aec import env
    from edge6g_env.batch import BatchEnv, batch_env
    from edge6g_env.compiled import CompiledPolicy
    from edge6g_env.flight import Flight
    from edge6g_env.lone import LoneJob, lone_job
    from edge6g_env.parallel import parallel_env
    from edge6g_env.sb3 import sb3_vec_env
    from edge6g_env.scenario import Scenario, ScenarioError, load_scenario, scenarios

    __version__: str

__all__ = [
    "BatchEnv",
    "CompiledPolicy",
    "Flight",
    "LoneJob",
    "Scenario",
    "ScenarioError",
    "__version__",
    "batch_env",
    "costs",
    "env",
    "load_scenario",
    "lone_job",
    "parallel_env",
    "radio",
    "sb3_vec_env",
    "scenarios",
]

_MODULE_OF = {
    "BatchEnv": "batch",
    "batch_env": "batch",
    "CompiledPolicy": "compiled",
    "Flight": "flight",
    "LoneJob": "lone",
    "lone_job": "lone",
    "parallel_env": "parallel",
    "env": "aec",
    "sb3_vec_env": "sb3",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "load_scenario": "scenario",
    "scenarios": "scenario",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    elif name in ("costs", "radio"):
        value = import_module(f"{__name__}.{name}")
    elif name == "__version__":
        value = _version()
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("edge6g")
    except PackageNotFoundError:
        return "0+unknown"  # used from its sources


def _scenario_module(scenario: str, name: str) -> ModuleType:
    """PettingZoo's convention, a module a versioned environment, without a file for each."""
    module = ModuleType(f"{__name__}.{name}", f"The scenario {scenario!r} of edge6g in PettingZoo's form.")

    def make(door: str, maker: str, options: dict[str, Any]) -> Any:
        given = options.pop("scenario", scenario)
        if not isinstance(given, str) or given != scenario:
            from edge6g_env.errors import UserError

            raise UserError(
                f"this is the scenario {scenario!r}, and scenario={given!r} was given: take the id or module of that one, or "
                f"edge6g_env.{door}.{maker}(scenario=...), which takes any"
            )
        return getattr(import_module(f"{__name__}.{door}"), maker)(scenario=scenario, **options)

    def parallel_env(**options: Any) -> Any:
        """PettingZoo `ParallelEnv` of this scenario; options and overrides as in BatchEnv."""
        return make("parallel", "parallel_env", options)

    def env(**options: Any) -> Any:
        """PettingZoo `AECEnv` of this scenario; options and overrides as in BatchEnv."""
        return make("aec", "env", options)

    def raw_env(**options: Any) -> Any:
        """The same without PettingZoo's order check."""
        return make("aec", "raw_env", options)

    def gym_env(**options: Any) -> Any:
        """What `gymnasium.make` calls."""
        return make("gym", "Edge6gEnv", options)

    def gym_vector_env(**options: Any) -> Any:
        """What `gymnasium.make_vec` calls."""
        return make("gym", "Edge6gVectorEnv", options)

    for function in (parallel_env, env, raw_env, gym_env, gym_vector_env):
        function.__module__, function.__qualname__ = module.__name__, function.__name__
        setattr(module, function.__name__, function)
    module.__spec__ = ModuleSpec(module.__name__, loader=None)
    module.__dict__["__all__"] = ["env", "parallel_env", "raw_env"]
    return module


def _register_scenarios() -> None:
    """Each shipped scenario becomes a Gymnasium id, edge6g/DenseUrban-v0, and a module, edge6g_env.dense_urban_v0."""
    folder = resources.files(__name__) / "scenarios"
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        scenario, suffix, _ = path.name.partition(".toml")
        if not suffix:
            continue
        try:
            head = tomllib.loads(read_text(path))
            words, version = head["name"].replace("_", "-").split("-"), head["version"]
        except (OSError, ValueError, KeyError, AttributeError):
            continue  # a file that somebody is writing: load_scenario says what is wrong with it
        module = _scenario_module(scenario, f"{'_'.join(words)}_v{version}")
        register(
            id=f"edge6g/{''.join(word.capitalize() for word in words)}-v{version}",
            entry_point=f"{module.__name__}:gym_env",
            vector_entry_point=f"{module.__name__}:gym_vector_env",
            order_enforce=False,
            disable_env_checker=True,
            kwargs={"scenario": scenario},
        )
        sys.modules[module.__name__] = module
        globals()[module.__name__.rpartition(".")[2]] = module


_register_scenarios()
