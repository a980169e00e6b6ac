"""Sweeps: policies over values of keys of a scenario, all on the same seeds.

run      `edge6g sweep`, and the same from Python
grid     the values, and the scenario of each combination
plays    what is played, through a pool; what is kept
table    the table of episodes, of which all else is worked out
figures  figures of each setting, differences between settings
knees    up to which load a policy keeps its objectives
swept    all that a report shows; `words`: in sentences
"""

from eval.sweep.figures import differences, estimates
from eval.sweep.knee import knees
from eval.sweep.run import play, sweep

__all__ = ["differences", "estimates", "knees", "play", "sweep"]
