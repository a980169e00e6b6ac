"""Numbers of records and profiles with their ranges, read by pydantic, and one sentence on what is wrong with one."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, FiniteFloat, Strict, TypeAdapter, ValidationError

Name = Annotated[str, Field(pattern=r"\S")]
Count = Annotated[int, BeforeValidator(TypeAdapter(FiniteFloat).validate_python), Field(ge=0)]  # from 8.03E+09 too
Size = Annotated[Count, Field(gt=0)]
Flag = Annotated[Count, Field(le=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Fitted = Annotated[NotNegative, Strict()]  # no text

_WRONG = {
    "greater_than": "is out of range: above {gt:g}",
    "greater_than_equal": "is out of range: at least {ge:g}",
    "less_than_equal": "is out of range: 0 or 1",  # a Flag
    "finite_number": "is out of range: a finite number of at least 0",
    "int_from_float": "is not a whole number",
    **dict.fromkeys(("float_type", "float_parsing"), "is not a number"),
    **dict.fromkeys(("string_type", "string_pattern_mismatch"), "is out of range: a text that is not blank"),
}


def sentence(error: ValidationError) -> str:
    """The first cell that is wrong, what it holds, and what would be right."""
    problem = error.errors()[0]
    first, *keys = problem["loc"]
    wrong = _WRONG.get(problem["type"], f"is wrong: {problem['msg']}").format(**problem.get("ctx", {}))
    place = f"{first}{''.join(f'[{key!r}]' for key in keys)}"
    return f"{place} is missing" if problem["type"] == "missing" else f"{place} = {problem['input']!r} {wrong}"
