"""A lone job on the terminal: what was expected beside what came, and its legs."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from edge6g_env.describe import Facts
from edge6g_env.kernel.codes import FINETUNE, FINISHED, PHASE_NAMES
from edge6g_env.lone import LoneJob
from edge6g_env.show import show_facts

# What is shown: words, unit, candidate feature with its scale, outcome field with its scale, if there is one.
_ANSWER = (
    ("first token", "s", "ttft_s", 1.0, "ttft_s", 1.0),
    ("token", "ms", "tpot_s", 1e3, "tpot_s", 1e3),
)
_TUNING = (
    ("setup", "s", "ttft_s", 1.0, "", 1.0),
    ("step", "ms", "tpot_s", 1e3, "", 1.0),
    ("progress", "1", "progress", 1.0, "progress", 1.0),
)
_BOTH = (
    ("energy", "J", "energy_j", 1.0, "energy_j", 1.0),
    ("price", "0.001 USD", "price_musd", 1.0, "price_usd", 1e3),
    ("air", "MB", "air_mb", 1.0, "air_bytes", 1e-6),
    ("backhaul", "MB", "backhaul_mb", 1.0, "backhaul_bytes", 1e-6),
    ("quality", "1", "quality", 1.0, "quality", 1.0),
    ("worth", "1", "utility", 1.0, "worth", 1.0),
)


def show_job(job: LoneJob, title: str, console: Console) -> None:
    """What was expected beside what came, then the legs in order."""
    console.print(title, highlight=False, markup=False, soft_wrap=True)
    console.print()
    phase = PHASE_NAMES[int(job.outcome["phase"])]
    show_facts(Facts(("", "unit", "predicted", "got"), [*_compared(job)]), console)
    console.print()
    show_facts(
        Facts(
            ("leg", "from (s)", "to (s)", "took (s)", "predicted (s)"),
            [*_legs(job)],
            f"Times are since the arrival; {phase} after {job.outcome['end_s']:.4f} s.",
        ),
        console,
    )


def _compared(job: LoneJob) -> Iterator[tuple[str, ...]]:
    own = _TUNING if job.outcome["kind"] == FINETUNE else _ANSWER
    for words, unit, feature, per_feature, field, per_field in (*own, *_BOTH):
        came = job.outcome.get(field, -1.0)
        finished = job.outcome["phase"] == FINISHED and field != ""
        came_at_all = finished or (field not in ("tpot_s", "quality") and came >= 0.0)
        got = f"{per_field * came:.4g}" if came_at_all or field == "worth" else "-"
        yield words, unit, f"{per_feature * job.predicted[feature]:.4g}", got


def _legs(job: LoneJob) -> Iterator[tuple[str, ...]]:
    yield "decision", "0.0000", f"{job.decided_s:.4f}", f"{job.decided_s:.4f}", "-"
    tokens = max(job.outcome["output_tokens"] - 1.0, 0.0)
    expected_s = {"uplink": job.predicted["upload_s"], "decode": tokens * job.predicted["tpot_s"]}
    for name, start_s, end_s in job.legs:
        predicted = f"{expected_s[name]:.4f}" if name in expected_s else "-"
        yield name, f"{start_s:.4f}", f"{end_s:.4f}", f"{end_s - start_s:.4f}", predicted
