"""People who walk through links: a two-state Markov chain a link (Jain et al. 2019, CHANNEL 8), whoever looks at it and when."""

import numpy as np
import pytest
from scipy import stats

from edge6g_env import radio

DENSITY = 0.1  # the higher of the paper's two, 1/m2
PEOPLE = {"radio.presets": ["fr2_28g"], "radio.blockers_per_m2": DENSITY}
TO_CLEAR_PER_S = 2.0  # a blockage lasts 0.5 s on average
FIELDS = ("blocked", "blockages", "change_s", "changed_s", "changed_level", "to_blocked_per_s")


def to_blocked_per_s(distance_m):
    """a = (2 / pi) density V r (hB - hR) / (hT - hR): people of 1.8 m at 1 m/s, a UE at 1.4 m, a node at 10 m."""
    return 2.0 / np.pi * DENSITY * 1.0 * distance_m * (1.8 - 1.4) / (10.0 - 1.4)


@pytest.fixture(scope="module")
def crowd(make_air):
    """Two worlds of 384 UEs at rest; their links for 20 s at steps of 5 ms: state, excess loss, and the instants of changes."""
    air = make_air(2, **{**PEOPLE, "ues.per_node": 128}).reset(1)
    times_s = np.arange(0.0, 20.0, 0.005)
    blocked, excess_db, changed_s = [], [], []
    for now_s in times_s:
        excess_db.append((air.losses_db(now_s) - air.links["coupling_loss_db"]).astype(np.float32))
        blocked.append(air.links["blocked"] == 1)
        changed_s.append(air.links["changed_s"].copy())
    return air, times_s, np.array(blocked), np.array(excess_db), np.array(changed_s)


def test_share_of_time_blocked_is_that_of_the_chain(crowd):
    """a / (a + b) within 5 %, for all links and by distance."""
    air, _, blocked, _, _ = crowd
    d_m, share = air.distances_m(), blocked.mean(axis=0)
    a = to_blocked_per_s(np.maximum(d_m, 1.0))
    expected = a / (a + TO_CLEAR_PER_S)
    assert share.mean() == pytest.approx(expected.mean(), rel=0.05)
    for low, high in ((50, 150), (150, 250), (250, 500)):
        here = (d_m >= low) & (d_m < high)
        assert here.sum() > 300
        assert share[here].mean() == pytest.approx(expected[here].mean(), rel=0.05)


def spells_s(blocked, changed_s, state, until):
    """Lengths of the spells of a state that begin before sample `until`, and the links that they belong to."""
    begins = (blocked[1:until] == state) & (blocked[: until - 1] != state)
    n, *link = np.nonzero(begins)
    begin_s = changed_s[1:until][begins]
    rest = blocked[
        n[:, None] + 1 + np.arange(len(blocked) - until), link[0][:, None], link[1][:, None], link[2][:, None]
    ]
    ends = (rest != state).argmax(axis=1)
    seen = (rest != state).any(axis=1)
    end_s = changed_s[np.where(seen, n + 1 + ends, 0), *link]
    return np.where(seen, end_s - begin_s, np.inf), link


def test_a_blockage_lasts_half_a_second_and_ends_without_memory(crowd):
    _, _, blocked, _, changed_s = crowd
    lengths_s, _ = spells_s(blocked[:, :, :128], changed_s[:, :, :128], True, 2400)
    assert len(lengths_s) > 2000
    assert np.isfinite(lengths_s).all()
    assert lengths_s.mean() == pytest.approx(0.5, rel=0.05)
    assert stats.kstest(lengths_s, stats.expon(scale=0.5).cdf).pvalue > 1e-3


def test_a_clear_spell_is_exponential_at_the_rate_of_its_distance(crowd):
    """Lengths times their link's rate: all of one law, up to what the record is long enough for."""
    air, _, blocked, _, changed_s = crowd
    lengths_s, link = spells_s(blocked[:, :, :128], changed_s[:, :, :128], False, 1000)
    scaled = lengths_s * to_blocked_per_s(air.distances_m()[:, :128])[tuple(link)]
    far = (air.distances_m()[:, :128] > 100.0)[tuple(link)]
    limit = 15.0 * to_blocked_per_s(100.0)  # every such spell that is shorter has been seen to its end
    shorter = scaled[far & (scaled < limit)]
    assert len(shorter) > 500
    share = (scaled[far] < limit).mean()
    assert share == pytest.approx(1.0 - np.exp(-limit), abs=4.0 * np.sqrt(0.01 / far.sum()) + 0.01)
    assert stats.kstest(shorter, lambda x: (1.0 - np.exp(-x)) / (1.0 - np.exp(-limit))).pvalue > 1e-3


def slow_level(times_s, changes_s, state):
    """Share of the loss at times_s of one link: it moves by dt / 50 ms towards its state between changes."""
    level, now_s, levels, coming = float(state), times_s[0], [], list(changes_s)
    for time_s in times_s:
        while coming and coming[0] <= time_s:
            level = min(max(level + (coming[0] - now_s) / 0.05 * (1 if state else -1), 0.0), 1.0)
            now_s, state = coming.pop(0), not state
        level = min(max(level + (time_s - now_s) / 0.05 * (1 if state else -1), 0.0), 1.0)
        now_s = time_s
        levels.append(level)
    return np.array(levels)


def test_the_loss_ramps_to_its_depth_and_a_third_of_it_out_of_sight(crowd):
    """Depth of a screen of 0.3 m at 28 GHz in sight, a third without; 50 ms up and down, from where it is, without a leap."""
    air, times_s, blocked, excess_db, changed_s = crowd
    depth_db = radio.blockage_loss_db(28.0, True)
    assert depth_db == pytest.approx(13.0, abs=0.5)  # CHANNEL 8
    seen = {0: 0, 1: 0}
    for u in range(150):
        los, m = int(air.links["los"][0, u, 1]), 1
        # a link that changed twice between two looks shows one change of two: leave it out
        state, instants = blocked[:, 0, u, m], changed_s[:, 0, u, m]
        if ((np.diff(instants) > 0) != (np.diff(state.astype(int)) != 0)).any():
            continue
        changes_s = np.unique(instants)[1:]
        level = slow_level(times_s, changes_s, bool(state[0]))
        mine_db = depth_db if los else depth_db / 3.0
        assert excess_db[:, 0, u, m] == pytest.approx(mine_db * level, abs=1e-4)
        assert np.abs(np.diff(excess_db[:, 0, u, m])).max(initial=0.0) <= mine_db * 0.005 / 0.05 + 1e-4
        seen[los] += len(changes_s) > 0
    assert min(seen.values()) > 10


def test_indoors_a_blockage_costs_a_third_even_in_sight(make_air):
    air = make_air(1, **{**PEOPLE, "ues.indoor_share": 1.0, "ues.per_node": 256}).reset(2)
    most_db = np.max([air.losses_db(t) for t in np.arange(0.0, 20.0, 0.05)], axis=0) - air.links["coupling_loss_db"]
    in_sight = most_db[air.links["los"] == 1]
    assert in_sight.max() == pytest.approx(radio.blockage_loss_db(28.0, True) / 3.0)


def test_below_7_ghz_people_do_not_matter(make_air):
    air = make_air(1, **{"radio.blockers_per_m2": 1.0}).reset(3)
    for now_s in np.arange(0.0, 2.0, 0.05):
        assert np.array_equal(air.losses_db(now_s), air.links["coupling_loss_db"])
    assert air.links["blocked"].mean() > 0.1


def test_the_rate_follows_the_distance_of_a_moving_ue(make_air):
    """Blockages less the integral of the rate over clear time is a martingale: near 0 for UEs that come nearer and for those that
    go away, where the rate of the first place is far off."""
    air = make_air(6, **{**make_air.STRIDE, **PEOPLE, "ues.per_node": 256}).reset(4)
    start_m = air.distances_m()
    begun, due, constant = np.zeros((3, *start_m.shape))
    for _ in range(120):
        rate = air.links["to_blocked_per_s"].copy()
        for n in range(1, 6):
            blocked, changes = air.links["blocked"].copy(), air.links["blockages"].copy()
            if n < 5:
                air.losses_db(air.now_s + 0.01 * n)
            else:
                air.step()
            begun += (air.links["blockages"] - changes + (blocked == 0)) // 2
            due += np.where(blocked == 0, 0.01 * rate, 0.0)
            constant += np.where(blocked == 0, 0.01 * to_blocked_per_s(start_m), 0.0)
    now_m = air.distances_m()
    assert air.links["to_blocked_per_s"] == pytest.approx(to_blocked_per_s(np.maximum(now_m, 1.0)), abs=0.01)
    for group in (now_m < start_m - 80.0, now_m > start_m + 80.0):
        assert begun[group].sum() == pytest.approx(due[group].sum(), abs=4.0 * np.sqrt(due[group].sum()))
        assert abs(constant[group].sum() - due[group].sum()) > 10.0 * np.sqrt(due[group].sum())


def test_who_looks_changes_nothing(make_air):
    """Two equal worlds of walkers, one of them looked at all the time: the same states at the same instants, bit for bit."""
    watched, alone = (make_air(1, **{**make_air.STRIDE, **PEOPLE}).reset(5) for _ in range(2))
    for _ in range(40):
        for n in range(5):
            watched.losses_db(watched.now_s + 0.01 * n)
        watched.step(), alone.step()
    now_s = alone.now_s + 3.0
    assert np.array_equal(watched.losses_db(now_s), alone.losses_db(now_s))
    for name in FIELDS:
        assert np.array_equal(watched.links[name], alone.links[name]), name


def test_links_are_blocked_independently(crowd):
    _, _, blocked, _, _ = crowd
    now = blocked[::400].reshape(-1, 3).astype(float)  # every 2 s, four times what the chain remembers
    assert abs(np.corrcoef(now[:, 0], now[:, 1])[0, 1]) < 4.0 / np.sqrt(len(now))
