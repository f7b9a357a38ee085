"""Teacher forcing as an endpoint, with tiny networks: what it shows, counts, and refuses."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch

import gm_core
from demo.activities import ModelTab, forcing
from gm_core import data
from gm_core.forcing import ForcingFrame, force
from tests.demo.conftest import connect
from tests.demo.test_api import call
from tests.demo.test_race import cells, save_tiny

MODELS = ("pixelcnn-mnist", "pixelrnn-row-mnist")
GOOD = '["pixelcnn-mnist", 4, 12, 1, 5]'


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_tiny(folder, (*MODELS, "pixelcnn-fashion"), height=28, width=28)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            forcing.build(ModelTab("pixelrnn", (*MODELS, "pixelcnn-fashion")))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        yield url
        demo.close()


def expected(model: str, digit: int, rows: int, temperature: float, seed: int) -> ForcingFrame:
    levels, labels = forcing.digits()
    (frame,) = force(
        gm_core.load(model),
        levels[digit - 1],
        given_rows=rows,
        seed=seed,
        label=labels[digit - 1],
        temperature=temperature,
    )
    return frame


@pytest.mark.parametrize("model", MODELS)
def test_the_three_images_and_their_numbers_are_those_of_the_library(url: str, model: str):
    payload, told, table, seed = connect(url).predict(
        model, 4, 10, 0.8, 5, api_name="/pixelrnn_forcing"
    )
    frame = expected(model, 4, 10, 0.8, 5)

    def plane(name: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(payload[name]), "u1").reshape(3, 28, 28)

    assert np.array_equal(plane("frames"), frame.levels[:, 0].numpy() * 255)
    assert np.array_equal(plane("marks"), frame.differs.numpy())
    assert payload["names"] == ["the digit", "teacher forced", "free running"]
    assert payload["series"]["name"] == "−log p(x | 1)"
    nats = -frame.log_prob.sum(dim=(1, 2, 3))
    for caption, value in zip(payload["captions"], nats.tolist(), strict=True):
        assert f"= {value:.1f} nats" in caption
    assert re.match(
        r"Teacher forcing: 1 pass, [\d.]+ m?s; free running: 784 steps, [\d.]+ m?s\. After the "
        r"true rows both draw the same up to row \d+, column \d+\.",
        told,
    )
    forced, free = cells(table)
    differ = frame.differs.sum(dim=(1, 2)).tolist()
    assert forced[2:6] == [str(differ[1]), str(int(frame.differs[1, 10:].sum())), "1", "1"]
    assert free[2:6] == [str(differ[2]), str(differ[2]), "0", "784"]
    assert "after 10 true rows" in free[1]
    assert "Differ, of 504 after the true rows" in table
    assert seed == 5


def test_there_are_two_test_digits_of_every_class():
    levels, labels = forcing.digits()
    assert labels == tuple(label for label in range(10) for _ in range(2))
    assert levels.shape == (20, 1, 28, 28)
    sample = data.load("mnist", "sample")
    for digit, label in zip(levels, labels, strict=True):
        likely = sample.images[sample.labels == label] / 255
        # One of the test images explains every pixel: certain ones are as they are.
        certain = ((likely == 0) & (digit == 1)) | ((likely == 1) & (digit == 0))
        assert (~certain.flatten(1).any(dim=1)).any()


def test_the_action_is_named_and_typed(url: str):
    api: Any = connect(url).view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {"/pixelrnn_forcing"}
    parameters = api["named_endpoints"]["/pixelrnn_forcing"]["parameters"]
    names = [p["parameter_name"] for p in parameters]
    assert names == ["model", "digit", "rows", "temperature", "seed"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ('["pixelcnn-fashion", 4, 12, 1, 5]', "Model must be one of: pixelcnn-mnist, pixelrnn"),
        ('["../x", 4, 12, 1, 5]', "Model must be one of"),
        ("[null, 4, 12, 1, 5]", "Model must be one of"),
        ('["pixelcnn-mnist", 0, 12, 1, 5]', "Digit must be from 1 to 20."),
        ('["pixelcnn-mnist", 21, 12, 1, 5]', "Digit must be from 1 to 20."),
        ('["pixelcnn-mnist", 1.5, 12, 1, 5]', "Digit must be a whole number from 1 to 20."),
        ('["pixelcnn-mnist", "4", 12, 1, 5]', "Digit must be a number from 1 to 20."),
        ('["pixelcnn-mnist", 1' + 400 * "0" + ", 12, 1, 5]", "Digit must be from 1 to 20."),
        ('["pixelcnn-mnist", 4, -1, 1, 5]', "True rows must be from 0 to 27."),
        ('["pixelcnn-mnist", 4, 28, 1, 5]', "True rows must be from 0 to 27."),
        ('["pixelcnn-mnist", 4, NaN, 1, 5]', "True rows must be from 0 to 27."),
        ('["pixelcnn-mnist", 4, null, 1, 5]', "True rows must be a number from 0 to 27."),
        ('["pixelcnn-mnist", 4, 12, 0, 5]', "Temperature must be from 0.1 to 2."),
        ('["pixelcnn-mnist", 4, 12, NaN, 5]', "Temperature must be from 0.1 to 2."),
        ('["pixelcnn-mnist", 4, 12, Infinity, 5]', "Temperature must be from 0.1 to 2."),
        ('["pixelcnn-mnist", 4, 12, {}, 5]', "Temperature must be a number from 0.1 to 2."),
        ('["pixelcnn-mnist", 4, 12, 1, -1]', "Seed must be from 0 to 4294967295."),
        ('["pixelcnn-mnist", 4, 12, 1, 1e400]', "Seed must be from 0 to 4294967295."),
        ('["pixelcnn-mnist", 4, 12, 1, true]', "Seed must be a number from 0 to 4294967295."),
    ],
    ids=lambda text: text[:40],
)
def test_bad_input_gets_one_sentence(url: str, data: str, sentence: str):
    event, answer = call(url, "pixelrnn_forcing", f'{{"data": {data}}}')
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


def test_after_a_wrong_number_of_values_the_next_request_works(url: str):
    for values in ("[]", '["pixelcnn-mnist"]', '"x"', "{}", "null"):
        event, _ = call(url, "pixelrnn_forcing", f'{{"data": {values}}}')
        assert event in ("error", "refused"), values
    event, _ = call(url, "pixelrnn_forcing", f'{{"data": {GOOD}}}')
    assert event == "complete"


def test_where_the_two_part_is_told(url: str):  # noqa: ARG001 (the tiny networks)
    frame = expected("pixelcnn-mnist", 4, 0, 1.0, 5)
    levels = frame.levels[:1].repeat(3, 1, 1, 1)
    same = replace(frame, levels=levels)
    assert forcing.result_line(same).endswith("drew the digit as it is: the two never part.")
    levels = levels.clone()
    levels[forcing.FREE, 0, 14, 6:] = 1 - levels[forcing.FREE, 0, 14, 6:]
    line = forcing.result_line(replace(frame, levels=levels))
    assert "Both draw the same up to row 15, column 7." in line
    assert torch.equal(levels[0], frame.levels[0])
    table = forcing.table(replace(frame, levels=levels))
    assert cells(table)[1][2:4] == ["22", "22"]


def test_a_random_digit_is_one_that_there_is():
    assert {forcing.random_digit() for _ in range(400)} <= set(range(1, 21))
    assert len({forcing.random_digit() for _ in range(40)}) > 3
