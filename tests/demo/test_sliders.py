"""What the sliders send to the browser, and the codes that they take back."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from demo.components.sliders import Number, Sliders, nice_end, picture, read_code

IMAGE = np.arange(20, dtype=np.uint8).reshape(4, 5)
CODE = Sliders(
    model="vae-mnist",
    image=IMAGE,
    reconstruction=IMAGE + 1,
    decoded=IMAGE + 2,
    mean=np.array([0.5, -1.5, 0, 7]),
    sigma=np.array([0.1, 0.2, 1, 1e-5]),
    kl=np.array([1.5, 3, 0, 40]),
    usage=np.array([1, 2, 0.001, 0.5]),
    used=np.array([True, True, False, True]),
    kl_end=5,
    limit=100,
    numbers=(Number("KL", "4.5 nats", "+"),),
    z=np.array([0.5, -1.5, 0, 7]),
)


def test_the_value_holds_the_code_and_the_pictures():
    value = CODE.payload()
    for name, pixels in (("image", IMAGE), ("reconstruction", IMAGE + 1), ("decoded", IMAGE + 2)):
        assert base64.b64decode(value[name]) == pixels.tobytes()
    assert (value["height"], value["width"]) == (4, 5)
    assert value["mean"] == value["z"] == [0.5, -1.5, 0, 7]
    assert value["numbers"] == [["KL", "4.5 nats", "+"]]
    assert value["serial"] != CODE.payload()["serial"]


def test_the_rows_are_sorted_by_use_and_unused_ones_come_last():
    assert CODE.payload()["order"] == [1, 0, 3, 2]
    unused = replace(CODE, used=np.array([True, False, False, True]))
    assert unused.payload()["order"] == [0, 3, 1, 2]


@pytest.mark.parametrize(
    "changes",
    [
        {"decoded": IMAGE[1:]},
        {"image": IMAGE.astype(np.float32)},
        {"sigma": np.ones(3)},
        {"z": np.array([0, 0, 0, math.nan])},
        {"mean": np.array([0, 0, 0, math.inf])},
        {"kl_end": 0},
    ],
)
def test_what_cannot_be_shown_is_an_error(changes: dict[str, Any]):
    with pytest.raises(ValueError, match=r"pictures|dimension"):
        replace(CODE, **changes).payload()


def test_a_code_is_read_as_numbers():
    assert read_code([1, -2.5, 100, -100], 4, 100) == [1.0, -2.5, 100.0, -100.0]


@pytest.mark.parametrize(
    "bad",
    [
        None, "z", 3, {}, [], [0, 0, 0], [0] * 5, [0, 0, 0, None], [0, 0, 0, "1"], [0, 0, 0, True],
        [0, 0, 0, [0]], [0, 0, 0, math.nan], [0, 0, 0, math.inf], [0, 0, 0, 100.1],
        [0, 0, 0, -(10**9)], [0, 0, 0, 10**400],
    ],
)  # fmt: skip
def test_what_is_no_code_gets_one_sentence(bad: Any):
    with pytest.raises(gr.Error, match=r"^'z must be a list of 4 numbers from -100 to 100\.'$"):
        read_code(bad, 4, 100)


@pytest.mark.parametrize(
    ("largest", "end"), [(0.3, 0.5), (1, 1), (1.01, 2), (5, 5), (5.1, 10), (60, 100), (420, 500)]
)
def test_bars_end_at_a_round_number(largest: float, end: float):
    assert nice_end(largest) == pytest.approx(end)


def test_an_answer_names_the_value_it_answers():
    answer = picture(IMAGE, 17, [0.5], "seed 3").props["answer"]
    assert answer["of"] == 17
    assert (answer["z"], answer["words"]) == ([0.5], "seed 3")
    assert base64.b64decode(answer["picture"]) == IMAGE.tobytes()
