"""Words of a list of policies: rules, folders, patterns, names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
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
        self.hparams = {"algo": self.algo, "seed": folder.name}

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
    assert (mine.name, mine.kind, mine.members[0].name) == ("mine", "learned", "mine")
    assert (rule.name, rule.kind, rule.members[0].identity) == ("calm", "rule", "rule greedy")


def test_a_pattern_is_a_row_a_folder_in_the_order_of_numbers():
    assert names("runs/scorer-*", "jsq") == ["scorer-2", "scorer-10", "jsq"]


def test_a_pattern_with_a_name_is_one_row_of_all_folders():
    (row,) = rows("mine=runs/scorer-*")
    assert (row.name, row.kind) == ("mine", "learned")
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
        ((f"{'m' * 101}=greedy",), PolicyListError, "it has 101 letters, 100 are most"),
        (("x=runs/scorer-*", "x/scorer-2=greedy"), PolicyListError, "policy x/scorer-2 is named twice"),
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
    assert (static.kind, static.trained_on) == ("rule", "tiny_v0, x = 1")
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
    assert all(row.privileged and row.kind == "planner" for row in (plain, mine, other))
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


CODE = """
import numpy as np
import weights_beside

class Mine:
    privileged, needs_candidates = PRIVILEGED, False

    def __init__(self):
        self.weights = {"first": np.load(FILE), "names": {"a", "b"}}

    def act(self, obs, rng):
        return np.zeros(obs["action_mask"].shape[:2], np.int64)

def make(layout):
    return Mine()
"""


def write_code(folder: Path, privileged: bool = False, more: str = "") -> None:
    folder.mkdir(exist_ok=True)
    np.save(folder / "weights.npy", np.arange(3.0))
    (folder / "weights_beside.py").write_text("scale = 1\n")
    code = CODE.replace("FILE", repr(str(folder / "weights.npy"))).replace("PRIVILEGED", str(privileged))
    (folder / "policy.py").write_text(code + more)


def coded(*words: str) -> list[Row]:
    """As in a process that has not loaded any of it yet."""
    for name in [name for name in sys.modules if name.startswith(("_edge6g_own_", "weights_beside"))]:
        del sys.modules[name]
    return find_rows(words, load_scenario("tiny"), lambda folder, scenario: Loaded(folder), own_code=True)


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.usefixtures("path")
def test_code_of_ones_own_is_a_row_of_its_kind(tmp_path: Path):
    write_code(tmp_path / "lr=3", privileged=True)
    plain, mine, rule = coded("lr=3/policy.py:make", "mine=lr=3/policy.py:make", "greedy")
    assert [(row.name, row.kind, row.privileged) for row in (plain, mine, rule)] == [
        ("policy:make", "own", True),
        ("mine", "own", True),
        ("greedy", "rule", False),
    ]
    assert mine.word == "mine=lr=3/policy.py:make"
    assert (
        mine.members[0].make(Layout(load_scenario("tiny"))).act({"action_mask": np.ones((1, 2, 3))}, None) == 0
    ).all()


@pytest.mark.usefixtures("path")
def test_the_identity_of_code_follows_its_sources_and_its_state(tmp_path: Path):
    """So that what an interrupted run has played is never taken for what other weights would have."""
    write_code(tmp_path / "own")
    word, found = "mine=own/policy.py:make", []
    found.append(coded(word)[0].identity)
    assert coded(word)[0].identity == found[0]
    np.save(tmp_path / "own" / "weights.npy", np.arange(3.0) + 1e-9)
    found.append(coded(word)[0].identity)
    (tmp_path / "own" / "weights_beside.py").write_text("scale = 2\n")
    found.append(coded(word)[0].identity)
    write_code(tmp_path / "own", more="\nlimit = 1\n")
    found.append(coded(word)[0].identity)
    write_code(tmp_path / "own", more="\nwhat = lambda: 0\n")  # cannot be read: never the same again
    found += [coded(word)[0].identity, coded(word)[0].identity]
    assert len({*found}) == len(found)


@pytest.mark.usefixtures("path")
def test_code_in_the_present_folder_goes_with_libraries_that_name_files_which_are_none(tmp_path: Path, monkeypatch):
    """As torch does: the `__file__` of `torch.classes` is "_classes.py"."""
    monkeypatch.chdir(tmp_path)
    write_code(tmp_path)
    library = ModuleType("library_classes")
    library.__file__ = "_classes.py"
    monkeypatch.setitem(sys.modules, "library_classes", library)
    assert coded("policy.py:make")[0].identity == coded("policy.py:make")[0].identity


@pytest.mark.usefixtures("path")
def test_tensors_count_by_their_values(tmp_path: Path):
    torch = pytest.importorskip("torch")
    net = "\nimport torch\nnet = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())\nnet.load_state_dict(torch.load({}))\n"
    state = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh()).state_dict()
    file = tmp_path / "net.pt"
    write_code(tmp_path / "own", more=net.format(repr(str(file))))
    found = []
    for change in (0.0, 0.0, 1e-6):
        state["0.weight"][0, 0] += change
        torch.save(state, file)
        module = coded("own/policy.py:make")[0]
        found.append(module.identity)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    "word",
    ["own/policy.py:make", "greedy=own/policy.py:make", "clairvoyant:base=own/policy.py:make", "own.policy:make"],
)
def test_code_runs_only_where_the_command_line_names_it(tmp_path: Path, word: str):
    """Not by default, whatever name it has, and not as what a planner goes on with."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "policy.py").write_text("raise AssertionError('it ran')")
    with pytest.raises(
        UserError, match=r"names code, which runs only where the command line itself names it|is written NAME|no option"
    ):
        rows(word)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("own/policy.py", "a file of code stands with the function that makes the policy, own/policy.py:make"),
        ("mine=own/policy.py", "no policy 'own/policy.py': a file of code stands with"),
        ("$=own/policy.py:make", "cannot name a policy"),
        ("mine=own/gone.py:make", "cannot read .*gone.py"),
        ("mine=own/policy.py:maker", "did you mean make"),
    ],
)
@pytest.mark.usefixtures("path")
def test_code_that_cannot_be_named_so_is_refused(tmp_path: Path, word: str, says: str):
    write_code(tmp_path / "own")
    with pytest.raises(UserError, match=says):
        coded(word)


def test_limits_of_a_group_are_those_of_all_its_members():
    def load(folder: Path, scenario: Scenario) -> Loaded:
        loaded = Loaded(folder)
        loaded.limits = {"slo_miss": 0.1, "energy_j": 50.0 if folder.name == "scorer-2" else 60.0}
        return loaded

    group, alone = find_rows(["mine=runs/scorer-*", "x=runs/scorer-2"], load_scenario("tiny"), load)
    assert group.limits == {"slo_miss": 0.1}
    assert alone.limits == {"slo_miss": 0.1, "energy_j": 50.0}
    assert rows("greedy", "runs/scorer-2")[1].limits == rows("greedy")[0].limits == {}


def test_settings_of_a_group_are_those_that_all_its_members_have():
    (alone,), (group,) = rows("runs/scorer-2"), rows("mine=runs/scorer-*")
    assert alone.hparams == {"algo": "scorer", "seed": "scorer-2"}
    assert group.hparams == {"algo": "scorer", "seed": "several", "checkpoints": 2}
