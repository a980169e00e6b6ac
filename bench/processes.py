"""Start and compile, each in a process of its own, and the training of the scorer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.timing import Row, load
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
try:  # Linux counts what the process was before it became this program in ru_maxrss
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak_mb = int(status["VmHWM"].split()[0]) / 1e3
except (OSError, KeyError):
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(json.dumps({"import": imported, "make": made - imported, "first step": end - made, "all": end, "peak MB": peak_mb}))
"""
TRAINING_WORLDS, TRAINING_WARMUP, TRAINING_DECISIONS = 32, 4096, 12_288


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
    """The scorer's training, its updates among it: CPU a decision of all threads and of the learner's own, and decisions a second."""
    import torch

    from train.learner import Learner

    torch.set_num_threads(1)
    learner = Learner(scenario, "scorer", 0, TRAINING_WORLDS, threads=1)
    model, in_steps_s = learner.model, [0.0]
    model.learn(TRAINING_WARMUP)  # until the worlds are as busy as they become
    for env in learner.envs:
        env.batch.advance = _timed(env.batch.advance, in_steps_s)  # type: ignore[method-assign]
    before, begin = model.num_timesteps, (time.process_time(), time.thread_time(), time.perf_counter())
    model.learn(TRAINING_DECISIONS, reset_num_timesteps=False)
    end, decisions = (time.process_time(), time.thread_time(), time.perf_counter()), model.num_timesteps - before
    learner.close()
    all_s, learner_s, wall_s = (late - early for early, late in zip(begin, end, strict=True))
    note = f"{in_steps_s[0] / all_s:.0%} of it in the simulator"
    yield Row("training", scenario.id, "scorer", 1e6 * all_s / decisions, "us of CPU a decision", note)
    what = "scorer, the learner's thread"
    yield Row("training", scenario.id, what, 1e6 * learner_s / decisions, "us of CPU a decision")
    note = f"load {load():.1f} on {os.cpu_count()} cores"
    yield Row("training", scenario.id, "scorer, by the clock", decisions / wall_s, "decisions/s", note)


def _timed(step: Callable[[Any], Any], spent_s: list[float]) -> Any:
    """`step`, which adds the CPU time of its thread to spent_s[0]; one thread at a time."""

    def timed(actions: Any) -> Any:
        begin_s = time.thread_time()
        result = step(actions)
        spent_s[0] += time.thread_time() - begin_s
        return result

    return timed
