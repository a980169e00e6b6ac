"""Services, the tables [[service]] of a scenario, of one kind so far."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from edge6g_env import costs
from edge6g_env.errors import MissingKeyError, UserError
from edge6g_env.scenario_kinds import OneOf
from edge6g_env.scenario_tables import NotNegative, Positive, Precision, Table
from edge6g_env.trace_files import read_trace


class Service(Table):
    """What every service has: its share of the jobs, objectives, lengths. Each kind adds its own keys, and says which kind it is."""

    replaces: ClassVar[dict[str, tuple[str, ...]]] = {
        "deadline_s": ("ttft_slo_s", "tpot_slo_s"),
        "ttft_slo_s": ("deadline_s",),
        "tpot_slo_s": ("deadline_s",),
    }
    """What an override of a key leaves behind."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: str
    share: Annotated[float, Field(gt=0.0, le=1.0)]
    """Of the jobs that are drawn or replayed; with `period_s` of the UEs."""
    period_s: Annotated[float, Field(ge=1e-3, le=1e6)] | None = None
    """A loop: `share` of the UEs, rounded, send a job each period, from a phase on that is drawn once. UEs are given out by their
    index, service by service; the other services' jobs come from the UEs that are left, or from all if none is."""
    ttft_slo_s: Annotated[float, Field(gt=0.0, le=600.0)] | None = None
    tpot_slo_s: Annotated[float, Field(gt=0.0, le=60.0)] | None = None
    deadline_s: Annotated[float, Field(gt=0.0, le=1e6)] | None = None
    """Of the whole answer, since the arrival, in place of the two objectives, which may be left out."""
    expire_s: Positive
    value: Annotated[float, Field(gt=0.0, le=1e6)] = 1.0
    """What an answer of quality 1 is worth that meets its objectives."""

    @model_validator(mode="after")
    def _has_objectives(self) -> Service:
        missing = [name for name in ("ttft_slo_s", "tpot_slo_s") if getattr(self, name) is None]
        if self.deadline_s is None and len(missing) == 1:
            raise MissingKeyError(missing[0])
        if self.deadline_s is None and missing:
            raise UserError("name both ttft_slo_s and tpot_slo_s, or deadline_s in their place")
        if self.deadline_s is not None and self.period_s is not None and self.deadline_s > self.period_s:
            raise UserError(
                f"deadline_s = {self.deadline_s:g} must be at most period_s = {self.period_s:g}: the loop's next job comes then"
            )
        return self

    @property
    def objectives(self) -> dict[str, float]:
        """What its timeliness is judged by, s: `deadline_s`, or `ttft_slo_s` and `tpot_slo_s`; 0 for what does not count."""
        if self.deadline_s is not None:
            return {"ttft_slo_s": 0.0, "tpot_slo_s": 0.0, "deadline_s": self.deadline_s}
        return {"ttft_slo_s": self.ttft_slo_s or 0.0, "tpot_slo_s": self.tpot_slo_s or 0.0, "deadline_s": 0.0}

    @property
    def goals(self) -> tuple[str, str, str]:
        """Objectives for the first token, for each other one and for the whole answer, in words; a dash for what does not count."""
        ttft_s, tpot_s, deadline_s = self.objectives.values()
        if deadline_s > 0.0:
            return "-", "-", f"{deadline_s:g} s"
        return f"{ttft_s:g} s", f"{1e3 * tpot_s:g} ms", "-"

    @property
    def family(self) -> list[str]:
        """Models that may compute its jobs, none for a kind that computes nothing."""
        return []

    @property
    def default(self) -> str:
        """The model of a policy that chooses none; empty for a kind without models."""
        return ""

    @property
    def is_traced(self) -> bool:
        """Whether its lengths come from a trace, with instants to replay."""
        return False

    @property
    def facts(self) -> tuple[str, str, str]:
        """What computes, who may see the data, whence the lengths: in words, for tables of services."""
        raise NotImplementedError

    @property
    def encoded_tokens(self) -> tuple[int, int]:
        """(tokens that its inputs add to the prompt, those of them that layers hold and read but do not compute)."""
        return 0, 0

    @property
    def inputs_in_words(self) -> str:
        """What pictures and sound add to a prompt; empty without any."""
        return ""

    def lengths(self) -> np.ndarray:
        """float64 (rows, 3): arrival in s, prompt and output tokens; one row if its lengths are fixed."""
        raise NotImplementedError


class InferenceService(Service):
    """A service of prompts and answers: model, privacy class, and its lengths: from a trace, or always the same."""

    replaces: ClassVar[dict[str, tuple[str, ...]]] = {
        **Service.replaces,
        "model": ("models", "default_model", "quality_metric"),
        "models": ("model",),
    }

    kind: Literal["inference"] = "inference"
    model: str | None = None
    models: Annotated[list[str], Field(min_length=2, max_length=8)] | None = None
    """In place of one model: those of a family, small to large. Which of them answers is decided a job at a time."""
    default_model: str | None = None
    """Of `models`: what a policy takes that chooses only a route."""
    quality_metric: str = "primary"
    """Metric of model_quality.csv by which `models` are scored, over the best of them."""
    privacy: Literal["open", "site", "device"]
    cloud: bool = True
    """Whether anything of it may reach the cloud; without, activations stay on the site as well as raw data."""
    trace: str | None = None
    prompt_tokens: Annotated[int, Field(ge=1, le=131_072)] | None = None
    output_tokens: Annotated[int, Field(ge=1, le=131_072)] | None = None
    lora_rank: Annotated[int, Field(ge=1, le=256)] | None = None
    lora_targets: str = "q,v"
    """LoRA adapter of the service over the shared weights of its model: "all-linear", or names of q, k, v, o, gate, up, down."""
    own_weights: bool = False
    """A copy of the model that was tuned as a whole and shares nothing."""
    payload_bytes: NotNegative = 0.0
    """Picture or sound that a raw prompt consists of, beside its token ids."""
    inputs: Annotated[int, Field(ge=0, le=64)] = 0
    """Pictures, or windows of sound, that a job brings for the model's encoder; their tokens come on top of `prompt_tokens`."""
    exposure_cost: NotNegative
    """What the reward loses for an exposure of 1: of what reaches the cloud where privacy is "site", else of what leaves the device."""
    draft: str | None = None
    """Model that proposes tokens on the UE's device where the device split is "draft"; what answers is the service's own model."""
    draft_precision: Precision | None = None
    """Of the draft, whatever that of the model."""
    draft_tokens: Annotated[list[Annotated[int, Field(ge=1, le=64)]], Field(min_length=1, max_length=16)] = Field(
        default=[1, 2, 4, 8]
    )
    """How many tokens it may propose in a round: the number of highest predicted utility is taken."""

    @model_validator(mode="after")
    def _has_lengths(self) -> InferenceService:
        fixed = (self.prompt_tokens is not None, self.output_tokens is not None)
        if any(fixed) if self.trace is not None else not all(fixed):
            raise UserError("name either a trace or both prompt_tokens and output_tokens")
        if self.own_weights and self.lora_rank is not None:
            raise UserError("lora_rank: a service with own_weights shares no base to adapt")
        return self

    @model_validator(mode="after")
    def _has_a_draft(self) -> InferenceService:
        if (self.draft is None) != (self.draft_precision is None):
            raise UserError("draft and draft_precision go together: name both, or neither")
        if self.draft is not None and self.privacy == "device":
            raise UserError(
                "draft: a service of privacy 'device' can have none, its prompt may not reach what checks it"
            )
        if any(b <= a for a, b in pairwise(self.draft_tokens)):
            raise UserError("draft_tokens must rise")
        return self

    @model_validator(mode="after")
    def _has_models(self) -> InferenceService:
        if (self.model is None) == (self.models is None):
            raise UserError("name either model or models")
        if self.models is None:
            if self.default_model is not None or self.quality_metric != "primary":
                raise UserError("default_model and quality_metric go with models, not with model")
            return self
        if twice := next((name for n, name in enumerate(self.models) if name in self.models[:n]), None):
            raise UserError(f"models names {twice} twice")
        if self.default_model not in self.models:
            raise UserError(f"default_model = {self.default_model!r} must be one of models: {', '.join(self.models)}")
        return self

    @property
    def family(self) -> list[str]:
        """Its models, one or several."""
        return self.models or [str(self.model)]

    @property
    def default(self) -> str:
        """The model of a policy that chooses none."""
        return self.default_model or str(self.model)

    @property
    def encoded_tokens(self) -> tuple[int, int]:
        """(tokens that its inputs add to the prompt, those of them that layers hold and read but do not compute)."""
        spec = costs.model(self.default)
        tokens = self.inputs * spec.enc_tokens_per_input
        return tokens, tokens if spec.cross_attends else 0

    @property
    def inputs_in_words(self) -> str:
        """How many, and the tokens that they add to a prompt; empty without any."""
        return f"{self.inputs}: {self.encoded_tokens[0]} tokens" if self.inputs else ""

    def score(self, model: str) -> float:
        """Score of one of its models by its metric; ValueError without such a row."""
        return costs.score(model, self.quality_metric)

    def weights_of(self, model: str) -> str:
        """Name of the weights of one of its models: shared, or its own copy."""
        return f"{model}@{self.name}" if self.own_weights else model

    @property
    def is_traced(self) -> bool:
        """Whether it names a trace."""
        return self.trace is not None

    @property
    def facts(self) -> tuple[str, str, str]:
        """Weights, privacy class, trace."""
        weights = ", ".join(map(self.weights_of, self.family))
        return weights, self.privacy, f"means of {self.trace}" if self.trace else "always these"

    def lengths(self) -> np.ndarray:
        """float64 (rows, 3) of the trace, or one row."""
        if self.trace is not None:
            return read_trace(self.trace)
        return np.array([[0.0, self.prompt_tokens, self.output_tokens]], np.float64)


AnyService = Annotated[InferenceService, OneOf("kind")]
"""Another kind of service is a table with its own `kind: Literal[...]`, named here: `InferenceService | Another`."""
