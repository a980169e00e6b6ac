"""What a scenario uses must be in the tables of costs and traces: looked up when it is loaded, with table and columns in the error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from edge6g_env import costs
from edge6g_env.device_split import DRAFT, DeviceSplit
from edge6g_env.errors import UserError, did_you_mean
from edge6g_env.scenario_services import FinetuneService, InferenceService, Service
from edge6g_env.scenario_tables import check_known
from edge6g_env.trace_files import traces


def check_devices(key: str, names: Sequence[str], precisions: Sequence[str], catalog: costs.Catalog) -> None:
    """Each device exists, as a row or a profile, and has times at every precision of the scenario; UserError otherwise."""
    for name in names:
        if costs.is_profile_path(name) and not Path(name).is_file():
            raise UserError(f"{key}: no file {name!r}")
        if not costs.is_profile_path(name):
            check_known(key, [name], catalog.devices)
        has = catalog.device(name).precisions
        if missing := [p for p in precisions if p not in has]:
            raise UserError(
                f"{key}: {name} has no times at {', '.join(missing)}, only at {', '.join(has)}: name some of these in actions.precision"
                + (", or add the others with `edge6g profile`" if catalog.device(name).is_profiled else "")
            )


def check_accelerator_prices(key: str, names: Iterable[str], catalog: costs.Catalog) -> None:
    """Each device has a price as a node; UserError that names the table otherwise."""
    for name in names:
        try:
            costs.accelerator_price_usd_per_s(catalog.device(name))
        except costs.UnknownNameError as error:
            needed = "it needs a row of kind gpu_rent or gpu_amortised in prices.csv (name, value, unit, kind)"
            raise UserError(f"{key}: {error}; {needed}") from None


def check_models(key: str, models: Sequence[str], precisions: Sequence[str], catalog: costs.Catalog) -> None:
    """Each model has its shape, a score, its quality at every precision and a price; UserError that names all rows it lacks."""
    check_known(key, models, catalog.models)
    for model in models:
        if missing := list(_missing_rows(catalog.model(model), precisions)):
            raise UserError(f"{key}: {model} needs {' and '.join(missing)}")


def _missing_rows(model: costs.ModelSpec, precisions: Sequence[str]) -> Iterator[str]:
    if not _has_row(costs.relative_quality, model, "bf16"):
        yield "a row with primary = 1 in model_quality.csv (model, metric, value, score01, primary)"
    elif unknown := [p for p in precisions if not _has_row(costs.relative_quality, model, p)]:
        yield f"a row for each of {', '.join(unknown)} in quality_map.csv (model, precision, relative_quality)"
    if not _has_row(costs.token_price_usd, model):
        yield "a row of kind token_in_out in prices.csv (name, value, unit, kind)"


def _has_row(look_up: Callable[..., object], *names: str | costs.ModelSpec) -> bool:
    try:
        look_up(*names)
    except costs.UnknownNameError:
        return False
    return True


def check_services(services: Sequence[InferenceService], catalog: costs.Catalog) -> None:
    """Each trace has rows, each model room for them and the matrices that an adapter names; UserError otherwise."""
    for service in services:
        if service.trace is not None and service.own_trace is None:
            _check_trace(service.name, service.trace)
        if service.models is not None:
            _check_family(service, service.models, catalog)
        for model in map(catalog.model, service.family):
            _check_inputs(service, model, catalog)
            _check_context(service, model, catalog)
            check_targets(service, model)


def _check_trace(service: str, name: str) -> None:
    if name not in traces():
        hint = did_you_mean(name, traces()) or f"there are {', '.join(traces())}"
        raise UserError(f"service.{service}.trace: no {name!r}; {hint} (an own file is named by a path with / or .csv)")


def check_replay(kind: str, services: Sequence[Service]) -> None:
    """Where traces are replayed, each service has one whose requests do not all come at once; UserError otherwise."""
    if kind != "trace":
        return
    if not all(service.is_traced for service in services):
        raise UserError("arrivals.kind = 'trace' needs a trace for every service")
    for service in services:
        if np.ptp(service.lengths()[:, 0]) <= 0.0:
            raise UserError(
                f"service.{service.name}.trace: all its requests come at one instant, and arrivals.kind = 'trace' replays their "
                "times: give it two instants at least, or draw arrivals with 'poisson' or 'burst'"
            )


def check_targets(service: InferenceService | FinetuneService, model: costs.ModelSpec) -> None:
    """The model has the matrices that the service's adapter names; UserError otherwise."""
    if service.lora_rank is None:
        return
    try:
        costs.adapter_bytes(model, service.lora_rank, service.lora_targets)
    except costs.UnknownNameError as error:
        raise UserError(f"service.{service.name}.lora_targets: {error}") from None


def _check_family(service: InferenceService, models: Sequence[str], catalog: costs.Catalog) -> None:
    """Models of one kind of input, each with a score by the service's metric; UserError otherwise."""
    kinds = {name: catalog.model(name).modality for name in models}
    if other := next((name for name in models if kinds[name] != kinds[models[0]]), None):
        both = f"{models[0]} takes {kinds[models[0]]}, {other} {kinds[other]}"
        raise UserError(f"service.{service.name}.models: {both}; models of a family take the same input")
    check_known(f"service.{service.name}.quality_metric", [service.quality_metric], catalog.metrics)
    if missing := [name for name in models if not _has_row(costs.score, catalog.model(name), service.quality_metric)]:
        raise UserError(
            f"service.{service.name}.quality_metric = {service.quality_metric!r}: model_quality.csv has no such score of "
            f"{', '.join(missing)}; name a metric that all of its models have"
        )


def _check_inputs(service: InferenceService, model: costs.ModelSpec, catalog: costs.Catalog) -> None:
    """What brings pictures or sound has models that take them, all into as many tokens; UserError otherwise."""
    tokens, expected = costs.encoder_tokens(model), costs.encoder_tokens(catalog.model(service.default))
    if service.inputs > 0 and tokens == 0:
        some = [name for name in catalog.models if costs.encoder_tokens(catalog.model(name)) > 0]
        raise UserError(
            f"service.{service.name}.inputs = {service.inputs}: {model.name} has no encoder; 0, or one of {', '.join(some)}"
        )
    if service.inputs > 0 and tokens != expected:
        raise UserError(
            f"service.{service.name}.inputs = {service.inputs}: {model.name} makes {tokens} tokens of an input, {service.default} "
            f"{expected}; models of a family make as many"
        )


def _check_context(service: InferenceService, model: costs.ModelSpec, catalog: costs.Catalog) -> None:
    """A prompt and its answer fit together into the context of the model, where models.csv names one; UserError that has the longest."""
    added, apart = service.encoded_tokens(catalog)
    lengths = service.lengths()[:, 1:] + np.array([added - apart, 0.0])
    total, context = lengths.sum(axis=1), model.context
    if not 0 < context < total.max():
        return
    longest = int(total.argmax())
    prompt, output = lengths[longest]
    where = "prompt_tokens, output_tokens"
    if service.trace is not None:
        too_long = int((total > context).sum())
        where = f"trace: row {longest + 1} of {service.trace}, the longest of {too_long} that are too long"
    raise UserError(
        f"service.{service.name}.{where}: {prompt:.0f} + {output:.0f} tokens are more than the context of {model.name}, {context}: "
        f"it needs a model with at least {total.max():.0f}, or shorter lengths"
    )


def check_drafts(
    services: Sequence[InferenceService], grid: Sequence[DeviceSplit], devices: Sequence[str], catalog: costs.Catalog
) -> None:
    """Each draft is known, has an acceptance with one of its service's models, and times; who may draft has a draft. UserError otherwise.

    A row of draft.csv decides, not the size of the vocabulary: models of one family differ in that by padding.
    """
    drafting = [service for service in services if service.draft is not None]
    if DRAFT in grid and not drafting:
        raise UserError(f"actions.device_split: {DRAFT!r} needs a service that names a draft, as in service.NAME.draft")
    for service in drafting:
        key, draft, precision = f"service.{service.name}.draft", str(service.draft), str(service.draft_precision)
        check_models(key, [draft], [precision], catalog)
        for name in devices:
            if precision not in (has := catalog.device(name).precisions):
                raise UserError(f"{key}_precision = {precision!r}: {name} has no times at it, only at {', '.join(has)}")
        if not any(_has_row(costs.draft_acceptance, catalog.model(m), catalog.model(draft)) for m in service.family):
            one = service.models is None
            of = f"the pair {service.default}, {draft}" if one else f"{draft} with one of {', '.join(service.family)}"
            raise UserError(
                f"{key} = {draft!r}: draft.csv has no row of {of}; it needs one (target, draft, acceptance)"
            )
