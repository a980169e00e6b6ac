"""What a device reaches of its data sheet: the few physical parameters of the latency formulas.

Fitted values come from `fit.py`; the defaults below serve devices that were never measured. Peaks and bandwidths are
not here: they are columns of devices.csv.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from edge6g_env.costs.cells import Fitted, sentence

PRECISIONS = ("fp16", "fp8", "int8", "int8-wo", "int4")
# bf16 is fp16 to a data sheet: its bytes and its peak. fp32 has times only on a machine that was profiled at it (edge6g_env.profiler).
ALL_PRECISIONS = ("fp32", "bf16", *PRECISIONS)

# What a profiled CPU keeps between its products, so also its keys and values, and the precision of its output head.
ACTIVATIONS = {"fp32": "fp32", "fp16": "fp16", "bf16": "bf16", "int8": "fp32", "int8-wo": "bf16", "int4": "bf16"}
HEADS = {"fp32": "fp32", "fp16": "fp16", "bf16": "bf16", "int8": "int8", "int8-wo": "int8-wo", "int4": "bf16"}


@dataclass(frozen=True)
class Roofline:
    """Smooth-maximum roofline: share of the peak (ec), of the bandwidth (eb), fixed time in s (o_s), sharpness (p)."""

    ec: Fitted
    eb: Fitted
    o_s: Fitted
    p: Fitted


@dataclass(frozen=True)
class DecodeAttention:
    """Decode attention of one layer: ((bytes / (eb BW))**p + o_s**p)**(1/p)."""

    eb: Fitted
    o_s: Fitted
    p: Fitted


@dataclass(frozen=True)
class PrefillAttention:
    """Prefill attention of one layer: causal FLOPs * (1 + (n0 / n)**p)**(1/p) / (ec P) + o_s; n0 is that of RAMP_HEADS heads.

    n1: tokens that each new one costs as if it saw them as well, whatever is cached: blocks of a CPU's kernel. n0 or n1 is 0.
    """

    ec: Fitted
    n0: Fitted
    o_s: Fitted
    n1: Fitted = 0.0
    p: Fitted = 1.0


# The ramp at other numbers of query heads: fewer fill a card later. H100 and L40S, measured at 8 and 32 heads; fitted on one of
# the two, the other is 4 to 9 % off, without this 10 to 18 %.
RAMP_HEADS, RAMP_EXPONENT = 32.0, 0.4


def ramp_tokens(n0: float, heads: float) -> float:
    """The ramp of prefill attention with this number of query heads."""
    return n0 * (RAMP_HEADS / heads) ** RAMP_EXPONENT


@dataclass(frozen=True)
class Residual:
    """What a roofline leaves out: measured over predicted time at some token counts, linear in log(tokens) between them."""

    tokens: tuple[Fitted, ...]
    factors: tuple[Fitted, ...]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class DeviceFit:
    """Parameters of one device; whatever is missing falls back to the defaults of this module.

    gemm: precision -> Roofline of one matrix product (o_s per product). layer: precision -> Roofline of a whole layer
    (o_s per layer). decode_attention, prefill_attention: by the precision of keys and values, fp16 on a GPU. head: precision ->
    Roofline of the output head. residual, only of a profiled machine: "layer int8", "head fp32" -> Residual. errors: what was
    fitted -> mean absolute relative error on the fitted rows, percent.
    """

    gemm: Mapping[str, Roofline] = field(default_factory=dict)
    layer: Mapping[str, Roofline] = field(default_factory=dict)
    decode_attention: Mapping[str, DecodeAttention] = field(default_factory=dict)
    prefill_attention: Mapping[str, PrefillAttention] = field(default_factory=dict)
    head: Mapping[str, Roofline] = field(default_factory=dict)
    residual: Mapping[str, Residual] = field(default_factory=dict)
    errors: Mapping[str, Fitted] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and floats, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DeviceFit:
        """Inverse of `to_dict`; ValueError that names the cell on anything else."""
        if missing := [f.name for f in fields(cls) if f.name not in data]:
            raise ValueError(f"DeviceFit lacks {', '.join(missing)}")
        try:
            return _fits().validate_python(data)
        except ValidationError as error:
            raise ValueError(f"DeviceFit.{sentence(error)}") from None


@cache
def _fits() -> TypeAdapter[DeviceFit]:
    """What reads a fit and checks its cells."""
    return TypeAdapter(DeviceFit)


# COSTS 3.3b, "No data": a GPU of the data-centre or desktop class.
DEFAULT_GEMM = {
    "fp16": Roofline(ec=0.83, eb=0.84, o_s=6e-6, p=2.0),
    "fp8": Roofline(ec=0.66, eb=0.92, o_s=10e-6, p=2.0),
    "int8": Roofline(ec=0.79, eb=0.88, o_s=5e-6, p=2.0),
    "int8-wo": Roofline(ec=0.75, eb=0.85, o_s=6e-6, p=2.0),
    "int4": Roofline(ec=0.72, eb=0.78, o_s=7e-6, p=2.0),
}

# COSTS 3.3, "No data": four products a layer. RTX PRO 6000 layers, never fitted, are 5 % off with it.
EDGE_LAYER = Roofline(ec=0.83, eb=0.84, o_s=4 * 6e-6, p=2.0)

# Boards of class cloud run whole layers below what single products reach: under a power cap, and with separate kernels for norms,
# rotary embedding and activation. Mean of EDGE_LAYER and the measured A100 (0.72, 0.79, 43 us) and H100 (0.70, 0.88, 36 us) at p 2.
CLOUD_LAYER = Roofline(ec=0.75, eb=0.84, o_s=34e-6, p=2.0)

# Judgement: display cards halve fp16 with fp32 sums, so the units alone bound a product: with the share that feeding them takes at
# the full rate (ec 0.83) ec is 0.95 of the halved peak, and such cards run some 5 % above the clock of their sheet. eb: the mean of
# the two measured cards whose memory has no error correction on (A6000 0.87, Arc B60 0.94).
HALVED_EC, UNCORRECTED_EB = 1.0, 0.90
HALVED_LAYER = Roofline(ec=HALVED_EC, eb=UNCORRECTED_EB, o_s=4 * 6e-6, p=2.0)

# Judgement (COSTS 3.3): memory shared with the CPU. One o per layer covers every launch of it, attention included.
SHARED_MEMORY_EC = 0.35
JETSON_LAYER = Roofline(ec=SHARED_MEMORY_EC, eb=0.8, o_s=250e-6, p=2.0)
PHONE_LAYER = Roofline(ec=SHARED_MEMORY_EC, eb=0.8, o_s=400e-6, p=2.0)

DEFAULT_LAYERS = {
    "edge card": EDGE_LAYER,
    "cloud board": CLOUD_LAYER,
    "display card": HALVED_LAYER,
    "jetson": JETSON_LAYER,
    "phone": PHONE_LAYER,
}

# Judgement: short prompts fill a small GPU: the ramp of the smallest card measured; the layers' o covers the launch.
SHARED_MEMORY_PREFILL = PrefillAttention(ec=SHARED_MEMORY_EC, n0=119.0, o_s=0.0)

# Decode attention of GPUs without an attention file: mean eb and geometric mean o of the five measured cards (A100 0.73 and 19 us,
# H100 0.90 and 11, L40S 0.76 and 8, RTX 4090 0.86 and 14, Arc B60 0.91 and 63). Derived from four of them it is 18 % off on the fifth,
# the A100's is 25 % off on the others.
DEFAULT_DECODE_ATTENTION = DecodeAttention(eb=0.83, o_s=17e-6, p=1.0)

# Prefill attention of GPUs without an attention file. With few new tokens a kernel takes the time of one walk over the context, which
# clock and pipeline set and not the peak: n0 grows with it, more slowly from 98 to 989 TFLOP/s. Over its root Arc B60, RTX 4090, L40S,
# A100 and H100 have 18, 17, 16, 42 and 21 tokens: the geometric mean; left out in turn they are 28 % off, 31 in proportion to the peak. ec
# and p: mean and median of the cards at the full rate; on display cards, whose halved fp16 leaves the units alone to wait for,
# those of the RTX 4090. o: the A100's and the 4090's, which agree.
PREFILL_EC, PREFILL_P, PREFILL_O_S = 0.60, 1.0, 9e-6
HALVED_PREFILL_EC, HALVED_PREFILL_P = 0.69, 8.0
RAMP_TOKENS_PER_ROOT_TFLOPS = 21.2


def default_prefill_attention(peak_flops: float, halved: bool) -> PrefillAttention:
    """Of a GPU without an attention file; peak_flops: fp16 with fp32 sums; halved: at half the rate of the units."""
    ec, p = (HALVED_PREFILL_EC, HALVED_PREFILL_P) if halved else (PREFILL_EC, PREFILL_P)
    return PrefillAttention(ec, RAMP_TOKENS_PER_ROOT_TFLOPS * math.sqrt(1e-12 * peak_flops), PREFILL_O_S, p=p)
