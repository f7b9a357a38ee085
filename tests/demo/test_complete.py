"""Completion as an endpoint, with tiny networks: what it draws, measures, says and refuses."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client

import gm_core
from demo.activities import ModelTab, complete
from demo.components.pad import Drawing
from gm_core import data
from gm_core.metrics import as_levels
from tests.demo.test_api import call
from tests.demo.test_race import save_tiny

DIGITS, CLOTHES, COLOURED = "pixelcnn-mnist", "pixelcnn-fashion", "pixelcnn-pixelart"
H = W = 28
BELOW = np.zeros((H, W), np.bool_)
BELOW[12:] = True


def cross() -> np.ndarray:
    """A drawing with soft edges: (28, 28)."""
    pixels = np.zeros((H, W), np.uint8)
    pixels[5:23, 13:15] = 255
    pixels[11, 6:22] = 128
    pixels[10, 6:22] = 127
    return pixels


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_tiny(folder, (DIGITS,), height=H, width=W)
    save_tiny(folder, (CLOTHES,), height=H, width=W, levels=256)
    save_tiny(folder, (COLOURED,), height=16, width=16, levels=256, channels=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            complete.build(ModelTab("pixelcnn", (DIGITS, CLOTHES, COLOURED)))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        yield url
        demo.close()


def ask(client: Client, drawing: Drawing, *settings: Any) -> tuple[dict, dict, str, int]:
    return client.predict(drawing.payload(), *settings, api_name="/pixelcnn_complete")


def pictures(payload: dict[str, Any]) -> np.ndarray:
    """The completions: uint8 (images, H, W)."""
    assert (payload["order"], payload["channels"]) == ("raster", 1)
    return np.frombuffer(base64.b64decode(payload["frames"]), "u1").reshape(-1, H, W)


def heat(payload: dict[str, Any]) -> np.ndarray:
    """The entropy map: (H, W)."""
    [item] = [item for item in payload["items"] if item["kind"] == "heat"]
    assert item["unit"] == "bits"
    return np.frombuffer(base64.b64decode(item["values"]), "<f4").reshape(H, W)


def reference(model: str, levels: np.ndarray, hidden: np.ndarray, count: int, **settings: Any):
    """The frame that the library gives for what is known."""
    known = torch.from_numpy(np.where(hidden, -1, levels.astype(np.int64)))[None]
    *_, frame = gm_core.load(model).sample(count, known=known, **settings)
    return frame


def test_the_action_is_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {"/pixelcnn_complete"}
    parameters = api["named_endpoints"]["/pixelcnn_complete"]["parameters"]
    names = ["drawing", "model", "label", "temperature", "seed", "count"]
    assert [p["parameter_name"] for p in parameters] == names
    kinds = [p["type"].get("type") for p in parameters]
    assert kinds[1:] == ["string", "string", "number", "number", "number"]


@pytest.mark.parametrize(("label", "temperature"), [("any", 1), ("3", 0.7)])
def test_completions_are_the_librarys(client: Client, label: str, temperature: float):
    drawing = Drawing(cross(), BELOW)
    canvas, maps, told, seed = ask(client, drawing, DIGITS, label, temperature, 12, 5)
    levels = (cross() >= 128).astype(np.uint8)  # white from one half on
    frame = reference(
        DIGITS, levels, BELOW, 5, seed=12, temperature=temperature,
        label=None if label == "any" else int(label),
    )  # fmt: skip
    shown = pictures(canvas)
    assert np.array_equal(shown, frame.levels[:, 0].numpy() * 255)
    assert (shown[:, ~BELOW] == 255 * levels[~BELOW]).all()
    assert len({picture.tobytes() for picture in shown}) == 5
    assert seed == 12
    assert canvas["captions"][4].startswith("Completion 5: −log p(x" + " | 3" * (label == "3"))
    assert canvas["start"] == 12 * W  # where the first hidden pixel is drawn
    assert told.startswith("5 completions of 448 hidden pixels, in ")
    assert "Known pixels untouched: yes." in told
    assert "were drawn without" not in told  # all known white pixels come first
    assert ("at temperature 0.7" in told) == (temperature == 0.7)

    p = frame.probabilities[:, 1, 0].double().numpy()  # of white
    bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean(axis=0)
    assert np.allclose(heat(maps), np.where(BELOW, bits, 0), atol=1e-5)
    assert float(re.findall(r": ([\d.]+) bits", told)[0]) == pytest.approx(
        bits[BELOW].sum(), abs=0.06
    )
    known, mean, _ = maps["items"]
    assert base64.b64decode(known["unknown"]) == BELOW.tobytes()
    assert np.array_equal(
        np.frombuffer(base64.b64decode(known["pixels"]), "u1").reshape(H, W)[~BELOW],
        255 * levels[~BELOW],
    )
    shown_mean = np.frombuffer(base64.b64decode(mean["pixels"]), "u1").reshape(H, W)
    assert np.allclose(shown_mean, shown.mean(axis=0), atol=0.51)


def test_no_dice_is_thrown_for_a_known_pixel(client: Client):
    canvas, *_ = ask(client, Drawing(cross(), BELOW), DIGITS, "any", 1, 0, 2)
    noise = np.frombuffer(base64.b64decode(canvas["draws"]["noise"]), "<f4").reshape(2, H, W)
    assert np.isnan(noise[:, ~BELOW]).all()
    assert ((noise[:, BELOW] >= 0) & (noise[:, BELOW] < 1)).all()


def test_a_painted_region_says_what_was_drawn_blindly(client: Client):
    hidden = np.zeros((H, W), np.bool_)
    hidden[2:9, 4:20] = True
    hidden[25:, 3:9] = True
    canvas, _, told, _ = ask(client, Drawing(cross(), hidden), DIGITS, "any", 1, 1, 1)
    assert (pictures(canvas)[0][~hidden] == 255 * (cross() >= 128)[~hidden]).all()
    assert told.startswith("1 completion of 130 hidden pixels, in ")
    assert "112 of the hidden pixels come before known ones that are not black" in told
    hidden[25:] = False
    _, _, told, _ = ask(client, Drawing(cross(), hidden), DIGITS, "any", 1, 1, 1)
    assert "All hidden pixels come before known ones that are not black" in told


def test_clothes_are_completed_in_all_their_levels(client: Client):
    pixels = np.random.default_rng(0).integers(0, 256, (H, W), np.uint8)
    canvas, maps, told, _ = ask(client, Drawing(pixels, BELOW), CLOTHES, "sneaker", 1, 3, 2)
    frame = reference(CLOTHES, pixels, BELOW, 2, seed=3, label=7)
    assert np.array_equal(pictures(canvas), frame.levels[:, 0].numpy())
    assert "Known pixels untouched: yes." in told
    p = frame.probabilities[:, :, 0].double().numpy()
    bits = -(p * np.log2(p)).sum(axis=1).mean(axis=0)
    assert np.allclose(heat(maps), np.where(BELOW, bits, 0), atol=1e-4)
    assert bits[BELOW].max() > 1
    [item] = [item for item in maps["items"] if item["kind"] == "heat"]
    assert (item["low"], item["high"]) == (0, 8)


def test_progress_is_told_while_it_draws(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(complete, "SECONDS_BETWEEN_UPDATES", 0)  # however fast the machine is
    job = client.submit(
        Drawing(cross(), BELOW).payload(), DIGITS, "any", 1, 0, 2, api_name="/pixelcnn_complete"
    )
    job.result()
    *progress, last = [output[2] for output in job.outputs()]
    assert progress == [f"Completing: pixel {28 * row} of 784 ..." for row in range(1, 28)]
    assert last.startswith("2 completions of 448 hidden pixels")


GOOD = Drawing(cross(), BELOW).payload()
ALL = np.ones((H, W), np.bool_)
ONLY_SOFT = np.where(cross() < 255, cross(), 0).astype(np.uint8) // 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"drawing": Drawing(cross(), ~ALL).payload()}, "Hide a part first: move"),
        ({"drawing": Drawing(cross(), ALL).payload()}, "Everything is hidden, so there is"),
        ({"drawing": Drawing(0 * cross(), BELOW).payload()}, "All that is known is black: draw"),
        ({"drawing": Drawing(ONLY_SOFT, BELOW).payload()}, "All that is known is black: draw"),
        ({"drawing": Drawing(cross(), cross() > 0).payload()}, "All that is known is black: draw"),
        ({"drawing": None}, "The drawing must be 28 by 28 pixels"),
        ({"drawing": "x" * 10**6}, "The drawing must be 28 by 28 pixels"),
        ({"drawing": {}}, "The drawing must be 28 by 28 pixels"),
        ({"drawing": GOOD | {"height": 10**9}}, "The drawing must be 28 by 28 pixels"),
        ({"drawing": GOOD | {"pixels": "é" * 1048}}, "The drawing must be 28 by 28 pixels"),
        ({"drawing": GOOD | {"hidden": GOOD["pixels"]}}, "The drawing must be 28 by 28 pixels"),
        ({"model": COLOURED}, "Model must be one of: pixelcnn-mnist, pixelcnn-fashion."),
        ({"model": "../pixelcnn-mnist"}, "Model must be one of: "),
        ({"model": None}, "Model must be one of: "),
        ({"label": "sneaker"}, "Class must be one of: any, 0, 1"),
        ({"label": 3}, "Class must be one of: any, 0, 1"),
        ({"temperature": 0}, "Temperature must be from 0.1 to 2."),
        ({"temperature": math.nan}, "Temperature must be from 0.1 to 2."),
        ({"temperature": math.inf}, "Temperature must be from 0.1 to 2."),
        ({"temperature": "1"}, "Temperature must be a number from 0.1 to 2."),
        ({"seed": -1}, "Seed must be from 0 to 4294967295."),
        ({"seed": 0.5}, "Seed must be a whole number from 0 to 4294967295."),
        ({"seed": 10**400}, "Seed must be from 0 to 4294967295."),
        ({"count": 0}, "Completions must be from 1 to 16."),
        ({"count": 17}, "Completions must be from 1 to 16."),
        ({"count": 1.5}, "Completions must be a whole number from 1 to 16."),
        ({"count": [8]}, "Completions must be a number from 1 to 16."),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, str) else None,
)  # fmt: skip
def test_bad_input_gets_one_sentence(url: str, changes: dict, sentence: str):
    good = {
        "drawing": GOOD, "model": DIGITS, "label": "any", "temperature": 1, "seed": 0, "count": 1
    }  # fmt: skip
    body = json.dumps({"data": list((good | changes).values())})
    event, answer = call(url, "pixelcnn_complete", body)
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


def test_after_a_refusal_the_next_request_works(url: str):
    good: list[Any] = [GOOD, DIGITS, "any", 1, 0, 1]
    for bad in ([None, *good[1:]], good[:-1], []):
        event, _ = call(url, "pixelcnn_complete", json.dumps({"data": bad}))
        assert event in ("error", "refused")
    event, _ = call(url, "pixelcnn_complete", json.dumps({"data": good}))
    assert event == "complete"


@pytest.mark.usefixtures("url")
def test_the_test_images_are_what_the_models_are_measured_on():
    shelf = complete.examples((DIGITS, CLOTHES))
    assert shelf.pixels.shape == (20, H, W)
    assert shelf.names[:10] == tuple(f"a {digit}" for digit in range(10))
    assert shelf.names[10:] == data.DATASETS["fashion"].class_names
    assert shelf.datasets == ("mnist",) * 10 + ("fashion",) * 10
    digits, clothes = data.load("mnist", "sample"), data.load("fashion", "sample")
    drawn = as_levels(gm_core.load(DIGITS), digits.images)[:, 0].numpy() * 255
    for index, pixels in enumerate(shelf.pixels):
        label = index % 10
        of_class = (drawn if index < 10 else clothes.images[:, 0].numpy())[
            (digits if index < 10 else clothes).labels == label
        ]
        assert np.array_equal(pixels, of_class[0])
        assert shelf.find(pixels) == index
    assert shelf.find(cross()) is None
    alone = complete.examples((DIGITS,))
    assert alone.names == tuple(f"a {digit}" for digit in range(10)) * 2
    assert len({picture.tobytes() for picture in alone.pixels}) == 20


@pytest.mark.usefixtures("url")
def test_only_a_picked_image_is_changed_for_another_model():
    shelf = complete.examples((DIGITS, CLOTHES))
    picked = Drawing(shelf.pixels[4], BELOW)
    fitting, value = complete.fitting_example(picked, CLOTHES, shelf)
    assert np.array_equal(fitting.pixels, shelf.pixels[14])
    assert np.array_equal(fitting.hidden, BELOW)
    assert base64.b64decode(value["pixels"]) == shelf.pixels[14].tobytes()
    back, _ = complete.fitting_example(fitting, DIGITS, shelf)
    assert np.array_equal(back.pixels, shelf.pixels[4])
    for drawing, model in ((picked, DIGITS), (replace(picked, pixels=cross()), CLOTHES)):
        same, value = complete.fitting_example(drawing, model, shelf)
        assert same is drawing
        assert value == gr.skip()
