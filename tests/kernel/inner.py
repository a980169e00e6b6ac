"""The kernel's own modules whose inner functions tests call: imported here alone."""

from edge6g_env.kernel import channel, checks, faults, heap, predict, rates, rng, traffic
from edge6g_env.kernel.places import air, device, link

__all__ = ["air", "channel", "checks", "device", "faults", "heap", "link", "predict", "rates", "rng", "traffic"]
