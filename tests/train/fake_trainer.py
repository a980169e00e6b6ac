"""Stands for `edge6g train` in tests of studies: `python fake_trainer.py FOLDER SEED MINUTES HOW`.

It leaves what a run leaves, or fails, or waits. How it was called is added to called.txt beside the folder.
"""

import json
import signal
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

VALIDATIONS = 3


def checkpoint(folder: Path, seed: int, minutes: float) -> None:
    """A run that has come so far: its decisions are 100 a minute, its gain 0.1 a minute and 0.01 a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    gain = 0.1 * minutes + 0.01 * seed
    progress = {"decisions": int(100 * minutes), "minutes": minutes, "runs": 1, "validation_gain": gain}
    weights = {"weights": np.full(1, seed, np.float32)}
    save_file(weights, folder / "policy.safetensors", {"about": json.dumps({"validation_gain": gain})})
    save_file(weights, folder / "trainer.safetensors", {"about": json.dumps(progress)})
    (folder / "run.json").write_text(json.dumps({"kind": "train"}))
    at = np.linspace(0.0, minutes, VALIDATIONS)
    lines = [f"{int(100 * x)},{x},0.5,{0.1 * x + 0.01 * seed},-1,1,greedy" for x in at]
    head = "decisions,minutes,reward_per_job,gain_over_best_rule,low,high,best_rule"
    (folder / "learning_curve.csv").write_text("\n".join([head, *lines]) + "\n")


def main(place: str, seed: str, minutes: str, how: str) -> int:
    folder = Path(place)
    with (folder.parent / "called.txt").open("a") as called:
        called.write(f"{folder.name} {how}\n")
    if how == "fail":
        print("edge6g: the disk is full", file=sys.stderr)
        return 2
    if how == "wait":
        checkpoint(folder, int(seed), 0.5 * float(minutes))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(99))  # Ctrl-C is the study's to hear
        (folder.parent / "waits.txt").write_text("")
        time.sleep(120.0)
    checkpoint(folder, int(seed), float(minutes))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
