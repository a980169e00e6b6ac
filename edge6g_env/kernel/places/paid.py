"""What is paid when it begins, bytes of a leg and energy of a computation: of what does not happen any more it is taken back."""

from __future__ import annotations

from edge6g_env._jit import njit_inner
from edge6g_env.kernel.places import air, cloud, device, link


@njit_inner
def take_back(w, b, job, now_s):
    """Take back what was paid for what would happen to the job after now_s."""
    air.take_back(w, job)
    link.take_back(w, job)
    cloud.take_back(w, b, job, now_s)
    device.take_back(w, job)
