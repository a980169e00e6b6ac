"""Rows that leave the kernel are written entry after entry, by a cursor; lists of job rows keep their order."""

from __future__ import annotations

from edge6g_env._jit import njit_inner


@njit_inner
def put(row, at, value):
    """Write one entry; returns where the next one goes."""
    row[at] = value
    return at + 1


@njit_inner
def put_nothing(row, at, count):
    """Write `count` zeros."""
    for f in range(at, at + count):
        row[f] = 0.0
    return at + count


@njit_inner
def copy(row, to):
    """Copy the entries of a row."""
    for f in range(row.shape[0]):
        to[f] = row[f]


@njit_inner
def take_out(listed, count, row):
    """Take a job's row out of the first `count` of a list, if it is there; returns how many are left."""
    kept = 0
    for place in range(count):
        if listed[place] != row:
            listed[kept] = listed[place]
            kept += 1
    return kept


@njit_inner
def clip(row, limits):
    """Bring the entries of a row into their limits (2, entries)."""
    for f in range(row.shape[0]):
        row[f] = min(max(row[f], limits[0, f]), limits[1, f])
