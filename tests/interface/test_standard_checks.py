"""The checks that PettingZoo, Gymnasium and Stable-Baselines3 ship, over all scenarios."""

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from edge6g_env import env, parallel_env
from edge6g_env.gym import Edge6gEnv

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PettingZoo warns of every observation that is a dict


def test_pettingzoo_parallel_api(scenario, observe, short):
    parallel_api_test(parallel_env(scenario, observe=observe, **short), num_cycles=100)


def test_pettingzoo_aec_api(scenario, observe, short):
    api_test(env(scenario, observe=observe, **short), num_cycles=100)


def test_pettingzoo_seeds(scenario):
    parallel_seed_test(lambda: parallel_env(scenario), num_cycles=30)
    seed_test(lambda: env(scenario), num_cycles=30)


def test_gymnasium(scenario, observe):
    check_env(Edge6gEnv(scenario, observe=observe), skip_render_check=True)


def test_gymnasium_of_what_make_returns(scenario):
    spec = next(s for s in gymnasium.registry.values() if s.kwargs.get("scenario") == scenario)
    assert isinstance(gymnasium.make(spec.id), Edge6gEnv)  # which test_gymnasium checks


def test_stable_baselines3(scenario):
    sb3_check_env(Edge6gEnv(scenario), skip_render_check=True)
