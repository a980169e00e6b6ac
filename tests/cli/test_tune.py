"""`edge6g tune` from the command line to the file, and what `compare` and `usage` say of its rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tomli_w

from agents.values import ValuesError, has_values, tuned
from edge6g_env.scenario import load_scenario
from eval.pools.flights import Flights

SHORT = {"time.episode_s": 10.0, "time.warmup_s": 1.0, "time.drain_s": 4.0, "arrivals.rate_jobs_s": 6.0}
SETTINGS = [word for key, value in SHORT.items() for word in ("--set", f"{key}={value}")]


def tune(run, out: Path, rule: str, *more: object):
    return run("tune", "--scenario", "tiny", "--rule", rule, "--seeds", 4, "--out", out, *SETTINGS, *more)


@pytest.fixture
def episodes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds that were played; Ctrl-C comes once there are more than the number at their front."""
    played: list[int] = [1_000_000]

    def pairs(self, policies, seeds, play=Flights.pairs):
        if len(played) > played[0]:
            raise KeyboardInterrupt
        played.extend(seeds)
        return play(self, policies, seeds)

    monkeypatch.setattr(Flights, "pairs", pairs)
    return played


def test_both_rules_go_into_one_file_that_compare_plays(run, tmp_path: Path):
    out = tmp_path / "mine.json"
    assert tune(run, out, "static").status == 0
    first = json.loads(out.read_text())["static"]
    ended = tune(run, out, "restricted")
    content = json.loads(out.read_text())
    assert ended.status == 0
    assert f"\n{content['restricted']['reward_per_job']:.4f} reward per job on 4 training seeds" in ended.out
    assert content["static"] == first
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]
    scenario = load_scenario("tiny", **SHORT)
    for rule, found in content.items():
        assert tuned(rule, scenario, out).values == found["values"]
        assert (found["fingerprint"], found["scenario"]) == (scenario.fingerprint, scenario.label)
        assert (found["first_seed"], found["seeds"]) == (0, 4)
        assert {"version", "commit", "date", "command"} <= set(found)
        worse = [other["gain"] for other in found["others"] if other["seeds"] == 4]
        assert worse
        assert max(worse) <= 0.0
    ended = run(
        "compare", "--scenario", "tiny", "--seeds", 3, "--out", tmp_path / "compare",
        "--policies", f"greedy,mine=static,static={out}", *SETTINGS,
    )  # fmt: skip
    assert ended.status == 0
    assert "mine: values found in tiny_v0; played on tiny_v0, time.episode_s = 10" in ended.out
    assert "static: values found" not in ended.out
    assert "Neither static nor" not in ended.out


def test_an_interrupted_search_goes_on_to_the_same_end(run, tmp_path: Path, episodes: list[int]):
    assert tune(run, tmp_path / "whole.json", "static", "--threads", 2).status == 0
    whole = len(episodes)
    episodes[:] = [whole // 2]
    ended = tune(run, tmp_path / "halves.json", "static")
    assert (ended.status, (tmp_path / "halves.json").exists()) == (130, False)
    assert "the same command goes on" in ended.err
    episodes[0] = 1_000_000
    assert tune(run, tmp_path / "halves.json", "static").status == 0
    assert len(episodes) == whole
    one, other = (json.loads((tmp_path / f"{name}.json").read_text())["static"] for name in ("whole", "halves"))
    assert {**one, "command": "", "date": ""} == {**other, "command": "", "date": ""}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["halves.json", "whole.json"]


def test_values_are_replaced_only_when_told_to(run, tmp_path: Path, episodes: list[int]):
    out = tmp_path / "mine.json"
    out.write_text('{"static": {"values": 1}}')
    ended = tune(run, out, "static")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "holds values of static" in ended.err
    assert "--overwrite" in ended.err
    assert tune(run, out, "static", "--overwrite").status == 0
    out.write_text("a = 1")
    assert "is no file of values" in tune(run, out, "static", "--overwrite").err
    assert out.read_text() == "a = 1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rule", "greedy"), "greedy has no parameters that could be found: --rule takes static, restricted, tuned"),
        (("--rule", "greedi"), "no policy 'greedi'"),
        (("--rule", "static", "--cpu-minutes", 1), "--cpu-minutes: the search for static ends by itself"),
        (("--rule", "tuned", "--seeds", 4), "--seeds: the search for tuned plays fresh seeds"),
        (("--rule", "tuned", "--cpu-minutes", 0), "'--cpu-minutes'"),
        (("--rule", "static", "--seeds", 0), "'--seeds'"),
        (("--rule", "static", "--scenario", "kampus"), "no scenario 'kampus'"),
        (("--rule", "static", "--set", "arrivals.rate_jobs_s=0.0001", "--seeds", 1), "no job arrives in"),
        (("--rule", "tuned", "--set", "arrivals.rate_jobs_s=0.0001"), "no job arrives in"),
    ],
)
def test_what_cannot_be_tuned_is_one_sentence(run, tmp_path: Path, arguments: tuple, message: str):
    ended = run("tune", "--scenario", "tiny", "--out", tmp_path / "mine.json", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert message in ended.err
    assert ended.err.splitlines()[-1].startswith("edge6g: ")
    assert not list(tmp_path.iterdir())


def test_compare_says_how_the_references_are_named(run, tmp_path: Path):
    other = (
        "--set",
        'actions.precision=["bf16"]',
        "--set",
        "actions.default_precision=bf16",
    )  # no shipped values have it
    play = ("compare", "--scenario", "tiny", "--seeds", 3, *SETTINGS, *other, "--out")
    plain = run(*play, tmp_path / "plain", "--policies", "greedy")
    assert "Neither static nor restricted" in plain.out
    assert "edge6g tune --rule static --scenario tiny --out tiny.json" in " ".join(plain.out.split())
    refused = run(*play, tmp_path / "refused", "--policies", "greedy,static")
    assert (refused.status, refused.err.count("\n"), (tmp_path / "refused").exists()) == (2, 1, False)
    assert "`edge6g tune --rule static --scenario tiny --out tiny.json`, with the same --set" in refused.err


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A scenario of one's own that extends one that ships, short."""
    path = tmp_path / "ward.toml"
    tables: dict[str, dict[str, float]] = {}
    for key, value in SHORT.items():
        table, name = key.split(".")
        tables.setdefault(table, {})[name] = value
    path.write_text('extends = "tiny"\n' + tomli_w.dumps(tables))
    return path


def test_an_own_scenario_finds_its_values_beside_it_as_long_as_it_stays_what_it_was(run, tmp_path: Path, site: Path):
    """By the name of its file and by fingerprint; what it extends gives it none."""
    scenario = load_scenario(site)
    with pytest.raises(
        ValuesError, match=r"ward has no values of static: `edge6g tune --rule static --scenario .*ward\.toml`"
    ):
        tuned("static", scenario)
    ended = run("tune", "--scenario", site, "--rule", "static", "--seeds", 4)
    assert ended.status == 0
    assert ended.out.strip().endswith("--policies static plays them")
    file = tmp_path / "ward.tuned.json"
    found = json.loads(file.read_text())["static"]
    assert (found["fingerprint"], tuned("static", scenario).values) == (scenario.fingerprint, found["values"])
    assert has_values("static", load_scenario(site, **{"arrivals.rate_jobs_s": 9.0}))  # as of those that ship
    assert not has_values("restricted", scenario)
    again = run("tune", "--scenario", site, "--rule", "static", "--seeds", 4)
    assert (again.status, "holds values of static" in again.err) == (2, True)
    ended = run(
        "compare", "--scenario", site, "--seeds", 3, "--policies", "greedy,static", "--out", tmp_path / "compare"
    )
    assert ended.status == 0
    recorded = tmp_path / "compare" / "scenario.toml"
    assert "extends" not in recorded.read_text()
    assert load_scenario(recorded) == scenario
    site.write_text(site.read_text() + "\n[nodes]\nneighbours = 1\n")
    with pytest.raises(
        ValuesError, match=r"ward\.tuned\.json: its values of static are those of ward as it was before"
    ):
        tuned("static", load_scenario(site))
    assert run("tune", "--scenario", site, "--rule", "static", "--seeds", 4).status == 0  # the old ones are of no use
    assert has_values("static", load_scenario(site))


def test_a_file_that_extends_an_own_one_has_none_of_its_values(tmp_path: Path, site: Path):
    (tmp_path / "ward.tuned.json").write_text(
        json.dumps({"static": {"fingerprint": load_scenario(site).fingerprint, "values": {}, "scenario": "ward_v0"}})
    )
    other = tmp_path / "other.toml"
    other.write_text('extends = "ward.toml"\nname = "ward"')
    with pytest.raises(ValuesError, match="static has no values for service"):
        tuned("static", load_scenario(site))  # found, and wrong
    with pytest.raises(ValuesError, match="ward has no values of static"):
        tuned("static", load_scenario(other))


def test_what_a_run_left_of_a_shipped_scenario_has_the_values_that_ship(tmp_path: Path):
    path = tmp_path / "scenario.toml"
    path.write_text(load_scenario("tiny").to_toml())
    assert tuned("static", load_scenario(path)) == tuned("static", load_scenario("tiny"))
    path.write_text(load_scenario("tiny", **SHORT).to_toml())
    assert not has_values("static", load_scenario(path))  # another scenario under its name


def test_a_shipped_scenario_needs_a_file_for_others(run):
    ended = run("tune", "--scenario", "tiny", "--rule", "static")
    assert (ended.status, ended.err) == (
        2,
        "edge6g: --out: tiny has values that ship: name a file for others, one that ends in .json\n",
    )
