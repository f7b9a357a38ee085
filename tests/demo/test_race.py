"""The race as an endpoint, with tiny networks: what it streams, ends with, and refuses."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch

import gm_core
from demo.activities import ModelTab, race
from gm_core import checkpoints
from gm_core.families import split_name
from gm_core.race import Lane, RaceFrame
from tests.demo.conftest import connect
from tests.demo.test_api import call
from tests.gm_core.tiny import decided

NAMES = tuple(model for _, model, _ in race.CONTESTANTS)
H, W = 4, 5


def save_tiny(folder: Path, names: tuple[str, ...], **changes: Any) -> None:
    """Checkpoints of tiny networks with random weights, under the names of real ones."""
    for name in dict.fromkeys(names):
        family, dataset = split_name(name)
        model = decided(family, classes=10, **changes)
        checkpoints.save(folder / name, model, family=family, dataset=dataset, training={"seed": 0})


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_tiny(folder, NAMES, height=H, width=W)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            race.build(ModelTab("pixelcnn", NAMES[:1]))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        yield url
        demo.close()


def images(payload: dict[str, Any]) -> np.ndarray:
    """The lanes' pixels, 0 or 1, and -1 where nothing is drawn: (lanes, H, W)."""
    planes = [
        [np.frombuffer(base64.b64decode(item[name]), "u1") for name in ("pixels", "unknown")]
        for item in payload["items"]
    ]
    return np.stack(
        [np.where(unknown, -1, pixels // 255.0).reshape(H, W) for pixels, unknown in planes]
    )


def cells(table: str) -> list[list[str]]:
    return [re.findall("<td>(.*?)</td>", row) for row in table.split("<tr>")[2:]]


def test_a_race_from_the_start_line_to_the_table(url: str):
    client = connect(url)
    job = client.submit("3", 11, api_name="/pixelcnn_race")
    payload, told, table, seed = job.result()
    first, *_ = job.outputs()

    assert (images(first[0]) == -1).all()
    assert all(cell == "–" for row in cells(first[2]) for cell in row[1:])
    assert [item["title"] for item in payload["items"]] == [name for name, *_ in race.CONTESTANTS]
    for lane, model in zip(images(payload), NAMES, strict=True):
        *_, frame = gm_core.load(model).sample(1, seed=11, label=3)
        assert np.array_equal(lane, frame.levels[0, 0].numpy())
    captions = [item["caption"] for item in payload["items"]]
    assert all(re.fullmatch(r"20 of 20 pixels, \d+\.\d\d s", caption) for caption in captions)
    assert re.fullmatch(
        r"Naive and cached PixelCNN drew the same image, pixel for pixel: yes\. Caching made it "
        r"\d+ times as fast: \d+\.\d\d instead of \d+\.\d\d ms a pixel\.",
        told,
    )
    rows = cells(table)
    assert [row[0] for row in rows] == [name for name, *_ in race.CONTESTANTS]
    assert [row[3] for row in rows] == ["20", "0", "0", "0"]
    assert all(float(cell.replace(",", "")) >= 0 for row in rows for cell in row[1:])
    assert "so the 20 steps of an image" in table
    assert seed == 11


def test_any_class_means_no_label(url: str):
    payload, *_ = connect(url).predict("any", 2, api_name="/pixelcnn_race")
    *_, frame = gm_core.load(NAMES[0]).sample(1, seed=2)
    assert np.array_equal(images(payload)[race.NAIVE], frame.levels[0, 0].numpy())


def test_the_action_is_named_and_typed(url: str):
    api: Any = connect(url).view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {"/pixelcnn_race"}
    parameters = api["named_endpoints"]["/pixelcnn_race"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["label", "seed"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ('["3", NaN]', "Seed must be from 0 to 4294967295."),
        ('["3", Infinity]', "Seed must be from 0 to 4294967295."),
        ('["3", -1]', "Seed must be from 0 to 4294967295."),
        ('["3", 1' + 400 * "0" + "]", "Seed must be from 0 to 4294967295."),
        ('["3", 0.5]', "Seed must be a whole number from 0 to 4294967295."),
        ('["3", "1"]', "Seed must be a number from 0 to 4294967295."),
        ('["3", true]', "Seed must be a number from 0 to 4294967295."),
        ('["3", null]', "Seed must be a number from 0 to 4294967295."),
        ('["3", [1]]', "Seed must be a number from 0 to 4294967295."),
        ('["10", 1]', "Class must be one of: any, 0, 1"),
        ("[3, 1]", "Class must be one of: any, 0, 1"),
        ('[{"a": 1}, 1]', "Class must be one of: any, 0, 1"),
        ('["' + 10**5 * "3" + '", 1]', "Class must be one of: any, 0, 1"),
    ],
    ids=lambda text: text[:30],
)
def test_bad_input_gets_one_sentence(url: str, data: str, sentence: str):
    event, answer = call(url, "pixelcnn_race", f'{{"data": {data}}}')
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


def test_after_a_refusal_the_next_request_works(url: str):
    assert call(url, "pixelcnn_race", '{"data": ["3", -1]}')[0] == "error"
    event, _ = call(url, "pixelcnn_race", '{"data": ["3", 1]}')
    assert event == "complete"


LANE = Lane(
    name="PixelCNN, naive", seconds=0.9, drawn=21, total=784, passes=21, multiply_adds=0,
    image=torch.zeros(1, 28, 28), forced_seconds=None,
)  # fmt: skip


def test_the_pace_of_the_slowest_is_told():
    quick = replace(LANE, name="quick", drawn=784, seconds=0.2)
    frame = RaceFrame((LANE, replace(quick, drawn=700)))
    line = "PixelCNN, naive: 21 pixels of 784 after 0.9 s: at this pace 33 s more."
    assert race.progress_line(frame) == line
    assert race.progress_line(RaceFrame((LANE, quick))) == f"{line} All others have arrived."
    assert race.progress_line(RaceFrame((replace(LANE, drawn=0, seconds=0.0), quick))) == ""
    assert race.progress_line(RaceFrame((quick, quick))).startswith("All have arrived.")


def test_images_that_differ_are_told():
    one = replace(LANE, drawn=784)
    other = replace(one, seconds=0.3, image=torch.ones(1, 28, 28))
    assert "pixel for pixel: NO. Caching made it 3 times" in race.result_line(
        RaceFrame((one, other, one, one))
    )


def test_stopping_says_where_the_race_stands_if_there_is_one():
    said = race.stopped({"line": "Half way.", "is_running": True})
    assert said == "Stopped; the lanes stay as they are. Half way."
    assert race.stopped({"line": "It is over.", "is_running": False}) == "It is over."
