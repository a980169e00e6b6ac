"""Pictures of a scenario: its map, and what its radio covers. They are drawn when somebody asks: matplotlib takes a second."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edge6g_env._files import write_bytes_atomic
from edge6g_env.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("png", "svg", "pdf")
_DPI = 110


class PictureError(UserError):
    """A file that no picture can be written to."""


def check_file(option: str, path: Path) -> None:
    """Raise PictureError if the name of a file says no kind of picture, or its folder cannot be one; option: that names it."""
    if path.suffix.lower().removeprefix(".") not in KINDS:
        raise PictureError(f"{option} {path}: its name must end in {', '.join(f'.{kind}' for kind in KINDS)}")
    if path.is_dir() or (path.parent.exists() and not path.parent.is_dir()):
        raise PictureError(f"{option} {path}: there is {'a folder' if path.is_dir() else 'no folder'} of that name")


def write(figure: Figure, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a figure as the kind of picture that the name says. Raises OSError if it cannot be written; an old file stays then."""
    kind, content = path.suffix.lower().removeprefix("."), io.BytesIO()
    figure.savefig(content, format=kind, dpi=_DPI, metadata=dict(metadata or {}))
    write_bytes_atomic(path, content.getvalue())
