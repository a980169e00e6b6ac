"""The kernel's own modules whose inner functions tests call: imported here alone."""

from edge6g_env.kernel import channel, checks, faults, heap, predict, rates, rng, traffic

__all__ = ["channel", "checks", "faults", "heap", "predict", "rates", "rng", "traffic"]
