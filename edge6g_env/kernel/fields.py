"""The record of each entity: aligned dtypes made of the tables in shared_fields.py and world_fields.py, and the blank rows that rows
are born as."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge6g_env.kernel import shared_fields, world_fields

ENTITIES: dict[str, tuple[Any, ...]] = {**shared_fields.FIELDS, **world_fields.FIELDS}


def _record(rows: tuple[Any, ...]) -> np.dtype:
    """Aligned dtype of a table of fields; ValueError for a name that numpy's records have as an attribute (device, size, ...), which
    interpreted code would find in place of the field."""
    if taken := [name for name, *_ in rows if hasattr(np.record, name)]:
        raise ValueError(f"no field can be called {', '.join(taken)}: numpy's records have that")
    return np.dtype([(name, kind) for name, kind, *_ in rows], align=True)


DTYPES = {name: _record(rows) for name, rows in ENTITIES.items()}
OUTCOME_DTYPE = DTYPES["outcome"]


def blank() -> np.recarray:
    """A record array (1,) with a new row of each entity whose table has starts: what it holds until its birth has set what is drawn."""
    born = {name: rows for name, rows in ENTITIES.items() if len(rows[0]) == 5}
    out = np.zeros(1, np.dtype([(name, DTYPES[name]) for name in born], align=True))
    for entity, rows in born.items():
        for name, _, _, start, _ in rows:
            out[entity][name] = 0 if isinstance(start, str) else start
    return out.view(np.recarray)
