"""What it sees: the endpoint gives what the library measures, and says what it means."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client

import gm_core
from demo import engine
from demo.activities import ModelTab, sees
from gm_core import data
from gm_core.dependency import Dependency, dependencies
from tests.demo.test_api import call

GOOD = '["7", 20, 6, false]'


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with gr.Blocks() as demo:
        for tab in ("pixelrnn", "pixelcnn"):
            with gr.Tab(tab):
                sees.build(ModelTab(tab, sees.MODELS))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


def plane(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind).reshape(28, 28)


def records(row: int, column: int, levels: torch.Tensor) -> list[Dependency]:
    models = (gm_core.load(name, "cpu") for name in sees.MODELS)
    return list(dependencies(models, levels, row, column))


def shares(record: Dependency) -> np.ndarray:
    return (record.strength / record.strength.max()).numpy()


def test_the_action_is_named_and_typed_on_both_tabs(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    endpoints = api["named_endpoints"]
    assert set(endpoints) == {"/pixelcnn_sees", "/pixelrnn_sees"}
    for endpoint in endpoints.values():
        parameters = endpoint["parameters"]
        names = [parameter["parameter_name"] for parameter in parameters]
        assert names == ["digit", "row", "column", "average"]
        kinds = [parameter["type"]["type"] for parameter in parameters]
        assert kinds == ["string", "number", "number", "boolean"]


def test_the_maps_are_what_the_library_measures(client: Client):
    payload, told = client.predict("7", 20, 6, False, api_name="/pixelcnn_sees")
    test = data.load("mnist", "sample")
    seven = test.images[test.labels == 7][:1] > 127
    picture, *heats = payload["items"]
    assert np.array_equal(plane(picture["pixels"], "u1"), seven[0, 0].numpy() * 255)
    assert picture["caption"] == "566 pixels come before the chosen one."
    assert payload["cursor"] == [20, 6]
    assert payload["clickable"]
    assert "row 21, column 7" in told
    assert [heat["title"] for heat in heats] == [
        "Masked PixelCNN", "Gated PixelCNN", "Row LSTM", "Diagonal BiLSTM"
    ]  # fmt: skip
    for heat, record in zip(heats, records(20, 6, seven.long()), strict=True):
        np.testing.assert_allclose(plane(heat["values"], "<f4"), shares(record), 1e-3, 1e-9)
        assert np.array_equal(plane(heat["field"], "u1"), record.field.numpy())
        assert (heat["unit"], heat["scale"], heat["high"]) == ("of the strongest", "log", 1)
        assert heat["zeroIsSpecial"]


def test_the_captions_say_what_is_seen(client: Client):
    payload, _ = client.predict("3", 14, 14, False, api_name="/pixelrnn_sees")
    masked, gated, row, diagonal = (item["caption"] for item in payload["items"][1:])
    assert masked.startswith("Sees 351 of 406 pixels before it; 55 in its blind spot. Reaches back")
    assert gated.startswith("Sees all 406 pixels before it. Reaches back 14 rows, 90 % of the")
    assert row.startswith("Sees 323 of 406 pixels before it; 55 right of its triangle and 28 too")
    assert diagonal.startswith("Sees all 406 pixels before it.")
    for caption, outside in zip((masked, gated, row, diagonal), (433, 378, 461, 378), strict=True):
        assert caption.endswith(f"Gradient exactly 0 on all {outside} pixels outside: yes.")


def test_the_average_is_over_sixteen_digits_and_tells_its_progress(client: Client):
    job = client.submit("7", 9, 13, True, api_name="/pixelcnn_sees")
    job.result()
    outputs = job.outputs()
    assert [told for _, told in outputs[:-1]] == [
        f"Measured {done} of 4 models ..." for done in (1, 2, 3)
    ]
    halfway, _ = outputs[1]
    known = [np.isfinite(plane(item["values"], "<f4")).all() for item in halfway["items"][1:]]
    assert known == [True, True, False, False]
    payload, told = outputs[-1]
    assert "mean of 16 test digits" in told
    images = (data.load("mnist", "sample").images[:16] > 127).long()
    gated = gm_core.load("pixelcnn-mnist", "cpu").dependency(images, 9, 13).mean(dim=0)
    found = plane(payload["items"][2]["values"], "<f4")
    np.testing.assert_allclose(found, gated / gated.max(), 1e-3, 1e-9)


@pytest.mark.parametrize(("row", "column"), [(0, 27), (13, 0), (14, 14), (27, 27)])
def test_the_gradient_is_exactly_zero_outside_the_field(row: int, column: int):
    levels = sees.digits()[0][[3]].tolist()
    for record in engine.stream(
        "dependency", models=list(sees.MODELS), levels=levels, row=row, column=column
    ):
        assert not record.leaks.any()
        assert record.strength.any()


def test_a_gradient_outside_the_field_would_be_told():
    [record] = engine.stream(
        "dependency",
        models=["pixelcnn-masked-mnist"],
        levels=sees.digits()[0][[3]].tolist(),
        row=14,
        column=14,
    )
    strength = record.strength.clone()
    strength[13, 27] = strength[20, 3] = 1e-20
    caption = sees.describe("pixelcnn-masked-mnist", replace(record, strength=strength))
    assert caption.endswith("Gradient exactly 0 on all 433 pixels outside: no, not on 2.")


def test_the_first_pixel_depends_on_nothing(client: Client):
    payload, _ = client.predict("0", 0, 0, False, api_name="/pixelcnn_sees")
    for heat in payload["items"][1:]:
        assert not plane(heat["values"], "<f4").any()
        assert heat["caption"].startswith("Nothing comes before the first pixel.")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ('["10", 0, 0, false]', "Digit must be one of: 0, 1, 2"),
        ('[7, 0, 0, false]', "Digit must be one of: 0, 1, 2"),
        ('[null, 0, 0, false]', "Digit must be one of: 0, 1, 2"),
        ('["' + 10**6 * "7" + '", 0, 0, false]', "Digit must be one of: 0, 1, 2"),
        ('["7", 28, 0, false]', "Row must be from 0 to 27."),
        ('["7", -1, 0, false]', "Row must be from 0 to 27."),
        ('["7", 1.5, 0, false]', "Row must be a whole number from 0 to 27."),
        ('["7", NaN, 0, false]', "Row must be from 0 to 27."),
        ('["7", "1", 0, false]', "Row must be a number from 0 to 27."),
        ('["7", true, 0, false]', "Row must be a number from 0 to 27."),
        ('["7", 0, 28, false]', "Column must be from 0 to 27."),
        ('["7", 0, Infinity, false]', "Column must be from 0 to 27."),
        ('["7", 0, 1' + 400 * "0" + ', false]', "Column must be from 0 to 27."),
        ('["7", 0, null, false]', "Column must be a number from 0 to 27."),
        ('["7", 0, [1], false]', "Column must be a number from 0 to 27."),
        ('["7", 0, 0, null]', "Average must be true or false."),
        ('["7", 0, 0, 1]', "Average must be true or false."),
        ('["7", 0, 0, "false"]', "Average must be true or false."),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_bad_input_gets_one_sentence(url: str, data: str, sentence: str):
    event, answer = call(url, "pixelcnn_sees", f'{{"data": {data}}}')
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


def test_a_wrong_number_of_values_harms_nothing(url: str):
    for values in ("[]", '["7"]', '"x"', "{}", "[1", "null"):
        event, _ = call(url, "pixelcnn_sees", f'{{"data": {values}}}')
        assert event in ("error", "refused"), values
    event, _ = call(url, "pixelcnn_sees", f'{{"data": {GOOD}}}')
    assert event == "complete"


@pytest.mark.parametrize("place", [{}, {"row": 28, "column": 0}, {"row": 0, "column": "1"}])
def test_a_click_outside_the_picture_is_refused(place: dict[str, Any]):
    with pytest.raises(gr.Error, match="must be"):
        sees.choose(gr.EventData(None, place))
    row, column, first = sees.choose(gr.EventData(None, {"row": 27, "column": 3}))
    *_, second = sees.choose(gr.EventData(None, {"row": 27, "column": 3}))
    assert (row, column) == (27, 3)
    assert first != second
