"""Stepping worlds in a thread while the learner works: the same weights at any speed, its job to each decision, and orderly ends."""

import os
import signal
import threading
import time
from concurrent.futures import Executor, Future
from functools import partial
from itertools import count

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback

import train.scorer
from edge6g_env import load_scenario, sb3_vec_env
from tests.looking import slots_of
from train.learner import Learner
from train.scorer import ScorerAlgorithm

SETTINGS = {"batch_decisions": 48, "minibatch": 24}
LONGEST_S = 60.0  # of any wait, on a busy machine


def algorithm(scenario, worlds=(2, 2), seed=1, threads=1):
    envs = [sb3_vec_env(scenario, n, threads=threads, observe="candidates", skip_idle=True) for n in worlds]
    return ScorerAlgorithm(envs, seed, **SETTINGS)


def weights(model):
    return [tensor.clone() for tensor in model.policy.net.state_dict().values()]


def wrap_steps(model, before):
    """Call `before(half)` in the stepping thread ahead of every step."""
    for number, half in enumerate(model._halves):

        def stepped(actions, step=half.env.batch.advance, number=number):
            before(number)
            return step(actions)

        half.env.batch.advance = stepped


@pytest.fixture
def new_threads():
    """Threads that have come since the test began."""
    before = set(threading.enumerate())
    return lambda: set(threading.enumerate()) - before


class Sleeps(BaseCallback):
    """The learner is slow now and then, and the thread is far ahead of it."""

    def _on_step(self):
        time.sleep(0.003 if self.n_calls % 3 == 0 else 0.0)
        return True


class Inline(Executor):
    """Steps at once, in the caller's thread."""

    def __init__(self, *_):
        pass

    def submit(self, function, *arguments):
        done = Future()
        done.set_result(function(*arguments))
        return done


@pytest.mark.parametrize("worlds", [(2, 2), (2, 1), (1,)])
def test_weights_do_not_depend_on_the_speed_of_the_threads(scenario, worlds, monkeypatch):
    """A slow stepping thread, a slow learner, two threads a half, no thread at all: the same weights, bit for bit."""
    rng = np.random.default_rng(0)
    slow, hurried, two, inline = (algorithm(scenario, worlds, threads=n) for n in (1, 1, 2, 1))
    wrap_steps(slow, lambda _: time.sleep(0.004 * rng.random()))
    slow.learn(100)
    hurried.learn(100, callback=Sleeps())
    two.learn(100)
    for half in two._halves:
        half.env.close()
    monkeypatch.setattr(train.scorer, "ThreadPoolExecutor", Inline)
    inline.learn(100)
    for other in (hurried, two, inline):
        assert other.num_timesteps == slow.num_timesteps
        assert all(torch.equal(a, b) for a, b in zip(weights(slow), weights(other), strict=True))


def test_one_half_is_stepped_while_the_network_works_on_the_other(scenario):
    """The first step of the first half ends only when the second half has been acted on."""
    model, acted = algorithm(scenario), threading.Event()
    act = model._act

    def seen(half, obs):
        if half is model._halves[1]:
            acted.set()
        return act(half, obs)

    model._act = seen
    wrap_steps(model, lambda number: number or acted.wait(LONGEST_S))
    model.learn(100)
    assert acted.is_set()


def test_each_decision_gets_the_worth_of_its_own_job():
    """Against the outcomes by (world, agent, slot of the decision), in both halves; no number of a job is looked at."""
    model = algorithm(load_scenario("tiny", **{"arrivals.rate_jobs_s": 8.0}), worlds=(2, 1))
    decided, worths, now, credited = [], {}, [], []
    act, add, update = model._act, model._decisions.add, model._update

    def acting(half, obs):
        slots, agents = slots_of(half.env.batch), half.env.batch.num_agents
        places = (divmod(place, agents) for place in model._shortlist(obs).places.tolist())
        now[:] = [(half.first + world, agent, int(slots[world])) for world, agent in places]
        return act(half, obs)

    def adding(worlds, jobs, situations, choice, log_prob, value):
        number = torch.arange(len(decided), len(decided) + len(now), dtype=torch.float32)
        decided.extend(now)
        add(worlds, jobs, situations, choice, log_prob, number)  # in place of its value each decision bears its number

    def updating(batch):
        credited.extend(zip(batch.value.int().tolist(), batch.worth.tolist(), strict=True))
        update(batch)

    def finishing(half, finish):
        obs, outcomes = finish()
        for world, agent, slot, worth in zip(*(outcomes[n] for n in ("world", "agent", "slot", "worth")), strict=True):
            worths.setdefault((half.first + int(world), int(agent), int(slot)), []).append(float(worth))
        return obs, outcomes

    def start():  # makes new decisions
        type(model)._start_anew(model)
        nonlocal add
        add, model._decisions.add = model._decisions.add, adding

    model._act, model._update, model._start_anew = acting, updating, start
    for half in model._halves:
        half.finish = partial(finishing, half, half.finish)
    model.learn(600)
    assert len(credited) > 300
    assert len({number for number, _ in credited}) == len(credited)
    assert {decided[number][0] for number, _ in credited} == {0, 1, 2}
    for number, worth in credited:
        assert worths[decided[number]] == [pytest.approx(worth)]


def test_what_a_step_raises_reaches_the_caller_and_no_thread_is_left(scenario, new_threads):
    """And the next learn goes on."""
    model, steps = algorithm(scenario), count()

    def fails(number):
        if next(steps) == 9:
            raise ArithmeticError("in the thread")

    wrap_steps(model, fails)
    with pytest.raises(ArithmeticError, match="in the thread"):
        model.learn(10_000)
    assert not new_threads()
    decisions = model.num_timesteps
    model.learn(100, reset_num_timesteps=False)
    assert model.num_timesteps >= decisions + 100
    assert not new_threads()


def test_an_interrupt_amid_a_step_waits_for_it(scenario, new_threads):
    """Ctrl-C comes while the learner waits for a step: the interrupt goes on to the caller when the step is done, and no thread is left."""
    model, steps, ended = algorithm(scenario), count(), []

    def interrupted(number):
        if next(steps) == 7:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            ended.append(number)

    wrap_steps(model, interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.learn(10_000)
    assert len(ended) == 1
    assert not new_threads()
    assert all(half._step is None or half._step.done() for half in model._halves)
    decisions = model.num_timesteps
    model.learn(100, reset_num_timesteps=False)
    assert model.num_timesteps >= decisions + 100


def test_learning_anew_forgets_what_was_under_way(scenario):
    """A second run from the same worlds' seeds, after another one that left steps and decisions open: all as in a first run."""
    again, first = algorithm(scenario), algorithm(scenario)
    again.learn(50)  # ends before the first batch of decisions
    for model in (again, first):
        model.set_random_seed(7)
        model._generator.manual_seed(7)
        model.policy.net.load_state_dict(first.policy.net.state_dict())
        model.policy.optimizer.state.clear()
        model.learn(100)
    assert again.num_timesteps == first.num_timesteps
    assert all(torch.equal(a, b) for a, b in zip(weights(again), weights(first), strict=True))


@pytest.mark.parametrize("num_worlds", [1, 2, 5])
@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_worlds_is_halved_and_all_threads_end(scenario, num_worlds, threads, monkeypatch, new_threads):
    for name, value in SETTINGS.items():
        monkeypatch.setitem(train.scorer.SETTINGS, name, value)
    learner = Learner(scenario, "scorer", 0, num_worlds, threads)
    halves = learner.model._halves
    sizes = [half.env.batch.num_worlds for half in halves]
    assert sum(sizes) == num_worlds
    assert max(sizes) - min(sizes) <= 1
    assert [half.first for half in halves] == np.cumsum([0, *sizes[:-1]]).tolist()
    learner.model.learn(60)
    learner.close()
    assert learner.model.num_timesteps >= 60
    assert not new_threads()
