"""TensorBoard files of a comparison: images and a table, and the hyperparameters of what was learned."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams as hparams_summaries

from eval.comparison import Comparison
from eval.contenders import HParam
from eval.metrics import BY_NAME
from eval.report.charts import draw_difference, figure_bytes, plain_style
from eval.report.numbers import REWARD, headline, room, sentences, value_and_interval
from eval.statistics import bounds
from eval.summary import by_reward

FOLDER = "tensorboard"
HPARAM_METRICS = ("reward_per_job", "slo_attainment", "ttft_p95_s", "price_per_job")
SHOWN = ("slo_attainment", "ttft_mean_s", "ttft_p95_s", "tpot_mean_s", "price_per_job", "energy_j_per_job")


def run_folder(out_dir: Path | str, policy: str) -> Path:
    """Run folder of a policy: its name, with a dash for what a folder's name cannot have (`runs/x`: `runs-x`)."""
    return Path(out_dir) / FOLDER / (re.sub(r"[^\w.+=-]+", "-", policy).strip("-.") or "policy")


def write_comparison(out_dir: Path | str, comparison: Comparison, hparams: Mapping[str, Mapping[str, HParam]]) -> None:
    """Write the comparison under `out_dir`/tensorboard: a run of its own, and one each beneath it of learned policies and code
    of one's own.

    The comparison: the difference to the best rule and the whole chart as images, the table as text, all under the tag `comparison`.
    A learned policy: hyperparameters, that is `hparams` and what was changed in the scenario played, beside HPARAM_METRICS, which are
    single values under `values/` (a group that TensorBoard sorts behind the curves of training).
    """
    with SummaryWriter(log_dir=str(Path(out_dir) / FOLDER)) as writer:
        for tag, png in _images(Path(out_dir), comparison):
            writer._get_file_writer().add_summary(_image_record(tag, png))
        writer.add_text("comparison", markdown_table(comparison))
    for name, run in _runs(out_dir, hparams).items():
        with SummaryWriter(log_dir=str(run)) as writer:
            _write_hparams(writer, comparison, name, hparams[name])


def markdown_table(comparison: Comparison) -> str:
    """The table of a comparison, headline metrics only, as Markdown."""
    summary, heads = comparison.summary, [f"{BY_NAME[name].label}, {BY_NAME[name].display_unit}" for name in SHOWN]
    said = sentences(summary, comparison.scenario.label)
    lines = [
        f"**{headline(summary)}**",
        "",
        *(f"{line}  " for line in said),
        "",
        f"| policy | reward per job | less {summary['best_rule'] or 'best rule'} | room | {' | '.join(heads)} |",
        f"|---{'|---:' * (len(SHOWN) + 3)}|",
    ]
    for name in by_reward(summary):
        policy = summary["policies"][name]
        differences = policy["difference_to_best_rule"]
        reward = " ".join(value_and_interval(REWARD, policy["metrics"]["reward_per_job"]))
        against = (
            " ".join(value_and_interval(REWARD, differences["reward_per_job"], signed=True)) if differences else ""
        )
        cells = [value_and_interval(BY_NAME[metric], policy["metrics"][metric])[0] for metric in SHOWN]
        lines.append("| " + " | ".join([name, reward, against, " ".join(room(policy["room"])), *cells]) + " |")
    return "\n".join(lines)


def _images(out_dir: Path, comparison: Comparison) -> Iterator[tuple[str, bytes]]:
    """Tag and PNG of each image; the whole chart is the file that the report wrote."""
    summary = comparison.summary
    if any(policy["difference_to_best_rule"] for policy in summary["policies"].values()):
        with plain_style():
            figure = Figure(figsize=(5.2, 1.1 + 0.3 * len(summary["policies"])), layout="constrained")
            draw_difference(figure.subplots(), summary)
            yield "comparison/1 difference to the best rule", figure_bytes(figure, "png")
    yield "comparison/2 all metrics", (out_dir / "comparison.png").read_bytes()


def _image_record(tag: str, png: bytes) -> Summary:
    """What SummaryWriter.add_image makes of pixels, of a PNG file as it is."""
    width, height = struct.unpack(">II", png[16:24])
    image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=tag, image=image)])


def _runs(out_dir: Path | str, names: Iterable[str]) -> dict[str, Path]:
    """A folder for each policy; names that would share one are told apart by a number."""
    runs: dict[str, Path] = {}
    for name in names:
        run, count = run_folder(out_dir, name), 1
        while run in runs.values():
            count += 1
            run = run_folder(out_dir, f"{name}-{count}")
        runs[name] = run
    return runs


def _write_hparams(writer: SummaryWriter, comparison: Comparison, policy: str, values: Mapping[str, HParam]) -> None:
    """As SummaryWriter.add_hparams, but into the run itself: that method adds a sub-run named by the time."""
    mine = comparison.summary["policies"][policy]
    changes = {key: x if isinstance(x, HParam) else str(x) for key, x in comparison.scenario.changes.items()}
    origin = {"trained_on": mine["trained_on"] or "unknown", "played_on": comparison.scenario.label}
    gain = (mine["difference_to_best_rule"] or {}).get("reward_per_job")
    figures = {f"values/{name}": bounds(mine["metrics"][name])[0] for name in HPARAM_METRICS}
    figures["values/gain_over_best_rule"] = bounds(gain)[0] if gain else None
    figures["values/room"] = mine["room"]["iqm"] if mine["room"] else None
    known = {tag: x for tag, x in figures.items() if x is not None}
    for record in hparams_summaries({**values, **changes, **origin, "policy": policy}, dict(known)):
        writer._get_file_writer().add_summary(record)
    for tag, x in known.items():
        writer.add_scalar(tag, x, 0)
