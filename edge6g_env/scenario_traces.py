"""Own traces of a scenario that is read: where their files lie, and which of them a folder of a run may open."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge6g_env._files import is_in_run
from edge6g_env.errors import UserError
from edge6g_env.trace_files import OwnTrace, is_path, read_own

CONTEXT = "traces"
"""Key of the context of a validation: {hash: OwnTrace} of all that the scenario names."""


def find_beside(data: Mapping[str, Any], file: Path) -> None:
    """Make paths of own traces in the tables of a TOML file, which are relative to it, such that they can be opened.

    Raises UserError where a TOML file in the folder of a run, or one that names a hash, asks for another file than a copy beside it.
    """
    for table in _own(data):
        recorded = is_in_run(file)
        trace, hashed = table["trace"], "trace_sha256" in table
        if (recorded or hashed) and (os.path.basename(trace) != trace or not hashed):
            where = "a scenario in the folder of a run opens" if recorded else "with trace_sha256 a scenario opens"
            raise UserError(
                f"service.{table.get('name', '')}.trace = {trace!r}: {where} nothing but a copy beside it, by its name and trace_sha256"
            )
        table["trace"] = os.path.join(file.parent, os.path.expanduser(trace))


def read_all(data: Mapping[str, Any], held: Mapping[str, OwnTrace]) -> dict[str, OwnTrace]:
    """Read the own traces of tables, but for those that are held: {hash: trace}; the tables name them by file and hash from then on.

    Raises UserError for a file that is none, or not the one that was recorded.
    """
    found = dict(held)
    for table in _own(data):
        wanted = table.get("trace_sha256")
        if not isinstance(wanted, str | None):  # whoever checks the scenario says so
            continue
        if wanted in found:
            continue
        key = f"service.{table.get('name', '')}.trace = {table['trace']!r}"
        try:
            own = read_own(Path(table["trace"]).expanduser())
        except UserError as error:
            raise UserError(f"{key}: {error}") from None
        if wanted is not None and wanted != own.sha256:
            raise UserError(
                f"{key}: its SHA-256 is {own.sha256[:12]}.., and trace_sha256 = {str(wanted)[:12]}..: put the file back that was recorded"
            )
        found[own.sha256] = own
        table["trace"], table["trace_sha256"] = own.name, own.sha256
    return found


def _own(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Tables of the services that name an own trace, in a list or by name."""
    services = data.get("service")
    tables = list(services.values()) if isinstance(services, Mapping) else services
    for table in tables if isinstance(tables, list) else []:
        named = isinstance(table, dict) and isinstance(table.get("trace"), str) and "step_tokens" not in table
        if named and (is_path(table["trace"]) or "trace_sha256" in table):
            yield table
