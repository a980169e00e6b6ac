"""What the mechanisms of a scenario are worth: each switched off with everything else equal, on the same seeds.

    python benchmarks/ablation.py --scenario telemedicine --policy greedy --seeds 20

encoder on the device   no layers on the device for services with `inputs`
drafts                  no drafts
exposure price          `exposure_cost` 0 everywhere
deadline                the two objectives of a chat, 2 s and 100 ms, in place of `deadline_s`
fine-tuning             every job of it is rejected
U-shape                 no cut for fine-tuning whose labels stay on the device: all of it there, or none
aggregation             each member of a task tunes for itself, as many of them a second
radio's share           `serving.ran_share` 0

Some hide rows of the action table from the policy, the others change the scenario that it plays. Both runs are judged by the scenario
as it is, worked out of each job's outcome; for the exposure price the reward without it is shown as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from rich.console import Console

from agents.policy import Around, MakePolicy, Observation, Policy, make_rule
from agents.rules._rows import service_entries
from benchmarks.pages import write_for_page
from edge6g_env.kernel.codes import EXPIRED, FAILED, FINETUNE, FINISHED, LOCAL, REJECTED
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.scenario_services import FinetuneService
from edge6g_env.spaces import Layout, device_shares, drafts
from eval.compare import evaluation_seeds
from eval.episodes import measured_s, run_policies
from eval.metrics import BY_NAME, episode_metrics
from eval.statistics import Estimate, estimate, paired_difference

# MLPerf Inference v5.1, llama3.1-8b server, as campus has for its chat (recalled)
CHAT = {"ttft_slo_s": 2.0, "tpot_slo_s": 0.1}
LATENCIES = ("slo_attainment", "ttft_p95_s", "tpot_mean_s")
NOTHING = 1e-9  # what differences of sums may leave


class Off(NamedTuple):
    """A mechanism switched off."""

    name: str
    scenario: Scenario  # as it is
    forbidden: np.ndarray  # bool (S, C), rows of the action table that are hidden
    services: list[int]  # which it is for
    metrics: tuple[str, ...]  # what it should move
    changed: Mapping[str, float] = MappingProxyType({})  # keys of the scenario in which the policy then plays
    moves: tuple[int, ...] = ()  # the services whose metrics it should move, if these are others


class Row(NamedTuple):
    """A line of the table; difference: with the mechanism less without it."""

    mechanism: str
    measure: str
    on: Estimate
    off: Estimate
    difference: Estimate


class Without(Around):
    """A policy that is not shown some rows of the action table."""

    def __init__(self, policy: Policy, forbidden: np.ndarray, services: list[int]) -> None:
        """forbidden: bool (S, C); services: entries of an observation that say the job's service."""
        super().__init__(policy)
        self._allowed, self._services = ~forbidden, services

    def act(self, obs: Observation, rng: np.random.Generator) -> np.ndarray:
        """What the policy does with the narrower mask; see Policy.act."""
        service = obs["observation"][..., self._services].argmax(axis=-1)
        return self._policy.act({**obs, "action_mask": obs["action_mask"] * self._allowed[service]}, rng)


def mechanisms(scenario: Scenario) -> list[Off]:
    """Those that the scenario has."""
    return [off for off in _all_mechanisms(scenario) if off.services and (off.forbidden.any() or off.changed)]


def _all_mechanisms(scenario: Scenario) -> Iterator[Off]:
    table = Layout(scenario).action_table
    pictures, drafted, exposed, due = (
        [n for n, one in enumerate(scenario.service) if getattr(one, key, None)]
        for key in ("inputs", "draft", "exposure_cost", "deadline_s")
    )
    yield _hidden(
        "encoder on the device",
        scenario,
        device_shares(scenario, table) > 0.0,
        pictures,
        ("air_bytes_per_job", "ttft_mean_s"),
    )
    yield _hidden("drafts", scenario, drafts(scenario, table), drafted, ("tpot_mean_s", "price_per_job"))
    free = {"exposure_cost": 0.0}
    yield _changed("exposure price", scenario, free, exposed, ("exposure_site_mean", "exposure_mean"))
    yield _changed("deadline", scenario, CHAT, due, ("missed_share", "price_per_job"))
    yield from _of_tuning(scenario, table)
    off = _hidden("radio's share", scenario, np.zeros(len(table), bool), [*range(len(scenario.service))], LATENCIES)
    yield off._replace(changed={"serving.ran_share": 0.0} if scenario.serving.ran_share > 0.0 else {})


def _of_tuning(scenario: Scenario, table: np.ndarray) -> Iterator[Off]:
    tuners = [n for n, one in enumerate(scenario.service) if isinstance(one, FinetuneService)]
    kept, teams = (
        [n for n in tuners if getattr(scenario.service[n], key)] for key in ("keeps_labels", "aggregate_every")
    )
    others = tuple(n for n in range(len(scenario.service)) if n not in tuners)
    shares = device_shares(scenario, table)
    yield _hidden("fine-tuning", scenario, table[:, 0] >= LOCAL, tuners, LATENCIES)._replace(moves=others)
    progress = ("progress_mean", "air_bytes_per_job")
    yield _hidden("U-shape", scenario, (shares > 0.0) & (shares < 1.0), kept, progress)
    off = _hidden("aggregation", scenario, np.zeros(len(table), bool), teams, progress)
    yield off._replace(changed=_alone(scenario) if teams else {})


def _alone(scenario: Scenario) -> dict[str, float]:
    """Tasks of one member each, as many jobs of each service a second as before."""
    members = [one.participants if isinstance(one, FinetuneService) else 1 for one in scenario.service]
    drawn = [one.loop_s is None for one in scenario.service]
    parts = [one.share * n * is_drawn for one, n, is_drawn in zip(scenario.service, members, drawn, strict=True)]
    changed = {"arrivals.rate_jobs_s": scenario.arrivals.rate_jobs_s * sum(parts)}
    for one, part, is_drawn in zip(scenario.service, parts, drawn, strict=True):
        changed |= {f"service.{one.name}.share": part / sum(parts)} if is_drawn else {}
        changed |= {f"service.{one.name}.participants": 1} if isinstance(one, FinetuneService) else {}
    return changed


def _hidden(name: str, scenario: Scenario, rows: np.ndarray, services: list[int], metrics: tuple[str, ...]) -> Off:
    """Rows of the action table, bool (C,), that some services may not take."""
    forbidden = np.zeros((len(scenario.service), len(rows)), bool)
    forbidden[services] = rows
    return Off(name, scenario, forbidden, services, metrics)


def _changed(
    name: str, scenario: Scenario, keys: dict[str, float], services: list[int], metrics: tuple[str, ...]
) -> Off:
    """Other values of some keys of some services."""
    names = [scenario.service[n].name for n in services]
    changed = {f"service.{service}.{key}": value for service in names for key, value in keys.items()}
    off = _hidden(name, scenario, np.zeros(Layout(scenario).num_actions, bool), services, metrics)
    return off._replace(changed=changed)


def judged(jobs: np.ndarray, scenario: Scenario) -> np.ndarray:
    """The same jobs, rows of OUTCOME, with the worth, objectives and deadlines of `scenario`, whatever they were played for."""
    of, reward = jobs["service"], scenario.reward
    value = np.array([one.value for one in scenario.service])[of]
    ttft_slo_s, tpot_slo_s, deadline_s = np.array([[*one.objectives.values()] for one in scenario.service])[of].T
    latency_s, finished = jobs["end_s"] - jobs["arrival_s"], jobs["phase"] == FINISHED
    in_time = np.where(
        deadline_s > 0.0,
        _at_most_one(deadline_s, latency_s),
        _at_most_one(ttft_slo_s, jobs["ttft_s"]) * _at_most_one(tpot_slo_s, jobs["tpot_s"]),
    )
    done = np.where(jobs["kind"] == FINETUNE, jobs["progress"], finished * in_time)
    ends = {REJECTED: reward.rejected_cost, EXPIRED: reward.expired_cost, FAILED: reward.failed_cost}
    lost = sum((jobs["phase"] == phase) * cost for phase, cost in ends.items())
    lost *= np.where(jobs["kind"] == FINETUNE, 1.0 - jobs["progress"], 1.0)
    costs = reward.price_per_usd * jobs["price_usd"] + reward.energy_per_j * jobs["energy_j"]
    out = jobs.copy()
    out["worth"] = value * jobs["quality"] * done - lost - costs - exposure_prices(jobs, scenario)
    out["slo_met"], out["deadline_s"] = done >= 1.0, deadline_s
    return out


def _at_most_one(objective_s: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    return np.minimum(1.0, objective_s / np.maximum(time_s, 1e-9))


def exposure_prices(jobs: np.ndarray, scenario: Scenario) -> np.ndarray:
    """What each job pays for its exposure in `scenario`, float64 (J,)."""
    of = jobs["service"]
    cost = np.array([one.exposure_cost for one in scenario.service])[of]
    at_cloud = np.array([one.privacy == "site" for one in scenario.service])[of]
    return cost * np.where(at_cloud, jobs["exposure_site"], jobs["exposure_device"])


def ablations(scenario: Scenario, make: MakePolicy, seeds: list[int], console: Console) -> Iterator[Row]:
    """Play the policy with everything and with each mechanism off; the rows of the table."""
    base = _play(scenario, make, seeds, console, scenario)
    for off in mechanisms(scenario):
        hidden = partial(_without, make, off.forbidden) if off.forbidden.any() else make
        jobs = _play(load_scenario(scenario, **off.changed), hidden, seeds, console, scenario)
        yield from _rows(off, base, jobs, seeds)


def _play(played: Scenario, make: MakePolicy, seeds: list[int], console: Console, judge: Scenario) -> np.ndarray:
    return judged(run_policies({"ablation": make}, played, seeds, console)["ablation"].jobs, judge)


def _without(make: MakePolicy, forbidden: np.ndarray, layout: Layout) -> Without:
    return Without(make(layout), forbidden, service_entries(layout))


def _rows(off: Off, base: np.ndarray, jobs: np.ndarray, seeds: list[int]) -> Iterator[Row]:
    """base, jobs: with and without the mechanism, judged alike."""
    mine = [one[np.isin(one["service"], off.services)] for one in (base, jobs)]
    if off.forbidden.any():
        uses = [(one["action"] >= 0) & off.forbidden[one["service"], one["action"]] for one in mine]
        shares = [_by_seed(one, used, seeds) for one, used in zip(mine, uses, strict=True)]
        yield _row(off.name, "jobs that use it (%)", shares, 100.0)
    yield _row(off.name, "reward per job", [_by_seed(one, one["worth"], seeds) for one in (base, jobs)])
    yield _row(off.name, "reward per job, these services", [_by_seed(one, one["worth"], seeds) for one in mine])
    if "exposure_cost" in str(off.changed):
        paid = [one["worth"] + exposure_prices(one, off.scenario) for one in (base, jobs)]
        free = [_by_seed(one, worth, seeds) for one, worth in zip((base, jobs), paid, strict=True)]
        yield _row(off.name, "reward per job, exposure not priced", free)
    if off.moves:
        mine = [one[np.isin(one["service"], off.moves)] for one in (base, jobs)]
    for name in off.metrics:
        metric = BY_NAME[name]
        measure = f"{metric.label} ({metric.display_unit}), {'the others' if off.moves else 'these services'}"
        values = [_metric(one, name, off.scenario, seeds) for one in mine]
        yield _row(off.name, measure, values, metric.shown_scale)


def _by_seed(jobs: np.ndarray, values: np.ndarray, seeds: list[int]) -> dict[int, float]:
    return {seed: float(values[jobs["world"] == n].mean()) for n, seed in enumerate(seeds)}


def _metric(jobs: np.ndarray, name: str, scenario: Scenario, seeds: list[int]) -> dict[int, float]:
    window_s = measured_s(scenario)
    worlds = enumerate(seeds)
    return {seed: episode_metrics(jobs[jobs["world"] == n], window_s, np.nan)[name] for n, seed in worlds}


def _row(mechanism: str, measure: str, values: list[dict[int, float]], scale: float = 1.0) -> Row:
    on, off = ({seed: scale * value for seed, value in one.items()} for one in values)
    return Row(mechanism, measure, estimate([*on.values()]), estimate([*off.values()]), paired_difference(on, off))


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Lines of a table in Markdown."""
    yield "| mechanism | measure | with | without | with less without |\n|---|---|---|---|---|"
    before = ""
    for row in rows:
        low, high = row.difference["low"], row.difference["high"]
        interval = "" if low is None or high is None else f" [{_number(low)}, {_number(high)}]"
        cells = row.measure, *(_number(one["iqm"]) for one in (row.on, row.off, row.difference))
        yield f"| {'' if row.mechanism == before else row.mechanism} | {' | '.join(cells)}{interval} |"
        before = row.mechanism


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}".replace("-", "\u2212") if abs(value) > NOTHING else "0"


def main() -> None:
    """Play and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="telemedicine", help="name or path (telemedicine)")
    parser.add_argument("--policy", default="greedy", help="rule that decides (greedy)")
    parser.add_argument("--seeds", type=int, default=20, help="evaluation episodes (20)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="Markdown, for docs/make_scenarios.py")
    options = parser.parse_args()
    scenario, seeds = load_scenario(options.scenario), evaluation_seeds(options.seeds)
    rows = ablations(scenario, partial(make_rule, options.policy), seeds, Console(stderr=True))
    command = (
        f"python benchmarks/ablation.py --scenario {options.scenario} --policy {options.policy} --seeds {options.seeds}"
    )
    text = "\n".join([f"Interquartile mean over {len(seeds)} seeds [95 % interval], `{command}`:\n", *table(rows)])
    print(text)
    if options.out:
        write_for_page(options.out, scenario, text)


if __name__ == "__main__":
    main()
