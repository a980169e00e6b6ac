"""README.md and the pages that it leads to hold what they say: their examples run, and they name what there is."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import edge6g
import edge6g_env
from agents.policy import rule_names

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(text: str, language: str = "") -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [block for tongue, block in found if tongue == language]


EXAMPLES = [*blocks(TEXT, "python"), *blocks(page("start_learning.md"), "python")]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number, monkeypatch):
    doors = edge6g_env.parallel_env
    monkeypatch.setattr(
        edge6g_env, "parallel_env", lambda name: doors("tiny", time={"episode_s": 80.0})
    )  # campus takes 6,000 slots
    names: dict[str, object] = {}
    exec(compile(EXAMPLES[number], f"example {number}", "exec"), names)
    assert "env" in names  # each makes an environment


def names_of_training(words: str) -> dict[str, Any]:
    """What the example of docs/training.md in which these words stand leaves."""
    (block,) = (one for one in blocks(page("training.md"), "python") if words in one)
    names: dict[str, Any] = {}
    exec(compile(block, "training.md", "exec"), names)
    return names


def test_the_example_of_training_reads_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint"):
        names_of_training("def play(")["play"](tmp_path)


def test_the_example_of_varied_worlds_steps():
    env = names_of_training("VariedBatch")["env"]
    env.reset()
    _, rewards, dones, infos = env.step([0] * env.num_envs)
    assert len(rewards) == len(dones) == len(infos) == 16 * env.batch.num_agents


def test_there_is_an_example_for_every_door():
    text = "\n".join(blocks(page("interface.md"), "python"))
    for call in ("parallel_env(", "campus_v0.env(", "gymnasium.make(", "make_vec(", " batch_env(", "sb3_vec_env("):
        assert call in text, call


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("scenarios.md", edge6g_env.scenarios()),
        ("actions.md", edge6g_env.scenarios()),
        ("rules.md", rule_names()),
        ("training.md", ["scorer", "search", "mappo", "ppo"]),
        ("planners.md", ["rollout", "clairvoyant"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_page_names_all_that_there_are(name, named):
    text = page(name)
    assert [one for one in named if f"`{one}`" not in text and f"[{one}]" not in text] == []


def commands(text: str) -> list[str]:
    """Whole commands of a page: lines of its blocks, and what stands in a sentence with the scenario or the folder that it needs."""
    lines = [line for block in blocks(text) for line in block.replace("\\\n", " ").splitlines()]
    inline = (" ".join(one.split()) for one in re.findall(r"(?<!`)`(edge6g [^`]+)`(?!`)", text))
    found = [line for line in lines if line.startswith("edge6g ")] + [one for one in inline if "--scenario" in one]
    return [line.split(" > ")[0] for line in found if "..." not in line]


PAGES = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))
COMMANDS = list(dict.fromkeys(line for text in (TEXT, *map(page, PAGES)) for line in commands(text)))


def test_every_command_of_the_pages_is_one_that_the_command_line_takes():
    """Names, options, values and what must be given; what the commands do is tried by hand."""
    assert len(COMMANDS) >= 150
    wrong = {}
    for line in COMMANDS:
        command: Any = typer.main.get_command(edge6g.app)
        words = shlex.split(line, comments=True)[1:]
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        try:
            command.make_context(command.name, words)
        except Exception as error:
            if not hasattr(error, "format_message"):  # of click, or typer's own copy of it
                raise
            wrong[line] = error.format_message()
    assert not wrong
