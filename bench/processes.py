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

from bench.timing import Row, load
from edge6g_env.scenario import Scenario
from eval.provenance import SCENARIO_FILE, write_scenario

FIRST_STEP = """
import json, resource, sys, time
import edge6g_env
imported = time.process_time()
env = edge6g_env.batch_env(sys.argv[1], num_worlds=1)
made = time.process_time()
env.reset(seed=0)
env.step(env.world.actions)
end = time.process_time()
try:  # Linux counts what the process was before it became this program in ru_maxrss
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak_mb = int(status["VmHWM"].split()[0]) / 1e3
except (OSError, KeyError):
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(json.dumps({"import": imported, "make": made - imported, "first step": end - made, "all": end, "peak MB": peak_mb}))
"""
TRAININGS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("search", "search", {}),
    ("scorer", "stage B, team credit", {"stage_a": 0.0}),
    ("scorer", "stage B, own credit", {"stage_a": 0.0, "credit": "own"}),
)
TRAINING_DECISIONS = 60_000  # of each, at least


def start(scenario: Scenario) -> Iterator[Row]:
    """From the start of Python to the first step: with an empty cache, which compiles, and with the full one that it leaves."""
    with tempfile.TemporaryDirectory(prefix="edge6g-bench-") as folder:
        write_scenario(scenario, Path(folder))
        cache = Path(folder) / "cache"
        for kind in ("cold", "warm"):
            seen = _first_step(Path(folder) / SCENARIO_FILE, cache)
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
    """Decisions learned a second: the search's and the scorer's stage B with team and own credit, play and updates together."""
    import torch
    from stable_baselines3.common.callbacks import CallbackList

    from train.learner import Learner
    from train.setup import Setup

    torch.set_num_threads(1)
    for algo, name, settings in TRAININGS:
        learner = Learner(Setup((scenario,), algo, decisions=1, settings=settings))
        model = learner.model
        model.learn(1, callback=CallbackList([]))  # the first batch: the kernel is there, the worlds are made
        before, begin = model.num_timesteps, (time.process_time(), time.perf_counter())
        model.learn(TRAINING_DECISIONS, callback=CallbackList([]))
        end, decisions = (time.process_time(), time.perf_counter()), model.num_timesteps - before
        learner.close()
        all_s, wall_s = (late - early for early, late in zip(begin, end, strict=True))
        yield Row("training", scenario.id, name, 1e6 * all_s / decisions, "us of CPU a decision")
        note = f"load {load():.1f} on {os.cpu_count()} cores"
        yield Row("training", scenario.id, f"{name}, by the clock", decisions / wall_s, "decisions/s", note)
