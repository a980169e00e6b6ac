"""A node without gain from batching against the M/G/1 processor-sharing queue, whose mean response is E[S] / (1 - load).

The cost tables are set so that an iteration of b sequences takes b times as long as one of a single sequence, without fixed parts, and
a prompt is one token: each job then has an equal share of the node. The formula holds for every distribution of the lengths (Sakata,
Noguchi and Oizumi, Operations Research 19, 1971; Kleinrock, Queueing Systems II, 1976, section 4.4). "Raw" is the mean over jobs
relative to it. "Paired" takes the noise off: the mean difference to an event-by-event processor-sharing queue that serves the same jobs,
whose expectation is the formula. Both with 95 % intervals over worlds.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from benchmarks import ideal
from edge6g_env.batch import BatchEnv
from edge6g_env.costs import TOKEN_GRID
from edge6g_env.kernel.codes import COST_HEADER, FINISHED

MODEL, TRACE = "llama-3.2-1b", "azure_conv_2023"
MEAN_S = 4.0  # mean service; a substep is 1/320 of it, so what happens within one does not matter
SLOT_S, SUBSTEPS = 0.05, 4
WARM_SHARE, COUNTED_SHARE = 0.1, 0.8  # of the time: arrivals between them count, and end before the run does
WORLDS, SEED = 64, 1
LOADS = (0.3, 0.6, 0.9)


def _two_points(trace: np.ndarray) -> np.ndarray:
    """A tenth of the jobs is 31 times as long as the others: coefficient of variation 2.25."""
    long = np.arange(trace.size) % 10 == 0
    return np.where(long, 7.75, 0.25) * trace.mean()


LENGTHS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fixed": lambda trace: np.full(trace.shape, trace.mean()),
    "trace": lambda trace: trace,
    "two points": _two_points,
}


class Responses(NamedTuple):
    """Mean response over E[S] / (1 - load), and half the width of its 95 % interval: over the jobs, and paired."""

    jobs: int
    raw: float
    raw_half: float
    paired: float
    paired_half: float


def make_node(load: float, lengths: str, worlds: int = WORLDS) -> BatchEnv:
    """Worlds of one node that serves its jobs as a processor-sharing queue would.

    load: offered work a second, 0 to 1; lengths: a key of LENGTHS. Weights are resident, memory has no end, and the air costs nothing.
    """
    service = {"name": "chat", "model": MODEL, "share": 1.0, "privacy": "open", "trace": TRACE, "exposure_cost": 0.0}
    slo = {"ttft_slo_s": 2.0, "tpot_slo_s": 0.1, "expire_s": 1e9}
    env = BatchEnv(
        "tiny",
        worlds,
        skip_idle=True,
        job_rows_per_node=512,
        service=[{**service, **slo}],
        nodes={"count": 1, "columns": 1, "neighbours": 0, "devices": ["l4"]},
        ues={"per_node": 1, "mobility": "stationary", "hotspots": 0},
        arrivals={"kind": "poisson", "rate_jobs_s": load / MEAN_S},
        serving={"preload": [MODEL], "max_batch": 1024},
        radio={"background_load": 0.0, "csi_period_s": 1e6, "measurement_period_s": 1e6},
        time={"slot_s": SLOT_S, "n_substeps": SUBSTEPS, "episode_s": 1e8, "warmup_s": 0.0, "drain_s": 0.0},
    )
    trace = env.world.trace
    trace[:, 1], trace[:, 2] = 1.0, LENGTHS[lengths](trace[:, 2].copy())
    _share_equally(env, MEAN_S / trace[:, 2].mean())
    ideal.without_limits(env.world.band)
    ideal.without_latency(env.world.band)
    return env


def _share_equally(env: BatchEnv, token_s: float) -> None:
    """A token takes token_s of the node, whatever its batch."""
    w = env.world
    w.cost[...] = 0.0
    w.cost[:, :, COST_HEADER:] = token_s * TOKEN_GRID / w.model["layers"][:, None]
    w.device["iteration_overhead_s"][...], w.device["sequence_overhead_s"][...] = 0.0, 0.0
    w.site["usable_bytes"][...] = 1e18


def play(env: BatchEnv, until_s: float, seed: int = SEED) -> np.ndarray:
    """Outcome rows of all worlds until until_s; every job is served at the node, in the slot after the one in which it comes."""
    outcomes = []
    env.reset(seed)
    local = env.action_names.index("local, int4")
    while env.times_s().min() < until_s:
        outcomes.append(env.step(np.where(env.deciding() >= 0, local, 0))[-1]["outcomes"].copy())
    return np.concatenate(outcomes)


def processor_sharing_s(arrival_s: np.ndarray, work_s: np.ndarray) -> np.ndarray:
    """Response of each job (n,) in a processor-sharing queue, event by event; arrival_s (n,) rises.

    Virtual time is the work that a job has received that was there from the start; a job ends when it has received its own.
    """
    end_s = np.empty(arrival_s.size)
    ends: list[tuple[float, int]] = []
    now_s, virtual_s = 0.0, 0.0
    for i, (at_s, work) in enumerate(zip([*arrival_s.tolist(), np.inf], [*work_s.tolist(), 0.0], strict=True)):
        while ends and now_s + (ends[0][0] - virtual_s) * len(ends) <= at_s:
            now_s += (ends[0][0] - virtual_s) * len(ends)
            virtual_s, job = heapq.heappop(ends)
            end_s[job] = now_s
        if ends:
            virtual_s += (at_s - now_s) / len(ends)
        now_s = at_s
        heapq.heappush(ends, (virtual_s + work, i))
    return end_s - arrival_s


def responses(load: float, lengths: str, jobs: int, seed: int = SEED) -> Responses:
    """Mean response of about `jobs` jobs in WORLDS worlds, relative to the formula."""
    env = make_node(load, lengths)
    until_s = jobs / WORLDS * MEAN_S / load / (COUNTED_SHARE - WARM_SHARE)
    played = play(env, until_s, seed)
    assert (played["phase"] == FINISHED).all()
    token_s, unit_s = MEAN_S / env.world.trace[:, 2].mean(), MEAN_S / (1.0 - load)
    means, differences, counted = [], [], 0
    for world in range(WORLDS):
        mine = np.sort(played[played["world"] == world], order="arrival_s")
        took_s = mine["end_s"] - mine["arrival_s"] - 0.5 * SLOT_S  # the mean wait for the decision
        exact_s = processor_sharing_s(mine["arrival_s"], mine["output_tokens"] * token_s)
        counts = (mine["arrival_s"] > WARM_SHARE * until_s) & (mine["arrival_s"] < COUNTED_SHARE * until_s)
        means.append(took_s[counts].mean() / unit_s)
        differences.append((took_s - exact_s)[counts].mean() / unit_s)
        counted += int(counts.sum())
    (raw, raw_half), (bias, half) = _interval(means), _interval(differences)
    return Responses(counted, raw, raw_half, 1.0 + bias, half)


def _interval(values: list[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % t-interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(half)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000, help="jobs of each row (100000)")
    parser.add_argument("--loads", type=float, nargs="+", default=LOADS, help="offered work (0.3 0.6 0.9)")
    options = parser.parse_args()
    table = Table("load", "lengths", "jobs", "raw / formula", "paired / formula", box=None, pad_edge=False)
    for load in options.loads:
        for lengths in LENGTHS:
            r = responses(load, lengths, options.jobs)
            shown = f"{r.raw:.4f} +- {r.raw_half:.4f}", f"{r.paired:.4f} +- {r.paired_half:.4f}"
            table.add_row(f"{load:g}", lengths, str(r.jobs), *shown)
    Console().print("mean response of a node without batching gain over E[S] / (1 - load), 95 % intervals")
    Console().print(table)


if __name__ == "__main__":
    main()
