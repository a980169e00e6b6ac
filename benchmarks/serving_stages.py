"""`costs.replay` beside the stages of a served run that is not shipped: TPOT, latency and TTFT, off in percent.

    python benchmarks/serving_stages.py stages.csv --device h100-80g

The file has a row a stage with the columns rate_per_s, duration_s, prompt_tokens, output_tokens, ttft_mean_s, latency_mean_s and
tpot_mean_s. Requests come with exponential gaps scaled to fill the duration, as inference-perf sends them; with a prefix cache all but
the last 1 to 16 tokens of a prompt are held already, without one they are computed.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from edge6g_env import costs
from edge6g_env.costs.batching import BLOCK_TOKENS

METRICS = ("tpot", "latency", "ttft")
SEED = 0


def main() -> None:
    """Replay every stage with and without cached prompts, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", help="CSV file, a row a stage")
    parser.add_argument("--model", default="llama-3.1-8b", help="row of models.csv (llama-3.1-8b)")
    parser.add_argument("--device", default="h100-80g", help="row of devices.csv (h100-80g)")
    parser.add_argument("--max-batch", type=int, default=128, help="running sequences (128)")
    options = parser.parse_args()
    table = Table("stage", "prompts", *(f"{name} %" for name in METRICS), box=None, pad_edge=False)
    for n, stage in pd.read_csv(options.stages).iterrows():
        for cached in (True, False):
            off = errors_percent(stage, options.model, options.device, options.max_batch, cached=cached)
            table.add_row(str(stage.get("stage", n)), "cached" if cached else "computed", *(f"{e:+.1f}" for e in off))
    Console().print(table)


def errors_percent(stage: pd.Series, model: str, device: str, max_batch: int, *, cached: bool) -> list[float]:
    """How far the means of a stage are off, in the order of METRICS."""
    gaps = np.random.default_rng(SEED).exponential(size=int(stage["rate_per_s"] * stage["duration_s"]))
    arrival_s = np.cumsum(gaps) * stage["duration_s"] / gaps.sum()
    prompt, output = int(stage["prompt_tokens"]), int(stage["output_tokens"])
    held = (prompt - 1) // BLOCK_TOKENS * BLOCK_TOKENS if cached else 0
    times = costs.replay(model, device, arrival_s, prompt, output, max_batch=max_batch, cached_tokens=held)
    return [100.0 * (times[f"{name}_s"].mean() / stage[f"{name}_mean_s"] - 1.0) for name in METRICS]


if __name__ == "__main__":
    main()
