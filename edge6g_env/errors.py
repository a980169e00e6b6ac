"""The one base class of what a user can mend: bad scenarios, names, folders, checkpoints, arguments; and which name was meant."""

from __future__ import annotations

from collections.abc import Iterable


class UserError(ValueError):
    """Its message is a whole sentence that says what is wrong, where, and what would be right; the command line prints just that.

    Everything else that is raised is a bug of ours, a `ValueError` of a library too, and shows its traceback.
    """


class MissingKeyError(UserError):
    """A key that its table needs beside others; its message is the key."""


class ArgumentError(UserError, TypeError):
    """A keyword argument that a call does not take: a `TypeError` too, since makers of other libraries try again without it."""


class Caution(UserWarning):
    """What works, but is probably not what was meant; its message is a whole sentence that the command line prints."""


def nearest(word: object, names: Iterable[str], most: int = 1) -> list[str]:
    """Those of the names that are most like a word, the nearest first; none if none is like it."""
    from difflib import get_close_matches  # only an error needs it

    return get_close_matches(str(word), list(names), n=most)


def did_you_mean(word: object, names: Iterable[str], most: int = 1, before: str = "") -> str:
    """`before` and the question whether one of the names was meant; nothing if none is like the word."""
    close = nearest(word, names, most)
    return f"{before}did you mean {' or '.join(close)}?" if close else ""
