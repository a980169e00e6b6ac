"""Direct search of linear weights: whole episodes in the kernel, no gradient, no credit of single decisions.

Each generation plays its candidates on the same fresh seeds; a candidate's reward is the mean worth of the measured jobs. The search itself
is `train.evolution`. Every few generations the search point and its running mean are played on the validation seeds; the best is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from agents.learned.linear import LinearPolicy
from agents.learned.reading import Reads
from agents.weights import weighed, weighted_entries
from edge6g_env.scenario import Scenario
from train.evolution import Evolution, SearchState
from train.flights import Flights
from train.seeds import world_seed
from train.spreads import spreads, step_variances

# Found by a study on campus and tiny: with a larger step the search wanders; with the cap it stays where the running mean means something.
SETTINGS: dict[str, Any] = {"population": 16, "sigma": 0.06, "sigma_cap": 0.12, "validate_every": 5}
EPISODES = 6  # of each candidate in a generation


class _OutOfTime(Exception):
    """The callback said no in the midst of a generation."""


class SearchAlgorithm:
    """What the callbacks of Stable-Baselines3 need of a model, over a search: `num_timesteps` counts decisions of whole generations.

    A generation that does not come to its end leaves no trace: it is played again, alike, by whoever goes on.
    """

    def __init__(
        self, scenario: Scenario, seed: int, episodes: int = EPISODES, threads: int = 1, **settings: Any
    ) -> None:
        """episodes: of each candidate in a generation. Raises what the environment raises for `threads`."""
        self.settings = {**SETTINGS, **settings}
        self._flights, self._seed, self._episodes = Flights(scenario, threads), seed, episodes
        layout = self._flights.layout
        self.reads = Reads((), weighed(layout, weighted_entries(layout)))
        self._evolution = Evolution(self.settings["population"], self.settings["sigma_cap"], seed)
        self._at: tuple[SearchState | None, int] = None, 0  # one attribute: an interrupt never comes between the two
        self.logger: Logger | None = None

    @property
    def state(self) -> SearchState:
        """Where the search is; where it begins, if it has not."""
        state, decisions = self._at
        if state is None:
            seeds = [world_seed(self._seed, 0, n) for n in range(self._episodes)]
            entries = self.reads.candidates
            variances = step_variances(spreads(self._flights.scenario, entries, seeds))
            state = SearchState.at(np.zeros(len(entries)), self.settings["sigma"], variances)
            self._at = state, decisions
        return state

    @state.setter
    def state(self, state: SearchState) -> None:
        self._at = state, self._at[1]

    @property
    def num_timesteps(self) -> int:
        """Decisions of the generations that were told."""
        return self._at[1]

    @num_timesteps.setter
    def num_timesteps(self, decisions: int) -> None:
        self._at = self._at[0], decisions

    def set_logger(self, logger: Logger) -> None:
        """Where generations are told of."""
        self.logger = logger

    def get_env(self) -> None:
        """There is none that a callback could look at."""
        return None

    def close(self) -> None:
        """Let the threads of the simulator go."""
        self._flights.close()

    def policy(self, weights: np.ndarray) -> LinearPolicy:
        """The policy of a search point."""
        return LinearPolicy(self._flights.layout, self.reads, weights)

    def points(self) -> list[np.ndarray]:
        """What a validation plays: the search point, and its running mean where it is another."""
        mean, running = self.state.mean, self.state.running_mean
        return [mean] if np.array_equal(mean, running) else [mean, running]

    def learn(self, total_timesteps: int, callback: BaseCallback, reset_num_timesteps: bool = False) -> SearchAlgorithm:
        """Search until the callback says no, or at least total_timesteps decisions were taken in all."""
        callback.init_callback(self)  # type: ignore[arg-type]
        callback.on_training_start(locals(), globals())

        def tick() -> None:
            if not callback.on_step():
                raise _OutOfTime

        self._flights.tick = tick
        try:
            while self.num_timesteps < total_timesteps:
                self._generation()
                if int(self.state.generation) % self.settings["validate_every"] == 0:
                    callback.on_rollout_end()
        except _OutOfTime:
            pass
        callback.on_training_end()
        return self

    def _generation(self) -> None:
        """Play and tell one generation."""
        generation, points = int(self.state.generation), self._evolution.ask(self.state)
        seeds = [world_seed(self._seed, generation, n) for n in range(self._episodes)]
        flown = self._flights([self.policy(point) for point in points], seeds)
        told = self._evolution.tell(self.state, points, flown.means)
        self._at = told, self.num_timesteps + flown.decisions
        if self.logger is not None:
            self.logger.record("train/population_reward", float(flown.means.mean()))
            self.logger.record("train/step_size", float(told.sigma))
            self.logger.record("train/generation", int(told.generation))
            self.logger.record("train/weights_norm", float(np.linalg.norm(told.mean)))
            self.logger.dump(self.num_timesteps)
