"""Writes docs/scenarios/NAME.md and NAME.png from the scenarios that ship: `python docs/make_scenarios.py`.

Everything on a page comes from the TOML file, its comments, the values beside it, the layout, the traces and the results that ship
(eval/results), except the sentences in HARD below and in MATTERS (scenario_matters.py). The tables of MATTERS are filled from
`benchmarks/ablation.py --out runs/ablation/NAME.md`, and in the same way from `benchmarks/situations.py` and
`benchmarks/train_shares.py`; without them the page keeps those that it has, as long as they are of this version of the scenario.
"""

from __future__ import annotations

import os

os.environ["NUMBA_DISABLE_JIT"] = "1"  # one reset of one world: a second in Python, a minute to compile

import argparse
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from PIL import Image
from scenario_matters import MATTERS
from scenario_values import values_found

from edge6g_env import costs, radio
from edge6g_env.build.places import bands_of
from edge6g_env.device_split import DRAFT, name_of
from edge6g_env.kernel.codes import FAULT_KINDS
from edge6g_env.pictures.outages import SEED
from edge6g_env.pictures.site_map import Picture
from edge6g_env.scenario import Scenario, load_scenario, scenarios
from edge6g_env.scenario_faults import Faults
from edge6g_env.scenario_tables import Prices
from edge6g_env.spaces import Layout
from eval.metrics import METRICS
from eval.result_files import shipped
from eval.room import CLAIRVOYANT

PAGES = Path(__file__).resolve().parent / "scenarios"
RULES = ("tuned", "restricted", "static", "greedy", "jsq", "local", "cloud", "round-robin", "random")
SHOWN = ("reward_per_job", "slo_attainment", "ttft_p95_s", "tpot_mean_s", "price_per_job", "energy_j_per_job")

HARD = {
    "tiny": "Three accelerators of very different speed serve two models, and neither service may send a raw prompt to the cloud: the node "
    "that a job reaches is often not the one to run it. The assistant has to run at least one layer on the phone, so each of its tokens "
    "crosses the radio unless the phone runs the whole model.",
    "campus": "Accelerators are unequal, three models compete for their memory and UEs crowd around two hotspots, so the node that a job "
    "reaches is often the wrong one, and what a neighbour reported 0.2 s ago is what its other neighbours act on too. Code wants its first "
    "token within 0.5 s and keeps its raw prompt on the site, the assistant needs a layer on the phone, and the cloud takes its price by "
    "the token.",
    "azure": "Jobs come in the bursts of the recorded traces, and code prompts of thousands of tokens meet chat answers of hundreds on the "
    "same accelerators, so one long prefill delays every stream of its node. No accelerator is far ahead of the others, so "
    "the question is less who is fast than who is free, and what is known of that is 0.2 s old.",
    "dense-urban": "Vehicles change the cell every few seconds, often between FR3 and a sub-THz hot spot with ten times the band that a "
    "body or a corner takes away: the cell that serves a vehicle when its answer is ready is seldom the one that decided about its job, "
    "and what an agent knows of a channel is up to 0.2 s, or 3 m, old. Each of the 32 agents hears of three neighbours only, so load moves "
    "with the traffic faster than reports tell.",
    "robotics": "Every robot sends a picture each period, whether or not the one before was answered, and an answer that comes after its "
    "deadline is a missed loop: 0.4 s for one action, 0.8 s for four. With nobody else there an RTX 4090 answers with one action in 70 ms, "
    "an L4 in 170 and a Jetson in 500, too late even alone, and most robots stand at the slower ones. At 28 GHz a person or a truck "
    "in the way takes the link for half a second, and pictures may not leave the plant, so neither the cloud nor waiting helps.",
    "shard": "The model of `review` takes two cards, and whatever either of them held makes way: a cut is what serves it here, and a dear "
    "one for everybody else. The ingress has the first part and a neighbour the last, and a node that is front for its own jobs and back "
    "for its neighbours' would need all layers, which it cannot hold: who holds which part, and for how long, is an agreement among "
    "agents that sees no table of it. `review` never goes to the cloud, not even as activations, which give most of a text away (Morris et "
    "al., arXiv 2310.06816).",
    "rush": "Each service is calm or busy for tens of seconds, so what is popular changes within an episode, and a card of 24 GB "
    "holds some of the twelve models, at some precision: a larger model answers better, and drives out two smaller ones that "
    "the next burst will ask for. Model, precision and place are one decision, and what it does to those who come later is "
    "most of its worth.",
    "telemedicine": "The mixture of experts that reads charts fits one node whole, at one precision and with little beside it; elsewhere "
    "it is cut between two cards of 16 GB, each of which gives up what it held, so every picture and every dictation is a question "
    "of who still has what. A picture or half a minute of sound is some 0.1 MB until an encoder has run over it and megabytes afterwards, "
    "so a layer on the phone, which keeps it there, costs the phone's encoder and the air; and what staff write of a patient has no other "
    "way.",
    "finetune": "Tuning takes what answers leave, and that is little: a step takes an L4 half a second if nobody else is there, and "
    "three times that beside a stream, which slows down by two fifths. Members of a task at one node take turns, and a round "
    "is as slow as its slowest member, though each is decided on its own. What workers write for themselves is tuned whole on the phone, "
    "19 s a round and hardly a byte, or cut, sooner and for 0.8 GB of the plant's air; and the cloud, which tunes fastest, answers "
    "nobody meanwhile.",
    "blackout": "At any time about one server in five and one line in eight is down, from 80 to 100 s half of the servers, and a job "
    "on a part that fails comes back to be decided again: whoever concentrates on the best node loses most when it goes. A server that is "
    "back has to load its weights anew, and of a neighbour's failure a node learns by the next report, or by the jobs that it sent "
    "into it.",
}


def main() -> None:
    """Write the pages and pictures, or check that the pages are those that would be written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="scenarios (all that ship)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a page is out of date")
    options = parser.parse_args()
    for name in options.names or scenarios():
        if name not in HARD:
            parser.error(f"say in two sentences, in HARD, what is hard in {name}")
        scenario, page = load_scenario(name), PAGES / f"{name}.md"
        measured = {
            what: (None if options.check else _measured(scenario, what)) or _kept(page, what, scenario) or ""
            for what in ("train_shares", "ablation", "situations")
        }
        picture, image = Picture(scenario), page.with_suffix(".png")
        text = "\n".join(_page(picture, measured)) + "\n"
        if options.check:
            if not page.is_file() or page.read_text(encoding="utf-8") != text:
                raise SystemExit(f"{page.name} is out of date: python docs/make_scenarios.py {name}")
            if not image.is_file() or Image.open(image).info.get("Drawn") != picture.digest:
                raise SystemExit(f"{image.name} shows another world: python docs/make_scenarios.py {name}")
            continue
        picture.draw().savefig(image, dpi=110, metadata={"Drawn": picture.digest})
        page.write_text(text, encoding="utf-8")
        print(page.relative_to(PAGES.parents[1]))


def _page(picture: Picture, measured: dict[str, str]) -> Iterator[str]:
    """Lines of a page: the outline is the same for every scenario."""
    scenario = picture.scenario
    name, layout = scenario.name, Layout(scenario)
    yield f"# {name}\n"
    yield "<!-- Written by docs/make_scenarios.py: edit that file or the TOML. -->"
    yield f"{scenario.summary} `edge6g scenarios show {name}`\n"
    yield f"![Map of {name}]({name}.png)\n"
    yield f"{_caption(picture)} `python docs/make_scenarios.py`\n"
    yield f"## What is hard here\n\n{HARD[name]}\n"
    yield "## Entities and rates\n"
    yield from _entities(scenario)
    yield from _services(scenario)
    yield from _tuning(scenario)
    yield "\n## Choices\n"
    yield from _choices(layout)
    yield "\n## Observation\n"
    yield f'{len(layout.observation)} numbers an agent, and with `observe="candidates"` {len(layout.candidates)} more for each of the'
    yield f"{layout.num_actions} actions: [entry by entry](../observations.md).\n\n## Reward\n"
    yield from _reward(scenario)
    yield "\n## Rules and bounds\n"
    yield from _figures(scenario)
    yield "Every rule, and what planners reach above them: [matrix](../matrix.md).\n"
    if name in MATTERS:
        yield f"## What decides here\n\n{MATTERS[name].strip()}\n"
        yield from (f"{table}\n" for table in measured.values() if table)
    yield from values_found(scenario)
    yield "## Versions\n\n| version | what |\n|---|---|"
    yield f"| `{scenario.id}` | the present one; it may still move until 0.1.0 is released, CHANGELOG.md says when; from then on never |"
    yield "\n## Sources and judgement\n"
    yield from _sources(name)


def _caption(picture: Picture) -> str:
    text = f"Seed {SEED} as an episode starts."
    if not picture.parts:
        return text
    return (
        f"{text} What is down is that of the same episode at {picture.shown_s:g} s, the dashed line below: planned outages come in every "
        "episode, those by chance with the seed."
    )


def _entities(scenario: Scenario) -> Iterator[str]:
    nodes, ues, cloud, time = scenario.nodes, scenario.ues, scenario.cloud, scenario.time
    yield "| entity | |\n|---|---|"
    memory = f", with {', '.join(f'{gb:g}' for gb in nodes.memory_gb)} GB" if nodes.memory_gb else ""
    yield f"| nodes | {nodes.count}, {nodes.placed}: {', '.join(nodes.devices)} in turn{memory} |"
    yield f"| Xn | {scenario.neighbours} neighbours a node, {_rate(scenario.xn.rate_bit_s)}, {1e3 * scenario.xn.delay_s:g} ms |"
    yield f"| backhaul | {_rate(scenario.backhaul.rate_bit_s)} a node, {1e3 * scenario.backhaul.delay_s:g} ms |"
    tuned = (
        "; fine-tuning takes all of them, paid by the second" if any(s.may_use_cloud for s in scenario.finetune) else ""
    )
    yield f"| cloud | {cloud.device}, {cloud.concurrency} requests at a time, paid by the token{tuned} |"
    yield f"| UEs | {scenario.num_ues} {ues.devices_in_words}, {ues.movement} |"
    if ues.indoor_share > 0.0:
        yield f"| indoors | {ues.indoor_share:.0%} of the UEs, behind walls of {ues.building} loss |"
    yield from _radio(scenario)
    if scenario.serving.ran_share > 0.0:
        yield f"| radio on the accelerators | {scenario.serving.ran_share:.0%} of a node's at full load of its cell |"
    if scenario.prices != Prices():
        paid = ", ".join(f"{name.split('_')[0]} {usd:g}" for name, usd in scenario.prices.model_dump().items())
        yield f"| bytes, USD a GB | {paid} |"
    if scenario.serving.preload:
        yield f"| resident at the start | {', '.join(scenario.serving.preload)}, where half of the memory stays |"
    yield from _faults(scenario.faults)
    yield from (f"| arrivals | {course} |" for course in scenario.courses)
    yield f"| time | slots of {1e3 * time.slot_s:g} ms, reports every {time.report_period_s:g} s |"
    yield f"| episode | {time.episode_s:g} s, of them {time.warmup_s:g} s warm-up and {time.drain_s:g} s drain, not measured |\n"


def _radio(scenario: Scenario) -> Iterator[str]:
    options = scenario.radio
    offsets_db = options.cell_offset_db or [0.0] * len(options.presets)
    for n, (name, offset_db) in enumerate(zip(options.presets, offsets_db, strict=True)):
        band = radio.preset(name)
        nodes = [str(i) for i in range(scenario.nodes.count) if bands_of(scenario)[i] == n]
        cells = "all cells" if len(options.presets) == 1 else f"nodes {', '.join(nodes)}"
        offset = f", compared {offset_db:+g} dB" if offset_db else ""
        yield f"| band `{name}` | {cells}: {band.carrier_ghz:g} GHz, {band.bandwidth_hz / 1e6:g} MHz{offset} |"
    rain = f", {options.rain_mm_per_h:g} mm/h of rain" if options.rain_mm_per_h else ""
    people = f", {options.blockers_per_m2:g} people per m2 that block links" if options.blockers_per_m2 else ""
    yield f"| radio | {options.environment}, other traffic on {options.background_load:.0%} of each cell{rain}{people} |"
    handover = f"{options.handover_hysteresis_db:g} dB for {1e3 * options.time_to_trigger_s:g} ms"
    yield f"| handover | {handover}, nothing sent for {1e3 * options.handover_interruption_s:g} ms |"
    yield f"| what agents know of a channel | +- {options.csi_error_db:g} dB, up to {options.csi_period_s:g} s old |"


def _faults(faults: Faults) -> Iterator[str]:
    for kind, what in zip(FAULT_KINDS, ("servers", "Xn links", "backhauls", "the cloud"), strict=True):
        mtbf_s, mttr_s = faults.mean_times_s(kind)
        if mtbf_s > 0.0:
            share = mttr_s / (mtbf_s + mttr_s)
            yield f"| faults: {what} | up {mtbf_s:g} s, down {mttr_s:g} s on average: {share:.0%} of the time down |"
    for outage in faults.outage:
        where = f" {', '.join(map(str, outage.nodes))}" if outage.nodes else ""
        yield f"| planned outage | {outage.kind}{where}, {outage.start_s:g} to {outage.end_s:g} s |"


def _services(scenario: Scenario) -> Iterator[str]:
    heads = (
        "prompt mean (tokens) | inputs | payload (kB) | output mean (tokens) | TTFT | TPOT | deadline | expires | value"
    )
    yield f"| service | model | privacy | jobs/s | {heads} |"
    yield f"|---|---|---|---|{'---|' * len(heads.split('|'))}"
    for one, rate_jobs_s in zip(scenario.service, scenario.rates_jobs_s, strict=True):
        _, prompt, output = one.lengths().mean(axis=0)
        payload = f"{one.payload_bytes / 1e3:g}" if one.payload_bytes else ""
        means = [f"{mean:.0f}" if mean else "" for mean in (prompt, output)]
        lengths = f"{rate_jobs_s:.3g} | {means[0]} | {one.inputs_in_words(scenario.catalog)} | {payload} | {means[1]}"
        times = " | ".join([*one.goals, f"{one.expire_s:g} s", f"{one.value:g}"])
        yield f"| {one.name} | {' | '.join(one.facts[:2])} | {lengths} | {times} |"


def _tuning(scenario: Scenario) -> Iterator[str]:
    """What a job of each fine-tuning service is."""
    if not scenario.finetune:
        return
    yield "\n| fine-tuning | a job | adapter: rank, of | UEs a task | steps a round | a round waits |"
    yield "|---|---|---|---|---|---|"
    for one in scenario.finetune:
        job = f"{one.steps} steps of {one.step_sequences} x {one.step_tokens} tokens"
        rounds = f"{one.aggregate_every} | {one.round_timeout_s:g} s" if one.participants > 1 else " | "
        yield f"| {one.name} | {job} | {one.lora_rank}, {one.lora_targets} | {one.participants} | {rounds} |"


def _choices(layout: Layout) -> Iterator[str]:
    grid = layout.scenario.actions
    drafted = "; draft: none, a draft model proposes tokens" if DRAFT in grid.device_split else ""
    yield f"`Discrete({layout.num_actions})`, the distinct combinations of\n"
    yield "| column | values |\n|---|---|"
    yield f"| route | hold, reject, local, {layout.scenario.neighbours} neighbours, cloud |"
    yield f"| device split | {', '.join(map(name_of, grid.device_split))} of the layers{drafted} |"
    yield f"| edge split | {', '.join(f'{share:g}' for share in grid.edge_split)} of the layers that remain |"
    yield f"| precision | {', '.join(grid.precision)} |"
    if layout.scenario.most_models > 1:
        yield f"| model | 1 to {layout.scenario.most_models}, of the service's list (../families.md) |"


def _reward(scenario: Scenario) -> Iterator[str]:
    reward = scenario.reward
    tuned = ", of fine-tuning `value x quality x progress` at its end" if scenario.finetune else ""
    yield f"Per finished job `value x quality x timeliness`{tuned}, less\n"
    yield "| term | weight |\n|---|---|"
    yield f"| price | {reward.price_per_usd:g} a USD |"
    yield f"| energy | {reward.energy_per_j:g} a joule |"
    for name in ("rejected", "expired", "failed"):
        yield f"| {name} job | {getattr(reward, f'{name}_cost'):g} |"
    exposed = {service.name: service.exposure_cost for service in scenario.service if service.exposure_cost > 0.0}
    yield f"| exposure | {', '.join(f'{cost:g} ({name})' for name, cost in exposed.items()) or 'no service asks for it'} |"
    if scenario.finetune:
        yield "\nProgress is the share of the steps in completed rounds; what is missing at the deadline costs that share of `expired`."
        yield "Loss and convergence are not modelled: each step is worth as much as any other ([finetune](../finetune.md))."
    yield f"\n`reward_mix = {reward.reward_mix:g}`: 0 is each agent's own reward, 1 the mean of all."
    if exposed:
        yield f"\n{_exposure(scenario)}"


def _exposure(scenario: Scenario) -> str:
    """What a price on exposure means, and what it does not."""
    grid, attacker = scenario.actions, scenario.privacy.attacker
    on_device = [share for share in grid.device_split if not isinstance(share, str)]
    depths = {first + (1.0 - first) * second for first in on_device for second in grid.edge_split} - {0.0, 1.0}
    behind = [f"{share:.2f}" for share in sorted(costs.exposure(sorted(depths), attacker=attacker))]
    cuts = f", behind the cuts above {behind[0]} to {behind[-1]}" if behind else ""
    return (
        "Exposure is the share of a prompt that could be rebuilt from what was sent ([exposure](../exposure.md)): by the "
        f"{attacker} attacker 1 of raw data{cuts}, 0 if nothing is. A privacy class is policy, not protection, and bits of the "
        "activations as sent, 16 or 8, change nothing."
    )


def _sources(name: str) -> Iterator[str]:
    """Every key of the TOML file whose line says where its value comes from, and the names of the others."""
    yield "From the comments of the TOML file; devices, models and prices have theirs in `edge6g_env/costs/data/*.csv`.\n"
    yield "| key | value | source or judgement |\n|---|---|---|"
    others = []
    for key, value, source in _keys(name):
        if source:
            yield f"| `{key}` | {value if isinstance(value, str) else json.dumps(value)} | {source} |"
        else:
            others.append(f"`{key}`")
    yield f"\nWhat the scenario chooses, without a source: {', '.join(dict.fromkeys(others))}."


def _keys(name: str) -> Iterator[tuple[str, object, str]]:
    """Key, value and comment of each line of the TOML file that has a key; services by their names."""
    table = service = ""
    for line in (resources.files("edge6g_env") / "scenarios" / f"{name}.toml").read_text(encoding="utf-8").splitlines():
        if head := re.fullmatch(r"\[+([\w.]+)\]+", line.strip()):
            table, service = head[1], ""
        elif found := re.fullmatch(r"(\w+) = (.+?)(?:\s+# (.+))?", line):
            key, value = found[1], tomllib.loads(f"value = {found[2]}")["value"]
            if table == "service" and key == "name":
                service = f"{value}."
            elif table:
                yield f"{table}.{service}{key}", value, found[3] or ""


def _figures(scenario: Scenario) -> Iterator[str]:
    """The table of the results that ship with the scenario; how to make them where there are none."""
    known, name = shipped(scenario), scenario.name
    if known is None:
        command = f"edge6g compare --scenario {name} --policies {','.join(RULES)} --seeds 20 --out runs/{name} --keep eval/results"
        yield f"None yet: `{command}`, then `python docs/make_scenarios.py`.\n"
        return
    rows = [known.rows[policy] for policy in (*RULES, CLAIRVOYANT) if policy in known.rows]
    rows.sort(key=lambda row: -(row["metrics"]["reward_per_job"][0] or 0.0))
    seeds = max(row["seeds"] for row in rows)
    shown = (*SHOWN, "progress_mean") if scenario.finetune else SHOWN
    metrics = [metric for metric in METRICS if metric.name in shown]
    yield f"Interquartile mean over {seeds} unseen seeds [95 % interval]; `edge6g verify --scenario {name}` plays them again:\n"
    units = (f"{m.label}{f' ({m.display_unit})' if m.display_unit != '1' else ''}" for m in metrics)
    yield f"| policy | {' | '.join(units)} |"
    yield "|---" * (len(metrics) + 1) + "|"
    for row in rows:
        few = "" if row["seeds"] == seeds else f", {row['seeds']} seeds"
        cells = (_cell(row["metrics"][metric.name], metric.shown_scale) for metric in metrics)
        yield f"| `{row['policy']}`{few} | {' | '.join(cells)} |"
    yield ""


def _measured(scenario: Scenario, what: str) -> str | None:
    """The table of `benchmarks/WHAT.py`, if it is of this scenario as it is now."""
    file = Path("runs") / what / f"{scenario.name}.md"
    if not file.is_file():
        return None
    made_by, table = file.read_text(encoding="utf-8").split("\n", 1)
    if scenario.fingerprint not in made_by:
        return None
    return f"<!-- {what} of {scenario.fingerprint} -->\n{table.strip()}\n<!-- /{what} -->"


def _cell(found: Sequence[float | None], scale: float) -> str:
    """Interquartile mean and interval, as a row of results has them."""
    iqm, *interval = (None if value is None else f"{value * scale:.3g}" for value in found)
    if iqm is None or None in interval:
        return iqm or ""
    return f"{iqm} [{', '.join(map(str, interval))}]"


def _kept(page: Path, what: str, scenario: Scenario) -> str | None:
    """The table that the page has, if it is of this version of the scenario."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    found = re.search(rf"<!-- {what} of {scenario.fingerprint} -->\n.*?<!-- /{what} -->", text, flags=re.DOTALL)
    return found[0] if found else None


def _rate(bit_s: float) -> str:
    return f"{bit_s / 1e9:g} Gbit/s"


if __name__ == "__main__":
    main()
