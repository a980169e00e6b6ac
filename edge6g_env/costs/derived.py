"""What a row of a scenario's own leaves out, derived as for the rows that ship: precisions and prices by size, watts and disk."""

from __future__ import annotations

from functools import cache
from statistics import median

from edge6g_env.costs.efficiency import PRECISIONS
from edge6g_env.costs.prices import TokenPrice
from edge6g_env.costs.quality import relative_quality, scores
from edge6g_env.costs.specs import ModelSpec
from edge6g_env.costs.tables import UnknownNameError, model, models

IDLE_SHARE = 0.12  # of tdp_w; judgement: the median of devices.csv
DISK_READ_GBS = 3.5  # an NVMe disk on four lanes of PCIe 3.0; judgement: what most cards of class edge have

# Upper ends of the size classes of data/quality_map.csv, billions of parameters; experts are a class of their own, as is sound.
_CLASS_ENDS = (1.0, 2.0, 5.0, 10.0, 20.0)

# (billions of parameters, USD for a million tokens in or out): Fireworks' prices by size, as in rows of prices.csv (LiteLLM price file);
# that of large experts is recalled.
_DENSE_USD = ((4.0, 0.1), (16.0, 0.2), (float("inf"), 0.9))
_EXPERTS_USD = ((56.0, 0.5), (float("inf"), 1.2))
_SOUND_USD = (0.617, 0.0)  # of whisper-large-v3 in prices.csv, whose input is sound


def score01(metric: str, value: float) -> float:
    """A value in per cent as a score in [0, 1], as in model_quality.csv: of an error rate (wer_...) what is left of 1."""
    return 1.0 - value / 100.0 if metric.startswith("wer_") else value / 100.0


def metric_of(modality: str) -> str:
    """Metric of the primary score of the shipped models with this input and output, else with this input."""
    primary = {model(name).modality: of.metric for name, of in scores().items()}
    inputs = {known.split("->")[0]: metric for known, metric in primary.items()}
    return primary.get(modality, inputs[modality.split("->")[0]])


def relative_quality_of(spec: ModelSpec) -> dict[str, float]:
    """Precision -> median over the shipped models of its size class of what the precision keeps; judgement, as those of quality_map.csv."""
    return _kept(_size_class(spec))


def token_price_of(spec: ModelSpec) -> TokenPrice:
    """USD per token by size, dense or of experts; of sound that of whisper-large-v3."""
    if spec.modality.startswith("audio"):
        return TokenPrice(*(1e-6 * usd for usd in _SOUND_USD))
    prices = _EXPERTS_USD if spec.has_experts else _DENSE_USD
    usd = next(usd for end, usd in prices if spec.params_total <= end * 1e9)
    return TokenPrice(1e-6 * usd, 1e-6 * usd)


def _size_class(spec: ModelSpec) -> str:
    if spec.modality.startswith("audio"):
        return "audio"
    if spec.has_experts:
        return "experts"
    return str(sum(spec.params_total >= end * 1e9 for end in _CLASS_ENDS))


@cache
def _kept(size_class: str) -> dict[str, float]:
    alike = [name for name in models() if name in scores() and _size_class(model(name)) == size_class]
    kept: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for name in alike:
        for precision in PRECISIONS:
            try:
                kept[precision].append(relative_quality(name, precision))
            except UnknownNameError:
                continue
    return {precision: round(median(values), 4) for precision, values in kept.items() if values}
