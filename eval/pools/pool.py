"""One place for work that is independent: candidates of a search, seeds of a batch, cells of a sweep.

A part is a small picklable object; it is called with the hangar of whoever plays it, which keeps the worlds. Results come in the order of
the parts, whoever played them and when: what is worked out of them is the same for any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from edge6g_env.scenario import Scenario
from eval.pools.flights import Flights

POLL_S = 0.2  # between two looks for an interrupt
SCENARIOS_KEPT = 8  # whose worlds a hangar keeps: those of a mixture; of varied settings the last ones

Item = TypeVar("Item")


class Hangar:
    """The worlds of one worker."""

    def __init__(self, threads: int, tick: Callable[[], None] = lambda: None) -> None:
        """threads: that step them; tick: called now and then, what it raises ends a part."""
        self.tick = tick
        self._threads = threads
        self._flights: dict[str, Flights] = {}

    def flights(self, scenario: Scenario) -> Flights:
        """Those of a scenario, made when they are first asked for. Raises what the environment raises for the threads."""
        key = scenario.fingerprint
        found = self._flights.pop(key, None) or Flights(scenario, self._threads)
        found.tick = self.tick
        self._flights[key] = found  # the last one used is the last one here
        while len(self._flights) > SCENARIOS_KEPT:
            self._flights.pop(next(iter(self._flights))).close()
        return found

    def close(self) -> None:
        """Let the threads of the simulator go."""
        while self._flights:
            self._flights.popitem()[1].close()


class Part(Protocol):
    """What can be played anywhere: picklable, and its result too."""

    def __call__(self, hangar: Hangar) -> Any:
        """Play it."""


class Pending(Protocol):
    """Parts under way."""

    def finish(self) -> list[Any]:
        """Results in the order of the parts, when all are there; what a part raised is raised."""

    def results(self) -> Iterator[tuple[int, Any]]:
        """(place of a part, its result) as they come; what a part raised is raised at once."""


class Pool(Protocol):
    """Whoever plays parts."""

    workers: int
    tick: Callable[[], None]
    """Called now and then while the caller waits; what it raises ends the wait."""

    def begin(self, parts: Sequence[Part]) -> Pending:
        """Have parts played; the caller goes on."""

    def close(self) -> None:
        """End whatever is under way."""


def play(pool: Pool, parts: Sequence[Part]) -> list[Any]:
    """Play parts and wait for them."""
    return pool.begin(parts).finish()


def shares(items: Sequence[Item], workers: int) -> list[Sequence[Item]]:
    """Items in order, cut into as many pieces as there are workers, as even as can be; none is empty."""
    count = min(workers, len(items))
    ends = [len(items) * n // count for n in range(count + 1)]
    return [items[begin:end] for begin, end in pairwise(ends)]


class Ended(Exception):
    """The pool was closed while a part was played."""


class Thread:
    """Plays in a thread of this process: the caller's own work goes on beside it."""

    workers = 1

    def __init__(self, threads: int = 1) -> None:
        """threads: that step the worlds."""
        self.tick: Callable[[], None] = lambda: None
        self._closed = False
        self._hangar = Hangar(threads, self._stay)
        self._executor = ThreadPoolExecutor(1, "edge6g-worlds")

    def _stay(self) -> None:
        if self._closed:
            raise Ended

    def begin(self, parts: Sequence[Part]) -> Pending:
        """See Pool."""
        return Futures([self._executor.submit(part, self._hangar) for part in parts], self)

    def close(self) -> None:
        """See Pool."""
        self._closed = True
        self._executor.shutdown(cancel_futures=True)
        self._hangar.close()


class Futures:
    """Parts under way in threads of this process that play them, or wait for who does."""

    def __init__(self, futures: Sequence[Future[Any]], pool: Pool) -> None:
        self._futures, self._pool = futures, pool

    def finish(self) -> list[Any]:
        """See Pending."""
        while wait(self._futures, POLL_S).not_done:
            self._pool.tick()
        self._pool.tick()
        return [future.result() for future in self._futures]

    def results(self) -> Iterator[tuple[int, Any]]:
        """See Pending."""
        places = {future: place for place, future in enumerate(self._futures)}
        while places:
            done = wait(places, POLL_S, FIRST_COMPLETED).done
            for future in sorted(
                done, key=lambda one: one.exception() is not None
            ):  # no result is lost by what is raised
                yield places.pop(future), future.result()
            self._pool.tick()
