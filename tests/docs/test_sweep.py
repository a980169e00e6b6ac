"""The example of docs/sweep.md runs as it stands."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "sweep.md"


def test_the_example_runs_and_says_what_the_page_says(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    found: dict = {}
    exec(compile(block, str(PAGE), "exec"), found)
    assert found["frame"].groupby(["arrivals.rate_jobs_s", "policy"]).size().tolist() == [3] * 4
    printed = capsys.readouterr().out
    for column in ("knee_jobs_s", "middle", "difference", "reference"):
        assert column in printed
