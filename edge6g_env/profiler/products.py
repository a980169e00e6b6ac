"""Products of a CPU at each precision, as torch ships them: float formats, int8 with activations quantised on the fly, weights alone.

| precision | weights | activations | operator of torch |
|---|---|---|---|
| fp32, fp16, bf16 | as named | as named | mkldnn::_linear_pointwise on weights packed once, where oneDNN has one; else linear |
| int8 | 8 bits, a scale an output channel | 8 bits, quantised for each product; fp32 in between | quantized::linear_dynamic |
| int8-wo | 8 bits, a scale an output channel | bf16 | aten::_weight_int8pack_mm |
| int4 | 4 bits, a scale and a zero for a group of up to 128 | bf16 | aten::_weight_int4pack_mm_for_cpu |
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from edge6g_env.costs.efficiency import ACTIVATIONS
from edge6g_env.errors import UserError

Product = Callable[[Tensor], Tensor]

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
INT4_GROUPS = (128, 64, 32)
LARGEST_ERROR = 0.2  # relative, of a product against fp32: rounding to 4 bits alone gives 0.09
_TRIAL = (32, 128)  # outputs, inputs


class PrecisionError(UserError):
    """A precision at which this machine cannot be measured; the message says why, and what can be."""


def activation_dtype(precision: str) -> torch.dtype:
    """Type of the activations between the products of a precision."""
    return DTYPES[ACTIVATIONS[precision]]


def make_product(weight: Tensor, precision: str) -> Product:
    """The product of (m, k) activations with a weight (n, k), given in fp32 and stored at the precision, in memory of its own.

    Raises RuntimeError, NotImplementedError or AttributeError where torch or the CPU has no operator for it.
    """
    if precision == "int8":
        return _int8(weight)
    if precision == "int8-wo":
        return _int8_weights(weight)
    if precision == "int4":
        return _int4_weights(weight)
    return _floats(weight.to(DTYPES[precision], copy=True))


def _floats(weight: Tensor) -> Product:
    """By weights packed once, as torch.compile has it: linear packs them in every call, up to 4 times slower for 2 to 16 tokens."""
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)
    except (RuntimeError, NotImplementedError, AttributeError):
        return lambda x: functional.linear(x, weight)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")


def _channel_scales(weight: Tensor) -> Tensor:
    return (weight.abs().amax(dim=1) / 127.0).clamp_min(1e-12)


def _int8(weight: Tensor) -> Product:
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch 2.13 means to drop quantised tensors; the error below will say so
        rounded = torch.quantize_per_channel(weight, _channel_scales(weight), zeros, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(rounded, None)
    # Seven bits of the activations: the sums of AVX2 kernels would overflow 16 bits with eight.
    return lambda x: torch.ops.quantized.linear_dynamic(x, packed, True)


def _int8_weights(weight: Tensor) -> Product:
    scales = _channel_scales(weight)
    stored = (weight / scales[:, None]).round().to(torch.int8)
    scales16 = scales.to(torch.bfloat16)
    return lambda x: torch._weight_int8pack_mm(x, stored, scales16)


def _int4_weights(weight: Tensor) -> Product:
    n, k = weight.shape
    group = next((size for size in INT4_GROUPS if k % size == 0), None)
    if group is None or n % 16:
        raise RuntimeError(f"its int4 kernel takes inputs by 32 and outputs by 16, not {k} and {n}")
    blocks = weight.view(n, k // group, group)
    low = blocks.amin(dim=2)
    scale = ((blocks.amax(dim=2) - low) / 15.0).clamp_min(1e-12)
    rounded = ((blocks - low[..., None]) / scale[..., None]).round().to(torch.int32).view(n, k)
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(rounded, 1)
    # The kernel computes (q - 8) scale + zero.
    scales_zeros = torch.stack([scale.t(), (low + 8.0 * scale).t()], dim=-1).to(torch.bfloat16).contiguous()
    return lambda x: torch.ops.aten._weight_int4pack_mm_for_cpu(x, packed, group, scales_zeros)


def check_precision(precision: str) -> None:
    """Multiply once; PrecisionError if torch cannot at this precision on this CPU, or if the result is wrong."""
    generator = torch.Generator().manual_seed(0)
    weight, x = (torch.randn(rows, _TRIAL[1], generator=generator) for rows in (_TRIAL[0], 8))
    exact = x @ weight.t()
    try:
        with torch.inference_mode():
            found = make_product(weight, precision)(x.to(activation_dtype(precision))).float()
    except (RuntimeError, NotImplementedError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise PrecisionError(
            f"torch {torch.__version__} cannot multiply at {precision} on this CPU: {reason}"
        ) from None
    if not float((found - exact).norm() / exact.norm()) < LARGEST_ERROR:
        raise PrecisionError(f"torch {torch.__version__} multiplies wrongly at {precision} on this CPU: left out")
