"""Text as people's editors save it, read or refused by name; writers that leave the old file or the whole new one, never a part."""

from __future__ import annotations

import json
import os
import secrets
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from edge6g_env.errors import UserError

_ENCODINGS = (  # longer marks first: that of UTF-16 is the beginning of one of UTF-32
    (BOM_UTF8, "utf-8"),
    (BOM_UTF32_LE, "utf-32-le"),
    (BOM_UTF32_BE, "utf-32-be"),
    (BOM_UTF16_LE, "utf-16-le"),
    (BOM_UTF16_BE, "utf-16-be"),
)


RUN_FILE, CHECKPOINT_FILE = "run.json", "checkpoint.json"
"""By these a folder is known as that of a run, or of what it has trained."""


class TextError(UserError):
    """A text file whose content cannot be taken; the message names file, line and what would be right."""


def read_text(path: Path | Traversable) -> str:
    """The text of a file, with lines that end in \\n: UTF-8, or what its byte order mark says; any line ends.

    Raises TextError for other bytes (latin-1, NUL), OSError if it cannot be read.
    """
    return decode(path.read_bytes(), path)


def read_json(path: Path | Traversable) -> Any:
    """What a JSON file holds; TextError for what is no JSON, or text, OSError if it cannot be read."""
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise TextError(f"{path}: line {error.lineno}: this is no JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, nesting without end
        raise TextError(f"{path}: this is no JSON that can be read: {error}") from None


def decode(content: bytes, called: object) -> str:
    """The same of bytes that were read already; called: what the error names them by."""
    mark, encoding = next((known for known in _ENCODINGS if content.startswith(known[0])), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        before = content[len(mark) :][: error.start].decode(encoding, errors="ignore")
        raise TextError(
            f"{called}: {_line(before)}: this is no {encoding.upper()} text: save the file as UTF-8"
        ) from None
    if "\0" in text:
        raise TextError(f"{called}: {_line(text.partition(chr(0))[0])}: there is a NUL: save the file as text in UTF-8")
    return _with_newlines(text)


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line(before: str) -> str:
    """Place of what comes after a text: "line 3"."""
    return f"line {_with_newlines(before).count(chr(10)) + 1}"


def is_in_run(file: Path) -> bool:
    """Whether a file lies in the folder of a run or checkpoint, or in one below it, as those of a comparison over several scenarios do."""
    folder = file.resolve().parent
    return any(path.is_file() for path in (folder / RUN_FILE, folder / CHECKPOINT_FILE, folder.parent / RUN_FILE))


def write_bytes_atomic(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` through a temporary file in the same folder, which is made if it does not exist.

    A reader sees the old content or the new one. Raises OSError if the folder cannot be written; the old file stays.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")  # containers share ids
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name without the content
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)  # gone already unless something failed


def write_text_atomic(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8; see write_bytes_atomic."""
    write_bytes_atomic(path, text.encode("utf-8"))


def write_json_atomic(obj: object, path: Path | str) -> None:
    """Write `obj` as indented JSON.

    Raises ValueError for NaN or infinity (None is their form), TypeError for what JSON cannot hold; the old file stays.
    """
    write_text_atomic(path, json.dumps(obj, indent=2, allow_nan=False) + "\n")
