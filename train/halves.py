"""The worlds of a run in halves: while one is stepped in a thread, the learner works on the other."""

from __future__ import annotations

from concurrent.futures import Executor, Future

import numpy as np

from edge6g_env._last_step import LastStep
from edge6g_env.kernel.fields import OUTCOME_DTYPE
from edge6g_env.sb3 import AgentVecEnv


class Half:
    """Some worlds of a run. Nothing may be read of them between `begin` and `finish`: another thread steps them."""

    def __init__(self, env: AgentVecEnv, first: int) -> None:
        """first: number of its first world in the run."""
        self.env, self.first = env, first
        self._step: Future[LastStep] | None = None

    def begin(self, thread: Executor, actions: np.ndarray) -> None:
        """Have the worlds stepped there; actions int64 (B, N), rows of the action table."""
        self._step = thread.submit(self.env.batch.advance, actions)

    def finish(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Observations and outcomes of the step, when it is done; what it raised is raised.

        Without a step they are those of now, with no outcomes. An interrupt of the wait leaves the step to be finished.
        """
        if self._step is None:
            return self.env.batch.observations(), np.zeros(0, OUTCOME_DTYPE)
        step = self._step
        step.exception()
        self._step = None
        return self.env.batch.observations(), step.result().outcomes()

    def drop(self) -> None:
        """Forget a step that is done: the worlds are put elsewhere."""
        self._step = None

    def jobs(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Jobs that the agents `places` (n,), counted world by world, decide now: world in the run and running number, int (n,)."""
        return self.first + places // self.env.batch.num_agents, self.env.batch.deciding().reshape(-1)[places]
