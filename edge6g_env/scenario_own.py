"""Rows of a scenario's own, the tables [[device]] and [[model]]: what devices.csv, models.csv and moe.csv have of the package's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, create_model, model_validator

from edge6g_env import costs
from edge6g_env.costs import derived
from edge6g_env.costs.efficiency import DeviceFit
from edge6g_env.costs.profiles import NAME
from edge6g_env.costs.specs import DeviceSpec, ModelSpec, OwnFigures
from edge6g_env.costs.tables import shipped_devices
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.scenario_tables import Precision, Table

Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Peak = Annotated[float, Field(gt=0.0, le=1e6)]
Watts = Annotated[float, Field(gt=0.0, le=1e5)]
Usd = Annotated[float, Field(ge=0.0, le=1e6)]
Size = Annotated[int, Field(ge=1, le=10_000_000)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Flag = bool | Literal[0, 1]
Modality = Annotated[str, Field(pattern=r"^(text|image\+text|audio)(->.+)?$")]
Metric = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
MetricInPercent = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*_pct$")]

_MOST_LAYERS = 1024
_SHEET = ("fp16_tflops", "int8_tops", "fp8_tflops", "int4_tops", "mem_bw_gbs", "host_link_gbs", "class_")


def _check_name(what: str, name: str, replaces: bool, known: tuple[str, ...]) -> None:
    """A name of the package's is taken on purpose only; UserError otherwise."""
    if name in known and not replaces:
        raise UserError(f"the package has a {what} {name}: choose another name, or say replace = true")
    if replaces and name not in known:
        hint = did_you_mean(name, known) or "leave replace away"
        raise UserError(f"replace = true, but the package has no {what} {name}; {hint}")


class _DeviceSheet(Table):
    """A device of the scenario's own: a data sheet, as a row of devices.csv, and what an hour of it costs.
    Acts: costs/kernel_tables.py
    """

    name: Name
    """What nodes.devices, ues.device and cloud.device call it."""
    replace: bool = False
    """Whether it takes the place of the package's device of that name, with its measurements where all peaks and links are the same.
    Default: a name of the package's is refused
    Acts: scenario_own.py"""
    fp16_tflops: Peak
    """Dense peak of fp16 products with fp32 sums.
    Acts: costs/parts.py"""
    int8_tops: Peak | None = None
    """Dense peak of int8 products.
    Default: it has no units for them, and they run as int8-wo
    Acts: costs/parts.py"""
    fp8_tflops: Peak | None = None
    """Dense peak of fp8 products.
    Default: it has no units for them, and they run as int8-wo
    Acts: costs/parts.py"""
    int4_tops: Peak | None = None
    """Dense peak of int4 products; int4 weights run on the fp16 units in any case.
    Default: it has no units for them
    Acts: costs/specs.py"""
    mem_gb: Annotated[float, Field(gt=0.0, le=1e6)]
    """Memory.
    Acts: costs/memory.py"""
    mem_bw_gbs: Peak
    """Bandwidth of the memory.
    Acts: costs/parts.py"""
    idle_w: Annotated[float, Field(ge=0.0, le=1e5)] | None = None
    """Power at rest.
    Default: 0.12 of tdp_w, the median of devices.csv; judgement"""
    tdp_w: Watts
    """Power at full load."""
    disk_read_gbs: Peak | None = None
    """From the disk, where models are loaded.
    Default: 3.5, an NVMe disk on four lanes of PCIe 3.0; judgement
    Acts: costs/memory.py"""
    host_link_gbs: Peak | None = None
    """From the host to a card with memory of its own.
    Default: none, as of phones and Jetsons: the memory is shared with the CPU, 0.6 of it is usable and not 0.9, and layers run as on
    those
    Acts: costs/memory.py"""
    usd_per_hour: Usd
    """What it costs as a node, rented or written off.
    Acts: costs/prices.py"""
    source: str = ""
    """Where the figures are from.
    Default: not said
    Acts: costs/specs.py"""
    status: str = ""
    """Verified, recalled, judgement.
    Default: not said
    Acts: costs/specs.py"""

    @model_validator(mode="after")
    def _can_be(self) -> _DeviceSheet:
        if costs.is_profile_path(self.name):
            raise UserError("name: one that ends in .json is the path of a profile")
        _check_name("device", self.name, self.replace, shipped_devices())
        if self.idle_w is not None and self.idle_w > self.tdp_w:
            raise UserError(f"idle_w = {self.idle_w:g} must be at most tdp_w = {self.tdp_w:g}")
        return self

    def spec(self) -> DeviceSpec:
        """What the cost model takes. One that replaces a device of the package has its measurements if all that they were fitted to is the
        same."""
        given = self.model_dump(exclude={"replace"}, exclude_none=True)
        filled = {"idle_w": derived.IDLE_SHARE * self.tdp_w, "disk_read_gbs": derived.DISK_READ_GBS} | given
        blank = dict.fromkeys(("int8_tops", "fp8_tflops", "int4_tops", "host_link_gbs"))
        spec = costs.device_of_row({**blank, **filled})
        known = costs.device(self.name) if self.replace else spec
        is_same = all(getattr(known, name) == getattr(spec, name) for name in _SHEET)
        return spec if is_same else replace(spec, fit=DeviceFit())

    def derived(self) -> Iterator[str]:
        """Figures that the row does not give, in words."""
        spec = self.spec()
        for name, how in (("idle_w", f"{derived.IDLE_SHARE:g} of tdp_w"), ("disk_read_gbs", "judgement")):
            if getattr(self, name) is None:
                yield f"{name} = {getattr(spec, name):g} ({how})"
        if missing := [name for name in ("int8_tops", "fp8_tflops") if getattr(self, name) is None]:
            yield f"no units of their own for {', '.join(name.split('_')[0] for name in missing)}"
        if spec.shares_memory:
            yield "memory shared with its CPU, for want of host_link_gbs"
        yield "times measured on the package's" if costs.fit_of(spec).layer else "times by its data sheet"


if TYPE_CHECKING:

    class OwnDevice(_DeviceSheet):
        """See below."""
else:
    OwnDevice = create_model(  # "class" is a word of Python's
        "OwnDevice",
        __base__=_DeviceSheet,
        __doc__=_DeviceSheet.__doc__,
        __module__=__name__,
        **{
            "class": (
                Annotated[
                    Literal["ue", "edge", "cloud"],
                    Field(description="Whose measured layers its own are like.\nActs: costs/parts.py"),
                ],
                ...,
            )
        },
    )


class OwnModel(Table):
    """A model of the scenario's own: a shape, as a row of models.csv or moe.csv, how good it is, and what its tokens cost.
    Acts: costs/kernel_tables.py
    """

    name: Name
    """What services call it."""
    replace: bool = False
    """Whether it takes the place of the package's model of that name.
    Default: a name of the package's is refused
    Acts: scenario_own.py"""
    layers: Annotated[int, Field(ge=1, le=_MOST_LAYERS)]
    """Layers of the decoder.
    Acts: costs/shapes.py"""
    hidden: Size
    """Width of the activations between layers.
    Acts: costs/shapes.py"""
    ffn: Size
    """Width of the feed-forward part; of experts expert_ffn counts.
    Acts: costs/shapes.py"""
    heads: Size
    """Query heads.
    Acts: costs/shapes.py"""
    kv_heads: Size
    """Heads of keys and values, a divisor of heads.
    Acts: costs/shapes.py"""
    vocab: Size
    """Rows of the embedding.
    Acts: costs/shapes.py"""
    context: Size
    """Most tokens of a prompt and its answer.
    Acts: scenario_rows.py"""
    modality: Modality
    """text, image+text or audio, and after -> what comes out, as in audio->text.
    Acts: costs/specs.py"""
    score01: Annotated[float, Field(gt=0.0, le=1.0)]
    """Its primary score, by which its answers are worth what they are beside the best model known.
    Acts: costs/quality.py"""
    metric: Metric | None = None
    """What score01 is of: models are compared where this is the same.
    Default: that of the shipped models of its modality
    Acts: costs/quality.py"""
    scores: dict[MetricInPercent, Annotated[float, Field(ge=0.0, le=100.0)]] = Field(default_factory=dict)
    """Further metrics in per cent, for a service's quality_metric; of one that begins with wer_ less is better.
    Default: none
    Acts: costs/quality.py"""
    relative_quality: dict[Precision, Annotated[float, Field(ge=0.0, le=1.0)]] = Field(default_factory=dict)
    """What a precision keeps of the quality at fp16.
    Default: the median of the shipped models of its size; judgement
    Acts: costs/quality.py"""
    usd_per_million_input_tokens: Usd | None = None
    """In the cloud.
    Default: by size, as of rows of prices.csv; judgement
    Acts: scenario_own.py"""
    usd_per_million_output_tokens: Usd | None = None
    """In the cloud.
    Default: by size, as of rows of prices.csv; judgement
    Acts: scenario_own.py"""
    head_dim: Size | None = None
    """Width of a head.
    Default: hidden / heads
    Acts: costs/shapes.py"""
    params_total: Count | None = None
    """Parameters.
    Default: by its shape
    Acts: costs/specs.py"""
    params_per_layer: Count | None = None
    """Parameters of a layer, all experts counted.
    Default: by its shape
    Acts: costs/shapes.py"""
    params_active: Count | None = None
    """Parameters that a token passes.
    Default: by its shape
    Acts: costs/specs.py"""
    fp16_bytes: Count | None = None
    """All weights at fp16.
    Default: two bytes a parameter
    Acts: costs/shapes.py"""
    kv_bytes_per_token_fp16: Count | None = None
    """Keys and values of a token in all layers.
    Default: by its shape
    Acts: costs/memory.py"""
    boundary_bytes_per_token_fp16: Count | None = None
    """Activations of a token at a cut.
    Default: by its shape
    Acts: costs/specs.py"""
    tied_embeddings: Flag = False
    """Whether the output head is the embedding.
    Default: two matrices
    Acts: costs/shapes.py"""
    gated_mlp: Flag = True
    """Whether the feed-forward part has a gate.
    Default: it has
    Acts: costs/shapes.py"""
    experts: Count = 0
    """Feed-forward blocks of a layer, where it has several.
    Default: dense
    Acts: costs/shapes.py"""
    experts_active: Count = 0
    """Blocks that a token passes.
    Default: dense
    Acts: costs/shapes.py"""
    expert_ffn: Count = 0
    """Width of a block.
    Default: dense
    Acts: costs/shapes.py"""
    enc_layers: Count = 0
    """Layers of the encoder of pictures or sound.
    Default: no encoder
    Acts: costs/times.py"""
    enc_hidden: Count = 0
    """Width of its activations.
    Default: no encoder
    Acts: costs/times.py"""
    enc_ffn: Count = 0
    """Width of its feed-forward part.
    Default: no encoder
    Acts: costs/times.py"""
    enc_heads: Count = 0
    """Its heads.
    Default: no encoder
    Acts: costs/times.py"""
    enc_tokens_per_input: Count = 0
    """Tokens that it makes of a picture, or of a window of sound.
    Default: no encoder
    Acts: costs/times.py"""
    enc_params: Count = 0
    """Its parameters.
    Default: no encoder
    Acts: costs/specs.py"""
    source: str = ""
    """Where the figures are from.
    Default: not said
    Acts: costs/specs.py"""
    status: str = ""
    """Verified, recalled, judgement.
    Default: not said
    Acts: costs/specs.py"""

    @model_validator(mode="after")
    def _can_be(self) -> OwnModel:
        _check_name("model", self.name, self.replace, costs.models())
        try:
            spec = self._shape()
        except ValueError as error:
            raise UserError(str(error).removeprefix("ModelSpec.")) from None
        if spec.params_total < (held := spec.layers * spec.params_per_layer):
            raise UserError(f"params_total = {spec.params_total}: must be at least what its layers have, {held}")
        if spec.fp16_bytes < 2 * held:
            raise UserError(f"fp16_bytes = {spec.fp16_bytes}: must be at least what its layers take, {2 * held}")
        return self

    def _shape(self, own: OwnFigures | None = None) -> ModelSpec:
        figures = {"replace", "score01", "metric", "scores", "relative_quality"}
        prices = {"usd_per_million_input_tokens", "usd_per_million_output_tokens"}
        return ModelSpec(**self.model_dump(exclude={*figures, *prices}, exclude_none=True), own=own)

    def spec(self) -> ModelSpec:
        """What the cost model takes."""
        shape = self._shape()
        metric, price = self.metric or derived.metric_of(self.modality), derived.token_price_of(shape)
        scores = {name: derived.score01(name, value) for name, value in self.scores.items()}
        usd_in, usd_out = self.usd_per_million_input_tokens, self.usd_per_million_output_tokens
        own = OwnFigures(
            metric,
            {**scores, metric: self.score01},
            derived.relative_quality_of(shape) | {str(name): kept for name, kept in self.relative_quality.items()},
            price.in_usd if usd_in is None else 1e-6 * usd_in,
            price.out_usd if usd_out is None else 1e-6 * usd_out,
        )
        return self._shape(own)

    def derived(self) -> Iterator[str]:
        """Figures that the row does not give, in words."""
        spec = self.spec()
        assert spec.own is not None
        if self.params_total is None:
            yield f"{spec.params_total / 1e9:.3g} B parameters by its shape"
        for name in ("head_dim", "kv_bytes_per_token_fp16"):
            if getattr(self, name) is None:
                yield f"{name} = {getattr(spec, name)}"
        if self.metric is None:
            yield f"score01 is {spec.own.metric}"
        kept = {name: value for name, value in spec.own.relative_quality.items() if name not in self.relative_quality}
        if kept.pop("fp16", None) is not None and kept:
            yield f"quality kept, by size: {', '.join(f'{name} {value:g}' for name, value in kept.items())}"
        usd = {"input": spec.own.usd_per_input_token, "output": spec.own.usd_per_output_token}
        for name, value in usd.items():
            if getattr(self, f"usd_per_million_{name}_tokens") is None:
                yield f"usd_per_million_{name}_tokens = {1e6 * value:g} (by size)"


def catalog_of(devices: Sequence[OwnDevice], models: Sequence[OwnModel]) -> costs.Catalog:
    """The package's rows and these; UserError for two of one name."""
    for what, names in (("devices", [row.name for row in devices]), ("models", [row.name for row in models])):
        if twice := next((name for n, name in enumerate(names) if name in names[:n]), None):
            raise UserError(f"two {what} have the name {twice}")
    return costs.Catalog((row.spec() for row in devices), (row.spec() for row in models))
