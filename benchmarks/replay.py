"""Speed of `costs.replay`: requests and iterations a second on one core, Poisson arrivals on one accelerator.

Times are medians over repetitions, after a call that compiles. Each call is the whole of it: checks, cost tables, all requests.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from edge6g_env import costs
from edge6g_env.costs.batching import Requests, new_engine, run
from edge6g_env.costs.checks import Floats
from edge6g_env.costs.replay import kv_blocks, node_cost

REPETITIONS = 5
TOKEN_BUDGET, MAX_BATCH = 2048, 256
SHORTEST_PROMPT, LONGEST_PROMPT = 100, 900  # tokens, uniform


def main() -> None:
    """Measure and print the table."""
    options = _options()
    table = Table(
        "requests", "requests/s", "iterations", "iterations/s", "TTFT ms", "TPOT ms", box=None, pad_edge=False
    )
    for count in options.requests:
        requests = poisson(count, options.rate, options.output)
        times, seconds = measure(options, requests)
        iterations = count_iterations(options, requests)
        means = (f"{1e3 * times[name].mean():.1f}" for name in ("ttft_s", "tpot_s"))
        table.add_row(
            f"{count:,}", f"{count / seconds:,.0f}", f"{iterations:,}", f"{iterations / seconds:,.0f}", *means
        )
    console = Console()
    setup = f"{options.model}, {options.precision}, {options.device}"
    console.print(f"{setup}, {options.rate:g} requests/s, {options.output:g} output tokens on average", highlight=False)
    console.print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llama-3.1-8b", help="row of models.csv (llama-3.1-8b)")
    parser.add_argument("--device", default="a100-80g", help="row of devices.csv (a100-80g)")
    parser.add_argument("--precision", default="fp16", help="fp16, fp8, int8, int8-wo, int4 (fp16)")
    parser.add_argument("--rate", type=float, default=10.0, help="arrivals a second (10)")
    parser.add_argument("--output", type=float, default=130.0, help="mean output tokens, geometric (130)")
    parser.add_argument("--requests", type=int, nargs="+", default=[10_000, 100_000], help="runs (10000 100000)")
    return parser.parse_args()


def poisson(count: int, rate_s: float, mean_output: float) -> Requests:
    """Poisson arrivals with prompts of uniform and outputs of geometric length."""
    rng = np.random.default_rng(0)
    arrival_s = np.cumsum(rng.exponential(1.0 / rate_s, count))
    prompts = rng.integers(SHORTEST_PROMPT, LONGEST_PROMPT + 1, count)
    return Requests(arrival_s, prompts, rng.geometric(1.0 / mean_output, count), np.zeros(count, np.int64))


def measure(options: argparse.Namespace, requests: Requests) -> tuple[dict[str, Floats], float]:
    """Results and seconds of a call."""
    spent_s = []
    for _ in range(1 + REPETITIONS):
        begin_s = time.perf_counter()
        times = costs.replay(options.model, options.device, *requests[:3], options.precision, TOKEN_BUDGET, MAX_BATCH)
        spent_s.append(time.perf_counter() - begin_s)
    return times, statistics.median(spent_s[1:])


def count_iterations(options: argparse.Namespace, requests: Requests) -> int:
    """Iterations of the engine in that call."""
    setup = (options.model, options.device, options.precision)
    engine = new_engine(requests, MAX_BATCH, kv_blocks(*setup, None))
    run(engine, node_cost(*setup, TOKEN_BUDGET), TOKEN_BUDGET, True)
    return int(engine.state["iteration"][0])


if __name__ == "__main__":
    main()
