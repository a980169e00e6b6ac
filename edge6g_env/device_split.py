"""Values of `actions.device_split`: a share of the layers on the device or, last, a draft model there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from edge6g_env.errors import UserError

DRAFT: Literal["draft"] = "draft"
"""The device drafts tokens, and has no layer of the model that checks them."""

DeviceSplit = float | Literal["draft"]


class _ShareOrDraft:
    """As a share is checked, with its errors, but for the one word."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, check: value if value == DRAFT else check(value),
            handler.generate_schema(Annotated[float, Field(ge=0.0, le=1.0)]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"const": DRAFT}]}


AnyDeviceSplit = Annotated[DeviceSplit, _ShareOrDraft()]


def check_shares(name: str, grid: Sequence[DeviceSplit]) -> None:
    """Shares rise from 0, and a draft comes last; UserError otherwise."""
    shares = [share_of(value) for value in grid if value != DRAFT]
    if grid[0] != 0.0 or any(b <= a for a, b in pairwise(shares)):
        raise UserError(f"{name} must start at 0 and rise")
    if DRAFT in grid[:-1]:
        raise UserError(f"{name} may have {DRAFT!r} at its end only")


def share_of(split: DeviceSplit) -> float:
    """Share of the model's layers on the device; none beside a draft."""
    return 0.0 if split == DRAFT else float(split)


def name_of(split: DeviceSplit) -> str:
    """As tables and labels have it."""
    return DRAFT if split == DRAFT else f"{split:g}"
