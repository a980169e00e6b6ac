"""jobs.csv.gz of a recording: the columns of `compare`, then the time of each leg and wait."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eval.jobs import jobs_frame
from eval.record.recording import Recording


def column_of(name: str) -> str:
    """The column of a leg or wait of `Recording.leg_names`: leg_uplink_s, wait_cloud_place_s."""
    words = name if name.startswith("wait ") else f"leg {name}"
    return f"{words.replace(' ', '_')}_s"


def seconds_of(recording: Recording, until_s: np.ndarray | None = None) -> np.ndarray:
    """float64 (J, names): time in s that each job has spent in each leg and wait, repeats summed.

    until_s: (J,) instants up to which it counts, NaN for not at all; None: all of it.
    """
    legs, numbers = recording.legs, recording.jobs["job"]
    job = np.searchsorted(numbers, legs["job"])
    ends_s = legs["end_s"] if until_s is None else np.fmin(legs["end_s"], until_s[job])
    spent_s = np.maximum(ends_s - legs["start_s"], 0.0)
    if until_s is not None:
        spent_s[np.isnan(until_s[job])] = 0.0
    at, size = job * len(recording.leg_names) + legs["name"], len(numbers) * len(recording.leg_names)
    return np.bincount(at, spent_s, size).reshape(len(numbers), len(recording.leg_names))


def lives_frame(recording: Recording) -> pd.DataFrame:
    """The measured jobs, a row each: jobs_frame, then leg_NAME_s and wait_NAME_s, which sum to end_s - arrival_s."""
    measured = recording.outcomes["measured"] == 1
    frame = jobs_frame(recording.policy, [recording.seed], recording.outcomes[measured], recording.facts.scenario)
    spent_s = seconds_of(recording)[measured]
    lives = pd.DataFrame(spent_s, columns=[column_of(name) for name in recording.leg_names])
    return pd.concat([frame, lives], axis=1)
