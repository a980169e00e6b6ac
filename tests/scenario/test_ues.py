"""The keys of each model of mobility: what it needs, what it refuses, and how an override changes the model."""

import pytest

from edge6g_env import load_scenario

NEEDS = {
    "waypoint": {"pause_s": 1.0, "hotspots": 1, "hotspot_share": 0.5, "hotspot_radius_m": 20.0},
    "gauss-markov": {"velocity_memory": 0.5, "velocity_period_s": 1.0, "velocity_std_m_s": 0.3},
    "street-grid": {"street_spacing_m": 100.0},
    "stationary": {"hotspots": 1, "hotspot_share": 0.5, "hotspot_radius_m": 20.0},
}
SPEEDS = {"speed_min_m_s": 0.5, "speed_max_m_s": 1.5}
NEEDS = {model: {**keys, **({} if model == "stationary" else SPEEDS)} for model, keys in NEEDS.items()}
EVERY = {key: value for keys in NEEDS.values() for key, value in keys.items()}


@pytest.fixture
def file_of(text_of, tmp_path):
    """A scenario file whose UEs have this model and these keys."""

    def make(model, keys):
        before, rest = text_of("tiny").split("[ues]\n")
        lines = ["[ues]", "per_node = 4", 'device = "phone-snapdragon-8gen3"', "tx_power_w = 1.0"]
        lines += [f'mobility = "{model}"'] * (model is not None)
        lines += [f"{key} = {value}" for key, value in keys.items()]
        path = tmp_path / "mine.toml"
        path.write_text(before + "\n".join(lines) + "\n\n[" + rest.split("\n[", 1)[1])
        return path

    return make


@pytest.mark.parametrize("model", NEEDS)
def test_each_model_has_its_keys_and_no_others(model, file_of, refusal):
    ues = load_scenario(file_of(model, NEEDS[model])).ues
    assert {key: getattr(ues, key) for key in NEEDS[model]} == NEEDS[model]
    assert ues.mobility == model
    for key in NEEDS[model]:
        without = {name: value for name, value in NEEDS[model].items() if name != key}
        if key == "hotspots":
            assert load_scenario(file_of(model, without)).ues.hotspots == 0
            continue
        assert refusal(file_of(model, without)) == [f"mine.toml: ues.{key}: missing"]
    for key in EVERY.keys() - NEEDS[model].keys():
        (line,) = refusal(file_of(model, {**NEEDS[model], key: EVERY[key]}))
        assert line.startswith(f"mine.toml: ues.{key}: unknown key; ")
        assert "did you mean" in line or f"with mobility = '{model}' there are per_node, " in line


def test_a_model_must_be_named_and_known(file_of, refusal):
    assert refusal(file_of(None, NEEDS["waypoint"])) == ["mine.toml: ues.mobility: missing"]
    (line,) = refusal(file_of("levy-walk", NEEDS["waypoint"]))
    assert line.startswith("mine.toml: ues.mobility = 'levy-walk': Input should be ")
    assert all(repr(model) in line for model in NEEDS)


@pytest.mark.parametrize(
    ("model", "key", "value", "right"),
    [
        ("gauss-markov", "velocity_memory", 1.5, "ues.velocity_memory = 1.5: Input should be less than or equal to 1"),
        (
            "gauss-markov",
            "velocity_period_s",
            0.0,
            "ues.velocity_period_s = 0.0: Input should be greater than or equal",
        ),
        (
            "gauss-markov",
            "velocity_std_m_s",
            -1.0,
            "ues.velocity_std_m_s = -1.0: Input should be greater than or equal",
        ),
        ("gauss-markov", "speed_max_m_s", 0.1, "ues: speed_max_m_s must be at least speed_min_m_s"),
        ("street-grid", "street_spacing_m", 0.0, "ues.street_spacing_m = 0.0: Input should be greater than or equal"),
        (
            "street-grid",
            "street_spacing_m",
            601.0,
            "ues.street_spacing_m must fit into the area, which is 600 m x 200 m",
        ),
        ("street-grid", "speed_max_m_s", 1e6, "ues.speed_max_m_s = 1000000.0: Input should be less than or equal to"),
        ("street-grid", "street_spacing_n", 9.0, "ues.street_spacing_n: unknown key; did you mean street_spacing_m?"),
    ],
)
def test_a_value_out_of_range_is_named(model, key, value, right, file_of, refusal):
    (line,) = refusal(file_of(model, {**NEEDS[model], key: value}))
    assert line.startswith(f"mine.toml: {right}")


def test_walkers_who_would_turn_on_the_spot_for_ever_are_refused(file_of, refusal):
    point = {**NEEDS["waypoint"], "pause_s": 0.0, "hotspot_share": 1.0, "hotspot_radius_m": 0.0}
    assert "ues: hotspot_radius_m must be at least 1 " in refusal(file_of("waypoint", point))[0]
    for key, value in {"pause_s": 1.0, "hotspot_share": 0.9, "hotspots": 0, "hotspot_radius_m": 1.0}.items():
        load_scenario(file_of("waypoint", {**point, key: value}))


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("model", NEEDS)
def test_an_override_of_the_model_leaves_the_keys_of_the_other_behind(model, nested):
    own = {"mobility": model, **NEEDS[model]}
    overrides = {"ues": own} if nested else {f"ues.{key}": value for key, value in own.items()}
    for before in ("tiny", load_scenario("tiny", ues={"mobility": "street-grid", "street_spacing_m": 50.0})):
        ues = load_scenario(before, **overrides).ues
        assert {key: getattr(ues, key) for key in own} == own
    assert (
        load_scenario("campus", **{"ues.mobility": "stationary"}).ues.hotspots == load_scenario("campus").ues.hotspots
    )


def test_an_override_with_a_key_of_another_model_is_refused(refusal):
    (line,) = refusal("tiny", **{"ues.mobility": "stationary", "ues.pause_s": 3.0})
    assert line.startswith("tiny.toml: ues.pause_s: unknown key; with mobility = 'stationary' there are ")


@pytest.mark.parametrize("model", NEEDS)
def test_the_movement_in_words_has_the_numbers(model, file_of):
    ues = load_scenario(file_of(model, NEEDS[model])).ues
    told = {"hotspot_share": "50%", "hotspot_radius_m": "", "pause_s": ""}
    assert all(told.get(key, f"{value:g}") in ues.movement for key, value in NEEDS[model].items())
