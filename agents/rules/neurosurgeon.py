"""Rule `neurosurgeon`."""

from __future__ import annotations

from agents.policy import register
from agents.rules._least_latency import LeastLatency
from agents.rules._plans import usual_rows
from edge6g_env.spaces import Layout


@register("neurosurgeon")
class Neurosurgeon(LeastLatency):
    """The cut between device and server of least latency, with no term for the queue at the server.

    Latency of a cut = device's layers + upload of what crosses + server's layers + way back, over all tokens; the wait for a turn at
    the server is left out. Weights that a server lacks have to be loaded, which the paper's server never has to. The layers have the
    speed that they have in the batch that runs there: the paper's load factor K. The server is any place, no edge node takes a part on
    the way; model and precision are the usual ones. It rejects only what nothing can serve. Kang et al., "Neurosurgeon: collaborative
    intelligence between the cloud and mobile edge", ASPLOS 2017, section 5.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout, usual_rows(layout, edge_split=[0.0]))
