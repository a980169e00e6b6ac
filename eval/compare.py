"""`edge6g compare`: several policies on the same seeds, as CSV, JSON, tables, charts, page and TensorBoard runs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from agents.policy import MakePolicy
from edge6g_env.scenario import Scenario
from eval import VALIDATION_SEED, evaluation_seeds
from eval.comparison import Comparison, by_service
from eval.contenders import LoadCheckpoint, Row, find_rows, how_to_add_references
from eval.episodes import Episodes, NothingMeasuredError, run_policies
from eval.files import only_owner, remove, write_csv_atomic, write_json_atomic
from eval.frames import episodes_of, groups_frame, limits_of
from eval.interrupted import abandoned_after, begin_or_go_on, end_run
from eval.jobs import JOBS_FILE, jobs_frame, write_jobs
from eval.kept import FOLDER as PLAYED
from eval.kept import Kept
from eval.provenance import SCENARIO_FILE, Provenance, provenance, write_scenario
from eval.record.different import most_different
from eval.result_files import check_keep, for_scenario, is_outdated, new_row, shipped
from eval.result_files import keep as keep_rows
from eval.room import Played, add_room
from eval.summary import Summary, summarise

FIRST_SEEDS, CLEAR = 6, 4.0  # when a rule is no candidate for the best on validation seeds; judgement
GROUPS_FILE, RECORD = "groups.csv", "record"
MAKES = (
    SCENARIO_FILE, PLAYED, "episodes.csv", JOBS_FILE, "summary.json", "table.csv", "table.tex", GROUPS_FILE, "comparison.png",
    "comparison.svg", "report.html", "tensorboard", RECORD,
)  # fmt: skip


def compare(
    scenario: Scenario,
    policies: Sequence[str],
    seeds: int,
    out: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    keep: Path | None = None,
    record: bool = False,
    load_checkpoint: LoadCheckpoint,
    command: str = "",
    console: Console | None = None,
) -> Summary:
    """Play `policies` on the evaluation seeds EVALUATION_SEED + seed + 0..seeds-1 and write what came out to `out`.

    policies: see contenders.find_rows, code of one's own among them; keep: folder in whose file of results each row stands from then on
    (`eval.result_files`), rules with their reward on validation seeds; record: record the episode on which the policy and the best rule
    differ most (`eval.record`); command: the line that makes the comparison again; console: for the progress bars. One that was interrupted
    goes on with what is missing. Raises UnknownPolicyError, PolicyListError, OwnPolicyError, RunFolderError, ResultsError and what
    `load_checkpoint` raises, all before anything is played, NothingMeasuredError after the first policy, with nothing left behind, and
    IllegalActionError at the first action outside its mask of code of one's own, with the finished policies kept.
    """
    rows = find_rows(policies, scenario, load_checkpoint, own_code=True)
    return compare_found(scenario, rows, evaluation_seeds(seeds, seed), out, overwrite, keep, command, console, record)


def compare_found(
    scenario: Scenario,
    rows: Sequence[Row],
    numbers: Sequence[int],
    out: Path,
    overwrite: bool = False,
    keep: Path | None = None,
    command: str = "",
    console: Console | None = None,
    record: bool = False,
) -> Summary:
    """As `compare`, of rows that were found, on these seeds."""
    made_by = provenance(command, scenario)
    run = {**made_by, "policies": [member.name for row in rows for member in row.members], "seeds": list(numbers)}
    if keep is not None:
        check_keep(keep, scenario, numbers, [row.name for row in rows])
    with only_owner(out):
        begin_or_go_on(out, "compare", MAKES, run, same=("fingerprint", "policies", "seeds"), overwrite=overwrite)
        with abandoned_after(NothingMeasuredError, out, MAKES):
            summary = compare_rows(scenario, rows, numbers, out, out, made_by, keep, console, record)
        end_run(out, [PLAYED])
    return summary


def compare_rows(
    scenario: Scenario,
    rows: Sequence[Row],
    seeds: Sequence[int],
    out: Path,
    run: Path,
    made_by: Provenance,
    keep: Path | None,
    console: Console | None,
    record: bool = False,
) -> Summary:
    """Play rows in one scenario and write all of MAKES to `out`, with `record` RECORD too; run: folder of the run, which
    has what was played."""
    contenders = [member for row in rows for member in row.members]
    identities = {one.name: one.identity for one in contenders}
    makers = {one.name: one.make for one in contenders}
    for name in MAKES:
        if out / name != run / PLAYED:  # what an interrupted one had begun to write
            remove(out / name)
    write_scenario(scenario, out)
    played = play(makers, scenario, seeds, run, Kept(run, scenario, seeds, identities), console)
    comparison = _comparison(scenario, rows, played, made_by)
    if keep is not None:
        rules = {row.name: makers[row.name] for row in rows if row.kind == "rule"}
        try:
            validated = _validated(rules, identities, scenario, len(seeds), run, console or Console(stderr=True))
        except NothingMeasuredError as error:  # there: what was played on the evaluation seeds stays
            (console or Console(stderr=True)).print(f"on validation seeds {error}", highlight=False, markup=False)
            validated = {}
        _keep(keep, comparison, rows, {name: _rewards(one) for name, one in played.items()}, validated)
    _add_room(comparison, rows, keep)
    comparison = _look(comparison, rows, out, record, console)
    write_jobs(out, (jobs_frame(name, seeds, one.jobs, scenario) for name, one in played.items()))
    _write(out, comparison, rows)
    return comparison.summary


def play(
    makers: Mapping[str, MakePolicy],
    scenario: Scenario,
    seeds: Sequence[int],
    out: Path,
    kept: Kept,
    console: Console | None,
) -> dict[str, Episodes]:
    """Play what is not kept yet; after Ctrl-C, or where a policy fails, it says that it can go on. NothingMeasuredError."""
    console = console or Console(stderr=True)
    try:
        return run_policies(makers, scenario, seeds, console, kept)
    except NothingMeasuredError:
        raise
    except (Exception, KeyboardInterrupt):
        if any(out.glob(f"{PLAYED}/*")):
            console.print("what was played is kept: the same command goes on with the rest", highlight=False)
        raise


def _comparison(
    scenario: Scenario, rows: Sequence[Row], played: Mapping[str, Episodes], made_by: Provenance
) -> Comparison:
    """Statistics of what was played, by row; rows of several checkpoints have the jobs of all."""
    episodes = episodes_of(rows, played)
    summary = summarise(episodes, limits_of(rows))
    jobs = {row.name: np.concatenate([played[member.name].jobs for member in row.members]) for row in rows}
    for row in rows:
        policy = summary["policies"][row.name]
        policy["trained_on"] = row.trained_on
        policy["services"] = by_service(jobs[row.name], scenario, len(summary["seeds"]) * len(row.members))
    busy = {row.name: np.concatenate([played[one.name].busy_share for one in row.members]).mean(axis=0) for row in rows}
    return Comparison(scenario, episodes, jobs, summary, made_by, busy)


def _look(comparison: Comparison, rows: Sequence[Row], out: Path, record: bool, console: Console | None) -> Comparison:
    """The comparison, with the episode that is worth a look; record: make the recording of it."""
    folder = out / RECORD
    found = most_different(comparison.summary, comparison.episodes, rows, comparison.scenario, str(folder))
    if found is None:
        if record:
            told = "nothing is recorded: there is no rule and another policy to set side by side"
            (console or Console(stderr=True)).print(told, highlight=False)
        return comparison
    different, pair = found
    if not record:
        return replace(comparison, different=different)
    from eval.record.run import FILES, record_contenders

    console = console or Console(stderr=True)
    console.print(f"recording seed {different['seed']}", highlight=False)
    record_contenders(comparison.scenario, pair, different["seed"], folder, False, True, different["command"], console)
    files = tuple(f"{RECORD}/{name}" for name in FILES if (folder / name).exists())
    return replace(comparison, different=different, recorded=files)


def _keep(
    folder: Path,
    comparison: Comparison,
    rows: Sequence[Row],
    played: Mapping[str, Sequence[float]],
    validated: Mapping[str, Sequence[float]],
) -> None:
    """Put the rows of single policies into the file of results; a group of checkpoints is none that could be played again by a name."""
    kept = {}
    for row in rows:
        if len(row.members) > 1:
            continue
        (member,) = row.members
        kept[row.name] = new_row(
            f"{row.name}={member.folder}" if row.kind == "learned" else row.word,
            member.identity,
            comparison.summary["policies"][row.name],
            played[row.name],
            validated.get(row.name),
            comparison.made_by,
        )
    if kept:
        keep_rows(folder, comparison.scenario, kept)


def _validated(
    rules: Mapping[str, MakePolicy],
    identities: Mapping[str, str],
    scenario: Scenario,
    count: int,
    run: Path,
    console: Console,
) -> dict[str, list[float]]:
    """Rewards of rules on `count` validation seeds; of those that are clearly not the best on the first ones, on these only."""
    console.print("on validation seeds, by which the best rule is chosen", highlight=False)
    rewards: dict[str, list[float]] = {}
    for some in dict.fromkeys((min(FIRST_SEEDS, count), count)):
        seeds = [VALIDATION_SEED + n for n in range(some)]
        left = {name: rules[name] for name in _candidates(rules, rewards)}
        found = play(left, scenario, seeds, run, Kept(run, scenario, seeds, identities), console)
        rewards |= {name: _rewards(one) for name, one in found.items()}
    return rewards


def _candidates(rules: Iterable[str], rewards: Mapping[str, Sequence[float]]) -> list[str]:
    """Rules that may be the best by their rewards on the same seeds: less than CLEAR standard errors below the best; at first all."""
    if not rewards:
        return list(rules)
    best = rewards[max(rewards, key=lambda name: float(np.mean(rewards[name])))]
    less = {name: np.subtract(best, rewards[name]) for name in rules}
    return [name for name, x in less.items() if not np.mean(x) > CLEAR * np.std(x, ddof=1) / np.sqrt(len(x))]


def _rewards(episodes: Episodes) -> list[float]:
    """Reward per job of each episode."""
    return [float(str(row["reward_per_job"])) for row in episodes.rows]


def _add_room(comparison: Comparison, rows: Sequence[Row], keep: Path | None) -> None:
    """Room, against the file that rows were kept in, or the one that ships."""
    scenario, summary = comparison.scenario, comparison.summary
    known = shipped(scenario) if keep is None else for_scenario(keep / f"{scenario.name}.json", scenario)
    table = comparison.episodes.pivot(index="policy", columns="seed", values="reward_per_job")
    played = {}
    for row in rows:
        mean = table.loc[[member.name for member in row.members]].mean(skipna=False)
        rewards = dict(zip(map(int, table.columns), mean.to_list(), strict=True))
        first = row.members[0]
        played[row.name] = Played(summary["policies"][row.name]["kind"], first.algo, first.identity, rewards)
    add_room(summary, played, known)
    if summary["room"] is None and keep is None and is_outdated(scenario):
        summary["room_note"] = f"No room from results/{scenario.name}.json: it is of an earlier {scenario.name}"


def _write(out: Path, comparison: Comparison, rows: Sequence[Row]) -> None:
    """Figures first, pictures after them."""
    from eval.report import write_report  # matplotlib and torch take seconds to import: errors come before
    from eval.tensorboard import write_comparison

    write_csv_atomic(comparison.episodes, out / "episodes.csv")
    if len(groups := groups_frame(comparison.summary)):
        write_csv_atomic(groups, out / GROUPS_FILE)
    hint = how_to_add_references(rows, comparison.scenario)
    looked = {
        "most_different": comparison.different,
        "busy_share": {name: share.tolist() for name, share in comparison.busy_share.items()},
    }
    told = {**comparison.made_by, "played_on": comparison.scenario.label, "hint": hint, **comparison.summary, **looked}
    write_json_atomic(told, out / "summary.json")
    write_report(out, comparison)
    looked_at = [row for row in rows if row.kind in ("learned", "own")]
    write_comparison(out, comparison, {row.name: row.hparams for row in looked_at})


def show(summary: Summary, out: Path, console: Console) -> None:
    """Print the table of a comparison, what its checkpoints were trained on, and where the rest of it is."""
    from eval.report.console import console_table
    from eval.report.numbers import different_in_words, sentences

    console.print(console_table(summary, console.width))
    console.print()
    record = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    hint = [record["hint"]] if record["hint"] else []
    look = [different_in_words(record["most_different"])] if record["most_different"] else []
    for sentence in (*sentences(summary, record["played_on"]), *hint, *look):
        console.print(sentence, highlight=False, markup=False, emoji=False)
    for what, place in _places(out):
        console.print(f"{what + ':':13}{place}", soft_wrap=True, highlight=False, markup=False, emoji=False)


def _places(out: Path) -> Iterator[tuple[str, str]]:
    yield "Report", str(out / "report.html")
    yield "Table", f"{out / 'table.csv'}, table.tex, comparison.svg"
    if (out / GROUPS_FILE).exists():
        yield "Groups", str(out / GROUPS_FILE)
    yield "Episodes", str(out / "episodes.csv")
    yield "Jobs", str(out / JOBS_FILE)
    yield "Summary", str(out / "summary.json")
    yield "TensorBoard", tensorboard_command(out)
    if (out / RECORD).exists():
        yield "Recording", str(out / RECORD)
    elif different := json.loads((out / "summary.json").read_text(encoding="utf-8"))["most_different"]:
        yield "Record it", different["command"]


def tensorboard_command(out: Path) -> str:
    """The line that opens TensorBoard on a run, with the program that belongs to this Python."""
    program = Path(sys.executable).with_name("tensorboard")
    if shutil.which("tensorboard") == str(program) or not program.exists():
        name = "tensorboard"
    else:
        name = os.path.relpath(program)
    return f"{name} --logdir {out / 'tensorboard'}"
