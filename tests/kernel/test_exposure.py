"""What a job gives away of its prompt: at the device and at the cloud, by the cuts that it had, the worst of them; and who pays."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env import costs
from edge6g_env.kernel.codes import FINISHED
from edge6g_env.spaces import cut_layer

MODEL = "llama-3.2-3b"
LAYERS = costs.model(MODEL).layers
SMALL = {"prompt_tokens": 100, "output_tokens": 4}


def behind(share, layers_before=0, **options):
    """Exposure behind a share of the layers that are left."""
    cut = layers_before + cut_layer(share, LAYERS - layers_before)
    return float(costs.exposure(cut / LAYERS, **options))


QUARTER = cut_layer(0.25, LAYERS)
# action -> (exposure_device, exposure_site)
PLANS = {
    "local, int8": (1.0, 0.0),
    "local, 0.25 on the device, fp16": (behind(0.25), 0.0),
    "local, 0.5 on the device, int4": (behind(0.5), 0.0),
    "local, 1 on the device, int4": (0.0, 0.0),
    "neighbour 1, 0.5 of the rest at the ingress, int8": (1.0, 0.0),
    "cloud, int8": (1.0, 1.0),
    "cloud, 0.5 of the rest at the ingress, int8": (1.0, behind(0.5)),
    "cloud, 0.25 on the device, int8": (behind(0.25), behind(0.25)),
    "cloud, 0.25 on the device, 0.5 of the rest at the ingress, fp16": (behind(0.25), behind(0.5, QUARTER)),
}


@pytest.fixture(scope="module")
def play(make_service):
    """A lone job of a service with a privacy class and a price."""

    def run(action, privacy="open", exposure_cost=0.0, **more):
        service = make_service(model=MODEL, privacy=privacy, exposure_cost=exposure_cost)
        scenario = edge6g_env.load_scenario("tiny", service=[service], **more)
        return edge6g_env.lone_job(scenario, action, **SMALL)

    return run


@pytest.mark.parametrize("action", PLANS)
def test_two_numbers_of_a_job(play, action):
    job, found = play(action), PLANS[action]
    assert (job.outcome["exposure_device"], job.outcome["exposure_site"]) == pytest.approx(found, abs=1e-9)
    assert (job.predicted["exposure_device"], job.predicted["exposure_site"]) == pytest.approx(found, abs=1e-6)
    assert job.outcome["kind"] == 0


@pytest.mark.parametrize("action", list(PLANS)[:4:3] + list(PLANS)[6:])
@pytest.mark.parametrize("privacy", ["open", "site", "device"])
def test_the_price_is_on_what_reached_the_cloud_for_site_services_else_on_what_left_the_device(play, action, privacy):
    """With no other costs, an exposure price takes exactly that off the worth, predicted or got."""
    if privacy == "device" and PLANS[action][0] == 1.0:
        pytest.skip("raw data do not leave the device")
    reward = {"reward.price_per_usd": 0.0, "reward.energy_per_j": 0.0}
    free, priced = (play(action, privacy, cost, **reward) for cost in (0.0, 0.25))
    paid = 0.25 * PLANS[action][1 if privacy == "site" else 0]
    assert free.outcome["worth"] - priced.outcome["worth"] == pytest.approx(paid, abs=1e-9)
    assert free.predicted["utility"] - priced.predicted["utility"] == pytest.approx(paid, abs=1e-6)
    named = "exposure_site" if privacy == "site" else "exposure_device"
    assert priced.predicted[named] == pytest.approx(paid / 0.25, abs=1e-6)


def test_the_other_attacker(play):
    job = play("local, 0.5 on the device, int8", **{"privacy.attacker": "learned"})
    assert (
        job.outcome["exposure_device"]
        == pytest.approx(behind(0.5, attacker="learned"), abs=1e-9)
        == pytest.approx(0.76)
    )
    with pytest.raises(
        edge6g_env.ScenarioError, match=r"privacy.attacker = 'strongest': Input should be 'strong' or 'learned'"
    ):
        edge6g_env.load_scenario("tiny", **{"privacy.attacker": "strongest"})


def test_the_worst_place_that_was_seen_counts(make_bench, make_service, planned):
    """A job whose text was at a node that failed is decided anew with a cut: its text was seen all the same, and agents know."""
    service = make_service(model=MODEL, exposure_cost=0.5)
    bench = make_bench(["l40s"], services=[service], **planned(("node", 0.2, 0.5, [0])))
    bench.reset(1)
    bench.lengths(3000.0, 200.0)
    bench.send({0: 0.001})
    cut, c = "local, 0.5 on the device, int8", bench.batch.layout.candidate_index("exposure_device")
    bench.step()
    first = bench.obs["candidates"][0, 0, bench.action(cut), c]
    bench.step("local, int8")
    while bench.batch.deciding()[0, 0] < 0 or bench.obs["action_mask"][0, 0, bench.action(cut)] == 0:
        bench.step()
    again = bench.obs["candidates"][0, 0, bench.action(cut), c]
    (job,) = bench.run(cut, 1)
    assert (job["phase"], job["retries"]) == (FINISHED, 1)
    assert first == pytest.approx(behind(0.5), abs=1e-6)
    assert again == job["exposure_device"] == 1.0


def test_the_kernels_table_is_the_cost_models():
    """At every cut of every variant of a scenario with models of several depths."""
    for name in ("campus", "rush"):
        world = edge6g_env.batch_env(name, 1).world
        for layers, row in zip(world.model["layers"], world.exposure, strict=True):
            expected = costs.exposure(np.arange(layers + 1) / layers)
            assert row[: layers + 1] == pytest.approx(expected, abs=1e-9)
