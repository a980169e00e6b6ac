"""Tables of several kinds, alone and in lists: how they are read, what is said about those that miss, and how a kind is overridden."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from edge6g_env import load_scenario
from edge6g_env.errors import UserError
from edge6g_env.overrides import dotted, override, plain
from edge6g_env.scenario_errors import sentences
from edge6g_env.scenario_kinds import OneOf, tables_of
from edge6g_env.scenario_tables import Table


class Chat(Table):
    name: str
    kind: Literal["chat"] = "chat"
    share: Annotated[float, Field(le=1.0)]
    prompt_tokens: int


class Echo(Table):
    name: str
    kind: Literal["echo"]
    share: Annotated[float, Field(le=1.0)]
    upload_bytes: float
    rounds: int = 3


class Rest(Table):
    name: str
    kind: Literal["rest"]


class Grid(Table):
    shape: Literal["grid"]
    columns: int
    spacing_m: float


class Ring(Table):
    shape: Literal["ring"]
    radius_m: float


class Step(Table):
    kind: Literal["walk"]
    to: int


class World(Table):
    title: str
    layout: Annotated[Grid | Ring, OneOf("shape")]
    job: Annotated[list[Annotated[Chat | Echo | Rest, OneOf("kind")]], Field(min_length=1)]
    step: Annotated[list[Annotated[Step, OneOf("kind")]], Field(default_factory=list)]


TEXT = """
title = "w"
[layout]
shape = "grid"
columns = 2
spacing_m = 10.0
[[job]]
name = "talk"
share = 0.5
prompt_tokens = 100
[[job]]
name = "call"
kind = "echo"
share = 0.5
upload_bytes = 1e3
"""


def read(text: str = TEXT, **changes: Any) -> World:
    data = tomllib.loads(text)
    try:
        override(data, dict(dotted(plain(changes))), World)
        return World.model_validate(data)
    except ValidationError as error:
        raise UserError("\n".join(sentences(error, World, data, "w.toml"))) from None


def refused(text: str = TEXT, **changes: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        read(text, **changes)
    return str(caught.value).splitlines()


def test_the_models_say_which_tables_have_kinds():
    layout, job, step = (tables_of(World, key) for key in ("layout", "job", "step"))
    assert layout == ({"grid": Grid, "ring": Ring}, "shape", False)
    assert job == ({"chat": Chat, "echo": Echo, "rest": Rest}, "kind", True)
    assert step == ({"walk": Step}, "kind", True)
    assert tables_of(World, "title") is tables_of(World, "nothing") is None


def test_each_table_is_of_its_kind_and_without_the_key_of_the_one_that_has_a_default():
    world = read()
    assert world.layout == Grid(shape="grid", columns=2, spacing_m=10.0)
    assert world.job == [
        Chat(name="talk", share=0.5, prompt_tokens=100),
        Echo(name="call", kind="echo", share=0.5, upload_bytes=1e3),
    ]
    assert world == read(TEXT.replace('name = "talk"', 'name = "talk"\nkind = "chat"'))
    assert World.model_validate(world.model_dump(mode="json")) == world
    assert World.model_validate({key: getattr(world, key) for key in World.model_fields}) == world


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('kind = "echo"', 'kind = "eco"', "job.call.kind = 'eco': Input should be 'chat', 'echo', 'rest'"),
        ('kind = "echo"', "kind = 3", "job.call.kind = 3: Input should be 'chat', 'echo', 'rest'"),
        ('kind = "echo"', 'kind = ["echo"]', "job.call.kind: Input should be 'chat', 'echo', 'rest'"),
        ('shape = "grid"', 'shape = "line"', "layout.shape = 'line': Input should be 'grid', 'ring'"),
        ('shape = "grid"', "", "layout.shape: missing"),
        ("upload_bytes = 1e3", "", "job.call.upload_bytes: missing"),
        ("upload_bytes = 1e3", "upload_bytes = true", "job.call.upload_bytes = true: Input should be a number"),
        ("upload_bytes = 1e3", "upload_byte = 1e3", "job.call.upload_byte: unknown key; did you mean upload_bytes?"),
        (
            "upload_bytes = 1e3",
            "qq = 1",
            "job.call.qq: unknown key; with kind = 'echo' there are name, kind, share, up",
        ),
        (
            'kind = "echo"',
            "",
            "job.call.upload_bytes: unknown key; with kind = 'chat' there are name, kind, share, prom",
        ),
        ('kind = "echo"', "", "; kind = 'echo' has it"),
        ("columns = 2", "columns = 2\nradius_m = 1.0", "layout.radius_m: unknown key; with shape = 'grid' there are"),
        ("columns = 2", "columns = 2\nradius_m = 1.0", "; shape = 'ring' has it"),
        ("columns = 2", "columns = 2\nrounds = 1", "layout.rounds: unknown key; did you mean job.NAME.rounds?"),
        ("share = 0.5", "share = 2.0", "job.talk.share = 2.0: Input should be less than or equal to 1"),
        ('name = "talk"\n', "", "job[0].name: missing"),
        ('name = "talk"\nshare = 0.5', 'name = "call"\nshare = 2.0', "job[0].share = 2.0: Input"),  # a name of two
        ('name = "talk"\nshare = 0.5', 'name = "to talk"\nshare = 2.0', "job[0].share = 2.0: Input"),  # not to be typed
        (
            'title = "w"',
            'title = "w"\nstep = [{ kind = "walk", to = 1 }, { kind = "run" }]',
            "step[1].kind = 'run': In",
        ),
        ('title = "w"', 'title = "w"\nstep = [{ to = 1 }]', "step[0].kind: missing"),
        ('title = "w"', 'title = "w"\nstep = ["walk"]', "step[0] = 'walk': Input should be a table"),
        ('title = "w"', 'title = "w"\nstep = 3', "step = 3: Input should be a list in [ ]"),
    ],
)
def test_what_misses_is_named_by_the_key_to_type(old: str, new: str, line: str):
    assert old in TEXT
    assert any(line in found for found in refused(TEXT.replace(old, new, 1)))
    assert all(found.startswith("w.toml: ") for found in refused(TEXT.replace(old, new, 1)))


@pytest.mark.parametrize("at", ["call", "1"])
def test_another_kind_leaves_the_keys_of_the_old_one_behind(at: str):
    plain_world = read()
    for changes in (
        {f"job.{at}.kind": "chat", f"job.{at}.prompt_tokens": 7},
        {f"job.{at}.prompt_tokens": 7, f"job.{at}.kind": "chat"},  # given before: not of the file
        {"job": {at: {"prompt_tokens": 7, "kind": "chat"}}},
    ):
        world = read(**changes)
        assert world.job == [plain_world.job[0], Chat(name="call", kind="chat", share=0.5, prompt_tokens=7)]
        assert world.layout == plain_world.layout
    assert read(**{f"job.{at}.kind": "rest"}).job[1] == Rest(name="call", kind="rest")
    assert read(**{f"job.{at}.kind": "echo"}) == plain_world
    assert read(**{"layout.shape": "ring", "layout.radius_m": 5.0}).layout == Ring(shape="ring", radius_m=5.0)


@pytest.mark.parametrize("at", ["call", "1"])
def test_a_key_that_was_given_is_not_left_behind(at: str):
    changes = {f"job.{at}.upload_bytes": 5.0, "job.call.kind": "rest"}
    for given in (changes, dict(reversed(changes.items()))):
        (line,) = refused(**given)
        assert line.startswith("w.toml: job.call.upload_bytes: unknown key; with kind = 'rest' there are name, kind; ")
    assert refused(**{"job.call.kind": "rust"}) == [
        "w.toml: job.call.kind = 'rust': Input should be 'chat', 'echo', 'rest'"
    ]


def test_a_key_of_the_default_kind_is_the_files_too():
    world = read(**{"job.talk.kind": "echo", "job.talk.upload_bytes": 1.0})
    assert world.job[0] == Echo(name="talk", kind="echo", share=0.5, upload_bytes=1.0)


def test_a_service_without_a_kind_is_one_of_inference(spoiled, refusal):
    plain_scenario = load_scenario("tiny")
    assert [service.kind for service in plain_scenario.service] == ["inference", "inference"]
    named = load_scenario(spoiled('name = "chat"', 'name = "chat"\nkind = "inference"'))
    assert named == plain_scenario
    assert named.fingerprint == plain_scenario.fingerprint
    assert tomllib.loads(plain_scenario.to_toml())["service"][0]["kind"] == "inference"
    (line,) = refusal(spoiled('name = "chat"', 'name = "chat"\nkind = "training"'))
    assert line == "mine.toml: service.chat.kind = 'training': Input should be 'inference', 'finetune'"


def test_a_table_of_a_list_is_to_be_changed_by_one_of_its_keys(refusal):
    for scenario, key, example in (("tiny", "service.chat", "model"), ("blackout", "faults.outage.0", "kind")):
        (line,) = refusal(scenario, **{key: 1})
        assert line.endswith(f"name one of its keys, as {key}.{example}")
