"""What a scenario uses is looked up when it is loaded: a row that is missing or wrong is named with its table."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import edge6g_env
from edge6g_env import costs, load_scenario, scenario_rows, scenario_services
from edge6g_env.costs import prices, tables
from edge6g_env.costs.quality import _relative, scores
from edge6g_env.errors import UserError

PACKAGE = Path(edge6g_env.__file__).parent


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the tables of costs that a test may spoil."""
    shutil.copytree(PACKAGE / "costs/data", tmp_path / "data", ignore=shutil.ignore_patterns("measured"))
    monkeypatch.setattr(tables, "DATA", tmp_path / "data")
    forget()
    yield tmp_path / "data"
    monkeypatch.undo()
    forget()


def forget() -> None:
    """Have the tables read anew."""
    for one in (tables._models, tables._devices, prices._prices, scores, _relative):
        one.cache_clear()


def spoil(path: Path, without: Callable[[str], bool] = lambda line: False, more: str = "") -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if not without(line)) + "\n" + more, encoding="utf-8")


ROWS = {
    "score": ("model_quality.csv", "llama-3.2-3b,", "a row with primary = 1 in model_quality.csv (model, metric"),
    "quality": ("quality_map.csv", "llama-3.2-3b,int4", "a row for each of int4 in quality_map.csv (model, precision"),
    "price": ("prices.csv", "llama-3.2-3b,", "a row of kind token_in_out in prices.csv (name, value, unit, kind)"),
    "device's price": ("prices.csv", "l4,", "nodes.devices: device = 'l4' has no price"),
    "device": ("devices.csv", "l4,", "nodes.devices: no 'l4'"),
    "model": ("models.csv", "llama-3.2-3b,", "service.model: no 'llama-3.2-3b'"),
}


@pytest.mark.parametrize("what", ROWS)
def test_a_row_that_a_scenario_lacks_is_named_when_it_is_loaded(data: Path, what: str):
    table, row, said = ROWS[what]
    spoil(data / table, lambda line: line.startswith(row))
    with pytest.raises(edge6g_env.ScenarioError) as caught:
        load_scenario("tiny")
    assert str(caught.value).startswith("tiny.toml: ")
    assert said in str(caught.value)


CELLS = {
    "no number": ("prices.csv", "l4-x,many,USD/GPU-hour,gpu_rent,,", "prices.csv, line .*: value = 'many'"),
    "device": (
        "devices.csv",
        "mine,edge,0,,,,32,600,20,150,3.5,24,,",
        "devices.csv, line .*: DeviceSpec.fp16_tflops = '0' is out of range: above 0",
    ),
    "model": ("models.csv", "mine,,0,2048,5632,16,8,32000", "models.csv, line .*: ModelSpec.layers = '0'"),
    "twice": ("devices.csv", "l4,edge,1,,,,32,600,20,150,3.5,24,,", "devices.csv, line .*: there is a row l4 already"),
    "score": ("model_quality.csv", "mine,m,1,high,1,,,", "model_quality.csv, line .*: score01 = 'high'"),
    "map": ("quality_map.csv", "mine,fp16,all,,,", "quality_map.csv, line .*: relative_quality = 'all'"),
}


@pytest.mark.parametrize("what", CELLS)
def test_a_row_that_is_none_is_named_with_its_table_and_line(data: Path, what: str):
    table, row, said = CELLS[what]
    spoil(data / table, more=row)
    with pytest.raises(edge6g_env.ScenarioError, match=said):
        load_scenario("tiny")


def test_a_price_in_another_unit_is_no_price(data: Path):
    spoil(data / "prices.csv", lambda line: line.startswith("l4,"), "l4,0.6,EUR/GPU-hour,gpu_rent,,")
    with pytest.raises(UserError, match="l4 is priced in EUR/GPU-hour: expected USD/GPU-hour"):
        costs.accelerator_price_usd_per_s("l4")


def fixed(prompt_tokens: int, output_tokens: int, model: str) -> dict[str, object]:
    """Overrides that give tiny's chat other lengths and another model."""
    lengths = {"trace": None, "prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
    return {f"service.chat.{key}": value for key, value in {**lengths, "model": model}.items()}


def test_a_prompt_and_its_answer_fit_into_the_context_of_the_model(refusal):
    context = costs.model("llama-2-7b").context
    for prompt, output in ((context - 1, 1), (1, context - 1)):
        load_scenario("tiny", **fixed(prompt, output, "llama-2-7b"))
        (line,) = refusal("tiny", **fixed(prompt, output + 1, "llama-2-7b"))
        assert line.startswith("tiny.toml: service.chat.prompt_tokens, output_tokens: ")
        assert f"{prompt} + {output + 1} tokens" in line
        assert f"the context of llama-2-7b, {context}: it needs a model with at least {context + 1}" in line
    assert costs.model("mixtral-8x7b").context == 0  # not known: nothing is refused
    scenario_rows._check_context(
        load_scenario("tiny").service[0].model_copy(update={"model": "mixtral-8x7b"}),
        costs.model("mixtral-8x7b"),
        costs.Catalog(),
    )


def test_pictures_take_their_tokens_of_the_context_and_sound_does_not(refusal):
    """LLaVA's 576 tokens a picture join the prompt; Whisper's decoder has its whole context for text (models.csv)."""
    context = costs.model("llava-1.5-7b").context
    pictures = {"service.chat.inputs": 2}
    load_scenario("tiny", **fixed(context - 2 * 576 - 1, 1, "llava-1.5-7b"), **pictures)
    (line,) = refusal("tiny", **fixed(context - 2 * 576, 1, "llava-1.5-7b"), **pictures)
    assert f"{context} + 1 tokens" in line
    load_scenario("tiny", **fixed(costs.model("whisper-small").context - 1, 1, "whisper-small"), **pictures)


def test_inputs_need_an_encoder(refusal):
    (line,) = refusal("tiny", **{"service.assistant.inputs": 1})
    assert line.startswith("tiny.toml: service.assistant.inputs = 1: llama-3.2-3b has no encoder; 0, or one of ")
    assert "llava-1.5-7b, openvla-7b, whisper-small, whisper-large-v3" in line
    (line,) = refusal("tiny", **fixed(10, 10, "llava-1.5-7b"), **{"service.chat.inputs": -1})
    assert line.startswith("tiny.toml: service.chat.inputs")


def test_models_of_a_family_make_as_many_tokens_of_an_input(data: Path, refusal):
    names = ["whisper-small", "whisper-large-v3"]
    family = {
        **fixed(10, 10, "whisper-small"),
        "service.chat.models": names,
        "service.chat.default_model": names[0],
        "service.chat.inputs": 1,
    }
    family.pop("service.chat.model")
    load_scenario("tiny", **family)
    table = data / "models.csv"
    text = table.read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("whisper-large-v3,"))
    assert ",1500," in row
    table.write_text(text.replace(row, row.replace(",1500,", ",750,", 1)), encoding="utf-8")
    forget()
    (line,) = refusal("tiny", **family)
    assert "whisper-large-v3 makes 750 tokens of an input, whisper-small 1500" in line


def test_every_row_of_a_trace_fits_into_the_context_of_the_model(monkeypatch: pytest.MonkeyPatch, refusal):
    context = costs.model("llama-2-7b").context
    rows = [[0.0, 10, 10], [1.0, context - 10, 11], [2.0, context - 1, 1], [3.0, 1, context + 1], [4.0, 1, 1]]
    monkeypatch.setattr(scenario_services, "read_trace", lambda name: np.array(rows, np.float64))
    (line,) = refusal("tiny", **{"service.chat.model": "llama-2-7b"})
    assert line.startswith("tiny.toml: service.chat.trace: row 4 of azure_conv_2023, the longest of 2 ")
    assert f"1 + {context + 1} tokens" in line
    del rows[3], rows[1]
    load_scenario("tiny", **{"service.chat.model": "llama-2-7b"})


def test_tables_saved_by_a_spreadsheet_give_the_same_scenario_and_costs(data: Path):
    before = costs.model("llama-3.1-8b"), costs.device("l4"), costs.quality("llama-3.1-8b", "int4"), costs.price("l4")
    for path in data.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        with path.open("w", encoding="utf-16", newline="") as file:
            csv.writer(file, dialect="excel-tab").writerows(rows)
    forget()
    after = costs.model("llama-3.1-8b"), costs.device("l4"), costs.quality("llama-3.1-8b", "int4"), costs.price("l4")
    assert after == before
    load_scenario("tiny")
