"""Figures of a sweep's table: knees against closed forms and a slow version, differences paired by seed, all the same read from a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eval.metrics import METRIC_NAMES
from eval.statistics import iqm, paired_difference
from eval.sweep import differences, estimates, knees
from eval.sweep.grid import SweepError
from eval.sweep.knee import ATTAINED, LOAD, crossings, knee_in_words
from eval.sweep.table import COLUMNS, WHOLE

SEEDS = range(100, 108)
Value = Callable[[Mapping[str, object], str, int], float]


def table(vary: Mapping[str, list], policies: Mapping[str, str], **metrics: Value) -> pd.DataFrame:
    """policies: name -> kind, `x/1` being a member of x; metrics: of setting, policy and seed, 1 where nothing is said."""
    rows = []
    for values, (policy, kind), seed in product(product(*vary.values()), policies.items(), SEEDS):
        setting = dict(zip(vary, values, strict=True))
        figures = {name: metrics.get(name, lambda *_: 1.0)(setting, policy, seed) for name in METRIC_NAMES}
        about = {"policy": policy, "seed": seed, "kind": kind, "group": policy.split("/")[0], "privileged": False}
        rows.append({**setting, **about, **figures})
    return pd.DataFrame(rows, columns=[*vary, *COLUMNS]).astype(dict.fromkeys(WHOLE, "Int64"))


def falling(setting: Mapping[str, object], policy: str, seed: int) -> float:
    """A share that falls from 1 by 0.05 a job/s, less for `calm`, and more or less by the seed."""
    slope = {"calm": 0.01}.get(policy, 0.05)
    return 1.0 - slope * float(str(setting[LOAD])) + 0.02 * (seed % 2 - 0.5)


def test_a_knee_is_where_the_mean_falls_below_on_the_line_between_two_loads():
    frame = table({LOAD: [8, 1, 4]}, {"busy": "rule", "calm": "rule"}, slo_attainment=falling)
    found = knees(frame).set_index("policy")
    assert found.loc["busy", "knee_jobs_s"] == pytest.approx((1.0 - ATTAINED) / 0.05)
    assert found.loc["busy", "low_jobs_s"] < 2.0 < found.loc["busy", "high_jobs_s"]
    assert found.loc["calm", "knee_jobs_s"] == np.inf
    assert knee_in_words(found.loc["calm", "knee_jobs_s"]) == "above highest"


def test_the_interval_of_a_knee_is_that_of_seeds_drawn_again():
    """Each seed's share is its own constant less a slope: the knee of some seeds is a line of the mean of their constants."""
    rng = np.random.default_rng(3)
    own = dict(zip(SEEDS, rng.normal(1.0, 0.03, len(SEEDS)), strict=True))

    def share(setting: Mapping[str, object], _: str, seed: int) -> float:
        return own[seed] - 0.02 * float(str(setting[LOAD]))

    (row,) = knees(table({LOAD: [0.5, 30.0]}, {"one": "rule"}, slo_attainment=share)).to_dict("records")
    means = rng.choice(list(own.values()), (100_000, len(SEEDS))).mean(axis=1)
    low, high = np.quantile((means - ATTAINED) / 0.02, [0.025, 0.975])
    assert row["low_jobs_s"] == pytest.approx(low, abs=0.05)
    assert row["high_jobs_s"] == pytest.approx(high, abs=0.05)
    assert row["knee_jobs_s"] == pytest.approx((np.mean(list(own.values())) - ATTAINED) / 0.02)


@given(
    st.lists(st.lists(st.integers(0, 20), min_size=2, max_size=5), min_size=1, max_size=4).filter(
        lambda curves: len({len(curve) for curve in curves}) == 1
    )
)
def test_crossings_are_the_largest_load_up_to_which_all_is_kept(curves: list[list[int]]):
    """Against a search on a fine grid, by the sentence that defines it."""
    loads = np.array([1.0, 2.0, 3.0, 5.0, 9.0])[: len(curves[0])]
    shares = np.array(curves, float).T / 20.0
    fine = np.linspace(loads[0], loads[-1], 8001)
    for found, curve in zip(crossings(loads, shares), shares.T, strict=True):
        kept = np.logical_and.accumulate(np.interp(fine, loads, curve) >= ATTAINED - 1e-9)
        if kept.all():
            assert found == np.inf
        elif not kept.any():
            assert found == -np.inf
        else:
            assert found == pytest.approx(fine[kept][-1], abs=2e-3)


def test_one_load_brackets_nothing_and_two_seeds_have_no_interval():
    frame = table({LOAD: [4.0]}, {"busy": "rule", "calm": "rule"}, slo_attainment=falling)
    assert knees(frame)["knee_jobs_s"].tolist() == [-np.inf, np.inf]
    two = table({LOAD: [1.0, 4.0]}, {"busy": "rule"}, slo_attainment=falling)
    (row,) = knees(two[two["seed"] < SEEDS[2]]).to_dict("records")
    assert row["knee_jobs_s"] == pytest.approx(2.0)
    assert np.isnan([row["low_jobs_s"], row["high_jobs_s"]]).all()


def test_knees_are_of_each_setting_of_the_other_keys_and_of_a_group_as_one():
    def share(setting: Mapping[str, object], policy: str, seed: int) -> float:
        more = (0.05 if setting["cut"] == "[0.5]" else 0.0) + (0.01 if "/1" in policy else 0.0)
        return falling(setting, policy, seed) + more

    members = {"g/1": "learned", "g/2": "learned"}
    found = knees(table({"cut": ["[0.0]", "[0.5]"], LOAD: [1.0, 2.0, 4.0]}, members, slo_attainment=share))
    assert found[["cut", "policy"]].to_numpy().tolist() == [["[0.0]", "g"], ["[0.5]", "g"]]
    assert found["knee_jobs_s"].tolist() == pytest.approx(
        [2.1, 3.1]
    )  # the mean of both is 0.005 above, which is 0.1 jobs/s


def test_a_policy_that_lacks_a_load_has_no_knee():
    frame = table({LOAD: [1.0, 4.0]}, {"busy": "rule", "calm": "rule"}, slo_attainment=falling)
    frame = frame[(frame["policy"] == "busy") | (frame[LOAD] == 1.0)]
    found = knees(frame).set_index("policy")["knee_jobs_s"]
    assert found["busy"] == pytest.approx(2.0)
    assert np.isnan(found["calm"])
    with pytest.raises(SweepError, match=r"arrivals\.rate_jobs_s does not vary: only cut does"):
        knees(table({"cut": [1]}, {"busy": "rule"}))


def reward(setting: Mapping[str, object], policy: str, seed: int) -> float:
    """What makes a seed hard is common to all settings and policies."""
    hard = np.random.default_rng(seed).normal()
    own = np.random.default_rng([seed, len(policy), int(float(str(setting[LOAD])))]).normal()
    return hard - 0.1 * float(str(setting[LOAD])) + (0.05 if setting["cut"] == 0.5 else 0.0) + 0.001 * own


def test_differences_between_settings_are_paired_by_seed():
    frame = table({LOAD: [1, 2], "cut": [0.0, 0.5]}, {"a": "rule", "long": "rule"}, reward_per_job=reward)
    found = differences(frame, ["reward_per_job"])
    assert len(found) == 2 * (2 + 2)  # by policy: two cuts at each load, two loads at each cut
    for row in found.to_dict("records"):
        other = {**{key: row[key] for key in (LOAD, "cut")}, row["key"]: row["reference"]}
        of, against = (
            {seed: reward(setting, row["policy"], seed) for seed in SEEDS}
            for setting in ({**other, row["key"]: row[row["key"]]}, other)
        )
        assert {name: row[name] for name in ("low", "high", "mean", "n")} | {"iqm": row["difference"]} == pytest.approx(
            paired_difference(of, against)
        )
        assert abs(row["difference"]) > 10 * (
            row["high"] - row["low"]
        )  # unpaired, the interval would be of the size of 1


def test_estimates_have_each_setting_s_own_best_rule_and_no_learned_one_is_it():
    def best(setting: Mapping[str, object], policy: str, seed: int) -> float:
        return {"a": 2.0, "b": float(str(setting[LOAD])), "mine": 9.0}[policy] + 0.01 * (seed % 3)

    frame = table({LOAD: [1.0, 3.0]}, {"a": "rule", "b": "rule", "mine": "learned"}, reward_per_job=best)
    found = estimates(frame, ["reward_per_job"]).set_index([LOAD, "policy"])
    assert found["best_rule"].groupby(LOAD).first().to_dict() == {1.0: "a", 3.0: "b"}
    assert found.loc[(1.0, "b"), "difference"] == pytest.approx(-1.0)
    assert found.loc[(3.0, "mine"), "difference_low"] == pytest.approx(6.0)
    assert np.isnan(found.loc[(3.0, "b"), "difference"])
    assert found.loc[(3.0, "b"), "middle"] == pytest.approx(3.01, abs=0.005)


def test_a_groups_difference_is_a_mean_over_training_seeds_with_how_probably_it_beats_the_best_rule():
    """Two checkpoints of three earn more in six worlds of eight, the third in all."""

    def reward(_: Mapping[str, object], policy: str, seed: int) -> float:
        return {"a": 0.0, "g/3": 0.3}.get(policy, 0.1 if seed > SEEDS[1] else -0.1)

    members = {"a": "rule", "g/1": "learned", "g/2": "learned", "g/3": "learned"}
    found = estimates(table({LOAD: [1.0]}, members, reward_per_job=reward), ["reward_per_job", "slo_attainment"])
    group = found[(found["policy"] == "g") & (found["metric"] == "reward_per_job")].iloc[0]
    assert (group["checkpoints"], group["n"]) == (3, 8)
    assert group["middle"] == pytest.approx(iqm([0.5 / 3] * 6 + [0.1 / 3] * 2))
    assert group["difference"] == pytest.approx((0.05 + 0.05 + 0.3) / 3)
    low, high = stats.ttest_1samp([0.05, 0.05, 0.3], 0.0).confidence_interval(0.95)
    assert [group["difference_low"], group["difference_high"]] == pytest.approx([low, high])
    assert group["improvement"] == pytest.approx((0.75 + 0.75 + 1.0) / 3)
    assert found["improvement"].notna().sum() == 1


def test_all_figures_are_the_same_of_the_table_read_again():
    frame = table(
        {LOAD: [1, 2], "cut": ["[0.0]", "[0.5]"]}, {"a": "rule", "g/1": "learned", "g/2": "learned"}, reward_per_job=falling,
        slo_attainment=falling,
    )  # fmt: skip
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    for of in (estimates, differences, knees):
        pd.testing.assert_frame_equal(of(again), of(frame), check_dtype=False)


def test_a_table_of_something_else_is_refused():
    with pytest.raises(SweepError, match=r"sweep\.csv, and this one has no column policy"):
        estimates(pd.DataFrame({"a": [1]}))
    with pytest.raises(SweepError, match="no varied key before the column policy"):
        differences(table({LOAD: [1]}, {"a": "rule"}).drop(columns=LOAD))
