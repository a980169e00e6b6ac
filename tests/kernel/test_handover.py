"""Which cell serves: the filter of layer 3 and event A3 against a slow reference over recorded levels, and what a handover costs."""

import math

import numpy as np
import pytest

from edge6g_env.kernel.codes import DECODE, FINISHED, NODE_PREFILL, UPLINK
from tests.looking import values

PEOPLE = {"radio.presets": ["fr2_28g"], "radio.blockers_per_m2": 0.1}
BANDS = {"radio.presets": ["fr3_7g", "subthz_140g"], "radio.cell_offset_db": [0.0, 20.0]}
RULES = {
    "the scenario's": {},
    "at once": {"radio.time_to_trigger_s": 0.0, "radio.handover_hysteresis_db": 0.0, "radio.filter_coefficient": 0},
    "slowly": {"radio.time_to_trigger_s": 0.64, "radio.handover_hysteresis_db": 1.0, "radio.filter_coefficient": 8},
    "each slot": {"radio.measurement_period_s": 0.05, "radio.time_to_trigger_s": 0.1},
}


class SlowUe:
    """One UE: levels in dBm by node at each measurement, the filter of TS 38.331 5.5.3.2, event A3 of 5.5.4.4."""

    def __init__(self, options, offset_db):
        self.share = 0.5 ** (options.filter_coefficient / 4.0)
        self.bar_db, self.trigger_s = options.handover_hysteresis_db, options.time_to_trigger_s
        self.pause_s, self.offset_db = options.handover_interruption_s, offset_db
        self.filtered, self.serving, self.clock = {}, None, None
        self.handovers, self.silent_until_s = [], 0.0

    def level(self, node):
        return self.filtered[node] + self.offset_db[node]

    def measure(self, now_s, levels_dbm):
        """levels_dbm: {node: power}; a cell that is new, or comes back, starts from its first measurement."""
        self.filtered = {
            node: (1.0 - self.share) * self.filtered[node] + self.share * dbm if node in self.filtered else dbm
            for node, dbm in levels_dbm.items()
        }
        best = max(self.filtered, key=self.level)
        if self.serving is None:
            self.serving = best
            return
        better = [node for node in self.filtered if self.level(node) > self.level(self.serving) + self.bar_db]
        if self.clock is None or self.clock[0] not in better:
            self.clock = (best, now_s) if best in better else None
        if self.clock and now_s - self.clock[1] >= self.trigger_s - 1e-6:
            self.handovers.append((now_s, self.serving, self.clock[0]))
            self.serving, self.clock, self.silent_until_s = self.clock[0], None, now_s + self.pause_s

    @property
    def ping_pongs(self):
        """Handovers back to where the one before came from, within a second of it (TR 36.839 5.2.1.3)."""
        pairs = zip(self.handovers, self.handovers[1:], strict=False)
        return sum(to == came_from and at_s - since_s <= 1.0 for (since_s, came_from, _), (at_s, _, to) in pairs)


def powers_dbm(air):
    """(B, U, M) downlink power at each UE now."""
    return air.bands["ptx_bs_dbm"][air.band_of_links()] - air.losses_db(air.now_s)


@pytest.mark.parametrize("place", [{}, PEOPLE, BANDS], ids=["3.5 GHz", "28 GHz and people", "two bands"])
@pytest.mark.parametrize("rule", RULES)
def test_filter_and_event_a3_are_those_of_the_standard(make_air, rule, place):
    """Filtered power, serving cell, interruption and counts of every UE after every slot, from the levels as they were."""
    air = make_air(1, **{**make_air.STRIDE, **place, **RULES[rule], "ues.per_node": 32}).reset(2)
    options = air.scenario.radio
    offsets = options.cell_offset_db or [0.0]
    offset_db = [offsets[n % len(offsets)] for n in range(air.batch.num_agents)]
    slow = [SlowUe(options, offset_db) for _ in range(air.ues.shape[1])]
    measured = None
    for slot in range(240):
        if slot:
            air.step()
        period = math.floor(slot * 0.05 / options.measurement_period_s + 1e-9)
        levels = powers_dbm(air)[0]
        nodes = air.links["node"][0].tolist()
        if period != measured:
            for ue, near, heard in zip(slow, nodes, levels.tolist(), strict=True):
                ue.measure(air.now_s, dict(zip(near, heard, strict=True)))
        assert all(ue.filtered.keys() == set(near) for ue, near in zip(slow, nodes, strict=True)), slot
        filtered = [[ue.filtered[node] for node in near] for ue, near in zip(slow, nodes, strict=True)]
        np.testing.assert_allclose(air.links["filtered_dbm"][0], filtered, rtol=0.0, atol=1e-6, err_msg=str(slot))
        serving = [ue.serving for ue in slow]
        assert air.ues["node"][0].tolist() == serving, slot
        assert air.serving(air.links["node"])[0].tolist() == serving, slot
        silent_until_s = [ue.silent_until_s for ue in slow]
        np.testing.assert_allclose(air.ues["silent_until_s"][0], silent_until_s, rtol=1e-6, err_msg=str(slot))
        measured = period
    assert air.count("handovers") == sum(len(ue.handovers) for ue in slow) > 20
    assert air.count("ping_pongs") == sum(ue.ping_pongs for ue in slow)
    if rule == "at once" and place:
        assert air.count("ping_pongs") > 0


@pytest.mark.parametrize(("coefficient", "share"), [(0, 1.0), (4, 0.5), (8, 0.25), (19, 2.0**-4.75)])
def test_a_step_of_the_level_is_followed_by_one_over_two_to_a_quarter_of_the_coefficient(make_air, coefficient, share):
    """UEs at rest; their loss rises by 10 dB once: what is left of the step after n measurements is (1 - a)^n, a = 2^(-k/4)."""
    air = make_air(1, **{"radio.filter_coefficient": coefficient, "radio.time_to_trigger_s": 1e6}).reset(3)
    before = air.links["filtered_dbm"].copy()
    assert before == pytest.approx(powers_dbm(air))
    air.weaken(10.0)
    for n in range(1, 6):
        air.step(2)  # a measurement a tenth of a second
        left_db = air.links["filtered_dbm"] - (before - 10.0)
        assert left_db == pytest.approx(np.full_like(left_db, 10.0 * (1.0 - share) ** n), abs=1e-9)


def test_the_offset_moves_ues_to_the_other_band(make_air):
    """A UE attaches to the greatest sum of power and offset; with more offset, more of them to that band."""
    shares = []
    for offset_db in (-20.0, 0.0, 20.0, 40.0):
        more = {"radio.presets": ["fr3_7g", "subthz_140g"], "radio.cell_offset_db": [0.0, offset_db]}
        air = make_air(2, **more).reset(4)
        band = air.band_of_links()
        compared = powers_dbm(air) + np.array([0.0, offset_db])[band]
        assert np.array_equal(air.ues["serving"], compared.argmax(axis=2))
        shares.append(air.serving(band).mean())
    assert shares == sorted(shares)
    assert shares[-1] > shares[0] + 0.2


def test_a_cell_that_is_stronger_for_less_than_the_time_to_trigger_does_not_take_over(make_air):
    """All UEs at rest; for one measurement too few, then for enough of them, the strongest neighbour is 10 dB above the bar."""
    rule = {"radio.filter_coefficient": 0, "radio.time_to_trigger_s": 0.3, "radio.handover_hysteresis_db": 3.0}
    air = make_air(1, **rule).reset(5)
    serving, node = air.ues["serving"].copy(), air.ues["node"].copy()
    for measurements, moves in ((3, False), (4, True)):  # 4 of them, 0.1 s apart, span 0.3 s
        air.weaken(500.0 * (np.arange(3) == serving[..., None]))
        for _ in range(measurements):
            assert np.array_equal(air.ues["node"], node)
            air.step(2)
        assert (air.ues["node"] != node).all() == moves
        air.weaken(-500.0 * (np.arange(3) == serving[..., None]))
        air.step(2)
    assert air.count("handovers") >= node.size


def test_nothing_is_sent_during_a_handover(make_air):
    air = make_air(1).reset(6)
    air.ues["silent_until_s"][0, ::2] = 1.0
    for ask in (air.uplink, air.downlink):
        rate, error_rate = ask(0.5)
        assert (rate[0, ::2] == 0.0).all()
        assert (error_rate[0, ::2] == 1.0).all()
        assert (rate[0, 1::2] > 0.0).any()
        assert (ask(1.0)[0][0, ::2] > 0.0).any()


# --- jobs of a UE that is handed over ---------------------------------------------------------------------------------------------

XN_S = 0.25  # far more than anything else varies by


def handed_over(bench, stage, name="local, fp16"):
    """A job of a UE whose serving cell changes once the job is in a stage; None: it never does."""
    bench.reset(1)
    bench.lengths(400.0, 40.0)
    ue = bench.ues_of(0)[0]
    bench.send({ue: 0.013})
    moved = stage is None
    while not bench.outcomes:
        assert bench.now_s < 60.0
        bench.step(name)
        if not moved and bench.jobs(stage):
            bench.hand_over(ue, 1)
            moved = True
    (job,) = bench.outcomes
    assert moved
    assert job["phase"] == FINISHED
    return job


@pytest.fixture(scope="module")
def two_nodes(make_bench):
    """Nodes that are 0.25 s apart, four UEs; nobody is handed over on its own account."""
    more = {"xn.delay_s": XN_S, "radio.time_to_trigger_s": 1e6, "time.n_substeps": 8}
    return make_bench(["l40s", "l40s"], ues_a_node=2, **more)


def test_the_answer_follows_over_xn(two_nodes):
    """Handed over while its prompt is computed, both ends of the answer take the hop; while it decodes, the last token alone."""
    stay = handed_over(two_nodes, None)
    early, late = handed_over(two_nodes, NODE_PREFILL), handed_over(two_nodes, DECODE)
    assert early["ttft_s"] - stay["ttft_s"] == pytest.approx(XN_S, abs=1e-6)
    assert early["end_s"] - stay["end_s"] == pytest.approx(XN_S, abs=1e-6)
    assert late["ttft_s"] == pytest.approx(stay["ttft_s"], abs=1e-6)
    assert late["end_s"] - stay["end_s"] == pytest.approx(XN_S, abs=1e-6)


def test_an_upload_of_a_ue_that_has_left_the_cell_takes_the_hop_too(two_nodes, make_bench, make_service):
    more = {"xn.delay_s": XN_S, "radio.time_to_trigger_s": 1e6, "time.n_substeps": 8}
    bench = make_bench(["l40s", "l40s"], 2, services=[make_service(model="llama-3.2-3b")], **more)
    bench.scale_bands(1.0 / 20.0)  # the upload of a boundary takes a while
    name = "local, 0.25 on the device, int8"
    stay, left = handed_over(bench, None, name), handed_over(bench, UPLINK, name)
    # up and back, and for every token after the first up and back again
    assert left["ttft_s"] - stay["ttft_s"] == pytest.approx(2.0 * XN_S, abs=1e-3)
    assert left["tpot_s"] - stay["tpot_s"] == pytest.approx(2.0 * XN_S, abs=1e-3)


def test_a_ue_that_is_handed_over_leaves_the_band_to_the_others_meanwhile(make_bench, make_service):
    """Two uploads in one cell; while one UE is silent the other sends alone, and what the silent one has left waits."""
    bench = make_bench(["l40s"], 2, services=[make_service(model="llama-3.2-3b")])
    bench.scale_bands(1.0 / 400.0)
    bench.reset(1)
    bench.lengths(400.0, 2.0)
    bench.send({0: 0.001, 1: 0.0012})
    while bench.node(0).n_senders < 2:
        assert bench.now_s < 60.0
        bench.step("local, 0.25 on the device, int8")

    def sent_bytes(slots=5):
        jobs = sorted(bench.jobs(), key=lambda job: job.ue)
        before = values(jobs, "left_bytes")
        for _ in range(slots):
            bench.step()
        return before - values(jobs, "left_bytes")

    both = sent_bytes()
    bench.silence(1e9, 0)
    alone = sent_bytes()
    assert bench.node(0).n_senders == 1
    assert alone[0] == 0.0
    assert alone[1] == pytest.approx(2.0 * both[1], rel=1e-6)
    assert both[0] == pytest.approx(both[1], rel=1e-6)
