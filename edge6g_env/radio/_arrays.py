"""Argument checks and broadcasting of the public functions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatLike = npt.ArrayLike
FloatOrArray = float | npt.NDArray[np.float64]


def require_within(
    name: str, values: npt.ArrayLike, low: float, high: npt.ArrayLike, unit: str, where: str = ""
) -> npt.NDArray[np.float64]:
    """`values` as float64; ValueError naming the argument, the first value outside (or NaN) and its range.

    An infinite `high` means any finite number.
    """
    array = np.asarray(values, dtype=np.float64)
    inside = (array >= low) & (array <= np.asarray(high)) & np.isfinite(array)
    if not inside.all():
        first = tuple(np.argwhere(~inside)[0])
        value = np.broadcast_to(array, inside.shape)[first]
        limit = np.broadcast_to(high, inside.shape)[first]
        allowed = f"{low:g} or more" if np.isinf(limit) else f"{low:g} to {limit:g}"
        raise ValueError(f"{name} = {value:g} is outside {allowed} {unit}" + (where and f" ({where})"))
    return array


def require_los(los: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """`los` as bool; ValueError unless every value is 0, 1, False or True."""
    array = np.asarray(los, dtype=np.float64)
    wrong = (array != 0.0) & (array != 1.0)
    if wrong.any():
        raise ValueError(f"los = {array[wrong].flat[0]:g} is outside its range: 0 (NLOS) or 1 (LOS)")
    return np.asarray(array == 1.0)


def flat(*arrays: npt.ArrayLike) -> tuple[tuple[int, ...], npt.NDArray[np.float64]]:
    """Shape of the k broadcast arrays, and their values as float64 (k, number of elements)."""
    full = np.broadcast_arrays(*arrays)
    return full[0].shape, np.array([a.ravel() for a in full], dtype=np.float64)


def shaped(values: npt.NDArray[np.float64], shape: tuple[int, ...]) -> FloatOrArray:
    """`values` in `shape`, or a Python float if all inputs were scalars."""
    return float(values[0]) if shape == () else values.reshape(shape)
