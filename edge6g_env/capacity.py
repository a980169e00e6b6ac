"""What the nodes of a scenario can hold and compute: models that fit, seconds to load them, jobs a second at best."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from edge6g_env import costs
from edge6g_env.costs import parts
from edge6g_env.costs.formulas import attention_decode_times_s, attention_prefill_times_s
from edge6g_env.costs.memory import load_bytes_per_s, usable_bytes
from edge6g_env.costs.times import resolved_parts
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_tables import InferenceService


class Holding(NamedTuple):
    """A model on the nodes with one device."""

    device: str
    nodes: list[int]
    weights: str
    """A model, or model@service for a copy of its own."""
    load_s: dict[str, float | None]
    """Precision -> seconds to load it from the node's disk, None where it does not fit into the memory."""


def holdings(scenario: Scenario) -> list[Holding]:
    """Every device of the nodes with every model of the services, in the scenario's order."""
    return [
        Holding(device, nodes, weights, {p: _load_s(scenario, device, weights, p) for p in scenario.actions.precision})
        for device, nodes in nodes_by_device(scenario).items()
        for weights in scenario.weights
    ]


def nodes_by_device(scenario: Scenario) -> dict[str, list[int]]:
    """Device -> nodes that have it."""
    devices, count = scenario.nodes.devices, scenario.nodes.count
    found: dict[str, list[int]] = {}
    for i in range(count):
        found.setdefault(devices[i % len(devices)], []).append(i)
    return found


def _load_s(scenario: Scenario, device: str, weights: str, precision: str) -> float | None:
    """As in kernel/loading.py: `serving.load_overhead_s`, then all bytes at the slower of disk and host link."""
    spec, size = costs.device(device), costs.memory_bytes(weights.split("@")[0], precision)
    return scenario.serving.load_overhead_s + size / load_bytes_per_s(spec) if size <= usable_bytes(spec) else None


def longest_load(scenario: Scenario) -> tuple[float, str] | None:
    """(seconds, "MODEL at PRECISION on DEVICE") of the longest load that a job can wait for; None if nothing fits anywhere.

    What `serving.preload` makes resident counts too: it does so only while half of the memory stays, and another model may drive it out.
    """
    loads = [
        (load_s, f"{one.weights} at {precision} on {one.device}")
        for one in holdings(scenario)
        for precision, load_s in one.load_s.items()
        if load_s is not None
    ]
    return max(loads, default=None)


def accelerator_s(scenario: Scenario, service: InferenceService, device: str) -> float:
    """Least seconds of an accelerator that a mean job of a service takes, the whole model on the node; inf if it fits at no precision.

    At the precision of the scenario's grid and for the j jobs an iteration for which it is least:

        t = L (layer_s(n) + decode attention(b c)) / j + L prefill attention + (head_s + overhead_s) / j + o (those of a token)

    with p, o the means of prompt and output, n = j (p + o - 1) tokens and b = j (o - 1) decodes an iteration, c the mean context of an
    output token, and the prefill attention the mean over the prompts. n is at most `serving.token_budget`, b at most `serving.max_batch`
    and what fits beside the weights in KV. Prompts are spread evenly over the iterations, so that they ride along: no schedule is faster,
    as layer_s is convex. Source: COSTS 10.
    """
    return min((_accelerator_s(scenario, service, device, p) for p in scenario.actions.precision), default=np.inf)


def _accelerator_s(scenario: Scenario, service: InferenceService, device: str, precision: str) -> float:
    _, prompt, output = service.lengths().T
    context = float(np.sum(output * (prompt + 0.5 * output)) / np.sum(output))
    left_bytes = usable_bytes(costs.device(device)) - costs.memory_bytes(service.model, precision)
    sequences = min(scenario.serving.max_batch, left_bytes / float(costs.kv_bytes(service.model, context, precision)))
    if sequences < 1.0:
        return float(np.inf)
    decodes_a_job, tokens_a_job = output.mean() - 1.0, prompt.mean() + output.mean() - 1.0
    most = min(scenario.serving.token_budget / tokens_a_job, sequences / max(decodes_a_job, 1e-9))
    jobs = most * np.geomspace(1e-3, 1.0, 25)
    cost, layers = resolved_parts(service.model, device, precision), costs.model(service.model).layers
    layer_s = parts.table_times(cost, np.maximum(1.0, jobs * tokens_a_job))
    layer_s += attention_decode_times_s(cost.attention_decode, jobs * decodes_a_job * context)
    zeros, ones = np.zeros(len(prompt)), np.ones(len(prompt))
    prefill_s = attention_prefill_times_s(cost.attention_prefill, prompt, zeros, ones).mean()
    iteration_s = layers * layer_s + cost.head_s[0] + cost.overhead_s[0]
    each_s = output.mean() * (cost.head_s[1] + cost.overhead_s[1])
    return float((iteration_s / jobs).min() + layers * prefill_s + each_s)


def most_jobs_s(scenario: Scenario) -> float:
    """Jobs a second, in the shares of the services, that the nodes could compute at best; 0 if a model fits nowhere.

    The largest x with y[d, s] >= 0, sum over s of y[d, s] <= nodes with device d, and sum over d of y[d, s] / accelerator_s(s, d) >=
    share(s) x: every accelerator is always busy, jobs are where they are computed fastest, and nothing is lost to loads, queues and
    links. Phones and cloud are not counted.
    """
    from scipy.optimize import linprog

    nodes, services = nodes_by_device(scenario), scenario.inference
    job_s = np.array([[accelerator_s(scenario, service, device) for service in services] for device in nodes])
    jobs_per_s = np.where(np.isfinite(job_s), 1.0 / job_s, 0.0)
    rows = [*_busy(job_s.shape), *_served(jobs_per_s, [service.share for service in services])]
    limits = [*map(len, nodes.values()), *[0.0] * len(services)]
    found = linprog([-1.0] + [0.0] * job_s.size, A_ub=np.array(rows), b_ub=limits)  # variables: x, then y row by row
    return float(found.x[0])


def _busy(shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Of each device: its accelerators' seconds a second."""
    for d in range(shape[0]):
        y = np.zeros(shape)
        y[d] = 1.0
        yield np.concatenate([[0.0], y.ravel()])


def _served(jobs_per_s: np.ndarray, shares: list[float]) -> Iterator[np.ndarray]:
    """Of each service: its share of x less what is computed of it."""
    for s, share in enumerate(shares):
        y = np.zeros(jobs_per_s.shape)
        y[:, s] = -jobs_per_s[:, s]
        yield np.concatenate([[share], y.ravel()])
