"""The kernel's own modules whose inner functions tests call: imported here alone."""

from edge6g_env.kernel import channel, checks, faults, heap, predict, rates, rng, traffic
from edge6g_env.kernel.places import device

__all__ = ["channel", "checks", "device", "faults", "heap", "predict", "rates", "rng", "traffic"]
