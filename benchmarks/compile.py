"""Time from the start of Python to the first step of a world: with an empty cache, which compiles, and with a full one.

Each row is a process of its own; the empty cache is a temporary folder (EDGE6G_CACHE_DIR), the user's stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

PROGRAM = """
import json, resource, sys, time
begin = time.perf_counter()
import edge6g_env
imported = time.perf_counter()
env = edge6g_env.batch_env(sys.argv[1], num_worlds=1)
made = time.perf_counter()
env.reset(seed=0)
reset = time.perf_counter()
env.step(env.world.actions)
end = time.perf_counter()
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
print(json.dumps([imported - begin, made - imported, reset - made, end - reset, peak_mb]))
"""
HEADS = ("cache", "import s", "make env s", "reset s", "step s", "whole process s", "peak memory MB", "cache MB")


def main() -> None:
    """Run the program with an empty cache and then, as often as asked, with the cache that it left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus", help="name or path (campus)")
    parser.add_argument("--warm", type=int, default=2, help="runs with a full cache (2)")
    options = parser.parse_args()
    table = Table(*HEADS, box=None, pad_edge=False)
    with tempfile.TemporaryDirectory(prefix="edge6g-bench-") as folder:
        for kind in ("empty", *["full"] * options.warm):
            times, process_s = first_step(options.scenario, Path(folder))
            size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6
            row = [*(f"{t:.3f}" for t in times[:-1]), f"{process_s:.2f}", f"{times[-1]:.0f}", f"{size:.1f}"]
            table.add_row(kind, *row)
    Console().print(table)


def first_step(scenario: str, cache: Path) -> tuple[list[float], float]:
    """Seconds of import, make, reset, step and peak MB as the process has them; seconds of the whole process."""
    environment = {**os.environ, "EDGE6G_CACHE_DIR": str(cache)}
    begin_s = time.perf_counter()
    run = [sys.executable, "-c", PROGRAM, scenario]
    output = subprocess.run(run, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output), time.perf_counter() - begin_s


if __name__ == "__main__":
    main()
