"""An episode is played and recorded: the world notes what happens in it, here stands what was decided and what was expected of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from agents.policy import MakePolicy, attach, learn, start
from edge6g_env.kernel.codes import DONE, FINETUNE, HOLD, LOCAL
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.lives import lives_of
from edge6g_env.noting import Film, NotedEnv
from edge6g_env.scenario import Scenario
from edge6g_env.scene import scene_of
from edge6g_env.snapshot import look
from edge6g_env.spaces import Layout
from eval.episodes import policy_stream
from eval.record.recording import (
    DECISION_DTYPE,
    JOB_DTYPE,
    MOST_OPTIONS,
    OPTION_DTYPE,
    Facts,
    Frames,
    Recording,
)

_PREDICTED = (
    "ttft_s",
    "tpot_s",
    "price_musd",
    "energy_j",
    "quality",
    "utility",
)  # columns of OPTION_DTYPE from ttft_s on
_OUTCOME_BYTES = np.dtype((np.void, OUTCOME_DTYPE.itemsize))
_STEPS_PER_REPORT = 50
_USD_PER_MUSD = 1e-3
Share = Callable[[float], None]


class _Decision(NamedTuple):
    """What one node chose among."""

    job: int
    node: int
    time_s: float
    action: int
    options: np.ndarray  # int64 rows of the action table, the chosen one first
    ranks: np.ndarray  # int64 their places by predicted utility
    predicted: np.ndarray  # float32 (options, len(_PREDICTED))


class Options:
    """What a decision is recorded by: the chosen action, the MOST_OPTIONS of highest predicted utility, the best local one."""

    def __init__(self, layout: Layout) -> None:
        """layout: of the world that is played."""
        self._columns = [layout.candidate_index(name) for name in _PREDICTED]
        self._utility, route = layout.candidate_index("utility"), layout.action_table[:, 0]
        self._serves, self._is_local = route >= LOCAL, route == LOCAL

    def of(self, candidates: np.ndarray, legal: np.ndarray, action: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(actions, ranks, predicted) of one decision; candidates: (C, F), legal: (C,), action: what was chosen."""
        serve = (self._serves & (legal > 0)).nonzero()[0]
        best = serve[(-candidates[serve, self._utility]).argsort(kind="stable")]
        is_local, order = self._is_local[best], best.tolist()
        places = dict.fromkeys(range(min(MOST_OPTIONS, len(order))))
        if is_local.any():
            places[int(is_local.argmax())] = None
        rank = order.index(action) if action in order else -1
        places.pop(rank, None)
        actions = np.array([action, *(order[place] for place in places)])
        return actions, np.array([rank, *places]), candidates[actions[:, None], self._columns]


def record_episode(
    name: str,
    make_policy: MakePolicy,
    scenario: Scenario,
    seed: int,
    progress: Share | None = None,
    at_frame: Callable[[NotedEnv], None] | None = None,
) -> Recording:
    """Play the episode of a seed under a policy, with the decisions that `eval.episodes` has it take where it plays the seed alone.

    progress: called with the share that is done, 0 to 1; at_frame: called with the world at each frame, to look at it.
    """
    env = NotedEnv(scenario)
    if at_frame is not None:
        env.at_frame = partial(at_frame, env)
    policy, rng = make_policy(env.layout), policy_stream(name, seed)
    start(policy, 1)
    attach(policy, env)
    options, decisions = Options(env.layout), list[_Decision]()
    outcomes: list[np.ndarray] = []
    obs, steps, last, nobody = env.begin(seed), 0, env.last_step, np.zeros((1, env.num_agents), np.int64)
    facts = _facts(env)
    while not last.truncated[0]:
        actions = policy.act(obs, rng)
        pending = _options(env, options, obs, actions)
        decides = env.go_on(actions)
        decided, ended = np.where(last.effect == DONE, last.job, -1), [last.outcomes()]
        while not decides:  # on over frames to the next decision, as one step of `eval.episodes`
            decides = env.go_on(nobody)
            ended.append(last.outcomes())
        decisions += [one for one in pending if decided[0, one.node] == one.job and one.action != HOLD]
        outcomes.append(_together(ended))
        learn(policy, decided, outcomes[-1])
        obs, steps = env.observations(), steps + 1
        if progress and steps % _STEPS_PER_REPORT == 0 and not last.truncated[0]:
            progress(env.now_s / scenario.time.episode_s)
    busy_share = env.statistics().busy_s[0] / scenario.time.episode_s
    env.close()
    return _recording(name, seed, facts, env, _together(outcomes), decisions, busy_share)


def _together(rows: list[np.ndarray]) -> np.ndarray:
    """Rows of OUTCOME one behind the other, as bytes: numpy joins records field by field."""
    some = [part.view(_OUTCOME_BYTES) for part in rows if len(part)]
    return np.concatenate(some).view(OUTCOME_DTYPE) if some else np.zeros(0, OUTCOME_DTYPE)


def _options(env: NotedEnv, options: Options, obs: dict[str, np.ndarray], actions: np.ndarray) -> list[_Decision]:
    """Decisions that are about to be carried out."""
    jobs, now_s = env.deciding()[0], env.now_s
    candidates, mask = obs["candidates"][0], obs["action_mask"][0]
    return [
        _Decision(int(jobs[node]), node, now_s, action, *options.of(candidates[node], mask[node], action))
        for node in np.flatnonzero(jobs >= 0).tolist()
        for action in [int(actions[0, node])]
    ]


def _facts(env: NotedEnv) -> Facts:
    scene, ues = scene_of(env.scenario), env.scenario.ues
    return Facts(
        scenario=env.scenario,
        action_names=env.action_names,
        node_xy_m=scene.node_m,
        usable_bytes=scene.usable_bytes,
        neighbours=scene.neighbour,
        hotspots_xy_m=look(env).hotspots_m,
        street_spacing_m=float(getattr(ues, "street_spacing_m", 0.0)),
    )


def _recording(
    name: str,
    seed: int,
    facts: Facts,
    env: NotedEnv,
    outcomes: np.ndarray,
    decisions: list[_Decision],
    busy_share: np.ndarray,
) -> Recording:
    outcomes = outcomes[np.argsort(outcomes["job"], kind="stable")]
    lives = lives_of(env.notes, outcomes, env.scenario)
    rows, options = _decision_rows(decisions)
    return Recording(
        policy=name,
        seed=seed,
        facts=facts,
        frames=_frames(env.film),
        jobs=_jobs(outcomes, lives.ue, lives.ingress),
        outcomes=outcomes,
        legs=lives.legs,
        leg_names=lives.names,
        decisions=rows,
        options=options,
        handovers=lives.handovers,
        outages=lives.outages,
        chunks=lives.chunks,
        loads=lives.loads,
        busy_share=busy_share,
    )


def _frames(film: Film) -> Frames:
    nodes, world = film.nodes, film.world
    return Frames(
        times_s=world["now_s"],
        ue_xy_m=film.ue_xy_m.astype(np.float32),
        ue_node=film.ues["node"].astype(np.int16),
        ue_sinr_db=film.ues["sinr_db"].astype(np.float32),
        queue=nodes["n_queue"].astype(np.int16),
        inbox=nodes["n_inbox"].astype(np.int16),
        sequences=nodes["n_admitted"].astype(np.int16),
        training=nodes["n_training"].astype(np.int16),
        kv_bytes=nodes["kv_bytes"].astype(np.float32),
        training_bytes=nodes["training_bytes"].astype(np.float32),
        weight_bytes=nodes["weight_bytes"].astype(np.float32),
        load_variant=nodes["load_variant"].astype(np.int16),
        up=nodes["up"] == 1,
        cloud_running=world["cloud_running"].astype(np.int16),
        cloud_waiting=world["n_cloud_wait"].astype(np.int16),
    )


def _jobs(outcomes: np.ndarray, ue: np.ndarray, ingress: np.ndarray) -> np.ndarray:
    jobs = np.zeros(len(outcomes), JOB_DTYPE)
    for field in ("job", "service", "arrival_s", "end_s", "phase", "measured", "slo_met", "worth", "action"):
        jobs[field] = outcomes[field]
    has_first = (outcomes["ttft_s"] >= 0.0) & (outcomes["kind"] != FINETUNE)
    jobs["first_token_s"] = np.where(has_first, outcomes["arrival_s"] + outcomes["ttft_s"], np.nan)
    jobs["ue"], jobs["ingress"] = ue, ingress
    return jobs


def _decision_rows(decisions: list[_Decision]) -> tuple[np.ndarray, np.ndarray]:
    """DECISION_DTYPE and OPTION_DTYPE of what was decided."""
    counts = np.array([len(one.options) for one in decisions], np.int64)
    rows, options = np.zeros(len(decisions), DECISION_DTYPE), np.zeros(int(counts.sum()), OPTION_DTYPE)
    for field in ("job", "node", "time_s", "action"):
        rows[field] = [getattr(one, field) for one in decisions]
    rows["first_option"], rows["options"] = np.cumsum(counts) - counts, counts
    if len(decisions):
        options["action"] = np.concatenate([one.options for one in decisions])
        options["rank"] = np.concatenate([one.ranks for one in decisions])
        options["chosen"][rows["first_option"]] = 1
        predicted = np.concatenate([one.predicted for one in decisions])
        predicted[:, _PREDICTED.index("price_musd")] *= _USD_PER_MUSD
        for column, field in enumerate(list(OPTION_DTYPE.fields or ())[3:]):
            options[field] = predicted[:, column]
    return rows, options
