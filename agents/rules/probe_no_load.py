"""Rule `probe-no-load`."""

from __future__ import annotations

import numpy as np

from agents.policy import Observation, register
from agents.rules._jobs import Entries, Jobs
from agents.rules._plans import REFERENCES, reference_rows
from edge6g_env.spaces import Layout


@register("probe-no-load")
class ProbeNoLoad:
    """A probe: `restricted` on forecasts from which the load was taken.

    utility + value quality (t0 - t): t is the timeliness that is forecast, t0 that of a first token without the wait and, at an edge
    node, of a pace less the iteration that runs there, max(0, tpot - cycle); of both the scenario's formula (docs/world.md,
    timeliness). What an answer costs, which weights have to be loaded, the share of prompts in the pace and how busy the device is, it
    sees; progress of fine-tuning stays as it is forecast. Where a scenario is won by it the nodes need not know how long anything
    waits. All rows where neither `restricted` nor `static` has values.
    """

    privileged = False
    needs_candidates = True
    reads_values_of = REFERENCES

    def __init__(self, layout: Layout) -> None:
        self._entries, self._rows = Entries(layout), reference_rows(layout)

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """Deterministic; see Policy.act."""
        jobs = self._entries.of(obs)
        answer = jobs.entry("job/value")[:, None] * jobs.candidate("quality")
        more = answer * (_alone(jobs) - jobs.candidate("timeliness"))
        answers = jobs.entry("job/finetune")[:, None] == 0.0
        return jobs.actions(jobs.nearest(self._rows), jobs.candidate("utility") + np.where(answers, more, 0.0))


def _alone(jobs: Jobs) -> np.ndarray:
    """Timeliness of each candidate, as if nothing else ran there, float32 (n, C)."""
    at_node = (jobs.candidate("ingress_share") + jobs.candidate("target_share") > 0.0) & (
        jobs.candidate("is_cloud") == 0.0
    )
    ttft_s, tpot_s = jobs.candidate("ttft_s") - jobs.candidate("wait_s"), jobs.candidate("tpot_s")
    tpot_s = np.where(at_node, np.maximum(tpot_s - jobs.candidate("cycle_s"), 0.0), tpot_s)
    deadline_s = jobs.entry("job/deadline_s")[:, None]
    latency_s = ttft_s + (jobs.entry("job/mean_output_tokens")[:, None] - 1.0) * tpot_s
    apart = _in_time(jobs.entry("job/ttft_slo_s")[:, None], ttft_s) * _in_time(
        jobs.entry("job/tpot_slo_s")[:, None], tpot_s
    )
    return np.where(deadline_s > 0.0, _in_time(deadline_s, latency_s), apart)


def _in_time(objective_s: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    return np.minimum(1.0, objective_s / np.maximum(time_s, 1e-9))
