"""The mask laboratory as an endpoint: what it draws, streams, ends with, and refuses."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest

import gm_core
from demo import engine
from demo.activities import ModelTab, masks
from demo.components.mask_losses import MaskLosses, Tiles
from demo.components.mask_view import Cell, Grid, MaskView, Network
from gm_core import checkpoints
from gm_core.layers import horizontal_mask, raster_mask
from gm_core.pixelcnn import vertical_mask
from tests.demo.conftest import connect
from tests.demo.test_api import call


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "SECONDS", 600.0)  # a busy machine is slow, not wrong
        with gr.Blocks() as demo:
            masks.build(ModelTab("pixelcnn", ("pixelcnn-mnist",)))
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        yield url
        demo.close()


def decode(text: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "u1").reshape(shape)


def as_mask(grid: dict[str, Any]) -> np.ndarray:
    return np.array([[float(text) for text, _ in row] for row in grid["cells"]])


# --- the masks ---------------------------------------------------------------------------------


def test_the_masks_are_those_of_the_networks():
    masked, gated, row, diagonal = masks.show_masks()["networks"]
    assert [network["title"] for network in (masked, gated, row, diagonal)] == [
        "Masked PixelCNN", "Gated PixelCNN", "Row LSTM", "Diagonal BiLSTM"
    ]  # fmt: skip
    shown = [as_mask(grid) for grid in (*masked["grids"], *gated["grids"], row["grids"][0])]
    expected = [
        raster_mask(7, sees_centre=False),
        raster_mask(3, sees_centre=True),
        vertical_mask(7, sees_own_row=False),
        vertical_mask(3, sees_own_row=True),
        horizontal_mask(7, sees_centre=False),
        horizontal_mask(3, sees_centre=True),
        horizontal_mask(3, sees_centre=True),
    ]
    for mask, wanted in zip(shown, expected, strict=True):
        assert np.array_equal(mask, wanted.numpy())
    for grid in (*masked["grids"], *gated["grids"]):
        height, width = np.shape(as_mask(grid))
        assert grid["centre"] == [height // 2, width // 2]
        assert grid["title"].endswith(f", {height}×{width}")
        kinds = {(text, kind) for line in grid["cells"] for text, kind in line}
        assert kinds <= {("1", "open"), ("0", "closed")}


def texts(grid: dict[str, Any]) -> list[str]:
    return ["".join(text or "." for text, _ in row) for row in grid["cells"]]


def test_what_lstms_look_at():
    *_, row, diagonal = masks.show_masks()["networks"]
    assert texts(row["grids"][1]) == ["111", ".?."]
    taps, skewed, shifted = diagonal["grids"]
    assert texts(taps) == [".1", "1?"]
    assert texts(skewed) == ["1234..", ".5678.", "..9101112"]
    assert skewed["centre"] == [1, 3]
    looked_at = [text for line in skewed["cells"] for text, kind in line if kind == "open"]
    assert looked_at == ["3", "6"]
    assert texts(shifted) == ["llrrrr", "llrrrr", "ll?000"]


def test_the_views_are_the_receptive_fields():
    payload = masks.show_masks()
    row, column, size = payload["row"], payload["column"], (payload["height"], payload["width"])
    earlier = row * size[1] + column
    blind = {}
    for name, network in zip(masks.NETWORKS, payload["networks"], strict=True):
        views = decode(network["views"], (network["layers"] + 1, *size))
        model = gm_core.load(name)
        assert np.array_equal(views[-1], model.receptive_field(row, column).numpy())
        assert network["layers"] == len(model.layers)
        blind[network["title"]] = earlier - int(views[-1].sum())
    assert blind["Masked PixelCNN"] > 0
    assert blind["Row LSTM"] > 0
    assert blind["Gated PixelCNN"] == blind["Diagonal BiLSTM"] == 0


# --- training ----------------------------------------------------------------------------------


def test_it_is_named_and_typed(url: str):
    api: Any = connect(url).view_api(return_format="dict", print_info=False)
    parameters = api["named_endpoints"]["/pixelcnn_masks"]["parameters"]
    assert [each["parameter_name"] for each in parameters] == ["steps", "seed", "prediction"]


def test_training_streams_curves_and_ends_with_drawings(url: str):
    job = connect(url).submit(50, 3, "right mask", api_name="/pixelcnn_masks")
    payload, told = job.result()
    *records, last = engine.stream("train_masks", steps=50, seed=3, seconds=600)
    expected = [(record.right_loss, record.broken_loss) for record in records]
    shown = list(zip(payload["right"], payload["broken"], strict=True))
    assert np.allclose(shown, expected, atol=1e-3)
    assert payload["honest"] == masks.honest_figure()
    assert payload["answer"].startswith("You predicted: right mask. But the broken mask")

    noise, right, broken = (decode(each["pixels"], (2, 4, 28, 28)) for each in payload["drawings"])
    assert np.array_equal(noise, last.drawings.starts[:, :, 0].numpy() * 255)
    assert np.array_equal(right, last.drawings.right[:, :, 0].numpy() * 255)
    assert np.array_equal(right[0], right[1])
    differ = int((broken[0] != broken[1]).sum())
    assert differ > 0
    assert f"strokes. 0 of {4 * 784:,} pixels differ" in payload["drawings"][1]["words"]
    assert f"garbage. {differ:,} of {4 * 784:,} pixels differ" in payload["drawings"][2]["words"]
    assert "of 2,000 binarised digits" in told
    assert told.endswith("Seed 3.")

    first, *rest = [output[0] for output in job.outputs()]
    assert (first["right"], first["drawings"]) == ([], [])
    lengths = [len(each["right"]) for each in rest]
    assert lengths == sorted(lengths)
    assert all(each["drawings"] == [] and each["answer"] == "" for each in rest[:-1])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("[49, 0, null]", "Steps must be from 50 to 400."),
        ("[401, 0, null]", "Steps must be from 50 to 400."),
        ("[50.5, 0, null]", "Steps must be a whole number from 50 to 400."),
        ("[NaN, 0, null]", "Steps must be from 50 to 400."),
        ("[Infinity, 0, null]", "Steps must be from 50 to 400."),
        ("[1" + 400 * "0" + ", 0, null]", "Steps must be from 50 to 400."),
        ('["50", 0, null]', "Steps must be a number from 50 to 400."),
        ("[null, 0, null]", "Steps must be a number from 50 to 400."),
        ("[true, 0, null]", "Steps must be a number from 50 to 400."),
        ("[50, -1, null]", "Seed must be from 0 to 4294967295."),
        ("[50, NaN, null]", "Seed must be from 0 to 4294967295."),
        ("[50, 1" + 400 * "0" + ", null]", "Seed must be from 0 to 4294967295."),
        ("[50, [0], null]", "Seed must be a number from 0 to 4294967295."),
        ('[50, 0, "neither"]', "Prediction must be one of: right mask, broken mask, both alike."),
        ("[50, 0, 1]", "Prediction must be one of: right mask, broken mask, both alike."),
        ("[50, 0, {}]", "Prediction must be one of: right mask, broken mask, both alike."),
    ],
    ids=lambda text: text[:30],
)
def test_bad_input_gets_one_sentence(url: str, data: str, sentence: str):
    event, answer = call(url, "pixelcnn_masks", f'{{"data": {data}}}')
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


def test_after_what_was_refused_the_next_request_works(url: str):
    assert call(url, "pixelcnn_masks", '{"data": [50, -1, null]}')[0] == "error"
    event, answer = call(url, "pixelcnn_masks", '{"data": [50, 0, null]}')
    assert event == "complete"
    assert json.loads(answer)[0]["answer"].startswith("The broken mask reached")


@pytest.mark.parametrize(
    ("prediction", "start"),
    [
        (None, "The broken mask reached the lower loss"),
        ("broken mask", "As you predicted, the broken mask reached the lower loss"),
        ("right mask", "You predicted: right mask. But the broken mask reached the lower loss"),
        ("both alike", "You predicted: both alike. But the broken mask reached the lower loss"),
    ],
)
def test_the_prediction_is_answered(prediction: str | None, start: str):
    answer = masks.answer([500.0, 100.0], [400.0, 0.0], prediction)
    assert answer.startswith(f"{start}: 200.00 nats an image with the broken mask, 300.0 with")
    assert "train for longer" in answer
    trained = masks.answer([100.0] * 30, [300.0] * 10 + [0.5] * 20, prediction)
    assert trained.startswith(f"{start}: 0.50 nats an image with the broken mask, 100.0 with")
    assert re.search("copy the pixel that it should predict.$", trained)


def test_running_out_of_time_is_said():
    assert masks.status_line(80, 200, 0, 18.04).startswith("Out of time after 80 of 200 steps, ")
    assert masks.status_line(200, 200, 0, 6.0).startswith("200 steps each, ")


# --- the components ----------------------------------------------------------------------------


def grid(cells: tuple[tuple[Cell, ...], ...], centre: tuple[int, int] = (0, 0)) -> Grid:
    return Grid("A mask", cells, "words", centre=centre)


def test_grids_and_views_that_cannot_be_shown_are_refused():
    cell = Cell("1", "open")
    assert grid(((cell, cell),), (0, 1)).payload()["cells"] == [[["1", "open"], ["1", "open"]]]
    with pytest.raises(ValueError, match="lengths"):
        grid(((cell, cell), (cell,))).payload()
    with pytest.raises(ValueError, match="lengths"):
        grid(()).payload()
    with pytest.raises(ValueError, match="outside its cells"):
        grid(((cell,),), (0, 1)).payload()
    small, large = np.zeros((2, 3, 4), bool), np.zeros((2, 4, 4), bool)
    networks = Network("one", (), small), Network("two", (), large)
    with pytest.raises(ValueError, match="one size"):
        MaskView(networks, 0, 0).payload()
    with pytest.raises(ValueError, match="no pixel"):
        MaskView(networks[:1], 3, 0).payload()
    assert MaskView(networks[:1], 2, 3).payload()["networks"][0]["layers"] == 1


def test_losses_and_tiles_that_cannot_be_shown_are_refused():
    with pytest.raises(ValueError, match="losses are not those"):
        MaskLosses(3, (1.0,), (), honest=None).payload()
    with pytest.raises(ValueError, match="losses are not those"):
        MaskLosses(1, (1.0, 2.0), (1.0, 2.0), honest=None).payload()
    with pytest.raises(ValueError, match="not finite"):
        MaskLosses(3, (1.0,), (float("nan"),), honest=None).payload()
    with pytest.raises(ValueError, match="images"):
        Tiles("tiles", np.zeros((2, 4, 28, 28)), "").payload()  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="images"):
        Tiles("tiles", np.zeros((4, 28, 28), np.uint8), "").payload()


def test_a_figure_that_is_not_measured_has_no_line(monkeypatch: pytest.MonkeyPatch, tmp_path):
    figure = masks.honest_figure()
    assert figure is not None
    assert 70 < figure < 90
    source = checkpoints.root() / masks.HONEST
    (tmp_path / masks.HONEST).mkdir()
    for path in source.iterdir():
        if path.name != "metrics.json":
            (tmp_path / masks.HONEST / path.name).symlink_to(path)
    monkeypatch.setenv("GM_CHECKPOINTS", str(tmp_path))
    assert masks.honest_figure() is None
