"""Seeds of worlds: whatever the training seed, the run and the number of worlds are, no world is met twice.

A world takes a seed of 62 bits, and its episodes go on by (seed, number of the episode). Training has the upper half: bit 61, then fields
for the training seed, the run (0 is the first, each resume begins another one; or what stands for a batch of a stage) and the world.
Tuning, validation and evaluation lie in the lower half.
"""

from __future__ import annotations

from edge6g_env.errors import UserError
from eval import VALIDATION_SEED

__all__ = ["CHOICE_SEED", "TUNING_SEED", "VALIDATION_SEED", "SeedError", "run_of_batch", "world_seed"]

# And up to below 2,000,000: what `edge6g tune` searches on; validation is from VALIDATION_SEED, evaluation from eval.EVALUATION_SEED.
TUNING_SEED = 0
# And up: what `edge6g tune` chooses by. On seeds of validation, where the best rule is chosen and learning curves have their zero line,
# values that were chosen there would look better than others.
CHOICE_SEED = 6_000_000

_TRAINING = 1 << 61
_SEED_BITS, _RUN_BITS, _WORLD_BITS = 24, 21, 16  # 61 in all
MOST_WORLDS = 1 << _WORLD_BITS - 1  # of a batch: stage B has two halves of them
_BATCH_BITS = 19  # of a run's, where it stands for a batch; the others are its stage's


class SeedError(UserError):
    """A number that has no place in a seed."""


def world_seed(seed: int, run: int, world: int) -> int:
    """Seed of a training world, different for any two different triples; SeedError for a number outside its field."""
    packed = _TRAINING | _checked("seed", seed, _SEED_BITS) << _RUN_BITS + _WORLD_BITS
    return packed | _checked("run", run, _RUN_BITS) << _WORLD_BITS | _checked("world", world, _WORLD_BITS)


def run_of_batch(stage: int, batch: int) -> int:
    """What stands in the place of the run for a batch of a stage; SeedError for a number outside its field, as one batch too many."""
    stage_bits = _checked("stage", stage, _RUN_BITS - _BATCH_BITS) << _BATCH_BITS
    return stage_bits | _checked("batch", batch, _BATCH_BITS)


def _checked(name: str, value: int, bits: int) -> int:
    if not 0 <= value < 1 << bits:
        raise SeedError(f"{name} must be in 0..{(1 << bits) - 1}, it is {value}")
    return int(value)
