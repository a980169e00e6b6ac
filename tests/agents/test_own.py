"""Code of one's own: found where it is named, loaded apart from everything else, guarded, and refused in a sentence."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agents.own import PREFIX, Factory, Guarded, IllegalActionError, OwnPolicyError, factory_of
from agents.policy import Observation, UnknownPolicyError
from edge6g_env import batch_env
from edge6g_env.errors import UserError
from edge6g_env.spaces import Layout

POLICY = """
import json
from dataclasses import dataclass

import numpy as np

import beside_policy

@dataclass
class Hold:
    number: int
    privileged = False
    needs_candidates = False

    def act(self, obs, rng):
        return np.full(obs["action_mask"].shape[:2], self.number, np.int32)

def make(layout):
    return Hold(beside_policy.NUMBER)

def nothing(layout):
    return None

def the_class(layout):
    return Hold

def fails(layout):
    return layout.nothing_there

def refuses(layout):
    from edge6g_env.errors import UserError
    raise UserError("I need two neighbours")

def no_flag(layout):
    made = Hold(0)
    made.needs_candidates = "yes"
    return made

def no_worlds(layout):
    made = Hold(0)
    made.worlds_at_a_time = 0
    return made

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a policy, and what it imports from beside it; sys.path and sys.modules are put back."""
    (tmp_path / "policy.py").write_text(POLICY)
    (tmp_path / "json.py").write_text("raise AssertionError('shadows')")
    (tmp_path / "beside_policy.py").write_text("NUMBER = 0\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if name.startswith((PREFIX, "beside_policy", "own_package")):
            del sys.modules[name]


def factory(word: str) -> Factory:
    found = factory_of(word)
    assert found is not None
    return found


def test_a_file_is_loaded_apart_with_its_folder_last(folder: Path, layout: Layout, obs: Observation, rng):
    before = [*sys.path]
    policy = factory(f"{folder}/policy.py:make")(layout)
    assert isinstance(policy, Guarded)
    assert sys.path == [*before, str(folder)]
    name = type(policy.made).__module__
    assert name.startswith(f"{PREFIX}policy_")
    assert sys.modules[name].json is json  # nothing in its folder stands before anything else
    assert (policy.act(obs, rng) == 0).all()
    assert (policy.privileged, policy.needs_candidates) == (False, False)


def test_it_is_loaded_once_and_anew_when_it_was_edited(folder: Path, layout: Layout):
    make = factory(f"{folder}/policy.py:make")
    assert type(make(layout).made) is type(make(layout).made)
    (folder / "policy.py").write_text(POLICY.replace("beside_policy.NUMBER", "7"))  # as long, within the same second
    assert make(layout).made.number == 7


def test_a_module_is_imported_from_the_current_folder_last(
    folder: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch
):
    (folder / "own_package").mkdir()
    (folder / "own_package" / "__init__.py").write_text("")
    (folder / "own_package" / "module.py").write_text(POLICY)
    monkeypatch.chdir(folder)
    before = [*sys.path]
    assert type(factory("own_package.module:make")(layout).made).__module__ == "own_package.module"
    assert sys.path == [*before, str(folder)]


def test_a_factory_goes_to_another_process(folder: Path, layout: Layout, tmp_path: Path):
    """Which begins elsewhere, and has loaded nothing."""
    make = factory(os.path.relpath(f"{folder}/policy.py:make"))
    make(layout)
    code = (
        "import pickle, sys; from edge6g_env import load_scenario; from edge6g_env.spaces import Layout;"
        "make = pickle.load(sys.stdin.buffer); print(make(Layout(load_scenario('tiny'))).made.number, sys.path[-1])"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(make),
        capture_output=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.stdout.decode() == f"0 {folder}\n", done.stderr.decode()


@pytest.mark.parametrize(
    "word", ["greedy", "policy.py", "policy.py:", "a-b:make", "clairvoyant:base=greedy", "x:k=4", ":make"]
)
def test_what_names_no_code(word: str):
    assert factory_of(word) is None


@pytest.mark.parametrize(
    ("word", "error", "says"),
    [
        ("{folder}/gone.py:make", UnknownPolicyError, "cannot read .*gone.py: No such file"),
        (
            "own_package.gone:make",
            UnknownPolicyError,
            "there is no module own_package, .* named as own_package/gone.py:make",
        ),
        (
            "{folder}/policy.py:maek",
            UnknownPolicyError,
            "there is no 'maek' in it, it has Hold, make, .*did you mean make",
        ),
        ("{folder}/policy.py:number", OwnPolicyError, "'number' is no function of a layout, it is 3"),
        ("{folder}/policy.py:nothing", OwnPolicyError, r"returned None, which has no act\(obs, rng\)"),
        (
            "{folder}/policy.py:the_class",
            OwnPolicyError,
            r"returned the class Hold, no object of it, .* no act\(obs, rng\)",
        ),
        (
            "{folder}/policy.py:no_flag",
            OwnPolicyError,
            "returned an object of Hold, which has no needs_candidates: a policy has",
        ),
        (
            "{folder}/policy.py:no_worlds",
            OwnPolicyError,
            "worlds_at_a_time of its policy is 0, it must be a whole number",
        ),
        (
            "{folder}/policy.py:fails",
            OwnPolicyError,
            r"made no policy: AttributeError: .*nothing_there.* \(.*policy.py, line 28\)",
        ),
        (
            "{folder}/policy.py:refuses",
            OwnPolicyError,
            r"made no policy: I need two neighbours \(.*policy.py, line 32\)",
        ),
        ("{folder}/broken.py:make", OwnPolicyError, r"cannot be loaded: SyntaxError: .*broken.py, line 1"),
        (
            "{folder}/lacks.py:make",
            OwnPolicyError,
            r"ModuleNotFoundError: No module named 'not_there' \(.*lacks.py, line 2\)",
        ),
        ("{folder}/ends.py:make", OwnPolicyError, r"cannot be loaded: SystemExit: 4 \(.*ends.py, line 1\)"),
    ],
)
def test_code_that_makes_no_policy_is_refused_in_a_sentence(folder: Path, layout: Layout, word: str, error, says: str):
    (folder / "broken.py").write_text("def make(:\n")
    (folder / "lacks.py").write_text("\nimport not_there\n")
    (folder / "ends.py").write_text("raise SystemExit(4)\n")
    with pytest.raises(error, match=says) as refused:
        factory(word.format(folder=folder))(layout)
    assert isinstance(refused.value, UserError)
    assert "\n" not in str(refused.value)
    assert word.format(folder=folder) in str(refused.value)


class Choosing:
    """Always the same actions."""

    privileged = needs_candidates = False

    def __init__(self, actions: object) -> None:
        self.actions = actions

    def act(self, obs: Observation, rng: np.random.Generator) -> object:
        return self.actions


@pytest.mark.parametrize("action", [5, -1, 10_000, 2**63 - 1])
def test_the_first_action_outside_the_mask_is_named(obs: Observation, rng, action: int):
    obs["action_mask"][1, 2, 5] = 0
    obs["action_mask"][..., 0] = 1
    actions = np.zeros((2, 3), np.int64)
    assert Guarded(Choosing(actions), "mine").act(obs, rng).dtype == np.int64
    actions[1, 2] = action
    with pytest.raises(IllegalActionError, match=f"mine: node_2 chose action {action} at world 1: its mask allows"):
        Guarded(Choosing(actions), "mine").act(obs, rng)


@pytest.mark.parametrize(
    "actions", [np.zeros((2, 3)), np.zeros((3, 2), np.int64), np.zeros(2, np.int64), None, [[0, 0]]]
)
def test_actions_of_another_form_are_refused(obs: Observation, rng, actions: object):
    with pytest.raises(OwnPolicyError, match=r"mine: act returned .* it must be integers of shape \(2, 3\)"):
        Guarded(Choosing(actions), "mine").act(obs, rng)


def test_time_and_seed_of_an_illegal_action_are_said(rng):
    env = batch_env("tiny", num_worlds=2, skip_idle=True)
    obs = env.reset(seed=[70, 80])
    guarded = Guarded(Choosing(np.zeros((2, 3), np.int64)), "mine")
    guarded.attach(env)
    *_, info = env.step(guarded.act(obs, rng))
    idle = np.argwhere(obs["action_mask"].sum(axis=-1) == 1)
    b, n = next((b, n) for b, n in idle if b == 1)
    actions = np.zeros((2, 3), np.int64)
    actions[b, n] = 1
    guarded.made.actions = actions
    says = rf"node_{n} chose action 1 \(reject\) at {info['time_s'][1]:.3f} s of the episode of seed 80: .* hold, 0, as no job waits"
    with pytest.raises(IllegalActionError, match=says):
        guarded.act(obs, rng)


def test_what_act_raises_says_whose_it_is(obs: Observation, rng):
    class Failing(Choosing):
        def act(self, obs: Observation, rng: np.random.Generator) -> object:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as failed:
        Guarded(Failing(None), "mine=policy.py:make").act(obs, rng)
    assert failed.value.__notes__ == ["in act of mine=policy.py:make"]
