"""What TensorBoard's own loader reads back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from eval.metrics import METRIC_NAMES
from eval.statistics import Summary
from eval.tensorboard import HPARAM_METRICS, run_folder, write_comparison

WITHOUT_VALUE = {"tpot_mean_s", "tpot_p95_s"}  # in the fixture


def load(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    return accumulator


@pytest.fixture
def written(tmp_path: Path, episodes: pd.DataFrame, summary: Summary) -> Path:
    write_comparison(tmp_path, episodes, summary, {"runs/scorer": {"algo": "scorer", "learning_rate": 3e-4}})
    return tmp_path


def test_one_run_a_policy_and_the_same_tags_in_each(written: Path):
    runs = sorted(path.parent.name for path in (written / "tensorboard").rglob("events.*"))
    assert runs == ["greedy", "local", "runs-scorer"]
    shown = [name for name in METRIC_NAMES if name not in WITHOUT_VALUE]
    expected = {f"episode/{name}" for name in shown} | {f"compare/{name}_iqm" for name in shown}
    for run in runs:
        assert set(load(written / "tensorboard" / run).Tags()["scalars"]) == expected


def test_scalars_carry_the_value_of_each_seed_in_order(written: Path, episodes: pd.DataFrame):
    points = load(run_folder(written, "greedy")).Scalars("episode/reward_per_job")
    sample = episodes[episodes["policy"] == "greedy"].sort_values("seed")["reward_per_job"].tolist()
    assert [point.step for point in points] == list(range(6))
    assert [point.value for point in points] == pytest.approx(sample)


def test_the_iqm_is_a_line_over_the_seeds(written: Path, summary: Summary):
    points = load(run_folder(written, "greedy")).Scalars("compare/reward_per_job_iqm")
    iqm = summary["policies"]["greedy"]["metrics"]["reward_per_job"]["iqm"]
    assert [(point.step, point.value) for point in points] == [(0, pytest.approx(iqm)), (5, pytest.approx(iqm))]


def test_hparams_stand_in_the_run_itself_and_name_tags_that_exist(written: Path):
    accumulator = load(run_folder(written, "runs/scorer"))
    content = accumulator.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    values = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert {name: value.string_value or value.number_value for name, value in values.items()} == {
        "policy": "runs/scorer",
        "kind": "learned",
        "algo": "scorer",
        "learning_rate": pytest.approx(3e-4),
    }
    content = accumulator.summary_metadata["_hparams_/experiment"].plugin_data.content
    tags = [info.name.tag for info in plugin_data_pb2.HParamsPluginData.FromString(content).experiment.metric_infos]
    assert tags == [f"compare/{name}_iqm" for name in HPARAM_METRICS]
    assert set(tags) <= set(accumulator.Tags()["scalars"])


def test_policies_that_would_share_a_folder_are_refused(tmp_path: Path, episodes: pd.DataFrame, summary: Summary):
    summary["policies"]["runs-scorer"] = summary["policies"]["runs/scorer"]
    with pytest.raises(ValueError, match="share a run folder"):
        write_comparison(tmp_path, episodes, summary, {})


@pytest.mark.parametrize(
    ("policy", "folder"), [("greedy", "greedy"), ("../../etc", "etc"), ("/a b/c", "a-b-c"), ("..", "policy")]
)
def test_a_run_folder_never_leaves_the_output(tmp_path: Path, policy: str, folder: str):
    assert run_folder(tmp_path, policy) == tmp_path / "tensorboard" / folder
