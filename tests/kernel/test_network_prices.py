"""What a byte costs where a scenario says so: over the air, over the backhaul, out of the cloud."""

import pytest

from edge6g_env import lone_job

FREE = {"air_usd_per_gb": 0.0, "backhaul_usd_per_gb": 0.0, "egress_usd_per_gb": 0.0}
PROMPT, OUTPUT = 200, 40


def play(action, prices):
    fixed = dict.fromkeys(("uplink_bit_s", "downlink_bit_s"), 1e8) | dict.fromkeys(
        ("uplink_access_s", "downlink_access_s"), 0.002
    )
    more = {"prices": prices, "radio.fixed": fixed}
    return lone_job("tiny", action, service="assistant", prompt_tokens=PROMPT, output_tokens=OUTPUT, **more)


@pytest.mark.parametrize(
    "action",
    ["local, 0.25 on the device, int8", "neighbour 1, 0.5 on the device, int4", "cloud, 0.5 on the device, fp16"],
)
@pytest.mark.parametrize("prices", [{"air_usd_per_gb": 7.0}, {"backhaul_usd_per_gb": 30.0}, {"egress_usd_per_gb": 2e4}])
def test_each_price_is_of_the_bytes_that_go_there(action, prices):
    """Over a job whose bytes cost nothing; of the cloud's answer each token is four bytes. Nothing else changes."""
    free, paid = play(action, FREE), play(action, FREE | prices)
    out = paid.outcome
    bytes_ = (out["air_bytes"], out["backhaul_bytes"], 4.0 * OUTPUT if action.startswith("cloud") else 0.0)
    usd = sum(1e-9 * price * size for price, size in zip((FREE | prices).values(), bytes_, strict=True))
    assert out["price_usd"] - free.outcome["price_usd"] == pytest.approx(usd, rel=1e-9, abs=1e-15)
    extra_musd = paid.predicted["price_musd"] - free.predicted["price_musd"]
    assert extra_musd == pytest.approx(1e3 * usd, rel=0.01, abs=1e-6)
    assert {**out, "price_usd": 0.0, "worth": 0.0} == {**free.outcome, "price_usd": 0.0, "worth": 0.0}


def test_left_out_they_are_those_of_the_mobile_network():
    assert play("local, 0.25 on the device, int8", {}) == play(
        "local, 0.25 on the device, int8", {"air_usd_per_gb": 0.33}
    )
