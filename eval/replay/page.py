"""The page: the template's parts and what it draws, joined to one file that allows itself nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from eval.files import write_text_atomic
from eval.record.recording import Recording
from eval.replay.embed import script_json
from eval.replay.film import film

SCRIPTS = (  # each needs only those before it
    "dom",
    "data",
    "moments",
    "colours",
    "layout",
    "backdrop",
    "crowd",
    "traffic",
    "servers",
    "stage",
    "score",
    "choices",
    "life",
    "lists",
    "strip",
    "clock",
    "main",
)
_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def write_replay(recordings: Sequence[Recording], path: Path) -> None:
    """Write the replay of recordings of one scenario and seed, side by side, to an HTML file; ValueError for others."""
    write_text_atomic(path, page(recordings))


def page(recordings: Sequence[Recording]) -> str:
    """The page as text."""
    head, arrays = film(recordings)
    code = script()
    scene = head["scene"]
    return Template(_part("page.html")).substitute(
        title=escape(f"{scene['title']}, seed {scene['seed']}: {' and '.join(one.policy for one in recordings)}"),
        hash=_hash(code),
        style=_part("style.css"),
        head=script_json(head),
        arrays=arrays.text(),
        script=code,
    )


def script() -> str:
    """The modules of the page as one: what they import from one another stands above them."""
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", _part(f"{name}.js"))) for name in SCRIPTS)


def _hash(code: str) -> str:
    """By which the page's policy of content knows its own script."""
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")


def _part(name: str) -> str:
    return (files("eval.replay") / "template" / name).read_text(encoding="utf-8")
