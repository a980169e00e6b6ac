"""`static` and `restricted`: what their values allow, and what is no file of values."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from agents import values as agents_values
from agents.policy import Observation, make_rule, rule_class, rule_names
from agents.rules.restricted import Restricted
from agents.rules.static import Static
from agents.values import (
    RESTRICTED,
    RULES,
    STATIC,
    ValuesError,
    all_choices,
    choices,
    has_values,
    identity_of,
    read_file,
    tuned,
    values_file,
)
from edge6g_env.kernel.codes import HOLD, LOCAL, NEIGHBOUR, REJECT
from edge6g_env.scenario import load_scenario, scenarios
from edge6g_env.spaces import ACTION_COLUMNS, Layout

PLAN = {
    "chat": {"device_split": 0.0, "edge_split": 0.25, "precision": "int8", "model": "llama-3.1-8b"},
    "assistant": {"device_split": 0.125, "edge_split": 0.0, "precision": "int4", "model": "llama-3.2-3b"},
}
SUBSET = {
    "device_split": [0.0, 0.5],
    "edge_split": [0.0],
    "precision": ["fp16", "int8"],
    "model": ["llama-3.1-8b", "llama-3.2-3b"],
}


def draw(layout: Layout, obs: Observation, rng: np.random.Generator, legal: float) -> None:
    """Random masks, utilities and services; `hold` is the best by utility, and never a choice."""
    utility = obs["candidates"][..., layout.candidate_index("utility")]
    utility[...] = rng.random(utility.shape)
    utility[..., HOLD] = 2.0
    obs["action_mask"][...] = rng.random(utility.shape) < legal
    obs["action_mask"][..., [HOLD, REJECT]] = 1
    which = rng.random(utility.shape[:-1]) < 0.5
    for name, chosen in (("chat", which), ("assistant", ~which)):
        obs["observation"][..., layout.observation_index(f"job/service_{name}")] = chosen


def value_of(layout: Layout, row: np.ndarray, column: str) -> float | str:
    return getattr(layout.scenario.actions, column)[row[ACTION_COLUMNS.index(column)]]


def far_from_static(layout: Layout, row: np.ndarray, service: str) -> int:
    """Written out row by row: steps from the wanted values, added up."""
    grid, wanted, steps = layout.scenario.actions, PLAN[service], 0
    for column in ("device_split", "edge_split", "precision"):
        value = value_of(layout, row, column)
        if (column == "edge_split" and row[0] == LOCAL) or (column == "device_split" and value == 1.0):
            continue
        values = getattr(grid, column)
        distance = abs(values.index(value) - values.index(wanted[column]))
        if column == "device_split":
            distance = min(distance, len(values) - 1 - values.index(value))  # the whole on the device is as near
        steps += distance
    return steps


@pytest.mark.parametrize("legal", [1.0, 0.3, 0.03])
def test_static_takes_the_best_of_the_nearest_rows(
    layout: Layout, obs: Observation, rng: np.random.Generator, legal: float
):
    utility, replaced = layout.candidate_index("utility"), 0
    for _ in range(50):
        draw(layout, obs, rng, legal)
        actions = Static(layout, PLAN).act(obs, rng)
        for b, i in np.ndindex(actions.shape):
            service = "chat" if obs["observation"][b, i, layout.observation_index("job/service_chat")] else "assistant"
            rows = [c for c in np.flatnonzero(obs["action_mask"][b, i]) if c > REJECT]
            far = {c: far_from_static(layout, layout.action_table[c], service) for c in rows}
            nearest = min(far.values(), default=0)
            allowed = [REJECT, *(c for c in rows if far[c] == nearest)]
            replaced += nearest > 0
            assert actions[b, i] == max(allowed, key=lambda c: obs["candidates"][b, i, c, utility])
    assert (replaced > 0) == (legal < 1.0)


def test_the_route_is_free_and_the_whole_model_on_the_device_is_one(
    layout: Layout, obs: Observation, rng: np.random.Generator
):
    draw(layout, obs, rng, 1.0)
    table, seen = layout.action_table, set()
    for c in range(LOCAL, len(table)):
        obs["candidates"][..., layout.candidate_index("utility")] = 0.0
        obs["candidates"][..., c, layout.candidate_index("utility")] = 1.0
        chosen = Static(layout, PLAN).act(obs, rng) == c
        if chosen.any():
            seen.add((int(table[c, 0]), value_of(layout, table[c], "device_split")))
    routes = range(LOCAL, layout.cloud_route + 1)
    assert {route for route, _ in seen} == set(routes)
    assert (LOCAL, 1.0) in seen
    assert {share for _, share in seen} == {0.0, 0.125, 1.0}


def test_restricted_with_all_values_is_greedy(layout: Layout, obs: Observation, rng: np.random.Generator):
    draw(layout, obs, rng, 0.3)
    obs["candidates"][..., HOLD, :] = -1.0
    everything = Restricted(layout, all_choices(layout.scenario)).act(obs, rng)
    assert (everything == make_rule("greedy", layout).act(obs, rng)).all()


def test_restricted_keeps_to_its_values_where_it_can(layout: Layout, obs: Observation, rng: np.random.Generator):
    draw(layout, obs, rng, 1.0)
    obs["candidates"][..., REJECT, :] = -1.0
    for c in np.unique(Restricted(layout, SUBSET).act(obs, rng)):
        row = layout.action_table[c]
        assert value_of(layout, row, "device_split") in SUBSET["device_split"]
        assert value_of(layout, row, "precision") in SUBSET["precision"]
        assert row[0] < NEIGHBOUR or value_of(layout, row, "edge_split") == 0.0
    obs["action_mask"][..., [value_of(layout, row, "precision") != "int4" for row in layout.action_table]] = 0
    obs["action_mask"][..., [HOLD, REJECT]] = 1
    left = layout.action_table[Restricted(layout, SUBSET).act(obs, rng)]
    assert {value_of(layout, row, "precision") for row in left.reshape(-1, left.shape[-1])} == {"int4"}


def write(path: Path, **content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_values_of_a_file_are_read(tmp_path: Path):
    scenario = load_scenario("tiny")
    file = write(tmp_path / "mine.json", static={"values": PLAN, "scenario": "tiny_v0"})
    found = tuned(STATIC, scenario, file)
    assert (found.values, found.scenario) == (PLAN, "tiny_v0")
    other = {**PLAN, "chat": {**PLAN["chat"], "precision": "fp16"}}
    again = tuned(STATIC, scenario, write(tmp_path / "other.json", static={"values": other, "scenario": "tiny_v0"}))
    assert identity_of(STATIC, scenario, found.values) != identity_of(STATIC, scenario, again.values)
    with pytest.raises(ValuesError, match=r"mine.json has no values of restricted: `edge6g tune --rule restricted"):
        tuned(RESTRICTED, scenario, file)


BAD = {
    "service": ({"chat": PLAN["chat"]}, "static has no values for service 'assistant'"),
    "value": (
        {**PLAN, "chat": {**PLAN["chat"], "precision": "int2"}},
        "chat.precision = int2 is not among fp16, int8, int4",
    ),
    "column": ({**PLAN, "chat": {"precision": "int8"}}, "chat.device_split is missing"),
    "unknown column": (
        {**PLAN, "chat": {**PLAN["chat"], "route": "local"}},
        "chat.route is no column: there are device_split",
    ),
    "form": ({**PLAN, "chat": 3}, "not as `edge6g tune` writes it"),
}


@pytest.mark.parametrize("case", BAD)
def test_values_that_do_not_fit_are_refused(tmp_path: Path, case: str):
    values, message = BAD[case]
    file = write(tmp_path / "mine.json", static={"values": values, "scenario": "tiny_v0"})
    with pytest.raises(ValuesError, match=r"^mine\.json: ") as error:
        tuned(STATIC, load_scenario("tiny"), file)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"restricted": {"devicesplit": [0.0]}}, "devicesplit is no column: .*; did you mean device_split"),
        ({"tuned": {"rows": {"restricted": {"route": [1]}}, "weights": {}}}, "route is no column"),
        (
            {"tuned": {"rows": "all", "weights": {"ttft_s": 10**400}}},
            "weights.ttft_s = 1000000000.* is no number up to",
        ),
    ],
)
def test_entries_that_no_rule_reads_are_refused(tmp_path: Path, values: dict, message: str):
    ((rule, of),) = values.items()
    with pytest.raises(ValuesError, match=message):
        tuned(
            rule, load_scenario("tiny"), write(tmp_path / "mine.json", **{rule: {"values": of, "scenario": "tiny_v0"}})
        )


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"greedy": {}}', "[" * 100_000])
def test_what_is_no_file_of_values_is_refused(tmp_path: Path, text: str):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(ValuesError, match=r"mine.json is no file of values"):
        tuned(STATIC, load_scenario("tiny"), tmp_path / "mine.json")


@pytest.mark.parametrize("rule", RULES)
def test_a_scenario_without_values_is_refused_with_the_command(tmp_path: Path, rule: str):
    text = load_scenario("tiny").to_toml().replace('name = "tiny"', 'name = "clinic"')
    (tmp_path / "clinic.toml").write_text(text)
    scenario = load_scenario(tmp_path / "clinic.toml")
    file = re.escape(str(tmp_path / "clinic.toml"))
    with pytest.raises(ValuesError, match=rf"`edge6g tune --rule {rule} --scenario {file}` finds .* clinic.tuned.json"):
        make_rule(rule, Layout(scenario))
    assert not has_values(rule, scenario)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", scenarios())
def test_values_that_ship_fit_their_scenario(name: str, rule: str):
    scenario = load_scenario(name)
    file = values_file(scenario)
    if not file.is_file() or rule not in read_file(file):
        pytest.skip(f"no values of {rule} ship with {name} yet")
    found = tuned(rule, scenario)
    assert found.scenario == scenario.label
    if rule == STATIC:
        assert set(found.values) == {service.name for service in scenario.service}
        assert all(of["device_split"] < 1.0 for of in found.values.values())
        assert all(set(of) == set(choices(scenario, scenario.service[0])) for of in found.values.values())


def test_overrides_leave_the_shipped_values():
    busier = load_scenario("tiny", **{"arrivals.rate_jobs_s": 5.0})
    assert tuned(STATIC, busier) == tuned(STATIC, load_scenario("tiny"))
    other = load_scenario("tiny", actions={"precision": ["bf16"], "default_precision": "bf16"})
    with pytest.raises(ValuesError, match="with the same --set"):
        tuned(STATIC, other)


def test_a_rule_says_whose_values_it_reads_beside_its_own(monkeypatch: pytest.MonkeyPatch):
    """What is not said is in no identity: episodes of other values would be taken for those of these."""
    asked: list[str] = []

    def noted(rule, *more, real=agents_values.tuned):
        asked.append(rule)
        return real(rule, *more)

    monkeypatch.setattr(agents_values, "tuned", noted)
    monkeypatch.setattr("agents.rules._plans.tuned", noted)
    layout = Layout(load_scenario("tiny"))
    for name in rule_names():
        asked.clear()
        make_rule(name, layout)
        assert {*asked} - {name} <= {*getattr(rule_class(name), "reads_values_of", ())}, name


@pytest.mark.parametrize("rule", ["greedy-price", "drift-plus-penalty", "linucb", "probe-no-load", "probe-time"])
def test_other_values_that_it_reads_are_another_identity(tmp_path: Path, rule: str):
    """Of a scenario of one's own, beside whose file they lie."""
    file = tmp_path / "site.toml"
    file.write_text(load_scenario("tiny").to_toml().replace('name = "tiny"', 'name = "site"'))
    site, found = load_scenario(file), []
    own = {"price_per_s": 0.5, "cloud_price_per_s": 0.01}
    for subset, precision in ((SUBSET, "int8"), ({**SUBSET, "precision": ["int4"]}, "int4"), (SUBSET, "int8")):
        plan = {service: {**values, "precision": precision} for service, values in PLAN.items()}
        entries = {"restricted": {"values": subset}, "static": {"values": plan}}
        told = {name: {**one, "scenario": "site_v0", "fingerprint": site.fingerprint} for name, one in entries.items()}
        write(tmp_path / "site.tuned.json", **told)
        found.append((identity_of(rule, site), identity_of(rule, site, own)))
    assert found[0] == found[2]
    assert len({*found[0], *found[1]}) == 4
