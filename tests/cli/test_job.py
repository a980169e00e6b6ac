"""`edge6g job`: what was expected beside what came, the legs, and one sentence where it cannot be."""

import pytest

import edge6g_env
from tests.tuners import services_with

OPTIONS = ("--scenario", "tiny", "--prompt-tokens", 200, "--output-tokens", 8, "--set", "reward.price_per_usd=0.0")


def test_it_prints_the_job_and_its_legs(run):
    status, out, _ = run("job", "--action", "neighbour 1, int4", *OPTIONS)
    job = edge6g_env.lone_job(
        "tiny", "neighbour 1, int4", prompt_tokens=200, output_tokens=8, **{"reward.price_per_usd": 0.0}
    )
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["worth", "1", f"{job.predicted['utility']:.4g}", f"{job.outcome['worth']:.4g}"] in lines
    for name, start_s, end_s in job.legs:
        assert any(line[:3] == [name, f"{start_s:.4f}", f"{end_s:.4f}"] for line in lines), name


def test_an_illegal_action_is_refused_with_its_reason(run):
    status, out, err = run("job", "--action", "cloud, int4", *OPTIONS)
    assert (status, out) == (2, "")
    assert err == ("edge6g: 'cloud, int4' is illegal for a job of chat at node 0: raw data may not reach the cloud\n")


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("locl, int4", "no action 'locl, int4'; did you mean local, int4?"),
        ("bogus", "no action 'bogus'; one of the "),
    ],
)
def test_an_unknown_action_is_a_short_sentence(run, action: str, says: str):
    status, out, err = run("job", "--action", action, *OPTIONS)
    assert (status, out) == (2, "")
    assert err.startswith(f"edge6g: {says}")
    assert len(err) < 200


def test_of_fine_tuning_it_prints_setup_step_and_progress(run, tmp_path):
    file, action = tmp_path / "tuned.toml", "local, 0.25 on the device, int4"
    file.write_text(edge6g_env.load_scenario("tiny", service=services_with(steps=4, step_tokens=16)).to_toml())
    status, out, _ = run("job", "--action", action, "--scenario", file, "--service", "tuner")
    job = edge6g_env.lone_job(file, action, service="tuner")
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["setup", "s", f"{job.predicted['ttft_s']:.4g}", "-"] in lines
    assert ["step", "ms", f"{1e3 * job.predicted['tpot_s']:.4g}", "-"] in lines
    assert ["progress", "1", "1", "1"] in lines
    assert not any(line[:1] == ["token"] for line in lines)
