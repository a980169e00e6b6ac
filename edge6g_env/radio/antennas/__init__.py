"""Antennas and power budgets of the bands."""
