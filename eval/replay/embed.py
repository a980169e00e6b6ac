"""What stands inside a page's script elements: text that cannot end them, and arrays in few bytes."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np

_ALIGNED_BYTES = 4  # the widest type
_WHOLE = ("<u1", "<i1", "<u2", "<i2", "<u4", "<i4")
_ENDS = {"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def script_json(value: object) -> str:
    """JSON for a script element: no `<`, which could end or hide it, nor line ends that older scripts take for those of a line.

    Raises ValueError for NaN and infinities, which JSON has not.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escaped in _ENDS.items():
        text = text.replace(character, escaped)
    return text


class Arrays:
    """Arrays that a page reads as typed ones, one behind the other; the same array is stored once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._known: dict[tuple[str, bytes], dict[str, Any]] = {}

    def add(self, values: np.ndarray) -> dict[str, Any]:
        """Store an array, flat; what the page finds it by. Numbers without fraction become the narrowest that hold them, others float32,
        with NaN as -1: nothing that is written is negative where it may be missing."""
        narrow = _narrowed(np.asarray(values))
        data = narrow.tobytes()
        key = narrow.dtype.str[1:], data
        if key not in self._known:
            self._known[key] = {"dtype": key[0], "at": self._size, "length": narrow.size}
            padded = data + bytes(-len(data) % _ALIGNED_BYTES)
            self._parts.append(padded)
            self._size += len(padded)
        return self._known[key]

    def text(self) -> str:
        """All of them: base64 of a zlib stream."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 9)).decode("ascii")


def _narrowed(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return np.nan_to_num(values, nan=-1.0, posinf=-1.0).astype("<f4")
    if values.dtype.kind == "b" or not values.size:
        return values.astype("<u1")
    least, most = int(values.min()), int(values.max())
    holds = (kind for kind in _WHOLE if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max)
    return values.astype(next(holds))
