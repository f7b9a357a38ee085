"""One prompt, four families with tiny networks: lanes, table, what is not there, refusals."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client

import gm_core
from demo.activities import ModelTab
from demo.components import comparison, lanes
from demo.components.lanes import Lane, Tag
from demo.components.model_map import model_map
from demo.overview import prompt
from gm_core import data
from gm_core.prompt import ask
from tests.demo.test_api import call, handler
from tests.demo.test_gan_generate import as_tiles, tiles
from tests.gm_core.test_prompt import save

TAB = ModelTab("overview", ())
SHIPPED = (
    "pixelrnn-diagonal-mnist", "pixelcnn-mnist", "vae-mnist", "gan-mnist", "classifier-mnist",
    "vae-fashion", "gan-fashion", "classifier-fashion",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save(folder, SHIPPED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> gr.Blocks:
    assert folder.exists()
    with gr.Blocks() as demo:
        prompt.build(TAB)
    return demo


@functools.cache
def library(model: str, label: int | None, seed: int) -> Any:
    """A model's last record; the models are the same in all tests."""
    dataset = model.rpartition("-")[2]
    *_, reply = ask(gm_core.load(model), dataset, label=label, count=16, seed=seed)
    return reply


def cells(table: str) -> dict[str, list[tuple[str, str]]]:
    """The table's rows by their titles."""
    return {
        re.findall('rowheader">(.*?)</th>', row)[0]: re.findall(
            "<b>(.*?)</b> <small>(.*?)</small>", row
        )
        for row in table.split("<tr")[2:]
    }


def test_the_action_is_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {"/overview_prompt"}
    parameters = api["named_endpoints"]["/overview_prompt"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["prompt", "seed"]


def test_a_prompt_is_answered_by_all_families_as_by_the_library(client: Client):
    job = client.submit("a 7", 7, api_name="/overview_prompt")
    shown, told, table, seed, *_ = job.result()
    first, *later = job.outputs()
    assert {lane["state"] for lane in first[0]["lanes"]} == {"waiting"}
    steps = [output[0]["lanes"][1]["rows"] for output in later]
    assert steps == sorted(steps)
    replies = [library(model, 7, 7) for model in prompt.PROMPTS["a 7"].models().values() if model]
    for lane, reply in zip(shown["lanes"], replies, strict=True):
        assert lane["shown"] == len(reply.images)
        if lane["shown"]:
            assert np.abs(tiles(lane) - as_tiles(reply.images)).max() <= 1
        if reply.measured:
            taken = [tag["label"] if tag else 7 for tag in lane["tags"]]
            assert taken == reply.measured.generated.shown.tolist()
    rows = cells(table)
    passes = rows["Network passes, one after the other"]
    assert [main for main, _ in passes] == ["784", "784", "1", "1"]
    assert [main for main, _ in rows["Likelihood, and its mean"]] == [
        "exact", "exact", "a bound", "none"
    ]  # fmt: skip
    assert rows["Likelihood, and its mean"][1][1] == (
        f"−log p(x | 7) = {float(replies[1].nats.mean()):.1f} nats"
    )
    gan = replies[3].measured
    assert rows["Shows a 7"][3][0] == f"{int((gan.generated.shown == 7).sum())} of 16"
    assert rows["Quality (precision)"][3] == (
        f"{100 * gan.generated.precision:.0f} %", f"real ones: {100 * gan.real.precision:.0f} %"
    )  # fmt: skip
    assert rows["Latent code z"][3] == ("3 dimensions", "no encoder")
    assert re.fullmatch(r"“a 7”: .* times as long\..* Seed 7\.", told)
    assert seed == 7


def test_a_family_that_is_not_there_says_so(client: Client):
    shown, told, table, *_ = client.predict("any clothes", 2, api_name="/overview_prompt")
    rnn, cnn, vae, gan = shown["lanes"]
    assert (rnn["state"], cnn["state"]) == ("absent", "absent")
    assert rnn["caption"] == "No PixelRNN of Fashion-MNIST clothing ships with this demo."
    assert np.abs(tiles(gan) - as_tiles(library("gan-fashion", None, 2).images)).max() <= 1
    names = data.DATASETS["fashion"].class_names
    assert all(tag["name"] == names[tag["label"]] for tag in vae["tags"])
    rows = cells(table)
    assert "Classes shown" in rows
    assert rows["Time for 16"][0] == ("–", "")
    assert rows["Likelihood, and its mean"][2][1].startswith("−log p(x) ≤ ")
    assert "“any clothes”" in told


def test_a_search_in_vain_is_told(folder: Path):
    assert folder.exists()
    asked, reply = prompt.PROMPTS["a 5"], library("vae-mnist", 5, 1)
    assert prompt.caption(reply).startswith("only 0 of 1,000 drawn fit, in ")
    cells = prompt.column(asked, reply, 8)
    assert [cell.main for cell in cells[4:]] == ["–"] * 4
    lane = prompt.lane(asked, "VAE", "vae-mnist", reply)
    assert lanes.payload([lane], 16)["lanes"][0]["shown"] == 0


def test_the_page_opens_with_the_first_prompt_drawn_once(demo: gr.Blocks):
    opening = handler(demo, "opening")
    prompt.first_reply.cache_clear()
    *_, (shown, told, _, at) = opening()
    *_, again = opening()
    assert prompt.first_reply.cache_info().misses == 4
    assert [lane["src"] for lane in again[0]["lanes"]] == [lane["src"] for lane in shown["lanes"]]
    reply = library("pixelcnn-mnist", 7, prompt.FIRST_SEED)
    assert np.abs(tiles(shown["lanes"][1]) - as_tiles(reply.images)).max() <= 1
    assert told.endswith("drawn as the app was first opened.")
    assert at == {"line": told, "is_running": False}


def test_the_first_thing_on_the_page_is_real(demo: gr.Blocks):
    [component] = [
        block for block in demo.blocks.values() if getattr(block, "elem_id", "") ==
        "overview-prompt-lanes"
    ]  # fmt: skip
    gan = component.value["lanes"][3]  # pyright: ignore[reportAttributeAccessIssue]
    model = gm_core.load("gan-mnist")
    z = model.sample_latent(16, seed=prompt.FIRST_SEED)
    assert np.abs(tiles(gan) - as_tiles(model.generate(z, 7))).max() <= 1


def test_every_class_has_its_prompt():
    for dataset in ("mnist", "fashion"):
        labels = [each.label for each in prompt.PROMPTS.values() if each.dataset == dataset]
        assert labels == [None, *range(10)]
    for text in ("a 7", "an 8", "any digit", "an ankle boot", "a T-shirt", "trousers"):
        assert prompt.PROMPTS[text].text == text
    assert prompt.PROMPTS["a sneaker"].given == "x | sneaker"
    assert prompt.PROMPTS["any digit"].given == "x"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (("a 10", 1), "Prompt must be one of: any digit, a 0"),
        (("7", 1), "Prompt must be one of"),
        ((7, 1), "Prompt must be one of"),
        ((None, 1), "Prompt must be one of"),
        ((["a 7"], 1), "Prompt must be one of"),
        (("a 7", math.nan), "Seed must be from 0 to 4294967295."),
        (("a 7", math.inf), "Seed must be from 0"),
        (("a 7", -1), "Seed must be from 0"),
        (("a 7", 0.5), "Seed must be a whole number"),
        (("a 7", "1"), "Seed must be a number"),
        (("a 7", None), "Seed must be a number"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_input_gets_one_sentence(url: str, settings: tuple[Any, ...], sentence: str):
    event, answer = call(url, "overview_prompt", json.dumps({"data": settings}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


def test_stopping_says_where_it_stood():
    said = prompt.stopped(prompt.at("PixelCNN draws a 7 ...", True))
    assert said == "Stopped; the lanes stay as they are. PixelCNN draws a 7 ..."
    assert prompt.stopped(prompt.at("It is over.", False)) == "It is over."


def test_components_refuse_what_does_not_fit():
    pictures = np.zeros((2, 4, 4, 1), np.uint8)
    lane = Lane("VAE", "", "done", "", pictures, tags=(Tag("7", 7),))
    with pytest.raises(ValueError, match="2 pictures can't have 1 tags"):
        lanes.payload([lane], 16)
    with pytest.raises(ValueError, match="not up to 1"):
        lanes.payload([Lane("VAE", "", "done", "", pictures)], 1)
    with pytest.raises(ValueError, match="'Time' has 1 cells, not 2"):
        comparison.show(("A", "B"), [comparison.Row("Time", [comparison.Cell("1 s")])])


@pytest.mark.parametrize("there", [True, False])
def test_the_map_leads_to_the_paradigms_where_they_are(there: bool):
    ids = ("vae", *(["paradigms"] if there else []))
    with gr.Blocks():
        drawn = model_map(ids, elem_id="map").html_template
    assert ('data-tab="paradigms"' in drawn) == there
    assert drawn.count('data-tab="vae"') == 1
