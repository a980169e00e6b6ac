"""Start and compile, each in a process of its own, and the training of the scorer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.timing import Row
from edge6g_env.scenario import Scenario

FIRST_STEP = """
import json, resource, sys, time
import edge6g_env
imported = time.process_time()
env = edge6g_env.batch_env(sys.argv[1], num_worlds=1)
made = time.process_time()
env.reset(seed=0)
env.step(env.world.actions)
end = time.process_time()
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(json.dumps({"import": imported, "make": made - imported, "first step": end - made, "all": end, "peak MB": peak_mb}))
"""
TRAINING_WORLDS, TRAINING_DECISIONS = 32, 8192


def start(scenario: Scenario) -> Iterator[Row]:
    """From the start of Python to the first step: with an empty cache, which compiles, and with the full one that it leaves."""
    with tempfile.TemporaryDirectory(prefix="edge6g-bench-") as folder:
        toml = Path(folder) / "scenario.toml"
        toml.write_text(scenario.to_toml(), encoding="utf-8")
        cache = Path(folder) / "cache"
        for kind in ("cold", "warm"):
            seen = _first_step(toml, cache)
            peak_mb, all_s = seen.pop("peak MB"), seen.pop("all")
            note = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in seen.items())
            yield Row("start", scenario.id, f"{kind}, to the first step", all_s, "s of CPU", note)
            yield Row("start", scenario.id, f"{kind}, peak memory", peak_mb, "MB")
        size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
        yield Row("start", scenario.id, "cache", size / 1e6, "MB")


def _first_step(scenario: Path, cache: Path) -> dict[str, float]:
    environment = {**os.environ, "EDGE6G_CACHE_DIR": str(cache)}
    run = [sys.executable, "-c", FIRST_STEP, str(scenario)]
    output = subprocess.run(run, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return dict(json.loads(output))


def training(scenario: Scenario) -> Iterator[Row]:
    """The scorer's decisions a CPU second, its updates among it, and the share of the simulator."""
    import torch

    from edge6g_env import sb3_vec_env
    from train.scorer import ScorerAlgorithm

    torch.set_num_threads(1)
    env = sb3_vec_env(scenario, TRAINING_WORLDS, observe="candidates", skip_idle=True)
    model = ScorerAlgorithm(env, 0)
    model.learn(model.settings["batch_decisions"])  # until the worlds are as busy as they become
    step, in_steps_s, before = env.batch.step, [0.0], model.num_timesteps

    def timed(actions: Any) -> Any:
        begin_s = time.process_time()
        result = step(actions)
        in_steps_s[0] += time.process_time() - begin_s
        return result

    env.batch.step = timed  # type: ignore[method-assign]
    begin_s = time.process_time()
    model.learn(before + TRAINING_DECISIONS, reset_num_timesteps=False)
    spent_s, decisions = time.process_time() - begin_s, model.num_timesteps - before
    note = f"{decisions / spent_s / 1e3:.1f} k decisions/s, {in_steps_s[0] / spent_s:.0%} of it in the simulator"
    yield Row("training", scenario.id, "scorer", 1e6 * spent_s / decisions, "us of CPU a decision", note)
