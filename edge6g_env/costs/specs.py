"""What a model and a device are: rows of models.csv, moe.csv and devices.csv as typed, checked records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from edge6g_env.costs.cells import Count, Flag, Name, NotNegative, Positive, Size, sentence
from edge6g_env.costs.efficiency import ALL_PRECISIONS, PRECISIONS, DeviceFit
from edge6g_env.costs.measured_rows import is_blank

Spec = TypeVar("Spec", "ModelSpec", "DeviceSpec")

SHEET_PRECISIONS = ("bf16", *PRECISIONS)  # of a device with a data sheet: bf16 is fp16 to it
HALVED_RATIO = 3.0  # int8 units do twice the fp16 rate; four times it where fp16 is halved


@dataclass(frozen=True)
class OwnFigures:
    """Of a model that no table has: what model_quality.csv, quality_map.csv and prices.csv say of the others."""

    metric: str
    """What its primary score is of."""
    scores: Mapping[str, float]
    """Metric -> score in [0, 1], the primary one among them."""
    relative_quality: Mapping[str, float]
    """Precision -> what it keeps of the fp16 quality, 0 to 1."""
    usd_per_input_token: float
    usd_per_output_token: float


@dataclass(frozen=True)
class ModelSpec:
    """A row of models.csv or moe.csv: parameters, layers, units and tokens; `*_bytes*` are bytes; `enc_*` is 0 without encoder.

    Only name, layers, hidden, heads, vocab and ffn (experts: experts, experts_active, expert_ffn) must be given; a number
    that is left out, 0, None, NaN or blank follows from these. Numbers may be strings. A layer of experts has `experts` feed-forward
    blocks of width `expert_ffn`, of which a token passes `experts_active`; `params_*` count all of them. An encoder
    (`enc_layers`) needs `enc_hidden`, `enc_ffn`, `enc_heads` and `enc_tokens_per_input`; `kv_heads` divides `heads`; `tied_embeddings`
    and `gated_mlp` are 0 or 1. `own` holds its score, precisions and prices where no table has them by its name. ValueError names a field
    that is missing or out of range.
    """

    name: Name
    params_total: Count = 0
    layers: Size = 0
    hidden: Size = 0
    ffn: Count = 0
    heads: Size = 0
    kv_heads: Count = 0
    vocab: Size = 0
    head_dim: Count = 0
    context: Count = 0
    modality: str = "text"
    fp16_bytes: Count = 0
    kv_bytes_per_token_fp16: Count = 0
    params_per_layer: Count = 0
    tied_embeddings: Flag = 0
    gated_mlp: Flag = 1
    boundary_bytes_per_token_fp16: Count = 0
    enc_layers: Count = 0
    enc_hidden: Count = 0
    enc_ffn: Count = 0
    enc_heads: Count = 0
    enc_tokens_per_input: Count = 0
    enc_params: Count = 0
    source: str = ""
    status: str = ""
    experts: Count = 0
    experts_active: Count = 0
    expert_ffn: Count = 0
    params_active: Count = 0
    own: OwnFigures | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        """Read the cells; raise ValueError for what is missing; fill in what follows from the shape."""
        _read_cells(self)
        _check_shape(self)
        for name, value in _derived(self):
            if getattr(self, name) == 0:
                object.__setattr__(self, name, value)

    @property
    def has_experts(self) -> bool:
        """Whether the feed-forward part is a mixture of experts."""
        return self.experts > 0

    @property
    def cross_attends(self) -> bool:
        """Whether the decoder attends to what the encoder makes apart from the prompt, as it does to sound; pictures join the prompt."""
        return self.enc_layers > 0 and self.modality.startswith("audio")


@dataclass(frozen=True)
class DeviceSpec:
    """A row of devices.csv: dense peaks (TFLOP/s, TOPS), memory (GB, GB/s), watts, disk and host link (GB/s).

    A peak of None is a precision without units for it; a host link of None is a device whose memory is shared with its
    CPU. Numbers may be strings; NaN and blank cells are None. `fit` holds fitted parameters where they are not those of the
    shipped measurements (see `fit_device`). A profiled machine (edge6g_env.profiler) has no data sheet: `measured_tflops` holds
    the fastest product seen at each precision, `usd_per_hour` what it costs. ValueError names a field that is missing or
    not above 0.
    """

    name: Name
    class_: str
    fp16_tflops: Positive
    int8_tops: Positive | None
    fp8_tflops: Positive | None
    int4_tops: Positive | None
    mem_gb: Positive
    mem_bw_gbs: Positive
    idle_w: NotNegative
    tdp_w: Positive
    disk_read_gbs: Positive
    host_link_gbs: Positive | None
    source: str = ""
    status: str = ""
    fit: DeviceFit | None = field(default=None, hash=False)
    measured_tflops: Mapping[str, Positive] | None = field(default=None, hash=False)
    usd_per_hour: NotNegative | None = None

    def __post_init__(self) -> None:
        """Read the cells; raise ValueError for what is missing or out of range."""
        _read_cells(self)
        if self.idle_w > self.tdp_w:
            raise _out_of_range(self, "idle_w", f"0 to tdp_w = {self.tdp_w}")

    @property
    def is_profiled(self) -> bool:
        """Whether all that is known of it was measured on the machine itself, by edge6g_env.profiler."""
        return self.measured_tflops is not None

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions that it has times for. Of fp16 and bf16 either stands for the other where only one was profiled."""
        if self.measured_tflops is None:
            return SHEET_PRECISIONS
        known = set(self.fit.layer) if self.fit else set()
        if known & (either := {"fp16", "bf16"}):
            known |= either
        return tuple(p for p in ALL_PRECISIONS if p in known)

    @property
    def shares_memory(self) -> bool:
        """Whether CPU and accelerator use one memory: phones and Jetsons."""
        return self.host_link_gbs is None

    @property
    def halves_fp16(self) -> bool:
        """Whether fp16 products with fp32 sums run at half the rate of the units, as on display cards (int8 at 4x fp16)."""
        return not self.shares_memory and (self.int8_tops or 0.0) >= HALVED_RATIO * self.fp16_tflops


def _out_of_range(spec: Spec, name: str, allowed: str) -> ValueError:
    return ValueError(f"{type(spec).__name__}.{name} = {getattr(spec, name)!r} is out of range: {allowed}")


@cache
def _cells_of(kind: type[Any]) -> type[BaseModel]:
    """What reads the cells of a record, each as the annotation of its field says."""
    cells: dict[str, Any] = {f.name: (f.type, None if f.default is MISSING else f.default) for f in fields(kind)}
    return create_model(kind.__name__, __config__=ConfigDict(validate_default=True), __module__=__name__, **cells)


def _read_cells(spec: Spec) -> None:
    """Turn every field into what its annotation says: a number from its text, a blank cell into its default or None."""
    cells = {name: value for name, value in vars(spec).items() if name in ("name", "class_") or not is_blank(value)}
    try:
        read = _cells_of(type(spec)).model_validate(cells)  # type: ignore[arg-type]  # a class has a hash
    except ValidationError as error:
        raise ValueError(f"{type(spec).__name__}.{sentence(error)}") from None
    for name, value in read:
        object.__setattr__(spec, name, value)


def _check_positive(spec: ModelSpec, names: Iterable[str], needed_by: str = "") -> None:
    for name in names:
        if getattr(spec, name) <= 0:
            raise _out_of_range(spec, name, "above 0" + (needed_by and f", as {needed_by} is"))


def _check_shape(spec: ModelSpec) -> None:
    _check_positive(spec, ("experts_active", "expert_ffn") if spec.experts > 0 else ("ffn",))
    if spec.experts > 0 and spec.experts_active > spec.experts:
        raise _out_of_range(spec, "experts_active", f"1 to experts = {spec.experts}")
    if spec.kv_heads > 0 and spec.heads % spec.kv_heads != 0:
        raise _out_of_range(spec, "kv_heads", f"a divisor of heads = {spec.heads}")
    if spec.enc_layers > 0:
        _check_positive(spec, ("enc_hidden", "enc_ffn", "enc_heads", "enc_tokens_per_input"), "enc_layers")
        if spec.enc_heads > spec.enc_hidden:
            raise _out_of_range(spec, "enc_heads", f"1 to enc_hidden = {spec.enc_hidden}")


def _derived(spec: ModelSpec) -> Iterator[tuple[str, int]]:
    """What the shape says of each number that may be left out; later ones use earlier ones (COSTS 1, 4, 6, 12)."""
    yield "kv_heads", spec.heads
    yield "head_dim", max(1, spec.hidden // spec.heads)
    width = (spec.heads + spec.kv_heads) * spec.head_dim
    expert = (2 + spec.gated_mlp) * spec.hidden * (spec.expert_ffn if spec.experts else spec.ffn)
    shared = 2 * spec.hidden * width + 2 * spec.hidden  # projections and two norms
    if spec.experts:
        shared += spec.hidden * spec.experts  # the router
    outside = (1 if spec.tied_embeddings else 2) * spec.vocab * spec.hidden + spec.hidden + spec.enc_params
    yield "params_per_layer", shared + max(1, spec.experts) * expert
    yield "params_total", spec.layers * spec.params_per_layer + outside
    yield "params_active", spec.layers * (shared + max(1, spec.experts_active) * expert) + outside
    yield "fp16_bytes", 2 * spec.params_total
    yield "kv_bytes_per_token_fp16", 4 * spec.layers * spec.kv_heads * spec.head_dim
    yield "boundary_bytes_per_token_fp16", 2 * spec.hidden


def _spec_of(kind: type[Spec], row: Mapping[str, Any]) -> Spec:
    names = {f.name for f in fields(kind)} - {"fit", "measured_tflops", "own"}
    cells = {("class_" if name == "class" else name): value for name, value in row.items()}
    try:
        return kind(**{name: value for name, value in cells.items() if name in names})
    except TypeError:
        missing = [f.name for f in fields(kind) if f.default is MISSING and f.name not in cells]
        raise ValueError(f"a row of a {kind.__name__} lacks {', '.join(missing)}") from None


def model_of_row(row: Mapping[str, Any]) -> ModelSpec:
    """The model that a row shaped like models.csv or moe.csv describes; other columns are ignored. Raises as ModelSpec."""
    return _spec_of(ModelSpec, row)


def device_of_row(row: Mapping[str, Any]) -> DeviceSpec:
    """The device that a row shaped like devices.csv describes; other columns are ignored. Raises as DeviceSpec."""
    return _spec_of(DeviceSpec, {"source": "", "status": "", **row})
