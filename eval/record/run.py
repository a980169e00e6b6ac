"""`edge6g record`: the same seed under each policy, and files to look at what happened and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge6g_env.scenario import Scenario
from eval import EVALUATION_SEED
from eval.contenders import Contender, LoadCheckpoint, PolicyListError, find_rows, only_member
from eval.episodes import progress_bars
from eval.files import numbered, only_owner, write_bytes_atomic, write_text_atomic
from eval.interrupted import begin_or_go_on, end_run
from eval.jobs import JOBS_FILE, write_jobs
from eval.provenance import SCENARIO_FILE, provenance, write_scenario
from eval.record.jobs import lives_frame
from eval.record.play import record_episode
from eval.record.recording import Recording

TRACE_FILE, NODES_FILE, REPLAY_FILE, GIF_FILE = "trace.json", "nodes.png", "replay.html", "replay.gif"
MOST_POLICIES = 8
FILES = (SCENARIO_FILE, JOBS_FILE, TRACE_FILE, NODES_FILE, REPLAY_FILE)
MAKES = (*FILES, *numbered(GIF_FILE, MOST_POLICIES))


def record(
    scenario: Scenario,
    policies: Sequence[str],
    out: Path,
    *,
    seed: int = 0,
    gif: bool = False,
    overwrite: bool = False,
    load_checkpoint: LoadCheckpoint,
    command: str = "",
    console: Console | None = None,
) -> list[Recording]:
    """Play evaluation seed EVALUATION_SEED + seed, that of `compare`, under each policy, and write what happened to `out`.

    policies: see contenders.find_rows, code of one's own among them; gif: a GIF a policy as well. Raises what `find_rows` raises,
    PolicyListError for a group of checkpoints or more than MOST_POLICIES, and RunFolderError, all before anything is played;
    IllegalActionError at the first action outside its mask of code of one's own.
    """
    contenders = [
        only_member(row, "a recording names them one by one")
        for row in find_rows(policies, scenario, load_checkpoint, own_code=True)
    ]
    if len(contenders) > MOST_POLICIES:
        raise PolicyListError(f"{len(contenders)} policies: a recording sets at most {MOST_POLICIES} side by side")
    return record_contenders(scenario, contenders, EVALUATION_SEED + seed, out, gif, overwrite, command, console)


def record_contenders(
    scenario: Scenario,
    contenders: Sequence[Contender],
    seed: int,
    out: Path,
    gif: bool = False,
    overwrite: bool = False,
    command: str = "",
    console: Console | None = None,
) -> list[Recording]:
    """As `record`, of policies that were found, on a seed itself."""
    made_by = {**provenance(command, scenario), "policies": [one.name for one in contenders], "seed": seed, "gif": gif}
    with only_owner(out):
        same = ("fingerprint", "policies", "seed", "gif")
        begin_or_go_on(out, "record", MAKES, made_by, same=same, overwrite=overwrite)
        write_scenario(scenario, out)
        recordings, films = _play(scenario, contenders, seed, gif, console or Console(stderr=True))
        for name, data in zip(numbered(GIF_FILE, MOST_POLICIES), films, strict=False):
            write_bytes_atomic(out / name, data)
        write_recordings(recordings, out)
        end_run(out, [])
    return recordings


def _play(
    scenario: Scenario, contenders: Sequence[Contender], seed: int, gif: bool, console: Console
) -> tuple[list[Recording], list[bytes]]:
    """Recordings, and their GIFs where they are asked for."""
    recordings, films = [], []
    with progress_bars(console, [one.name for one in contenders]) as started:
        for one in contenders:
            film, progress = None, started(one.name)
            if gif:
                from eval.record.gif import Film

                film = Film(f"{one.name}, seed {seed}")
            keep = film.keep if film else None
            recordings.append(record_episode(one.name, one.make, scenario, seed, progress, keep))
            if film:
                films.append(film.data())
            progress(1.0)
    return recordings, films


def write_recordings(recordings: Sequence[Recording], out: Path) -> None:
    """Write FILES but the scenario, each whole or not at all."""
    from eval.record.lines import draw_nodes  # matplotlib takes seconds to import: errors come before
    from eval.record.trace import trace_text
    from eval.replay import write_replay
    from eval.report.charts import figure_bytes, plain_style

    frames = [lives_frame(one) for one in recordings]
    write_jobs(out, frames, list(frames[0].columns))
    write_text_atomic(out / TRACE_FILE, trace_text(recordings))
    with plain_style():
        write_bytes_atomic(out / NODES_FILE, figure_bytes(draw_nodes(recordings), "png"))
    write_replay(recordings, out / REPLAY_FILE)


def show(recordings: Sequence[Recording], out: Path, console: Console) -> None:
    """Print what each policy brought on the seed, and where the files are."""
    table = Table("policy", "jobs", "finished", "SLO met", "reward per job", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for one in recordings:
        jobs = one.jobs[one.jobs["measured"] == 1]
        shares = ["", "", ""]
        if len(jobs):
            finished, met = (f"{share:.1%}" for share in ((jobs["phase"] == 0).mean(), jobs["slo_met"].mean()))
            shares = [finished, met, f"{jobs['worth'].mean():.4f}"]
        table.add_row(Text(one.policy), str(len(jobs)), *shares)
    console.print(table)
    console.print()
    for what, name in (("Replay", REPLAY_FILE), ("Nodes", NODES_FILE), ("Jobs", JOBS_FILE), ("Trace", TRACE_FILE)):
        if (out / name).exists():
            console.print(f"{what + ':':13}{out / name}", soft_wrap=True, highlight=False, markup=False, emoji=False)
    for path in sorted(out.glob("*.gif")):
        console.print(f"{'GIF:':13}{path}", soft_wrap=True, highlight=False, markup=False, emoji=False)
