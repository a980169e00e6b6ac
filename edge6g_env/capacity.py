"""What the nodes of a scenario can hold and compute: models that fit, seconds to load them, jobs a second at best."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from edge6g_env import costs
from edge6g_env.costs import parts, shapes
from edge6g_env.costs.formulas import attention_decode_times_s, attention_prefill_times_s
from edge6g_env.costs.memory import load_bytes_per_s, usable_bytes
from edge6g_env.costs.times import resolved_parts
from edge6g_env.device_split import share_of
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_services import FinetuneService, InferenceService, Service
from edge6g_env.spaces import cut_layer


class Holding(NamedTuple):
    """A model on the nodes with one device and memory."""

    device: str
    memory_gb: float
    nodes: list[int]
    weights: str
    """A model, or model@service for a copy of its own."""
    load_s: dict[str, float | None]
    """Precision -> seconds to load it from the node's disk, None where it does not fit into the memory."""


def holdings(scenario: Scenario) -> list[Holding]:
    """Every device of the nodes with every model of the services, in the scenario's order."""
    return [
        Holding(*kind, nodes, weights, {p: _load_s(scenario, *kind, weights, p) for p in scenario.actions.precision})
        for kind, nodes in nodes_by_kind(scenario).items()
        for weights in scenario.weights
    ]


def nodes_by_kind(scenario: Scenario) -> dict[tuple[str, float], list[int]]:
    """(device, its memory in GB) -> nodes that have it."""
    nodes = scenario.nodes
    found: dict[tuple[str, float], list[int]] = {}
    for i in range(nodes.count):
        device = nodes.device_of(i)
        found.setdefault((device, nodes.memory_of_gb(i) or scenario.device_spec(device).mem_gb), []).append(i)
    return found


def _load_s(scenario: Scenario, device: str, memory_gb: float, weights: str, precision: str) -> float | None:
    """As in kernel/loading.py: `serving.load_overhead_s`, then all bytes at the slower of disk and host link."""
    spec, size = scenario.device_spec(device), costs.memory_bytes(scenario.model_spec(weights), precision)
    fits = size <= usable_bytes(spec, memory_gb)
    return scenario.serving.load_overhead_s + size / load_bytes_per_s(spec) if fits else None


def part_bytes(model: str | costs.ModelSpec, precision: str, low: int, high: int) -> float:
    """Bytes of layers [low, high) of a model, with the embedding where they begin at 0 and the head where they end at the last."""
    spec = costs.model(model)
    layer, total = shapes.stored_layer_bytes(spec, precision), shapes.stored_bytes(spec, precision)
    head = 0.0 if spec.tied_embeddings else shapes.stored_head_bytes(spec, precision)
    embedding = total - spec.layers * layer - head
    if high <= low:
        return 0.0
    last = shapes.tail_bytes(spec, precision) if low > 0 else head
    return (high - low) * layer + (embedding if low == 0 else 0.0) + (last if high == spec.layers else 0.0)


def _held_bytes(model: costs.ModelSpec, precision: str, layer_kv_bytes: float, low: int, high: int) -> float:
    return part_bytes(model, precision, low, high) + max(0, high - low) * layer_kv_bytes


def _cuts(scenario: Scenario, layers: int) -> Iterator[tuple[int, int, int]]:
    """(layers on the device, layers before the second cut, layers) of every pair of shares in the grids."""
    for device_share in scenario.actions.device_split:
        first = cut_layer(share_of(device_share), layers)
        for edge_share in scenario.actions.edge_split:
            yield first, first + cut_layer(edge_share, layers - first), layers


def _fits(scenario: Scenario, service: InferenceService, model: costs.ModelSpec, precision: str, ue: str) -> bool:
    """Whether the parts of some cut fit onto a UE's device, nodes and cloud with the KV of a service's smallest job, as far as the privacy
    class allows them there."""
    kinds = nodes_by_kind(scenario)
    sizes = [usable_bytes(scenario.device_spec(name), gb) for (name, gb), nodes in kinds.items() for _ in nodes]
    there, here = sorted([0.0, *sizes])[-2:]  # the two largest nodes
    phone, cloud = (usable_bytes(scenario.device_spec(name)) for name in (ue, scenario.cloud.device))
    _, prompt, output = service.lengths().T
    kv_bytes = float(
        costs.kv_bytes(model, prompt.min() + service.encoded_tokens(scenario.catalog)[0] + output.mean(), precision)
    )
    for first, second, layers in _cuts(scenario, model.layers):
        size = partial(_held_bytes, model, precision, kv_bytes / layers)
        if size(0, first) > phone or (first == 0 and service.privacy == "device"):
            continue
        one, two = size(first, second), size(second, layers)
        cut = scenario.neighbours > 0 and min(one, two) <= there and max(one, two) <= here
        far = one <= here and two <= cloud and service.cloud and (second > 0 or service.privacy == "open")
        if first == layers or size(first, layers) <= here or cut or far:
            return True
    return False


def _tuning_fits(scenario: Scenario, service: FinetuneService, precision: str, ue: str) -> bool:
    """Whether the parts of some cut of a fine-tuning job fit onto a UE's device and one server, with all that a step of it holds there, as
    far as the privacy class allows it."""
    model, tokens = scenario.model_spec(service.model), service.tokens_a_step
    layers = model.layers
    layer_bytes, once_bytes = map(float, costs.training_state_bytes(model, tokens, **service.training))
    phone, cloud = (usable_bytes(scenario.device_spec(name)) for name in (ue, scenario.cloud.device))
    nodes = [usable_bytes(scenario.device_spec(name), gb) for name, gb in nodes_by_kind(scenario)]
    server = max([*nodes, *([cloud] if service.may_use_cloud else [])])
    size = partial(_held_bytes, model, precision, layer_bytes)
    for share in scenario.actions.device_split:
        first = cut_layer(share_of(share), layers)
        here, there = size(0, first) + once_bytes, size(first, layers) + once_bytes
        if service.keeps_labels and first < layers:
            here += float(costs.training_head_bytes(model, tokens, precision))
        if (first > 0 and here > phone) or (first == 0 and service.keeps_labels):
            continue
        if first == layers or there <= server:
            return True
    return False


def _check_draft(scenario: Scenario, service: InferenceService) -> None:
    """Every device of the UEs holds a service's draft with the KV of its shortest prompt and a mean answer; UserError otherwise."""
    if service.draft is None or service.draft_precision is None:
        return
    _, prompt, output = service.lengths().T
    tokens, draft = float(prompt.min() + output.mean()), scenario.model_spec(service.draft)
    need = costs.memory_bytes(draft, service.draft_precision)
    need += float(costs.kv_bytes(draft, tokens, service.draft_precision))
    for device in dict.fromkeys(scenario.ues.in_turn):
        if need > (usable := usable_bytes(scenario.device_spec(device))):
            raise UserError(
                f"service.{service.name}.draft = {service.draft!r}: at {service.draft_precision} it takes {need / 1e9:.3g} GB with the KV "
                f"of {tokens:.0f} tokens, and {usable / 1e9:.3g} GB are usable on {device}; name a smaller draft or precision"
            )


def _unservable(service: Service, ues: str) -> str:
    """ues: which ones, where others are served."""
    key, family = f"service.{service.name}.model", ", ".join(service.family)
    none = f"{key}s: none of {family} fits anywhere" if len(service.family) > 1 else f"{key}: {family} fits nowhere"
    none += ues and f" for {ues}"
    rejected = f"every job of {'theirs' if ues else 'it'} would be rejected"
    if isinstance(service, FinetuneService):
        stays = (
            " by a service of privacy 'device', whose first layers and head run there" if service.keeps_labels else ""
        )
        return (
            f"{none}, with a step of {service.tokens_a_step} tokens, whole or cut between device and server as actions.device_split has it"
            f"{stays}: {rejected}; name a smaller model or step, or add a precision, a cut or memory"
        )
    stays = "" if service.privacy == "open" else f", and its text may not leave the {service.privacy}"
    return (
        f"{none}, whole or cut as actions.device_split and actions.edge_split have it{stays}: {rejected}; name a "
        "smaller model, or add a precision, a cut or memory"
    )


def _serves(scenario: Scenario, service: Service, ue: str) -> bool:
    """Whether a UE with this device is served with any of the models."""
    precisions = scenario.actions.precision
    if isinstance(service, FinetuneService):
        return any(_tuning_fits(scenario, service, precision, ue) for precision in precisions)
    assert isinstance(service, InferenceService)
    models = [scenario.model_spec(model) for model in service.family]
    return any(_fits(scenario, service, model, precision, ue) for model in models for precision in precisions)


def check_memory(scenario: Scenario) -> None:
    """Each service can be served in an empty world to every UE, each draft fits onto its device, own devices hold a layer, and nodes whose
    memory is given can run some part; UserError otherwise."""
    precisions = scenario.actions.precision
    _check_own_devices(scenario)
    for drafting in scenario.inference:
        _check_draft(scenario, drafting)
    devices = list(dict.fromkeys(scenario.ues.in_turn))
    for service in scenario.service:
        without = [device for device in devices if not _serves(scenario, service, device)]
        if without:
            raise UserError(_unservable(service, "" if without == devices else f"UEs with {', '.join(without)}"))
    if scenario.nodes.memory_gb is None:
        return
    parts = [
        (part_bytes(scenario.model_spec(model), p, *part), f"{model} at {p}")
        for model in scenario.models
        for p in precisions
        for first, second, layers in _cuts(scenario, scenario.model_spec(model).layers)
        for part in ((first, second), (second, layers))
        if part[1] > part[0]
    ]
    smallest_bytes, name = min(parts, default=(0.0, ""))
    for device, memory_gb in nodes_by_kind(scenario):
        usable = usable_bytes(scenario.device_spec(device), memory_gb)
        if usable < smallest_bytes:
            raise UserError(
                f"nodes.memory_gb = {memory_gb:g}: {usable / 1e9:.3g} GB of it are usable on {device}, and the smallest part that could "
                f"run, of {name}, takes {smallest_bytes / 1e9:.3g} GB"
            )


def _check_own_devices(scenario: Scenario) -> None:
    """Each device of the scenario's own holds a layer of the smallest model; UserError otherwise."""
    if not scenario.device:
        return
    layers = [
        (shapes.stored_layer_bytes(scenario.model_spec(model), precision), f"{model} at {precision}")
        for model in scenario.models
        for precision in scenario.actions.precision
    ]
    least_bytes, name = min(layers)
    for own in scenario.device:
        if (usable := usable_bytes(scenario.device_spec(own.name))) < least_bytes:
            raise UserError(
                f"device.{own.name}.mem_gb = {own.mem_gb:g}: {usable / 1e9:.3g} GB of it are usable, and a layer of the smallest model, "
                f"{name}, takes {least_bytes / 1e9:.3g} GB"
            )


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


def accelerator_s(scenario: Scenario, service: Service, device: str, memory_gb: float | None = None) -> float:
    """Least seconds of an accelerator that a mean job of a service takes, a whole model on the node; inf if none fits at any precision.

    Of fine-tuning the steps of all participants of a task, one after another. Of inference:

    At the model of the service, the precision of the scenario's grid and for the j jobs an iteration for which it is least:

        t = L (layer_s(n) + decode attention(b c)) / j + L prefill attention + encoder_s + (head_s + overhead_s) / j + o (those of a token)

    with p, o the means of prompt and output, n = j (p + o - 1) tokens and b = j (o - 1) decodes an iteration, c the mean context of an
    output token, and the prefill attention the mean over the prompts. n is at most `serving.token_budget`, b at most `serving.max_batch`
    and what fits beside the weights in KV. What layers hold of sound but do not compute is part of c, not of p. Prompts are spread evenly
    over the iterations, so that they ride along: no schedule is faster, as layer_s is convex. Source: COSTS 10.
    """
    usable = usable_bytes(scenario.device_spec(device), memory_gb)
    if isinstance(service, FinetuneService):
        return min(_tuning_s(scenario, service, device, usable, p) for p in scenario.actions.precision)
    assert isinstance(service, InferenceService)
    pairs = [(model, p) for model in service.family for p in scenario.actions.precision]
    return min((_accelerator_s(scenario, service, device, usable, *pair) for pair in pairs), default=np.inf)


def _tuning_s(scenario: Scenario, service: FinetuneService, device: str, usable: float, precision: str) -> float:
    model = scenario.model_spec(service.model)
    step = service.step_tokens, service.step_sequences, precision
    if costs.training_memory_bytes(model, service.tokens_a_step, precision, **service.training) > usable:
        return float(np.inf)
    return (
        service.participants
        * service.steps
        * float(costs.training_step_s(model, scenario.device_spec(device), *step, **service.training))
    )


def _accelerator_s(
    scenario: Scenario, service: InferenceService, device: str, usable: float, name: str, precision: str
) -> float:
    model, target = scenario.model_spec(name), scenario.device_spec(device)
    _, text, output = service.lengths().T
    encoded, apart = service.encoded_tokens(scenario.catalog)
    prompt = text + (encoded - apart)
    context = float(np.sum(output * (prompt + apart + 0.5 * output)) / np.sum(output))
    left_bytes = usable - costs.memory_bytes(model, precision)
    sequences = min(scenario.serving.max_batch, left_bytes / float(costs.kv_bytes(model, context, precision)))
    if sequences < 1.0:
        return float(np.inf)
    decodes_a_job, tokens_a_job = output.mean() - 1.0, prompt.mean() + output.mean() - 1.0
    most = min(scenario.serving.token_budget / tokens_a_job, sequences / max(decodes_a_job, 1e-9))
    jobs = most * np.geomspace(1e-3, 1.0, 25)
    cost, layers = resolved_parts(model, target, precision), model.layers
    layer_s = parts.table_times(cost, np.maximum(1.0, jobs * tokens_a_job))
    layer_s += attention_decode_times_s(cost.attention_decode, jobs * decodes_a_job * context)
    cached, ones = np.full(len(prompt), float(apart)), np.ones(len(prompt))
    prefill_s = attention_prefill_times_s(cost.attention_prefill, prompt, cached, ones).mean()
    encoder_s = float(costs.encoder_s(model, target, precision, service.inputs)) if service.inputs else 0.0
    iteration_s = layers * layer_s + cost.head_s[0] + cost.overhead_s[0]
    each_s = output.mean() * (cost.head_s[1] + cost.overhead_s[1])
    return float((iteration_s / jobs).min() + layers * prefill_s + encoder_s + each_s)


def most_jobs_s(scenario: Scenario) -> float:
    """Jobs a second, in the shares of the services, that the nodes could compute at best; 0 if a model fits nowhere.

    The largest x with y[d, s] >= 0, sum over s of y[d, s] <= nodes with device d, and sum over d of y[d, s] / accelerator_s(s, d) >=
    share(s) x: every accelerator is always busy, jobs are where they are computed fastest, and nothing is lost to loads, queues and
    links. Phones and cloud are not counted.
    """
    from scipy.optimize import linprog

    nodes, services = nodes_by_kind(scenario), scenario.service
    job_s = np.array([[accelerator_s(scenario, service, *kind) for service in services] for kind in nodes])
    jobs_per_s = np.where(np.isfinite(job_s), 1.0 / job_s, 0.0)
    rows = [*_busy(job_s.shape), *_served(jobs_per_s, scenario.shares)]
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
