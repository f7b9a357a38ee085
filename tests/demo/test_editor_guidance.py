"""Guidance with a tiny editor: the three guesses, the grid, what is kept apart, and refused."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client
from PIL import Image

import gm_core
from demo.activities import ModelTab
from demo.components.guidance_grid import Cell, Grid
from demo.components.taken_apart import Apart, Step, step
from demo.editor import guidance, sources
from demo.editor.guidance import Asked
from gm_core import checkpoints
from gm_core.edit_success import BEST, success
from gm_core.scenes import EDITS, apply
from tests.demo.conftest import connect
from tests.demo.test_api import call
from tests.gm_core.tiny import tiny

MODEL = "instruct-pix2pix-mini"
TAB = ModelTab("instruct_pix2pix", (MODEL,))


def save_editor(folder: Path, understands: str = "sunglasses") -> None:
    """A tiny editor whose pictures differ, and which takes every instruction for one edit."""
    model = tiny("instruct-pix2pix")
    with torch.no_grad():
        for parameter in (*model.unet.parameters(), *model.vae.decoder.parameters()):
            if parameter.dim() > 1:  # as initialised, what it sees would hardly matter
                parameter.mul_(1.5)
        model.vae.decoder.layers[-1].bias.fill_(0.5)
        model.intent.weight.zero_()
        model.intent.bias.fill_(-5)
        model.intent.bias[model.intents.index(understands)] = 5
    checkpoints.save(
        folder / MODEL, model, family="instruct-pix2pix", dataset="edits", training={"seed": 0}
    )


def colours(address: str) -> np.ndarray:
    """A picture's address -> (H, W, 3)."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_editor(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        patch.setattr(guidance, "TEXT_FACTORS", (0.5, 2.0))
        patch.setattr(guidance, "IMAGE_FACTORS", (1.0,))
        yield folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    assert folder.exists()
    with gr.Blocks() as demo:
        guidance.build(TAB)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield connect(url)
    demo.close()


def frames(words: str, text: float, image: float, seed: int, *, place: int = 5) -> list[Any]:
    """The same edit by the library."""
    return list(
        gm_core.load(MODEL).edit(
            sources.picture(place, 64) / 255,
            words,
            steps=BEST.steps,
            guidance_scale=text,
            image_guidance_scale=image,
            seed=seed,
            takes_apart=True,
        )
    )


def as_pixels(images: torch.Tensor) -> np.ndarray:
    return (255 * images).round().byte().movedim(-3, -1).numpy()


def truth_of(place: int) -> torch.Tensor:
    return apply(sources.scene(place), EDITS["sunglasses"]).draw()


def test_an_edit_is_taken_apart_as_the_library_does_it(client: Client):
    job = client.submit(
        {"chosen": 5}, " cool shades ", 2, 0.9, 3, MODEL, api_name="/instruct_pix2pix_guide"
    )
    shown, told = job.result()
    wanted = frames("cool shades", 2, 0.9, 3)
    assert [number for number, _ in shown["steps"]] == [frame.step for frame in wanted]
    for (_, strip), frame in zip(shown["steps"], wanted, strict=True):
        tiles = as_pixels(torch.cat([frame.guesses, frame.images]))
        assert np.array_equal(colours(strip), np.concatenate(list(tiles), axis=1))
    assert len({strip for _, strip in shown["steps"]}) == BEST.steps
    assert (shown["text"], shown["image"], shown["total"]) == (2, 0.9, BEST.steps)
    assert np.array_equal(colours(shown["source"]), sources.picture(5, 64).permute(1, 2, 0))
    assert np.array_equal(colours(shown["truth"]), truth_of(5).permute(1, 2, 0))
    found = success(wanted[-1].image, sources.picture(5, 64), truth_of(5))
    assert f"should change: {found.remaining:.0%}; likeness" in told
    assert f"{found.outside:.1f} dB (PSNR)" in told
    assert told.startswith("“cool shades”, 10 steps, text guidance 2, image guidance 0.9, seed 3.")


def test_what_changes_nothing_and_what_is_not_understood_is_said(folder: Path):
    assert folder.exists()
    place = sources.STYLES.index("landscapes")
    asked = Asked(MODEL, place, "give it sunglasses", 1.5, 1.1, 0)
    assert asked.truth.says.endswith("In this picture that changes nothing.")
    same = sources.picture(place, 64)
    assert sources.in_words(same / 255, same, asked.truth.image)[0].startswith(
        "differs from the source by 0.0 of 255 levels"
    )
    unknown = sources.Truth(None, "Not understood: the true result is not known.")
    assert not guidance.as_cell(asked, same / 255, unknown, is_done=True).is_carried_out


def test_the_grid_fills_cell_by_cell_and_keeps_nothing_of_a_students(client: Client):
    before = dict(guidance.opening_cells)
    job = client.submit(
        {"chosen": 5}, "shades", 4, MODEL, api_name="/instruct_pix2pix_guidance_grid"
    )
    grid, told = job.result()
    outputs = [grid for grid, _ in job.outputs()]
    assert (grid["texts"], grid["images"]) == ([0.75, 3], [1.1])
    assert not outputs[0]["cells"][0]["done"]
    assert outputs[0]["cells"][1] is None
    assert grid["setting"] == {"model": MODEL, "place": 5, "instruction": "shades", "seed": 4}
    found = []
    for text, cell in zip(grid["texts"], grid["cells"], strict=True):
        result = frames("shades", text, 1.1, 4)[-1].image
        assert np.array_equal(colours(cell["src"]), as_pixels(result))
        found.append(success(result, sources.picture(5, 64), truth_of(5)))
        assert cell["numbers"][0].endswith(f"{found[-1].remaining:.0%}")
        assert (cell["done"], cell["good"]) == (True, found[-1].is_carried_out)
    assert told.startswith(f"{sum(each.is_carried_out for each in found)} of 2 edits are carried")
    assert guidance.opening_cells == before


def test_the_opening_grid_is_computed_once(folder: Path):
    assert folder.exists()
    guidance.opening_cells.clear()
    asked = Asked(MODEL, 5, "give her sunglasses", 1.5, 1.1, 0)
    known = asked.truth
    first = [cell for _, cell in guidance.draw_cells(asked, known, True) if cell.is_done]
    again = [cell for _, cell in guidance.draw_cells(asked, known, True)]
    assert len(first) == 2
    assert again == first


def test_what_is_no_equation_and_no_grid_is_refused():
    with pytest.raises(ValueError, match=r"A step's tiles are \(4, H, W, 3\)"):
        step(1, np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="An edit of 5 steps has no others"):
        Apart([Step(6, "")], 5, 1.0, 1.0, "", None, "").payload(asked=1)
    with pytest.raises(ValueError, match="2 by 2 guidances has not 1 cells"):
        Grid((1, 2), (1, 2), [Cell("", (), True, False)], {}, "", "", None).payload(asked=1)


GOOD = [{"chosen": 5}, "add a hat", 1.5, 1.1, 0, MODEL]
BAD = [
    (0, None, "Picture must be a number from 0 to 11."),
    (0, {"chosen": 12}, "Picture must be from 0 to 11."),
    (1, "", "Write an instruction first"),
    (1, " \t ", "Write an instruction first"),
    (1, 7, "Write an instruction first"),
    (1, "x" * 10_000, "The instruction is 10,000 characters long; at most 200 are read."),
    (1, "a\u0000b", "The instruction must be one line of ordinary characters."),
    (2, math.nan, "Text guidance must be from 0 to 6."),
    (2, 10**400, "Text guidance must be from 0 to 6."),
    (3, "1", "Image guidance must be a number from 0 to 3."),
    (3, math.inf, "Image guidance must be from 0 to 3."),
    (4, 0.5, "Seed must be a whole number"),
    (4, 10**10, "Seed must be from 0 to"),
    (5, "other", f"Model must be one of: {MODEL}, "),
]  # fmt: skip


@pytest.mark.parametrize(("at", "value", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_edits_get_one_sentence(client: Client, at: int, value: Any, sentence: str):
    sent = [*GOOD[:at], value, *GOOD[at + 1 :]]
    event, answer = call(client.src, "instruct_pix2pix_guide", json.dumps({"data": sent}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


def test_only_a_cells_setting_is_taken_over():
    setting = {"model": MODEL, "place": 5, "instruction": "hat", "seed": 1, "text": 3, "image": 1.1}
    assert guidance.read_cell({"chosen": setting}) == Asked(MODEL, 5, "hat", 3, 1.1, 1)
    for value in (None, 3, {}, {"chosen": None}, {"chosen": [1]}):
        with pytest.raises(gr.Error, match="Choose a cell"):
            guidance.read_cell(value)
    with pytest.raises(gr.Error, match="Text guidance must be from 0 to 6"):
        guidance.read_cell({"chosen": setting | {"text": 10**9}})
