"""Standard output and error that never stop a command: whatever the encoding, whoever closes them.

What a command has done is on the disk before it prints; a print that fails is said once, at the end, by `Streams.failed`.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import unicodedata
from types import TracebackType
from typing import TextIO

PLAIN = {
    "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{HORIZONTAL ELLIPSIS}": "...", "\N{RIGHTWARDS ARROW}": "->",
    "\N{LEFTWARDS ARROW}": "<-", "\N{MULTIPLICATION SIGN}": "x", "\N{MICRO SIGN}": "u", "\N{BULLET}": "*",
}  # fmt: skip
HANDLER = "edge6g.plain"


def _plain(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs: what an encoding cannot write in letters that it can; lines of boxes are hyphens."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_in_ascii, error.object[error.start : error.end])), error.end


def _in_ascii(letter: str) -> str:
    if letter in PLAIN:
        return PLAIN[letter]
    if "\N{BOX DRAWINGS LIGHT HORIZONTAL}" <= letter <= "\N{FULL BLOCK}":
        return "-"
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


codecs.register_error(HANDLER, _plain)


class _Raw(io.FileIO):
    """The file behind a stream; after a first failed write all others go nowhere."""

    failure: OSError | None = None

    def write(self, data: object) -> int:
        """Bytes written; all of them once a write has failed."""
        if self.failure is None:
            try:
                return super().write(data) or 0  # type: ignore[arg-type]
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes  # type: ignore[arg-type]


class Streams:
    """While it is entered, sys.stdout and sys.stderr are such streams; streams that are no files (a notebook's) stay as they are."""

    def __init__(self) -> None:
        self._before: dict[str, TextIO] = {}
        self._raw: dict[str, _Raw] = {}

    def __enter__(self) -> Streams:
        _open_closed()
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            self._before[name] = stream
            if isinstance(stream, io.TextIOWrapper) and _is_file(stream):
                stream.flush()
                self._raw[name] = _Raw(stream.fileno(), "w", closefd=False)
                setattr(sys, name, _steady(self._raw[name], stream))
            elif stream is None:  # it was closed when Python began
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8", errors=HANDLER))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left, and give the streams back."""
        self.flush()
        for name, stream in self._before.items():
            setattr(sys, name, stream)

    def flush(self) -> None:
        """Write what is left."""
        for name in self._raw:
            getattr(sys, name).flush()

    @property
    def failed(self) -> OSError | None:
        """Why standard output could not be written, if it could not."""
        return self._raw["stdout"].failure if "stdout" in self._raw else None

    @property
    def was_left(self) -> bool:
        """Whether its reader went away before the end, as `| head -1` does."""
        return self.failed is not None and self.failed.errno == errno.EPIPE


def _is_file(stream: io.TextIOWrapper) -> bool:
    """Whether a file is behind it, with a buffer between or, with PYTHONUNBUFFERED, without one."""
    return isinstance(getattr(stream.buffer, "raw", stream.buffer), io.FileIO)


def _steady(raw: _Raw, like: io.TextIOWrapper) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=like.encoding,
        errors=HANDLER,
        line_buffering=like.line_buffering or raw.isatty(),
    )


def _open_closed() -> None:
    """Open what of 0, 1 and 2 is closed on nothing, so that no file of ours takes the number, and with it stray prints."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
