"""When the parts of a scenario are down: the outages of one episode, and their timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from edge6g_env.batch import BatchEnv
from edge6g_env.kernel.codes import BACKHAUL_FAULT, CLOUD_FAULT, NODE_FAULT, XN_FAULT
from edge6g_env.kernel.handle import handle_of
from edge6g_env.kernel.outside import change_parts
from edge6g_env.scenario import Scenario

SEED = 0
DOWN, PLANNED = "#d55e00", "#000000"
Span = tuple[float, float]


@dataclass
class Part:
    """A server, link, backhaul or the cloud, and when it is down: by plan and, with the seed of the map, by chance."""

    kind: int
    node: int
    peer: int
    planned: list[Span] = field(default_factory=list)
    by_chance: list[Span] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As on the axis of the timeline."""
        return {
            NODE_FAULT: f"node_{self.node}",
            XN_FAULT: f"Xn {self.node}-{self.peer}",
            BACKHAUL_FAULT: f"backhaul {self.node}",
            CLOUD_FAULT: "cloud",
        }[self.kind]

    def is_down(self, at_s: float) -> bool:
        """Whether it is, for either reason."""
        return any(start_s <= at_s < end_s for start_s, end_s in self.planned + self.by_chance)


def outages(env: BatchEnv) -> list[Part]:
    """Every part that can fail, with its outages of one episode, by the kernel's functions; nobody has a job, so only parts change."""
    world, episode_s = env.world, env.scenario.time.episode_s
    rows = world.fault[0]
    parts = [Part(int(row.kind), int(row.node), int(row.peer)) for row in rows]
    since: dict[tuple[int, str], float] = {}
    now_s = 0.0
    while True:
        for p, part in enumerate(parts):
            _note(since, (p, "planned"), bool(rows[p].planned), now_s, part.planned)
            _note(since, (p, "by chance"), bool(rows[p].broken), now_s, part.by_chance)
        now_s = float(world.episode[0].next_fault_s)
        if now_s >= episode_s:
            break
        with np.errstate(over="ignore"):
            change_parts(handle_of(world), 0, now_s)
    for (p, why), start_s in since.items():
        (parts[p].planned if why == "planned" else parts[p].by_chance).append((start_s, episode_s))
    return parts


def _note(
    since: dict[tuple[int, str], float], key: tuple[int, str], is_down: bool, now_s: float, spans: list[Span]
) -> None:
    if is_down:
        since.setdefault(key, now_s)
    elif key in since:
        spans.append((since.pop(key), now_s))


def draw_timeline(axes: Axes, scenario: Scenario, parts: Sequence[Part], shown_s: float) -> None:
    """A row a part, a bar an outage; the parts of the episode that are not measured are grey, the map's instant is dashed."""
    time = scenario.time
    for row, part in enumerate(parts):
        chance = [(start_s, end_s - start_s) for start_s, end_s in part.by_chance]
        plan = [(start_s, end_s - start_s) for start_s, end_s in part.planned]
        axes.broken_barh(chance, (row - 0.4, 0.8), color=DOWN, lw=0)
        axes.broken_barh(plan, (row - 0.4, 0.8), facecolor="none", edgecolor=PLANNED, hatch="////", lw=0.8)
    for start_s, end_s in ((0.0, time.warmup_s), (time.episode_s - time.drain_s, time.episode_s)):
        axes.axvspan(start_s, end_s, color="#eeeeee", lw=0, zorder=0)
    axes.axvline(shown_s, color="black", lw=0.9, ls="--")
    axes.set(xlim=(0.0, time.episode_s), ylim=(len(parts) - 0.5, -0.5), xlabel="time (s)")
    axes.set_yticks(range(len(parts)), [part.name for part in parts], fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    handles = [
        Patch(facecolor="none", edgecolor=PLANNED, hatch="////", label="down by plan, in every episode"),
        Patch(color=DOWN, label=f"down by chance, here seed {SEED}"),
        Patch(color="#eeeeee", label="warm-up and drain, not measured"),
        Line2D([], [], color="black", lw=0.9, ls="--", label="the map above"),
    ]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=8.5)
