"""Jobs a second that each rule decides in arrays: CPU time of `act` on a batch in which every agent has a job, the least of repetitions.

The jobs are those that `greedy` met in episodes of a scenario. Rules that are set by numbers take the starts of their search.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from agents.parameters import starts
from agents.policy import Observation, Policy, make_rule, parameters_of, rule_class, rule_names, start
from agents.rules._rows import waiting
from agents.values import ValuesError
from edge6g_env.batch import BatchEnv
from edge6g_env.scenario import load_scenario
from edge6g_env.spaces import Layout

WORLDS = 16


def main() -> None:
    """Collect jobs, time every rule and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="campus", help="name or path (campus)")
    parser.add_argument("--rules", default=",".join(rule_names()), help="names with commas between (all)")
    parser.add_argument("--jobs", type=int, default=512, help="in the batch (512)")
    parser.add_argument("--repetitions", type=int, default=20, help="of which the fastest counts (20)")
    options = parser.parse_args()
    env = BatchEnv(load_scenario(options.scenario), WORLDS, observe="candidates", skip_idle=True)
    obs = situations(env, options.jobs)
    count = int(waiting(obs).sum())
    console = Console()
    table = Table("rule", "jobs/s", "us a job", box=None, pad_edge=False)
    for name in options.rules.split(","):
        try:
            policy = made(name, env.layout)
        except ValuesError as error:
            console.print(f"left out: {error}", highlight=False)
            continue
        best_s = least_s(policy, obs, options.repetitions)
        table.add_row(name, f"{count / best_s:,.0f}", f"{1e6 * best_s / count:.1f}")
    console.print(f"{env.layout.scenario.label}, {count} jobs in a batch, {env.layout.num_actions} actions")
    console.print(table)


def situations(env: BatchEnv, jobs: int) -> Observation:
    """Observations of as many jobs that wait, rounded up to whole worlds, as if all were decided at once."""
    policy, rng, nodes = make_rule("greedy", env.layout), np.random.default_rng(0), env.layout.scenario.nodes.count
    worlds = -(-jobs // nodes)
    obs, count = env.reset(seed=0), 0
    kept: list[Observation] = []
    while count < worlds * nodes:
        decides = waiting(obs)
        count += int(decides.sum())
        kept.append({name: value[decides] for name, value in obs.items()})
        obs, *_ = env.step(policy.act(obs, rng))
    joined = {name: np.concatenate([part[name] for part in kept])[: worlds * nodes] for name in kept[0]}
    return {name: value.reshape(worlds, nodes, *value.shape[1:]) for name, value in joined.items()}


def made(name: str, layout: Layout) -> Policy:
    """The rule with the starts of its parameters, if it has any."""
    parameters = parameters_of(name, layout.scenario)
    return rule_class(name)(layout, starts(parameters)) if parameters else make_rule(name, layout)


def least_s(policy: Policy, obs: Observation, repetitions: int) -> float:
    """CPU seconds of the fastest of the calls; the first one is not timed."""
    rng, spent_s = np.random.default_rng(0), []
    start(policy, len(obs["action_mask"]))
    for _ in range(repetitions + 1):
        begin_s = time.process_time()
        policy.act(obs, rng)
        spent_s.append(time.process_time() - begin_s)
    return min(spent_s[1:])


if __name__ == "__main__":
    main()
