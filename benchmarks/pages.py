"""Tables for the scenarios' pages: docs/make_scenarios.py takes those that were made of a scenario as it is."""

from __future__ import annotations

from pathlib import Path

from edge6g_env.scenario import Scenario
from eval.files import write_text_atomic


def write_for_page(out: Path, scenario: Scenario, text: str) -> None:
    """Write a text in Markdown behind the fingerprint of its scenario; folders are made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(out, f"<!-- {scenario.fingerprint} -->\n{text}\n")
