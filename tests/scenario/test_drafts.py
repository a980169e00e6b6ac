"""Services with a draft, and `draft` among the values of the device split."""

import numpy as np
import pytest

from agents.values import STATIC, choices, distances
from edge6g_env.kernel.codes import LOCAL, NEIGHBOUR
from edge6g_env.scenario import Scenario, ScenarioError, load_scenario
from edge6g_env.spaces import Layout, drafts
from eval.decisions import columns_of
from eval.forecasts import groups_of
from eval.jobs import jobs_frame
from train.tuning.points import coordinates, starts

DRAFT = {"service.chat.draft": "llama-3.2-1b", "service.chat.draft_precision": "int4"}
GRID = {"actions.device_split": [0.0, 0.25, 0.5, 1.0, "draft"]}
FAMILY = {"service.chat.models": ["llama-3.2-3b", "llama-3.1-8b"], "service.chat.default_model": "llama-3.1-8b"}


@pytest.fixture(scope="module")
def layout():
    return Layout(load_scenario("tiny", **DRAFT, **GRID))


WRONG = {
    "no pair": ({"service.chat.model": "llama-3.2-3b"}, "draft.csv has no row of the pair llama-3.2-3b"),
    "no pair, one vocabulary": ({"service.chat.draft": "llama-3.2-3b"}, "draft.csv has no row of the pair llama-3.1-8b, llama-3.2-3b"),
    "no such model": ({"service.chat.draft": "llama-3.2-1B"}, "service.chat.draft: no 'llama-3.2-1B'; did you mean"),
    "family": (
        {"service.chat.models": ["llama-3.2-3b", "qwen2.5-7b"], "service.chat.default_model": "qwen2.5-7b"},
        "draft.csv has no row of llama-3.2-1b with one of llama-3.2-3b, qwen2.5-7b",
    ),
    "device": ({"service.chat.privacy": "device"}, "draft: a service of privacy 'device' can have none"),
    "too large": (
        {
            "service.chat.trace": None,
            "service.chat.prompt_tokens": 100_000,
            "service.chat.output_tokens": 30_000,
            "ues.device": "jetson-orin-nano-8g",
        },
        "GB are usable on jetson-orin-nano-8g; name a smaller draft",
    ),
    "no precision": ({"service.chat.draft_precision": None}, "draft and draft_precision go together"),
    "falling": ({"service.chat.draft_tokens": [4, 2]}, "draft_tokens must rise"),
    "none": ({"service.chat.draft_tokens": [0]}, "service.chat.draft_tokens[0] = 0"),
    "nobody drafts": (
        {"service.chat.draft": None, "service.chat.draft_precision": None},
        "actions.device_split: 'draft' needs a service that names a draft",
    ),
    "not last": ({"actions.device_split": [0.0, "draft", 1.0]}, "device_split may have 'draft' at its end only"),
    "first": ({"actions.device_split": ["draft"]}, "device_split must start at 0"),
    "other word": ({"actions.device_split": [0.0, "drafts"]}, "actions.device_split[1] = 'drafts'"),
    "twice": ({"actions.device_split": [0.0, "draft", "draft"]}, "device_split may have 'draft' at its end only"),
    "edge": ({"actions.edge_split": [0.0, "draft"]}, "actions.edge_split[1] = 'draft'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_one_sentence_says_what_is_wrong(case):
    changes, said = WRONG[case]
    with pytest.raises(ScenarioError) as error:
        load_scenario("tiny", **{**DRAFT, **GRID, **changes})
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_family_drafts_with_the_models_that_have_a_pair():
    scenario = load_scenario("tiny", **DRAFT, **GRID, **FAMILY)
    assert scenario.variants[-1] == ("llama-3.2-1b", "int4")


def test_a_scenario_with_drafts_is_written_and_read_again(layout, tmp_path):
    path = tmp_path / "drafting.toml"
    path.write_text(layout.scenario.to_toml(), encoding="utf-8")
    again = load_scenario(path)
    assert again == layout.scenario
    assert again.actions.device_split == [0.0, 0.25, 0.5, 1.0, "draft"]
    assert isinstance(again, Scenario)


def test_a_draft_goes_with_any_route_and_no_edge_split(layout):
    table, rows = layout.action_table, drafts(layout.scenario, layout.action_table)
    route, _, edge_split, precision, _ = table[rows].T
    routes = range(LOCAL, NEIGHBOUR + layout.scenario.neighbours + 1)
    assert sorted(zip(route, precision, strict=True)) == [(r, p) for r in routes for p in range(3)]
    assert (edge_split == 0).all()
    names = [name for name, drafted in zip(layout.action_names, rows, strict=True) if drafted]
    assert names[0] == "local, draft on the device, fp16"
    assert names[-1] == "cloud, draft on the device, int4"
    assert len({*layout.action_names}) == len(table)


def test_no_layer_runs_beside_a_draft(layout):
    layers = layout.action_layers([32, 28])[drafts(layout.scenario, layout.action_table)]
    route = layout.action_table[drafts(layout.scenario, layout.action_table), 0]
    assert (layers[:, :, 0] == 0).all()
    assert (layers[:, :, 1] == np.where(route[:, None] == LOCAL, [32, 28], 0)).all()


def test_without_a_draft_nothing_is_added():
    scenario = load_scenario("tiny")
    assert not drafts(scenario, Layout(scenario).action_table).any()
    assert scenario.variants == [(m, p) for m in scenario.weights for p in scenario.actions.precision]


def test_columns_and_kinds_have_a_name_for_it(layout):
    split = columns_of(layout)[1]
    assert split.values == ["0", "0.25", "0.5", "1", "draft"]
    kind = groups_of(layout)[0]
    drafted = drafts(layout.scenario, layout.action_table)
    assert {kind.values[n] for n in kind.numbers[drafted]} == {
        "local, drafted", "neighbour, drafted", "cloud, drafted",
    }  # fmt: skip
    assert not any("drafted" in kind.values[n] for n in kind.numbers[~drafted] if n >= 0)


def test_jobs_say_that_they_were_drafted(layout, job_rows):
    c = layout.action_names.index("local, draft on the device, int8")
    other = layout.action_names.index("local, 0.25 on the device, int8")
    frame = jobs_frame("greedy", [7], job_rows([c, other, 1]), layout.scenario)
    assert frame["device_split"].tolist()[:2] == ["draft", 0.25]
    assert frame["device_split"].isna().tolist() == [False, False, True]


@pytest.fixture
def job_rows():
    """Outcomes of finished jobs with these actions."""
    from edge6g_env.kernel.fields import OUTCOME_DTYPE

    def make(actions):
        rows = np.zeros(len(actions), OUTCOME_DTYPE)
        rows["action"], rows["job"], rows["measured"] = actions, range(len(actions)), 1
        return rows

    return make


def test_a_search_moves_to_a_draft_and_away(layout):
    """It is a choice of services that have one, a step from no layer on the device and further from any cut."""
    chat, assistant = layout.scenario.inference
    assert choices(layout.scenario, chat)["device_split"][-1] == "draft"
    assert "draft" not in choices(layout.scenario, assistant)["device_split"]
    _, point = next(iter(starts(STATIC, layout.scenario)))
    moves = dict(coordinates(STATIC, layout.scenario, point))
    assert "draft" in [found["chat"]["device_split"] for found in moves["chat device_split"]]
    far = {}
    for value in ("draft", 0.0):
        values = {**point, "chat": {**point["chat"], "device_split": value}}
        far[value] = dict(zip(layout.action_names, distances(layout, STATIC, values)[0], strict=True))
    rows = [f"local, {how}fp16" for how in ("draft on the device, ", "", "0.25 on the device, ")]
    assert [far["draft"][row] for row in rows] == [0, 1, 2]
    assert [far[0.0][row] for row in rows] == [1, 0, 1]
