"""A job's way through its stages: setup pass (setup_pass.py), then tokens one by one (decode.py), or back after a fault (requeue.py).

Each job carries its own clock and is advanced through as many stages as fit before the end of the substep, so a stage that ends
early hands its left-over time to the next. Latencies without a queue only move the clock. Rates are those of the substep.
"""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel import decode, requeue, setup_pass, way
from edge6g_env.kernel.world import DECODE, DEVICE, DOWNLINK, LINK, NODE_PREFILL, RETURN, TURNED_AWAY, UPLINK


@njit_inner
def advance(w, b, job, t0, t1):
    """Advance a job to t1 through every stage that needs no node or cloud to act; True when it is no longer under way."""
    while job.clock_s < t1 - way.EPSILON_S:
        if job.stage == DEVICE:
            setup_pass.advance_device(w, b, job, t1)
        elif job.stage == UPLINK:
            setup_pass.advance_upload(w, b, job, t0, t1)
        elif job.stage == LINK:
            setup_pass.advance_link(w, b, job, t0, t1)
        elif job.stage == DECODE:
            decode.advance_decode(w, b, job, t1)
        elif job.stage == DOWNLINK:
            if decode.advance_downlink(w, b, job, t1):
                return True
        elif job.stage == RETURN:
            return requeue.come_back(w, b, job, t1)
        elif job.stage == NODE_PREFILL and job.admitted == TURNED_AWAY:
            job.clock_s = t1
            setup_pass.enter_inbox(w, b, job, job.part)
            return False
        else:
            return False
    return False
