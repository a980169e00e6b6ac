"""Scenarios that load, and what is said about those that do not."""

import tomllib

import pytest
import tomli_w

import edge6g_env
from edge6g_env import costs, load_scenario


def leaves(data, prefix=""):
    """Dotted keys of a nested dict; a list of tables counts as one key."""
    found = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


@pytest.mark.parametrize("name", edge6g_env.scenarios())
def test_a_shipped_scenario_is_what_its_file_says(name, text_of):
    scenario, data = load_scenario(name), tomllib.loads(text_of(name))
    assert leaves(scenario.model_dump(mode="json", exclude_unset=True)) == leaves(data)
    assert scenario.name == name
    assert scenario.id == f"{name.replace('-', '_')}_v{data['version']}"
    assert scenario.num_ues == data["nodes"]["count"] * data["ues"]["per_node"]
    assert set(scenario.models) == {
        model for service in data["service"] for model in service.get("models", [service.get("model")])
    }


def test_tiny_campus_azure_and_blackout_ship():
    assert {"tiny", "campus", "azure", "blackout"} <= set(edge6g_env.scenarios())


def test_an_empty_file_lists_what_is_missing_most_important_first(tmp_path, refusal):
    """What only a user can know: nodes, UEs, services, arrivals. Everything else has a default."""
    path = tmp_path / "empty.toml"
    path.write_text("")
    lines = refusal(path)
    assert [line.split(": ")[:3] for line in lines] == [
        ["empty.toml", key, "missing"] for key in ("nodes", "ues", "service", "arrivals")
    ]
    for line, head in zip(lines, ("[nodes]", "[ues]", "[[service]]", "[arrivals]"), strict=True):
        assert f": {head} needs " in line
    assert lines[3].endswith("[arrivals] needs kind, rate_jobs_s")


SMALLEST = """
[nodes]
count = 3
columns = 3
spacing_m = 150.0
devices = ["l4"]
neighbours = 2

[ues]
per_node = 4
device = "phone-a17pro"
mobility = "stationary"

[[service]]
name = "chat"
model = "llama-3.2-3b"
privacy = "site"
share = 1.0
prompt_tokens = 400
output_tokens = 80
ttft_slo_s = 2.0
tpot_slo_s = 0.1
expire_s = 60.0

[arrivals]
kind = "poisson"
rate_jobs_s = 1.5
"""


def test_some_25_lines_are_a_scenario_and_each_of_them_is_needed(tmp_path, refusal):
    path = tmp_path / "Ward 7.toml"
    path.write_text(SMALLEST)
    scenario = load_scenario(path)
    assert scenario.id == "ward_7_v0"
    env = edge6g_env.batch_env(scenario, 1)
    env.reset(seed=1)
    lines = SMALLEST.splitlines()
    keys = [n for n, line in enumerate(lines) if "=" in line]
    assert len(keys) <= 25
    either = {"model": "name either model or models", "prompt_tokens": "name either a trace", "output_tokens": "either"}
    for n in keys:
        path.write_text("\n".join(lines[:n] + lines[n + 1 :]))
        (line,) = refusal(path)
        assert either.get(lines[n].split(" =")[0], "missing") in line


@pytest.mark.parametrize("name", edge6g_env.scenarios())
def test_defaults_are_the_values_that_the_shipped_scenarios_have(name, text_of, tmp_path):
    """Without what a default says as well, a file is the same scenario."""
    full = load_scenario(name)
    told = full.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    path = tmp_path / f"{name}.toml"
    path.write_text(tomli_w.dumps({"nodes": {}, "ues": {}, **told}))
    shorter = load_scenario(path)
    assert shorter == full
    assert shorter.fingerprint == full.fingerprint
    assert len(path.read_text()) < 0.75 * len(full.to_toml())


def test_a_table_with_one_key_has_the_defaults_of_that_table_for_the_others(tmp_path):
    """[xn] and [backhaul] have the same keys and each its own defaults."""
    path = tmp_path / "mine.toml"
    path.write_text(SMALLEST + "\n[xn]\ndelay_s = 0.002\n[backhaul]\ndelay_jitter = 0.5\n")
    xn, backhaul = load_scenario(path).xn, load_scenario(path).backhaul
    usual = load_scenario("campus")
    assert (xn.rate_bit_s, xn.delay_s, xn.delay_jitter) == (usual.xn.rate_bit_s, 0.002, usual.xn.delay_jitter)
    assert (backhaul.rate_bit_s, backhaul.delay_s) == (usual.backhaul.rate_bit_s, usual.backhaul.delay_s)


@pytest.mark.parametrize(
    ("grid", "default"), [(["fp16", "int8", "int4"], "int4"), (["bf16"], "bf16"), (["fp16", "int8"], "int8")]
)
def test_the_default_precision_is_one_of_the_grid(grid, default, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SMALLEST + f"\n[actions]\nprecision = {grid}\n".replace("'", '"'))
    assert load_scenario(path).actions.default_precision == default


@pytest.mark.parametrize("key", ["count", "spacing_m", "per_node", "share", "tpot_slo_s", "kind", "rate_jobs_s"])
def test_a_missing_key_is_named_with_its_table(key, text_of, tmp_path, refusal):
    """Required keys have no default anywhere: without the line the file is refused."""
    lines, table, tables = text_of("tiny").splitlines(), "", []
    for line in lines:
        if line.startswith("["):
            table = line.strip("[]").split("]")[0]
        if line.startswith(f"{key} ="):
            tables.append(table)
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(line for line in lines if not line.startswith(f"{key} =")))
    found = refusal(path)
    where = ["service.chat", "service.assistant"] if "service" in tables else tables
    assert found == [f"mine.toml: {place}.{key}: missing" for place in where]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("slot_s = 0.02", "slot_s = 0.02\nslots_s = 0.02", "time.slots_s: unknown key; did you mean slot_s?"),
        (
            "tpot_slo_s = 0.1",
            "tpot_slo_s = 0.1\ntpot_slo_ms = 100",
            "service.chat.tpot_slo_ms: unknown key; did you mean tpot_slo_s?",
        ),
        ("[nodes]", "[nods]\nx = 1\n[nodes]", "nods: unknown key; did you mean nodes?"),
        ("slot_s = 0.02", "slot_s = 0.02\nqwertz = 1", "time.qwertz: unknown key; there are slot_s, n_substeps"),
        ("slot_s = 0.02", "slot_s = 0.2", "time.slot_s = 0.2: Input should be less than or equal to 0.05"),
        ("slot_s = 0.02", "slot_s = nan", "time.slot_s"),
        ("episode_s = 80.0", "episode_s = inf", "time.episode_s"),
        ("count = 3", "count = 0", "nodes.count = 0: Input should be greater than or equal to 1"),
        ("count = 3", "count = 2.5", "nodes.count = 2.5"),
        ("rate_jobs_s = 2.0", "rate_jobs_s = -1.0", "arrivals.rate_jobs_s = -1.0: Input should be greater than 0"),
        ("rate_jobs_s = 2.0", 'rate_jobs_s = "many"', "arrivals.rate_jobs_s = 'many'"),
        (
            'privacy = "site"',
            'privacy = "sight"',
            "service.chat.privacy = 'sight': Input should be 'open', 'site' or 'device'",
        ),
        (
            'kind = "poisson"',
            'kind = "bursts"',
            "arrivals.kind = 'bursts': Input should be 'poisson', 'trace', 'burst'",
        ),
        ('kind = "poisson"\n', "", "arrivals.kind: missing"),
        ('kind = "poisson"', 'kind = "burst"', "arrivals.burst_ratio: missing"),
        (
            'kind = "poisson"',
            'kind = "burst"\nburst_ratio = 0.5\ncalm_s = 20.0\nburst_s = 5.0',
            "arrivals.burst_ratio = 0.5: Input should be greater than or equal to 1",
        ),
        (
            'kind = "poisson"',
            'kind = "burst"\nburst_ratio = 4.0\ncalm_s = 0.0\nburst_s = 5.0',
            "arrivals.calm_s = 0.0: Input should be greater than or equal to 0.001",
        ),
        (
            'kind = "poisson"',
            'kind = "burst"\nburst_ratio = 4.0\ncalm_s = 20.0\nburst_s = 0',
            "arrivals.burst_s = 0: Input should be greater than or equal to 0.001",
        ),
        (
            'kind = "poisson"',
            'kind = "trace"\nburst_ratio = 4.0',
            "arrivals.burst_ratio: unknown key; with kind = 'trace' there are kind, rate_jobs_s; kind = 'burst' has it",
        ),
        ("share = 0.6", "share = 0.5", "the shares of the services must add up to 1, they add up to 0.9"),
        ('name = "assistant"', 'name = "chat"', "two services have the same name"),
        ("speed_max_m_s = 1.5", "speed_max_m_s = 0.1", "ues: speed_max_m_s must be at least speed_min_m_s"),
        ("warmup_s = 4.0", "warmup_s = 20.0", "time: warmup_s + drain_s must be less than episode_s"),
        ("edge_split = [0.0, 0.25, 0.5]", "edge_split = [0.25, 0.5]", "actions: edge_split must start at 0 and rise"),
        (
            "edge_split = [0.0, 0.25, 0.5]",
            "edge_split = [0.0, 0.5, 0.25]",
            "actions: edge_split must start at 0 and rise",
        ),
        ('"fp16", "int8", "int4"]', '"fp16", "fp16", "int4"]', "actions: precision names a precision twice"),
        (
            'default_precision = "int4"',
            'default_precision = "fp8"',
            "actions: default_precision must be one of fp16, int8, int4",
        ),
        ('"jetson-agx-orin-64g"]', '"jetson-agx-orin-65g"]', "did you mean jetson-agx-orin-64g?"),
        ('model = "llama-3.1-8b"', 'model = "llama-3.1-9b"', "did you mean llama-3.1-8b?"),
        (
            'trace = "azure_conv_2023"',
            'trace = "azure_conv_2023"\nlora_rank = 8\nlora_targets = "q,downn"',
            "service.chat.lora_targets: targets = 'downn' is not in the table; did you mean down?",
        ),
        ('trace = "azure_conv_2023"', 'trace = "azure_conv_2024"', "did you mean azure_conv_2023?"),
        ('presets = ["fr1_3g5_micro"]', 'presets = ["fr1_3g5_mikro"]', "did you mean fr1_3g5_micro?"),
        ('environment = "UMi-StreetCanyon"', 'environment = "UMi-Street"', "did you mean UMi-StreetCanyon?"),
        ('device = "phone-snapdragon-8gen3"', 'device = "phone-snapdragon-9"', "phone-snapdragon"),
        ('name = "tiny"', 'name = "Tiny World"', "name = 'Tiny World'"),
        ("[arrivals]", "[faults]\nnode_mtbf_s = 5.0\n[arrivals]", "faults: node_mtbf_s and node_mttr_s go together"),
        ("[arrivals]", "[faults]\nxn_mttr_s = 5.0\n[arrivals]", "faults: xn_mtbf_s and xn_mttr_s go together"),
        ("[arrivals]", "[faults]\nnod_mtbf_s = 5.0\n[arrivals]", "unknown key; did you mean node_mtbf_s?"),
        ("[arrivals]", "[faults]\nretries = -1\n[arrivals]", "faults.retries = -1"),
        (
            "[arrivals]",
            '[[faults.outage]]\nkind = "node"\nnodes = [1]\nstart_s = 2.0\nend_s = 2.0\n[arrivals]',
            "faults.outage[0]: end_s must be more than start_s",
        ),
        (
            "[arrivals]",
            '[[faults.outage]]\nkind = "nod"\nnodes = [1]\nstart_s = 2.0\nend_s = 3.0\n[arrivals]',
            "faults.outage[0].kind = 'nod'",
        ),
        (
            "[arrivals]",
            '[[faults.outage]]\nkind = "backhaul"\nnodes = [0, 3]\nstart_s = 2.0\nend_s = 3.0\n[arrivals]',
            "faults.outage[0].nodes: there is no node 3, only 0 to 2",
        ),
        (
            "[arrivals]",
            '[[faults.outage]]\nkind = "xn"\nnodes = [1]\nstart_s = 2.0\nend_s = 3.0\n[arrivals]',
            "faults.outage[0]: an outage of kind xn takes at least 2 different nodes",
        ),
        (
            "[arrivals]",
            '[[faults.outage]]\nkind = "cloud"\nnodes = [1]\nstart_s = 2.0\nend_s = 3.0\n[arrivals]',
            "faults.outage[0]: an outage of kind cloud takes no nodes",
        ),
    ],
)
def test_a_slip_is_named_with_file_key_and_what_would_be_right(old, new, line, spoiled, refusal):
    found = refusal(spoiled(old, new, 1))
    assert all(part.startswith("mine.toml: ") for part in found)
    assert any(line in part for part in found), found


def test_all_slips_of_a_file_are_named_at_once(spoiled, refusal):
    path = spoiled("slot_s = 0.02", "slot_s = 3.0\nfoo = 1")
    path.write_text(path.read_text().replace("count = 3", "count = 0"))
    found = refusal(path)
    assert len(found) == 3
    assert {part.split(": ")[1].split(" =")[0] for part in found} == {"time.slot_s", "time.foo", "nodes.count"}


def test_an_unpriced_device_is_refused_with_those_that_have_a_price(spoiled, refusal):
    (line,) = refusal(spoiled('devices = ["l40s"', 'devices = ["phone-snapdragon-8gen3"'))
    assert "l40s" in line


def test_what_is_not_a_scenario(tmp_path, refusal):
    assert "did you mean campus?" in refusal("campsu")[0]
    assert all(name in refusal("qwertz")[0] for name in edge6g_env.scenarios())
    assert refusal(tmp_path / "no.toml") == [f"no scenario file {tmp_path / 'no.toml'}"]
    path = tmp_path / "bad.toml"
    path.write_text("slot_s = ")
    assert refusal(path)[0].startswith("bad.toml: not valid TOML: ")
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal(path)[0].startswith(f"cannot read {path}")
    assert refusal(tmp_path)[0].startswith(f"no scenario file {tmp_path}")


def test_overrides_are_nested_or_dotted_and_leave_the_rest():
    plain = load_scenario("tiny")
    nested = load_scenario("tiny", time={"slot_s": 0.01}, nodes={"count": 4})
    dotted = load_scenario("tiny", **{"time.slot_s": 0.01, "nodes.count": 4})
    assert nested == dotted
    assert (nested.time.slot_s, nested.nodes.count) == (0.01, 4)
    assert nested.model_copy(update={"time": plain.time, "nodes": plain.nodes}) == plain
    assert nested.time.model_copy(update={"slot_s": plain.time.slot_s}) == plain.time
    assert load_scenario(plain, **{"time.slot_s": 0.01}).time == nested.time
    assert load_scenario("tiny") == plain  # nothing was changed behind its back


def test_overrides_are_checked_like_a_file(refusal):
    assert refusal("tiny", **{"time.slot": 0.01}) == ["tiny.toml: time.slot: unknown key; did you mean slot_s?"]
    assert "less than or equal to 0.05" in refusal("tiny", time={"slot_s": 1.0})[0]
    assert "name is not a table" in refusal("tiny", **{"name.x": 1})[0]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("serving.ran_share", -0.1, "greater than or equal to 0"),
        ("serving.ran_share", 0.91, "less than or equal to 0.9"),
        ("prices.air_usd_per_gb", -0.01, "greater than or equal to 0"),
        ("prices.backhaul_usd_per_gb", -1.0, "greater than or equal to 0"),
        ("prices.egress_usd_per_gb", float("inf"), "a finite number"),
    ],
)
def test_shares_and_prices_have_their_ranges(key, value, words, refusal):
    (line,) = refusal("tiny", **{key: value})
    assert line.startswith(f"tiny.toml: {key} = {value}: ")
    assert words in line


def test_prices_of_networks_are_rows_of_the_table_where_they_are_left_out():
    prices = load_scenario("tiny", **{"prices.air_usd_per_gb": 0.002}).prices
    rows = [costs.price(costs.prices.NETWORK_ROWS[part], "network").value for part in ("backhaul", "cloud_egress")]
    assert [prices.air_usd_per_gb, prices.backhaul_usd_per_gb, prices.egress_usd_per_gb] == [0.002, *rows]


def test_a_list_of_services_is_replaced_as_a_whole():
    service = load_scenario("tiny").service[0].model_copy(update={"share": 1.0}).model_dump()
    assert len(load_scenario("tiny", service=[service]).service) == 1


def test_without_the_table_nothing_fails_and_its_keys_may_be_left_out():
    plain = load_scenario("tiny")
    assert plain.faults.outage == []
    assert all(plain.faults.mean_times_s(kind) == (0.0, 0.0) for kind in ("node", "xn", "backhaul", "cloud"))
    some = load_scenario("tiny", **{"faults.node_mtbf_s": 50.0, "faults.node_mttr_s": 5.0})
    assert some == load_scenario("tiny", faults={"node_mtbf_s": 50.0, "node_mttr_s": 5.0})
    assert some == load_scenario(plain, **{"faults.node_mtbf_s": 50.0, "faults.node_mttr_s": 5.0})
    assert some.faults.mean_times_s("node") == (50.0, 5.0)
    assert some.faults.mean_times_s("cloud") == (0.0, 0.0)
    assert some.fingerprint != plain.fingerprint


def test_a_scenario_cannot_be_changed():
    scenario = load_scenario("tiny")
    with pytest.raises(ValueError, match="frozen"):
        scenario.time.slot_s = 0.01


def altered(value):
    """Another value of the same kind that is in every range: numbers a little smaller, words as they are (None)."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 0.99 if value else 0.01
    return None


def test_the_fingerprint_changes_with_any_value_and_with_no_prose():
    scenario = load_scenario("tiny")
    prints = {scenario.fingerprint}
    assert load_scenario("tiny").fingerprint == scenario.fingerprint
    changed = 0
    for key, value in leaves(scenario.model_dump(mode="json", exclude_unset=True)).items():
        other = {"time.slot_s": 0.01, "time.episode_s": 90.0}.get(key, altered(value))  # an episode is whole slots
        if other is None:
            continue
        prints.add(load_scenario("tiny", **{key: other}).fingerprint)
        changed += 1
    assert changed > 40
    assert len(prints) == changed + 1  # all differ, from each other too
    for key, value in {
        "nodes.devices": ["l4", "l40s", "jetson-agx-orin-64g"],
        "actions.precision": ["int8", "int4"],
        "actions.device_split": [0.0, 1.0],
        "arrivals.kind": "trace",
    }.items():
        assert load_scenario("tiny", **{key: value}).fingerprint not in prints, key
    assert load_scenario("tiny", summary="in other words").fingerprint == scenario.fingerprint


def test_a_file_of_ones_own_is_a_scenario_everywhere(spoiled):
    """A TOML in some folder, and every door takes its path."""
    path = spoiled('name = "tiny"', 'name = "my-place"')
    assert load_scenario(path).id == "my_place_v0"
    batch = edge6g_env.batch_env(path, 2)
    shipped = edge6g_env.batch_env("tiny", 2)
    assert (batch.reset(1)["observation"] == shipped.reset(1)["observation"]).all()
    single = edge6g_env.parallel_env(str(path))
    observations, _ = single.reset(seed=1)
    assert (observations["node_0"]["observation"] == batch.observations()["observation"][0, 0]).all()
    turns = edge6g_env.env(str(path))
    turns.reset(seed=1)
    assert turns.agent_selection == "node_0"
    assert edge6g_env.sb3_vec_env(path, 2).num_envs == 2 * batch.num_agents


def test_a_file_of_ones_own_has_its_say(spoiled):
    path = spoiled("count = 3", "count = 5")
    batch = edge6g_env.batch_env(path, 1)
    batch.reset(1)
    assert batch.observations()["observation"].shape[:2] == (1, 5)
