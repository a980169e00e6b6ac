"""The kernel's own modules whose inner functions tests call: imported here alone."""

from edge6g_env.kernel import air, channel, checks, faults, heap, predict, rng, traffic

__all__ = ["air", "channel", "checks", "faults", "heap", "predict", "rng", "traffic"]
