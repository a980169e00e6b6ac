"""docs/own_policy.md: its example trains, is put beside the rules from Python and by the command, all with tiny budgets."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import edge6g
from edge6g_env import batch_env

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/own_policy.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples/ippo.py"
TINY_BUDGETS = {"decisions=400_000": "decisions=40", "seeds=20": "seeds=3"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """The folder in which the page's script was run, and its names."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copy(EXAMPLE, folder)
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    for budget, tiny in TINY_BUDGETS.items():
        assert budget in block
        block = block.replace(budget, tiny)
    names: dict[str, object] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        exec(compile(block, "own_policy.md", "exec"), names)
        sys.modules.pop("ippo")
    return folder, names


def test_the_page_shows_the_example_beside_the_rules(done):
    _, names = done
    episodes = names["episodes"]
    assert isinstance(episodes, pd.DataFrame)
    assert set(episodes["policy"]) == {"jsq", "greedy", "ippo/0", "ippo/1", "ippo/2"}
    (row,) = names["groups"](episodes).to_dict("records")
    assert (row["group"], row["kind"], row["checkpoints"]) == ("ippo", "own", 3)
    assert 0.0 <= row["probability_of_improvement"] <= 1.0


def test_its_trainings_differ_and_its_policies_keep_to_the_mask(done):
    folder, names = done
    files = sorted((folder / "runs").iterdir())
    assert len({file.read_bytes() for file in files}) == len(files) == 3
    env = batch_env("tiny", num_worlds=4, skip_idle=True)
    policy, obs, rng = names["make"](env.layout, files[0]), env.reset(seed=1), np.random.default_rng(0)
    for _ in range(20):
        actions = policy.act(obs, rng)
        assert (np.take_along_axis(obs["action_mask"], actions[..., None], axis=2) == 1).all()
        assert ((actions > 0) == (obs["action_mask"].sum(axis=2) > 1)).all()  # never holds where it can do something
        obs, *_ = env.step(actions)


@pytest.mark.usefixtures("undrawn")
def test_its_command_compares_it(done, monkeypatch: pytest.MonkeyPatch):
    """As the page has it, where the example lies elsewhere and its weights in the current folder."""
    folder, _ = done
    (line,) = re.findall(r"^edge6g (compare .*ippo=examples.*)$", PAGE, flags=re.MULTILINE)
    assert line.split(" --seeds ")[0] in EXAMPLE.read_text(encoding="utf-8").replace(" --out runs/ippo", "")
    words = line.replace("examples/ippo.py", str(EXAMPLE)).replace("--seeds 20", "--seeds 2").split()
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["edge6g", *words])
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as ended:
        edge6g.main()
    assert ended.value.code == 0
    policies = json.loads((folder / "runs/ippo/summary.json").read_text())["policies"]
    assert {name: one["kind"] for name, one in policies.items()} == {
        **dict.fromkeys(("random", "local", "jsq", "greedy"), "rule"),
        "ippo": "own",
    }


def test_the_example_is_as_short_as_the_page_says():
    assert len([line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line.strip()]) <= 85
