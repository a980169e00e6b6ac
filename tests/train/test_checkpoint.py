"""Checkpoints: the same policy comes back, acts wherever it fits, and anything else is refused in a sentence."""

import json
import os

import numpy as np
import pytest
import torch

import edge6g_env
from agents.learned.reading import Reads
from agents.learned.scorer import CANDIDATE, CONTEXT, Scorer, ScorerConfig, ScorerPolicy
from edge6g_env import load_scenario
from edge6g_env.kernel.codes import HOLD, REJECT
from edge6g_env.spaces import Layout
from eval.provenance import SCENARIO_FILE
from train import checkpoint
from train.checkpoint import CheckpointError, Progress, load_policy
from train.ppo import PpoPolicy, make_ppo_policy
from train.worlds import Worlds


def random_policy(scenario, algo):
    """(policy, its network) with weights that are not those of a start."""
    torch.manual_seed(5)
    if algo == "scorer":
        net = Scorer(Worlds([scenario], 0).reads(CONTEXT, CANDIDATE, 10.0), ScorerConfig(hidden=32, top=8))
        torch.nn.init.normal_(net.correction.weight, std=2.0)
        net.linear.normal_(std=0.5)
        return ScorerPolicy(Layout(scenario), net), net
    net = make_ppo_policy(Layout(scenario))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return PpoPolicy(net), net


def saved(folder, scenario, algo):
    """A checkpoint of such a policy in `folder`; returns the policy."""
    policy, net = random_policy(scenario, algo)
    reads = net.reads if algo == "scorer" else Reads.whole(Layout(scenario))
    record = {
        "algo": algo,
        **checkpoint.scenario_record([scenario]),
        "seed": 0,
        "settings": {"clip": 0.2},
        "limits": {},
    }
    record |= {"config": net.config.to_dict() if algo == "scorer" else {}, "layout": reads.to_dict()}
    checkpoint.write_record(folder, record, Progress())
    checkpoint.write_tensors(folder / checkpoint.POLICY, net.state_dict(), {"validation_gain": None})
    (folder / SCENARIO_FILE).write_text(scenario.to_toml())
    return policy


@pytest.mark.parametrize("algo", ["scorer", "ppo"])
def test_a_loaded_policy_acts_as_the_saved_one(tmp_path, scenario, algo, observations):
    policy = saved(tmp_path, scenario, algo)
    loaded, rng, chosen = load_policy(tmp_path, scenario), np.random.default_rng(0), set()
    assert loaded.needs_candidates == policy.needs_candidates
    for obs in observations(scenario, 60):
        actions = policy.act(obs, rng)
        assert np.array_equal(loaded.act(obs, rng), actions)
        assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()
        chosen |= set(actions.flat)
    assert len(chosen) > 3


@pytest.mark.parametrize("algo", ["scorer", "ppo"])
def test_a_loaded_policy_says_what_it_is(tmp_path, scenario, algo):
    saved(tmp_path, scenario, algo)
    policy = load_policy(tmp_path, "tiny")
    assert (policy.algo, policy.trained_on) == (algo, scenario.label)
    assert policy.trained_on.startswith("tiny_v0, time.episode_s = 8.0")
    assert {"algo": algo, "clip": 0.2, "arrivals.rate_jobs_s": 8.0}.items() <= policy.hparams.items()
    assert all(isinstance(value, bool | int | float | str) for value in policy.hparams.values())


def test_any_path_goes_and_the_scenario_of_training_is_found(tmp_path, scenario, monkeypatch):
    (tmp_path / "run").mkdir()
    saved(tmp_path / "run", scenario, "scorer")

    class Elsewhere(os.PathLike):
        def __fspath__(self):
            return str(tmp_path / "run")

    monkeypatch.chdir(tmp_path)
    for folder in ("run", "run/", Elsewhere(), tmp_path / "run"):
        assert load_policy(folder).trained_on == scenario.label


OTHERS = {
    "load": {"arrivals.rate_jobs_s": 3.0},
    "nodes": {"nodes.count": 5},
    "neighbours": {"nodes.neighbours": 1},
    "actions": {
        "actions.device_split": [0.0, 0.5],
        "actions.precision": ["int8", "fp16"],
        "actions.default_precision": "int8",
    },
    "few actions": {"actions.device_split": [0.0, 0.5], "actions.edge_split": [0.0], "actions.precision": ["int4"]},
}


@pytest.mark.parametrize("other", [*OTHERS, *edge6g_env.scenarios()])
def test_a_scorer_acts_in_every_scenario(tmp_path, scenario, other, observations):
    saved(tmp_path, scenario, "scorer")
    there = load_scenario("tiny", **OTHERS[other]) if other in OTHERS else load_scenario(other)
    policy, rng, decided = load_policy(tmp_path, there), np.random.default_rng(0), 0
    for obs in observations(load_scenario(there, arrivals={"kind": "poisson", "rate_jobs_s": 20.0}), 80):
        actions = policy.act(obs, rng)
        assert np.take_along_axis(obs["action_mask"], actions[..., None], -1).all()
        decided += (actions > 0).sum()
    assert decided > 5


def test_a_scorer_chooses_alike_among_the_same_candidates_in_every_scenario(tmp_path, scenario):
    """The same named entries at other columns, among other entries, in tables of other actions: the same place."""
    saved(tmp_path, scenario, "scorer")
    rng, worlds, rows = np.random.default_rng(2), 60, 5
    named = {name: rng.uniform(0.0, 3.0, worlds) for name in CONTEXT}
    features = {name: rng.uniform(0.0, 0.6, (worlds, rows)) for name in CANDIDATE}
    chosen = []
    for name in edge6g_env.scenarios():
        policy = load_policy(tmp_path, name)
        layout = policy.compiled.layout
        agents, actions = (
            layout.scenario.nodes.count,
            [REJECT, *range(layout.num_actions - rows + 1, layout.num_actions)],
        )
        obs = {
            "observation": rng.uniform(0.0, 9.0, (worlds, agents, len(layout.observation))).astype(np.float32),
            "candidates": rng.uniform(0.0, 9.0, (worlds, agents, layout.num_actions, len(layout.candidates))).astype(
                np.float32
            ),
            "action_mask": np.zeros((worlds, agents, layout.num_actions), np.int8),
        }
        obs["action_mask"][..., HOLD] = 1
        obs["action_mask"][:, 0, actions] = 1
        for entry, values in named.items():
            obs["observation"][:, 0, layout.observation_index(entry)] = values
        for entry, values in features.items():
            obs["candidates"][:, 0, actions, layout.candidate_index(entry)] = values
        taken = policy.act(obs, rng)[:, 0]
        chosen.append([actions.index(action) for action in taken.tolist()])
    assert all(places == chosen[0] for places in chosen)
    assert len(set(chosen[0])) >= 3


def test_what_a_scorer_reads_means_the_same_everywhere():
    """Same name, unit and scale in all scenarios, and no index into a scenario's lists; of ranges a network keeps its own."""
    layouts = [Layout(load_scenario(name)) for name in edge6g_env.scenarios()]
    for names, kind in ((CONTEXT, "observation"), (CANDIDATE, "candidates")):
        for name in names:
            ((_, unit),) = {(f.scale, f.unit) for layout in layouts for f in getattr(layout, kind) if f.name == name}
            assert unit != "index"
            assert not any(name.endswith(f"_{service.name}") for of in layouts for service in of.scenario.service)
            assert "resident" not in name


def test_scales_are_those_of_training(tmp_path, scenario):
    """Another range in the record is another scale, whatever the layout of the worlds says."""
    saved(tmp_path, scenario, "scorer")
    before = load_policy(tmp_path, scenario).compiled.scales[1].copy()
    record = json.loads((tmp_path / checkpoint.RECORD).read_text())
    record["layout"]["observation"][0]["high"] *= 4.0
    (tmp_path / checkpoint.RECORD).write_text(json.dumps(record))
    after = load_policy(tmp_path, scenario).compiled.scales[1]
    assert after[0] == pytest.approx(2.0 * float(before[0]))  # job/age_s goes by its logarithm, with a unit of its root
    assert np.array_equal(after[1:], before[1:])


@pytest.mark.parametrize("kind", ["observation", "candidates"])
def test_an_entry_that_is_not_there_is_named(tmp_path, scenario, kind):
    saved(tmp_path, scenario, "scorer")
    record = json.loads((tmp_path / checkpoint.RECORD).read_text())
    record["layout"][kind][3]["name"] = "job/mood"
    (tmp_path / checkpoint.RECORD).write_text(json.dumps(record))
    match = r"was trained on tiny_v0, .* cannot act on campus_v0: the network reads .* 'job/mood', which is not there"
    with pytest.raises(CheckpointError, match=match):
        load_policy(tmp_path, load_scenario("campus"))


def test_ppo_acts_where_its_layout_is(tmp_path, scenario, observations):
    """At another load and with other objectives, but of the same names: as the saved one."""
    policy = saved(tmp_path, scenario, "ppo")
    there, rng = (
        load_scenario("tiny", **{"arrivals.rate_jobs_s": 20.0, "reward.price_per_usd": 5.0}),
        np.random.default_rng(0),
    )
    loaded = load_policy(tmp_path, there)
    for obs in observations(there, 40):
        assert np.array_equal(loaded.act(obs, rng), policy.act(obs, rng))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"actions.device_split": [0.0, 0.125, 0.25, 0.6, 1.0]},
            r"action \d+ .*'local, 0.5 on the device, fp16'.*0.6 on",
        ),
        ({"actions.precision": ["bf16", "int8", "int4"]}, r"'node/resident_fp16', there it is 'node/resident_bf16'"),
        ({"nodes.neighbours": 1}, r"'neighbour_2/exists', there it is none"),
        (
            {"actions.edge_split": [0.0, 0.25, 0.5, 0.75]},
            r"action \d+ of the network is .*, there it is .*0.75 of the rest",
        ),
    ],
)
def test_ppo_names_the_first_entry_that_differs(tmp_path, scenario, changes, message):
    saved(tmp_path, scenario, "ppo")
    with pytest.raises(CheckpointError, match=message):
        load_policy(tmp_path, load_scenario(scenario, **changes))
    with pytest.raises(CheckpointError, match=r"tiny_v0, .* cannot act on campus_v0: observation entry \d+"):
        load_policy(tmp_path, "campus")


@pytest.mark.parametrize("algo", ["scorer", "ppo"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(tmp_path, scenario, algo, part):
    saved(tmp_path, scenario, algo)
    path = tmp_path / checkpoint.POLICY
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    for read in (lambda: load_policy(tmp_path, scenario), lambda: checkpoint.read_about(path)):
        with pytest.raises(CheckpointError, match=r"cannot read .*policy\.safetensors"):
            read()


def test_other_troubles_are_said(tmp_path, scenario):
    with pytest.raises(CheckpointError, match=r"holds no checkpoint"):
        load_policy(tmp_path, scenario)
    saved(tmp_path, scenario, "scorer")
    path = tmp_path / checkpoint.RECORD
    record = json.loads(path.read_text())
    for change, message in (
        ({"format": 1}, "is a checkpoint of format 1, this version of edge6g reads format 4"),
        ({"format": None}, "is not a checkpoint"),
        ({"algo": "dqn"}, "'dqn', which this version does not know"),
        ({"config": {**record["config"], "hidden": 16}}, "do not fit"),
        ({"config": {"width": 3}}, "do not fit"),
        ({"layout": {"observation": []}}, "do not fit"),
    ):
        path.write_text(json.dumps({**record, **change}))
        with pytest.raises(CheckpointError, match=message):
            load_policy(tmp_path, scenario)
    path.write_text("{")
    with pytest.raises(CheckpointError, match=r"cannot read .*checkpoint\.json"):
        load_policy(tmp_path, scenario)
    for damaged, message in (
        ({"format": checkpoint.FORMAT}, r"is damaged: algo \(Field required\), .*layout \(Field required\)"),
        ({**record, "seed": "0"}, r"is damaged: seed \(Input should be a valid integer\)$"),
        ({**record, "settings": []}, r"is damaged: settings \(Input should be a valid dictionary\)$"),
    ):
        path.write_text(json.dumps(damaged))
        with pytest.raises(CheckpointError, match=message):
            load_policy(tmp_path, scenario)
    path.write_text(json.dumps(record))
    (tmp_path / checkpoint.POLICY).unlink()
    with pytest.raises(CheckpointError, match=r"cannot read .*policy\.safetensors"):
        load_policy(tmp_path, scenario)


def test_an_optimizer_goes_on_where_it_was(tmp_path):
    """Two steps in one go, and with a save and a load between: the same weights."""

    def trained(steps, state=None):
        torch.manual_seed(6)
        net = torch.nn.Linear(3, 2)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
        if state is not None:
            net.load_state_dict(state[0])
            checkpoint.load_optimizer(optimizer, state[1])
        for _ in range(steps):
            optimizer.zero_grad()
            (net(torch.ones(4, 3)) ** 2).sum().backward()
            optimizer.step()
        return net, optimizer

    whole, _ = trained(2)
    half, optimizer = trained(1)
    checkpoint.write_tensors(tmp_path / "o", checkpoint.optimizer_tensors(optimizer), {"decisions": 7})
    resumed, _ = trained(1, (half.state_dict(), checkpoint.read_tensors(tmp_path / "o")))
    assert torch.equal(whole.weight, resumed.weight)
    assert not torch.equal(half.weight, resumed.weight)
    assert checkpoint.read_about(tmp_path / "o") == {"decisions": 7}


@pytest.mark.parametrize(
    "rows", [5, [], {"foo": {}}, {"static": {"chat": 5}}, {"restricted": [1]}, {"restricted": {"precision": "int8"}}]
)
def test_rows_of_another_form_are_refused(tmp_path, scenario, rows):
    saved(tmp_path, scenario, "scorer")
    record = checkpoint.read_record(tmp_path)
    record["layout"]["rows"] = rows
    checkpoint.write_json_atomic(record, tmp_path / checkpoint.RECORD)
    with pytest.raises(CheckpointError, match=r"do not fit its checkpoint\.json: rows"):
        load_policy(tmp_path, scenario)


@pytest.mark.parametrize("algo", ["scorer", "ppo"])
def test_weights_that_are_no_numbers_are_refused(tmp_path, scenario, algo):
    saved(tmp_path, scenario, algo)
    tensors = checkpoint.read_tensors(tmp_path / checkpoint.POLICY)
    name = max(tensors, key=lambda one: tensors[one].numel())
    tensors[name].view(-1)[3] = float("nan")
    checkpoint.write_tensors(tmp_path / checkpoint.POLICY, tensors, {"validation_gain": None})
    with pytest.raises(CheckpointError, match="has a number that is not finite"):
        load_policy(tmp_path, scenario)
