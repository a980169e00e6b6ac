"""Answer quality of a model at a precision as one number in [0, 1] (data/quality.md)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from edge6g_env.costs.specs import ModelSpec
from edge6g_env.costs.tables import read_rows, unknown


class Score(NamedTuple):
    """A model's primary benchmark: its metric and the score in [0, 1]."""

    metric: str
    score01: float


@cache
def _scores_by(metric: str) -> dict[str, float]:
    """Score of each model by a metric; where a model has several rows of it, the base model's, as the primary ones are."""
    rows = [row for row in read_rows("model_quality.csv") if row["metric"] == metric]
    return {row["model"]: row.number("score01") for row in sorted(rows, key=lambda row: row["variant"] == "base")}


def score(model: str | ModelSpec, metric: str = "primary") -> float:
    """Score of a model in [0, 1] by a metric of model_quality.csv, or by its primary one; ValueError without such a row."""
    if metric == "primary":
        return _score("model", model).score01
    if isinstance(model, ModelSpec) and model.own:
        if metric not in model.own.scores:
            raise unknown("metric", metric, model.own.scores)
        return model.own.scores[metric]
    name, known = _name(model), _scores_by(metric)
    if name not in known:
        raise unknown("model", name, known) if known else unknown("metric", metric, metrics())
    return known[name]


@cache
def metrics() -> list[str]:
    """Names of the metrics in model_quality.csv, and "primary"."""
    return ["primary", *dict.fromkeys(row["metric"] for row in read_rows("model_quality.csv"))]


@cache
def scores() -> dict[str, Score]:
    """Primary score of each model in model_quality.csv."""
    rows = (row for row in read_rows("model_quality.csv") if row["primary"] == "1")
    return {row["model"]: Score(row["metric"], row.number("score01")) for row in rows}


@cache
def _relative() -> dict[tuple[str, str], float]:
    return {(row["model"], row["precision"]): row.number("relative_quality") for row in read_rows("quality_map.csv")}


def _name(model: str | ModelSpec) -> str:
    return model.name if isinstance(model, ModelSpec) else model


def _score(argument: str, model: str | ModelSpec) -> Score:
    if isinstance(model, ModelSpec) and model.own:
        return Score(model.own.metric, model.own.scores[model.own.metric])
    name = _name(model)
    try:
        return scores()[name]
    except (KeyError, TypeError):
        raise unknown(argument, name, scores()) from None


def relative_quality(model: str | ModelSpec, precision: str) -> float:
    """What a precision keeps of the model's fp16 quality, 0..1 (quality_map.csv); ValueError without such a row.

    fp32 and bf16 keep all of it: models are published in one of the 16-bit formats, which fp32 holds exactly.
    """
    _score("model", model)
    if precision in ("fp32", "bf16"):
        return 1.0
    kept = model.own.relative_quality if isinstance(model, ModelSpec) and model.own else _kept_by(_name(model))
    try:
        return kept[precision]
    except (KeyError, TypeError):
        raise unknown("precision", precision, kept) from None


def _kept_by(name: str) -> dict[str, float]:
    """Precision -> relative quality of a model in quality_map.csv."""
    return {precision: kept for (model, precision), kept in _relative().items() if model == name}


def quality(
    model: str | ModelSpec,
    precision: str = "fp16",
    best_model: str | ModelSpec | None = None,
    beside: Iterable[ModelSpec] = (),
) -> float:
    """Quality of an answer in [0, 1]: score / score of the best model offered * relative quality of the precision.

    best_model: the best model that the service offers; by default the best one known for the metric, in the table or among those `beside`
    it, which take the place of rows with their names. Scores of two metrics are never divided: ValueError if best_model is scored by
    another one, or is worse than the model. Source: data/quality.md, point 1.
    """
    own = _score("model", model)
    if best_model is None:
        known = {**scores(), **{other.name: _score("beside", other) for other in beside}, _name(model): own}
        best = max(s.score01 for s in known.values() if s.metric == own.metric)
    else:
        other = _score("best_model", best_model)
        if other.metric != own.metric:
            raise ValueError(
                f"best_model = {best_model!r} is scored by {other.metric}, {_name(model)!r} by {own.metric}"
            )
        best = other.score01
        if best < own.score01:
            raise ValueError(f"best_model = {best_model!r} scores {best}, below {_name(model)!r} with {own.score01}")
    return own.score01 / best * relative_quality(model, precision)
