"""From a scenario to the arrays of its worlds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge6g_env import costs, radio
from edge6g_env.fault_parts import fault_parts, planned_outages
from edge6g_env.kernel import fields
from edge6g_env.kernel import world as k
from edge6g_env.radio.fading import MAX_TAPS
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_tables import Link, Service, Ues
from edge6g_env.spaces import (
    CANDIDATE_FEATURES,
    action_layers,
    action_table,
    job_features,
    limits_array,
    neighbour_features,
    observation_features,
)
from edge6g_env.trace_files import read_trace

_QUEUE_PLACES = 64
_KEPT_CHUNKS = 32  # of a prompt, whose layer times all candidates share; later chunks are worked out for each


def make_world(scenario: Scenario, num_worlds: int, *, candidates: bool, debug: bool) -> k.World:
    """Arrays of `num_worlds` worlds that have not been reset yet."""
    table = action_table(scenario)
    variants = [(weights, precision) for weights in scenario.weights for precision in scenario.actions.precision]
    devices = scenario.devices
    tables = costs.kernel_tables(devices, [(weights.split("@")[0], precision) for weights, precision in variants])
    trace, services = _services(scenario)
    parts = fault_parts(scenario, neighbours_of(scenario))
    shared: dict[str, Any] = {
        "setup": _setup(scenario, devices, debug),
        "band": _bands(scenario),
        "service": services,
        "action": _columns(fields.ACTION_DTYPE, route=table[:, 0], precision=table[:, 3]),
        "device": _devices(scenario, devices, tables),
        "model": _models(scenario, tables, variants),
        "action_layers": action_layers(scenario, table, tables.layers.tolist()),
        "trace": trace,
        "observation_limits": limits_array(observation_features(scenario)),
        "candidate_limits": limits_array(CANDIDATE_FEATURES),
        "mcs": np.stack([*radio.mcs_arrays(), radio.mcs_slopes_per_db()]),
        "outage": planned_outages(scenario, parts),
        "cost": np.concatenate(
            [tables.attention_decode, tables.attention_prefill, tables.head_s, tables.layer_s], axis=2
        ),
    }
    state: dict[str, Any] = _state(scenario, num_worlds, len(variants), len(table), candidates)
    state["fault"] = np.tile(parts, (num_worlds, 1)).view(np.recarray)
    world = k.World(**shared, **state)
    _place_nodes(scenario, world, devices)
    return world


def _columns(dtype: np.dtype, **columns: np.ndarray) -> np.recarray:
    """A record array from its columns."""
    out = np.zeros(len(next(iter(columns.values()))), dtype)
    for name, values in columns.items():
        out[name] = values
    return out.view(np.recarray)


def _devices(scenario: Scenario, names: list[str], tables: costs.CostTables) -> np.recarray:
    """A node's accelerator costs its seconds; a UE's device is the user's own, and the cloud is paid by the token."""
    paid = [costs.accelerator_price_usd_per_s(name) if name in scenario.nodes.devices else 0.0 for name in names]
    return _columns(
        fields.DEVICE_DTYPE,
        iteration_overhead_s=tables.overhead_s[:, 0],
        sequence_overhead_s=tables.overhead_s[:, 1],
        idle_w=tables.power_w[:, 0],
        tdp_w=tables.power_w[:, 1],
        prefill_w=tables.busy_w[:, 0],
        decode_w=tables.busy_w[:, 1],
        usable_bytes=tables.usable_bytes,
        load_bytes_s=tables.load_bytes_per_s,
        usd_s=np.array(paid),
    )


def _models(scenario: Scenario, tables: costs.CostTables, variants: Sequence[tuple[str, str]]) -> np.recarray:
    tied = tables.head_bytes == 0.0
    preload = [
        weights in scenario.serving.preload and precision == scenario.actions.default_precision
        for weights, precision in variants
    ]
    return _columns(
        fields.MODEL_DTYPE,
        precision=np.arange(len(variants)) % len(scenario.actions.precision),
        layers=tables.layers,
        layer_bytes=tables.layer_bytes,
        weight_bits=8.0 * tables.layer_bytes / tables.params_per_layer,
        embedding_bytes=tables.embedding_bytes,
        head_bytes=np.where(tied, tables.embedding_bytes, tables.head_bytes),
        both_bytes=tables.embedding_bytes + tables.head_bytes,
        kv_bytes=tables.kv_bytes_per_token_layer,
        boundary_bytes=tables.boundary_bytes_per_token,
        quality=tables.quality,
        preload=np.array(preload),
    )


def _fill(row: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        row[name] = value


def _setup(scenario: Scenario, devices: list[str], debug: bool) -> np.recarray:
    setup = np.zeros(1, fields.SETUP_DTYPE)
    time, ues, cloud = scenario.time, scenario.ues, scenario.cloud
    width_m, height_m = scenario.area_m
    _fill(
        setup,
        {
            "slot_s": time.slot_s,
            "n_substeps": time.n_substeps,
            "episode_slots": round(time.episode_s / time.slot_s),
            "episode_s": time.episode_s,
            "warmup_s": time.warmup_s,
            "drain_s": time.drain_s,
            "report_period_s": time.report_period_s,
            "n_precisions": len(scenario.actions.precision),
            "n_job_features": len(job_features(scenario)),
            "n_neighbour_features": len(neighbour_features(scenario, 1)),
            "debug": debug,
            "width_m": width_m,
            "height_m": height_m,
            "node_columns": min(scenario.nodes.columns, scenario.nodes.count),
            "node_spacing_m": scenario.nodes.spacing_m,
            "ue_tx_power_w": ues.tx_power_w,
            "mobility": k.MOBILITY_NAMES.index(ues.mobility),
            "ue_device": devices.index(ues.device),
            "xn_rate_bit_s": scenario.xn.rate_bit_s,
            "xn_delay_s": _mean_delay_s(scenario.xn),
            "xn_delay_jitter": scenario.xn.delay_jitter,
            "backhaul_rate_bit_s": scenario.backhaul.rate_bit_s,
            "backhaul_delay_s": _mean_delay_s(scenario.backhaul),
            "backhaul_delay_jitter": scenario.backhaul.delay_jitter,
            "cloud_device": devices.index(cloud.device),
            "cloud_concurrency": cloud.concurrency,
            "cloud_batch": cloud.batch,
            "fault_retries": scenario.faults.retries,
            "trace_replay": scenario.arrivals.kind == "trace",
            "rate_jobs_s": scenario.arrivals.rate_jobs_s,
            "usd_per_air_byte": costs.network_price_usd_per_byte("air"),
            "usd_per_backhaul_byte": costs.network_price_usd_per_byte("backhaul"),
            "usd_per_egress_byte": costs.network_price_usd_per_byte("cloud_egress"),
            **ues.model_dump(exclude={*Ues.model_fields, "mobility"}),
            **scenario.serving.model_dump(exclude={"preload"}),
            **scenario.reward.model_dump(),
            **_radio_setup(scenario),
        },
    )
    return setup.view(np.recarray)


def _mean_delay_s(link: Link) -> float:
    """Mean of the lognormal delay whose median the scenario gives."""
    return link.delay_s * math.exp(0.5 * link.delay_jitter**2)


def _radio_setup(scenario: Scenario) -> dict[str, Any]:
    options = scenario.radio
    env = radio.environment(options.environment, radio.preset(options.presets[0]).carrier_ghz)
    names = (
        "margin_db",
        "link_step_m",
        "fading_period_s",
        "beam_tracking_s",
        "blockers_per_m2",
        "background_load",
        "csi_error_db",
        "csi_period_s",
        "measurement_period_s",
        "time_to_trigger_s",
        "handover_hysteresis_db",
        "handover_interruption_s",
    )
    return {
        "environment": env.id,
        "h_bs_m": env.h_bs_m,
        "h_ue_m": env.h_ut_m,
        "shadow_keep_los": math.exp(-options.link_step_m / env.shadow_corr_los_m),
        "shadow_keep_nlos": math.exp(-options.link_step_m / env.shadow_corr_nlos_m),
        "los_keep": math.exp(-options.link_step_m / env.los_corr_m),
        "k_mean_db": env.k_mean_db,
        "k_std_db": env.k_std_db,
        "k_keep": math.exp(-options.link_step_m / env.k_corr_m),
        "indoor_share": scenario.ues.indoor_share,
        "filter_share": 0.5 ** (options.filter_coefficient / 4.0),  # TS 38.331 5.5.3.2
        **{name: getattr(options, name) for name in names},
        # Jain's people are 1.8 m tall: none reaches a link to a UE above them (InF-HH).
        "blockers_per_m2": options.blockers_per_m2 if env.h_ut_m < 1.8 else 0.0,
    }


def _bands(scenario: Scenario) -> np.recarray:
    offsets = scenario.radio.cell_offset_db or [0.0] * len(scenario.radio.presets)
    bands = np.zeros(len(offsets), fields.BAND_DTYPE)
    for row, name, offset_db in zip(bands, scenario.radio.presets, offsets, strict=True):
        _fill(row, _band(scenario, radio.preset(name), offset_db))
    return bands.view(np.recarray)


def _band(scenario: Scenario, preset: radio.RadioPreset, offset_db: float) -> dict[str, Any]:
    """A band's link budget, losses and timing."""
    options, ues, carrier_ghz = scenario.radio, scenario.ues, preset.carrier_ghz
    env = radio.environment(options.environment, carrier_ghz)
    rain_db_per_km = radio.rain_attenuation_db_per_km(carrier_ghz, options.rain_mm_per_h, "h")
    doppler_hz = radio.doppler_hz(ues.mean_speed_m_s, carrier_ghz)
    coherence_hz = preset.coherence_bandwidth_hz(env.name, False)
    blocked_db = [radio.blockage_loss_db(carrier_ghz, los) for los in (True, False)]
    same = (
        "carrier_ghz",
        "bandwidth_hz",
        "ptx_bs_dbm",
        "ptx_ue_dbm",
        "p0_dbm",
        "path_loss_share",
        "max_layers",
    )
    timing = ("tdd_period_s", "downlink_slots", "uplink_slots", "sr_period_s", "processing_s", "harq_rtt_s")
    grant_s, configured_s = preset.uplink_grant_latency_s, preset.uplink_configured_latency_s
    return {
        **{name: getattr(preset, name) for name in (*same, *timing)},
        "gain_db": preset.gain_bs_dbi + preset.gain_ue_dbi - preset.misalignment_db,
        "beamwidth_deg": radio.beamwidth_deg(preset.gain_bs_dbi),
        "ue_beamwidth_deg": radio.beamwidth_deg(preset.gain_ue_dbi),
        "alignment": radio.alignment_probability(preset.gain_bs_dbi),
        "stray_db": radio.stray_gain_db(preset.gain_bs_dbi),
        "offset_db": offset_db,
        "noise_bs_mw_hz": 10.0 ** (radio.noise_dbm(1.0, preset.noise_figure_bs_db) / 10.0),
        "noise_ue_mw_hz": 10.0 ** (radio.noise_dbm(1.0, preset.noise_figure_ue_db) / 10.0),
        "evm_floor": 10.0 ** (-preset.evm_db / 10.0),
        "uplink_efficiency": preset.uplink_share * (1.0 - preset.overhead_uplink),
        "downlink_efficiency": preset.downlink_share * (1.0 - preset.overhead_downlink),
        "sigma_los_db": env.sigma_los_db,
        "sigma_los_far_db": env.sigma_los_far_db,
        "breakpoint_m": radio.breakpoint_m(env.id, env.h_bs_m, env.h_ut_m, carrier_ghz),
        "sigma_nlos_db": env.sigma_nlos_db,
        "air_db_per_m": (radio.gas_attenuation_db_per_km(carrier_ghz) + rain_db_per_km) / 1e3,
        "wall_db": radio.wall_loss_db(carrier_ghz, ues.building),
        "wall_std_db": radio.wall_std_db(carrier_ghz, ues.building),
        "blocked_los_db": blocked_db[0],
        "blocked_nlos_db": blocked_db[1],
        "n_taps": radio.tap_count(preset.bandwidth_hz, coherence_hz, doppler_hz, scenario.time.slot_s),
        "radio_slot_s": preset.slot_s,
        "grant_s": preset.k2_slots * preset.slot_s,
        "uplink_access_s": grant_s,
        "uplink_stream_s": configured_s if options.configured_grant else grant_s,
        "downlink_access_s": preset.downlink_latency_s,
    }


def lengths_of(service: Service) -> np.ndarray:
    """float64 (rows, 3): arrival in s, prompt and output tokens of a service; one row if its lengths are fixed."""
    if service.trace is not None:
        return read_trace(service.trace)
    return np.array([[0.0, service.prompt_tokens, service.output_tokens]])


def _adapted(scenario: Scenario) -> list[str]:
    """Names of the services that have an adapter."""
    return [service.name for service in scenario.service if service.lora_rank is not None]


def _adapter(scenario: Scenario, service: Service) -> dict[str, float]:
    if service.lora_rank is None:
        return {"adapter": -1, "adapter_bytes": 0.0}
    size = costs.adapter_bytes(service.model, service.lora_rank, service.lora_targets)
    return {"adapter": _adapted(scenario).index(service.name), "adapter_bytes": size}


def _services(scenario: Scenario) -> tuple[np.ndarray, np.recarray]:
    parts = [lengths_of(service) for service in scenario.service]
    first = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    services = np.zeros(len(scenario.service), fields.SERVICE_DTYPE)
    for row, service, rows, start in zip(services, scenario.service, parts, first, strict=False):
        price = costs.token_price_usd(service.model)
        _fill(
            row,
            {
                "model": scenario.weights.index(service.weights),
                "privacy": k.PRIVACY_NAMES.index(service.privacy),
                "share": service.share,
                "ttft_slo_s": service.ttft_slo_s,
                "tpot_slo_s": service.tpot_slo_s,
                "expire_s": service.expire_s,
                "exposure_cost": service.exposure_cost,
                "payload_bytes": service.payload_bytes,
                **_adapter(scenario, service),
                "mean_output_tokens": rows[:, 2].mean(),
                "trace_first": start,
                "trace_rows": len(rows),
                # A replay runs round: from the last row to the first is a gap as long as the others are on average.
                "trace_span_s": np.ptp(rows[:, 0]) * len(rows) / max(len(rows) - 1, 1),
                "usd_per_input_token": price.in_usd,
                "usd_per_output_token": price.out_usd,
            },
        )
    return np.concatenate(parts), services.view(np.recarray)


def _records(shape: tuple[int, ...], dtype: np.dtype) -> np.recarray:
    return np.zeros(shape, dtype).view(np.recarray)


def _state(scenario: Scenario, b: int, v: int, c: int, candidates: bool) -> dict[str, Any]:
    n, peers, u = scenario.nodes.count, scenario.neighbours, scenario.num_ues
    cells = min(scenario.radio.candidate_cells, n)
    j = n * scenario.job_rows_per_node + 1
    places, precisions = min(_QUEUE_PLACES, j), len(scenario.actions.precision)
    d, f = len(observation_features(scenario)), len(CANDIDATE_FEATURES)
    return {
        "episode": _records((b,), fields.EPISODE_DTYPE),
        "counters": _records((b,), fields.COUNTER_DTYPE),
        "node": _records((b, n), fields.NODE_DTYPE),
        "variant": _records((b, n, v), fields.VARIANT_DTYPE),
        "adapter": _records((b, n, len(_adapted(scenario))), fields.ADAPTER_DTYPE),
        "link": _records((b, n, peers), fields.LINK_DTYPE),
        "seen": _records((b, n, peers, v), fields.SEEN_DTYPE),
        "ue": _records((b, u), fields.UE_DTYPE),
        "cell": _records((b, u + 1, cells), fields.CELL_DTYPE),
        "tap": np.zeros((b, u, 4, MAX_TAPS)),
        "arrival_heap": np.zeros((b, u), np.int64),
        "replay": _records((b, len(scenario.service)), fields.REPLAY_DTYPE),
        "job": _records((b, j), fields.JOB_DTYPE),
        "rows": np.zeros((b, 3, j), np.int64),
        "places": np.zeros((b, n, 2, places), np.int64),
        "outcome": _records((b, 3 * j), fields.OUTCOME_DTYPE),
        "observation": np.zeros((2, b, n, d), np.float32),
        "action_mask": np.zeros((2, b, n, c), np.int8),
        "candidates": np.zeros((2, b, n, c if candidates else 0, f), np.float32),
        "place": _records((b, peers + 3, precisions), fields.PLACE_DTYPE),
        "chunk_layer_s": np.zeros((b, peers + 1, precisions, _KEPT_CHUNKS)),
        "forecast": _records((b,), fields.FORECAST_DTYPE),
        "actions": np.zeros((b, n), np.int64),
        "result": np.zeros((b, n, 1 + len(k.REWARD_TERMS) + len(k.COST_NAMES))),
    }


def node_positions_m(scenario: Scenario) -> np.ndarray:
    """float64 (N, 2): nodes at the centres of a grid's cells."""
    index = np.arange(scenario.nodes.count)
    cell = np.stack([index % scenario.nodes.columns, index // scenario.nodes.columns], axis=1)
    return (cell + 0.5) * scenario.nodes.spacing_m


def bands_of(scenario: Scenario) -> np.ndarray:
    """int64 (N,): index of each node's band in `radio.presets`, in turn along rows and columns: two bands make a chessboard."""
    row, column = np.divmod(np.arange(scenario.nodes.count), scenario.nodes.columns)
    return (column + row) % len(scenario.radio.presets)


def neighbours_of(scenario: Scenario) -> np.ndarray:
    """int64 (N, K): the nearest other nodes, nearest first, ties by index."""
    position = node_positions_m(scenario)
    distance = np.hypot(*(position[:, None, :] - position[None, :, :]).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1, kind="stable")[:, : scenario.neighbours].astype(np.int64)


def _place_nodes(scenario: Scenario, world: k.World, devices: list[str]) -> None:
    own = [devices.index(scenario.nodes.devices[i % len(scenario.nodes.devices)]) for i in range(scenario.nodes.count)]
    position = node_positions_m(scenario)
    world.node["accelerator"][...] = own
    world.node["band"][...] = bands_of(scenario)
    world.node["x_m"][...], world.node["y_m"][...] = position[:, 0], position[:, 1]
    world.node["usable_bytes"][...] = world.device["usable_bytes"][own]
    world.link["peer"][...] = neighbours_of(scenario)
