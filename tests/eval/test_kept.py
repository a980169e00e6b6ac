"""Episodes that are kept are found again exactly as they were, and only for what made them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from agents.policy import make_rule
from edge6g_env.scenario import load_scenario
from eval import EVALUATION_SEED, kept
from eval.episodes import run_episodes
from eval.interrupted import begin_or_go_on, end_run

SEEDS = [EVALUATION_SEED, EVALUATION_SEED + 1]
IDENTITIES = {"local": "rule local"}


def test_what_was_put_comes_back_bit_for_bit(tmp_path: Path):
    scenario = load_scenario("tiny", **{"time.episode_s": 25.0, "time.drain_s": 10.0})
    played = run_episodes("local", partial(make_rule, "local"), scenario, SEEDS)
    played.rows[0]["tpot_mean_s"] = float("nan")
    store = kept.Kept(tmp_path, scenario, SEEDS, IDENTITIES)
    assert store.get("local") is None
    store.put("local", played)
    found = kept.Kept(tmp_path, scenario, SEEDS, IDENTITIES).get("local")
    assert found is not None
    np.testing.assert_equal(found.rows, played.rows)
    np.testing.assert_array_equal(found.jobs, played.jobs)
    np.testing.assert_array_equal(found.promised, played.promised)
    others = {
        "seeds": kept.Kept(tmp_path, scenario, SEEDS[:1], IDENTITIES),
        "policy": kept.Kept(tmp_path, scenario, SEEDS, {"local": "checkpoint 123"}),
        "scenario": kept.Kept(tmp_path, load_scenario(scenario, **{"arrivals.rate_jobs_s": 3.0}), SEEDS, IDENTITIES),
    }
    assert {what: store.get("local") for what, store in others.items()} == dict.fromkeys(others)
    (file,) = (tmp_path / kept.FOLDER).iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert store.get("local") is None


def test_other_code_plays_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scenario = load_scenario("tiny")
    before = kept.Kept(tmp_path, scenario, SEEDS, IDENTITIES).path("local")
    monkeypatch.setattr(kept, "code_digest", lambda: "edited")
    assert kept.Kept(tmp_path, scenario, SEEDS, IDENTITIES).path("local") != before


def test_only_the_same_unfinished_run_goes_on(tmp_path: Path):
    out, record = tmp_path / "out", {"seeds": [1], "command": "a"}

    def begin(record: dict[str, object], overwrite: bool = False) -> bool:
        """Whether the run goes on, that is what it left is still there."""
        begin_or_go_on(out, "compare", ["left"], record, same=("seeds",), overwrite=overwrite)
        return (out / "left").exists()

    assert not begin(record)
    (out / "left").mkdir()
    assert begin({**record, "command": "b"})
    assert begin({**record, "command": "b"}, overwrite=True)
    with pytest.raises(ValueError, match="holds another run"):
        begin({**record, "seeds": [2]})
    assert not begin({**record, "command": "c"}, overwrite=True)
    (out / "left").mkdir()
    end_run(out, ["left"])
    assert not (out / "left").exists()
    with pytest.raises(ValueError, match="holds another run"):
        begin({**record, "command": "c"})
