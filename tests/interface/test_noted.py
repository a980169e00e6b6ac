"""What a recording notes: the legs of lone jobs, whose times are known, and waits that have a reason in the world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import edge6g_env
from edge6g_env import lone
from edge6g_env.kernel.fields import DTYPES
from edge6g_env.kernel.world import World
from edge6g_env.lives import Lives, lives_of, names_of
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout

SMALL = {"prompt_tokens": 3000, "output_tokens": 12}  # two chunks of a prompt
NAMES_OF_WAITS = {"memory": "wait memory", "wait for a round": "wait round", "wait for the others": "wait round"}


class NotedLone(lone._LoneWorld):
    """A lone job's world that is recorded, too."""

    def _make_world(self) -> World:
        world = super()._make_world()
        noted = np.zeros((1, 4096), DTYPES["noted"]).view(np.recarray)
        return world._replace(last_note=np.zeros((1, world.job.shape[1]), np.int64), noted=noted)

    def _legs(self, end_s: float) -> list[tuple[str, float, float]]:
        """Those of the plain world are compared."""
        return []

    def lives(self, outcome: dict[str, float]) -> Lives:
        """Of the job that was played."""
        row = np.zeros(1, DTYPES["outcome"])
        for name in row.dtype.names or ():
            row[name] = outcome[name]
        row["arrival_s"] += self._arrival_s
        row["end_s"] += self._arrival_s
        notes = self.world.noted.view(np.ndarray)[0, : int(self.world.step["n_noted"][0])]
        mine = notes[notes["job"] == int(outcome["job"])]
        came = int(
            np.flatnonzero(mine["what"] == 0)[-1]
        )  # a warm world decides twice: what was noted before stands there still
        return lives_of(mine[came:], row, self.scenario)


def played(scenario: str, action: str, warm: bool, service: str, **overrides: Any) -> tuple[Any, dict[str, float]]:
    """(the lone job, time in s by name of leg and wait) of the same job."""
    loaded = load_scenario(scenario, **overrides)
    s = lone._service_of(loaded, service)
    lengths = SMALL if loaded.service[s].kind == "inference" else {}
    job = edge6g_env.lone_job(loaded, action, service=service, warm=warm, **lengths)
    world = NotedLone(loaded, s, (lengths.get("prompt_tokens"), lengths.get("output_tokens")))
    world.send_one(0, 0)
    again = world.play(lone._action_of(loaded, loaded.service[s], action), warm)
    assert again.outcome == job.outcome, "notes change nothing"
    lives = world.lives(again.outcome)
    spent_s = dict.fromkeys(lives.names, 0.0)
    for leg in lives.legs:
        spent_s[lives.names[leg["name"]]] += leg["end_s"] - leg["start_s"]
    return job, spent_s


def legs_s(job: Any) -> dict[str, float]:
    """Time in s by name of leg, repeats summed."""
    found: dict[str, float] = {}
    for name, start_s, end_s in job.legs:
        known = NAMES_OF_WAITS.get(name, name)
        found[known] = found.get(known, 0.0) + end_s - start_s
    return found


@pytest.mark.parametrize(
    ("service", "action"),
    [
        ("chat", "local, int4"),
        ("chat", "neighbour 1, 0.5 of the rest at the ingress, int4"),
        ("assistant", "local, 0.25 on the device, int8"),
        ("assistant", "cloud, 0.5 on the device, fp16"),
    ],
)
def test_a_warm_lone_job_spends_its_legs_and_waits_for_nothing_but_its_decision(service: str, action: str):
    job, spent_s = played("tiny", action, True, service)
    expected = {**legs_s(job), "wait decision": job.decided_s}
    for name, seconds in spent_s.items():
        assert seconds == pytest.approx(expected.get(name, 0.0), abs=1e-9), name


def test_a_cold_one_waits_for_its_weights():
    job, spent_s = played("tiny", "local, int8", False, "chat")
    warm, _ = played("tiny", "local, int8", True, "chat")
    leg_s = legs_s(job)["ingress"]
    assert spent_s["wait load"] + spent_s["ingress"] == pytest.approx(leg_s, abs=1e-9)
    assert spent_s["ingress"] == pytest.approx(legs_s(warm)["ingress"], abs=1e-9), "the prompt takes as long"
    assert spent_s["wait load"] > 0.1
    assert spent_s["wait queue"] == spent_s["wait memory"] == 0.0


def test_a_tuned_one_spends_its_steps():
    """So few that all of its legs are noted: 64."""
    one = load_scenario("finetune").finetune[0].name
    keys = {
        f"service.{one}.{key}": value for key, value in {"participants": 1, "steps": 5, "aggregate_every": 5}.items()
    }
    action = next(name for name in Layout(load_scenario("finetune")).action_names if name.startswith("local, 0.5 on"))
    job, spent_s = played("finetune", action, True, one, **keys)
    expected = {**legs_s(job), "wait decision": job.decided_s}
    assert expected["device forward"] > 0.0 < expected["server"]
    for name, seconds in spent_s.items():
        assert seconds == pytest.approx(expected.get(name, 0.0), abs=1e-9), name


def test_names_are_those_of_the_legs_and_no_wait_is_a_leg():
    names = names_of(load_scenario("tiny"))
    assert names[:8] == ("device", "uplink", "ingress", "link", "target", "cloud", "decode", "downlink")
    assert names[8:] == tuple(f"wait {w}" for w in ("decision", "memory", "load", "queue", "cloud place", "repair"))
    tuning = names_of(load_scenario("finetune"))
    assert "wait round" in tuning
    assert not {"memory", "wait for a round", "wait for the others"} & set(tuning)
    assert len(set(tuning)) == len(tuning)
