"""One version, one promise about it, one citation."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import edge6g_env

ROOT = Path(__file__).parents[2]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
CITATION = dict(re.findall(r'^([\w-]+):(?: +"?([^"\n]+)"?)?$', text_of("CITATION.cff"), flags=re.MULTILINE))


def test_the_version_is_the_same_everywhere():
    (newest, *_) = re.findall(r"^## (\S+)", text_of("CHANGELOG.md"), flags=re.MULTILINE)
    (bibtex,) = re.findall(r"^  version = \{(.+)\}", text_of("README.md"), flags=re.MULTILINE)
    assert {newest, bibtex, CITATION["version"], metadata.version("edge6g")} == {PROJECT["version"]}


def test_the_citation_has_what_its_format_asks_for():
    """Citation File Format 1.2.0: cff-version, message, title, authors; the licence as SPDX names it."""
    assert CITATION["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= CITATION.keys()
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["title"].endswith(PROJECT["description"][2:])
    (title,) = re.findall(r"^  title   = \{(.+)\},$", text_of("README.md"), flags=re.MULTILINE)
    assert title.replace("{", "").replace("}", "") == CITATION["title"]
    assert "scenario" in CITATION["message"]


def test_changelog_and_pages_promise_the_same_about_versions():
    """Until the release a version may move and the changelog says so; no page promises more."""
    promise = "may still move until 0.1.0 is released"
    pages = [ROOT / "docs/scenarios" / f"{name}.md" for name in edge6g_env.scenarios()]
    said = [" ".join(page.read_text(encoding="utf-8").split()) for page in pages]
    unreleased = f"## {PROJECT['version']} (unreleased)" in text_of("CHANGELOG.md")
    assert [promise in text for text in said] == [unreleased] * len(said)
    assert not any("never changes under a version, see" in text for text in said)
