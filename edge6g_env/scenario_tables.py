"""The tables of a scenario: keys, units, ranges and defaults of each, and what it can check on its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from edge6g_env import costs
from edge6g_env.device_split import AnyDeviceSplit, check_shares
from edge6g_env.errors import UserError, did_you_mean

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0.0, le=1e6)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Period = Annotated[float, Field(ge=1e-3, le=1e9)]
Decibel = Annotated[float, Field(ge=0.0, le=1000.0)]
Precision = Literal["fp32", "bf16", "fp16", "fp8", "int8", "int8-wo", "int4"]


def check_known(key: str, values: Sequence[str], names: Sequence[str]) -> None:
    """Raise UserError that names `key` and the nearest name, unless every value is one of `names`."""
    for value in values:
        if value not in names:
            hint = did_you_mean(value, names) or f"there are {', '.join(names)}"
            raise UserError(f"{key}: no {value!r}; {hint}")


def in_a_list(one: Any) -> Any:
    """Annotation of a list in whose place one of its members may stand, which means the same for all; one: what it may be."""
    return BeforeValidator(_in_a_list, json_schema_input_type=one | list[one])


def _in_a_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


ALONE = PlainSerializer(lambda values: values[0] if len(values) == 1 else values)
"""Writes a list of one as its member."""


def left_out() -> Any:
    """Default of a key that stands nowhere where it has no value, in no fingerprint either: None."""
    return Field(default=None, exclude_if=lambda value: value is None)


class Table(BaseModel):
    """A table of a scenario: unknown keys and values of another kind are refused, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    elsewhere: ClassVar[dict[str, str]] = {}
    """Of a kind of table: what to write in place of a key that another kind has."""
    worked_out: ClassVar[tuple[str, ...]] = ()
    """Keys that follow from others where they are left out."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Without keys that stand nowhere."""
        fields = type(self).model_fields
        return [
            (key, value)
            for key, value in super().__repr_args__()
            if value is not None or not fields[str(key)].exclude_if
        ]


class Time(Table):
    """Slots, episodes and reports.
    Acts: kernel/step.py
    """

    slot_s: Annotated[float, Field(ge=0.005, le=0.05)] = 0.02
    """Length of a slot: each agent decides on at most one job in it.
    Default: less than an iteration of most engines; judgement"""
    n_substeps: Annotated[int, Field(ge=1, le=64)] = 2
    """Parts of a slot in which rates are fixed.
    Default: halving them moves no mean by 2 % (benchmarks/slots.py)"""
    episode_s: Annotated[float, Field(gt=0.0, le=1e9)] = 120.0
    """Length of an episode, a whole number of slots.
    Default: a minute to measure beside warm-up and drain; judgement"""
    warmup_s: NotNegative = 10.0
    """Jobs that arrive earlier are served but not measured.
    Default: longer than most loads of a model; judgement
    Acts: kernel/ledger.py"""
    drain_s: NotNegative = 60.0
    """Jobs that arrive in the last so many seconds are served but not measured.
    Default: as long as a job of a chat may live, so that none is cut off; judgement
    Acts: kernel/ledger.py"""
    report_period_s: Period = 0.2
    """Period of what nodes report to their neighbours, so the greatest age of what they know.
    Default: judgement
    Acts: kernel/observe.py"""

    @model_validator(mode="after")
    def _measures_something(self) -> Time:
        slots = self.episode_s / self.slot_s
        if slots < 1.0 or abs(slots - round(slots)) > 1e-6:
            raise UserError("episode_s must be a whole number of slot_s")
        if self.warmup_s + self.drain_s >= self.episode_s:
            raise UserError("warmup_s + drain_s must be less than episode_s")
        return self


class Link(Table):
    """A wired link: rate, median one-way delay, and the sigma of the log of a message's delay."""

    rate_bit_s: Positive
    delay_s: NotNegative
    delay_jitter: Annotated[float, Field(ge=0.0, le=2.0)]


class Xn(Link):
    """The wired links between neighbouring nodes.
    Acts: kernel/places/link.py
    """

    rate_bit_s: Positive = 10e9
    """Rate of each link, each way.
    Default: xn_preset_metro_fiber of radio/data/facts.csv"""
    delay_s: NotNegative = 0.001
    """Median delay one way.
    Default: xn_preset_metro_fiber of radio/data/facts.csv"""
    delay_jitter: Annotated[float, Field(ge=0.0, le=2.0)] = 0.25
    """Sigma of the log of a message's delay.
    Default: xn_preset_jitter of radio/data/facts.csv"""


class Backhaul(Link):
    """The wired link of each node to the cloud.
    Acts: kernel/places/link.py
    """

    rate_bit_s: Positive = 1e9
    """Rate, each way.
    Default: xn_preset_wireless of radio/data/facts.csv"""
    delay_s: NotNegative = 0.015
    """Median delay one way.
    Default: to a regional cloud; judgement"""
    delay_jitter: Annotated[float, Field(ge=0.0, le=2.0)] = 0.25
    """Sigma of the log of a message's delay.
    Default: xn_preset_jitter of radio/data/facts.csv"""


class Cloud(Table):
    """The cloud: its accelerator, and how many requests it serves at a time.
    Acts: kernel/places/cloud.py
    """

    device: str = "h100-80g"
    """Its accelerator (`edge6g list devices`, or an own one).
    Default: the commonest rented one of its class; judgement"""
    concurrency: Annotated[int, Field(ge=1, le=100_000)] = 12
    """Requests that it serves at a time; one more waits.
    Default: a rented slice of one accelerator; judgement"""
    batch: Annotated[float, Field(ge=1.0, le=1024.0)] = 32.0
    """Batch in which it decodes, with other tenants' requests, so how quick a token is.
    Default: judgement"""


class Serving(Table):
    """The engine of a node.
    Acts: kernel/places/engine.py
    """

    token_budget: Annotated[int, Field(ge=64, le=32_768)] = 512
    """Most tokens of an iteration with a chunk of a prompt.
    Default: the chunk of Sarathi-Serve (arXiv 2403.02310)"""
    max_batch: Annotated[int, Field(ge=1, le=1024)] = 64
    """Most sequences that are admitted at a node.
    Default: a quarter of vLLM's max_num_seqs, for smaller cards; judgement"""
    load_overhead_s: NotNegative = 1.0
    """Fixed part of loading weights, beside their bytes from the disk.
    Default: inside 0.5 to 2 s of a tuned loader (docs/spec/COSTS.md 4); judgement
    Acts: kernel/places/loading.py"""
    ran_share: Annotated[float, Field(ge=0.0, le=0.9)] = 0.0
    """Share of a node's accelerator that its radio takes at full load of its cell, in proportion to the load and before all else (AI-RAN).
    Default: the radio has hardware of its own
    Acts: kernel/costing.py"""
    queue_jobs: Annotated[int, Field(ge=1, le=1024)] = 64
    """Most jobs that wait at a node for a decision, and most that wait there for memory or prefill: one more is rejected, or waits where
    it is.
    Default: more than arrive at a node within the objectives of a chat, so that what is turned away was lost already; judgement
    Acts: kernel/dispatch.py"""
    train_share: Annotated[float, Field(ge=0.0, le=0.9)] = 0.3
    """Of an accelerator that decodes, for fine-tuning; without decodes it has all of it, whatever prompts leave.
    Default: decodes take 1.4 times as long; judgement
    Acts: kernel/places/training.py"""
    preload: list[str] = []
    """Models that are resident at the default precision when an episode starts, in order, while half of the memory stays.
    Default: none
    Acts: kernel/places/memory.py"""


class Prediction(Table):
    """Bounds of what candidates predict.
    Acts: kernel/places/node.py
    """

    max_wait_s: Positive = 60.0
    """Waits are not told apart beyond this.
    Default: judgement"""
    blocked_wait_s: NotNegative = 5.0
    """Expected where memory is short and no sequence is there to release it.
    Default: judgement"""
    max_prefill_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.8
    """The slowdown of decodes by prompts is not told apart beyond this share of the time.
    Default: judgement"""
    min_rate_bit_s: Positive = 1e4
    """A channel in outage is taken to be this slow.
    Default: judgement
    Acts: kernel/places/air.py"""


class Privacy(Table):
    """Who tries to rebuild prompts from what is sent (docs/exposure.md).
    Acts: build/services.py
    """

    attacker: Literal["strong", "learned"] = "strong"
    """One who knows the weights and optimises, or one who has trained an inverter.
    Default: the stronger one; judgement"""


class Actions(Table):
    """The grids of the action table, the same for every agent.
    Acts: spaces.py
    """

    device_split: Annotated[list[AnyDeviceSplit], Field(min_length=1)] = Field(default=[0.0, 0.125, 0.25, 0.5, 1.0])
    """Shares of the layers on the device, rising, and at the end perhaps "draft": none, but the service's draft model.
    Default: all and nothing, and cuts that are denser where a device can keep up; judgement"""
    edge_split: Annotated[list[Annotated[float, Field(ge=0.0, lt=1.0)]], Field(min_length=1)] = Field(
        default=[0.0, 0.25, 0.5]
    )
    """Shares of the layers that remain, on the first of two servers, rising.
    Default: judgement"""
    precision: Annotated[list[Precision], Field(min_length=1)] = Field(default=["fp16", "int8", "int4"])
    """Precisions at which models can run.
    Default: those of common kernels; judgement"""
    default_precision: str = Field(default_factory=lambda known: _usual(known.get("precision", [])))
    """Of a policy that chooses none, and of what is preloaded.
    Default: int4 (W4A16, the common choice at the edge; judgement), or the last of precision"""

    @model_validator(mode="after")
    def _grids_in_order(self) -> Actions:
        for name in ("device_split", "edge_split"):
            check_shares(name, getattr(self, name))
        if len(set(self.precision)) < len(self.precision):
            raise UserError("precision names a precision twice")
        if self.default_precision not in self.precision:
            raise UserError(f"default_precision must be one of {', '.join(self.precision)}")
        return self


def _usual(precisions: Sequence[str]) -> str:
    return "int4" if "int4" in precisions or not precisions else precisions[-1]


class Reward(Table):
    """Weights of the reward: what a dollar, a joule and a lost job cost beside an answer of quality 1, worth 1.
    Acts: kernel/worth.py
    """

    price_per_usd: Weight = 100.0
    """Lost for a dollar.
    Default: an answer is worth 0.01 USD, as of 20 USD a month for 2,000 requests; judgement"""
    energy_per_j: Weight = 1e-4
    """Lost for a joule.
    Default: one per cent of a phone's battery (540 J) is worth 0.05 answers; judgement"""
    rejected_cost: Weight = 0.1
    """Lost for a job that is rejected.
    Default: judgement"""
    expired_cost: Weight = 0.2
    """Lost for a job that has not ended by its expire_s.
    Default: twice a rejection, which is known at once; judgement"""
    failed_cost: Weight = 0.2
    """Lost for a job that a fault ends.
    Default: as expired; judgement"""
    reward_mix: Share = 0.0
    """0: an agent's own reward, 1: the mean over all, between them a blend.
    Default: its own
    Acts: kernel/step.py"""


class Prices(Table):
    """What a GB costs over each network. What a plant or a hospital has of its own costs it something else.
    Acts: build/tables.py
    """

    air_usd_per_gb: NotNegative = Field(default_factory=partial(costs.network_price_usd_per_gb, "air"))
    """Over the air.
    Default: the whole mobile network, costs/data/prices.csv"""
    backhaul_usd_per_gb: NotNegative = Field(default_factory=partial(costs.network_price_usd_per_gb, "backhaul"))
    """Between node and cloud.
    Default: costs/data/prices.csv"""
    egress_usd_per_gb: NotNegative = Field(default_factory=partial(costs.network_price_usd_per_gb, "cloud_egress"))
    """Of what leaves the cloud, beside the backhaul's price.
    Default: costs/data/prices.csv"""
