"""What TensorBoard's own loader reads back, the table, and the bar."""

import io
import math

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

import train.validation
from agents.policy import make_rule
from edge6g_env._bars import Bars
from edge6g_env.errors import UserError
from eval.pools.processes import Machine
from eval.pools.workers import Workers
from eval.statistics import paired_difference
from train.curves import GAIN, GAIN_HIGH, GAIN_LOW, TensorBoardCurves
from train.learning_curve import LearningCurve, Point
from train.validation import CURVES, RULES_FILE, Played, Players, Validation, ValidationPart, Validations, middle


def load(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    return accumulator


@pytest.fixture
def board(tmp_path):
    curves = TensorBoardCurves(tmp_path, "scorer", 4)
    yield curves
    curves.close()


def test_the_gain_is_the_first_tag_and_has_its_zero_line(tmp_path, board):
    """Groups and tags as TensorBoard sorts them, by name."""
    gains = {GAIN: -0.1, GAIN_LOW: -0.2, GAIN_HIGH: 0.1}
    board.write({"train/loss": 0.5, "time/fps": 10, "rollout/what": "words"}, {}, step=0)
    board.validated({**gains, "validation/ttft_mean_s": 1.0}, dict.fromkeys(gains, 0.0), step=0)
    board.flush()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-rule", "scorer-s4"]
    tags = load(tmp_path / "scorer-s4").Tags()["scalars"]
    assert sorted(tags)[:3] == [GAIN, GAIN_HIGH, GAIN_LOW] == sorted(gains)
    assert {tag.split("/")[0] for tag in tags} == {"validation", "workings"}
    zero = load(tmp_path / "best-rule")
    assert {tag: [(p.step, p.value) for p in zero.Scalars(tag)] for tag in gains} == {tag: [(0, 0.0)] for tag in gains}


def test_nothing_is_written_before_its_checkpoint(tmp_path, board):
    board.validated({GAIN: 0.1}, {GAIN: 0.0}, step=5)
    assert not load(tmp_path / "scorer-s4").Tags()["scalars"]
    board.flush()
    board.validated({GAIN: math.nan}, {}, step=6)
    board.validated({GAIN: 0.2}, {GAIN: 0.0}, step=7)
    board.flush()
    board.validated({GAIN: 0.3}, {GAIN: 0.0}, step=9)
    board.close()
    assert [p.step for p in load(tmp_path / "scorer-s4").Scalars(GAIN)] == [5, 7]


def test_settings_are_hyperparameters_of_the_run_itself(tmp_path, board):
    board.describe({"algo": "scorer", "clip": 0.2, "arrivals.rate_jobs_s": 3.0}, "| rule |")
    content = load(tmp_path / "scorer-s4").summary_metadata["_hparams_/session_start_info"].plugin_data.content
    values = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    told = {name: value.string_value or value.number_value for name, value in values.items()}
    assert told == {"algo": "scorer", "clip": 0.2, "arrivals.rate_jobs_s": 3.0}
    assert [path.name for path in tmp_path.glob("scorer-s4/*") if path.is_dir()] == []


def point(decisions, gain=0.1):
    return Point(decisions, decisions / 100.0, 0.5, gain, math.nan, 0.2, "jsq")


def test_a_curve_goes_on_as_far_as_its_checkpoint(tmp_path):
    curve = LearningCurve(tmp_path, "scorer on tiny_v0", 0)
    assert curve.last_decisions is None
    curve.draw()
    assert not (tmp_path / "learning_curve.png").exists()
    for decisions in (0, 100, 200):
        curve.add(point(decisions))
    curve.draw()
    assert (tmp_path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    again = LearningCurve(tmp_path, "scorer on tiny_v0", 150)
    assert again.last_decisions == 100
    again.add(point(150, -0.5))
    assert [p.decisions for p in LearningCurve(tmp_path, "", 10**9).points] == [0, 100, 150]
    assert LearningCurve(tmp_path, "", 10**9).points[-1].gain_over_best_rule == -0.5
    assert math.isnan(LearningCurve(tmp_path, "", 10**9).points[-1].low)


def test_a_table_that_a_spreadsheet_saved_is_read_and_another_one_refused(tmp_path):
    LearningCurve(tmp_path, "", 0).add(point(100))
    table = tmp_path / "learning_curve.csv"
    table.write_bytes(
        b"\xef\xbb\xbf" + table.read_bytes().replace(b",", b";").replace(b".", b",").replace(b"\n", b"\r\n")
    )
    (read,) = LearningCurve(tmp_path, "", 100).points
    assert (read.decisions, read.gain_over_best_rule, read.high, read.best_rule) == (100, 0.1, 0.2, "jsq")
    table.write_text("decisions,minutes\n100,many\n")
    with pytest.raises(UserError, match=r"learning_curve.csv, line 2: minutes = 'many'"):
        LearningCurve(tmp_path, "", 100)


@pytest.fixture(scope="module")
def validation(scenario, tmp_path_factory):
    folder = tmp_path_factory.mktemp("validation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.validation, "SHOWN_RULES", ("local", "jsq"))
        played = Validations([scenario], [1, 2, 3, 4])
    played.play_rules(folder)
    return played, folder


def test_a_gain_is_the_paired_difference_seed_by_seed(validation):
    played, _ = validation
    rewards = {name: dict(zip(played.seeds, of["reward_per_job"], strict=True)) for name, of in played.rules.items()}
    other = next(name for name in played.rules if name != played.best_rule)
    assert middle(played.rules[other]["reward_per_job"]) <= middle(played.rules[played.best_rule]["reward_per_job"])
    expected = paired_difference(rewards[other], rewards[played.best_rule])
    assert played.gain(played.rules[other], played.best_rule) == expected
    assert expected["low"] <= expected["iqm"] <= expected["high"] <= 0.0 or expected["high"] > 0.0
    assert played.gain(played.rules[other], other)["high"] == 0.0


def test_rules_are_played_once_a_folder_and_anew_if_anything_differs(validation, scenario, monkeypatch):
    played, folder = validation
    plays = []

    def note(part, _):
        plays.append(part.policy)
        return Played(played.rules[part.policy], 0)

    monkeypatch.setattr(ValidationPart, "__call__", note)
    again = Validation(scenario, [1, 2, 3, 4], ["local", "jsq"])
    again.play_rules(folder / RULES_FILE)
    assert (again.rules, plays) == (played.rules, [])
    Validation(scenario, [1, 2, 3, 5], ["local", "jsq"]).play_rules(folder / RULES_FILE)
    assert plays == ["local", "jsq"]


def test_figures_do_not_depend_on_who_plays(scenario, tmp_path, monkeypatch):
    """Rules with and without a compiled form, one that draws among them, and a policy whose seeds are cut into pieces."""
    monkeypatch.setattr(train.validation, "SHOWN_RULES", ("greedy", "jsq", "random"))
    pool = Workers(Machine(1), 2)
    here, there = (Validations([scenario], [1, 2, 3], players) for players in (None, Players(pool)))
    for validation, name in ((here, "here"), (there, "there")):
        (tmp_path / name).mkdir()
        validation.play_rules(tmp_path / name)
    assert (here.rules, here.decisions) == (there.rules, there.decisions)
    assert here.decisions > 3
    policy = make_rule("greedy", here.layouts[0])
    assert here.play("learned", [policy]) == there.play("learned", [policy]) == here.rules["greedy"]
    pool.close()


def test_the_table_names_every_rule_once(validation):
    played, _ = validation
    rows = [row.split(" | ")[0].strip("| ") for row in played.table().splitlines()]
    assert rows[0] == "rule"
    assert rows[2] == played.best_rule
    assert sorted(rows[2:]) == ["jsq", "local"]
    assert all(row.count("|") == len(CURVES) + 2 for row in played.table().splitlines())


@pytest.mark.parametrize("width", [20, 40, 59, 80, 120])
def test_on_a_narrow_terminal_the_bar_stays_and_the_note_goes(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with Bars(console) as bars:
        task = bars.add_task(
            "train scorer", total=100, completed=50, rate="1,234/s", note="0.421 reward per job, 0.068 below jsq"
        )
        shown = Console(file=io.StringIO(), width=width, color_system=None)
        shown.print(bars.make_tasks_table(bars.tasks))
        bars.remove_task(task)
    (line,) = shown.file.getvalue().splitlines()
    assert "50%" in line
    assert line.count("\N{BOX DRAWINGS HEAVY HORIZONTAL}") >= 3
    assert ("below jsq" in line) == (width >= 100)
