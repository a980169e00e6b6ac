"""A recording by hand: four seconds of `tiny`, three jobs, of which every figure is known."""

from __future__ import annotations

import numpy as np

from edge6g_env.kernel.codes import EXPIRED, FINISHED
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.scene import scene_of
from edge6g_env.spaces import Layout
from eval.record.recording import (
    CLOUD,
    DECISION_DTYPE,
    FRAMES_PER_S,
    HANDOVER_DTYPE,
    JOB_DTYPE,
    LEG_DTYPE,
    OPTION_DTYPE,
    OUTAGE_DTYPE,
    SPAN_DTYPE,
    UE,
    Facts,
    Frames,
    Recording,
)

END_S = 4.0
FRAMES = round(END_S * FRAMES_PER_S) + 1
LEG_NAMES = ("wait decision", "uplink", "link", "wait queue", "target", "decode", "downlink")
NUMBERS = (3, 4, 7)  # of the jobs: no number needs a row of its own


def recording(policy: str = "greedy", scenario: Scenario | None = None, seed: int = 5) -> Recording:
    """Job 3 goes from UE 0 by node 0 to node 1, job 4 from UE 5 to the cloud, job 7 of UE 0 waits at node 2 until it expires. UE 0 walks
    east, turns north after two seconds and changes its cell at 2.5 s; all others stand. Node 2 is down in the last second."""
    played = scenario or load_scenario("tiny")
    scene = scene_of(played)
    facts = Facts(
        scenario=played,
        action_names=Layout(played).action_names,
        node_xy_m=scene.node_m,
        usable_bytes=scene.usable_bytes,
        neighbours=scene.neighbour,
        hotspots_xy_m=np.array([[300.0, 100.0]]),
        street_spacing_m=0.0,
    )
    jobs = _jobs()
    decisions, options = _decisions(facts)
    return Recording(
        policy=policy,
        seed=seed,
        facts=facts,
        frames=_frames(played.num_ues, scene.usable_bytes),
        jobs=jobs,
        outcomes=_outcomes(jobs),
        legs=_legs(),
        leg_names=LEG_NAMES,
        decisions=decisions,
        options=options,
        handovers=np.array([(2.5, 0, 0, 1)], HANDOVER_DTYPE),
        outages=np.array([(0, 2, UE, 3.0, END_S)], OUTAGE_DTYPE),
        chunks=np.zeros(0, SPAN_DTYPE),
        loads=np.array([(1, -1, 0, 4e9, 1.0, 3.0)], SPAN_DTYPE),
        busy_share=np.zeros(len(scene.node_m)),
    )


def _frames(num_ues: int, usable_bytes: np.ndarray) -> Frames:
    times_s, nodes = np.arange(FRAMES) / FRAMES_PER_S, len(usable_bytes)
    ue_xy_m = np.zeros((FRAMES, num_ues, 2), np.float32)
    ue_xy_m[:] = 20.0 * np.arange(1, num_ues + 1)[:, None]
    ue_xy_m[:, 0, 0], ue_xy_m[:, 0, 1] = (
        50.0 + 10.0 * np.minimum(times_s, 2.0),
        60.0 + 5.0 * np.maximum(times_s - 2.0, 0),
    )
    ue_node = np.tile(np.arange(num_ues) % nodes, (FRAMES, 1)).astype(np.int16)
    ue_node[times_s >= 2.5, 0] = 1
    counts = np.zeros((FRAMES, nodes), np.int16)
    sequences, load = counts.copy(), np.full_like(counts, -1)
    sequences[:, 1], load[(times_s >= 1.0) & (times_s < 3.0), 1] = np.arange(FRAMES), 0
    up = np.ones((FRAMES, nodes), bool)
    up[times_s >= 3.0, 2] = False
    return Frames(
        times_s=times_s,
        ue_xy_m=ue_xy_m,
        ue_node=ue_node,
        ue_sinr_db=np.full((FRAMES, num_ues), 12.4, np.float32),
        queue=counts + np.array([0, 0, 1], np.int16),
        inbox=counts,
        sequences=sequences,
        training=counts,
        kv_bytes=np.float32(0.25) * np.tile(usable_bytes, (FRAMES, 1)).astype(np.float32),
        training_bytes=np.zeros((FRAMES, nodes), np.float32),
        weight_bytes=np.float32(0.5) * np.tile(usable_bytes, (FRAMES, 1)).astype(np.float32),
        load_variant=load,
        up=up,
        cloud_running=np.ones(FRAMES, np.int16),
        cloud_waiting=np.zeros(FRAMES, np.int16),
    )


def _jobs() -> np.ndarray:
    jobs = np.zeros(3, JOB_DTYPE)
    jobs["job"], jobs["service"], jobs["ue"], jobs["ingress"] = NUMBERS, (0, 1, 0), (0, 5, 0), (0, 2, 2)
    jobs["arrival_s"], jobs["end_s"] = (0.25, 1.0, 3.0), (3.75, 2.5, END_S)
    jobs["first_token_s"], jobs["phase"] = (1.5, 1.25, np.nan), (FINISHED, FINISHED, EXPIRED)
    jobs["measured"], jobs["slo_met"], jobs["worth"], jobs["action"] = 1, (1, 0, 0), (0.75, 0.5, -0.2), (6, 9, -1)
    return jobs


def _outcomes(jobs: np.ndarray) -> np.ndarray:
    outcomes = np.zeros(3, OUTCOME_DTYPE)
    for name in ("job", "service", "arrival_s", "end_s", "phase", "measured", "slo_met", "worth", "action"):
        outcomes[name] = jobs[name]
    outcomes["ttft_s"], outcomes["tpot_s"] = (1.25, 0.25, -1.0), (0.0625, 0.125, -1.0)
    outcomes["price_usd"], outcomes["energy_j"], outcomes["quality"] = (
        (0.002, 0.001, 0.0),
        (12.5, 40.0, 1.0),
        (0.875, 0.5, 0.0),
    )
    outcomes["prompt_tokens"], outcomes["output_tokens"] = (100, 200, 300), (37, 11, 50)
    return outcomes


def _legs() -> np.ndarray:
    rows = [
        (3, 0, 0, 0, 0.25, 0.5),
        (3, 1, 0, UE, 0.5, 0.75),
        (3, 2, 1, 0, 0.75, 0.875),
        (3, 3, 1, 1, 0.875, 1.0),
        (3, 4, 1, 1, 1.0, 1.375),
        (3, 5, 1, 1, 1.375, 3.625),
        (3, 6, UE, 1, 3.625, 3.75),
        (4, 0, 2, 2, 1.0, 1.0625),
        (4, 2, CLOUD, 2, 1.0625, 1.125),
        (4, 5, CLOUD, CLOUD, 1.125, 2.5),
        (7, 0, 2, 2, 3.0, END_S),
    ]
    return np.array(rows, LEG_DTYPE)


def _decisions(facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    """Of job 4 before job 3, as rows may come; the chosen one of job 3 is not the best, that of job 4 is."""
    actions = [facts.action_names.index(name) for name in ("neighbour 1, int8", "local, int4", "cloud, fp16")]
    one, two, three = actions
    options = [
        (three, 1, 0, 0.25, 0.1, 0.001, 40.0, 0.5, 0.625),
        (two, 0, 1, 0.5, 0.1, 0.002, 20.0, 0.5, 0.5),
        (one, 1, 1, 1.0, 0.0625, 0.003, 10.0, 0.875, 0.8125),
        (three, 0, 0, 0.75, 0.05, 0.004, 30.0, 1.0, 0.9375),
        (two, 0, 2, 2.0, 0.125, 0.0, 5.0, 0.75, -0.5),
    ]
    decisions = [(4, 2, 1.0625, three, 0, 2), (3, 0, 0.5, one, 2, 3)]
    return np.array(decisions, DECISION_DTYPE), np.array(options, OPTION_DTYPE)
