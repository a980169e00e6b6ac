"""Neurosurgeon: the best cut between phone and cloud moves with bandwidth and server load, and beats cloud-only at low rates.

A picture is asked about with LLaVA-1.5-7b at 4 bits: cloud-only uploads the photo, a cut behind the encoder or a layer uploads
activations, device-only nothing. Text prompts would not show it: their token ids are smaller than any activation.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from benchmarks.published.claims import Claim, show
from edge6g_env import costs

WORK = "Neurosurgeon"
MODEL, PHONE, CLOUD, PRECISION = "llava-1.5-7b", "phone-snapdragon-8gen3", "a100-80g", "int4"
PHOTO_BYTES = 3e6  # a 12-megapixel JPEG; judgement
QUESTION_TOKENS, ANSWER_TOKENS = 32.0, 16.0
ROUND_TRIP_S = 0.04
UPLINKS_MBIT_S = {"3G": 1.1, "LTE": 5.85, "Wi-Fi": 18.88}  # the paper's three networks (recalled)
RATES_MBIT_S = (0.2, 1.1, 2.0, 5.85, 10.0, 18.88, 50.0, 200.0)
ENCODER, NOTHING = 0, -1  # cuts: behind the encoder, before it


class Best(NamedTuple):
    """The fastest cut: layers on the phone (-1: nothing, 0: the encoder), its time, and the time of cloud-only."""

    cut: int
    time_s: float
    cloud_s: float


def _layers_s(device: str, layers: int, tokens: float, context: float) -> float:
    layer_s = costs.layer_time_s(MODEL, device, tokens, PRECISION)
    return layers * float(layer_s + costs.attention_time_s(MODEL, device, tokens, context))


def _request_s(cut: int, rate_mbit_s: float, load: float) -> float:
    """Time to the end of the answer with the encoder and `cut` layers on the phone; `load` slows the cloud down."""
    total, prompt = costs.model(MODEL).layers, costs.encoder_tokens(MODEL) + QUESTION_TOKENS
    on_phone = max(cut, 0)
    encoder_s = float(costs.encoder_s(MODEL, PHONE if cut >= ENCODER else CLOUD, PRECISION))
    time_s = encoder_s * (1.0 if cut >= ENCODER else load)
    passes = [(1.0, prompt, 0.0), (ANSWER_TOKENS - 1.0, 1.0, prompt + ANSWER_TOKENS / 2.0)]
    for times, tokens, context in passes:
        time_s += times * _layers_s(PHONE, on_phone, tokens, context)
        time_s += times * load * _layers_s(CLOUD, total - on_phone, tokens, context)
        if on_phone < total and (cut > ENCODER or times == 1.0):
            sent = PHOTO_BYTES if cut == NOTHING else float(costs.boundary_bytes(MODEL, tokens, PRECISION))
            time_s += times * (8e-6 * sent / rate_mbit_s + ROUND_TRIP_S)
    return time_s


def best(rate_mbit_s: float, load: float = 1.0) -> Best:
    """The fastest cut at a rate and a load of the cloud."""
    cuts = range(NOTHING, costs.model(MODEL).layers + 1)
    times_s = {cut: _request_s(cut, rate_mbit_s, load) for cut in cuts}
    cut = min(times_s, key=times_s.__getitem__)
    return Best(cut, times_s[cut], times_s[NOTHING])


def _name(cut: int) -> str:
    if cut == NOTHING:
        return "cloud"
    return "encoder" if cut == ENCODER else ("phone" if cut == costs.model(MODEL).layers else f"{cut} layers")


def claims() -> list[Claim]:
    """Gain over cloud-only at the paper's networks; how the cut moves with the rate and with the cloud's load."""
    by_rate = {rate: best(rate) for rate in RATES_MBIT_S}
    networks = [by_rate[rate] for rate in UPLINKS_MBIT_S.values()]
    gains = [found.cloud_s / found.time_s for found in networks]
    mean = sum(gains) / len(gains)
    cuts = [by_rate[rate].cut for rate in RATES_MBIT_S]
    moves = cuts[0] > cuts[-1] and all(a >= b for a, b in pairwise(cuts))
    loaded = [best(18.88, load).cut for load in (1.0, 10.0, 100.0)]
    return [
        Claim("latency against cloud-only, mean of 3G, LTE, Wi-Fi", "3.1 x", f"{mean:.1f} x", mean > 1.0),
        Claim(
            "largest gain", "40.7 x", f"{max(g.cloud_s / g.time_s for g in by_rate.values()):.1f} x", max(gains) > mean
        ),
        Claim(
            "the best cut moves with bandwidth; a good network favours the cloud",
            "it does",
            ", ".join(f"{rate:g}: {_name(b.cut)}" for rate, b in by_rate.items()) + " (Mbit/s)",
            moves and by_rate[RATES_MBIT_S[-1]].cut == NOTHING,
        ),
        Claim(
            "a loaded server pushes work to the phone (Wi-Fi, load 1, 10, 100)",
            "it does",
            ", ".join(map(_name, loaded)),
            loaded == sorted(loaded) and loaded[-1] > loaded[0],
        ),
    ]


if __name__ == "__main__":
    show(WORK, claims())
