"""`ppo` and `mappo` where settings vary: each world as alone with its own value, another one in every episode, and ranges wide enough."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

import train.run
from edge6g_env import load_scenario
from edge6g_env.batch import BatchEnv
from edge6g_env.errors import UserError
from edge6g_env.sb3 import AgentVecEnv
from edge6g_env.spaces import Layout
from tests.looking import episodes, seeds
from train.checkpoint import CheckpointError, load_policy, read_progress, read_record
from train.learner import Learner
from train.mappo import TEAM_REWARD, PromptVecEnv
from train.seeds import world_seed
from train.setup import Setup
from train.shortlisted import ShortlistVecEnv
from train.worlds import Draws, varied_of

WORDS = ("arrivals.rate_jobs_s=5.0:11", "service.assistant.value=1:4")
FORMS = pytest.mark.parametrize(("algo", "candidates"), [("ppo", None), ("mappo", True), ("mappo", False)])


def setup(scenario, algo, candidates=None, words=WORDS, **options):
    settings = {"n_steps": 16, "batch_size": 32} | ({} if candidates is None else {"candidates": candidates})
    varied = varied_of(words, [scenario])
    return Setup(
        (scenario,), algo, 3, settings=settings, varied=varied, **{"decisions": 100, "num_worlds": 2, **options}
    )


def lone(learner, scenario, seed, episode):
    """What steps the world of an episode in a run that varies nothing, at its start."""
    trainer, settings = learner._trainer, learner.setup
    draws, mappo = Draws(scenario, settings.varied), settings.algo == "mappo"
    drawn = load_scenario(draws(seed, episode), **(TEAM_REWARD if mappo else {}))
    with_candidates = trainer.settings.get("candidates", False)
    batch = BatchEnv(drawn, 1, skip_idle=True, observe="candidates" if with_candidates else "plain")
    if with_candidates:
        env = ShortlistVecEnv(batch, trainer.reads, trainer.config["top"], state=True)
    else:
        env = PromptVecEnv(batch, state=True) if mappo else AgentVecEnv(batch)
    env.seed(seed)
    obs = env.reset()
    for _ in range(episode):
        obs = env.reset()
    return env, obs


def equal(mine, theirs):
    """Observations or infos, by name."""
    return mine.keys() == theirs.keys() and all(
        equal(mine[name], of) if isinstance(of, dict) else np.array_equal(mine[name], of) for name, of in theirs.items()
    )


@FORMS
def test_each_world_is_as_alone_with_the_value_of_its_episode(scenario, algo, candidates):
    """Observations, masks, rewards and infos, with the last observation of each episode; seeds as without variation."""
    learner, rng, ends = Learner(setup(scenario, algo, candidates)), np.random.default_rng(0), 0
    env, agents = learner._trainer._env, scenario.nodes.count
    obs, own = env.reset(), [world_seed(3, 0, b) for b in range(2)]
    assert seeds(env.batch) == own
    others = [lone(learner, scenario, seed, 0) for seed in own]
    while ends < 3:
        masks, expected = env.action_masks(), [other.action_masks() for other, _ in others]
        assert np.array_equal(masks, np.concatenate(expected))
        assert equal(obs, {name: np.concatenate([told[name] for _, told in others]) for name in obs})
        actions = np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)
        obs, rewards, dones, infos = env.step(actions)
        for b in range(2):
            place, other = slice(agents * b, agents * b + agents), others[b][0]
            told, theirs, ended, said = other.step(actions[place])
            assert np.array_equal(rewards[place], theirs)
            assert np.array_equal(dones[place], ended)
            assert all(map(equal, infos[place], said))
            if ended[0]:
                ends += 1
                assert "terminal_observation" in infos[place.start]
                others[b] = lone(learner, scenario, own[b], episodes(env.batch)[b])
            else:
                others[b] = other, told
    learner.close()


def rates(learner):
    """Arrivals by seed and number of the episode, as the worlds of a run meet them."""
    batch, found = learner._trainer._env.batch, {}
    learner._trainer._env.reset()
    for _ in range(3):
        for b, met in enumerate(zip(seeds(batch), episodes(batch), strict=True)):
            found[met] = batch._scenario_of(*met).arrivals.rate_jobs_s
            assert batch._runs[b].args[0].world.reward[0].reward_mix == (learner.setup.algo == "mappo")
        batch.reset()
    learner.close()
    return found


@pytest.mark.parametrize("algo", ["ppo", "mappo"])
def test_every_world_episode_run_and_training_draws_its_own(scenario, tmp_path, algo):
    learner = Learner(setup(scenario, algo))
    learner.save(tmp_path, 1.0, policy=True)
    resumed, other = Learner(setup(scenario, algo)), Learner(setup(scenario, algo, num_worlds=3))
    resumed.load(tmp_path)
    first, later, more = map(rates, (learner, resumed, other))
    assert len(first) == len(later) == 6
    assert not first.keys() & later.keys()
    assert first.items() <= more.items()
    drawn = [*first.values(), *later.values()]
    assert len(set(drawn)) == 12
    assert 5.0 <= min(drawn) < 7.0 < 9.0 < max(drawn) <= 11.0


@pytest.mark.parametrize(("algo", "candidates"), [("ppo", None), ("mappo", True)])
def test_a_run_says_what_varied_reads_the_widest_ranges_and_goes_on(scenario, tmp_path, quick, algo, candidates):
    out, console = tmp_path / "run", Console(file=io.StringIO(), width=200)
    train.run.train(setup(scenario, algo, candidates), out, console=console)
    record = read_record(out)
    assert record["varied"] == {"arrivals.rate_jobs_s": "5.0:11.0", "service.assistant.value": "1:4"}
    assert record["trained_on"] == scenario.label
    assert load_policy(out).hparams["service.assistant.value"] == "1:4"
    layouts = [Layout(load_scenario(scenario, **{"service.assistant.value": value})) for value in (1.0, 4.0)]
    wider = 0
    for kind in ("observation", "candidates"):
        for entry in record["layout"][kind]:
            if entry["unit"] == "s" and kind == "candidates":
                continue  # read in seconds, whatever the range is
            of = [next(f for f in getattr(one, kind) if f.name == entry["name"]) for one in layouts]
            assert (entry["low"], entry["high"]) == (min(f.low for f in of), max(f.high for f in of))
            wider += of[0] != of[1]
    assert wider > 0
    before = read_progress(out)
    for words in ((), WORDS[:1], ("arrivals.rate_jobs_s=5.0:12", WORDS[1])):
        with pytest.raises(
            CheckpointError, match=r"varies arrivals.rate_jobs_s=5.0:11.0, .*: --vary must say the same"
        ):
            train.run.train(setup(scenario, algo, candidates, words, decisions=900), out, resume=True)
    assert read_progress(out) == before
    more = setup(scenario, algo, candidates, decisions=before.decisions + 50)
    train.run.train(more, out, resume=True, console=console)
    after = read_progress(out)
    assert (after.runs, after.decisions >= before.decisions + 50) == (2, True)


REFUSED = {
    "nodes.count=3:5": r"the number of agents is 3 in tiny_v0, .*, 5 with nodes.count = 5; ALGO learns where .*, scorer, search wherever",
    "ues.per_node=2:4": "the number of UEs is 12 in tiny_v0.*, 6 with ues.per_node = 2",
    "nodes.neighbours=1:2": "observation entry 63 is 'neighbour_2/exists' in tiny_v0.*, none with nodes.neighbours = 1",
    "serving.queue_jobs=8:64": "the size of 'queue' in a world is .*, .* with serving.queue_jobs = 8",
}


@pytest.mark.parametrize("algo", ["ppo", "mappo"])
@pytest.mark.parametrize("word", REFUSED)
def test_what_changes_more_than_values_is_refused_and_leaves_nothing(scenario, tmp_path, algo, word):
    message = f"--vary {word}: {REFUSED[word].replace('ALGO', algo)}"
    with pytest.raises(UserError, match=message):
        train.run.train(setup(scenario, algo, words=[WORDS[0], word]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mappo_has_one_reward_for_all(scenario, tmp_path):
    with pytest.raises(UserError, match=r"--vary reward\.reward_mix: mappo pays all agents by the mean"):
        train.run.train(setup(scenario, "mappo", words=["reward.reward_mix=0.0:1"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    Learner(setup(scenario, "ppo", words=["reward.reward_mix=0.0:1"])).close()
