"""`sed`, `neurosurgeon` and `edgeshard`: which rows they look at, and what they call the least latency."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from agents.policy import Observation
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout
from tests.made import made
from tests.scene import Row, draw, jobs, set_candidates, set_entry

DEFAULT = "int4"  # of tiny


def latency_s(row: Row) -> float:
    return np.float32(row.ttft_s) + np.float32(row.job("mean_output_tokens") - 1.0) * np.float32(row.tpot_s)


def uncut(row: Row) -> bool:
    return row.serves and row.precision == DEFAULT and row.on_device in ("0", "1") and row.at_ingress == "0"


def one_cut(row: Row) -> bool:
    return row.serves and row.precision == DEFAULT and row.at_ingress == "0"


def any_cut(row: Row) -> bool:
    return row.serves and row.precision == DEFAULT


LOOKS_AT = {"sed": uncut, "neurosurgeon": one_cut, "edgeshard": any_cut}


@pytest.mark.parametrize("rule", LOOKS_AT)
def test_the_least_latency_among_the_rows_that_it_looks_at(
    rule: str, layout: Layout, obs: Observation, rng: np.random.Generator
):
    policy, waits = made(rule, layout), rule != "sed"
    for _ in range(20):
        draw(layout, obs, rng, 0.7)
        actions = policy.act(obs, rng)
        for b, i, rows in jobs(layout, obs):
            own = [row for row in rows if LOOKS_AT[rule](row)]
            if not own:
                continue
            least = min(latency_s(row) - np.float32(waits * row.wait_s) for row in own)
            taken = next(row for row in own if row.c == actions[b, i])
            assert latency_s(taken) - waits * taken.wait_s == pytest.approx(least, rel=1e-6)


@pytest.mark.parametrize("rule", LOOKS_AT)
def test_it_rejects_only_what_nothing_can_serve(rule: str, layout: Layout, obs: Observation, rng: np.random.Generator):
    draw(layout, obs, rng, 0.05)
    actions = made(rule, layout).act(obs, rng)
    for b, i, rows in jobs(layout, obs):
        serving = [row.c for row in rows if row.serves]
        assert actions[b, i] in (serving or [1])


def test_a_wait_moves_sed_and_not_neurosurgeon(layout: Layout, obs: Observation, rng: np.random.Generator):
    """Two servers alike but for a queue of 5 s at the first: its wait is in the time to the first token."""
    draw(layout, obs, rng, 1.0)
    names = layout.action_names
    near, far = names.index(f"local, {DEFAULT}"), names.index(f"neighbour 1, {DEFAULT}")
    for name, value in (("ttft_s", 100.0), ("tpot_s", 0.1), ("wait_s", 0.0)):
        set_candidates(layout, obs, name, value)
    for row, wait_s, ttft_s in ((near, 5.0, 5.5), (far, 0.0, 1.0)):
        obs["candidates"][..., row, layout.candidate_index("wait_s")] = wait_s
        obs["candidates"][..., row, layout.candidate_index("ttft_s")] = ttft_s
    assert (made("sed", layout).act(obs, rng) == far).all()
    assert (made("neurosurgeon", layout).act(obs, rng) == near).all()


def test_a_long_answer_goes_where_its_tokens_come_fast(layout: Layout, obs: Observation, rng: np.random.Generator):
    draw(layout, obs, rng, 1.0)
    names = layout.action_names
    soon, fast = names.index(f"local, {DEFAULT}"), names.index(f"cloud, {DEFAULT}")
    set_candidates(layout, obs, "ttft_s", 100.0)
    for row, ttft_s, tpot_s in ((soon, 0.1, 0.05), (fast, 1.0, 0.02)):  # even after 31 tokens
        obs["candidates"][..., row, layout.candidate_index("ttft_s")] = ttft_s
        obs["candidates"][..., row, layout.candidate_index("tpot_s")] = tpot_s
    for tokens, expected in ((10.0, soon), (30.0, soon), (32.0, fast), (300.0, fast)):
        set_entry(layout, obs, "job/mean_output_tokens", tokens)
        assert (made("sed", layout).act(obs, rng) == expected).all()


def test_edgeshard_solves_the_recurrence_of_the_paper(layout: Layout, obs: Observation, rng: np.random.Generator):
    """Times that are sums over device, ingress and target, written out backwards from the end of the chain."""
    grid, names = layout.scenario.actions, layout.action_names
    shares = [share for share in grid.device_split if share < 1.0]
    targets = ["local", "neighbour 1", "neighbour 2", "cloud"]
    draw(layout, obs, rng, 1.0)
    set_candidates(layout, obs, "ttft_s", 1e4)  # of other precisions too, which it must not look at
    set_candidates(layout, obs, "tpot_s", 0.0)
    set_candidates(layout, obs, "wait_s", 0.0)
    device_s, ingress_s, air_s, hop_s = rng.random(4)
    of_target_s = dict(zip(targets, rng.random(4), strict=True))
    for d, target, e in product(shares, targets, grid.edge_split):
        if target == "local" and e > 0.0:
            continue
        words = [
            target,
            *([f"{d:g} on the device"] if d else []),
            *([f"{e:g} of the rest at the ingress"] if e else []),
        ]
        ingress = (1.0 - d) * e
        time_s = device_s * d + air_s * (1.0 + d) + ingress_s * ingress + of_target_s[target] * (1.0 - d - ingress)
        time_s += 0.0 if target == "local" else hop_s * (1.0 + e)
        row = names.index(", ".join([*words, DEFAULT]))
        obs["candidates"][..., row, layout.candidate_index("ttft_s")] = time_s

    def from_ingress(d: float) -> float:
        alone = of_target_s["local"] * (1.0 - d)
        return min(
            alone,
            *(
                ingress_s * (1.0 - d) * e + hop_s * (1.0 + e) + of_target_s[target] * (1.0 - d) * (1.0 - e)
                for target in targets[1:]
                for e in grid.edge_split
            ),
        )

    least_s = min(device_s * d + air_s * (1.0 + d) + from_ingress(d) for d in shares)
    actions = made("edgeshard", layout).act(obs, rng)
    found_s = np.take_along_axis(obs["candidates"][..., layout.candidate_index("ttft_s")], actions[..., None], axis=-1)
    assert found_s == pytest.approx(least_s, rel=1e-5)


def test_fine_tuning_counts_steps(rng: np.random.Generator):
    """Time of a training job is its setup and the steps that are left, whatever tokens a service of answers has."""
    layout = Layout(load_scenario("finetune"))
    shape = (1, layout.scenario.nodes.count)
    obs = {
        "observation": np.zeros((*shape, len(layout.observation)), np.float32),
        "action_mask": np.ones((*shape, layout.num_actions), np.int8),
        "candidates": np.zeros((*shape, layout.num_actions, len(layout.candidates)), np.float32),
    }
    service = layout.scenario.finetune[0]
    set_entry(layout, obs, f"job/service_{service.name}", 1.0)
    for name, value in (("finetune", 1.0), ("steps", 100.0), ("done_steps", 40.0)):
        set_entry(layout, obs, f"job/{name}", value)
    set_candidates(layout, obs, "ttft_s", 1e4)
    precision = layout.scenario.actions.default_precision
    rows = [
        c
        for c, name in enumerate(layout.action_names)
        if precision in name and "ingress" not in name and "device" not in name and "model 2" not in name
    ]
    soon, fast = rows[0], rows[-1]
    for row, ttft_s, tpot_s in ((soon, 1.0, 0.5), (fast, 20.0, 0.2)):  # 31 s and 32 s for 60 steps
        obs["candidates"][..., row, layout.candidate_index("ttft_s")] = ttft_s
        obs["candidates"][..., row, layout.candidate_index("tpot_s")] = tpot_s
    assert (made("sed", layout).act(obs, rng) == soon).all()
    set_entry(layout, obs, "job/done_steps", 10.0)
    assert (made("sed", layout).act(obs, rng) == fast).all()
