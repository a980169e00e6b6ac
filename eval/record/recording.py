"""What is kept of one episode of one policy: all that jobs.csv.gz, the trace, the time lines and the replay are written from.

Times are s since the start of the episode, places in m from the south-west corner of the area. Arrays of records are flat: `job` in a row
is the running number of the job, by which all of them go together, and the same job for every policy on the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge6g_env.lives import CLOUD as CLOUD
from edge6g_env.lives import HANDOVER_DTYPE as HANDOVER_DTYPE
from edge6g_env.lives import LEG_DTYPE as LEG_DTYPE
from edge6g_env.lives import OUTAGE_DTYPE as OUTAGE_DTYPE
from edge6g_env.lives import SPAN_DTYPE as SPAN_DTYPE
from edge6g_env.lives import UE as UE
from edge6g_env.noting import FRAMES_PER_S as FRAMES_PER_S
from edge6g_env.scenario import Scenario

MOST_OPTIONS = 5  # candidates of highest predicted utility that are kept of a decision

JOB_DTYPE = np.dtype(
    [
        ("job", np.int32),
        ("service", np.int16),  # index into Scenario.service
        ("ue", np.int32),
        ("ingress", np.int16),  # node that it came to
        ("arrival_s", np.float64),
        ("end_s", np.float64),
        ("first_token_s", np.float64),  # NaN: there was none
        ("phase", np.int8),  # index into edge6g_env.kernel.codes.PHASE_NAMES: finished, rejected, expired, failed, cut
        ("measured", np.int8),  # it counts in the metrics
        ("slo_met", np.int8),
        ("worth", np.float64),  # reward that it brought
        ("action", np.int32),  # the last decision, -1: none
    ]
)
DECISION_DTYPE = np.dtype(
    [
        ("job", np.int32),
        ("node", np.int16),  # that decided
        ("time_s", np.float64),  # start of the slot in which it was carried out
        ("action", np.int32),  # row of the action table, see Facts.action_names
        ("first_option", np.int32),  # rows of Recording.options: [first_option, first_option + options)
        ("options", np.int16),
    ]
)
OPTION_DTYPE = np.dtype(
    [
        ("action", np.int32),
        ("chosen", np.int8),  # what was decided; the first of its decision
        ("rank", np.int16),  # among the legal ones by predicted utility, from 0; reject and hold are none
        ("ttft_s", np.float32),  # predicted, as all that follows
        ("tpot_s", np.float32),
        ("price_usd", np.float32),
        ("energy_j", np.float32),
        ("quality", np.float32),
        ("utility", np.float32),
    ]
)


@dataclass(frozen=True)
class Facts:
    """What does not change in an episode."""

    scenario: Scenario
    """The whole of it: names of services, models, variants, devices, the area, the slot, the length of an episode."""
    action_names: list[str]
    """Each action in words, by row of the action table."""
    node_xy_m: np.ndarray
    """float64 (N, 2)."""
    usable_bytes: np.ndarray
    """float64 (N,) memory of each node for weights and KV."""
    neighbours: np.ndarray
    """int64 (N, K) nodes, nearest first."""
    hotspots_xy_m: np.ndarray
    """float64 (H, 2), of this seed; (0, 2) where UEs have none."""
    street_spacing_m: float
    """0 where UEs do not walk along streets."""


@dataclass(frozen=True)
class Frames:
    """F looks at the world, FRAMES_PER_S a second or one a slot where slots are longer; the first at 0, the last before the end."""

    times_s: np.ndarray
    """float64 (F,)."""
    ue_xy_m: np.ndarray
    """float32 (F, U, 2); the same for every policy on a seed."""
    ue_node: np.ndarray
    """int16 (F, U) node of the serving cell; likewise."""
    ue_sinr_db: np.ndarray
    """float32 (F, U) uplink SINR over the whole band, at its last estimate."""
    queue: np.ndarray
    """int16 (F, N) jobs that wait for a decision."""
    inbox: np.ndarray
    """int16 (F, N) jobs that wait for weights, memory or prefill."""
    sequences: np.ndarray
    """int16 (F, N) sequences that hold KV memory: they decode, or their prompt is computed."""
    training: np.ndarray
    """int16 (F, N) training jobs with memory."""
    kv_bytes: np.ndarray
    """float32 (F, N)."""
    training_bytes: np.ndarray
    """float32 (F, N) what training jobs hold beside weights."""
    weight_bytes: np.ndarray
    """float32 (F, N) resident weights and those under way."""
    load_variant: np.ndarray
    """int16 (F, N) variant that is being loaded, -1: none."""
    up: np.ndarray
    """bool (F, N) the node's server runs."""
    cloud_running: np.ndarray
    """int16 (F,) places in use at the cloud."""
    cloud_waiting: np.ndarray
    """int16 (F,) jobs that wait for one."""


@dataclass(frozen=True)
class Recording:
    """One episode of one policy."""

    policy: str
    seed: int
    facts: Facts
    frames: Frames
    jobs: np.ndarray
    """(J,) JOB_DTYPE, by number: all that arrived, measured or not."""
    outcomes: np.ndarray
    """(J,) OUTCOME (docs/state.md) of the same jobs; their `world` is 0."""
    legs: np.ndarray
    """(L,) LEG_DTYPE, by job, then by time. They partition a job's time, from its arrival to its end, without gaps or overlap."""
    leg_names: tuple[str, ...]
    """Names of legs and waits; waits begin with `wait `: `wait decision`, `wait memory`, `wait load`, `wait queue`, ..."""
    decisions: np.ndarray
    """(D,) DECISION_DTYPE, by time: those that were carried out; a job that came back after a fault has several."""
    options: np.ndarray
    """(O,) OPTION_DTYPE: of each decision the one that was chosen, then the MOST_OPTIONS legal ones of highest predicted utility, best
    first, then the best of route `local` if it is legal; none stands twice."""
    handovers: np.ndarray
    """(H,) HANDOVER_DTYPE, by time; the same for every policy on a seed."""
    outages: np.ndarray
    """(X,) OUTAGE_DTYPE, by their beginning."""
    chunks: np.ndarray
    """(C,) SPAN_DTYPE: chunks of prompts and slices of training at nodes, by time."""
    loads: np.ndarray
    """(W,) SPAN_DTYPE: weights that were loaded at nodes, by time."""
    busy_share: np.ndarray
    """float64 (N,) share of the episode in which the node computed chunks, slices or a batch."""

    def legs_of(self, job: int) -> np.ndarray:
        """Rows of `legs` of one job, by time."""
        first, end = np.searchsorted(self.legs["job"], [job, job + 1])
        return self.legs[first:end]

    def options_of(self, decision: int) -> np.ndarray:
        """Rows of `options` of a decision, by its place in `decisions`."""
        row = self.decisions[decision]
        return self.options[row["first_option"] : row["first_option"] + row["options"]]
