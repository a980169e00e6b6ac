"""`python -m benchmarks.published`: every published result beside ours, and how many have the published sign and order."""

from __future__ import annotations

from benchmarks.published import (
    awq,
    batching,
    edgeshard,
    joules,
    neurosurgeon,
    precision,
    serverlessllm,
    splitlora,
    splitwise,
    trimcaching,
)
from benchmarks.published.claims import show

SCRIPTS = (neurosurgeon, edgeshard, trimcaching, splitlora, splitwise, batching, serverlessllm, awq, precision, joules)


def main() -> None:
    """Print the tables and the count."""
    held = total = 0
    for script in SCRIPTS:
        claims = script.claims()
        show(script.WORK, claims)
        held, total = held + sum(claim.holds for claim in claims), total + len(claims)
    print(f"{held} of {total} claims have the published sign and order; under the tables stands why others do not")


if __name__ == "__main__":
    main()
