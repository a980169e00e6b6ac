"""What the mechanisms of a scenario are worth: each switched off with everything else equal, on the same seeds.

    python benchmarks/ablation.py --scenario telemedicine --policy greedy --seeds 20

encoder on the device   no layers on the device for services with `inputs`
drafts                  no drafts
exposure price          `exposure_cost` 0 everywhere
deadline                the two objectives of a chat, 2 s and 100 ms, in place of `deadline_s`
U-shape                 no cut for fine-tuning whose labels stay on the device: all of it there, or none
fine-tuning             every job of it is rejected
aggregation             each member of a fine-tuning task is a task of its own: as many jobs, at other instants, and no rounds
AI-RAN                  `ran_share` 0

Some hide rows of the action table from the policy, the others change what it is paid for, or the scenario. Both runs are judged by the
scenario as it is, worked out of each job's outcome; for the exposure price the reward without it is shown as well.
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
from edge6g_env.kernel.codes import EXPIRED, FAILED, FINETUNE, FINISHED, REJECT, REJECTED
from edge6g_env.scenario import Scenario, load_scenario
from edge6g_env.scenario_services import FinetuneService
from edge6g_env.spaces import Layout, device_shares, drafts
from eval import evaluation_seeds
from eval.episodes import measured_s, run_policies
from eval.metrics import BY_NAME, episode_metrics
from eval.statistics import Estimate, estimate, paired_difference

# MLPerf Inference v5.1, llama3.1-8b server, as campus has for its chat (recalled)
CHAT = {"ttft_slo_s": 2.0, "tpot_slo_s": 0.1}
SHARED = "slo_attainment", "ttft_mean_s", "tpot_mean_s", "progress_mean"  # what jobs take from each other
NOTHING = 1e-9  # what differences of sums may leave


class Off(NamedTuple):
    """A mechanism switched off."""

    name: str
    scenario: Scenario  # as it is
    forbidden: np.ndarray  # bool (S, C), rows of the action table that are hidden
    services: list[int]  # which it is for
    metrics: tuple[str, ...]  # what it should move
    changed: Mapping[str, float] = MappingProxyType({})  # keys of the scenario in which the policy then plays


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
    layout = Layout(scenario)
    table = layout.action_table
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
    yield from _of_tuning(scenario, layout)
    everyone = [*range(len(scenario.service))] if scenario.serving.ran_share > 0.0 else []
    yield _off("AI-RAN", scenario, everyone, SHARED, {"serving.ran_share": 0.0})


def _of_tuning(scenario: Scenario, layout: Layout) -> Iterator[Off]:
    """Mechanisms of fine-tuning."""
    kinds = enumerate(scenario.service)
    tuned = {n: one for n, one in kinds if isinstance(one, FinetuneService)}
    share = device_shares(scenario, layout.action_table)
    kept = [n for n, one in tuned.items() if one.keeps_labels]
    yield _hidden("U-shape", scenario, (share > 0.0) & (share < 1.0), kept, ("progress_mean", "air_bytes_per_job"))
    answers = [n for n in range(len(scenario.service)) if n not in tuned] if tuned else []
    rejected = _hidden("fine-tuning", scenario, layout.action_table[:, 0] > REJECT, [*tuned], SHARED[:3])
    yield rejected._replace(services=answers)
    members = [n for n, one in tuned.items() if one.participants > 1]
    yield _off("aggregation", scenario, members, ("progress_mean", "air_bytes_per_job"), _members_apart(scenario))


def _members_apart(scenario: Scenario) -> dict[str, float]:
    """Keys that make each member of a task a task of its own."""
    drawn = [
        (one, rate) for one, rate in zip(scenario.service, scenario.rates_jobs_s, strict=True) if one.loop_s is None
    ]
    jobs_s = {one.name: rate * getattr(one, "participants", 1) for one, rate in drawn}
    total = sum(jobs_s.values())
    members = {f"service.{one.name}.participants": 1 for one, _ in drawn if isinstance(one, FinetuneService)}
    shares = {f"service.{name}.share": rate / total for name, rate in jobs_s.items()}
    return {"arrivals.rate_jobs_s": total, **shares, **members}


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
    return _off(name, scenario, services, metrics, changed)


def _off(
    name: str, scenario: Scenario, services: list[int], metrics: tuple[str, ...], changed: dict[str, float]
) -> Off:
    """Other values of some keys of the scenario."""
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
    gain = np.where(jobs["kind"] == FINETUNE, jobs["progress"], finished * in_time)
    ends = {REJECTED: reward.rejected_cost, EXPIRED: reward.expired_cost, FAILED: reward.failed_cost}
    lost = sum((jobs["phase"] == phase) * cost for phase, cost in ends.items()) * (1.0 - jobs["progress"])
    costs = reward.price_per_usd * jobs["price_usd"] + reward.energy_per_j * jobs["energy_j"]
    out = jobs.copy()
    out["worth"] = value * jobs["quality"] * gain - lost - costs - exposure_prices(jobs, scenario)
    out["slo_met"], out["deadline_s"] = finished & (gain >= 1.0), deadline_s
    return out


def _at_most_one(objective_s: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    return np.minimum(1.0, objective_s / np.maximum(time_s, 1e-9))


def exposure_prices(jobs: np.ndarray, scenario: Scenario) -> np.ndarray:
    """What each job pays for its exposure in `scenario`, float64 (J,)."""
    of = jobs["service"]
    cost = np.array([getattr(one, "exposure_cost", 0.0) for one in scenario.service])[of]
    at_cloud = np.array([getattr(one, "privacy", "open") == "site" for one in scenario.service])[of]
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
    if off.forbidden[off.services].any():
        uses = [(one["action"] >= 0) & off.forbidden[one["service"], one["action"]] for one in mine]
        shares = [_by_seed(one, used, seeds) for one, used in zip(mine, uses, strict=True)]
        yield _row(off.name, "jobs that use it (%)", shares, 100.0)
    yield _row(off.name, "reward per job", [_by_seed(one, one["worth"], seeds) for one in (base, jobs)])
    yield _row(off.name, "reward per job, these services", [_by_seed(one, one["worth"], seeds) for one in mine])
    if "exposure_cost" in str(off.changed):
        paid = [one["worth"] + exposure_prices(one, off.scenario) for one in (base, jobs)]
        free = [_by_seed(one, worth, seeds) for one, worth in zip((base, jobs), paid, strict=True)]
        yield _row(off.name, "reward per job, exposure not priced", free)
    for name in off.metrics:
        metric = BY_NAME[name]
        measure = f"{metric.label} ({metric.display_unit}), these services"
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
    yield "| mechanism | measure | with | without | with minus without |\n|---|---|---|---|---|"
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
