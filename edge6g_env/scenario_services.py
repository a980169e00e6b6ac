"""Services, the tables [[service]] of a scenario: of inference, and of fine-tuning."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from edge6g_env import costs
from edge6g_env.errors import MissingKeyError, UserError
from edge6g_env.scenario_kinds import OneOf
from edge6g_env.scenario_tables import NotNegative, Positive, Precision, Table, left_out
from edge6g_env.scenario_traces import CONTEXT
from edge6g_env.trace_files import MOST_TOKENS, OwnTrace, is_path, read_trace


class Service(Table):
    """What every service has: its share of the jobs, what they are worth, and who may see their data. Each kind adds its own keys, and says
    which kind it is.
    Acts: build/services.py
    """

    replaces: ClassVar[dict[str, tuple[str, ...]]] = {}
    """What an override of a key leaves behind."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """What it is called, in results and in `[service.NAME]`."""
    kind: str
    """inference, or finetune.
    Default: inference"""
    share: Annotated[float, Field(gt=0.0, le=1.0)]
    """Of the jobs that are drawn or replayed; of a loop of the UEs."""
    expire_s: Positive
    """A job that has not ended so long after its arrival has expired.
    Acts: kernel/step.py"""
    value: Annotated[float, Field(gt=0.0, le=1e6)] = 1.0
    """What a job of quality 1 is worth that meets its objectives.
    Default: the unit of the reward
    Acts: kernel/worth.py"""
    privacy: Literal["open", "site", "device"]
    """Where raw data may go: anywhere, to nodes but not to the cloud, nowhere.
    Acts: spaces.py"""
    cloud: bool = True
    """Whether anything of it may reach the cloud; without, activations stay on the site as well as raw data.
    Default: it may
    Acts: spaces.py"""
    payload_bytes: NotNegative = 0.0
    """Picture or sound that goes up with raw data, beside token ids.
    Default: text only
    Acts: kernel/costing.py"""
    exposure_cost: NotNegative = 0.0
    """What the reward loses for an exposure of 1: of what reaches the cloud where privacy is "site", else of what leaves the device.
    Default: nothing
    Acts: kernel/worth.py"""

    @property
    def family(self) -> list[str]:
        """Models that may compute its jobs."""
        raise NotImplementedError

    @property
    def default(self) -> str:
        """The model of a policy that chooses none."""
        return self.family[0]

    def score(self, model: costs.ModelSpec) -> float:
        """Score of one of its models; all alike where it has one only."""
        return 1.0

    def weights_of(self, model: str) -> str:
        """Name of the weights of one of its models: shared, or its own copy."""
        return model

    @property
    def loop_s(self) -> float | None:
        """Period in which each of its UEs sends a job; None if its jobs are drawn or replayed."""
        return None

    @property
    def objectives(self) -> dict[str, float]:
        """What its timeliness is judged by, s: `deadline_s`, or `ttft_slo_s` and `tpot_slo_s`; 0 for what does not count."""
        return {"ttft_slo_s": 0.0, "tpot_slo_s": 0.0, "deadline_s": 0.0}

    @property
    def goals(self) -> tuple[str, str, str]:
        """Objectives for the first token, for each other one and for the whole job, in words; a dash for what does not count."""
        raise NotImplementedError

    @property
    def is_traced(self) -> bool:
        """Whether its lengths come from a trace, with instants to replay."""
        return False

    @property
    def own_trace(self) -> OwnTrace | None:
        """The user's own trace that its lengths come from; None if they come from anywhere else."""
        return None

    @property
    def facts(self) -> tuple[str, str, str]:
        """What computes, who may see the data, how long its jobs are: in words, for tables of services."""
        raise NotImplementedError

    def encoded_tokens(self, catalog: costs.Catalog) -> tuple[int, int]:
        """(tokens that its inputs add to the prompt, those of them that layers hold and read but do not compute), by its models there."""
        return 0, 0

    def inputs_in_words(self, catalog: costs.Catalog) -> str:
        """What pictures and sound add to a prompt; empty without any."""
        return ""

    def lengths(self) -> np.ndarray:
        """float64 (rows, 3): arrival in s, prompt and output tokens; one row if its lengths are fixed."""
        raise NotImplementedError


class InferenceService(Service):
    """A service of prompts and answers: model, privacy class, and its lengths: from a trace, or always the same."""

    replaces: ClassVar[dict[str, tuple[str, ...]]] = {
        "deadline_s": ("ttft_slo_s", "tpot_slo_s"),
        "ttft_slo_s": ("deadline_s",),
        "tpot_slo_s": ("deadline_s",),
        "model": ("models", "default_model", "quality_metric"),
        "models": ("model",),
        "trace": ("prompt_tokens", "output_tokens", "trace_sha256"),
        "prompt_tokens": ("trace", "trace_sha256"),
        "output_tokens": ("trace", "trace_sha256"),
    }

    kind: Literal["inference"] = "inference"
    period_s: Annotated[float, Field(ge=1e-3, le=1e6)] | None = None
    """A loop: `share` of the UEs, rounded, send a job each period, from a phase on that is drawn once. UEs are given out by their
    index, service by service; the other services' jobs come from the UEs that are left, or from all if none is.
    Default: its jobs are drawn or replayed
    Acts: kernel/traffic.py"""
    ttft_slo_s: Annotated[float, Field(gt=0.0, le=600.0)] | None = None
    """Objective for the first token, since the arrival.
    Default: none: a service has both objectives, or deadline_s
    Acts: kernel/worth.py"""
    tpot_slo_s: Annotated[float, Field(gt=0.0, le=60.0)] | None = None
    """Objective for each other token.
    Default: none: a service has both objectives, or deadline_s
    Acts: kernel/worth.py"""
    deadline_s: Annotated[float, Field(gt=0.0, le=1e6)] | None = None
    """Of the whole answer, since the arrival, in place of the two objectives, which may be left out.
    Default: none
    Acts: kernel/worth.py"""
    model: str | None = None
    """Its model (`edge6g list models`, or an own one).
    Default: none: a service has a model, or models"""
    models: Annotated[list[str], Field(min_length=2, max_length=8)] | None = None
    """In place of one model: those of a family, small to large. Which of them answers is decided a job at a time.
    Default: none"""
    default_model: str | None = None
    """Of `models`: what a policy takes that chooses only a route.
    Default: none: models need one
    Acts: scenario_services.py"""
    quality_metric: str = "primary"
    """Metric of model_quality.csv, or of an own model's scores, by which `models` are scored, over the best of them.
    Default: that of the primary score
    Acts: scenario_services.py"""
    trace: str | None = None
    """Where lengths come from, and instants if arrivals replay them: one that ships, or with `/` or `.csv` at its end the path of an own
    one, relative to the TOML file (docs/site.md).
    Default: none: a service has a trace, or prompt_tokens and output_tokens
    Acts: scenario_services.py"""
    trace_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = left_out()
    """Of an own trace: what its file must hold, which then lies beside the TOML file. Whatever records a scenario writes it.
    Default: none: the file may hold what it likes
    Acts: scenario_traces.py"""
    prompt_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    """Length of each prompt, in place of a trace.
    Default: none
    Acts: scenario_services.py"""
    output_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    """Length of each answer.
    Default: none
    Acts: scenario_services.py"""
    lora_rank: Annotated[int, Field(ge=1, le=256)] | None = None
    """Rank of its LoRA adapter over the shared weights of its model.
    Default: none"""
    lora_targets: str = "q,v"
    """What the adapter changes: "all-linear", or names of q, k, v, o, gate, up, down.
    Default: the LoRA paper (arXiv 2106.09685)"""
    own_weights: bool = False
    """A copy of the model that was tuned as a whole and shares nothing.
    Default: weights are shared
    Acts: scenario_services.py"""
    inputs: Annotated[int, Field(ge=0, le=64)] = 0
    """Pictures, or windows of sound, that a job brings for the model's encoder; their tokens come on top of `prompt_tokens`.
    Default: none"""
    draft: str | None = None
    """Model that proposes tokens on the UE's device where the device split is "draft"; what answers is the service's own model.
    Default: none"""
    draft_precision: Precision | None = None
    """Of the draft, whatever that of the model.
    Default: none: a draft needs one"""
    draft_tokens: Annotated[list[Annotated[int, Field(ge=1, le=64)]], Field(min_length=1, max_length=16)] = Field(
        default=[1, 2, 4, 8]
    )
    """How many tokens it may propose in a round: the number of highest predicted utility is taken.
    Default: judgement"""

    _own_trace: OwnTrace | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _takes_its_trace(self, info: ValidationInfo) -> InferenceService:
        if self.trace_sha256 is None and not is_path(self.trace):
            return self
        if self.trace is None:
            raise UserError("trace_sha256 goes with trace, and there is none")
        self._own_trace = ((info.context or {}).get(CONTEXT) or {}).get(self.trace_sha256)
        if self._own_trace is None:
            raise UserError(f"trace = {self.trace!r}: load_scenario reads it, and nothing else does")
        return self

    @model_validator(mode="after")
    def _has_objectives(self) -> InferenceService:
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
    def loop_s(self) -> float | None:
        """Its `period_s`."""
        return self.period_s

    @property
    def objectives(self) -> dict[str, float]:
        """What its timeliness is judged by, s: `deadline_s`, or `ttft_slo_s` and `tpot_slo_s`; 0 for what does not count."""
        if self.deadline_s is not None:
            return {"ttft_slo_s": 0.0, "tpot_slo_s": 0.0, "deadline_s": self.deadline_s}
        return {"ttft_slo_s": self.ttft_slo_s or 0.0, "tpot_slo_s": self.tpot_slo_s or 0.0, "deadline_s": 0.0}

    @property
    def goals(self) -> tuple[str, str, str]:
        """Objectives in words; a dash for what does not count."""
        ttft_s, tpot_s, deadline_s = self.objectives.values()
        if deadline_s > 0.0:
            return "-", "-", f"{deadline_s:g} s"
        return f"{ttft_s:g} s", f"{1e3 * tpot_s:g} ms", "-"

    def encoded_tokens(self, catalog: costs.Catalog) -> tuple[int, int]:
        """(tokens that its inputs add to the prompt, those of them that layers hold and read but do not compute), by its models there."""
        spec = catalog.model(self.default)
        tokens = self.inputs * spec.enc_tokens_per_input
        return tokens, tokens if spec.cross_attends else 0

    def inputs_in_words(self, catalog: costs.Catalog) -> str:
        """How many, and the tokens that they add to a prompt; empty without any."""
        return f"{self.inputs}: {self.encoded_tokens(catalog)[0]} tokens" if self.inputs else ""

    def score(self, model: costs.ModelSpec) -> float:
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

    @property
    def own_trace(self) -> OwnTrace | None:
        """The trace, where it is none that ships."""
        return self._own_trace

    def lengths(self) -> np.ndarray:
        """float64 (rows, 3) of the trace, or one row."""
        if self._own_trace is not None:
            return self._own_trace.rows
        if self.trace is not None:
            return read_trace(self.trace)
        return np.array([[0.0, self.prompt_tokens, self.output_tokens]], np.float64)


class FinetuneService(Service):
    """A service of LoRA fine-tuning: a job is `steps` steps of one UE over its own data; a task is that of `participants` UEs at once."""

    elsewhere: ClassVar[dict[str, str]] = {
        **dict.fromkeys(
            ("prompt_tokens", "output_tokens", "trace"), "its lengths are step_tokens, step_sequences and steps"
        ),
        **dict.fromkeys(("ttft_slo_s", "tpot_slo_s", "deadline_s"), "its deadline is expire_s"),
        **dict.fromkeys(("models", "default_model", "quality_metric"), "it tunes one model, named by model"),
        **dict.fromkeys(("draft", "draft_precision", "draft_tokens"), "there is nothing to draft, leave it away"),
        "inputs": "pictures are tuned by their tokens, which step_tokens counts",
        "own_weights": "the base weights are shared and stay as they are, lora_rank says what is trained",
        "period_s": "its tasks are drawn, share says how many of the jobs they are",
    }
    """What to write in place of a key of the other kind."""

    kind: Literal["finetune"]
    model: str
    """What is tuned (`edge6g list models`, or an own one); its weights are shared and frozen."""
    step_tokens: Annotated[int, Field(ge=1, le=131_072)]
    """Tokens of a sequence, those of pictures among them; the encoder is frozen and its time is left out."""
    step_sequences: Annotated[int, Field(ge=1, le=1024)] = 1
    """Sequences of a step: its batch.
    Default: as a phone can hold; judgement"""
    steps: Annotated[int, Field(ge=1, le=1_000_000)]
    """Steps of a job.
    Acts: kernel/places/training.py"""
    lora_rank: Annotated[int, Field(ge=1, le=256)]
    """Rank of the adapter that is trained."""
    lora_targets: str = "q,v"
    """What is trained: "all-linear", or names of q, k, v, o, gate, up, down.
    Default: the LoRA paper (arXiv 2106.09685)"""
    checkpointing: bool = True
    """Only the input of each layer is kept, and the layer computed again on the way back.
    Default: as memory is scarce at the edge; judgement
    Acts: costs/adapters.py"""
    participants: Annotated[int, Field(ge=1, le=256)] = 1
    """UEs of a task, served by one node as it arrives: a job each. `share` counts tasks.
    Default: one
    Acts: kernel/rounds.py"""
    aggregate_every: Annotated[int, Field(ge=1)] | None = None
    """Steps of a round, after which the adapters of several participants are averaged.
    Default: none: several participants need it
    Acts: kernel/rounds.py"""
    round_timeout_s: Annotated[float, Field(gt=0.0, le=1e6)] | None = None
    """A round ends so long after the first of it has arrived.
    Default: none: several participants need it
    Acts: kernel/rounds.py"""

    @model_validator(mode="after")
    def _has_rounds(self) -> FinetuneService:
        for name in ("aggregate_every", "round_timeout_s"):
            if self.participants > 1 and getattr(self, name) is None:
                raise UserError(f"{name} is missing, and participants = {self.participants} needs it")
        if self.aggregate_every is not None and self.aggregate_every > self.steps:
            raise UserError(
                f"aggregate_every = {self.aggregate_every} must be at most steps = {self.steps}: no round would end before the job does"
            )
        return self

    @property
    def family(self) -> list[str]:
        """Its model."""
        return [self.model]

    @property
    def tokens_a_step(self) -> int:
        """Tokens of all sequences of a step."""
        return self.step_tokens * self.step_sequences

    @property
    def training(self) -> dict[str, Any]:
        """rank, targets and checkpointing, as the functions of edge6g_env.costs on training take them."""
        return {"rank": self.lora_rank, "targets": self.lora_targets, "checkpointing": self.checkpointing}

    @property
    def keeps_labels(self) -> bool:
        """Whether labels stay on the device, and with them head and loss (U-shape); labels of a language model are its text."""
        return self.privacy == "device"

    @property
    def may_use_cloud(self) -> bool:
        """Whether a server in the cloud may take a part: it gets the labels, unless they stay on the device."""
        return self.cloud and self.privacy != "site"

    @property
    def goals(self) -> tuple[str, str, str]:
        """`expire_s`, when what is done by then counts."""
        return "-", "-", f"{self.expire_s:g} s"

    @property
    def facts(self) -> tuple[str, str, str]:
        """Weights, privacy class, steps."""
        steps = f"{self.steps} steps of {self.step_sequences} x {self.step_tokens}, LoRA rank {self.lora_rank} of {self.lora_targets}"
        team = f"; {self.participants} UEs, averaged every {self.aggregate_every}" if self.participants > 1 else ""
        return self.model, self.privacy, steps + team

    def lengths(self) -> np.ndarray:
        """No prompt, no output."""
        return np.zeros((1, 3))


AnyService = Annotated[InferenceService | FinetuneService, OneOf("kind")]
"""Another kind of service is a table with its own `kind: Literal[...]`, named here."""
