"""SplitLoRA: a client that trains only the first layers needs less memory and time than one with the whole model.

GPT-2 on clients against a server, one step of a batch of E2E sentences; federated LoRA trains the whole model on the client. `tasks.py`
adds whole tasks in the simulator.
"""

from __future__ import annotations

from benchmarks.published import tasks
from benchmarks.published.claims import Claim, show
from edge6g_env import costs

WORK = "SplitLoRA"
CLIENT, WEAK, SERVER = "jetson-orin-nano-8g", "phone-a17pro", "a100-80g"
TOKENS, SEQUENCES = 512.0, 4.0
UP_BIT_S, DOWN_BIT_S = 100e6, 400e6  # judgement: a cell-edge and a typical rate
RANK, TARGETS, ROUND_STEPS = 8, "q,v", 10
CUT = 3
# Shapes: Radford et al. 2019, Table 2; no gate, tied embedding.
GPT2 = {
    "small": costs.ModelSpec(
        "gpt2", layers=12, hidden=768, ffn=3072, heads=12, vocab=50257, tied_embeddings=1, gated_mlp=0
    ),
    "medium": costs.ModelSpec(
        "gpt2-medium", layers=24, hidden=1024, ffn=4096, heads=16, vocab=50257, tied_embeddings=1, gated_mlp=0
    ),
}


def _step_s(model: costs.ModelSpec, device: str, layers: int | None) -> float:
    return float(costs.training_step_s(model, device, TOKENS, SEQUENCES, rank=RANK, targets=TARGETS, layers=layers))


def split_step_s(model: costs.ModelSpec, client: str, cut: int) -> float:
    """One split step: client's layers, activations up, server's layers with the head, gradients down (COSTS 7)."""
    sent_bits = 8.0 * float(costs.boundary_bytes(model, TOKENS * SEQUENCES))
    whole_s = _step_s(model, SERVER, None)
    server_s = whole_s - _step_s(model, SERVER, cut)
    return _step_s(model, client, cut) + sent_bits / UP_BIT_S + server_s + sent_bits / DOWN_BIT_S


def _memory(model: costs.ModelSpec, layers: int | None) -> float:
    return float(costs.training_memory_bytes(model, TOKENS * SEQUENCES, rank=RANK, targets=TARGETS, layers=layers))


def _traffic(model: costs.ModelSpec) -> tuple[float, float]:
    """Bytes of a round of ROUND_STEPS steps, both ways: split (activations, the client's adapter), federated (adapters)."""
    activations = 2.0 * ROUND_STEPS * float(costs.boundary_bytes(model, TOKENS * SEQUENCES))
    own = 2.0 * costs.adapter_bytes(model, RANK, TARGETS, CUT)
    return activations + own, 2.0 * costs.adapter_bytes(model, RANK, TARGETS)


def _size_claims(size: str, model: costs.ModelSpec) -> list[Claim]:
    own, whole = _step_s(model, CLIENT, CUT), _step_s(model, CLIENT, None)
    held, all_held = _memory(model, CUT), _memory(model, None)
    split_s = split_step_s(model, CLIENT, CUT)
    return [
        Claim(f"{size}: client's computing a step, split over whole", "less", f"{own / whole:.2f} x", own < whole),
        Claim(f"{size}: client's memory, split over whole", "less", f"{held / all_held:.2f} x", held < all_held),
        Claim(
            f"{size}: a step in all, split over federated LoRA",
            "sooner",
            f"{split_s / whole:.2f} x ({split_s:.2f} s, {whole:.2f} s)",
            split_s < whole,
        ),
    ]


def claims() -> list[Claim]:
    """Computing, memory and time of a step for both sizes; deeper cuts on a weak client; traffic; and tasks in the simulator."""
    medium = GPT2["medium"]
    deeper = [split_step_s(medium, WEAK, cut) for cut in (2, 6, 12, 24)]
    split_bytes, federated_bytes = _traffic(medium)
    full_bytes = 2.0 * medium.fp16_bytes
    return [
        *(claim for size, model in GPT2.items() for claim in _size_claims(size, model)),
        Claim(
            "medium: a deeper client share slows a weak client (2, 6, 12, 24 layers)",
            "it does",
            ", ".join(f"{t:.2f}" for t in deeper) + " s",
            deeper == sorted(deeper),
        ),
        Claim(
            f"medium: bytes of {ROUND_STEPS} steps, split over federated LoRA",
            "less",
            f"{split_bytes / federated_bytes:.0f} x ({1e-6 * split_bytes:.0f} MB, {1e-6 * federated_bytes:.1f} MB)",
            split_bytes < federated_bytes,
            f"activations cross with every token, adapters once a round; a round of all weights would be {1e-6 * full_bytes:.0f} MB. "
            "The published comparison counts bytes until an accuracy is reached, which a cost model does not know.",
        ),
        *tasks.claims(),
    ]


if __name__ == "__main__":
    show(WORK, claims())
