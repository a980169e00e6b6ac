"""Own traces: files beside a TOML file, what is read of them, what is refused, and what a folder of a run may open."""

from __future__ import annotations

import csv
import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge6g_env import load_scenario
from edge6g_env.errors import UserError
from edge6g_env.scenario import Scenario
from edge6g_env.trace_files import MOST_BYTES, copies, read_trace
from eval.provenance import write_scenario

HEAD = "t_s,context_tokens,generated_tokens\n"
LOG = HEAD + "0.5,100,20\n2.25,64,7\n2.25,900,128\n10,33,1\n"
AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-09 23:59:59.750000+00:00,100,20\n2024-05-10 00:00:01.500000+00:00,64,7\n"
    "2024-05-10 00:00:01.500000+00:00,900,128\n2024-05-10 00:00:09.250000+00:00,33,1\n"
)
OLD_AZURE = AZURE.replace("+00:00", "0")  # of 2023: 100 ns, no zone
SHIPPED = 'trace = "azure_conv_2023"'
Site = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path, text_of: Callable[[str], str]) -> Site:
    """A TOML file like tiny's, whose chat has a trace of its own, in a folder; the path of the file."""

    def write(
        content: str | bytes = LOG, trace: str = "requests.csv", folder: str = "site", kind: str = "poisson"
    ) -> Path:
        home = tmp_path / folder
        home.mkdir(exist_ok=True)
        (home / "requests.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        text = text_of("tiny").replace('kind = "poisson"', f'kind = "{kind}"')
        (home / "site.toml").write_text(text.replace(SHIPPED, f'trace = "{trace}"', 1), encoding="utf-8")
        return home / "site.toml"

    return write


def expected(text: str = LOG) -> np.ndarray:
    return np.array([[float(cell) for cell in row] for row in list(csv.reader(text.splitlines()))[1:]])


def test_further_columns_do_not_matter_that_of_the_source_s_instants_neither(site):
    rows = LOG.splitlines()
    more = [rows[0] + ",TIMESTAMP", *(f"{row},2024-05-10 00:00:01" for row in rows[1:])]
    chat, _ = load_scenario(site("\n".join(more) + "\n")).service
    assert (chat.lengths() == expected()).all()


@pytest.mark.parametrize("value", [[1], 3, {"a": 1}])
def test_a_hash_that_is_no_text_is_said(value):
    with pytest.raises(UserError, match="trace_sha256"):
        load_scenario("tiny", **{"service.chat.trace": "requests.csv", "service.chat.trace_sha256": value})


@pytest.mark.parametrize("trace", ["requests.csv", "./requests.csv", "../site/requests.csv", "{folder}/requests.csv"])
def test_a_path_is_relative_to_its_file_and_the_lengths_are_those_of_the_log(trace, site, tmp_path, monkeypatch):
    path = site(trace=trace.format(folder=tmp_path / "site"))
    for here, given in ((tmp_path, "site/site.toml"), (path.parent, "site.toml"), (Path("/"), str(path))):
        monkeypatch.chdir(here)
        chat, other = load_scenario(given).service
        assert (chat.lengths() == expected()).all()
        assert (other.lengths() == read_trace(str(other.trace))).all()
        assert chat.is_traced
        assert "requests.csv" in chat.facts[2]


@pytest.mark.parametrize(
    "text", [AZURE, OLD_AZURE, AZURE.replace("TIMESTAMP", "NumImages,TIMESTAMP").replace("\n2", "\n0,2")]
)
def test_azures_files_are_read_as_published_since_their_first_request(text, site):
    got, wanted = load_scenario(site(text)).service[0].lengths(), expected()
    assert np.allclose(got[:, 0], wanted[:, 0] - wanted[0, 0], atol=1e-9)
    assert (got[:, 1:] == wanted[:, 1:]).all()


@pytest.mark.parametrize(
    "saved", [LOG.encode("utf-16"), LOG.replace(",", ";").encode("utf-8-sig"), LOG.replace("\n", "\r\n").encode()]
)
def test_a_log_is_the_same_as_spreadsheets_save_it(saved, site):
    assert (load_scenario(site(saved)).service[0].lengths() == expected()).all()


def test_the_fingerprint_is_of_the_content_and_not_of_the_path(site):
    one, moved = load_scenario(site()), load_scenario(site(folder="elsewhere", trace="../elsewhere/requests.csv"))
    assert one == moved
    assert one.fingerprint == moved.fingerprint != load_scenario("tiny").fingerprint
    other = load_scenario(site(LOG.replace("64,7", "64,8")))
    assert one != other
    assert one.fingerprint != other.fingerprint


def test_a_scenario_keeps_its_trace_when_the_file_goes(site):
    """Copies, overrides, other processes: what was read stays."""
    path = site()
    scenario = load_scenario(path)
    shutil.rmtree(path.parent)
    for one in (pickle.loads(pickle.dumps(scenario)), scenario.model_copy(deep=True), load_scenario(scenario)):
        assert (one.service[0].lengths() == expected()).all()
        assert one.fingerprint == scenario.fingerprint
    busier = load_scenario(scenario, **{"arrivals.rate_jobs_s": 9.0})
    assert (busier.service[0].lengths() == expected()).all()
    with pytest.raises(ValueError, match="read-only"):
        scenario.service[0].lengths()[0, 0] = 1.0


def test_an_override_names_a_trace_from_the_current_folder(site, tmp_path, monkeypatch):
    path = site()
    (tmp_path / "mine.csv").write_text(HEAD + "0,5,5\n1,6,6\n")
    monkeypatch.chdir(tmp_path)
    for base in ("tiny", path, load_scenario(path)):
        changed = load_scenario(base, **{"service.chat.trace": "mine.csv"})
        assert changed.service[0].lengths().tolist() == [[0, 5, 5], [1, 6, 6]]
    assert load_scenario(path, **{"service.chat.trace": "azure_code_2023"}).service[0].own_trace is None
    fixed = load_scenario(path, **{"service.chat.prompt_tokens": 5, "service.chat.output_tokens": 3})
    assert fixed.service[0].lengths().tolist() == [[0, 5, 3]]


# --- what is refused -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD, "requests.csv: there are no rows of t_s, context_tokens, generated_tokens"),
        ("", "requests.csv: the table is empty"),
        ("t,prompt\n1,2\n", "there is no column t_s: the header has t, prompt, that of a trace t_s, context_tokens, generated_tokens"),
        (AZURE.replace("GeneratedTokens", "Output"), "there is no column GeneratedTokens: the header has TIMESTAMP, ContextTokens, Output"),
        (LOG + "9.5,1,1\n", "requests.csv, line 6: t_s falls: rows stand in the order of their arrival"),
        (LOG.replace("0.5,", "-0.5,"), "requests.csv, line 2: t_s falls: rows stand in the order of their arrival, from 0 s on"),
        (AZURE.replace("05-09", "05-11"), "requests.csv, line 3: TIMESTAMP falls"),
        (AZURE.replace("2024-05-10 00:00:09.250000+00:00", "noon"), "line 5: TIMESTAMP = 'noon': must be an instant such as 2023-11-16"),
        (LOG.replace("64,7", "0,7"), "line 3: context_tokens and generated_tokens must be at least 1 and at most 131072"),
        (LOG.replace("64,7", "64,7.5"), "line 3: context_tokens and generated_tokens must be at least 1 and at most 131072, and whole"),
        (LOG.replace("64,7", "64,1e9"), "line 3: context_tokens and generated_tokens must be at least 1 and at most 131072"),
        (LOG.replace("64,7", "64,x"), "line 3: generated_tokens = 'x': must be a number"),
        (LOG.replace("t_s", "t_s,é").replace("\n0", "\n0,").encode("latin-1"), "line 1: this is no UTF-8 text: save the file as UTF-8"),
        (HEAD.encode() + b"0,1,1\n" * (MOST_BYTES // 6), "the file has 16 MB, a trace may have 16: name one with a part of its rows"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "bytes",
)  # fmt: skip
def test_a_file_that_is_no_trace_is_refused_with_its_line(content, said, site, refusal):
    (line,) = refusal(site(content))
    assert line.startswith("site.toml: service.chat.trace = ")
    assert said in line


def test_a_file_that_is_not_there_is_named(site, refusal, tmp_path):
    path = site(trace="request.csv")
    assert refusal(path) == [f"site.toml: service.chat.trace = '{path.parent}/request.csv': there is no such file"]
    assert refusal(site(trace="../site")) == [
        f"site.toml: service.chat.trace = '{path.parent}/../site': there is no such file"
    ]
    assert "no file" not in refusal(site(trace="requests"))[0]  # a name, of no trace that ships
    lonely = {"trace_sha256": "0" * 64, "prompt_tokens": 1, "output_tokens": 1}
    assert (
        "trace_sha256 goes with trace"
        in refusal("tiny", **{f"service.chat.{key}": value for key, value in lonely.items()})[0]
    )


def test_a_replay_needs_two_instants(site, refusal):
    for text in (HEAD + "3,5,5\n", HEAD + "3,5,5\n3,6,6\n"):
        (line,) = refusal(site(text, kind="trace"))
        assert line.startswith("site.toml: service.chat.trace: all its requests come at one instant")
        assert load_scenario(site(text)).service[0].is_traced
    assert load_scenario(site(kind="trace")).arrivals.kind == "trace"


# --- what is recorded ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(site: Site, tmp_path: Path) -> tuple[Scenario, Path]:
    """A scenario with a trace of its own, and the folder of a run that has recorded it; its files are gone."""
    path, folder = site(), tmp_path / "run"
    scenario = load_scenario(path)
    write_scenario(scenario, folder)
    (folder / "run.json").write_text(json.dumps({"kind": "compare"}))
    shutil.rmtree(path.parent)
    return scenario, folder


def test_a_recorded_scenario_loads_as_an_equal_one_with_the_copy_beside_it(recorded, tmp_path):
    scenario, folder = recorded
    (copy,) = copies(folder)
    digest = hashlib.sha256(LOG.encode()).hexdigest()
    assert copy.read_bytes() == LOG.encode()
    assert copy.name == f"requests-{digest[:8]}.csv"
    again = load_scenario(folder / "scenario.toml")
    assert again == scenario
    assert again.fingerprint == scenario.fingerprint
    assert again.service[0].trace_sha256 == digest
    write_scenario(again, tmp_path / "second")  # the name does not grow
    assert [path.name for path in copies(tmp_path / "second")] == [copy.name]
    folder.rename(tmp_path / "moved")
    assert load_scenario(tmp_path / "moved" / "scenario.toml") == scenario


def test_a_copy_that_has_changed_is_refused(recorded, refusal):
    _, folder = recorded
    (copy,) = copies(folder)
    copy.write_text(LOG + "11,1,1\n")
    (line,) = refusal(folder / "scenario.toml")
    assert line.startswith(f"scenario.toml: service.chat.trace = '{copy}': its SHA-256 is ")
    assert line.endswith("put the file back that was recorded")
    assert copies(folder) == []


@pytest.mark.parametrize("where", ["run.json", "checkpoint.json", "../run.json"])
@pytest.mark.parametrize("trace", ["../site/requests.csv", "{folder}/requests.csv", "./requests.csv", "requests.csv"])
def test_a_scenario_in_the_folder_of_a_run_opens_nothing_but_copies(where, trace, site, tmp_path, refusal):
    path = site(trace=trace.format(folder=tmp_path / "site"))
    assert load_scenario(path)
    (path.parent / where).write_text("{}")
    (line,) = refusal(path)
    assert "a scenario in the folder of a run opens nothing but a copy beside it, by its name and trace_sha256" in line
    (line_of_it,) = (
        text for text in path.read_text().splitlines() if text.startswith("trace = ") and "azure" not in text
    )
    path.write_text(path.read_text().replace(line_of_it, f'{line_of_it}\ntrace_sha256 = "{"0" * 64}"'))
    (line,) = refusal(path)
    assert ("its SHA-256 is" if trace == "requests.csv" else "opens nothing but a copy") in line


def test_two_logs_of_one_name_stand_side_by_side(site, tmp_path):
    site()
    second = site(LOG.replace("64,7", "64,8"), folder="other", trace="../site/requests.csv")
    text = second.read_text()
    assert text.count(SHIPPED) == 1
    second.write_text(text.replace(SHIPPED, 'trace = "requests.csv"'))
    scenario = load_scenario(second)
    write_scenario(scenario, tmp_path / "run")
    assert len(copies(tmp_path / "run")) == 2
    again = load_scenario(tmp_path / "run" / "scenario.toml")
    assert [one.lengths()[1, 2] for one in again.service] == [7, 8]
    assert again == scenario
