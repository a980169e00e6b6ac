"""docs/extend.md works word for word on a copy of the packages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/extend.md").read_text(encoding="utf-8")
# A rule, a device, its price, a model's four tables, an entry, the kernel's line.
BLOCKS = re.findall(r"^```\w+\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
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


@pytest.fixture
def copy(tmp_path):
    """The packages in a folder of their own."""
    for name in ("edge6g", "edge6g_env", "agents", "eval", "train", "bench"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_what_the_page_adds_works(copy):
    rule, device, price, model, score, kept, model_price, feature, line = BLOCKS
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
