"""The registry: names, errors, and that a rule is one file."""

from __future__ import annotations

from pathlib import Path

import pytest

import agents.rules
from agents import policy
from edge6g_env.spaces import Layout
from tests.made import made

FIXED_NAMES = {"random", "local", "cloud", "round-robin", "jsq", "greedy"}


def test_every_file_in_rules_is_a_rule_of_its_name():
    files = {path.stem.replace("_", "-") for path in Path(agents.rules.__path__[0]).glob("[a-z]*.py")}
    assert set(policy.rule_names()) == files
    assert files >= FIXED_NAMES


def test_rules_see_what_an_agent_sees(layout: Layout):
    assert not [name for name in policy.rule_names() if made(name, layout).privileged]


def test_an_unknown_name_is_refused_with_the_closest(layout: Layout):
    with pytest.raises(policy.UnknownPolicyError, match=r"no policy 'greedi'.*round-robin.*did you mean greedy\?"):
        policy.make_rule("greedi", layout)


def test_a_second_registration_is_refused(layout: Layout):
    before = type(policy.make_rule("greedy", layout))
    with pytest.raises(ValueError, match="'greedy' is registered already"):
        policy.register("greedy")(type(policy.make_rule("local", layout)))
    assert type(policy.make_rule("greedy", layout)) is before


def test_start_resets_only_what_keeps_state(layout: Layout):
    round_robin = policy.make_rule("round-robin", layout)
    policy.start(round_robin, 7)
    policy.start(policy.make_rule("local", layout), 7)
    assert round_robin._turn.shape == (7, layout.scenario.nodes.count)  # type: ignore[attr-defined]
