"""What a run is asked for: settings in words, budgets, and refusals that leave nothing behind."""

import math

import pytest

import train.run
from edge6g_env.errors import UserError
from tests.train.small import SCORER
from train.limits import Limit
from train.run import TrainingError
from train.scorer import SETTINGS
from train.setup import SettingError, Setup, settings_of
from train.trainers import TRAINERS

DEFAULTS = {"episodes": 6, "share": 0.35, "credit": "team", "horizon_s": None, "mixed": False}


def test_settings_have_the_kind_of_their_defaults():
    words = ["episodes=3", "share=1", "credit=own", "horizon_s=2.5", "mixed=yes"]
    found = settings_of("any", words, DEFAULTS)
    assert found == {"episodes": 3, "share": 1.0, "credit": "own", "horizon_s": 2.5, "mixed": True}
    assert [type(value) for value in found.values()] == [int, float, str, float, bool]
    assert settings_of("any", ["mixed=no"], DEFAULTS) == {"mixed": False}
    assert settings_of("any", [], DEFAULTS) == {}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("episode=3", "--with episode=3: any has no setting 'episode', it has episodes, .*did you mean episodes"),
        ("episodes=0", "--with episodes=0: it must be episodes=a whole number above 0, by default 6"),
        ("episodes=2.5", "it must be episodes=a whole number above 0"),
        ("episodes", "it must be episodes=a whole number above 0"),
        ("share=-0.1", "it must be share=a number of at least 0, by default 0.35"),
        ("share=nan", "it must be share=a number of at least 0"),
        ("share=inf", "it must be share=a number of at least 0"),
        ("horizon_s=long", "it must be horizon_s=a number of at least 0"),
        ("mixed=true", "it must be mixed=yes or no"),
        ("credit", "it must be credit=a word"),
    ],
)
def test_settings_that_cannot_be_read_are_refused(word, message):
    with pytest.raises(SettingError, match=message):
        settings_of("any", [word], DEFAULTS)


def test_every_default_can_be_said(scenario):
    """As a word, where it has a value: it comes back as it is."""
    for algo, trainer in TRAINERS.items():
        said = {name: value for name, value in trainer.defaults.items() if value is not None}
        words = [
            f"{name}={ {True: 'yes', False: 'no'}[value] if isinstance(value, bool) else value }"
            for name, value in said.items()
        ]
        assert settings_of(algo, words, trainer.defaults) == said


def test_budgets(scenario):
    minutes, decisions = Setup((scenario,), "scorer", minutes=2.0), Setup((scenario,), "scorer", decisions=5_000)
    assert (minutes.seconds, minutes.budget(100.0)) == (120.0, 12_000.0)
    assert (decisions.seconds, decisions.most_decisions, decisions.budget(100.0)) == (math.inf, 5_000, 5_000.0)
    assert minutes.most_decisions > 10**9


REFUSED = {
    "no budget": ({"minutes": None}, "a run has a budget of --minutes or of --decisions: give one of them"),
    "two budgets": ({"decisions": 100}, "a run has a budget of --minutes or of --decisions: give one of them"),
    "no time": ({"minutes": 0.0}, "minutes must be above 0"),
    "no number": ({"minutes": math.nan}, "minutes must be above 0"),
    "no decisions": ({"minutes": None, "decisions": 0}, "decisions must be at least 1"),
    "algorithm": ({"algo": "dqn"}, "no algorithm 'dqn': there are scorer, ppo"),
    "worlds of a scorer": ({"num_worlds": 4}, "--num-worlds is for ppo.*: scorer plays whole episodes"),
    "worlds of a search": (
        {"algo": "search", "num_worlds": 4},
        "--num-worlds is for ppo.*: search plays whole episodes",
    ),
    "limits of ppo": (
        {"algo": "ppo", "limits": (Limit("slo_miss", 0.1),)},
        "--limit: ppo keeps no limits, scorer, .*do",
    ),
    "all for stage A": (
        {"settings": {"stage_a": 1.0}},
        "stage_a = 1: it must be a share of the budget from 0 to below 1",
    ),
    "more than is left for stage C": (
        {"settings": {"stage_a": 0.75, "stage_c": 0.5}},
        "stage_c = 0.5: it must be a share of the budget from 0 to 0.25, which stage_a = 0.75 leaves",
    ),
    "lone choice": ({"settings": {"choices": 1}}, "choices = 1: a label compares 2 choices or more"),
    "held": ({"settings": {"kl": 0.0}}, "kl = 0: a policy that learns moves, it must be above 0"),
    "credit": ({"settings": {"credit": "none"}}, "credit = 'none': it is one of team, own"),
    "lone candidate": ({"settings": {"population": 1}}, "population = 1: a search compares 2 candidates or more"),
    "at rest": ({"algo": "search", "settings": {"sigma": 0.0}}, "sigma = 0: .* it must be above 0"),
    "capped": ({"algo": "search", "settings": {"sigma_cap": 0.0}}, "sigma_cap = 0: .* it must be above 0"),
    "seed": ({"seed": -1}, r"seed must be in 0\.\."),
    "too many worlds": ({"algo": "ppo", "num_worlds": 2**17}, r"world must be in 0\.\."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_start_is_refused_and_leaves_nothing(scenario, tmp_path, case):
    changes, message = REFUSED[case]
    with pytest.raises(UserError, match=message):
        train.run.train(Setup((scenario,), **{"algo": "scorer", "minutes": 1.0, **changes}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_resume_keeps_to_its_settings_and_limits(scenario, tmp_path, quick):
    """What is not said is what it was; what is said otherwise is refused and leaves the run as it was."""
    limits, settings = (Limit("energy_j", 50.0),), {**SCORER, "stage_a": 0.0, "credit": "own"}
    run = Setup((scenario,), "scorer", 1, decisions=300, settings=settings, limits=limits)
    train.run.train(run, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    for changes, message in (
        ({"settings": {"seeds": 3}}, "was trained with seeds=2: --with seeds=3 cannot go on with it"),
        ({"settings": {"credit": "team"}}, "was trained with credit=own: --with credit=team cannot"),
        ({"limits": ()}, r"was trained with the limits {'energy_j': 50.0}: --limit must say the same"),
        ({"limits": (Limit("energy_j", 40.0),)}, "--limit must say the same"),
        ({"decisions": 300}, r"nothing left to do: .* has taken \d+ decisions, --decisions 300 are those in all"),
    ):
        other = Setup((scenario,), "scorer", **{"decisions": 600, "limits": limits, **changes})
        with pytest.raises(TrainingError, match=message):
            train.run.train(other, tmp_path / "run", resume=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == before
    train.run.train(Setup((scenario,), "scorer", decisions=1_000, limits=limits), tmp_path / "run", resume=True)
    record = train.run.checkpoint.read_record(tmp_path / "run")
    assert record["settings"] == {**SETTINGS, **settings}
    assert (record["seed"], record["runs"], record["limits"]) == (1, 2, {"energy_j": 50.0})
    assert record["decisions"] >= 1_000
