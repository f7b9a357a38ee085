"""The full-size model in the tab: fetched from a stand-in for the hub, it edits like any other."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from demo.activities import ModelTab
from demo.components import easel
from demo.editor import EDITORS, FULL_SIZE, chain, draw, edit, full_size, guidance, shelf, sources
from gm_core import hub
from gm_core.hub import Download
from tests.demo.conftest import connect
from tests.demo.test_api import call
from tests.demo.test_editor_edit import MODEL, save_editor
from tests.gm_core.stand_in import StandIn, contents, instead_of_the_hub, tiny_pipeline

SIZE = EDITORS[FULL_SIZE].size


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("pipeline") / "tiny"
    tiny_pipeline(folder)
    return contents(folder)


@pytest.fixture
def stand_in(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StandIn]:
    with instead_of_the_hub(files, tmp_path / "cache", monkeypatch) as server:
        yield server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    tab = ModelTab("ip2p", (MODEL,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        save_editor(folder)
        with gr.Blocks() as demo:
            for activity in (edit, guidance, chain):
                activity.build(tab)
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        yield url
        demo.close()
    edit.opening_edit.cache_clear()


def asked(model: str, steps: int) -> list[Any]:
    size = EDITORS[model].size
    canvas = easel.Canvas(draw(shelf(0)[3], size), (0, 3)).payload()
    return [canvas, "make it winter", 5.0, 1.5, 7, model, steps, "ddim", "", True]


def pixels(address: str) -> np.ndarray:
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_it_is_fetched_and_edits_as_the_library_does(stand_in: StandIn, url: str):
    assert full_size.state() == full_size.ABSENT
    *lines, last = full_size.fetch()
    assert lines[0] == full_size.ASKING
    assert any("unet/diffusion_pytorch_model.safetensors: " in line for line in lines)
    assert last == full_size.HERE
    assert set(stand_in.fetched()) == set(hub.FULL_SIZE.files)
    client = connect(url)
    view, told, *_ = client.predict(*asked(FULL_SIZE, 2), api_name="/ip2p_edit")
    source = torch.from_numpy(draw(shelf(0)[3], SIZE).transpose(2, 0, 1) / np.float32(255))
    *_, frame = hub.load().edit(
        source, "make it winter", steps=2, guidance_scale=5.0, image_guidance_scale=1.5, seed=7
    )
    shown = pixels(view["lanes"][0]["frames"][-1])
    assert shown.shape == (SIZE, SIZE, 3)
    assert np.array_equal(shown, (255 * frame.image).round().byte().permute(1, 2, 0).numpy())
    assert told.startswith("2 steps in ")


def test_guidance_and_chain_edit_with_it_too(stand_in: StandIn):
    list(full_size.fetch())
    assert stand_in.fetched()
    how = guidance.check(FULL_SIZE, 3, "make it winter", 5.0, 1.5, 0)
    first = next(guidance.explain(how))
    assert first[1] == "Step 1 of 20 ..."
    tree = chain.begin(3, SIZE)
    settings = chain.check(FULL_SIZE, 5.0, 1.5, 0)
    image, is_done, _ = next(chain.edit(tree[0], "make it winter", settings))
    assert image.shape == (3, SIZE, SIZE)
    assert not is_done


def test_before_it_is_fetched_an_edit_says_so(stand_in: StandIn, url: str):
    client = connect(url)
    event, said = call(url, "ip2p_edit", json.dumps({"data": asked(FULL_SIZE, 2)}))
    assert event == "error"
    assert "The full-size model is not on this machine yet: fetch it first." in said
    assert stand_in.asked == []
    view, *_ = client.predict(*asked(MODEL, 2), api_name="/ip2p_edit")  # the miniature does
    assert view["steps"] == [1, 2]


def test_what_goes_wrong_stays_to_be_read(stand_in: StandIn):
    stand_in.faults[""] = lambda answer, _: answer.send(503, b"")
    *_, last = full_size.fetch()
    assert last == hub.REASONS["server"]


def test_without_a_gpu_nothing_is_fetched(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GM_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert list(full_size.fetch()) == [hub.REASONS["device"]]
    assert full_size.show(FULL_SIZE)[1:] == (hub.REASONS["device"], gr.update(visible=False))
    assert stand_in.asked == []
    with pytest.raises(gr.Error, match="needs a GPU"), sources.refusing():
        hub.load()


def test_it_is_spoken_of_where_it_is_chosen(stand_in: StandIn):
    there, away = gr.update(visible=True), gr.update(visible=False)
    assert full_size.show(FULL_SIZE) == (there, full_size.ABSENT, there)
    assert full_size.show(MODEL) == (away, "", away)
    assert stand_in.asked == []
    list(full_size.fetch())
    assert full_size.show(FULL_SIZE) == (there, full_size.HERE, away)


@pytest.mark.parametrize(
    ("download", "seconds", "line"),
    [
        (Download("", 0, 15, 0, 0), 0, full_size.ASKING),
        (
            Download("a/b", 2, 15, 1_500_000_000, 5_500_000_000), 10,
            "File 3 of 15, a/b: 1.50 of 5.50 GB, about 80 s left.",
        ),
        (
            Download("a/b", 2, 15, 1_500_000_000, 5_500_000_000), 60,
            "File 3 of 15, a/b: 1.50 of 5.50 GB, about 8 min left.",
        ),
        (Download("", 15, 15, 1_000_000_000, 5_500_000_000), 10, "1.00 of 5.50 GB."),
    ],
)  # fmt: skip
def test_how_far_it_is_in_words(download: Download, seconds: float, line: str):
    assert full_size.in_words(download, seconds, begun=1_000_000_000) == line
