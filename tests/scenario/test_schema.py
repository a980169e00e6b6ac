"""The JSON schema takes what `load_scenario` takes and refuses what it refuses, as far as one key decides; every key is documented."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import tomli_w

import edge6g_env
from edge6g_env import load_scenario
from edge6g_env.scenario import Scenario
from edge6g_env.scenario_keys import KeyTable, key_tables
from edge6g_env.scenario_schema import schema
from tests.scenario.test_loading import SMALLEST
from tests.scenario.test_own_rows import CARD, MODEL

PACKAGE = Path(edge6g_env.__file__).parent
Check = Callable[[dict[str, Any]], bool]
TABLES = list(key_tables(Scenario))


@pytest.fixture(scope="module")
def is_valid() -> Check:
    """Whether a file with these tables is right by the schema."""
    check = fastjsonschema.compile(schema())

    def takes(tables: dict[str, Any]) -> bool:
        try:
            check(tables)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    return takes


def refusal(tables: dict[str, Any], tmp_path: Path) -> str:
    """What is said about a file with these tables; empty if it loads."""
    path = tmp_path / "site.toml"
    path.write_text(tomli_w.dumps(tables), encoding="utf-8")
    try:
        load_scenario(path)
    except edge6g_env.ScenarioError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", edge6g_env.scenarios())
def test_the_files_that_ship_and_their_flat_forms_are_right(name: str, text_of: Callable[[str], str], is_valid: Check):
    assert is_valid(tomllib.loads(text_of(name)))
    assert is_valid(tomllib.loads(load_scenario(name).to_toml()))


EXTENDING: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"service": {"chat": {"ttft_slo_s": 1.0}}}, True),
    ({"ues": {"per_node": 3}}, True),
    ({"device": [CARD], "model": [MODEL]}, True),
    ({"device": {"mine": {"mem_gb": 3.0}}}, True),
    ({"radio": {"fixed": {"uplink_bit_s": 1e6}}}, True),
    ({"device": [{**CARD, "mem_bw_gbs": 0.0}]}, False),
    ({"device": [{key: value for key, value in CARD.items() if key != "tdp_w"}]}, False),
    ({"model": [{**MODEL, "layers": 2.5}]}, False),
    ({"service": {"chat": {"ttft_slo_ms": 1.0}}}, False),
    ({"ues": {"mobility": "stationary", "pause_s": 3.0}}, False),
    ({"radio": {"environment": "Moon"}}, False),
    ({"nods": {}}, False),
]


@pytest.mark.parametrize(("tables", "right"), EXTENDING)
def test_a_file_that_extends_may_leave_anything_away(tables: dict[str, Any], right: bool, is_valid: Check):
    assert is_valid({"extends": "tiny", **tables}) is right
    assert not is_valid(tables)


def test_names_that_the_package_does_not_have_are_right(is_valid: Check):
    """A scenario's own, or a profile's."""
    tables = tomllib.loads(SMALLEST)
    tables["nodes"]["devices"] = ["my-card", "profiles/laptop.json"]
    tables["service"][0]["model"] = "my-model"
    assert is_valid(tables)


def places(tables: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value of nested tables stands; lists of values count as one."""
    for key, value in tables.items() if isinstance(tables, dict) else enumerate(tables):
        inner = isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))
        yield from places(value, (*above, key)) if inner else [(*above, key)]


def with_value(tables: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy with another value there; None: without the key."""
    changed = copy.deepcopy(tables)
    table: Any = changed
    for key in place[:-1]:
        table = table[key]
    if value is None:
        del table[place[-1]]
    else:
        table[place[-1]] = value
    return changed


@pytest.mark.parametrize("wrong", [None, "x", -(10**9), 10**15])
def test_schema_and_loading_agree_where_one_key_is_wrong(wrong: Any, is_valid: Check, tmp_path: Path):
    """Each key of a whole scenario in turn. What the schema refuses does not load, and what loading blames for itself, by range or type,
    the schema refuses; the rest breaks rules between keys, which only loading knows."""
    whole = {**tomllib.loads(load_scenario("tiny").to_toml()), "device": [CARD], "model": [MODEL]}
    assert is_valid(whole)
    assert refusal(whole, tmp_path) == ""
    refused = 0
    for place in places(whole):
        changed = with_value(whole, place, wrong)
        said, right = refusal(changed, tmp_path), is_valid(changed)
        assert said or right, (place, wrong)
        assert not (right and "Input should be" in said), (place, said)
        refused += not right
    assert refused > (20 if wrong is None else 60)


@pytest.mark.parametrize("table", TABLES, ids=[f"{table.head} {table.kind}".strip() for table in TABLES])
def test_every_key_says_what_it_means_where_it_acts_and_where_its_default_is_from(table: KeyTable):
    assert table.meaning.endswith(".")
    for key in table.keys:
        assert len(key.doc.meaning) > 4, key.name
        assert key.doc.meaning.endswith("."), key.name
        assert key.is_required or key.doc.default, f"{key.name} has a default without source"
        assert not (key.is_required and key.doc.default), f"{key.name} has the source of a default, and none"
        assert (PACKAGE / key.doc.acts).is_file(), (key.name, key.doc.acts)


def test_a_key_is_read_where_it_is_said_to_act():
    """Its name stands in that file, or where tables become records; of faults a kind and what is said of it."""
    build = "".join(path.read_text() for path in (PACKAGE / "build").glob("*.py"))
    made = re.compile(r"(node|xn|backhaul|cloud)_(mtbf|mttr)_s|(source|status|summary)")  # told, or put together
    for table in TABLES:
        for key in table.keys:
            read = (PACKAGE / key.doc.acts).read_text() + build
            assert key.name in read or made.fullmatch(key.name), (table.head, key.name, key.doc.acts)


def test_every_key_of_every_file_that_ships_is_among_them(text_of: Callable[[str], str]):
    known = {(table.head.strip("[]"), key.name) for table in TABLES for key in table.keys}
    for name in edge6g_env.scenarios():
        for place in places(tomllib.loads(text_of(name))):
            words = [word for word in place if isinstance(word, str)]
            assert (".".join(words[:-1]), words[-1]) in known, (name, place)
