"""Services of fine-tuning: what none of them can check on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge6g_env import costs
from edge6g_env import scenario_rows as rows
from edge6g_env.errors import UserError

if TYPE_CHECKING:
    from edge6g_env.scenario import Scenario
    from edge6g_env.scenario_services import FinetuneService


def check(scenario: Scenario) -> None:
    """Jobs end within an episode, steps fit their model, tasks find UEs, and the cloud's accelerator has a price where one may be rented;
    UserError otherwise."""
    for service in scenario.finetune:
        _check_model(service, scenario.catalog.model(service.model))
        if service.expire_s > scenario.time.drain_s:
            raise UserError(
                f"service.{service.name}.expire_s = {service.expire_s:g}: it must be at most time.drain_s = {scenario.time.drain_s:g}, or "
                "the end of an episode would cut jobs off that still have time"
            )
        if service.participants > (most_ues := max(scenario.ues.per_node)):
            raise UserError(
                f"service.{service.name}.participants = {service.participants}: it must be at most ues.per_node = "
                f"{most_ues}: a task is that of UEs of one node"
            )
    if any(service.may_use_cloud for service in scenario.finetune):
        rows.check_accelerator_prices("cloud.device", [scenario.cloud.device], scenario.catalog)


def _check_model(service: FinetuneService, model: costs.ModelSpec) -> None:
    """The model has the matrices that are adapted, and room for a sequence; UserError otherwise."""
    rows.check_targets(service, model)
    context = model.context
    if 0 < context < service.step_tokens:
        raise UserError(
            f"service.{service.name}.step_tokens = {service.step_tokens}: it must be at most the context of {service.model}, {context}"
        )


def most(scenario: Scenario) -> dict[str, float]:
    """No less than what a fine-tuning job sends, pays and draws, by name of a candidate's entry; empty without any."""
    if not scenario.finetune:
        return {}
    prices = scenario.prices
    usd_gb = prices.air_usd_per_gb + prices.backhaul_usd_per_gb + prices.egress_usd_per_gb
    rented = [scenario.cloud.device] if any(service.may_use_cloud for service in scenario.finetune) else []
    usd_s = max(
        costs.accelerator_price_usd_per_s(scenario.device_spec(name)) for name in [*scenario.nodes.devices, *rented]
    )
    watts = max(scenario.device_spec(name).tdp_w for name in scenario.devices) + max(scenario.ues.tx_power_w)
    sent_mb = max(_sent_mb(service, scenario.model_spec(service.model)) for service in scenario.finetune)
    lives_s = max(service.expire_s for service in scenario.finetune)
    price_musd = usd_gb * sent_mb + 1e3 * usd_s * lives_s
    return {"air_mb": sent_mb, "backhaul_mb": sent_mb, "price_musd": price_musd, "energy_j": watts * lives_s}


def _sent_mb(service: FinetuneService, model: costs.ModelSpec) -> float:
    """Activations and gradients of all steps, twice where labels stay on the device, or raw data; its adapter once, and twice a round."""
    tokens = service.tokens_a_step
    step_bytes = (4.0 if service.keeps_labels else 2.0) * float(costs.boundary_bytes(model, tokens)) + 4.0 * tokens
    rounds = -(-service.steps // service.aggregate_every) if service.aggregate_every else 0
    adapter_bytes = costs.adapter_bytes(model, service.lora_rank, service.lora_targets)
    return (service.steps * step_bytes + (1.0 + 2.0 * rounds) * adapter_bytes + service.payload_bytes) / 1e6
