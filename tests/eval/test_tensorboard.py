"""What TensorBoard's own loader reads back."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import matplotlib.image
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from eval.comparison import Comparison
from eval.tensorboard import HPARAM_METRICS, _runs, run_folder, write_comparison


def load(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    accumulator.Reload()
    return accumulator


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, report: Path, whole: Comparison) -> Path:
    folder = tmp_path_factory.mktemp("written")
    shutil.copy(report / "comparison.png", folder)
    write_comparison(folder, whole, {"scorer:x": {"algo": "scorer", "learning_rate": 3e-4}})
    return folder


def test_the_comparison_is_images_and_a_table_and_no_line(written: Path, comparison: Comparison):
    events = load(written / "tensorboard")
    tags = events.Tags()
    assert tags["scalars"] == []
    assert tags["images"] == ["comparison/1 difference to the best rule", "comparison/2 all metrics"]
    for tag in tags["images"]:
        (image,) = events.Images(tag)
        pixels = matplotlib.image.imread(io.BytesIO(image.encoded_image_string))
        assert pixels.shape[:2] == (image.height, image.width)
    text = events.Tensors("comparison/text_summary")[0].tensor_proto.string_val[0].decode()
    reward = comparison.summary["policies"]["scorer:x"]["metrics"]["reward_per_job"]
    interval = f"[{reward['low']:.3f}, {reward['high']:.3f}]"
    assert f"| scorer:x | {reward['iqm']:.3f} {interval} | +0.050 [+0.050, +0.050] | \N{EN DASH} | 100 |" in text
    assert "trained on campus_v0; played on tiny_v0, arrivals.rate_jobs_s = 3.0" in text


def test_only_learned_policies_have_runs_of_their_own(written: Path):
    assert {path.name for path in (written / "tensorboard").iterdir() if path.is_dir()} == {"scorer-x"}


def test_hparams_stand_beside_headline_metrics_that_exist(written: Path, comparison: Comparison):
    accumulator = load(run_folder(written, "scorer:x"))
    content = accumulator.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    values = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert {name: value.string_value or value.number_value for name, value in values.items()} == {
        "policy": "scorer:x",
        "trained_on": "campus_v0",
        "played_on": "tiny_v0, arrivals.rate_jobs_s = 3.0",
        "arrivals.rate_jobs_s": 3.0,
        "algo": "scorer",
        "learning_rate": pytest.approx(3e-4),
    }
    content = accumulator.summary_metadata["_hparams_/experiment"].plugin_data.content
    tags = [info.name.tag for info in plugin_data_pb2.HParamsPluginData.FromString(content).experiment.metric_infos]
    assert tags == [*(f"values/{name}" for name in HPARAM_METRICS), "values/gain_over_best_rule"]
    metrics = comparison.summary["policies"]["scorer:x"]["metrics"]
    for name in HPARAM_METRICS:
        (point,) = accumulator.Scalars(f"values/{name}")
        assert point.value == pytest.approx(metrics[name]["iqm"])
    assert accumulator.Scalars("values/gain_over_best_rule")[0].value == pytest.approx(0.05)


def test_policies_whose_names_look_alike_have_folders_of_their_own(tmp_path: Path):
    runs = _runs(tmp_path, ["a b", "a:b", "a/b"])
    assert len(set(runs.values())) == 3


@pytest.mark.parametrize(
    ("policy", "folder"), [("greedy", "greedy"), ("../../etc", "etc"), ("/a b/c", "a-b-c"), ("..", "policy")]
)
def test_a_run_folder_never_leaves_the_output(tmp_path: Path, policy: str, folder: str):
    assert run_folder(tmp_path, policy) == tmp_path / "tensorboard" / folder
