"""Writers that leave either the old file or the whole new one, never a part of it."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path


def write_bytes_atomic(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` through a temporary file in the same folder, which is made if it does not exist.

    A reader sees the old content or the new one. Raises OSError if the folder cannot be written; the old file stays.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")  # containers share ids
    try:
        temporary.write_bytes(data)
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
