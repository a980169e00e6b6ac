"""How bursty requests are: a Poisson process that switches between two rates, fitted to the request traces that ship.

The fit is the likeliest one of `arrivals.kind = "burst"`: the density of a trace's gaps is a product of exp(D t) R over them, with R the
two rates and D the switches less R (Fischer, Meier-Hellstern: The Markov-modulated Poisson process cookbook, Performance Evaluation 18,
1993). Beside it the variance over the mean of the requests in windows of T seconds: counted in the trace, and by the closed form of the
fit. The fit knows no slow trend, so the longest windows of a trace that has one vary more.
"""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

from edge6g_env.scenario_arrivals import BurstArrivals
from edge6g_env.trace_files import read_trace, traces

WINDOWS_S = (0.1, 1.0, 5.0, 10.0, 30.0, 60.0)
MOST_RATIO = 1e4  # a calm rate so small that no trace of half an hour can tell it from none


def main() -> None:
    """Fit each trace and print both tables."""
    fitted = {name: fit(np.diff(read_trace(name)[:, 0])) for name in traces()}
    table = Table("trace", "jobs/s", "busy / calm", "calm (s)", "busy (s)", "busy share", box=None, pad_edge=False)
    for name, one in fitted.items():
        numbers = (one.rate_jobs_s, one.burst_ratio, one.calm_s, one.burst_s, one.busy_share)
        table.add_row(name, *(f"{number:.3g}" for number in numbers))
    Console().print(table, highlight=False)
    table = Table("variance / mean in", *(f"{window_s:g} s" for window_s in WINDOWS_S), box=None, pad_edge=False)
    for name, one in fitted.items():
        t_s = read_trace(name)[:, 0]
        table.add_row(f"\n{name}", *(f"\n{counted(t_s, window_s):.3g}" for window_s in WINDOWS_S))
        table.add_row("  fit", *(f"{variance_over_mean(one, one.rate_jobs_s, window_s):.3g}" for window_s in WINDOWS_S))
    Console().print(table, highlight=False)


def counted(t_s: np.ndarray, window_s: float) -> float:
    """Variance over mean of the requests in the whole windows of a trace; t_s: (R,) instants that rise."""
    edges_s = t_s[0] + window_s * np.arange(int(np.ptp(t_s) / window_s) + 1)
    counts = np.histogram(t_s, edges_s)[0]
    return float(counts.var(ddof=1) / counts.mean())


def variance_over_mean(arrivals: BurstArrivals, rate_jobs_s: float, window_s: float) -> float:
    """Variance over mean of the jobs in a window of a service with this mean rate: 1 for Poisson (Fischer, Meier-Hellstern 1993)."""
    p, tau_s = arrivals.busy_share, 1.0 / (1.0 / arrivals.calm_s + 1.0 / arrivals.burst_s)
    apart_jobs_s = (arrivals.busy_factor - arrivals.calm_factor) * rate_jobs_s
    limit = 2.0 * p * (1.0 - p) * apart_jobs_s**2 * tau_s / rate_jobs_s
    return float(1.0 + limit * (1.0 + tau_s / window_s * np.expm1(-window_s / tau_s)))


def fit(gap_s: np.ndarray) -> BurstArrivals:
    """The likeliest bursts of requests with these gaps (R - 1,), at their mean rate."""
    mean_s = float(gap_s.mean())

    def of(logs: np.ndarray) -> BurstArrivals:
        ratio, calm_s, burst_s = np.exp(np.clip(logs, [0.0, -6.0, -6.0], [np.log(MOST_RATIO), 15.0, 15.0])).tolist()
        return BurstArrivals(kind="burst", rate_jobs_s=1.0 / mean_s, burst_ratio=ratio, calm_s=calm_s, burst_s=burst_s)

    starts = np.log([(2.0, 100.0, 100.0), (20.0, 10.0, 3.0)])
    found = [minimize(lambda logs: -log_likelihood(of(logs), gap_s), start, method="Nelder-Mead") for start in starts]
    return of(min(found, key=lambda one: float(one.fun)).x)


def log_likelihood(arrivals: BurstArrivals, gap_s: np.ndarray) -> float:
    """Log of the density of gaps (R - 1,) between the jobs of a service that has all of them."""
    rates = arrivals.rate_jobs_s * np.array([arrivals.calm_factor, arrivals.busy_factor])
    leave = 1.0 / np.array([arrivals.calm_s, arrivals.burst_s])
    d = np.array([[-leave[0] - rates[0], leave[0]], [leave[1], -leave[1] - rates[1]]])
    values, vectors = np.linalg.eig(d)
    steps = np.einsum("ij,gj,jk->gik", vectors, np.exp(np.outer(gap_s, values)), np.linalg.inv(vectors)) * rates
    seen_by_a_job = rates * np.array([1.0 - arrivals.busy_share, arrivals.busy_share]) / arrivals.rate_jobs_s
    product, log = _product(steps)
    return float(np.log(seen_by_a_job @ product @ np.ones(2)) + log)


def _product(steps: np.ndarray) -> tuple[np.ndarray, float]:
    """Product of matrices (G, 2, 2) in order, over exp(log): pair by pair, scaled on the way."""
    log = 0.0
    while len(steps) > 1:
        last = steps[len(steps) - len(steps) % 2 :]
        steps = np.concatenate([steps[: len(steps) - len(last) : 2] @ steps[1::2][: len(steps) // 2], last])
        scale = steps.max(axis=(1, 2))
        steps, log = steps / scale[:, None, None], log + float(np.log(scale).sum())
    return steps[0], log


if __name__ == "__main__":
    main()
