"""What the scenario tests share: a scenario as a TOML file that a test can spoil."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

import edge6g_env


@pytest.fixture
def text_of() -> Callable[[str], str]:
    """The TOML of a shipped scenario."""
    return lambda name: (resources.files("edge6g_env") / "scenarios" / f"{name}.toml").read_text(encoding="utf-8")


@pytest.fixture
def spoiled(tmp_path: Path, text_of: Callable[[str], str]) -> Callable[..., Path]:
    """Path of tiny's TOML with a piece of text replaced; the piece must be there."""

    def write(old: str, new: str, count: int = -1) -> Path:
        text = text_of("tiny")
        assert old in text
        path = tmp_path / "mine.toml"
        path.write_text(text.replace(old, new, count), encoding="utf-8")
        return path

    return write


@pytest.fixture
def refusal() -> Callable[..., list[str]]:
    """Lines of the error with which a scenario is refused."""

    def lines(scenario: str | Path, **overrides: object) -> list[str]:
        with pytest.raises(edge6g_env.ScenarioError) as caught:
            edge6g_env.load_scenario(scenario, **overrides)
        return str(caught.value).splitlines()

    return lines
