"""What a drawing pad sends is checked once, whoever sends it."""

from __future__ import annotations

import base64
from typing import Any

import gradio as gr
import numpy as np
import pytest

from demo.components.pad import Drawing, pad, read

HEIGHT, WIDTH = 16, 20
SENTENCE = r"^'?The drawing must be 16 by 20 pixels, as the drawing pad sends them\.'?$"


def text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def good() -> dict[str, Any]:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    return Drawing(pixels, generator.random((HEIGHT, WIDTH)) < 0.5).payload()


@pytest.mark.parametrize("shape", [(28, 28), (16, 20), (1, 1)])
def test_a_drawing_goes_to_the_browser_and_back(shape: tuple[int, int]):
    generator = np.random.default_rng(1)
    drawing = Drawing(generator.integers(0, 256, shape, np.uint8), generator.random(shape) < 0.5)
    payload = drawing.payload()
    assert (payload["height"], payload["width"]) == shape
    assert base64.b64decode(payload["pixels"]) == drawing.pixels.tobytes()
    assert base64.b64decode(payload["hidden"]) == bytes(map(int, drawing.hidden.flatten()))
    del payload["serial"]  # only the server's own values need one
    again = read(payload, *shape)
    assert np.array_equal(again.pixels, drawing.pixels)
    assert np.array_equal(again.hidden, drawing.hidden)
    assert (again.pixels.dtype, again.hidden.dtype) == (np.uint8, np.bool_)
    again.pixels[:] = 0  # its own memory, not the message's


def test_the_same_drawing_again_is_another_value():
    first, second = good(), good()
    assert first["serial"] != second["serial"]
    assert first["pixels"] == second["pixels"]


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 1.5, "", "x" * 10**6, [], [good()], {}, {"serial": 1}, [[0] * 20] * 16],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_drawing_is_refused(value: Any):
    with pytest.raises(gr.Error, match=SENTENCE):
        read(value, HEIGHT, WIDTH)


@pytest.mark.parametrize("key", ["height", "width", "pixels", "hidden"])
@pytest.mark.parametrize(
    "bad",
    [
        None, True, 0, -1, 17, 10**20, float("nan"), "16", [], {}, [16], b"x",
        "", "A", "A" * 10**6,
        text(bytes(HEIGHT * WIDTH - 1)), text(bytes(HEIGHT * WIDTH + 1)),
        "A" * 427 + "!", "A" * 427 + "é", "A" * 427 + "\n", "=" * 428, "A" * 428,
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_a_wrong_field_is_refused(key: str, bad: Any):
    with pytest.raises(gr.Error, match=SENTENCE):
        read(good() | {key: bad}, HEIGHT, WIDTH)


@pytest.mark.parametrize("key", ["height", "width", "pixels", "hidden"])
def test_a_missing_field_is_refused(key: str):
    value = good()
    del value[key]
    with pytest.raises(gr.Error, match=SENTENCE):
        read(value, HEIGHT, WIDTH)


def test_a_drawing_of_another_size_is_refused():
    with pytest.raises(gr.Error, match=SENTENCE):
        read(Drawing(np.zeros((28, 28), np.uint8), np.zeros((28, 28), bool)).payload(), 16, 20)
    with pytest.raises(gr.Error, match=SENTENCE):  # as many pixels, laid out otherwise
        read(Drawing(np.zeros((20, 16), np.uint8), np.zeros((20, 16), bool)).payload(), 16, 20)


@pytest.mark.parametrize("byte", [2, 128, 255])
def test_a_pixel_is_hidden_or_it_is_not(byte: int):
    with pytest.raises(gr.Error, match=SENTENCE):
        read(good() | {"hidden": text(bytes([0] * 319 + [byte]))}, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("pixels", "hidden"),
    [
        (np.zeros((4, 4), np.float32), np.zeros((4, 4), bool)),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 5), bool)),
        (np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4), bool)),
    ],
)
def test_arrays_that_are_no_drawing_are_not_sent(pixels: Any, hidden: Any):
    with pytest.raises(ValueError, match="A drawing"):
        Drawing(pixels, hidden).payload()


@pytest.mark.parametrize(
    ("examples", "names"),
    [
        (np.zeros((2, 16, 20), np.uint8), ("a 1",)),
        (np.zeros((1, 28, 28), np.uint8), ("a 1",)),
        (np.zeros((1, 16, 20), np.float32), ("a 1",)),
    ],
)
def test_examples_fit_the_pad_and_have_names(examples: Any, names: tuple[str, ...]):
    with pytest.raises(ValueError, match="The examples must be"):
        pad(
            good(), label="Pad", elem_id="pad", hideable=True,
            examples=examples, example_names=names,
        )  # fmt: skip
