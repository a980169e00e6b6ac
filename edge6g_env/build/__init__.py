"""From a scenario to the arrays of its worlds: a file a subject, put together here."""

from __future__ import annotations

from edge6g_env.build import arrays, flight, places, services, tables, tuning
from edge6g_env.build.faults import fault_parts, planned_outages
from edge6g_env.build.radio import bands, mcs, radio_table
from edge6g_env.kernel.fields import blank
from edge6g_env.kernel.world import World
from edge6g_env.spaces import Layout


def make_world(layout: Layout, num_worlds: int, *, candidates: bool, debug: bool) -> World:
    """Arrays of `num_worlds` worlds that have not been reset yet."""
    scenario = layout.scenario
    cost = services.cost_tables(scenario)
    trace, service = services.services(scenario)
    neighbour = places.neighbours_of(scenario)
    tile, tile_node = places.nodes_by_tile(scenario)
    parts = fault_parts(scenario, neighbour)
    return World(
        interface=tables.interface_table(layout, debug),
        time=tables.time_table(scenario),
        radio=radio_table(scenario),
        mobility=tables.mobility_table(scenario),
        wired=tables.wired_table(scenario),
        cloud=tables.cloud_table(scenario),
        serving=tables.serving_table(scenario),
        prediction=tables.prediction_table(scenario),
        arrivals=tables.arrivals_table(scenario),
        reward=tables.reward_table(scenario),
        prices=tables.prices_table(scenario),
        band=bands(scenario),
        service=service,
        choice=services.choices(scenario),
        round=services.rounds(scenario),
        tuning=tuning.sizes(scenario),
        lora=services.adapters(scenario),
        action=services.actions(layout),
        device=services.devices(scenario, cost),
        model=services.models(scenario, cost),
        site=places.sites(scenario),
        equipment=places.equipment(scenario),
        tile=tile,
        tile_node=tile_node,
        neighbour=neighbour,
        action_layers=layout.action_layers(cost.layers.tolist()),
        exposure=services.exposures(scenario, cost),
        trace=trace,
        longer=services.longer_outputs(scenario),
        observation_limits=layout.observation_limits,
        candidate_limits=layout.candidate_limits,
        mcs=mcs(),
        outage=planned_outages(scenario, parts),
        encoder_s=services.encoder_times(scenario),
        tuning_s=tuning.times(scenario),
        cost=services.cost_array(cost),
        blank=blank(),
        part_faults=parts,
        **flight.fixed(layout, num_worlds),
        **arrays.state(layout, num_worlds, len(parts), candidates),
    )
