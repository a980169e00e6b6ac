"""docs/scenario_keys.md is what the models say, and the examples of docs/site.md load."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from edge6g_env.scenario import load_scenario

ROOT = Path(__file__).parents[2]


def test_the_page_of_keys_is_generated():
    done = subprocess.run([sys.executable, "docs/make_keys.py"], capture_output=True, text=True, check=True, cwd=ROOT)
    page = (ROOT / "docs" / "scenario_keys.md").read_text(encoding="utf-8")
    assert done.stdout == page, "regenerate docs/scenario_keys.md with python docs/make_keys.py"


def examples() -> list[str]:
    page = (ROOT / "docs" / "site.md").read_text(encoding="utf-8").split("\n## Tuned rules")[0]
    return re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)


def test_the_examples_of_a_site_load(tmp_path: Path):
    """One from nothing, one on campus with the card and the model that the page shows."""
    extending, whole, own = examples()
    path = tmp_path / "site.toml"
    path.write_text(whole)
    assert load_scenario(path).name == "site"
    assert sum("=" in line for line in whole.splitlines()) <= 25
    path.write_text(f'{extending}\n{own}\n[service.assistant]\nmodel = "clinic-3b"\n')
    scenario = load_scenario(path)
    assert scenario.nodes.devices == ["ward-card", "l4"]
    assert scenario.service[2].model == tomllib.loads(own)["model"][0]["name"]
    assert (scenario.service[0].ttft_slo_s, scenario.arrivals.rate_jobs_s) == (1.0, 4.0)
