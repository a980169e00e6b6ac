"""The table of a comparison for papers: table.tex."""

from __future__ import annotations

from collections.abc import Iterator

from eval.comparison import Comparison
from eval.metrics import BY_NAME
from eval.report.numbers import DASH, REWARD, has_room, room, sentences, value, value_and_interval
from eval.summary import by_reward

IN_LATEX = ("slo_attainment", "ttft_p50_s", "ttft_p95_s", "tpot_mean_s", "price_per_job", "energy_j_per_job")
HEADS = {
    "slo_attainment": "SLO, \\%",
    "ttft_p50_s": "TTFT p50, s",
    "ttft_p95_s": "TTFT p95, s",
    "tpot_mean_s": "TPOT, ms",
    "price_per_job": "USD/1000",
    "energy_j_per_job": "J/job",
}
_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "\N{MINUS SIGN}": "$-$", DASH: "--",
}  # fmt: skip


def latex_table(comparison: Comparison) -> str:
    r"""table.tex: a tabular of the headline figures for \input, with the packages booktabs and, by LaTeX of 2020 on, nothing else."""
    summary = comparison.summary
    best = summary["best_rule"]
    against = [f"Less {latex(best)}" if best else "Less best rule", *(["Room"] if has_room(summary) else [])]
    lines = [
        *(f"% {line}" for line in _about(comparison)),
        f"\\begin{{tabular}}{{l{'r' * (len(IN_LATEX) + 1 + len(against))}}}",
        "\\toprule",
        " & ".join(["Policy", "Reward/job", *(HEADS[name] for name in IN_LATEX), *against]) + r" \\",
        "\\midrule",
        *_rows(comparison),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _about(comparison: Comparison) -> Iterator[str]:
    """Comment lines: what the table is, and how it was made. A line break cannot end a comment early."""
    summary, made_by = comparison.summary, comparison.made_by
    texts = [
        f"edge6g {made_by['version']}, {made_by['date']}, commit {made_by['commit'] or 'unknown'}; needs \\usepackage{{booktabs}}",
        f"{comparison.scenario.label}: interquartile mean over {len(summary['seeds'])} seeds [95 % interval]",
        *sentences(summary, comparison.scenario.label),
        made_by["command"],
    ]
    return (" ".join(text.split()) for text in texts)


def _rows(comparison: Comparison) -> Iterator[str]:
    summary = comparison.summary
    for name in by_reward(summary):
        policy = summary["policies"][name]
        differences = policy["difference_to_best_rule"]
        cells = [" ".join(value_and_interval(REWARD, policy["metrics"]["reward_per_job"]))]
        cells += [value(BY_NAME[metric], policy["metrics"][metric]) for metric in IN_LATEX]
        cells.append(
            " ".join(value_and_interval(REWARD, differences["reward_per_job"], signed=True)) if differences else DASH
        )
        cells += [room(policy["room"])[0]] if has_room(summary) else []
        yield " & ".join(latex(cell) for cell in (name, *cells)) + r" \\"


def latex(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)
