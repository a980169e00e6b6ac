"""README.md holds what it says: its examples run, and its list of extensions works word for word on a copy of the packages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import edge6g_env
from agents.policy import rule_names

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
CHECK = """
import sys

import edge6g
import edge6g_env

env = edge6g_env.parallel_env("clinic.toml", nodes={"devices": ["my-card"]}, **{"service.chat.model": "my-model"})
names = [name for name, *_ in env.observation_names]
observations, _ = env.reset(seed=0)
row = observations["node_0"]["observation"]
assert names.index("node/load_left_s") == names.index("node/cloud_wait_s") + 1
assert len(row) == len(names) and env.observation_space("node_0")["observation"].contains(row)
assert env.batch.scenario.nodes.devices == ["my-card"] and edge6g_env.costs.device("my-card").tdp_w == 150.0
assert env.batch.scenario.service[0].model == "my-model" and edge6g_env.costs.model("my-model").layers == 24
sys.argv[0] = "edge6g"
edge6g.main()
"""


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number):
    names: dict[str, object] = {}
    exec(compile(EXAMPLES[number], f"README.md, example {number}", "exec"), names)
    assert {"env", "vec_env"} & names.keys()  # each makes an environment


def names_of_training(words: str) -> dict[str, Any]:
    """What the example of docs/training.md in which these words stand leaves."""
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    (block,) = (one for one in blocks if words in one)
    names: dict[str, Any] = {}
    exec(compile(block, "training.md", "exec"), names)
    return names


def test_the_example_of_training_reads_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint"):
        names_of_training("def play(")["play"](tmp_path)


def test_the_example_of_varied_worlds_steps():
    env = names_of_training("VariedBatch")["env"]
    env.reset()
    _, rewards, dones, infos = env.step([0] * env.num_envs)
    assert len(rewards) == len(dones) == len(infos) == 16 * env.batch.num_agents


def test_there_is_an_example_for_every_door():
    text = "\n".join(EXAMPLES)
    for call in ("parallel_env(", "campus_v0.env(", "gymnasium.make(", "make_vec(", " batch_env(", "sb3_vec_env("):
        assert call in text, call


def test_the_tables_name_every_scenario_and_rule():
    table_rows = "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))
    for name in (*edge6g_env.scenarios(), *rule_names(), "scorer", "ppo"):
        assert f"`{name}`" in table_rows, name


def test_links_lead_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.fixture
def copy(tmp_path):
    """The packages in a folder of their own."""
    for name in ("edge6g", "edge6g_env", "agents", "eval", "train", "bench"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_list_of_extensions_works(copy):
    rule, device, price, model, score, kept, model_price, feature, line = _blocks_of_the_list()
    tiny = (copy / "edge6g_env/scenarios/tiny.toml").read_text(encoding="utf-8")
    (copy / "clinic.toml").write_text(tiny.replace('name = "tiny"', 'name = "clinic"'), encoding="utf-8")
    (copy / "agents/rules/shortest_ttft.py").write_text(rule, encoding="utf-8")
    tables = {"devices": [device], "prices": [price, model_price], "models": [model], "model_quality": [score]}
    for name, rows in {**tables, "quality_map": [kept]}.items():
        for row in rows:
            _append(copy / f"edge6g_env/costs/data/{name}.csv", row)
    _insert_after(copy / "edge6g_env/spaces.py", "node/cloud_wait_s", feature)
    _insert_after(copy / "edge6g_env/kernel/observe.py", "node.cloud_seen_wait_s", line)

    short = [
        f"--set={key}"
        for key in ("time.episode_s=2.0", "time.warmup_s=0.0", "time.drain_s=1.0", "arrivals.rate_jobs_s=6")
    ]
    options = ["--scenario", "clinic.toml", "--policies", "local,shortest-ttft", "--seeds", "1", "--out", "runs/clinic"]
    ours = ('--set=nodes.devices=["my-card"]', "--set=service.chat.model=my-model")
    _run(copy, "-c", CHECK, "compare", *options, *short, *ours)
    rows = (copy / "runs/clinic/episodes.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["policy", "local", "shortest-ttft"]


def _blocks_of_the_list():
    """The indented blocks under "Extend": a rule, a device, its price, a model's four tables, a feature, the kernel's line."""
    part = TEXT[TEXT.index("\n## Extend") : TEXT.index("\n## Licence")]
    blocks = re.findall(r"^   ```\w+\n(.*?)^   ```", part, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in blocks]


def _append(path, row):
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n") + "\n" + row, encoding="utf-8")


def _insert_after(path, words, line):
    """Put `line` behind the only line that has `words`, as far in as that."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    (place,) = [n for n, text in enumerate(lines) if words in text]
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    path.write_text("".join([*lines[: place + 1], indent + line, *lines[place + 1 :]]), encoding="utf-8")


def _run(folder, *arguments):
    """Run Python on the copy, interpreted: compiling it takes a minute and shows nothing more here."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
