"""What the scripts share: a claim with both numbers, the row of published.csv, and the table."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

_TABLE = Path(__file__).with_name("published.csv")


class Claim(NamedTuple):
    """A published statement: `holds` says whether our numbers have its sign and order; `why` explains one that does not."""

    what: str
    theirs: str
    ours: str
    holds: bool
    why: str = ""


def published(work: str) -> dict[str, str]:
    """The row of published.csv whose work begins with `work`; KeyError without one."""
    rows = csv.DictReader(_TABLE.read_text(encoding="utf-8").splitlines())
    for row in rows:
        if row["work"].startswith(work):
            return row
    raise KeyError(work)


def show(work: str, claims: Iterable[Claim]) -> None:
    """Print one work's claims as a table, and why a claim does not hold."""
    row = published(work)
    table = Table(
        "claim", "published", "ours", "same sign and order", title=f"{row['work']}: {row['setting']}", width=150
    )
    claims = list(claims)
    for claim in claims:
        table.add_row(claim.what, claim.theirs, claim.ours, "yes" if claim.holds else "NO")
    console = Console(width=150)
    console.print(table)
    for claim in claims:
        if claim.why:
            console.print(f"  {claim.what}: {claim.why}")
    console.print(f"  published: {row['result']}; {row['qualitative_check']} ({row['status']})\n", highlight=False)
