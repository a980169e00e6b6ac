"""nodes.png: where the time to first token goes, by service and policy, and below it time lines of every node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from edge6g_env.kernel.codes import FAULT_KINDS, FINETUNE
from eval.record.jobs import seconds_of
from eval.record.recording import Recording

WIDTH, LINE, BAR, LETTER = 8.0, 0.78, 0.26, 0.085  # inches: of a policy's time lines; of a node's, a bar, a letter
PREFILL, TRAINING, DECODE, LOAD, WAITS, KV, WEIGHTS = (
    "#1971c2", "#862e9c", "#69b37d", "#f08c00", "#c92a2a", "#0b7285", "#ced4da",
)  # fmt: skip
MUTED, GRID, DOWN = "#868e96", "#e9ecef", "#c9a7b0"
# Lanes of a node from below, (bottom, height): memory, jobs that wait, decode batch, prompts and training, loads.
MEMORY_LANE, WAIT_LANE, DECODE_LANE, WORK_LANE, LOAD_LANE = (0.0, 1.0), (1.15, 0.8), (2.1, 0.9), (3.1, 0.5), (3.7, 0.3)
TOP = 4.15
# What a job's time goes to, in the order of its way; all else is in the last.
PARTS = (
    ("decision", "#adb5bd", ("wait decision",)),
    ("device", "#845ef7", ("device",)),
    ("uplink", "#4dabf7", ("uplink",)),
    ("link", "#15aabf", ("link",)),
    ("weights load", LOAD, ("wait load",)),
    ("memory", "#e03131", ("wait memory",)),
    ("queue", "#ff8787", ("wait queue",)),
    ("cloud place", "#f783ac", ("wait cloud place",)),
    ("repair", "#212529", ("wait repair",)),
    ("prefill at nodes", PREFILL, ("ingress", "target")),
    ("prefill in the cloud", "#364fc7", ("cloud",)),
    ("first token down", "#2b8a3e", ()),
)


def draw_nodes(recordings: Sequence[Recording]) -> Figure:
    """The picture; drawn under `eval.report.charts.plain_style`. All recordings are of one scenario and seed."""
    first, services, most = recordings[0], _with_first_tokens(recordings), _Most(recordings)
    scenario = first.facts.scenario
    devices = [scenario.nodes.device_of(node) for node in range(scenario.nodes.count)]
    margin = 0.25 + LETTER * max(map(len, devices))
    width = margin + WIDTH * len(recordings) + 0.2
    handles, columns = _legend(recordings, most), max(2, int(width // 2.4))
    foot = 0.55 + 0.22 * -(-len(handles) // columns)
    bars = BAR * len(services) * (len(recordings) + 1) + 1.0 if services else 0.0
    height = 1.0 + bars + LINE * len(devices) + foot
    figure = Figure(figsize=(width, height))
    figure.suptitle(f"{scenario.label}, seed {first.seed}", x=0.01, y=1 - 0.2 / height, ha="left", fontsize=13)
    if services:
        names_width = 0.3 + LETTER * max(len(f"{name}  {one.policy}") for name, _ in services for one in recordings)
        ax = _axes(figure, names_width, height - bars + 0.05, width - names_width - 2.2, bars - 0.8)
        draw_first_tokens(ax, recordings, services)
    for column, recording in enumerate(recordings):
        for node, device in enumerate(devices):
            bottom = foot + LINE * (len(devices) - 1 - node)
            ax = _axes(figure, margin + WIDTH * column, bottom, WIDTH - 0.4, LINE - 0.1)
            draw_node(ax, recording, node, most)
            _name_lines(ax, recording, node, device, column == 0, node == 0, node == len(devices) - 1)
    figure.legend(handles=handles, loc="lower left", ncols=columns, frameon=False, fontsize=9)
    return figure


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _name_lines(ax: Axes, recording: Recording, node: int, device: str, left: bool, top: bool, bottom: bool) -> None:
    """Names of the node, the policy and the axis, where they belong."""
    if left:
        ax.set_ylabel(f"node_{node}\n{device}", rotation=0, ha="right", va="center", fontsize=9)
    if top:
        ax.set_title(recording.policy, loc="left", fontsize=11, fontweight="bold")
    ax.tick_params(labelbottom=bottom)
    if bottom:
        ax.set_xlabel("time, s", fontsize=9, color=MUTED)


class _Most:
    """The most sequences with KV, and jobs that wait, of any node and policy: all lanes are to one scale."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self.sequences = max(1, *(int(one.frames.sequences.max(initial=0)) for one in recordings))
        self.waiting = max(1, *(int(_waiting(one).max(initial=0)) for one in recordings))


def _waiting(recording: Recording) -> np.ndarray:
    """Jobs at each node that wait for a decision, weights, memory or prefill, (F, N)."""
    return recording.frames.queue.astype(int) + recording.frames.inbox


def draw_node(ax: Axes, recording: Recording, node: int, most: _Most) -> None:
    """The time lines of one node."""
    frames, times_s = recording.frames, recording.frames.times_s
    usable = max(1.0, float(recording.facts.usable_bytes[node]))
    weights = frames.weight_bytes[:, node] / usable
    held = weights + (frames.kv_bytes[:, node] + frames.training_bytes[:, node]) / usable
    _area(ax, times_s, np.zeros_like(weights), weights, MEMORY_LANE, WEIGHTS)
    _area(ax, times_s, weights, held, MEMORY_LANE, KV)
    _area(ax, times_s, np.zeros(len(times_s)), _waiting(recording)[:, node] / most.waiting, WAIT_LANE, WAITS)
    _area(ax, times_s, np.zeros(len(times_s)), frames.sequences[:, node] / most.sequences, DECODE_LANE, DECODE)
    chunks = recording.chunks[recording.chunks["node"] == node]
    for colour, of_kind in ((PREFILL, chunks["amount"] > 0.0), (TRAINING, chunks["amount"] == 0.0)):
        _bars(ax, chunks[of_kind], WORK_LANE, colour)
    _bars(ax, recording.loads[recording.loads["node"] == node], LOAD_LANE, LOAD)
    for outage in recording.outages:
        if FAULT_KINDS[int(outage["kind"])] == "node" and outage["node"] == node:
            ax.axvspan(outage["start_s"], outage["end_s"], color=DOWN, linewidth=0)
    ax.set_xlim(0.0, recording.facts.scenario.time.episode_s)
    ax.set_ylim(-0.05, TOP)
    ax.set_yticks([])
    ax.text(
        1.002, 0.5, f"busy\n{recording.busy_share[node]:.0%}", transform=ax.transAxes, fontsize=7, va="center", color=MUTED
    )  # fmt: skip
    ax.tick_params(length=2, labelsize=8, colors=MUTED)
    ax.grid(axis="x", color=GRID)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(GRID)


def _area(
    ax: Axes, times_s: np.ndarray, low: np.ndarray, high: np.ndarray, lane: tuple[float, float], colour: str
) -> None:
    bottom, height = lane
    ax.fill_between(
        times_s, bottom + height * low, bottom + height * high, step="post", color=colour, linewidth=0, zorder=2
    )


def _bars(ax: Axes, spans: np.ndarray, lane: tuple[float, float], colour: str) -> None:
    ranges = [(float(one["start_s"]), float(one["end_s"] - one["start_s"])) for one in spans]
    ax.broken_barh(ranges, lane, facecolors=colour, edgecolors=colour, linewidth=0.3, zorder=3)


def _trains(recording: Recording) -> bool:
    """Whether a node computed steps of training."""
    return bool((recording.chunks["amount"] == 0.0).any())


def _fails(recording: Recording) -> bool:
    """Whether a node's server was down."""
    return bool((recording.outages["kind"] == FAULT_KINDS.index("node")).any())


def _legend(recordings: Sequence[Recording], most: _Most) -> list[Patch]:
    named = [
        ("loads", LOAD),
        ("prompt chunks", PREFILL),
        *([("training", TRAINING)] if any(map(_trains, recordings)) else []),
        (f"sequences with KV, to {most.sequences}", DECODE),
        (f"jobs that wait, to {most.waiting}", WAITS),
        ("KV, training state", KV),
        ("weights", WEIGHTS),
        *([("down", DOWN)] if any(map(_fails, recordings)) else []),
    ]
    return [Patch(facecolor=colour, label=name) for name, colour in named]


# --- where the time to first token goes ------------------------------------------------------------------------------------------


def _with_first_tokens(recordings: Sequence[Recording]) -> list[tuple[str, int]]:
    """(name, index) of the services of which some measured job has a first token under some policy."""
    services = recordings[0].facts.scenario.service
    has = {int(s) for one in recordings for s in one.jobs["service"][_shown(one)]}
    return [(service.name, s) for s, service in enumerate(services) if s in has]


def _shown(recording: Recording) -> np.ndarray:
    """bool (J,) measured jobs that had a first token."""
    with_token = ~np.isnan(recording.jobs["first_token_s"])
    return with_token & (recording.jobs["measured"] == 1) & (recording.outcomes["kind"] != FINETUNE)


def first_token_parts(recording: Recording, service: int) -> tuple[np.ndarray, int]:
    """Mean time in s of each of PARTS until the first token, over the measured jobs of a service that had one, and how many these are.

    They sum to the mean time to first token.
    """
    chosen = _shown(recording) & (recording.jobs["service"] == service)
    spent_s = seconds_of(recording, recording.jobs["first_token_s"])[chosen]
    ttft_s = recording.outcomes["ttft_s"][chosen]
    columns = [[recording.leg_names.index(n) for n in names if n in recording.leg_names] for *_, names in PARTS[:-1]]
    parts = np.array([spent_s[:, own].sum(axis=1).mean() if len(spent_s) else 0.0 for own in columns])
    mean_s = float(ttft_s.mean()) if len(ttft_s) else 0.0
    return np.append(parts, max(0.0, mean_s - parts.sum())), len(ttft_s)


def draw_first_tokens(ax: Axes, recordings: Sequence[Recording], services: Sequence[tuple[str, int]]) -> None:
    """A stacked bar a service and policy."""
    names, y, used = [], 0.0, set[int]()
    longest_s = 0.0
    for name, service in services:
        for recording in recordings:
            parts, count = first_token_parts(recording, service)
            left = np.cumsum(parts) - parts
            for index, (seconds, start) in enumerate(zip(parts.tolist(), left.tolist(), strict=True)):
                if seconds > 0.0:
                    ax.barh(y, seconds, left=start, height=0.8, color=PARTS[index][1], linewidth=0, zorder=2)
                    used.add(index)
            words = f"{parts.sum():.3g} s, {count} jobs" if count else "no job had a first token"
            ax.text(parts.sum(), y, f" {words}", va="center", fontsize=8.5, color=MUTED)
            names.append((y, f"{name}  {recording.policy}"))
            longest_s, y = max(longest_s, float(parts.sum())), y + 1.0
        y += 1.0
    ax.set_yticks([at for at, _ in names], [text for _, text in names], fontsize=9)
    ax.set_ylim(y - 1.4, -0.7)
    ax.set_xlim(0.0, 1.18 * longest_s or 1.0)
    ax.set_title("Where the mean time to first token goes, s", loc="left", fontsize=11, fontweight="bold")
    ax.tick_params(length=0, labelsize=9)
    ax.grid(axis="x", color=GRID, zorder=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color("#ced4da")
    handles = [Patch(facecolor=PARTS[index][1], label=PARTS[index][0]) for index in sorted(used)]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, fontsize=8.5)
