"""The action table and the layout of observations: names, units and ranges of everything that an agent sees or does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, zip_longest

import numpy as np
from gymnasium import spaces

from edge6g_env import scenario_tuning as tuning
from edge6g_env._state import NODE_STATE, UE_STATE, WORLD_STATE
from edge6g_env.device_split import DRAFT, name_of, share_of
from edge6g_env.features import Feature, count, flag, seconds, widest
from edge6g_env.kernel import codes
from edge6g_env.scenario import Scenario

_LONGEST_S = 120.0  # of a time, where every job expires earlier
_WAITS = ("load_s", "wait_s", "upload_s", "accelerator_s")
ACTION_COLUMNS = ("route", "device_split", "edge_split", "precision", "model")
# The kernel writes a candidate's row in this order (kernel/predict.py). Ranges are the least: see candidate_features.
CANDIDATE_FEATURES: tuple[Feature, ...] = (
    flag("is_hold"),
    flag("is_reject"),
    flag("is_local"),
    flag("is_neighbour"),
    flag("is_cloud"),
    flag("is_draft"),
    Feature("device_share", "1", 0.0, 1.0),
    Feature("ingress_share", "1", 0.0, 1.0),
    Feature("target_share", "1", 0.0, 1.0),
    Feature("weight_bits", "bit", 0.0, 32.0),
    seconds("ttft_s", _LONGEST_S),
    seconds("tpot_s", 10.0),
    seconds("load_s", _LONGEST_S),
    seconds("wait_s", _LONGEST_S),
    seconds("upload_s", _LONGEST_S),
    seconds("accelerator_s", _LONGEST_S),
    Feature("energy_j", "J", 0.0, 1e5, "log"),
    Feature("price_musd", "0.001 USD", 0.0, 1e3, "log"),
    Feature("quality", "1", 0.0, 1.0),
    Feature("model_score", "1", 0.0, 1.0),
    flag("is_default_model"),
    Feature("timeliness", "1", 0.0, 1.0),
    Feature("progress", "1", 0.0, 1.0),
    Feature("air_mb", "MB", 0.0, 1e4, "log"),
    Feature("backhaul_mb", "MB", 0.0, 1e4, "log"),
    Feature("exposure_device", "1", 0.0, 1.0),
    Feature("exposure_site", "1", 0.0, 1.0),
    count("sequences", 1e3),
    seconds("cycle_s", 10.0),
    seconds("report_age_s", 60.0),
    # What it costs the others (kernel/externality.py).
    Feature("slowdown", "1", 0.0, 1e3, "log"),
    Feature("slowdown_over_30ms", "1", 0.0, 1e3, "log"),
    Feature("slowdown_over_80ms", "1", 0.0, 1e3, "log"),
    Feature("prefill_decoding_s", "s", 0.0, 1e4, "log"),
    Feature("prefill_waiting_s", "s", 0.0, 1e4, "log"),
    seconds("cloud_place_s", 1e3),
    Feature("cloud_place_wait_s2", "s2", 0.0, 1e4, "log"),
    flag("cloud_waits"),
    flag("load_fp16"),
    flag("load_int8"),
    flag("load_int4"),
    flag("is_fp16"),
    flag("is_int8"),
    flag("is_int4"),
    flag("is_partial_cut"),
    seconds("load_prefill_s", _LONGEST_S),
    seconds("kept_prefill_s", _LONGEST_S),
    flag("load_near_copy"),
    count("load_copies", 10.0, "node"),
    flag("load_evicts"),
    seconds("load_token_s", 10.0),
    Feature("load_service_share", "1", 0.0, 1.0),
    Feature("need_share", "1", 0.0, 1e3, "log"),
    Feature("node_ue_share", "1", -1.0, 1.0),
    Feature("node_memory_gb", "GB", 0.0, 1e3, "log"),
    Feature("utility", "1", -100.0, 1.0),
)

_UE_DEVICE = (
    Feature("job/device_memory_gb", "GB", 0.0, 1e3, "log"),
    Feature("job/device_tflops", "TFLOP/s", 0.0, 1e4, "log"),
)


def longest_s(scenario: Scenario) -> float:
    """Times are not told apart beyond this: no job lives longer, so that none of them is worth more than another."""
    return max(_LONGEST_S, *(service.expire_s for service in scenario.service))


def most_value(scenario: Scenario) -> float:
    """The most that an answer is worth."""
    return max(1.0, *(service.value for service in scenario.service))


def candidate_features(scenario: Scenario) -> tuple[Feature, ...]:
    """Entries of a candidate, wide enough for all that its jobs may live, be worth and cost."""
    reward, by_name = scenario.reward, {feature.name: feature for feature in CANDIDATE_FEATURES}
    highest = {name: max(by_name[name].high, high) for name, high in tuning.most(scenario).items()}
    costs_most = {name: highest.get(name, by_name[name].high) for name in ("price_musd", "energy_j")}
    lost = reward.rejected_cost + max(reward.expired_cost, reward.failed_cost)
    lost += max(service.exposure_cost for service in scenario.service)
    lost += reward.price_per_usd * costs_most["price_musd"] / 1e3 + reward.energy_per_j * costs_most["energy_j"]
    ranges = {name: (0.0, high) for name, high in highest.items()}
    ranges |= {name: (0.0, longest_s(scenario)) for name in ("ttft_s", "tpot_s", *_WAITS)}
    ranges["utility"] = (min(by_name["utility"].low, -lost), most_value(scenario))
    return tuple(
        replace(feature, low=low, high=high)
        for feature in CANDIDATE_FEATURES
        for low, high in [ranges.get(feature.name, (feature.low, feature.high))]
    )


def job_features(scenario: Scenario) -> list[Feature]:
    """Entries about the job at the head of the queue, its UE and channel."""
    return [
        flag("job/waiting"),
        seconds("job/age_s", longest_s(scenario)),
        Feature("job/prompt_tokens", "token", 0.0, 131_072.0, "log"),
        count("job/inputs", 64.0, "1"),
        Feature("job/mean_output_tokens", "token", 0.0, 131_072.0, "log"),
        seconds("job/ttft_slo_s", 600.0),
        seconds("job/tpot_slo_s", 60.0),
        seconds("job/deadline_s", max(600.0, *(service.objectives["deadline_s"] for service in scenario.service))),
        Feature("job/value", "1", 0.0, most_value(scenario), "log"),
        *(flag(f"job/privacy_{name}") for name in codes.PRIVACY_NAMES),
        *(flag(f"job/service_{service.name}") for service in scenario.service),
        Feature("job/uplink_sinr_db", "dB", -60.0, 100.0),
        Feature("job/downlink_sinr_db", "dB", -60.0, 100.0),
        seconds("job/channel_age_s", 10.0),
        count("job/cell_senders", 1e3),
        count("job/device_jobs", 100.0),
        flag("job/handed_over"),
        Feature("job/done_tokens", "token", 0.0, 131_072.0, "log"),
        count("job/retries", 100.0, "1"),
        flag("job/finetune"),
        count("job/steps", 1e6, "1"),
        Feature("job/step_tokens", "token", 0.0, 131_072.0, "log"),
        count("job/done_steps", 1e6, "1"),
        *(_UE_DEVICE if scenario.ues.differ else ()),
    ]


def _node_features(scenario: Scenario) -> list[Feature]:
    """Entries about the agent's own node."""
    return [
        count("node/queue_jobs", 1e3),
        count("node/inbox_jobs", 1e3),
        count("node/sequences", 1e3),
        seconds("node/backlog_s", 120.0),
        seconds("node/cycle_s", 10.0),
        Feature("node/prefill_share", "1", 0.0, 1.0),
        Feature("node/ran_load", "1", 0.0, 1.0),
        Feature("node/kv_share", "1", 0.0, 1.0),
        Feature("node/weight_share", "1", 0.0, 1.0),
        flag("node/loading"),
        count("node/cell_senders", 1e3),
        count("node/backhaul_transfers", 1e3),
        seconds("node/cloud_wait_s", 120.0),
        flag("node/cloud_up"),
        flag("node/backhaul_up"),
        flag("node/up"),
        *(Feature(f"node/resident_{name}", "1", 0.0, 1.0) for name in scenario.actions.precision),
        count("node/training_jobs", 1e3),
    ]


def neighbour_features(scenario: Scenario, n: int) -> list[Feature]:
    """Entries about neighbour n, counted from 1."""
    peer = f"neighbour_{n}"
    return [
        flag(f"{peer}/exists"),
        seconds(f"{peer}/report_age_s", 60.0),
        count(f"{peer}/queue_jobs", 1e3),
        count(f"{peer}/inbox_jobs", 1e3),
        count(f"{peer}/sequences", 1e3),
        seconds(f"{peer}/backlog_s", 120.0),
        seconds(f"{peer}/cycle_s", 10.0),
        Feature(f"{peer}/prefill_share", "1", 0.0, 1.0),
        Feature(f"{peer}/ran_load", "1", 0.0, 1.0),
        Feature(f"{peer}/free_share", "1", -1.0, 1.0),
        count(f"{peer}/sent_since", 1e3),
        flag(f"{peer}/link_up"),
        flag(f"{peer}/up"),
        *(Feature(f"{peer}/resident_{name}", "1", 0.0, 1.0) for name in scenario.actions.precision),
        count(f"{peer}/training_jobs", 1e3),
    ]


def observation_features(scenario: Scenario) -> tuple[Feature, ...]:
    """Entries of one agent's observation, in the order in which kernel/observe.py writes them."""
    neighbours = [neighbour_features(scenario, n) for n in range(1, scenario.neighbours + 1)]
    return (*job_features(scenario), *_node_features(scenario), *chain.from_iterable(neighbours))


def _state_parts(scenario: Scenario) -> tuple[tuple[str, int, tuple[Feature, ...]], ...]:
    """Parts of `state()` in order: what stands before the names, how often the part comes, its entries."""
    nodes = scenario.nodes.count
    return (
        ("node_{}/", nodes, observation_features(scenario)),
        ("", 1, tuple(entry.feature for entry in WORLD_STATE)),
        ("node_{}/now/", nodes, tuple(entry.feature for entry in NODE_STATE)),
        ("ue_{}/", scenario.num_ues, tuple(entry.feature for entry in UE_STATE)),
    )


def state_features(scenario: Scenario) -> tuple[Feature, ...]:
    """Entries of `state()`: what every agent observes, then the truth that none of them does: world, nodes now, UEs."""
    return tuple(
        replace(f, name=before.format(i) + f.name)
        for before, times, entries in _state_parts(scenario)
        for i in range(times)
        for f in entries
    )


def action_table(scenario: Scenario) -> np.ndarray:
    """int64 (C, 5): ACTION_COLUMNS, each an index into the scenario's grids, the model one into the service's list; row 0 is hold.

    An entry that means nothing in its row is 0: all but the route for hold and reject, edge_split for local. A whole model on the
    device (device_split 1) goes with the route local only, a draft there with any route and no edge split.
    """
    grid = scenario.actions
    rows = [(codes.HOLD, 0, 0, 0, 0), (codes.REJECT, 0, 0, 0, 0)]
    cloud = codes.NEIGHBOUR + scenario.neighbours
    for route in range(codes.LOCAL, cloud + 1):
        for d, device_share in enumerate(grid.device_split):
            for e, _ in enumerate(grid.edge_split):
                if (e > 0 and (route == codes.LOCAL or device_share == DRAFT)) or (
                    route != codes.LOCAL and device_share == 1.0
                ):
                    continue
                rows += [(route, d, e, p, m) for p in range(len(grid.precision)) for m in range(scenario.most_models)]
    return np.array(rows, dtype=np.int64)


def drafts(scenario: Scenario, table: np.ndarray) -> np.ndarray:
    """Actions in which the device drafts, bool (C,)."""
    return np.array([split == DRAFT for split in scenario.actions.device_split])[table[:, 1]]


def device_shares(scenario: Scenario, table: np.ndarray) -> np.ndarray:
    """Share of the model's layers on the device in each action, float64 (C,); none beside a draft."""
    return np.array([share_of(split) for split in scenario.actions.device_split])[table[:, 1]]


def has_meaning(table: np.ndarray, column: str) -> np.ndarray:
    """Actions in which a column means something, bool (C,): those that serve the job, for the edge split those beyond its node."""
    route = table[:, ACTION_COLUMNS.index("route")]
    return route >= (codes.NEIGHBOUR if column == "edge_split" else codes.LOCAL)


def action_layers(scenario: Scenario, table: np.ndarray, layers: Sequence[int]) -> np.ndarray:
    """int64 (C, V, 2): layer_1 and layer_2 of each action for variants with the given layer counts."""
    grid, (route, d, e, _, _) = scenario.actions, table.T
    out = np.zeros((len(table), len(layers), 2), dtype=np.int64)
    for v, total in enumerate(layers):
        first = [cut_layer(share_of(split), total) for split in grid.device_split]
        second = [[layer + cut_layer(share, total - layer) for share in grid.edge_split] for layer in first]
        out[:, v, 0] = np.array(first)[d]
        out[:, v, 1] = np.where(route == codes.LOCAL, total, np.array(second)[d, e])
    out[route < codes.LOCAL] = 0
    return out


def cut_layer(share: float, layers: int) -> int:
    """Layers that a share means: rounded, but a share above 0 is at least one layer and one below 1 leaves at least one."""
    if share <= 0.0 or share >= 1.0:
        return 0 if share <= 0.0 else layers
    return min(max(1, round(share * layers)), layers - 1)


def action_names(scenario: Scenario, table: np.ndarray) -> list[str]:
    """Each action in words; the model by its position from 1, where some service has more than one."""
    grid, cloud = scenario.actions, codes.NEIGHBOUR + scenario.neighbours
    names = []
    for route, d, e, p, m in table:
        if route <= codes.REJECT:
            names.append("hold" if route == codes.HOLD else "reject")
            continue
        where = (
            "local"
            if route == codes.LOCAL
            else "cloud"
            if route == cloud
            else f"neighbour {route - codes.NEIGHBOUR + 1}"
        )
        parts = [where]
        if grid.device_split[d] != 0.0:
            parts.append(f"{name_of(grid.device_split[d])} on the device")
        if grid.edge_split[e] > 0.0 and route != codes.LOCAL:
            parts.append(f"{grid.edge_split[e]:g} of the rest at the ingress")
        model = [f"model {m + 1}"] if scenario.most_models > 1 else []
        names.append(", ".join([*parts, grid.precision[p], *model]))
    return names


@dataclass(frozen=True)
class Layout:
    """What a policy may know of the interface: the action table and the names of all entries."""

    scenario: Scenario

    @cached_property
    def action_table(self) -> np.ndarray:
        """int64 (C, 5), see the function of this name."""
        return action_table(self.scenario)

    @cached_property
    def action_names(self) -> list[str]:
        """Each action in words."""
        return action_names(self.scenario, self.action_table)

    @cached_property
    def observation(self) -> tuple[Feature, ...]:
        """Entries of an observation."""
        return observation_features(self.scenario)

    @cached_property
    def state(self) -> tuple[Feature, ...]:
        """Entries of `state()`."""
        return state_features(self.scenario)

    @cached_property
    def candidates(self) -> tuple[Feature, ...]:
        """Entries of a candidate."""
        return candidate_features(self.scenario)

    def difference(self, other: Layout) -> tuple[str, str, str] | None:
        """The first entry of an observation or action that is another one there: which, what it is here, and there; None: there is none."""
        names = ([feature.name for feature in layout.observation] for layout in (self, other))
        if found := first_difference(*names):
            return f"observation entry {found[0]}", *found[1:]
        if found := first_difference(self.action_names, other.action_names):
            return f"action {found[0]}", *found[1:]
        return None

    def action_layers(self, layers: Sequence[int]) -> np.ndarray:
        """int64 (C, V, 2), see the function of this name."""
        return action_layers(self.scenario, self.action_table, layers)

    @property
    def observation_limits(self) -> np.ndarray:
        """float32 (2, D): low and high of an observation's entries."""
        return np.stack(_limits(self.observation))

    @property
    def candidate_limits(self) -> np.ndarray:
        """float32 (2, F): the same of a candidate's."""
        return np.stack(_limits(self.candidates))

    @property
    def num_actions(self) -> int:
        """C."""
        return len(self.action_table)

    @property
    def cloud_route(self) -> int:
        """Route of the cloud in the action table; neighbours lie below it, from 3 on."""
        return codes.NEIGHBOUR + self.scenario.neighbours

    @cached_property
    def _observation_at(self) -> dict[str, int]:
        return _places(self.observation)

    @cached_property
    def _candidate_at(self) -> dict[str, int]:
        return _places(self.candidates)

    def observation_index(self, name: str) -> int:
        """Column of an observation entry; KeyError if there is none of that name."""
        return _index(self._observation_at, name)

    def candidate_index(self, name: str) -> int:
        """Column of a candidate entry; KeyError if there is none of that name."""
        return _index(self._candidate_at, name)

    @property
    def state_space(self) -> spaces.Box:
        """Space of `state()`."""
        parts = [(_limits(entries), times) for _, times, entries in _state_parts(self.scenario)]
        low, high = (np.concatenate([np.tile(limits[i], times) for limits, times in parts]) for i in (0, 1))
        return spaces.Box(low, high, dtype=np.float32)

    def agent_space(self, candidates: bool) -> spaces.Dict:
        """Observation space of one agent."""
        parts: dict[str, spaces.Space] = {
            "observation": _box(self.observation),
            "action_mask": spaces.Box(0, 1, (self.num_actions,), np.int8),
        }
        if candidates:
            low, high = (np.tile(limit, (self.num_actions, 1)) for limit in _limits(self.candidates))
            parts["candidates"] = spaces.Box(low, high, dtype=np.float32)
        return spaces.Dict(parts)


@dataclass(frozen=True)
class WidestLayout(Layout):
    """That of scenarios which have the same entries and actions: each range is the widest of all of theirs."""

    others: tuple[Layout, ...]

    def _widest(self, kind: str) -> tuple[Feature, ...]:
        return widest(getattr(Layout(self.scenario), kind), *(getattr(layout, kind) for layout in self.others))

    @cached_property
    def observation(self) -> tuple[Feature, ...]:
        """Entries of an observation."""
        return self._widest("observation")

    @cached_property
    def state(self) -> tuple[Feature, ...]:
        """Entries of `state()`."""
        return self._widest("state")

    @cached_property
    def candidates(self) -> tuple[Feature, ...]:
        """Entries of a candidate."""
        return self._widest("candidates")

    @property
    def state_space(self) -> spaces.Box:
        """Space of `state()`."""
        return _box(self.state)


def first_difference(names: Sequence[str], others: Sequence[str]) -> tuple[int, str, str] | None:
    """Where two lists of names differ first, and the two names there in quotes, `none` where a list has ended; None if they are equal."""
    for place, pair in enumerate(zip_longest(names, others)):
        if pair[0] != pair[1]:
            one, other = ("none" if name is None else repr(name) for name in pair)
            return place, one, other
    return None


def _index(at: Mapping[str, int], name: str) -> int:
    if name not in at:
        raise KeyError(f"no entry {name!r}; there are {', '.join(at)}")
    return at[name]


def _places(features: Sequence[Feature]) -> dict[str, int]:
    return {feature.name: place for place, feature in enumerate(features)}


def _limits(features: Sequence[Feature]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([f.low for f in features], np.float32), np.array([f.high for f in features], np.float32)


def _box(features: Sequence[Feature]) -> spaces.Box:
    low, high = _limits(features)
    return spaces.Box(low, high, dtype=np.float32)
