"""Inverting drawings, with a tiny network: what is searched, told, kept, and refused."""

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
from PIL import Image

import gm_core
from demo.activities import TITLES, ModelTab
from demo.gan import invert
from gm_core import data, inversion
from tests.demo.conftest import connect
from tests.demo.test_api import call
from tests.demo.test_gan_critic import MODEL, drawing, save_critic


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_critic(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        patch.setitem(TITLES, MODEL, "GAN")
        yield folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    assert folder.exists()
    with gr.Blocks() as demo:
        invert.build(ModelTab("gan", (MODEL,)))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


def target() -> np.ndarray:
    return data.load("mnist", "sample").images[0, 0].numpy()


def decode(address: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))[..., 0]


def test_a_search_ends_where_the_library_ends(url: str):
    client = connect(url)
    sent = (drawing(target()), MODEL, "7", 2, 50, 3)
    job = client.submit(*sent, api_name="/gan_invert")
    shown, errors, told, table = job.result()
    assert len(job.outputs()) >= 2  # the start, and the end
    image = torch.from_numpy(target())[None] / 255
    *_, last = inversion.invert(
        gm_core.load(MODEL), image, label=7, starts=2, steps=50, seed=3, every=50
    )
    level = 255 * math.sqrt(last.error)
    assert told.startswith(f"Step 50 of 50: error {level:.1f} grey levels of 255. The 2 starts")
    assert told.endswith("Seed 3.")
    wanted, found, apart = (decode(picture["src"]) for picture in shown["pictures"])
    assert np.array_equal(wanted, target())
    assert np.array_equal(found, (255 * last.image[0]).round().byte().numpy())
    assert np.array_equal(apart, np.abs(wanted.astype(int) - found))
    assert (errors["x"][0], errors["x"][-1], errors["end"]) == (1, 51, 51)
    assert errors["y"][-1] == pytest.approx(float(255 * last.errors.sqrt().mean()), abs=0.01)
    assert f"<b>{level:.1f}</b>" in table
    assert "class 7" in table


@pytest.mark.usefixtures("folder")
def test_it_opens_with_the_first_start():
    shown, errors, told = invert.begin(target(), MODEL, None, 4)
    model = gm_core.load(MODEL)
    start = model.generate(model.sample_latent(1, seed=4))[0].detach()
    pixels = (255 * start[0]).round().byte().numpy()
    assert np.array_equal(decode(shown["pictures"][1]["src"]), pixels)
    level = 255 * float((start[0] - torch.from_numpy(target()) / 255).square().mean().sqrt())
    assert errors["y"] == pytest.approx([level], abs=1e-3)
    assert told == invert.READY


def test_the_last_searches_are_kept_to_compare():
    results = tuple(
        invert.Result("a", "b", f"<what {number}>", MODEL, "any", 10.0 + number)
        for number in range(3)
    )
    table = invert.show_results(results)
    assert table.count("<tr>") == 4
    assert "&lt;what 2&gt;" in table
    assert table.index("10.0") < table.index("11.0") < table.index("12.0")
    assert "Searches that come to their end" in invert.show_results(())


DIGIT, EMPTY = drawing(np.full((28, 28), 9)), drawing(np.zeros((28, 28)))
BAD = [
    ([EMPTY, MODEL, "any", 2, 50, 0], invert.NOTHING_DRAWN),
    ([None, MODEL, "any", 2, 50, 0], "The drawing must be 28 by 28 pixels"),
    ([DIGIT, "none", "any", 2, 50, 0], "Model must be one of: gan-mnist."),
    ([DIGIT, MODEL, "ten", 2, 50, 0], "Class must be one of: any,"),
    ([DIGIT, MODEL, "any", 0, 50, 0], "Starts must be from 1 to 12."),
    ([DIGIT, MODEL, "any", 10**400, 50, 0], "Starts must be from 1 to 12."),
    ([DIGIT, MODEL, "any", 2, 10**9, 0], "Steps must be from 50 to 300."),
    ([DIGIT, MODEL, "any", 2, math.nan, 0], "Steps must be from 50 to 300."),
    ([DIGIT, MODEL, "any", 2, None, 0], "Steps must be a number from 50 to 300."),
    ([DIGIT, MODEL, "any", 2, 50, 0.5], "Seed must be a whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_searches_get_one_sentence(url: str, sent: list[Any], sentence: str):
    event, answer = call(url, "gan_invert", json.dumps({"data": sent}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)
