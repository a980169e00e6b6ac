"""The command line as a user meets it: exit status, stdout and stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

import edge6g


class Ended(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `edge6g` with these arguments in this process."""

    def run_edge6g(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["edge6g", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            edge6g.main()
        out, err = capsys.readouterr()
        return Ended(int(str(ended.value.code)), out, err)

    return run_edge6g
