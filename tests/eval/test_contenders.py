"""Words of a list of policies: rules, folders, patterns, names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.planners.planner import Rollout
from agents.policy import Observation, UnknownPolicyError
from agents.rules.greedy import Greedy
from agents.rules.static import Static
from agents.values import all_choices, choices
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.spaces import Layout
from eval.contenders import PolicyListError, Row, find_rows, how_to_add_references


class Loaded:
    """What a loader gives for a folder: it says what it is."""

    privileged, needs_candidates = False, False

    def __init__(self, folder: Path) -> None:
        self.algo = folder.name.split("-")[0] if folder.name[0] in "sp" else "ppo"
        self.trained_on = f"campus_v0, seed = {folder.name}"
        self.hparams = {"algo": self.algo}

    def act(self, obs: Observation, rng: object) -> None:
        """Never called."""


@pytest.fixture
def scenario() -> Scenario:
    return load_scenario("tiny")


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("scorer-2", "scorer-10", "a/train", "b/train", "an-experiment-with-a-very-long-name"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "policy.safetensors").write_text(name)
    (tmp_path / "runs" / "scorer-notes.txt").write_text("no folder")
    monkeypatch.chdir(tmp_path)


def rows(*words: str) -> list[Row]:
    return find_rows(words, load_scenario("tiny"), lambda folder, scenario: Loaded(folder))


def names(*words: str) -> list[str]:
    return [row.name for row in rows(*words)]


def test_a_checkpoint_without_a_name_is_called_by_algorithm_and_folder():
    assert names("greedy", "runs/scorer-2/", "runs/a/train", "runs/b/train") == [
        "greedy", "scorer-2", "ppo:a/train", "ppo:b/train",
    ]  # fmt: skip
    (name,) = names("runs/an-experiment-with-a-very-long-name")
    assert len(name) <= 18
    assert name.startswith("ppo:an-e")


def test_a_name_stands_before_an_equals_sign():
    mine, rule = rows("mine=runs/scorer-2", "calm=greedy")
    assert (mine.name, mine.learned, mine.members[0].name) == ("mine", True, "mine")
    assert (rule.name, rule.learned, rule.members[0].identity) == ("calm", False, "rule greedy")


def test_a_pattern_is_a_row_a_folder_in_the_order_of_numbers():
    assert names("runs/scorer-*", "jsq") == ["scorer-2", "scorer-10", "jsq"]


def test_a_pattern_with_a_name_is_one_row_of_all_folders():
    (row,) = rows("mine=runs/scorer-*")
    assert (row.name, row.learned) == ("mine", True)
    assert [member.name for member in row.members] == ["mine/scorer-2", "mine/scorer-10"]
    assert row.trained_on == "campus_v0, seed = scorer-2; campus_v0, seed = scorer-10"
    (alone,) = rows("mine=runs/scorer-1*")
    assert [member.name for member in alone.members] == ["mine"]


def test_a_folder_may_have_an_equals_sign(tmp_path: Path):
    (tmp_path / "lr=3").mkdir()
    assert names("lr=3") == ["ppo:lr-3"]
    assert names("x=lr=3") == ["x"]


def test_the_identity_follows_the_files(tmp_path: Path):
    before = rows("runs/scorer-2")[0].members[0].identity
    assert rows("other=runs/scorer-2")[0].members[0].identity == before
    (tmp_path / "runs" / "scorer-2" / "policy.safetensors").write_text("trained on")
    assert rows("runs/scorer-2")[0].members[0].identity != before


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ((), PolicyListError, "no policies to compare: the rules are"),
        (("greedy", "jsq", "greedy"), PolicyListError, "policy greedy is named twice"),
        (("runs/scorer-2", "./runs/scorer-2"), PolicyListError, "is named twice"),
        (("x=greedy", "x=runs/scorer-2"), PolicyListError, "policy x is named twice"),
        (("greedi",), UnknownPolicyError, "did you mean greedy"),
        (("mine=greedi",), UnknownPolicyError, "did you mean greedy"),
        (("runs/none",), UnknownPolicyError, "no policy 'runs/none': there is no such folder"),
        (("runs/none-*",), UnknownPolicyError, "no policy 'runs/none-\\*': no folder is called so"),
        (("$mine=runs/scorer-2",), PolicyListError, "cannot name a policy"),
        (("=runs/scorer-2",), PolicyListError, "cannot name a policy"),
        (("mine=",), PolicyListError, "names nothing"),
        (("runs/scorer-notes.txt",), UnknownPolicyError, "there is no such folder"),
    ],
)
def test_what_cannot_be_a_list_is_said(words: tuple[str, ...], error: type[Exception], says: str):
    with pytest.raises(error, match=says):
        rows(*words)


def values_file(path: Path, *rules: str) -> None:
    scenario = load_scenario("tiny")
    everything = all_choices(scenario)
    plan = {one.name: {column: of[0] for column, of in choices(scenario, one).items()} for one in scenario.inference}
    values = {"static": plan, "restricted": everything}
    path.write_text(json.dumps({rule: {"values": values[rule], "scenario": "tiny_v0, x = 1"} for rule in rules}))


def test_a_file_of_values_is_played_by_its_rule(tmp_path: Path):
    values_file(tmp_path / "both.json", "static", "restricted")
    values_file(tmp_path / "one.json", "restricted")
    static, mine, plain = rows("static=both.json", "mine=one.json", "one.json")
    assert [row.name for row in (static, mine, plain)] == ["static", "mine", "restricted"]
    assert [row.members[0].algo for row in (static, mine, plain)] == ["static", "restricted", "restricted"]
    assert mine.members[0].identity == plain.members[0].identity != static.members[0].identity
    assert (static.learned, static.trained_on) == (False, "tiny_v0, x = 1")
    layout = Layout(load_scenario("tiny"))
    assert isinstance(static.members[0].make(layout), Static)
    with pytest.raises(
        PolicyListError, match=r"both\.json holds values of static and restricted: say which, as static="
    ):
        rows("mine=both.json")


def test_other_values_are_another_identity(tmp_path: Path):
    values_file(tmp_path / "one.json", "static")
    (shipped,), (found,) = rows("static"), rows("static=one.json")
    assert shipped.members[0].identity != found.members[0].identity
    assert shipped.trained_on == "tiny_v0"


def test_the_references_are_named_where_neither_is_there(tmp_path: Path):
    values_file(tmp_path / "one.json", "static")
    scenario = load_scenario("tiny")
    assert how_to_add_references(rows("greedy", "mine=one.json"), scenario) is None
    assert how_to_add_references(rows("greedy", "calm=restricted"), scenario) is None
    assert "--policies static,restricted adds them" in str(how_to_add_references(rows("greedy"), scenario))


def test_a_planner_is_a_privileged_row_over_its_base():
    plain, mine, other = rows("clairvoyant", "mine=rollout:base=greedy:k=4", "clairvoyant:base=greedy:k=4")
    assert [row.name for row in (plain, mine, other)] == ["clairvoyant", "mine", "clairvoyant:base greedy:k 4"]
    assert all(row.privileged and not row.learned for row in (plain, mine, other))
    assert not rows("greedy")[0].privileged
    assert len({row.members[0].identity for row in (plain, mine, other)}) == 3
    planner = mine.members[0].make(Layout(load_scenario("tiny")))
    assert isinstance(planner, Rollout)
    assert planner.options.k == 4
    assert isinstance(planner._base, Greedy)


def test_options_that_say_the_same_are_the_same_planner_and_other_values_of_its_base_are_not(tmp_path: Path):
    values_file(tmp_path / "one.json", "static")
    default, same, found = rows(
        "a=clairvoyant:base=static", "b=clairvoyant:base=static:k=5", "c=clairvoyant:base=one.json"
    )
    assert default.members[0].identity == same.members[0].identity != found.members[0].identity


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("clairvoyant:horizn_s=8", r"no option 'horizn_s'.*did you mean horizon_s\?"),
        ("clairvoyant:base=round-robin", "RoundRobin has no compiled form"),
        ("clairvoyant:base=clairvoyant", "Clairvoyant has no compiled form"),
        ("clairvoyant:base=runs/scorer-*", "names several policies: a planner has one"),
        ("clairvoyant:base=gredy", "no policy 'gredy'"),
        ("mine=rollout:k=x", "k must be a whole number"),
    ],
)
def test_a_planner_that_cannot_be_made_is_refused(word: str, message: str):
    with pytest.raises(UserError, match=message):
        rows(word)
