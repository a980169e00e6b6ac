"""Rule `edgeshard`."""

from __future__ import annotations

from agents.policy import register
from agents.rules._least_latency import LeastLatency
from agents.rules._plans import usual_rows
from edge6g_env.spaces import Layout


@register("edgeshard")
class EdgeShard(LeastLatency):
    """The shards of least latency over the chain device, own node, target, by the paper's dynamic program, with no term for queues.

    Let T(p, l) be the least time to have layers l to L computed from part p on, t(p, l, m) that of layers l to m-1 at part p and h(p, m)
    that of the hop behind it (the paper's recurrence, read from the end):
        T(target, l) = min over targets of t(target, l, L)
        T(p, l) = min over cuts m >= l of t(p, l, m) + h(p, m) + T(next p, m)
    and T(device, 0) is sought. Cuts are those of the action table, three parts have few of them, and a forecast is the sum of t and h along
    the way less the waits: the recurrence is the minimum over the table's rows, which is taken at once. Memory is the mask's. Model and
    precision are the usual ones; it rejects only what nothing can serve. Zhang et al., "EdgeShard: efficient LLM inference via
    collaborative edge computing", IEEE Internet of Things J. 2024 (arXiv 2405.14371), algorithm 1.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout, usual_rows(layout))
