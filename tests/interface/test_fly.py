"""`BatchEnv.fly`: a compiled policy inside the kernel decides as through the doors, to the bit, and stops where it is told to."""

import numpy as np
import pytest

import edge6g_env
from agents.policy import make_rule
from edge6g_env import BatchEnv, CompiledPolicy, batch_env
from edge6g_env.errors import UserError
from edge6g_env.features import seconds, unscaled
from edge6g_env.kernel import codes
from eval.episodes import run_episodes

NOT_OF_THE_WORLD = {
    "step",
    "decision",
    "result",
    "outcome",
    "actions",
    "known",
    "chunk_layer_s",
    "forecast",
    "undrafted",
}
SHORT = {"time.episode_s": 20.0, "time.drain_s": 6.0, "time.warmup_s": 2.0}
CONTEXT = ("job/age_s", "node/backlog_s", "job/prompt_tokens")


def policies(layout):
    """A compiled policy of each kind."""
    rng = np.random.default_rng(3)
    names = [one.name for one in layout.candidates if one.name not in ("is_hold", "is_reject", "utility")]
    weights = dict(zip(names, rng.normal(0.0, 0.1, len(names)).tolist(), strict=True))
    h, width = 8, len(CONTEXT) + len(names) + 1
    shapes = [(h, width), (h,), (h, h), (h,), (1, h), (1,)]
    network = [rng.normal(0.0, 0.2, shape) for shape in shapes]
    one_precision = np.where(layout.action_table[:, 3] == 1, 0, 1)[None].repeat(len(layout.scenario.service), 0)
    return {
        "utility": CompiledPolicy(layout),
        "rows": CompiledPolicy(layout, distance=one_precision),
        "linear": CompiledPolicy(layout, linear=weights, top=16),
        "in seconds": CompiledPolicy(
            layout, linear={"ttft_s": -1.0}, scaled_as=((), [unscaled(seconds("ttft_s", 1.0))]), utility_weight=0.0
        ),
        "network": CompiledPolicy(layout, linear=weights, network=network, context=CONTEXT, candidates=names, top=16),
    }


def played(env, policy, until_s, seed):
    """Outcomes of a batch that a policy steps until an instant, world by world."""
    obs, outcomes = env.reset(seed=seed), []
    while env.times_s()[0] < until_s - 1e-9:
        obs, *_, info = env.step(policy.act(obs))
        outcomes.append(np.array(info["outcomes"]))
    ended = np.concatenate(outcomes)
    return ended[np.argsort(ended["world"], kind="stable")]


@pytest.mark.parametrize("scenario", edge6g_env.scenarios())
def test_decisions_are_those_of_the_doors(scenario):
    doors = BatchEnv(scenario, 2, observe="candidates")
    kernel = BatchEnv(scenario, 2, debug=True)
    until_s = 8.0
    for name, policy in policies(doors.layout).items():
        outcomes = played(doors, policy, until_s, seed=5)
        kernel.reset(seed=5)
        flight = kernel.fly(policy, until_s)
        assert np.array_equal(flight.outcomes, outcomes), name
        assert flight.now_s == pytest.approx([until_s, until_s])
        assert np.array_equal(doors.state(), kernel.state())  # which brings the places of UEs to now
        one, other = doors.save_state(), kernel.save_state()
        for array in set(one) - NOT_OF_THE_WORLD - {"candidates", "started", "fingerprint"}:
            assert np.array_equal(one[array], other[array]), (name, array)
        assert np.array_equal(doors.action_masks(), kernel.action_masks()), name


def test_a_flight_has_the_episodes_of_the_metrics():
    layout = batch_env("tiny", 1).layout
    seeds = [11, 12, 13]
    rows = run_episodes("greedy", lambda of: make_rule("greedy", of), layout.scenario, seeds).rows
    env = batch_env("tiny", len(seeds))
    env.reset(seed=seeds)
    flight = env.fly(make_rule("greedy", layout), np.inf)
    assert flight.ended.all()
    assert flight.unfinished.sum() == 0
    assert flight.reward_per_job() == pytest.approx([row["reward_per_job"] for row in rows], abs=1e-12)
    before = env.save_state()
    again = env.fly(make_rule("greedy", layout), np.inf)
    assert again.decisions.sum() == 0
    assert again.ended.all()
    assert np.array_equal(env.save_state()["job"], before["job"])
    with pytest.raises(RuntimeError, match="ended the episode of world 0: call reset"):
        env.step(np.zeros((3, env.num_agents), np.int64))
    env.reset(seed=1)
    env.step(np.zeros((3, env.num_agents), np.int64))


def test_threads_and_batch_sizes_make_no_difference():
    layout = batch_env("tiny", 1).layout
    policy = policies(layout)["linear"]
    found = []
    for worlds, threads in ((4, 1), (4, 2), (1, 1)):
        env = batch_env("tiny", worlds, threads=threads)
        env.reset(seed=20)
        flight = env.fly(policy, 15.0, sample_seed=9)
        found.append(flight.outcomes[flight.outcomes["world"] == 0])
        env.close()
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    env = batch_env("tiny", 1)
    env.reset(seed=20)
    assert not np.array_equal(env.fly(policy, 15.0, sample_seed=10).outcomes, found[0])


def test_it_stops_where_somebody_decides_and_plays_the_forced_actions_first():
    env = batch_env("tiny", 3, observe="candidates")
    env.reset(seed=4)
    flight = env.fly(CompiledPolicy(env.layout), np.inf, at_decision=True)
    waiting = env.observations()["action_mask"][..., codes.REJECT] == 1
    assert waiting.any(axis=1).all()
    assert flight.decisions.sum() == 0
    forced = np.where(waiting, codes.REJECT, -1)
    numbers = env.deciding()
    after = env.fly(CompiledPolicy(env.layout), env.times_s() + env.scenario.time.slot_s, forced=forced)
    rejected = after.outcomes[after.outcomes["phase"] == codes.REJECTED]
    assert sorted(rejected["job"]) == sorted(numbers[waiting])
    assert after.decisions.tolist() == waiting.sum(axis=1).tolist()


def test_only_the_chosen_worlds_fly():
    env = batch_env("tiny", 3)
    env.reset(seed=4)
    before = env.save_state(world=1)
    flight = env.fly(CompiledPolicy(env.layout), [3.0, 4.0, 5.0], worlds=[0, 2])
    assert flight.now_s == pytest.approx([3.0, 0.0, 5.0])
    after = env.save_state(world=1)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_what_is_counted():
    """Jobs that arrive before an instant, until all have ended: their worth is that of the same jobs in a flight to the end."""
    env = batch_env("tiny", 4)
    policy = CompiledPolicy(env.layout)
    env.reset(seed=30)
    whole = env.fly(policy, np.inf)
    env.reset(seed=30)
    counted = env.fly(policy, np.inf, count_until_s=10.0)
    assert (counted.now_s >= 10.0).all()
    assert counted.now_s.max() < env.scenario.time.episode_s
    assert counted.unfinished.sum() == 0
    for b in range(4):
        mine = whole.outcomes[(whole.outcomes["world"] == b) & (whole.outcomes["arrival_s"] < 10.0)]
        assert counted.jobs[b] == len(mine)
        assert counted.limit[b] == len(mine)
        assert counted.worth[b] == pytest.approx(mine["worth"].sum(), abs=1e-12)
        ended = counted.worth_by_job[b, : len(mine)]
        assert ended == pytest.approx(whole.worth_by_job[b, : len(mine)])
    assert (counted.phase_by_job >= -1).all()


def test_what_is_cut_off_counts_by_its_pace():
    """Of those under way at the end an estimate: near what they come to be worth on average, and no job is left out."""
    env = batch_env("tiny", 16)
    policy = CompiledPolicy(env.layout)
    env.reset(seed=100)
    whole = env.fly(policy, np.inf, count_until_s=20.0)
    env.reset(seed=100)
    cut = env.fly(policy, 24.0, count_until_s=20.0)
    assert cut.unfinished.sum() > 10
    assert cut.jobs.tolist() == whole.jobs.tolist()
    error = (cut.worth - whole.worth) / np.maximum(1, cut.unfinished)
    assert abs(error.mean()) < 0.15
    assert abs(error).max() < 0.6  # no job is worth many times its answer, for better or worse


def test_drawn_decisions_have_the_probabilities_of_their_scores():
    env = batch_env("tiny", 8)
    policy = policies(env.layout)["linear"]
    env.reset(seed=40)
    flight = env.fly(policy, 60.0, sample_seed=1, record=True)
    rows, inputs = flight.recorded.rows, flight.recorded.inputs
    assert len(rows) == flight.decisions.sum() > 256
    assert (np.diff(rows["world"]) >= 0).all()
    scores = inputs.astype(float) @ policy.linear.astype(float) + inputs[..., -1]
    legal = np.arange(inputs.shape[1]) < rows["n_shortlist"][:, None]
    logits = np.where(legal, policy.beta * scores, -np.inf)
    logits -= logits.max(axis=1, keepdims=True)
    log_probability = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    chosen = log_probability[np.arange(len(rows)), rows["choice"]]
    assert rows["log_probability"] == pytest.approx(chosen, abs=1e-5)
    surprise = -(np.exp(log_probability) * np.where(legal, log_probability, 0.0)).sum(axis=1)
    assert -chosen.mean() == pytest.approx(surprise.mean(), abs=5 * surprise.std() / np.sqrt(len(rows)) + 0.02)


def test_recorded_decisions_are_those_that_were_taken():
    env = batch_env("tiny", 2)
    policy = policies(env.layout)["network"]
    env.reset(seed=41)
    flight = env.fly(policy, 30.0, record=True)
    rows = flight.recorded.rows
    assert (rows["log_probability"] == 0.0).all()
    assert flight.recorded.context.shape == (len(rows), len(CONTEXT))
    last = {(row["world"], row["job"]): row["action"] for row in rows}
    decided = flight.outcomes[flight.outcomes["action"] >= 0]
    assert len(decided) > 0
    for row in decided:
        assert last[row["world"], row["job"]] == row["action"]


def test_worlds_fly_under_policies_of_their_own():
    env = batch_env("tiny", 2)
    both = [CompiledPolicy(env.layout, linear={"is_int8": w, "is_fp16": -w}) for w in (10.0, -10.0)]
    env.reset(seed=[3, 3])
    outcomes = env.fly(both, 20.0).outcomes
    bits = env.action_table[:, 3]
    used = [set(bits[outcomes["action"][(outcomes["world"] == b) & (outcomes["action"] > 1)]]) for b in (0, 1)]
    assert used == [{1}, {0}]


def test_errors_leave_the_worlds_as_they_are():
    env = batch_env("tiny", 2)
    policy = CompiledPolicy(env.layout)
    with pytest.raises(RuntimeError, match="call reset before fly"):
        env.fly(policy, 1.0)
    env.reset(seed=0)
    before = env.save_state()
    for arguments, words in (
        ((make_rule("jsq", env.layout), 1.0), "JoinShortestQueue has no compiled form"),
        (([policy], 1.0), "one for each of the 2 worlds"),
        (([policy, CompiledPolicy(env.layout, linear={"ttft_s": 1.0})], 1.0), "must read the same entries"),
        ((policy, [1.0, 2.0, 3.0]), "until_s must be a number, or 2 of them"),
        ((policy, float("nan")), "until_s must be a number"),
    ):
        with pytest.raises(UserError, match=words):
            env.fly(*arguments)
    for options, words in (
        ({"worlds": [2]}, r"worlds must be a list of integers in 0..1"),
        ({"forced": np.zeros((1, 1), np.int64)}, "actions must be integers of shape"),
        ({"forced": np.full((2, env.num_agents), 10**6)}, "must be in 0.."),
        ({"forced": np.full((2, env.num_agents), -7)}, "must be in 0.."),
        ({"sample_seed": [1, 2, 3]}, "sample_seed must be an integer, or 2 of them"),
        ({"sample_seed": 1.5}, "sample_seed must be an integer, or 2 of them"),
        ({"forced": "abc"}, "actions must be integers of shape"),
        ({"worlds": [[0], [1, 2]]}, "worlds must be a list of integers in 0..1"),
    ):
        with pytest.raises(UserError, match=words):
            env.fly(policy, 1.0, **options)
    after = env.save_state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_policy_chooses_among_the_legal_actions_nearest_to_what_it_wants():
    env = BatchEnv("campus", 4, observe="candidates")
    layout, obs = env.layout, env.reset(seed=3)
    services = [layout.observation_index(f"job/service_{one.name}") for one in layout.scenario.service]
    far = np.random.default_rng(0).integers(0, 4, (len(services), layout.num_actions))
    policy, decisions = CompiledPolicy(layout, distance=far), 0
    for _ in range(150):
        allowed, actions = policy.allowed(obs), policy.act(obs)
        for b, i in np.ndindex(actions.shape):
            legal = obs["action_mask"][b, i] == 1
            serves = legal & (layout.action_table[:, 0] > codes.REJECT)
            wanted = np.zeros(layout.num_actions, bool)
            if legal[codes.REJECT]:
                of = far[obs["observation"][b, i, services].argmax()]
                wanted = serves & (of == of[serves].min(initial=9))
                wanted[codes.REJECT] = True
                assert wanted[actions[b, i]]
                decisions += 1
            assert np.array_equal(allowed[b, i], wanted)
        obs = env.step(actions)[0]
    assert decisions > 50


def test_a_policy_of_another_layout_is_refused_and_leaves_nothing_behind():
    env, other = BatchEnv("shard", 2, **SHORT), BatchEnv("shard", 2, **SHORT)
    own, campus = make_rule("static", env.layout), BatchEnv("campus", 1).layout
    assert campus.num_actions == env.layout.num_actions
    env.reset(seed=1)
    other.reset(seed=1)
    other.fly(own, 0.0)
    before = other.save_state()
    with pytest.raises(
        UserError,
        match=r"made for campus_v0.*, where observation entry 12 is 'job/service_chat', and here it is 'job/service_review'",
    ):
        other.fly(make_rule("static", campus), 5.0)
    assert all(np.array_equal(before[name], array) for name, array in other.save_state().items())
    assert np.array_equal(env.fly(own, 15.0).outcomes, other.fly(own, 15.0).outcomes)


def two_batches_with_a_policy_aboard():
    """Two equal batches, and two policies of one shape, of which the first has flown in both."""
    envs = BatchEnv("tiny", 2, **SHORT), BatchEnv("tiny", 2, **SHORT)
    first, second = (CompiledPolicy(envs[0].layout, linear={"ttft_s": weight}) for weight in (-1.0, 1.0))
    for env in envs:
        env.reset(seed=1)
        env.fly(first, 0.0)
    return envs, (first, second)


def test_what_fails_while_it_goes_aboard_leaves_no_policy_half_there(monkeypatch):
    (env, other), (good, bad) = two_batches_with_a_policy_aboard()

    def fails(policy, arrays, place, write=CompiledPolicy.write):
        write(policy, arrays, place)
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(CompiledPolicy, "write", fails)
        with pytest.raises(MemoryError):
            other.fly(bad, 1.0)
    other.reset(seed=1)
    assert np.array_equal(env.fly(good, 15.0).outcomes, other.fly(good, 15.0).outcomes)


def test_what_is_interrupted_while_its_arrays_are_made_flies_no_other_policy(monkeypatch):
    """Ctrl-C between the arrays of another shape and their handle: the next flight is that of its own policy."""
    (env, other), (_, second) = two_batches_with_a_policy_aboard()

    def stopped(handle):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edge6g_env.flight.run_of", stopped)
        with pytest.raises(KeyboardInterrupt):
            other.fly(CompiledPolicy(env.layout), 1.0)
    for one in (env, other):
        one.reset(seed=1)
    assert np.array_equal(env.fly(second, 15.0).outcomes, other.fly(second, 15.0).outcomes)


def test_what_an_interrupted_flight_recorded_is_in_no_other(monkeypatch):
    env, other = batch_env("tiny", 1), batch_env("tiny", 1)
    short = CompiledPolicy(env.layout, linear={"ttft_s": -1.0}, top=2)
    wide = CompiledPolicy(env.layout, linear={"ttft_s": -1.0}, top=8)
    for one in (env, other):
        one.reset(seed=3)
        one.fly(wide, 0.1, record=True)  # arrays of this shape
    run_all = env.run_all

    def stopped(run, task):
        run_all(run, task)
        raise KeyboardInterrupt

    env.run_all = stopped
    with pytest.raises(KeyboardInterrupt):
        env.fly(wide, 20.0, record=True)
    env.run_all = run_all
    for one in (env, other):
        one.reset(seed=4)
    for policy in (wide, short):
        mine, theirs = (one.fly(policy, 30.0, record=True).recorded for one in (env, other))
        assert np.array_equal(mine.inputs, theirs.inputs)
        assert len(mine.inputs) == len(theirs.inputs)


def test_observations_that_a_policy_was_not_made_for_are_refused():
    """The kernel looks at no bounds: what another scenario says would be read from beyond the arrays."""
    env, campus = BatchEnv("tiny", 2, observe="candidates"), BatchEnv("campus", 2, observe="candidates")
    policy, obs, theirs = CompiledPolicy(env.layout), env.reset(seed=0), campus.reset(seed=0)
    assert policy.act(obs).shape == policy.allowed(obs).shape[:2] == (2, env.num_agents)
    alone = {name: array[0] for name, array in obs.items()}
    plain = {name: array for name, array in obs.items() if name != "candidates"}
    for act in (policy.act, policy.allowed):
        for wrong in (theirs, alone, {**obs, "observation": obs["observation"][:1]}):
            with pytest.raises(
                UserError, match=r"has the shape .*: a policy made for tiny_v0 reads \(worlds, agents, "
            ):
                act(wrong)
    with pytest.raises(UserError, match="observations have no 'candidates': ask for them with observe='candidates'"):
        policy.act(plain)
    for options, words in (
        ({"utility_weight": np.nan}, "utility_weight is nan: it must be a finite number"),
        ({"beta": np.inf}, "beta is inf"),
        ({"distance": np.zeros((2, env.layout.num_actions))}, "distance counts steps: it must hold whole numbers"),
        ({"distance": np.full((2, env.layout.num_actions), -1)}, "distance counts steps"),
        ({"network": [np.zeros((3, 1))]}, r"network has the shapes \(3, 1\): they must be \(H, D \+ E \+ 1\)"),
        ({"network": [np.float64(1.0)] * 6}, "network has the shapes"),
    ):
        with pytest.raises(UserError, match=words):
            CompiledPolicy(env.layout, **options)


def test_a_flight_stops_when_all_that_counts_has_ended_wherever_it_paused():
    """A flight pauses after 512 slots: where these end must not matter."""
    ends = []
    for first_s in (0.0, 1.0, 2.0, 3.0):
        env = BatchEnv("tiny", 8, **{**SHORT, "time.episode_s": 60.0})
        greedy = make_rule("greedy", env.layout)
        env.reset(seed=1)
        env.fly(greedy, first_s)
        flight = env.fly(greedy, 55.0, count_until_s=9.216)
        assert np.array_equal(flight.unfinished == 0, flight.now_s < 55.0)
        ends.append(flight.now_s)
    assert (ends[0] < 55.0).any()
    assert all(np.array_equal(one, ends[0]) for one in ends[1:])


def test_what_counts_arrived_before_now_or_later():
    env = BatchEnv("tiny", 4, **SHORT)
    greedy = make_rule("greedy", env.layout)
    env.reset(seed=1)
    env.fly(greedy, 5.0)
    before = env.save_state()
    with pytest.raises(UserError, match="count_until_s: 4 s, and world 0 is at 5 s: it must be no earlier"):
        env.fly(greedy, 10.0, count_until_s=4.0)
    assert all(np.array_equal(before[name], array) for name, array in env.save_state().items())
    first = env.world.episode["next_job"].copy()
    assert np.array_equal(env.fly(greedy, 10.0, count_until_s=5.0).limit, first)


def test_errors_of_a_compiled_policy():
    layout = batch_env("tiny", 1).layout
    with pytest.raises(UserError, match="top must be an integer of at least 1, it is -1"):
        CompiledPolicy(layout, linear={"ttft_s": 1.0}, top=-1)
    with pytest.raises(UserError, match="a weight is no finite number"):
        CompiledPolicy(layout, linear={"ttft_s": np.nan})
    with pytest.raises(UserError, match=r"candidate entry 'ttft', which is not there; did you mean ttft_s\?"):
        CompiledPolicy(layout, linear={"ttft": 1.0})
    for weight in ("a", [1.0], 10**400):
        with pytest.raises(UserError, match="linear: a weight is no number"):
            CompiledPolicy(layout, linear={"ttft_s": weight})
    with pytest.raises(UserError, match="beta is -1: it must be at least 0"):
        CompiledPolicy(layout, linear={"ttft_s": 1.0}, beta=-1.0)
    with pytest.raises(UserError, match="scaled_as: its candidates are 2 entries, they must be those that are read"):
        CompiledPolicy(layout, linear={"ttft_s": 1.0}, scaled_as=((), layout.candidates[:2]))
    with pytest.raises(UserError, match="distance has the shape"):
        CompiledPolicy(layout, distance=np.zeros((1, 3), np.int64))
    with pytest.raises(UserError, match="network has the shape"):
        CompiledPolicy(layout, network=[np.zeros((4, 4))] * 6, candidates=["ttft_s"])
