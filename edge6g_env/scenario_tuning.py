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
        _check_model(service)
        if service.expire_s > scenario.time.drain_s:
            raise UserError(
                f"service.{service.name}.expire_s = {service.expire_s:g}: it must be at most time.drain_s = {scenario.time.drain_s:g}, or "
                "the end of an episode would cut jobs off that still have time"
            )
        if service.participants > scenario.ues.per_node:
            raise UserError(
                f"service.{service.name}.participants = {service.participants}: it must be at most ues.per_node = "
                f"{scenario.ues.per_node}: a task is that of UEs of one node"
            )
    if any(service.may_use_cloud for service in scenario.finetune):
        rows.check_accelerator_prices("cloud.device", [scenario.cloud.device])


def _check_model(service: FinetuneService) -> None:
    """The model has the matrices that are adapted, and room for a sequence; UserError otherwise."""
    rows.check_targets(service, service.model)
    context = costs.model(service.model).context
    if 0 < context < service.step_tokens:
        raise UserError(
            f"service.{service.name}.step_tokens = {service.step_tokens}: it must be at most the context of {service.model}, {context}"
        )
