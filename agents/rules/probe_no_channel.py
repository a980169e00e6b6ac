"""Rule `probe-no-channel`."""

from __future__ import annotations

from collections.abc import Mapping

from agents.parameters import Parameter
from agents.policy import Compiled, register
from agents.rules._plans import static_plan
from agents.values import STATIC, choices, numbers, steps_from
from edge6g_env.compiled import CompiledPolicy
from edge6g_env.device_split import DRAFT
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_services import Service
from edge6g_env.spaces import Layout

DEVICE_SHARE = "device_share_"


@register("probe-no-channel")
class ProbeNoChannel(Compiled):
    """A probe: `static` with the share of layers on the device fixed by service, the whole model there being a share like any other.

    The upload of a job takes as long whatever server it goes to, so the channel matters where the device's part is chosen, and that is
    not left to it: what stays free, server and `reject`, is chosen by utility. Where a scenario is won by it nobody need know the channel.
    Other cuts, precision and model are those of `static`; the shares, the nearest of the grid, are found by `edge6g tune`.
    """

    reads_values_of = (STATIC,)

    @staticmethod
    def parameters_in(scenario: Scenario) -> tuple[Parameter, ...]:
        """A share a service."""
        return tuple(
            Parameter(f"{DEVICE_SHARE}{one.name}", "1", 0.0, 1.0, 0.0, "linear", f"share of {one.name} on the device")
            for one in scenario.service
        )

    def __init__(self, layout: Layout, values: Mapping[str, float] | None = None) -> None:
        """values: parameter -> value, None: those that ship. ValuesError if there are none or none of static, ParameterError."""
        found, plan = numbers("probe-no-channel", layout.scenario, values), static_plan(layout)
        wanted = [
            {column: [value] for column, value in plan[one.name].items()}
            | {"device_split": [_nearest(layout.scenario, one, found[f"{DEVICE_SHARE}{one.name}"])]}
            for one in layout.scenario.service
        ]
        super().__init__(CompiledPolicy(layout, distance=steps_from(layout, wanted)))


def _nearest(scenario: Scenario, service: Service, share: float) -> float:
    """The share of the grid that is nearest, the smaller of two."""
    grid = [float(one) for one in choices(scenario, service)["device_split"] if one != DRAFT]
    return min(grid, key=lambda one: (abs(one - share), one))
