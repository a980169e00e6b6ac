"""Argument checks and broadcasting of the public functions of `radio` and `costs`."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatLike = npt.ArrayLike
FloatOrArray = float | npt.NDArray[np.float64]


def numbers_of(name: str, values: npt.ArrayLike, allowed: str) -> npt.NDArray[np.float64]:
    """`values` as float64; ValueError naming the argument and what is allowed if it is None, text or otherwise no number."""
    try:
        array = np.asarray(values)
        if values is not None and array.dtype.kind in "biufO":
            return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} = {values!r} is outside {allowed}; not a number")


def _number_of(name: str, value: npt.ArrayLike, allowed: str) -> float:
    array = numbers_of(name, value, allowed)
    if array.ndim != 0:
        raise ValueError(f"{name} = {value!r} is outside {allowed}; not one number")
    return float(array)


def require_positive(name: str, value: float, unit: str) -> float:
    """`value` as float; ValueError naming the argument and its range unless it is one finite number above 0."""
    allowed = f"its range: above 0 {unit}"
    number = _number_of(name, value, allowed)
    if not 0.0 < number < math.inf:
        raise ValueError(f"{name} = {number} is outside {allowed}")
    return number


def _between(low: float, high: float, unit: str, where: str) -> str:
    limits = f"its range: finite and at least {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
    return limits + (unit and f" {unit}") + (where and f" ({where})")


def require_number(name: str, value: float, low: float, high: float, unit: str, where: str = "") -> float:
    """`require_within` of one number; ValueError for arrays too."""
    number = _number_of(name, value, _between(low, high, unit, where))
    return float(require_within(name, number, low, high, unit, where))


def require_within(
    name: str, values: npt.ArrayLike, low: float, high: npt.ArrayLike = math.inf, unit: str = "", where: str = ""
) -> npt.NDArray[np.float64]:
    """`values` as float64; ValueError naming the argument, the first value outside (or NaN) and its range.

    An infinite `high` means any finite number from `low` on.
    """
    array = numbers_of(name, values, _between(low, np.max(high), unit, where))
    inside = (array >= low) & (array <= np.asarray(high)) & np.isfinite(array)
    if not inside.all():
        first = tuple(np.argwhere(~inside)[0])
        value = np.broadcast_to(array, inside.shape)[first]
        limit = np.broadcast_to(high, inside.shape)[first]
        raise ValueError(f"{name} = {value:g} is outside {_between(low, limit, unit, where)}")
    return array


def require_los(los: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """`los` as bool; ValueError unless every value is 0, 1, False or True."""
    allowed = "its range: 0 (NLOS) or 1 (LOS)"
    array = numbers_of("los", los, allowed)
    wrong = (array != 0.0) & (array != 1.0)
    if wrong.any():
        raise ValueError(f"los = {array[wrong].flat[0]:g} is outside {allowed}")
    return np.asarray(array == 1.0)


def flat(*arrays: npt.ArrayLike) -> tuple[tuple[int, ...], npt.NDArray[np.float64]]:
    """Shape of the k broadcast arrays, and their values as float64 (k, number of elements)."""
    full = np.broadcast_arrays(*arrays)
    return full[0].shape, np.array([a.ravel() for a in full], dtype=np.float64)


def shaped(values: npt.NDArray[np.float64], shape: tuple[int, ...]) -> FloatOrArray:
    """`values` in `shape`, or a Python float if all inputs were scalars."""
    return float(values[0]) if shape == () else values.reshape(shape)
