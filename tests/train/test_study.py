"""Studies whose cells are trained by a process that only pretends: what is trained when, what is written, what it says."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from agents.policy import Policy, make_rule
from edge6g_env import load_scenario
from edge6g_env.errors import Caution
from edge6g_env.scenario import Scenario
from edge6g_env.spaces import Layout
from eval.files import only_owner, read_object
from eval.provenance import provenance
from eval.result_files import read
from eval.statistics import iqm
from eval.verify import verify
from tests.train import fake_trainer
from tests.undrawn import leave_undrawn
from train.studies.arms import Arm, Budget, Cell
from train.studies.cells import last_words
from train.studies.results import Trained
from train.studies.study import Design, StudyError, show, study

MINUTES, LONGEST_S = 4.0, 60.0
RULES = ("local", "greedy")
LIMITS = {"slo_miss": 1e-4, "energy_j": 1e9}  # one that nobody meets, and one that everybody does
OF_SEED = ("local", "jsq", "cloud", "greedy-price")  # the rule that a checkpoint of a training seed copies


pytestmark = pytest.mark.usefixtures("undrawn")


def load_copy(folder: Path, scenario: Scenario) -> Policy:
    return make_rule(OF_SEED[int(folder.name.removeprefix("seed-"))], Layout(scenario))


def load_limited(folder: Path, scenario: Scenario) -> Policy:
    policy: Any = load_copy(folder, scenario)
    policy.limits = LIMITS
    return policy


class Made:
    """A study of `seeds` training seeds in a folder, and how its cells behave by name."""

    def __init__(
        self, scenario: Scenario, out: Path, seeds: int = 2, arms: Sequence[str] = ("copy",), **how: str
    ) -> None:
        self.scenario, self.out, self.how = scenario, out, how
        found = [Arm(name, "search", ("--algo", "search")) for name in arms]
        self.design = Design(found, range(seeds), Budget(MINUTES), RULES, episodes=3)
        self.said = io.StringIO()
        self.load = load_copy

    def command(self, cell: Cell) -> list[str]:
        how = self.how.get(f"{cell.arm.name}_{cell.seed}", "resume" if cell.begun else "train")
        return [sys.executable, fake_trainer.__file__, str(cell.folder), str(cell.seed), str(MINUTES), how]

    def run(self, **options: Any) -> dict[str, Any]:
        console = Console(file=self.said, width=200)
        ways: dict[str, Any] = {"train_command": self.command, "load_checkpoint": self.load, "console": console}
        return study(self.scenario, self.design, self.out, command="edge6g study", **ways, **options)

    def called(self, arm: str = "copy") -> list[str]:
        return (self.out / arm / "called.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def three(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, dict[str, Any], Path]:
    """A whole study of three training seeds, kept in a file of results; of `greedy`'s rivals one is far the best."""
    folder = tmp_path_factory.mktemp("studies")
    made = Made(scenario, folder / "study", seeds=3)
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        made.load = load_limited
        return made, made.run(keep=folder / "results"), folder / "results"


def rewards_of(made: Made) -> pd.DataFrame:
    """A row a policy, a column a seed."""
    episodes = pd.read_csv(made.out / "compare" / "episodes.csv")
    return episodes.pivot(index="policy", columns="seed", values="reward_per_job")


def test_intervals_over_training_seeds_are_students(three):
    made, record, _ = three
    rewards = rewards_of(made)
    best = record["best_rule"]["name"]
    members = rewards.loc[[f"copy/seed-{n}" for n in range(3)]]
    means = (members - rewards.loc[best]).mean(axis=1)
    found = record["arms"]["copy"]["gain_over_best_rule"]
    interval = stats.ttest_1samp(means, 0.0).confidence_interval(0.95)
    expected = {"mean": means.mean(), "low": interval.low, "high": interval.high, "n": 3}
    assert found["over_training_seeds"] == pytest.approx(expected)
    by_world = (members - rewards.loc[best]).mean(axis=0)
    worlds = found["over_worlds"]
    assert (worlds["iqm"], worlds["n"]) == pytest.approx((iqm(by_world), 3))
    assert by_world.min() <= worlds["low"] <= worlds["high"] <= by_world.max()
    assert found["over_both"]["n"] == 9


def test_validation_picks_the_best_rule_and_the_run(three):
    """Never the evaluation seeds; and the picked run is its member."""
    _, record, _ = three
    arm = record["arms"]["copy"]
    validated = {int(seed): cell["validation_reward"] for seed, cell in arm["cells"].items()}
    broken = {int(seed): cell["validation_above_limits"] for seed, cell in arm["cells"].items()}
    assert arm["picked"]["seed"] == min(broken, key=broken.__getitem__)
    assert len(set(validated.values())) == len(set(broken.values())) == 3
    rewards = rewards_of(three[0])
    assert rewards.loc["copy-picked"].to_list() == rewards.loc[f"copy/seed-{arm['picked']['seed']}"].to_list()
    assert record["best_rule"]["name"] in RULES


def test_without_limits_the_highest_reward_is_picked(scenario: Scenario):
    """With equal breaches too; of equal ones the first."""
    cells = [Cell(Arm("copy", "search", ()), seed, Path()) for seed in range(3)]
    rewards = np.array([[0.1, 0.1, 0.4], [0.5, 0.5, np.nan], [0.5, 0.5, 0.5]])
    for broken, picked in (([0.0, 0.0, 0.0], 1), ([0.1, 0.2, 0.1], 2), ([0.0, 0.1, 0.1], 0)):
        assert Trained(cells, [], (), rewards, broken).picked == picked


def test_limits_stand_beside_the_reward(three):
    made, record, _ = three
    episodes = pd.read_csv(made.out / "compare" / "episodes.csv").groupby("policy")["slo_attainment"].mean()
    missed = [1.0 - episodes[f"copy/seed-{n}"] for n in range(3)]
    limits = record["arms"]["copy"]["limits"]
    found = limits["slo_miss"]
    assert (found["most"], found["over_training_seeds"]["mean"]) == pytest.approx((1e-4, np.mean(missed)))
    assert found["above_by"] == pytest.approx(np.mean(missed) / 1e-4 - 1.0)
    assert found["picked"] == pytest.approx(missed[record["arms"]["copy"]["picked"]["seed"]])
    assert limits["energy_j"]["above_by"] == limits["energy_j"]["picked_above_by"] == 0.0
    report = (made.out / "report.md").read_text()
    assert "over training seeds, limit 1e+09, above it by 0.0%; picked run" in report


def test_a_study_says_how_it_was_made_and_leaves_its_files(three):
    made, record, _ = three
    assert {path.name for path in made.out.iterdir()} == {
        "run.json", "scenario.toml", "cells.json", "study.json", "report.md", "learning_curves.csv", "learning_curves.png",
        "tensorboard", "compare", "copy",
    }  # fmt: skip
    assert json.loads((made.out / "study.json").read_text()) == json.loads(json.dumps(record))
    assert (record["command"], record["failed"], record["budget"]) == ("edge6g study", {}, "4 minutes")
    run = read_object(made.out / "run.json")
    assert (run["kind"], run["finished"], run["training_seeds"]) == ("study", True, [0, 1, 2])
    cell = record["arms"]["copy"]["cells"]["1"]
    assert (cell["minutes"], cell["decisions"]) == (MINUTES, 400)
    assert 0.0 < cell["cpu_minutes"] < 1.0
    report = (made.out / "report.md").read_text()
    assert "| copy | 3 |" in report
    assert "| copy/seed-2 | 400 | 4.0 |" in report
    console = Console(file=io.StringIO(), width=160)
    show(record, made.out, console)
    assert "gains are over" in console.file.getvalue()


def test_rows_of_results_are_played_again(three):
    """The mean of the training seeds and the picked run; both say how they were trained."""
    made, record, results = three
    rows = read(results / "tiny.json").rows
    assert set(rows) == {"copy", "copy-picked"}
    np.testing.assert_allclose(
        rows["copy"]["rewards"], rewards_of(made).loc[[f"copy/seed-{n}" for n in range(3)]].mean(), atol=1e-6
    )
    training = rows["copy"]["training"]
    assert (training["command"], training["algo"], training["seeds"]) == ("edge6g study", "search", [0, 1, 2])
    assert training["minutes"] == [MINUTES] * 3
    assert np.mean(training["rewards"]) == pytest.approx(np.mean(rows["copy"]["rewards"]), abs=1e-5)
    assert rows["copy-picked"]["training"]["seeds"] == [record["arms"]["copy"]["picked"]["seed"]]
    verdicts = verify(
        [made.scenario], (), None, results, load_checkpoint=load_copy, console=Console(file=io.StringIO())
    )
    assert {one.row: one.problem for one in verdicts} == {"copy": None, "copy-picked": None}


def test_what_is_trained_stays_when_a_study_grows(scenario: Scenario, tmp_path: Path):
    Made(scenario, tmp_path / "study").run()
    made = Made(scenario, tmp_path / "study", seeds=3, arms=("copy", "other"))
    record = made.run()
    assert made.called() == ["seed-0 train", "seed-1 train", "seed-2 train"]
    assert made.called("other") == ["seed-0 train", "seed-1 train", "seed-2 train"]
    assert {name: len(arm["cells"]) for name, arm in record["arms"].items()} == {"copy": 3, "other": 3}
    apart = record["differences"]["other"]
    assert (apart["to"], apart["over_training_seeds"]["mean"], apart["over_worlds"]["iqm"]) == ("copy", 0.0, 0.0)


def test_code_of_ones_own_stands_beside_the_rules_and_is_never_the_best(
    scenario: Scenario, tmp_path: Path, monkeypatch
):
    """It copies the better one of the two."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "mine.py").write_text(
        "from functools import partial\nfrom agents.policy import make_rule\nmake = partial(make_rule, 'greedy')\n"
    )
    made = Made(scenario, tmp_path / "study")
    made.design = replace(made.design, rules=("local", f"mine={tmp_path}/mine.py:make"))
    record = made.run()
    assert record["best_rule"]["name"] == "local"
    rewards = rewards_of(made)
    assert rewards.loc["mine"].mean() > rewards.loc["local"].mean()


def test_an_overwritten_study_is_trained_anew(scenario: Scenario, tmp_path: Path):
    Made(scenario, tmp_path / "study", arms=("copy", "other")).run()
    (tmp_path / "study" / "notes.txt").write_text("mine")
    made = Made(scenario, tmp_path / "study")
    made.run(overwrite=True)
    assert made.called() == ["seed-0 train", "seed-1 train"]
    assert not (tmp_path / "study" / "other").exists()
    assert (tmp_path / "study" / "notes.txt").read_text() == "mine"


def test_a_failure_is_explained_by_its_error_and_not_by_a_warning(tmp_path: Path):
    log = tmp_path / "seed-0.log"
    warning = "edge6g: warning: --workers 4 on 2 cores: they wait for each other\n"
    log.write_text(f"{warning}Traceback (most recent call last):\nMemoryError: no memory\n")
    assert last_words(log, 0, 1).startswith("MemoryError: no memory (status 1")
    log.write_text(f"edge6g: the disk is full\n{warning}")
    assert last_words(log, 0, 2).startswith("the disk is full (status 2")


def test_a_cell_that_fails_is_named_and_the_others_go_on(scenario: Scenario, tmp_path: Path):
    """It is tried again the next time; until then no rows are kept and the study is not finished."""
    made = Made(scenario, tmp_path / "study", seeds=3, copy_0="fail")
    record = made.run(keep=tmp_path / "results")
    log = tmp_path / "study" / "copy" / "seed-0.log"
    assert record["failed"] == {"copy/seed-0": f"the disk is full (status 2, see {log})"}
    assert list(record["arms"]["copy"]["cells"]) == ["1", "2"]
    assert "copy/seed-0: failed: the disk is full" in made.said.getvalue()
    assert not (tmp_path / "results").exists()
    assert not read_object(made.out / "run.json")["finished"]
    made.how.clear()
    assert made.run()["failed"] == {}
    assert made.called() == ["seed-0 fail", "seed-1 train", "seed-2 train", "seed-0 train"]


def test_a_study_without_a_trained_cell_is_an_error(scenario: Scenario, tmp_path: Path):
    made = Made(scenario, tmp_path / "study", copy_0="fail", copy_1="fail")
    with pytest.raises(
        StudyError, match=r"no cell was trained; copy/seed-0: the disk is full \(status 2, see .*\.log\)"
    ):
        made.run()


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_all_cells_in_order_and_the_study_goes_on(scenario: Scenario, tmp_path: Path, jobs: int):
    """The cell under way gets one SIGTERM and keeps its checkpoint; the one that was done is not trained again."""
    made = Made(scenario, tmp_path / "study", copy_1="wait")
    made.design = Design(made.design.arms, range(2), Budget(MINUTES), RULES, episodes=3, jobs=jobs)

    def interrupt() -> None:
        end_s = time.monotonic() + LONGEST_S
        while time.monotonic() < end_s and "copy/seed-0: done" not in made.said.getvalue():
            time.sleep(0.02)
        while time.monotonic() < end_s and not (made.out / "copy" / "waits.txt").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        made.run()
    thread.join()
    cells = read_object(made.out / "cells.json")
    assert [(cells[f"copy/seed-{n}"]["finished"], cells[f"copy/seed-{n}"]["problem"]) for n in (0, 1)] == [
        (True, None),
        (False, None),
    ]
    assert "stopped: the same command goes on" in made.said.getvalue()
    made.how.clear()
    record = made.run()
    assert sorted(made.called()[:2]) == ["seed-0 train", "seed-1 wait"]
    assert made.called()[2:] == ["seed-1 resume"]
    assert read_object(made.out / "cells.json")["copy/seed-1"]["processes"] == 2
    assert record["arms"]["copy"]["cells"]["1"]["minutes"] == MINUTES


def test_a_cell_whose_end_nobody_saw_is_done_by_its_checkpoint(scenario: Scenario, tmp_path: Path):
    made = Made(scenario, tmp_path / "study")
    made.run()
    (made.out / "cells.json").unlink()
    assert made.run()["arms"]["copy"]["cells"]["0"]["cpu_minutes"] is None
    assert len(made.called()) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seeds": range(3)}, None),
        ({"seeds": range(1, 3)}, "another study, with training seed 0, too"),
        ({"budget": Budget(2.0)}, "another study, of 4 minutes a cell, not 2 minutes"),
        ({"arms": [Arm("copy", "search", ("--algo", "search", "--threads", "2"))]}, "whose copy is --algo search:"),
        ({"seeds": [0]}, "takes 2 training seeds or more, here are 1"),
        ({"rules": ("greedy", "copy=local")}, "copy names an arm and a rule"),
        ({"rules": ("clairvoyant:base=greedy",)}, "--rules takes rules and code of one's own, clairvoyant"),
        ({"rules": ("gredy",)}, "no policy 'gredy'"),
    ],
)
def test_another_study_is_refused_and_stays_as_it_was(
    scenario: Scenario, tmp_path: Path, change: dict[str, Any], says: str | None
):
    made = Made(scenario, tmp_path / "study")
    made.out.mkdir()
    record = {**provenance("", scenario), "budget": "4 minutes", "arms": {"copy": ["--algo", "search"]}}
    text = json.dumps({"kind": "study", **record, "training_seeds": [0, 1], "rules": [], "episodes": 3})
    (made.out / "run.json").write_text(text)
    made.design = Design(**{**vars(made.design), **change})
    if says is None:
        assert set(made.run()["arms"]["copy"]["cells"]) == {"0", "1", "2"}
        return
    with pytest.raises(ValueError, match=says):
        made.run()
    assert [path.name for path in made.out.iterdir()] == ["run.json"]
    assert (made.out / "run.json").read_text() == text


def test_a_folder_of_something_else_or_of_somebody_else_is_refused(scenario: Scenario, tmp_path: Path):
    other = load_scenario("tiny", **{"arrivals.rate_jobs_s": 9.0})
    Made(scenario, tmp_path / "study").run()
    for made, says in (
        (Made(other, tmp_path / "study"), "another study, on tiny_v0 with other values"),
        (Made(scenario, tmp_path), "holds files that are not of a run"),
    ):
        with pytest.raises(ValueError, match=says):
            made.run()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text('{"kind": "study"}')
    with pytest.raises(StudyError, match=r"of another version of edge6g, whose run\.json has no command"):
        Made(scenario, tmp_path / "old").run()
    with only_owner(tmp_path / "study"), pytest.raises(ValueError, match="another process works in"):
        Made(scenario, tmp_path / "study").run()


def test_more_jobs_than_cores_are_warned_of(scenario: Scenario, tmp_path: Path):
    made = Made(scenario, tmp_path / "study", copy_0="fail", copy_1="fail")
    made.design = Design(made.design.arms, range(2), Budget(MINUTES), RULES, 3, jobs=1 + (os.cpu_count() or 1))
    with pytest.warns(Caution, match="are more than the"), pytest.raises(StudyError):
        made.run()
