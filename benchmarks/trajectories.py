"""Whether two versions of the simulator are the same to the bit: hashes of what random legal actions bring in every scenario.

    python benchmarks/trajectories.py --write before.json        # in one checkout
    python benchmarks/trajectories.py --compare before.json      # in the other: exit code 1 and a list if any hash differs

A world a seed, played slot by slot and with `skip_idle`, half of the slots in a second episode; `state()` counts among the
observations. `blackout` has its faults; `campus, crowded` adds what no shipped scenario has: more jobs than it can serve, Gauss-Markov
walks, UEs in buildings below 6 GHz, blockage and faults by chance at once. The hashes depend on platform, numba and libm: they compare
two commits on one machine and are kept nowhere.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import edge6g_env
from edge6g_env.batch import BatchEnv

SEED = 7_000_000
CROWDED: dict[str, Any] = {
    "arrivals.rate_jobs_s": 40.0,
    "ues.mobility": "gauss-markov",
    "ues.indoor_share": 0.5,
    "ues.velocity_memory": 0.8,
    "ues.velocity_period_s": 1.0,
    "ues.velocity_std_m_s": 1.0,
    "radio.blockers_per_m2": 0.02,
    "faults.node_mtbf_s": 60.0,
    "faults.node_mttr_s": 3.0,
    "faults.xn_mtbf_s": 30.0,
    "faults.xn_mttr_s": 3.0,
}
PARTS = ("rewards", "outcomes", "counters", "masks", "observations", "candidates")
Hashes = dict[str, dict[str, str]]


def main() -> int:
    """Play, print the table, write or compare; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=2000, help="steps of each kind (2000)")
    parser.add_argument("--seeds", type=int, default=3, help="worlds of each kind (3)")
    parser.add_argument("--scenario", action="append", help="one of them only; can be repeated (all)")
    parser.add_argument("--debug", action="store_true", help="check the invariants in every slot as well (slow)")
    parser.add_argument("--write", type=Path, help="JSON file to write the hashes to")
    parser.add_argument("--compare", type=Path, help="JSON file to compare the hashes with")
    options = parser.parse_args()
    found = all_hashes(options.scenario, options.slots, options.seeds, options.debug)
    print_table(found)
    if options.write is not None:
        options.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.compare is None:
        return 0
    return report(differences(json.loads(options.compare.read_text(encoding="utf-8")), found))


def all_hashes(names: list[str] | None, slots: int, seeds: int, debug: bool) -> Hashes:
    """Hashes by kind, a scenario with or without `skip_idle`, and by part."""
    kinds: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in edge6g_env.scenarios()}
    kinds["campus, crowded"] = ("campus", CROWDED)
    found = {}
    for kind, (scenario, overrides) in kinds.items():
        if names is not None and kind not in names:
            continue
        for skip_idle in (False, True):
            env = BatchEnv(scenario, seeds, observe="candidates", skip_idle=skip_idle, debug=debug, **overrides)
            found[f"{kind}, skip_idle" if skip_idle else kind] = hashes(env, slots)
    return found


def hashes(env: BatchEnv, slots: int) -> dict[str, str]:
    """SHA-256 of each part over `slots` steps, the second half of them in new episodes."""
    rng, digests = np.random.default_rng(SEED), {part: hashlib.sha256() for part in PARTS}
    for episode, steps in enumerate((slots - slots // 2, slots // 2)):
        obs = env.reset(seed=SEED + 1000 * episode)
        add_observations(digests, obs)
        for _ in range(steps):
            obs, rewards, _, _, info = env.step(random_actions(obs["action_mask"], rng))
            add_observations(digests, obs)
            add_observations(digests, info.get("final_obs", {}))
            digests["observations"].update(env.state().tobytes())
            for array in (rewards, info["reward_terms"], info["costs"], info["slots"], info["time_s"]):
                digests["rewards"].update(array.tobytes())
            for name in info["outcomes"].dtype.names:
                digests["outcomes"].update(info["outcomes"][name].tobytes())
            for count in (*env.counters(), info["decision"], info["action_effect"]):
                digests["counters"].update(count.tobytes())
    return {part: digest.hexdigest()[:16] for part, digest in digests.items()}


def add_observations(digests: dict[str, Any], obs: dict[str, np.ndarray]) -> None:
    """Add an observation to the digests of its parts."""
    for part, name in (("observations", "observation"), ("masks", "action_mask"), ("candidates", "candidates")):
        if name in obs:
            digests[part].update(obs[name].tobytes())


def random_actions(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int64 (B, N): a legal action of each agent, each as likely."""
    nth = np.floor(rng.random(mask.shape[:2]) * mask.sum(axis=-1)).astype(np.int64)
    return (mask.cumsum(axis=-1, dtype=np.int64) <= nth[..., None]).sum(axis=-1)


def differences(before: Hashes, after: Hashes) -> list[str]:
    """Kinds and parts that are not the same; what only one of the two has differs as well."""
    return [
        f"{kind}: {part}"
        for kind in dict.fromkeys([*before, *after])
        for part in PARTS
        if before.get(kind, {}).get(part) != after.get(kind, {}).get(part)
    ]


def print_table(found: Hashes) -> None:
    """A row a kind."""
    table = Table("scenario", *PARTS, box=None, pad_edge=False)
    for kind, parts in found.items():
        table.add_row(kind, *(parts[part] for part in PARTS))
    Console(width=150).print(table, highlight=False)


def report(different: list[str]) -> int:
    """Say what differs; the exit code."""
    print("\n".join(["different:", *different]) if different else "all the same")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
