"""edge6g as tasks of BenchMARL, ready to import: `Edge6gTask.TINY.get_task()`, of other scenarios `get_task(config={...})`.

Agents are one group, `node`; masks, the state for critics and truncated ends are passed on. Observations and state are scaled.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarl.environments.common import Task, TaskClass
from torchrl.data import Unbounded
from torchrl.envs import ObservationTransform, PettingZooWrapper

from agents.learned.scaling import Scaler
from edge6g_env import parallel_env
from edge6g_env.must_decide import MustDecide

SEEN, GROUP, STATE, MASK = ("node", "observation", "observation"), "node", "state", "action_mask"


class Scaled(ObservationTransform):
    """Entries in their units (..., D) over their ranges, around [-1, 1]."""

    def __init__(self, features: Sequence, key):
        super().__init__(in_keys=[key], out_keys=[key])
        self.scaler = Scaler(features)

    def _apply_transform(self, entries):
        return self.scaler(entries)

    def _reset(self, tensordict, tensordict_reset):
        return self._call(tensordict_reset)

    def transform_observation_spec(self, observation_spec):
        (key,) = self.in_keys
        observation_spec[key] = Unbounded(observation_spec[key].shape, device=observation_spec.device)
        return observation_spec


class Edge6gClass(TaskClass):
    """Its config: `scenario`, a name or path, and any options and overrides of `edge6g_env.parallel_env`."""

    def get_env_fun(self, num_envs, continuous_actions, seed, device):
        return lambda: PettingZooWrapper(
            MustDecide(parallel_env(**self.config)), return_state=True, seed=seed, device=device
        )

    def get_env_transforms(self, env):
        return [Scaled(env.layout.observation, SEEN), Scaled(env.layout.state, STATE)]

    def supports_continuous_actions(self):
        return False

    def supports_discrete_actions(self):
        return True

    def has_render(self, env):
        return False

    def max_steps(self, env):  # fewer with skip_idle; the end of an episode comes by itself
        return round(env.scenario.time.episode_s / env.scenario.time.slot_s)

    def group_map(self, env):
        return env.group_map

    def observation_spec(self, env):
        return _only(env, GROUP, MASK)

    def action_mask_spec(self, env):
        return _only(env, GROUP, "observation")

    def state_spec(self, env):
        spec = env.observation_spec.clone()
        del spec[GROUP]
        return spec

    def info_spec(self, env):
        return None

    def action_spec(self, env):
        return env.full_action_spec

    @staticmethod
    def env_name():
        return "edge6g"


def _only(env, group, without):
    """What agents observe, without an entry and without the state."""
    spec = env.observation_spec.clone()
    del spec[STATE], spec[group, without]
    return spec


class Edge6gTask(Task):
    """TINY has its yaml file beside this one; `get_task(config={"scenario": ...})` makes any other."""

    TINY = None

    @staticmethod
    def associated_class():
        return Edge6gClass

    def get_from_yaml(self, path=None):
        """BenchMARL looks for it in its own folder otherwise."""
        return super().get_from_yaml(path or str(Path(__file__).with_name(f"{self.name.lower()}.yaml")))
