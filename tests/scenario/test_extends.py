"""`extends`: a file is put onto another one key by key; circles, missing files and mixed forms are refused by name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

import edge6g_env
from edge6g_env import load_scenario
from edge6g_env.scenario import Scenario

Write = Callable[..., Path]
CARD = """
[[device]]
name = "{name}"
class = "edge"
fp16_tflops = {tflops}
mem_gb = 48
mem_bw_gbs = 600
tdp_w = 150
host_link_gbs = 24
usd_per_hour = 0.6
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a TOML file and give its path."""

    def to(text: str, name: str = "site.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return to


def told(scenario: Scenario) -> dict[str, Any]:
    """All but what a scenario is called."""
    return scenario.model_dump(mode="json", exclude={"name", "version", "summary"}, exclude_none=True)


@pytest.mark.parametrize("name", edge6g_env.scenarios())
def test_a_file_that_changes_nothing_is_the_scenario_under_its_own_name(name: str, write: Write):
    scenario = load_scenario(write(f'extends = "{name}"', "My Site_2.toml"))
    assert told(scenario) == told(load_scenario(name))
    assert (scenario.name, scenario.version, scenario.summary) == ("my-site_2", 0, "")


def test_tables_merge_key_by_key_and_lists_are_replaced(write: Write, text_of: Callable[[str], str]):
    """Against the same change made by hand in the tables of the parent."""
    site = write(
        'extends = "campus"\n[nodes]\ncount = 5\ndevices = ["l4"]\n[actions]\nedge_split = [0.0]\n[faults]\nnode_mtbf_s = 50.0\n'
        "node_mttr_s = 5.0\n[service.code]\nttft_slo_s = 1.5\n[reward]\nprice_per_usd = 20.0"
    )
    tables = tomllib.loads(text_of("campus"))
    tables["nodes"] |= {"count": 5, "devices": ["l4"]}
    tables["actions"]["edge_split"] = [0.0]
    tables["faults"] = {"node_mtbf_s": 50.0, "node_mttr_s": 5.0}
    tables["service"][1]["ttft_slo_s"] = 1.5
    tables["reward"]["price_per_usd"] = 20.0
    assert told(load_scenario(site)) == told(load_scenario(write(tomli_w.dumps(tables), "whole.toml")))


def test_a_list_of_services_replaces_that_of_the_parent(write: Write):
    mine = load_scenario("tiny").service[0].model_dump(mode="json", exclude_none=True) | {"name": "mine", "share": 1.0}
    site = load_scenario(write('extends = "campus"\n' + tomli_w.dumps({"service": [mine]})))
    assert [service.name for service in site.service] == ["mine"]


EXCLUDES = [
    ("campus", "[service.chat]\nprompt_tokens = 300\noutput_tokens = 60", "chat", ["trace"]),
    (
        "telemedicine",
        '[service.consult]\nmodel = "llama-3.1-8b"\ninputs = 0\ntrace = "azure_code_2023"',
        "consult",
        ["prompt_tokens", "output_tokens"],
    ),
    (
        "campus",
        '[service.code]\nmodels = ["qwen2.5-1.5b", "qwen2.5-7b"]\ndefault_model = "qwen2.5-7b"',
        "code",
        ["model"],
    ),
    ("rush", '[service.tutor]\nmodel = "qwen3-8b"', "tutor", ["models", "default_model"]),
    ("campus", "[service.chat]\ndeadline_s = 20.0", "chat", ["ttft_slo_s", "tpot_slo_s"]),
]


@pytest.mark.parametrize(("parent", "text", "service", "gone"), EXCLUDES)
def test_a_key_that_excludes_others_of_the_parent_takes_their_place(
    parent: str, text: str, service: str, gone: list[str], write: Write
):
    before = next(one for one in load_scenario(parent).service if one.name == service)
    after = next(one for one in load_scenario(write(f'extends = "{parent}"\n{text}')).service if one.name == service)
    given = tomllib.loads(text)["service"][service]
    assert all(getattr(before, key) is not None for key in gone)
    assert all(getattr(after, key) is None for key in gone)
    assert {key: getattr(after, key) for key in given} == given
    assert (after.privacy, after.share, after.expire_s) == (before.privacy, before.share, before.expire_s)


def test_another_mobility_or_kind_leaves_the_keys_of_the_old_one_behind(write: Write):
    site = load_scenario(
        write(
            'extends = "rush"\n[ues]\nmobility = "street-grid"\nstreet_spacing_m = 100.0\n[arrivals]\nkind = "poisson"'
        )
    )
    parent = load_scenario("rush")
    assert site.ues.movement == "0.5 to 1.5 m/s along streets 100 m apart"
    assert (site.ues.per_node, site.ues.device) == (parent.ues.per_node, parent.ues.device)
    assert (site.arrivals.kind, site.arrivals.rate_jobs_s) == ("poisson", parent.arrivals.rate_jobs_s)


def test_keys_that_exclude_each_other_in_one_file_are_still_refused(write: Write, refusal):
    text = '[service.chat]\ntrace = "azure_code_2023"\nprompt_tokens = 5\noutput_tokens = 5'
    (line,) = refusal(write(f'extends = "campus"\n{text}'))
    assert line == "site.toml: service.chat: name either a trace or both prompt_tokens and output_tokens"


def test_own_rows_add_to_those_of_the_parent_by_name(write: Write):
    write('extends = "tiny"' + CARD.format(name="one", tflops=10) + CARD.format(name="two", tflops=20), "base.toml")
    site = write('extends = "base.toml"' + CARD.format(name="two", tflops=21) + CARD.format(name="three", tflops=30))
    found = {row.name: row.fp16_tflops for row in load_scenario(site).device}
    assert found == {"one": 10.0, "two": 21.0, "three": 30.0}
    changed = load_scenario(write('extends = "base.toml"\n[device.one]\nfp16_tflops = 11.0', "other.toml"))
    assert [(row.name, row.fp16_tflops, row.mem_gb) for row in changed.device] == [
        ("one", 11.0, 48.0),
        ("two", 20.0, 48.0),
    ]


def test_paths_are_relative_to_the_file_that_names_them(write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    write('extends = "tiny"\n[arrivals]\nrate_jobs_s = 3.0', "shared/base.toml")
    write('extends = "../shared/base.toml"\n[nodes]\ncount = 4', "sites/north.toml")
    site = write('extends = "north.toml"\n[nodes]\nneighbours = 1', "sites/ward.toml")
    monkeypatch.chdir(tmp_path / "shared")
    for path in (site, "../sites/ward.toml", tmp_path / "shared/../sites/ward.toml"):
        scenario = load_scenario(path)
        assert (scenario.arrivals.rate_jobs_s, scenario.nodes.count, scenario.nodes.neighbours) == (3.0, 4, 1)


def test_what_is_written_is_flat(write: Write, tmp_path: Path):
    write('extends = "tiny"' + CARD.format(name="one", tflops=10), "base.toml")
    scenario = load_scenario(write('extends = "base.toml"\n[nodes]\ndevices = ["one", "l4"]'))
    text = scenario.to_toml()
    (tmp_path / "base.toml").unlink()
    assert "extends" not in tomllib.loads(text)
    again = load_scenario(write(text, "apart/scenario.toml"))
    assert again == scenario
    assert again.fingerprint == scenario.fingerprint


def test_overrides_go_on_top(write: Write):
    path = write('extends = "tiny"\n[arrivals]\nrate_jobs_s = 3.0')
    scenario = load_scenario(path, **{"arrivals.rate_jobs_s": 5.0})
    assert (scenario.arrivals.rate_jobs_s, scenario.changes) == (5.0, {"arrivals.rate_jobs_s": 5.0})
    assert scenario.origin is not None
    assert scenario.origin.fingerprint == load_scenario(path).fingerprint != scenario.fingerprint


REFUSED = [
    ('extends = "site.toml"', "site.toml: extends goes in a circle: site.toml, site.toml"),
    ('extends = "gone.toml"', "site.toml: extends = 'gone.toml': no scenario file "),
    ('extend = "campus"', "site.toml: extend: unknown key; did you mean extends?"),
    ('extends = "campsu"', "site.toml: extends = 'campsu': no scenario 'campsu': there are azure, "),
    ("extends = 3", "site.toml: extends: must be the name of a scenario, or the path of a TOML file, in quotes"),
    (
        'extends = "tiny"\n[service.chatt]\nshare = 1.0',
        "site.toml: service.chatt.share: service has no chatt; did you mean chat?",
    ),
    (
        'extends = "tiny"\n[device.x]\nmem_gb = 3.0',
        "site.toml: [device.x]: there is no [[device]] in what is extended to change",
    ),
    ('extends = "tiny"\n[nodes]\ncounts = 3', "site.toml: nodes.counts: unknown key; did you mean count?"),
    (
        'extends = "tiny"\n[[service]]\nname = "x"\n[service.chat]\nshare = 0.5',
        "site.toml: [service.chat] and [[service]] in one file: ",
    ),
    (
        'extends = "tiny"\n[service.chat]\nshare = 0.5\n[[service]]\nname = "x"',
        "site.toml: [service.chat] and [[service]] in one file: ",
    ),
    (
        "[service.chat]\nshare = 1.0",
        "site.toml: [service.chat] changes one of the scenario that extends names, and there is no extends: write [[service]] with "
        "name = 'chat'",
    ),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_cannot_be_extended_is_refused_in_one_sentence(text: str, said: str, write: Write, refusal):
    (line,) = refusal(write(text))
    assert line.startswith(said)


def test_a_circle_of_three_is_named_with_its_files(write: Write, refusal):
    for one, other in (("a", "b"), ("b", "c"), ("c", "b")):
        path = write(f'extends = "{other}.toml"', f"{one}.toml")
    assert refusal(path.with_name("a.toml")) == ["c.toml: extends goes in a circle: a.toml, b.toml, c.toml, b.toml"]


def test_a_parent_that_cannot_be_read_is_named(write: Write, refusal):
    write("nodes = ", "base.toml")
    (line,) = refusal(write('extends = "base.toml"'))
    assert line.startswith("base.toml: not valid TOML: ")


def test_a_file_of_a_run_extends_nothing(write: Write, refusal):
    """What somebody sends you opens no file of yours."""
    write("{}", "run/run.json")
    path = write('extends = "tiny"', "run/scenario.toml")
    assert refusal(path) == [
        "scenario.toml: extends: a scenario in the folder of a run stands for itself, and opens no other file"
    ]
