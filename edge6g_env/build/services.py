"""What runs, and on what: services with their traces, models at each precision, adapters, devices, and the table of costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge6g_env import costs
from edge6g_env.build._records import from_columns, from_rows, or_zero
from edge6g_env.costs.kernel_tables import BOUNDARY_PRECISION
from edge6g_env.kernel import codes
from edge6g_env.kernel.fields import DTYPES
from edge6g_env.kernel.legs import KINDS
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_services import FinetuneService, InferenceService, Service
from edge6g_env.spaces import ACTION_COLUMNS, Layout, drafts


def cost_tables(scenario: Scenario) -> costs.CostTables:
    """What each device of the scenario needs for each variant."""
    specs = [scenario.device_spec(name) for name in scenario.devices]
    variants = [(scenario.model_spec(weights), precision) for weights, precision in scenario.variants]
    return costs.kernel_tables(specs, variants, beside=[*scenario.catalog.own_models.values()])


def cost_array(tables: costs.CostTables) -> np.ndarray:
    """float64 (D, V, COST_HEADER + G) of World.cost."""
    return np.concatenate([tables.attention_decode, tables.attention_prefill, tables.head_s, tables.layer_s], axis=2)


def devices(scenario: Scenario, tables: costs.CostTables) -> np.recarray:
    """DEVICE (D,): a node's accelerator costs its seconds; a UE's device is the user's own, and the cloud is paid by the token."""
    names = scenario.devices
    usd_s = {name: costs.accelerator_price_usd_per_s(scenario.device_spec(name)) for name in scenario.nodes.devices}
    return from_columns(
        DTYPES["device"],
        iteration_overhead_s=tables.overhead_s[:, 0],
        sequence_overhead_s=tables.overhead_s[:, 1],
        prefill_w=tables.busy_w[:, 0],
        decode_w=tables.busy_w[:, 1],
        usable_bytes=tables.usable_bytes,
        load_bytes_s=tables.load_bytes_per_s,
        usd_s=np.array([usd_s.get(name, 0.0) for name in names]),
        memory_gb=np.array([scenario.device_spec(name).mem_gb for name in names]),
        tflops=np.array([scenario.device_spec(name).fp16_tflops for name in names]),
    )


def models(scenario: Scenario, tables: costs.CostTables) -> np.recarray:
    """MODEL (V,)"""
    variants = scenario.variants
    prices = [costs.token_price_usd(scenario.model_spec(weights)) for weights, _ in variants]
    preload = [
        weights in scenario.serving.preload and precision == scenario.actions.default_precision
        for weights, precision in variants
    ]
    return from_columns(
        DTYPES["model"],
        layers=tables.layers,
        layer_bytes=tables.layer_bytes,
        weight_bits=8.0 * tables.layer_bytes / tables.params_per_layer,
        embedding_bytes=tables.embedding_bytes,
        head_bytes=tables.tail_bytes,
        both_bytes=tables.embedding_bytes + tables.head_bytes,
        kv_bytes=tables.kv_bytes_per_token_layer,
        boundary_bytes=tables.boundary_bytes_per_token,
        quality=tables.quality,
        usd_per_input_token=np.array([price.in_usd for price in prices]),
        usd_per_output_token=np.array([price.out_usd for price in prices]),
        preload=np.array(preload),
    )


def exposures(scenario: Scenario, tables: costs.CostTables) -> np.ndarray:
    """float64 (V, most layers + 1) for cuts behind 0, 1, ... layers of each variant, as its activations are sent; 0 beyond its last."""
    out = np.zeros((len(tables.layers), tables.layers.max() + 1))
    for row, layers, (_, precision) in zip(out, tables.layers, scenario.variants, strict=True):
        depths = np.arange(layers + 1) / layers
        row[: layers + 1] = costs.exposure(depths, BOUNDARY_PRECISION[precision], scenario.privacy.attacker)
    return out


def actions(layout: Layout) -> np.recarray:
    """ACTION (C,)"""
    columns = dict(zip(ACTION_COLUMNS, layout.action_table.T, strict=True))
    own = {name: columns[name] for name in ("route", "precision", "model")}
    return from_columns(DTYPES["action"], draft=drafts(layout.scenario, layout.action_table), **own)


def adapted(scenario: Scenario) -> list[tuple[InferenceService, str]]:
    """(service, model) of each adapter: one for every model of a service that has them."""
    return [(service, model) for service in scenario.inference if service.lora_rank for model in service.family]


def adapters(scenario: Scenario) -> np.recarray:
    """LORA (A,)"""
    each = ((scenario.model_spec(model), s.lora_rank, s.lora_targets) for s, model in adapted(scenario))
    sizes = [costs.adapter_bytes(*one) for one in each]  # type: ignore[arg-type]
    return from_rows(DTYPES["lora"], [{"bytes": size} for size in sizes])


def choices(scenario: Scenario) -> np.recarray:
    """CHOICE (S, M): the models of each service; -1 where one has fewer than another. What is tuned is no adapter of a node."""
    out = np.zeros((len(scenario.service), scenario.most_models), DTYPES["choice"])
    out["weights"] = out["adapter"] = -1
    order = [(service.name, model) for service, model in adapted(scenario)]
    for s, service in enumerate(scenario.service):
        for m, model in enumerate(service.family):
            row, several = out[s, m], len(service.family) > 1
            row["weights"] = scenario.weights.index(service.weights_of(model))
            row["adapter"] = order.index((service.name, model)) if (service.name, model) in order else -1
            best = max(service.score(scenario.model_spec(name)) for name in service.family)
            row["score"] = service.score(scenario.model_spec(model)) / best
            row["quality_factor"] = row["score"] / scenario.catalog.quality(model) if several else 1.0
    return out.view(np.recarray)


def rounds(scenario: Scenario) -> np.recarray:
    """ROUND (S, M, R): of each model that draft.csv has with its service's draft, a row for each number of tokens; 0 elsewhere."""
    drafting = [service for service in scenario.inference if service.draft]
    most = max((len(service.draft_tokens) for service in drafting), default=1)
    out = np.zeros((len(scenario.service), scenario.most_models, most), DTYPES["round"])
    for service in drafting:
        for m, model in enumerate(service.family):
            try:
                acceptance = costs.draft_acceptance(*map(scenario.model_spec, (model, str(service.draft))))
            except costs.UnknownNameError:
                continue
            rows, drafted = out[scenario.service.index(service), m], np.array(service.draft_tokens, np.float64)
            rows["drafted"][: len(drafted)] = drafted
            rows["tokens"][: len(drafted)] = costs.tokens_per_round(acceptance, drafted)
    return out.view(np.recarray)


def services(scenario: Scenario) -> tuple[np.ndarray, np.recarray]:
    """Rows of all traces, float64 (rows, 3), and SERVICE (S,), which says where each has its own."""
    encoded = [service.encoded_tokens(scenario.catalog)[0] for service in scenario.service]
    lengths = [
        one.lengths() + np.array([0.0, tokens, 0.0]) for one, tokens in zip(scenario.service, encoded, strict=True)
    ]
    first = np.cumsum([0, *map(len, lengths)]).tolist()
    parts = zip(scenario.service, lengths, first, scenario.loop_ues, strict=False)
    rows = [_service(scenario, *part) for part in parts]
    return np.concatenate(lengths), from_rows(DTYPES["service"], rows)


def encoder_times(scenario: Scenario) -> np.ndarray:
    """Time in s of each service's encoder over the inputs of a job, float64 (S, D, V): 0 where there is none, or for others' models."""
    out = np.zeros((len(scenario.service), len(scenario.devices), len(scenario.variants)))
    for s, service in enumerate(scenario.service):
        if not isinstance(service, InferenceService) or service.inputs == 0:
            continue
        own = [service.weights_of(model) for model in service.family]
        for v, (weights, precision) in enumerate(scenario.variants):
            if weights in own:
                model, devices = scenario.model_spec(weights), map(scenario.device_spec, scenario.devices)
                out[s, :, v] = [costs.encoder_s(model, device, precision, service.inputs) for device in devices]
    return out


def longer_outputs(scenario: Scenario) -> np.ndarray:
    """Share of each service's outputs that are longer than n tokens, float64 (S, most + 2) for n = 0, 1, ...; outputs are whole numbers."""
    outputs = [service.lengths()[:, 2] for service in scenario.service]
    tokens = np.arange(max(one.max() for one in outputs) + 2.0)
    return np.array([1.0 - np.searchsorted(np.sort(one), tokens, side="right") / len(one) for one in outputs])


def _service(scenario: Scenario, service: Service, trace: np.ndarray, first: int, ues: range) -> dict[str, Any]:
    """A row: a key of the table is a field of its name, those of the other kind are 0; and what follows from the table."""
    input_tokens, input_context = service.encoded_tokens(scenario.catalog)
    own = {
        **service.objectives,
        "kind": KINDS.index(service.kind),
        "share": service.share if service.loop_s is None else 0.0,
        "rate_share": dict(zip((one.name for one in scenario.service), scenario.shares, strict=True))[service.name],
        "period_s": service.loop_s or 0.0,
        "first_ue": ues.start,
        "n_ues": len(ues),
        "model": scenario.weights.index(service.weights_of(service.default)),
        "draft": -1,
        "privacy": codes.PRIVACY_NAMES.index(service.privacy),
        "input_tokens": input_tokens,
        "input_context": input_context,
        "mean_output_tokens": trace[:, 2].mean(),
        "trace_first": first,
        "trace_rows": len(trace),
        # A replay runs round: from the last row to the first is a gap as long as the others are on average.
        "trace_span_s": np.ptp(trace[:, 0]) * len(trace) / max(len(trace) - 1, 1),
    }
    if isinstance(service, InferenceService) and service.draft:
        own["draft"] = scenario.variants.index((service.draft, str(service.draft_precision)))
    if isinstance(service, FinetuneService):
        averaged = service.participants > 1
        own["aggregate_every"] = service.aggregate_every if averaged else 0
        own["round_timeout_s"] = service.round_timeout_s if averaged else 0.0
        own["u_shape"] = service.keeps_labels
    return or_zero(DTYPES["service"], service, own)
