"""How the kernel is compiled, cached and run without a compiler (rules 1 and 8 of its design)."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edge6g_env
from edge6g_env.build.places import bands_of, node_positions_m
from edge6g_env.kernel import fields
from tests.tasks import QUICK_TASKS

LOOPS = {
    "service.chat.period_s": 0.05,
    "service.chat.deadline_s": 0.04,
    "service.chat.value": 3.0,
    "service.assistant.share": 1.0,
}
DRAFTS = {
    "service.chat.draft": "llama-3.2-1b",
    "service.chat.draft_precision": "int4",
    "ues.device": "jetson-agx-orin-64g",
    "actions.device_split": [0.0, 0.5, "draft"],
    "actions.edge_split": [0.0, 0.25],
    "actions.precision": ["int4"],
    "actions.default_precision": "int4",
    "serving.preload": ["llama-3.1-8b"],
}
WORLDS = {"drawn": {}, "loops": LOOPS, "drafts": DRAFTS, "tasks": QUICK_TASKS}
SLOTS = {"drawn": 20, "loops": 20, "drafts": 40, "tasks": 40}
"""As few as let something happen in a world: the interpreter takes a second for each."""
INTERPRETED = """
import sys
from tests.kernel.test_build import WORLDS, fields_after_slots
import numpy as np
for name in WORLDS:
    np.savez(f"{sys.argv[1]}/{name}.npz", **fields_after_slots(name))
"""


def fields_after_slots(world: str) -> dict[str, np.ndarray]:
    """Every field of the state, every observation on the way, and how many jobs were in a drafted pass, slot by slot."""
    more: dict[str, Any] = {"arrivals.rate_jobs_s": 60.0, **WORLDS[world]}
    batch = edge6g_env.batch_env("tiny", 1, observe="candidates", debug=True, **more)
    rng, found, drafted = np.random.default_rng(1), {}, 0
    obs = batch.reset(1)
    for n in range(SLOTS[world]):
        mask = obs["action_mask"]
        obs, *_ = batch.step(np.where(mask == 1, rng.random(mask.shape), -1.0).argmax(axis=-1))
        found |= {f"slot_{n}/{name}": part.copy() for name, part in obs.items()}
        drafted += int((batch.world.job["pass_tokens"] > 1.0).sum())
    for name, part in batch.save_state().items():
        found |= {f"{name}/{field}": part[field] if field else part for field in part.dtype.names or [""]}
    return found | {"drafted": np.array(drafted)}


@pytest.fixture(scope="module")
def interpreted(python: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what another process has found without a compiler, in all worlds."""
    folder = tmp_path_factory.mktemp("interpreted")
    python(INTERPRETED, [str(folder)], NUMBA_DISABLE_JIT="1")
    return folder


@pytest.fixture(scope="module", params=WORLDS)
def both(request, interpreted: Path):
    """Compiled and interpreted."""
    with np.load(interpreted / f"{request.param}.npz", allow_pickle=False) as data:
        return fields_after_slots(request.param), {name: data[name] for name in data.files}


def test_compiled_and_interpreted_worlds_are_the_same(both):
    compiled, interpreted = both
    assert compiled.keys() == interpreted.keys()
    assert len(compiled) > 200
    for name, part in compiled.items():
        if part.dtype.kind == "f":
            # libm and LLVM may round the last bit of exp and log differently
            assert np.allclose(part, interpreted[name], rtol=1e-9, atol=1e-9, equal_nan=True), name
        else:
            assert np.array_equal(part, interpreted[name]), name


def test_something_happened_in_those_slots(both):
    compiled, _ = both
    assert compiled["tally/arrived"][0] > 10
    assert (compiled["drafted"] > 0) == (compiled["job/draft"] >= 0).any()
    assert (compiled["job/done_steps"] > 0.0).any() == (compiled["job/members"] > 1).any()
    assert compiled["episode/n_active"][0] > 3
    assert len(set(compiled["job/stage"][0].tolist())) > 3


CACHE_USE = """
from edge6g_env import batch_env
from edge6g_env.kernel import step
batch_env("tiny", 1).reset(1)
print(sum(step.run.stats.cache_hits.values()), sum(step.run.stats.cache_misses.values()))
"""


def test_another_process_finds_the_kernel_in_the_cache(python):
    edge6g_env.batch_env("tiny", 1).reset(1)  # compiles, unless it was compiled before
    assert python(CACHE_USE).split() == ["1", "0"]


def test_an_edit_of_any_compiled_source_is_another_cache(python, tmp_path):
    code = "from edge6g_env.kernel import step; print(step.run.stats.cache_path)"
    package = tmp_path / "edge6g_env"
    shutil.copytree(edge6g_env.__path__[0], package, ignore=shutil.ignore_patterns("__pycache__"))

    def place() -> str:
        return python(code, root=tmp_path, EDGE6G_CACHE_DIR=str(tmp_path / "cache"))

    places = [place()]
    assert str(tmp_path) in places[0]
    for edited, renews in (("batch.py", False), ("kernel/rng.py", True), ("costs/formulas.py", True)):
        with (package / edited).open("a") as file:
            file.write("# edited\n")
        places.append(place())
        assert (places[-1] not in places[:-1]) == renews, edited


def test_every_field_has_unit_and_meaning_and_its_record_is_aligned():
    for name, rows in fields.ENTITIES.items():
        names = [row[0] for row in rows]
        assert len(set(names)) == len(names), name
        assert all(unit and meaning for _, _, unit, *_, meaning in rows), name
        assert fields.DTYPES[name].isalignedstruct


def test_every_entity_is_an_array_of_the_world():
    world = edge6g_env.batch_env("tiny", 1).world
    for name, dtype in fields.DTYPES.items():
        assert getattr(world, name).dtype == dtype, name
    recarrays = {name for name in world._fields if getattr(world, name).dtype.names}
    assert recarrays == {*fields.DTYPES, "blank", "part_faults", "last_tally", "undrafted"}
    assert (world.part_faults.dtype, world.last_tally.dtype) == (fields.DTYPES["fault"], fields.DTYPES["tally"])
    assert all(world.blank.dtype[name] == fields.DTYPES[name] for name in world.blank.dtype.names)


def test_two_bands_are_given_out_as_a_chessboard():
    """So every UE has cells of both near it, whatever the number of columns; the cells of a row take turns."""
    for columns in (2, 3, 4):
        more = {"radio.presets": ["fr3_7g", "fr2_28g"], "nodes.count": 12, "nodes.columns": columns}
        scenario = edge6g_env.load_scenario("tiny", **more)
        place_m, band = node_positions_m(scenario), bands_of(scenario)
        apart_m = np.hypot(*(place_m[:, None] - place_m).T)
        beside = np.isclose(apart_m, scenario.nodes.spacing_m)
        assert (band[:, None] != band)[beside].all()
        assert band[0] == 0


def test_interpreted_worlds_on_two_threads_do_not_warn(python):
    """The random numbers let integers overflow; numpy's settings for that are each thread's own."""
    code = """
import warnings
import numpy as np
from edge6g_env import batch_env
batch = batch_env("tiny", 2, threads=2)
warnings.simplefilter("error")
batch.reset(1)
for _ in range(3):
    batch.step(np.zeros((2, 3), int))
batch.close()
print(batch.last_step.end_s.tolist())
"""
    assert python(code, NUMBA_DISABLE_JIT="1").strip() == "[0.06, 0.06]"
