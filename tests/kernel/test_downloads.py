"""Bytes for a UE that are no tokens: down the air and back over a link, shared as uploads and transfers are.

No kind of job that ships has any, so jobs are put there in the middle of their answer: its last token comes after them.
"""

import numpy as np
import pytest

from edge6g_env import _jit, costs
from edge6g_env.kernel.codes import BACK, DECODE, DOWNLOAD, FINISHED, INGRESS, OVER, UNDER_WAY
from tests.kernel.inner import air, link, rates

UP, DOWN, UP_S, DOWN_S = 2e7, 5e7, 0.007, 0.003
FIXED = {"uplink_bit_s": UP, "downlink_bit_s": DOWN, "uplink_access_s": UP_S, "downlink_access_s": DOWN_S}
XN, BACKHAUL = (0.001, 1e10), (0.015, 1e9)  # tiny: delay, rate
BYTES = 1e6


@_jit.njit
def begin(w, row, over_link):
    if over_link:
        return link.begin_back(w, 0, w.job[0, row])
    return air.begin_download(w, 0, w.job[0, row])


@_jit.njit
def downlinks(w, receivers, now_s, out):
    for u in range(out.shape[0]):
        out[u, 0], out[u, 1] = rates.downlink(w, 0, u, receivers, now_s)


@pytest.fixture(scope="module")
def bench(make_bench):
    return make_bench(["l40s", "l4"], ues_a_node=3, drawn=True, **{"radio.fixed": FIXED})


def generating(bench, ues, name="local, int4"):
    """Jobs of these UEs in the middle of their answer."""
    bench.lengths(100.0, 2000.0)
    bench.send(dict.fromkeys(ues, bench.now_s + 0.001))
    while len(bench.jobs(DECODE)) < len(ues):
        assert bench.now_s < 60.0
        bench.step(name)
    bench.step()
    return bench.jobs(DECODE)


def put(bench, job, stage, size):
    """Have nothing left of a job but so many bytes and its last token; the bytes count from the start of the next substep on."""
    job.done_tokens, job.left_bytes, job.stage = job.output_tokens, size, stage
    job.clock_s, job.stage_s = bench.now_s, bench.now_s - 1.0


def three_at_the_first(bench):
    for seed in range(1, 100):
        bench.reset(seed)
        if len(bench.ues_of(0)) >= 3 and bench.ues_of(1):
            return bench.ues_of(0)[:3]
    raise AssertionError("no seed puts three UEs at the first node and one at the second")


def ends(bench, jobs):
    """Seconds from now to the end of each job, by the number that it has."""
    start_s, numbers = bench.now_s, [int(job.number) for job in jobs]
    of = {int(job["job"]): job for job in bench.run("hold", len(jobs))}
    assert all(of[number]["phase"] == FINISHED for number in numbers)
    return [float(of[number]["end_s"]) - start_s for number in numbers]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_downloads_of_a_cell_share_its_downlink(bench, n):
    """n of equal size take n times as long, and one in another cell meets none of them."""
    jobs = generating(bench, three_at_the_first(bench)[:n])
    for job in jobs:
        put(bench, job, DOWNLOAD, BYTES)
    assert ends(bench, jobs) == pytest.approx([n * 8.0 * BYTES / DOWN + DOWN_S + 32.0 / DOWN] * n, abs=1e-5)


def test_a_short_download_makes_way_for_a_long_one(bench):
    """Half of the rate for both, then all of it; rates are fixed within a substep."""
    jobs = generating(bench, three_at_the_first(bench)[:2])
    for job, size in zip(jobs, (BYTES, 2.0 * BYTES), strict=True):
        put(bench, job, DOWNLOAD, size)
    substep_s = bench.slot_s / bench.scenario.time.n_substeps
    short_s, long_s = ends(bench, jobs)
    assert short_s == pytest.approx(2.0 * 8.0 * BYTES / DOWN + DOWN_S, abs=1e-5)
    assert long_s == pytest.approx(3.0 * 8.0 * BYTES / DOWN + DOWN_S, abs=substep_s)


def test_cells_do_not_share(bench):
    ues = [three_at_the_first(bench)[0], bench.ues_of(1)[0]]
    jobs = generating(bench, ues)
    for job in jobs:
        put(bench, job, DOWNLOAD, BYTES)
    assert ends(bench, jobs) == pytest.approx([8.0 * BYTES / DOWN + DOWN_S] * 2, abs=1e-5)


def test_a_handover_interrupts_a_download(bench):
    (job,) = generating(bench, three_at_the_first(bench)[:1])
    put(bench, job, DOWNLOAD, BYTES)
    bench.silence(bench.now_s + 0.5)
    bench.step()
    assert bench.node().n_receivers == 0
    assert job.left_bytes == BYTES
    bench.silence(bench.now_s + 0.5)
    assert ends(bench, [job]) == pytest.approx([0.5 + 8.0 * BYTES / DOWN + DOWN_S], abs=1e-5)


@pytest.mark.parametrize("name", ["neighbour 1, int4", "cloud, int4"])
@pytest.mark.parametrize("n", [1, 3])
def test_what_comes_back_shares_the_link(bench, name, n):
    """n transfers of equal size from the same target: n times as long, one delay, then the last token's own way."""
    delay_s, rate = XN if "neighbour" in name else BACKHAUL
    jobs, size = generating(bench, three_at_the_first(bench)[:n], name), 8e7
    for job in jobs:
        put(bench, job, BACK, size)
    expected_s = n * 8.0 * size / rate + 2.0 * delay_s + DOWN_S + 32.0 / DOWN
    assert ends(bench, jobs) == pytest.approx([expected_s] * n, abs=1e-5)


def test_a_link_carries_both_ways_at_once(bench):
    """What comes back to the first node is counted by its neighbour's link, where the neighbour's own transfers are."""
    (job,) = generating(bench, three_at_the_first(bench)[:1], "neighbour 1, int4")
    put(bench, job, BACK, 1e9)
    bench.step()
    assert (bench.link(0).n_transfers, bench.link(1).n_transfers) == (0, 1)


@pytest.mark.parametrize("name", ["local, int4", "neighbour 1, int4", "cloud, int4"])
def test_they_begin_with_their_bytes_and_prices_where_there_are_any(bench, name):
    (job,) = generating(bench, three_at_the_first(bench)[:1], name)
    air_usd, backhaul_usd, egress_usd = map(costs.network_price_usd_per_byte, ("air", "backhaul", "cloud_egress"))
    row, stage, used, in_cloud = int(job.row), int(job.stage), name != "local, int4", name.startswith("cloud")
    before = job.copy()
    assert [begin(bench.batch._handle, row, over_link) for over_link in (True, False)] == [OVER, OVER]
    assert job == before
    job.back_bytes = BYTES
    assert begin(bench.batch._handle, row, True) == (UNDER_WAY if used else OVER)
    assert job.stage == (BACK if used else stage)
    assert job.backhaul_bytes - before.backhaul_bytes == (BYTES if in_cloud else 0.0)
    paid_usd = BYTES * (backhaul_usd + egress_usd) if in_cloud else 0.0
    assert job.price_usd - before.price_usd == pytest.approx(paid_usd, rel=1e-9)
    assert begin(bench.batch._handle, row, False) == UNDER_WAY
    assert (job.stage, job.left_bytes) == (DOWNLOAD, BYTES)
    assert job.air_bytes - before.air_bytes == BYTES
    assert job.price_usd - before.price_usd == pytest.approx(paid_usd + BYTES * air_usd, rel=1e-9)
    assert job.clock_s - before.clock_s == pytest.approx(DOWN_S)
    assert bench.part(job, INGRESS).node == 0


@pytest.mark.parametrize("receivers", [2, 5])
def test_sharing_divides_the_rate_and_leaves_the_sinr(make_air, receivers):
    """Power follows the share of the band, so errors are the same."""
    alone, shared = np.zeros((2, 3 * 64, 2))
    for n, out in ((1, alone), (receivers, shared)):
        downlinks(make_air(1, **{"radio.background_load": 0.3}).reset(1).handle, n, 0.1, out)
    assert shared[:, 0] == pytest.approx(alone[:, 0] / receivers)
    assert (shared[:, 1] == alone[:, 1]).all()
    assert (alone[:, 0] > 0.0).any()
