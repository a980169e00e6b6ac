"""The examples of docs/examples.md: those of Stable-Baselines3 train and stand beside `greedy`, the others are run by `make examples`."""

from __future__ import annotations

import csv
import importlib.util
import re
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from agents.policy import make_rule
from edge6g_env import batch_env
from eval.frames import compare, play

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGE = (ROOT / "docs/examples.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
APART = sorted(file.parent.name for file in EXAMPLES.glob("*/requirements.txt"))
STEPS, BATCH = 24 * 32, 32  # 8 worlds of 3 agents


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=["sb3_ppo", "sb3_maskable"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, Path]:
    """An example, and the folder in which it trained for one rollout."""
    example, folder = load(request.param), tmp_path_factory.mktemp(request.param)
    best = example.train("tiny", steps=STEPS, seed=0, out=str(folder), batch=BATCH)
    assert Path(best).parent == folder
    return example, folder


def test_it_is_monitored_and_evaluated(trained):
    _, folder = trained
    (evaluated,) = np.load(folder / "evaluations.npz")["timesteps"]
    assert evaluated == STEPS
    header, columns, *_ = (folder / "monitor.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("#")
    assert next(csv.reader([columns])) == ["r", "l", "t"]


def test_it_stands_beside_greedy(trained):
    example, folder = trained
    episodes = play("tiny", {"greedy": "greedy", "mine": partial(example.make, file=folder / example.BEST)}, seeds=2)
    table = compare(episodes).set_index("policy")
    assert table["kind"].to_dict() == {"greedy": "rule", "mine": "own"}
    assert table["reward_per_job"].between(-1.0, 1.0).all()


def test_it_decides_wherever_a_job_waits(trained):
    example, folder = trained
    policy = example.make(batch_env("tiny", num_worlds=1).layout, folder / example.BEST)
    observe = "candidates" if policy.needs_candidates else "plain"
    env = batch_env("tiny", num_worlds=4, skip_idle=True, observe=observe)
    obs, rng = env.reset(seed=1), np.random.default_rng(0)
    for _ in range(20):
        actions = policy.act(obs, rng)
        assert (np.take_along_axis(obs["action_mask"], actions[..., None], axis=2) == 1).all()
        assert ((actions > 0) == (obs["action_mask"].sum(axis=2) > 1)).all()
        obs, *_ = env.step(actions)


def test_the_first_of_the_short_list_is_what_greedy_takes():
    shortlist = load("sb3_ppo").shortlist
    env = batch_env("tiny", num_worlds=4, skip_idle=True, observe="candidates")
    greedy, obs, rng = make_rule("greedy", env.layout), env.reset(seed=2), np.random.default_rng(0)
    for _ in range(30):
        places, seen = shortlist(env.layout, obs)
        assert (places[..., 0] == greedy.act(obs, rng)).all()
        assert np.take_along_axis(obs["action_mask"], places, axis=2).all()
        assert np.isfinite(seen).all()
        chosen = rng.integers(places.shape[2], size=(*places.shape[:2], 1))
        obs, *_ = env.step(np.take_along_axis(places, chosen, axis=2)[..., 0])


def test_those_apart_are_run_with_exact_versions():
    assert APART == ["benchmarl", "rllib", "torchrl"]
    for name in APART:
        lines = (EXAMPLES / name / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines if not line.startswith("#"))
        assert f"$(EXAMPLES)/{name}/bin/python examples/{name}/" in MAKEFILE
        assert f"$(EXAMPLES)/{name}/.installed" in MAKEFILE


def test_the_commands_of_the_page_are_options_of_the_examples():
    commands = re.findall(r"^(?:\S+/)?python (examples/\S+\.py)(.*)$", PAGE, flags=re.MULTILINE)
    assert {file for file, _ in commands} == {
        str(file.relative_to(ROOT)) for file in EXAMPLES.rglob("*.py") if "argparse" in file.read_text(encoding="utf-8")
    }
    for file, options in commands:
        source = (ROOT / file).read_text(encoding="utf-8")
        for option in re.findall(r"--(\w+)", options):
            assert f'("{option}", ' in source or f'"--{option}"' in source


def test_they_are_short():
    for file in EXAMPLES.rglob("*.py"):
        assert len([line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]) <= 90, file
