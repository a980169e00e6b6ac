"""Counter-based random numbers: a value is a hash of (world key, purpose, owner, count), so nothing depends on the order of draws.

The mixer is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014),
applied once a key word.
"""

from __future__ import annotations

import math

import numpy as np

from edge6g_env._jit import njit_inner

# Purposes: what a random number is for. Values are part of a scenario's version: never renumber.
FOR_HOTSPOT, FOR_WAYPOINT, FOR_SPEED, FOR_PAUSE, FOR_LOS, FOR_SHADOW, FOR_K, FOR_FADING, FOR_CSI = range(1, 10)
FOR_ARRIVAL, FOR_SERVICE, FOR_LENGTH, FOR_UE, FOR_TRACE_START, FOR_CLOUD_DELAY, FOR_TURN, FOR_VELOCITY = range(10, 18)
FOR_FAULT, FOR_XN_DELAY, FOR_INDOOR, FOR_BLOCKAGE, FOR_BEAM, FOR_INTERFERER = range(18, 24)
FOR_ACCESS, FOR_RETRANSMISSION = range(24, 26)
FOR_FIRST_STATE, FOR_DWELL = range(26, 28)
FOR_LOOP = 28  # count 0: phase of a UE's loop; count n + 1: lengths of its job n
FOR_OUTPUT, FOR_CHOICE = range(29, 31)
FOR_HOME = 31

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_TO_UNIT = 1.0 / 9007199254740992.0  # 2^-53


@njit_inner
def mix(x):
    """SplitMix64 finaliser of a uint64."""
    x = (x ^ (x >> _S30)) * _MIX_1
    x = (x ^ (x >> _S27)) * _MIX_2
    return x ^ (x >> _S31)


@njit_inner
def world_key(seed, episode):
    """Key of an episode: the stream of (seed of the world, number of the episode)."""
    return mix(mix(np.uint64(seed) + _GOLDEN) + np.uint64(episode) * _GOLDEN + np.uint64(1))


@njit_inner
def bits(key, purpose, owner, count):
    """uint64 that belongs to (purpose, owner, count) of the world with this key."""
    return count_bits(owner_bits(key, purpose, owner), count)


@njit_inner
def owner_bits(key, purpose, owner):
    """What `bits` has worked out before it comes to the count, for those who draw often."""
    x = mix(key + np.uint64(purpose) * _GOLDEN)
    return mix(x + np.uint64(owner) * _GOLDEN)


@njit_inner
def count_bits(of_owner, count):
    """`bits` of a count, from `owner_bits`."""
    return mix(of_owner + np.uint64(count) * _GOLDEN)


@njit_inner
def unit(x):
    """Float in (0, 1) from a uint64."""
    return (np.float64(x >> _S11) + 0.5) * _TO_UNIT


@njit_inner
def uniform(key, purpose, owner, count):
    """Uniform number in (0, 1)."""
    return unit(bits(key, purpose, owner, count))


@njit_inner
def exponential(key, purpose, owner, count):
    """Exponential number of mean 1."""
    return -math.log(uniform(key, purpose, owner, count))


@njit_inner
def normal_pair(key, purpose, owner, count):
    """Two independent unit normals, by the polar method (Marsaglia, Bray 1964): no trigonometry, half the time of Box-Muller."""
    x = bits(key, purpose, owner, count)
    while True:
        y = mix(x + _GOLDEN)
        a, b = 2.0 * unit(x) - 1.0, 2.0 * unit(y) - 1.0
        square = a * a + b * b
        if square < 1.0:
            break
        x = mix(y + _GOLDEN)
    scale = math.sqrt(-2.0 * math.log(square) / square)
    return scale * a, scale * b


@njit_inner
def normal(key, purpose, owner, count):
    """Unit normal."""
    return normal_pair(key, purpose, owner, count)[0]
