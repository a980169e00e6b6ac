"""What is chosen by load and by what is resident: decisions are noted as they were seen, and shared out whole."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from agents.policy import make_rule
from benchmarks.room import agreement
from edge6g_env.build.places import neighbours_of
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from eval import EVALUATION_SEED
from eval.situations import Noting, classes_of, in_words, noted, situations


@pytest.fixture(scope="module")
def layout() -> Layout:
    return Layout(load_scenario("tiny", time={"episode_s": 40.0, "drain_s": 20.0}))


class Always:
    """Takes one action where a job waits."""

    privileged = needs_candidates = False

    def act(self, obs: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
        return np.where(obs["action_mask"][..., 1] == 1, 2, 0)


def test_a_decision_is_noted_as_its_node_saw_it(layout: Layout):
    """World 0, agent 1 has nothing to decide; the others see 2 + 3 and 0 + 1 jobs, a half at int4 and a whole at fp16."""
    obs = {
        "observation": np.zeros((1, 3, len(layout.observation))),
        "action_mask": np.zeros((1, 3, layout.num_actions)),
    }
    for agent, service, sequences, inbox, precision, share in ((0, 1, 2, 3, "int4", 0.5), (2, 0, 0, 1, "fp16", 1.0)):
        obs["action_mask"][0, agent, :3] = 1
        names = {f"job/service_{layout.scenario.service[service].name}": 1, "node/sequences": sequences}
        names |= {"node/inbox_jobs": inbox, f"node/resident_{precision}": share}
        for name, value in names.items():
            obs["observation"][0, agent, layout.observation_index(name)] = value
    decisions: list[np.ndarray] = []
    assert Noting(Always(), layout, decisions).act(obs, np.random.default_rng(0)).tolist() == [[2, 0, 2]]
    assert np.concatenate(decisions).tolist() == [[1, 2, 5, 1], [0, 2, 1, 2]]


def test_every_situation_shares_out_its_decisions(layout: Layout):
    decisions = noted("greedy", partial(make_rule, "greedy"), layout.scenario, [EVALUATION_SEED, EVALUATION_SEED + 1])
    table = situations("greedy", decisions, layout)
    keys = ["service", "load", "resident"]
    assert table.drop_duplicates(keys)["decisions"].sum() == len(decisions) > 100
    assert table["share"].between(0.0, 1.0, inclusive="right").all()
    assert table.groupby([*keys, "column"])["share"].sum().to_numpy() == pytest.approx(1.0)
    for column, number in (("route", 0), ("precision", 3)):
        of = table[table["column"] == column]
        served = decisions[layout.action_table[decisions[:, 1], 0] >= 2] if column == "precision" else decisions
        name = layout.scenario.actions.precision[0] if column == "precision" else "reject"
        took = (layout.action_table[served[:, 1], number] == (0 if column == "precision" else 1)).sum()
        if column == "route":
            assert (of["share"] * of["decisions"])[of["value"] == name].sum() == pytest.approx(took)
        else:
            assert (name in set(of["value"])) == (took > 0)
    assert in_words(table).count("\n") == len(table.drop_duplicates(keys)) + 1


def test_classes_of_load_are_thirds_of_the_decisions():
    jobs = np.random.default_rng(0).permutation(300)
    counts = np.bincount(np.searchsorted(classes_of(jobs), jobs, side="right"))
    assert counts.tolist() == pytest.approx([100, 100, 100], abs=1)
    assert np.searchsorted(classes_of(np.zeros(9, int)), 0, side="right") == 2  # all alike: one class


def test_an_agreement_leaves_the_last_layers_to_its_nodes():
    layout = Layout(load_scenario("shard"))
    allowed, peers = agreement(layout, "review", [2, 5]), neighbours_of(layout.scenario)
    route, _, edge_split, *_ = layout.action_table.T
    for node, service, action in zip(*np.nonzero(allowed), strict=True):
        target = peers[node][route[action] - 3] if 3 <= route[action] < layout.cloud_route else -1
        if route[action] == 1:
            continue
        if service == 0:
            assert node not in (2, 5)
            assert target in (2, 5)
            assert edge_split[action] > 0
        else:
            assert target not in (2, 5)
            assert node not in (2, 5) or edge_split[action] == 0
    assert allowed[:, :, 1].all()
    assert not allowed[2, 0, 2:].any()
    assert allowed[0, 0, 2:].any()
