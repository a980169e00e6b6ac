"""LoRA adapters and their training: parameters, bytes, memory and time of a step (COSTS 7 and 8)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from edge6g_env._arrays import require_within
from edge6g_env.costs import parts, shapes
from edge6g_env.costs.checks import Floats, check_precision
from edge6g_env.costs.formulas import product_s
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.costs.tables import model as model_spec
from edge6g_env.costs.tables import unknown
from edge6g_env.costs.times import broadcast, resolved_parts

ALL_LINEAR = "all-linear"
STATE_BYTES = 16.0  # a trained parameter: fp16 weight and gradient, fp32 master copy and two Adam moments
ACTIVATION_BYTES, CHECKPOINT_BYTES = (
    34.0,
    2.0,
)  # a token, layer and hidden unit without and with checkpointing (recalled)
LOGIT_BYTES = 4.0  # fp32, in which a loss is computed
ATTENTION_BACKWARD = 2.5  # of the forward pass (recalled)


def _ends(spec: ModelSpec) -> dict[str, int]:
    """Inputs plus outputs of each matrix of a layer; those of experts count once for each expert."""
    q, kv = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    width, experts = (spec.expert_ffn, spec.experts) if spec.has_experts else (spec.ffn, 1)
    block = experts * (spec.hidden + width)
    attention = {"q": spec.hidden + q, "k": spec.hidden + kv, "v": spec.hidden + kv, "o": q + spec.hidden}
    gate = {"gate": block} if spec.gated_mlp else {}
    return {**attention, **gate, "up": block, "down": block}


def _ends_of(spec: ModelSpec, targets: str | Iterable[str]) -> int:
    ends = _ends(spec)
    if targets == ALL_LINEAR:
        return sum(ends.values())
    names = [name.strip() for name in (targets.split(",") if isinstance(targets, str) else targets)]
    for name in names:
        if name not in ends:
            raise unknown("targets", name, [*ends, ALL_LINEAR])
    return sum(ends[name] for name in dict.fromkeys(names))


def _layers_of(spec: ModelSpec, layers: int | None) -> int:
    if layers is None:
        return spec.layers
    if not 0 <= layers <= spec.layers:
        raise ValueError(f"layers = {layers} is out of range: 0 to {spec.layers}")
    return layers


def adapter_params(
    model: str | ModelSpec, rank: int = 16, targets: str | Iterable[str] = "q,v", layers: int | None = None
) -> int:
    """Parameters of a LoRA adapter: layers * rank * sum(inputs + outputs) over its targets.

    targets: "all-linear", or names of q, k, v, o, gate, up, down, as "q,v" or a list. layers: those adapted, by default all.
    Raises ValueError on unknown names, rank < 1, layers outside the model. Source: COSTS 7, lora.csv.
    """
    spec = model_spec(model)
    require_within("rank", rank, 1.0)
    return _layers_of(spec, layers) * rank * _ends_of(spec, targets)


def adapter_bytes(
    model: str | ModelSpec, rank: int = 16, targets: str | Iterable[str] = "q,v", layers: int | None = None
) -> float:
    """Bytes of a LoRA adapter in fp16: what one more variant of a base costs in memory and over a link (COSTS 8).

    Arguments and errors as `adapter_params`.
    """
    return 2.0 * adapter_params(model, rank, targets, layers)


def _tuned(
    model: str | ModelSpec, rank: int | None, targets: str | Iterable[str], layers: int | None
) -> tuple[ModelSpec, int, int]:
    """The model, its layers that stand here, and the parameters a step changes: the adapter's, with rank None all of them."""
    spec = model_spec(model)
    count = _layers_of(spec, layers)
    trained = count * spec.params_per_layer if rank is None else adapter_params(spec, rank, targets, layers)
    return spec, count, trained


def training_state_bytes(
    model: str | ModelSpec,
    tokens: ArrayLike,
    *,
    rank: int | None = 16,
    targets: str | Iterable[str] = "q,v",
    checkpointing: bool = True,
) -> tuple[Floats, Floats]:
    """(bytes a layer, bytes once) that fine-tuning with steps of `tokens` (>= 1) tokens holds beside frozen weights; float64, shape of
    tokens.

    16 B for a trained parameter and the activations. With checkpointing only the input of each layer is kept, and once one layer's
    activations while it is computed again. Other arguments and errors as `training_memory_bytes`. Source: COSTS 7.
    """
    spec, _, trained = _tuned(model, rank, targets, 1)
    unit = require_within("tokens", tokens, 1.0) * spec.hidden
    kept, once = (CHECKPOINT_BYTES, ACTIVATION_BYTES) if checkpointing else (ACTIVATION_BYTES, 0.0)
    return STATE_BYTES * trained + kept * unit, once * unit


def training_head_bytes(model: str | ModelSpec, tokens: ArrayLike, precision: str = "fp16") -> Floats:
    """Bytes of a loss over `tokens` (>= 1) tokens where the embedding is held anyway: the head's weights, unless they are the embedding's,
    and the logits in fp32; float64, shape of tokens. Raises ValueError outside these ranges and on unknown names. Source: COSTS 7.
    """
    spec = model_spec(model)
    head = 0.0 if spec.tied_embeddings else shapes.stored_head_bytes(spec, check_precision(precision))
    return head + LOGIT_BYTES * require_within("tokens", tokens, 1.0) * spec.vocab


def training_memory_bytes(
    model: str | ModelSpec,
    tokens: ArrayLike,
    precision: str = "fp16",
    *,
    rank: int | None = 16,
    targets: str | Iterable[str] = "q,v",
    layers: int | None = None,
    checkpointing: bool = True,
) -> Floats:
    """Memory of fine-tuning with steps of `tokens` (>= 1) tokens, bytes, float64, shape of tokens.

    Frozen weights at the precision, 16 B for a trained parameter (which has its fp16 weight in them), activations. rank:
    of the adapter; None trains all weights. layers: how many of them stand here, by default all, with embedding and
    head. checkpointing: only the input of each layer is kept, and one layer's activations while it is computed again. Raises
    ValueError outside these ranges. Source: COSTS 7.
    """
    spec, count, _ = _tuned(model, rank, targets, layers)
    layer_bytes, once_bytes = training_state_bytes(
        spec, tokens, rank=rank, targets=targets, checkpointing=checkpointing
    )
    frozen = count * shapes.stored_layer_bytes(spec, check_precision(precision))
    if layers is None:
        frozen = shapes.stored_bytes(spec, precision)
    if rank is None:
        frozen -= count * shapes.stored_layer_bytes(spec, precision)
    return frozen + count * layer_bytes + (once_bytes if count > 0 else 0.0)


def training_pass_s(
    model: str | ModelSpec,
    device: str | DeviceSpec,
    tokens: ArrayLike,
    sequences: ArrayLike = 1.0,
    precision: str = "fp16",
    *,
    rank: int | None = 16,
    targets: str | Iterable[str] = "q,v",
    checkpointing: bool = True,
) -> tuple[Floats, Floats, Floats]:
    """Times of a fine-tuning step in s: (forward through a layer, backward through it, the head over every token both ways); float64,
    broadcast shape.

    Of the 6 n P of an adapter a third is forward. Arguments and errors as `training_step_s`, which adds them up. Source: COSTS 7.
    """
    spec, _, trained = _tuned(model, rank, targets, 1)
    length, batch = broadcast(require_within("tokens", tokens, 1.0), require_within("sequences", sequences, 1.0))
    resolved, n = resolved_parts(spec, device, precision), length * batch
    again = 1.0 if checkpointing else 0.0
    linear_s, attention_s = (
        parts.layer_times(resolved, n),
        parts.prefill_attention(resolved, length, 0.0 * length, batch),
    )
    adapter_s = 0.0 * n if rank is None else 2.0 * n * trained / resolved.rates.flops_per_s
    backward_s = (1.0 + again + (1.0 if rank is None else 0.0)) * linear_s + (again + ATTENTION_BACKWARD) * attention_s
    # Of all tokens, where the engine's head has few (`head_s` of the tables): a product like any other.
    head = np.vectorize(lambda m: product_s(m, spec.vocab, spec.hidden, 1.0, resolved.rates), otypes=[float])
    head_s = 2.0 * head(n)
    return linear_s + attention_s + adapter_s, backward_s + 2.0 * adapter_s, head_s


def training_step_s(
    model: str | ModelSpec,
    device: str | DeviceSpec,
    tokens: ArrayLike,
    sequences: ArrayLike = 1.0,
    precision: str = "fp16",
    *,
    rank: int | None = 16,
    targets: str | Iterable[str] = "q,v",
    layers: int | None = None,
    checkpointing: bool = True,
) -> Floats:
    """Time of one fine-tuning step on `sequences` equal sequences of `tokens` tokens each, s; float64, broadcast shape.

    Forward and backward to the activations take a forward pass each, recomputation (checkpointing) another, weight
    gradients of full training (rank None) another; attention goes back at 2.5 times its forward; an adapter adds 6 n P. layers:
    how many of them are computed here, by default all, with the head over every token. Raises ValueError on unknown names,
    tokens or sequences < 1, layers outside the model. Source: COSTS 7.
    """
    spec, count, _ = _tuned(model, rank, targets, layers)
    forward_s, backward_s, head_s = training_pass_s(
        spec, device, tokens, sequences, precision, rank=rank, targets=targets, checkpointing=checkpointing
    )
    return count * (forward_s + backward_s) + (head_s if layers is None else 0.0)
