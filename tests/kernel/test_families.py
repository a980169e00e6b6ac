"""Jobs of a service with several models: each is computed as by a service that has the one model alone."""

import numpy as np
import pytest

from edge6g_env import batch_env, costs
from edge6g_env.kernel.codes import FINISHED, LOCAL, REJECT

MODELS = ["qwen3-1.7b", "qwen3-4b", "qwen3-8b"]
FAMILY = {"service.chat.models": MODELS, "service.chat.default_model": "qwen3-4b", "serving.preload": []}
METRIC = "mmlu_pro_5shot_pct"
TIMES = (
    "job",
    "phase",
    "arrival_s",
    "end_s",
    "ttft_s",
    "tpot_s",
    "price_usd",
    "air_bytes",
    "backhaul_bytes",
)


def play(env, choose, steps=1500, seed=5):
    """Outcome rows of an episode in which choose(rows of the table that are legal) decides."""
    obs, rows = env.reset(seed=seed), []
    for _ in range(steps):
        actions = np.zeros(obs["action_mask"].shape[:2], np.int64)
        for b, i in np.argwhere(obs["action_mask"][..., REJECT] == 1):
            actions[b, i] = choose(np.flatnonzero(obs["action_mask"][b, i]), env)
        obs, _, _, _, info = env.step(actions)
        rows.append(info["outcomes"].copy())
    return np.concatenate(rows)


def of_model(m):
    """The first legal row that computes at once with model m where there is one, in turn by the number of legal rows."""

    def choose(legal, env):
        table = env.action_table[legal]
        wanted = legal[(table[:, 0] >= LOCAL) & (table[:, 4] == m)]
        other = legal[table[:, 0] >= LOCAL]
        some = wanted if len(wanted) else other
        return some[len(some) // 3] if len(some) else REJECT

    return choose


@pytest.mark.parametrize("m", range(3))
def test_a_model_of_several_is_computed_as_the_one_model(m):
    alone = batch_env("tiny", num_worlds=1, **{"service.chat.model": MODELS[m], "serving.preload": []})
    several = batch_env("tiny", num_worlds=1, debug=True, **FAMILY)
    one, other = play(alone, of_model(0)), play(several, of_model(m))
    assert len(one) > 20
    for name in TIMES:
        assert one[name].tolist() == other[name].tolist()
    assert one["energy_j"] == pytest.approx(
        other["energy_j"], rel=0.05
    )  # a device's power is the mean over the scenario's variants
    chat = other["service"] == 0
    assert set(other["model"][chat & (other["action"] > REJECT)].tolist()) == {m}


@pytest.mark.parametrize("metric", ["primary", METRIC])
def test_answers_are_scored_over_the_best_of_the_list(metric):
    env = batch_env("tiny", num_worlds=2, **FAMILY, **{"service.chat.quality_metric": metric})
    rng = np.random.default_rng(0)
    rows = play(env, lambda legal, env: rng.choice(legal[1:]))
    done = rows[(rows["phase"] == FINISHED) & (rows["service"] == 0)]
    assert set(done["model"].tolist()) == {0, 1, 2}
    best = max(costs.score(model, metric) for model in MODELS)
    for row in done:
        precision = env.scenario.actions.precision[env.action_table[row["action"], 3]]
        model = MODELS[row["model"]]
        expected = costs.score(model, metric) / best * costs.relative_quality(model, precision)
        assert row["quality"] == pytest.approx(expected, rel=1e-12)
        assert row["model"] == env.action_table[row["action"], 4]


def test_models_that_a_service_lacks_are_illegal_and_candidates_say_which_is_which():
    env = batch_env("tiny", num_worlds=4, observe="candidates", skip_idle=True, **FAMILY)
    obs, layout, seen = env.reset(seed=1), env.layout, 0
    entry = {name: layout.candidate_index(name) for name in ("model_score", "is_default_model", "load_s", "quality")}
    best = max(costs.score(model) for model in MODELS)
    for _ in range(40):
        deciding = obs["action_mask"][..., REJECT] == 1
        for b, i in np.argwhere(deciding):
            mask, rows = obs["action_mask"][b, i] == 1, obs["candidates"][b, i]
            model, runs = env.action_table[:, 4], env.action_table[:, 0] >= LOCAL
            if obs["observation"][b, i, layout.observation_index("job/service_chat")] == 0:
                assert not mask[model > 0].any()
                assert (rows[mask & runs][:, [entry["model_score"], entry["is_default_model"]]] == 1.0).all()
                continue
            seen += 1
            for m in range(3):
                mine = rows[mask & runs & (model == m)]
                assert mine[:, entry["model_score"]] == pytest.approx(costs.score(MODELS[m]) / best)
                assert (mine[:, entry["is_default_model"]] == (m == 1)).all()
        actions = np.where(deciding, REJECT, 0)
        obs, *_ = env.step(actions)
    assert seen > 5


def test_a_larger_model_takes_longer_to_load():
    env = batch_env("tiny", num_worlds=1, observe="candidates", skip_idle=True, **FAMILY)
    obs, layout = env.reset(seed=1), env.layout
    while True:
        chat = obs["observation"][0, :, layout.observation_index("job/service_chat")] == 1
        if chat.any():
            break
        obs, *_ = env.step(np.where(obs["action_mask"][..., REJECT] == 1, REJECT, 0))
    i = int(np.flatnonzero(chat)[0])
    table, load_s = env.action_table, obs["candidates"][0, i, :, layout.candidate_index("load_s")]
    mine = obs["action_mask"][0, i] == 1
    rows = [(mine & (table == [LOCAL, 0, 0, 0, m]).all(axis=1)) for m in range(3)]
    loads = [float(load_s[row][0]) for row in rows if row.any()]
    assert len(loads) >= 2
    assert loads == sorted(loads)
    assert loads[0] > 0.0


def test_a_service_without_the_cloud_has_no_legal_way_there():
    env = batch_env("tiny", num_worlds=4, skip_idle=True, **{"service.chat.cloud": False})
    obs, layout, seen = env.reset(seed=1), env.layout, {0: 0, 1: 0}
    cloud = env.action_table[:, 0] == layout.cloud_route
    for _ in range(40):
        deciding = obs["action_mask"][..., REJECT] == 1
        for b, i in np.argwhere(deciding):
            chat = int(obs["observation"][b, i, layout.observation_index("job/service_chat")])
            ways = obs["action_mask"][b, i][cloud].any()
            assert not (chat and ways)
            seen[chat] += bool(ways) or bool(chat)
        obs, *_ = env.step(np.where(deciding, REJECT, 0))
    assert min(seen.values()) > 0


def test_adapters_are_those_of_the_model():
    env = batch_env("tiny", num_worlds=1, debug=True, **FAMILY, **{"service.chat.lora_rank": 16})
    sizes = [float(costs.adapter_bytes(model, 16, "q,v")) for model in MODELS]
    assert env.world.lora["bytes"][:3].tolist() == sizes
    rng = np.random.default_rng(1)
    rows = play(env, lambda legal, env: rng.choice(legal[1:]))
    assert (rows["phase"] == FINISHED).any()
    resident = env.world.adapter["resident"][0].any(axis=0)
    assert resident[:3].sum() >= 2
