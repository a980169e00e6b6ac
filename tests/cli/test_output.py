"""What a command has to say comes whatever the terminal is; a print that fails is one sentence, and the files are there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import edge6g

ROOT = Path(edge6g.__file__).parents[1]
# Says what the table of a comparison says, without playing one; runs in an interpreter of its own: streams are those of a process.
SAY = """
import edge6g, sys
from rich.console import Console
from rich.table import Table

@edge6g.app.command()
def say():
    table = Table("policy", "reward")
    table.add_row("jsq", "\\N{MINUS SIGN}0.068 \\N{EN DASH} [\\N{MINUS SIGN}0.1, 0.2] \\u4e2d \\xe9 \\udcff")
    Console().print(table)
    Console().print("\\n".join(["more than a pipe holds"] * 5_000))
    Console(stderr=True).print("a bar \\N{BOX DRAWINGS HEAVY HORIZONTAL}")
    print("done", file=open(sys.argv[-1], "w"))

sys.argv = ["edge6g", "say"]
"""


def say(tmp_path: Path, redirect: str, **environment: str) -> tuple[int, bytes, str, bool]:
    """Status, standard output, standard error, and whether the command came to its end; redirect: of the shell."""
    script, end = tmp_path / "say.py", tmp_path / "end"
    body = SAY.replace("sys.argv[-1]", repr(str(end))) + "edge6g.main()\n"
    script.write_text(body, encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", f'"$0" "$1" {redirect}; exit ${{PIPESTATUS[0]}}', sys.executable, str(script)],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"), end.exists()


@pytest.mark.parametrize(
    ("environment", "row"),
    [
        ({"PYTHONIOENCODING": "ascii"}, "-0.068 - [-0.1, 0.2] ? e ?"),
        ({"PYTHONIOENCODING": "latin-1"}, "-0.068 - [-0.1, 0.2] ? \xe9 ?"),
        ({"PYTHONIOENCODING": "utf-8"}, "\N{MINUS SIGN}0.068 \N{EN DASH} [\N{MINUS SIGN}0.1, 0.2] \u4e2d \xe9 ?"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "-0.068 - [-0.1, 0.2] ? e ?"),
    ],
)
def test_any_encoding_gets_the_table(tmp_path: Path, environment: dict[str, str], row: str):
    status, out, err, ended = say(tmp_path, "", **environment)
    assert (status, ended) == (0, True)
    encoding = environment.get("PYTHONIOENCODING", "ascii")
    assert row in out.decode(encoding)
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_sentence(tmp_path: Path):
    assert say(tmp_path, "> /dev/full") == (
        1, b"", "a bar \N{BOX DRAWINGS HEAVY HORIZONTAL}\nedge6g: not all of the output could be written: No space left on device\n", True,
    )  # fmt: skip


def test_a_reader_that_leaves_does_not_end_the_command(tmp_path: Path):
    status, out, err, ended = say(tmp_path, "| head -1")
    assert (status, out.count(b"\n"), ended) == (141, 1, True)
    assert err.splitlines()[1:] == ["edge6g: not all of the output could be written: Broken pipe"]


@pytest.mark.parametrize(
    ("redirect", "status"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), ("2> /dev/full", 0), ("2>&1 | head -1", 141)]
)
def test_closed_streams_do_not_end_the_command(tmp_path: Path, redirect: str, status: int):
    found, _, err, ended = say(tmp_path, redirect)
    assert (found, ended) == (status, True)
    assert "Traceback" not in err


def test_a_notebooks_backend_is_not_asked_for(tmp_path: Path):
    code = """
import edge6g, sys

@edge6g.app.command()
def draw():
    import matplotlib.pyplot as plt
    plt.figure()
    print(plt.get_backend())

sys.argv = ["edge6g", "draw"]
edge6g.main()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "module://no_such.backend"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout.strip().lower(), done.stderr) == (0, "agg", "")
