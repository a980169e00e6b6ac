"""What was timed already: one file a kind of thing, machine and shape in the user's cache, a line a pass, so that nothing is lost."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median_low

from edge6g_env._cache import cache_root

PASSES, MOST_PASSES = 3, 6
CONFIRMED = 0.03  # judgement: the middle pass lies as near to the quietest one
_SOURCES = ("bench.py", "layer.py", "products.py")  # edited code measures something else


def _file(key: Sequence[object]) -> Path:
    digest = hashlib.sha256(json.dumps(list(key)).encode())
    for name in _SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return cache_root() / "profiler" / f"{digest.hexdigest()[:32]}.jsonl"


class Measurements:
    """Times of points by name, several passes each: the time is that of the middle pass."""

    def __init__(self, key: Sequence[object], *, fresh: bool = False) -> None:
        """key: all that the times depend on. fresh: forget what is there. Raises OSError if the cache cannot be written."""
        self._file = _file(key)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            self._file.unlink(missing_ok=True)
        self._passes: dict[str, list[float]] = defaultdict(list)
        for line in self._lines():
            self._remember(line)

    def _lines(self) -> list[str]:
        try:
            return self._file.read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return []

    def _remember(self, line: str) -> None:
        try:
            name, time_s = json.loads(line)
            self._passes[str(name)].append(float(time_s))
        except (ValueError, TypeError):
            pass  # the last line of a run that was killed

    def passes(self, name: str) -> int:
        """How often a point was timed."""
        return len(self._passes[name])

    def add(self, name: str, time_s: float) -> None:
        """Keep the time of one more pass, on disk at once."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps([name, time_s]) + "\n")
        self._passes[name].append(time_s)

    def first_s(self, name: str) -> float | None:
        """Time of the first pass, None before it."""
        return self._passes[name][0] if self._passes[name] else None

    def time_s(self, name: str) -> float | None:
        """Time of the middle pass (of an even number the quieter one), None if the point was not timed."""
        return median_low(self._passes[name]) if self._passes[name] else None

    def is_known(self, name: str, passes: int) -> bool:
        """Whether a point needs no pass beyond `passes`: past the first three only if they disagree."""
        return self.passes(name) > passes or (passes >= PASSES and self.spread(name) <= CONFIRMED)

    def spread(self, name: str) -> float:
        """How far the middle pass lies above the quietest one, as a share of it."""
        times = self._passes[name]
        return median_low(times) / min(times) - 1.0 if times else 0.0
