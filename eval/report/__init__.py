"""A comparison to look at and to take elsewhere.

numbers   how figures are written, and differences in words
charts    panels of the comparison: difference to the best rule, metrics, times to the first token
tables    HTML tables of the page: differences, metrics, services, decisions
page      the page: report.html
export    table.tex; table.csv is of `eval.frames`
console   the table for the terminal
"""

from __future__ import annotations

from pathlib import Path

from eval.comparison import Comparison
from eval.files import write_bytes_atomic, write_csv_atomic, write_text_atomic
from eval.frames import table_frame
from eval.report.charts import comparison_figure, figure_bytes, plain_style
from eval.report.export import latex_table
from eval.report.page import page


def write_report(out_dir: Path | str, comparison: Comparison) -> None:
    """Write table.csv, table.tex, comparison.png, comparison.svg and report.html (nothing in it is loaded from elsewhere) to `out_dir`."""
    out = Path(out_dir)
    write_csv_atomic(table_frame(comparison.summary, comparison.scenario.label), out / "table.csv")
    write_text_atomic(out / "table.tex", latex_table(comparison))
    with plain_style():
        figure = comparison_figure(comparison.summary, comparison.scenario.label)
        for kind in ("png", "svg"):
            write_bytes_atomic(out / f"comparison.{kind}", figure_bytes(figure, kind))
        write_text_atomic(out / "report.html", page(comparison))
