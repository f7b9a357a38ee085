"""Attributes as endpoints, with a tiny network: edits, own directions, first groups, refusals."""

from __future__ import annotations

import base64
import functools
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
from torch import Tensor

import gm_core
from demo.activities import ModelTab
from demo.latent import attributes
from gm_core import checkpoints, data
from tests.demo.test_api import call, handler
from tests.gm_core.tiny import tiny

COUNT = 480
MODEL = attributes.MODEL


def save_avatars(folder: Path) -> None:
    """A tiny VAE with random weights, large enough that the codes, and the pictures, differ."""
    model = tiny("vae", height=64, width=64, channels=3, latent=12, likelihood="logistic")
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight *= 2.5
    checkpoints.save(folder / MODEL, model, family="vae", dataset="avatars", training={"seed": 0})


@functools.cache
def codes() -> Tensor:
    """The codes of all avatars, by the library."""
    with torch.no_grad():
        return gm_core.load(MODEL).encode(data.load("avatars", "sample").images / 255)[0]


def decoded(z: Tensor) -> np.ndarray:
    """By the library: (64, 64, 3)."""
    with torch.no_grad():
        image = gm_core.load(MODEL).decode(z[None])[0]
    return (255 * image).round().byte().permute(1, 2, 0).numpy()


@functools.cache
def four_directions() -> list[Tensor]:
    has = data.attributes("avatars", data.load("avatars", "sample").labels)
    names = ("dark hair", "glasses", "smile", "beard")
    return [codes()[has[name]].mean(dim=0) - codes()[~has[name]].mean(dim=0) for name in names]


def along(avatar: int, amounts: tuple[float, ...]) -> Tensor:
    """z plus so much of each attribute's direction, by the library."""
    z = codes()[avatar].clone()
    for there, amount in zip(four_directions(), amounts, strict=True):
        z += amount * there
    return z


def between(avatar: int, having: list[int], lacking: list[int], t: float) -> Tensor:
    """z plus t times the difference of two groups' means, by the library."""
    every = codes()
    return every[avatar] + t * (every[having].mean(dim=0) - every[lacking].mean(dim=0))


def pixels(source: str) -> np.ndarray:
    image = Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))
    assert image.mode == "RGB"
    return np.array(image)


def assert_same(source: str, wanted: np.ndarray) -> None:
    """Equal but for the last bit, which depends on how many codes were multiplied at once."""
    assert np.abs(pixels(source).astype(int) - wanted.astype(int)).max() <= 1


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_avatars(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            attributes.build(ModelTab("vae", (MODEL,)))
        demo.launch(prevent_thread_lock=True, quiet=True)
        yield demo
        demo.close()


@pytest.fixture(scope="module")
def url(demo: gr.Blocks) -> str:
    return str(demo.local_url)


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    endpoints = api["named_endpoints"]
    names = {
        name: [p["parameter_name"] for p in endpoint["parameters"]]
        for name, endpoint in endpoints.items()
    }
    assert names == {
        "/vae_attributes": ["avatar", "dark_hair", "glasses", "smile", "beard"],
        "/vae_own_direction": ["avatar", "with_avatars", "without_avatars", "amount"],
    }


@pytest.mark.parametrize("amounts", [(0, 0, 0, 0), (0, 1, 0, 0), (-1.5, 0.35, 1.5, -0.2)])
def test_an_edit_is_what_the_library_decodes(client: Client, amounts: tuple[float, ...]):
    shown, told = client.predict(37, *amounts, api_name="/vae_attributes")
    avatar, own, edited = shown["pictures"]
    image = data.load("avatars", "sample").images[37].permute(1, 2, 0).numpy()
    z, moved = codes()[37], along(37, amounts)
    assert np.array_equal(pixels(avatar["src"]), image)
    assert_same(own["src"], decoded(z))
    assert_same(edited["src"], decoded(moved))
    assert np.array_equal(pixels(own["src"]), pixels(edited["src"])) == (not any(amounts))
    kinds = [item["kind"] for item in shown["pictures"]]
    assert kinds == ["real", "reconstructed", "generated"]
    assert told.startswith(f"The code moved by {float((moved - z).norm()):.2f} standard deviations")
    error = np.square(image / 255 - pixels(own["src"]) / 255).mean()
    assert told.endswith(f"Reconstruction: PSNR {-10 * math.log10(error):.1f} dB.")


def test_attributes_change_different_pixels(client: Client):
    every = np.eye(4).tolist()
    shown = [client.predict(5, *amounts, api_name="/vae_attributes")[0] for amounts in every]
    assert len({value["pictures"][2]["src"] for value in shown}) == 4


def test_the_psnr_is_of_the_peak():
    black = np.zeros((4, 4, 3), np.uint8)
    assert attributes.psnr(black, black) == math.inf
    assert attributes.psnr(black, black + 255) == pytest.approx(0)
    assert attributes.psnr(black, black + 51) == pytest.approx(20 * math.log10(5))


@pytest.mark.parametrize("t", [0, 1, -0.75])
def test_an_own_direction_is_the_difference_of_the_means(client: Client, t: float):
    having, lacking = [3, 100, 479], [8, 9]
    shown, told = client.predict(37, having, lacking, t, api_name="/vae_own_direction")
    z, with_it, without_it, edited = shown["pictures"]
    every, moved = codes(), between(37, having, lacking, t)
    assert_same(z["src"], decoded(every[37]))
    assert_same(with_it["src"], decoded(every[having].mean(dim=0)))
    assert_same(without_it["src"], decoded(every[lacking].mean(dim=0)))
    assert_same(edited["src"], decoded(moved))
    assert [item["sign"] for item in shown["pictures"]] == [
        "", f"+ {t:.2f} × (".replace("-", "−"), "−", ") =",
    ]  # fmt: skip
    distance = float((moved - every[37]).norm())
    assert told.startswith(f"3 with, 2 without. The code moved by {distance:.2f} standard ")


def test_the_first_groups_differ_in_glasses_alone(demo: gr.Blocks):
    assert demo
    known = attributes.survey()
    ids = attributes.shelf(known, 2)
    groups = attributes.first_groups(known, ids)
    chosen = [*groups["with"], *groups["without"]]
    assert len(set(chosen)) == 10
    assert set(chosen) <= set(ids)
    for having, lacking in zip(groups["with"], groups["without"], strict=True):
        assert known.names[having].replace(", glasses", "") == known.names[lacking]
        assert "glasses" in known.names[having]


def test_a_sheet_has_every_attribute_on_half_of_its_avatars(demo: gr.Blocks):
    assert demo
    known = attributes.survey()
    sheets = [attributes.shelf(known, turn) for turn in (0, 2)]
    assert not set(sheets[0]) & set(sheets[1])
    for ids in sheets:
        assert len(set(ids)) == 24
        for word in ("dark", "glasses", "smile", "beard"):
            assert sum(word in known.names[at] for at in ids) == 12
        assert [known.classes[at] for at in ids] == data.load("avatars", "sample").labels[
            ids
        ].tolist()


def test_an_empty_group_gets_a_sentence_and_the_pictures_stay(demo: gr.Blocks):
    follow = handler(demo, "follow_own")
    for groups in ({"with": [], "without": [1]}, {"with": [1], "without": []}):
        row, told = follow({"chosen": 3}, groups, 1.0)
        assert told == attributes.EMPTY
        assert row == gr.skip()
    row, _ = follow({"chosen": 3}, {"with": [1], "without": [2]}, 1.0)
    assert_same(row["pictures"][3]["src"], decoded(between(3, [1], [2], 1.0)))


def test_reset_moves_all_sliders_to_zero(demo: gr.Blocks):
    *zeros, shown, told = handler(demo, "reset")({"chosen": 11})
    assert zeros == [0, 0, 0, 0]
    assert shown["pictures"][1]["src"] == shown["pictures"][2]["src"]
    assert told.startswith("The code moved by 0.00 ")


def test_a_measured_checkpoint_tells_how_well_directions_work(demo: gr.Blocks):
    assert demo
    assert attributes.figures() == ""
    figures = [
        {"name": "smile: judged with it after its direction was added", "value": 91.6, "unit": "%"},
        {"name": "smile: the judge is right on real avatars", "value": 77, "unit": "%"},
        {"name": "other attributes unchanged by a direction", "value": 93.9, "unit": "%"},
        {"name": "negative ELBO", "value": 3, "unit": "nats"},
    ]
    folder = checkpoints.root() / MODEL
    weights = checkpoints.describe(MODEL).weights
    (folder / "metrics.json").write_text(json.dumps({"weights": weights, "figures": figures}))
    told = attributes.figures()
    (folder / "metrics.json").unlink()
    assert "pictures: smile <b>92 %</b>." in told
    assert "<b>94 %</b> stay as they were." in told
    assert "77" not in told


AVATAR = "Avatar must be"
GLASSES = "Glasses must be"
LIST = "must be a list of avatars' numbers."
EACH = "Each number of “with” must be"
BAD: list[tuple[str, list[Any], str]] = [
    ("attributes", [None, 0, 0, 0, 0], AVATAR),
    ("attributes", [COUNT, 0, 0, 0, 0], f"Avatar must be from 0 to {COUNT - 1}."),
    ("attributes", [-1, 0, 0, 0, 0], AVATAR),
    ("attributes", [1.5, 0, 0, 0, 0], "Avatar must be a whole number"),
    ("attributes", ["3", 0, 0, 0, 0], AVATAR),
    ("attributes", [True, 0, 0, 0, 0], AVATAR),
    ("attributes", [{"chosen": 3}, 0, 0, 0, 0], AVATAR),
    ("attributes", [3, 0, math.nan, 0, 0], GLASSES),
    ("attributes", [3, 0, math.inf, 0, 0], GLASSES),
    ("attributes", [3, 0, 10**9, 0, 0], GLASSES),
    ("attributes", [3, 0, 10**400, 0, 0], GLASSES),
    ("attributes", [3, 0, None, 0, 0], GLASSES),
    ("attributes", [3, 0, [1], 0, 0], GLASSES),
    ("attributes", [3, 1.51, 0, 0, 0], "Dark hair must be from -1.5 to 1.5."),
    ("attributes", [3, 0, 0, 0, "1"], "Beard must be a number from -1.5 to 1.5."),
    ("own_direction", [3, [], [1], 1], attributes.EMPTY),
    ("own_direction", [3, [1], [], 1], attributes.EMPTY),
    ("own_direction", [3, [1, 2], [2], 1], "An avatar must be “with” or “without”, not both."),
    ("own_direction", [3, [1, 1], [2], 1], "“with” must have no avatar twice."),
    ("own_direction", [3, None, [2], 1], LIST),
    ("own_direction", [3, "12", [2], 1], LIST),
    ("own_direction", [3, {"0": 1}, [2], 1], LIST),
    ("own_direction", [3, [1], [2] * 10**5, 1], LIST),
    ("own_direction", [3, [[1]], [2], 1], EACH),
    ("own_direction", [3, [math.nan], [2], 1], EACH),
    ("own_direction", [3, [10**400], [2], 1], EACH),
    ("own_direction", [3, [COUNT], [2], 1], EACH),
    ("own_direction", [3, [None], [2], 1], EACH),
    ("own_direction", [3, [1], [2], math.inf], "t must be from -1.5 to 1.5."),
    ("own_direction", [3, [1], [2], None], "t must be a number"),
    ("own_direction", [10**400, [1], [2], 1], AVATAR),
]


@pytest.mark.parametrize(("endpoint", "values", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_input_gets_one_sentence(url: str, endpoint: str, values: list[Any], sentence: str):
    event, answer = call(url, f"vae_{endpoint}", json.dumps({"data": values}))
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


@pytest.mark.parametrize("value", [None, "x", 3, [], {}, {"chosen": "x"}, {"chosen": math.nan}])
def test_what_no_sheet_sends_is_refused(demo: gr.Blocks, value: Any):
    groups = {"with": [1], "without": [2]}
    with pytest.raises(gr.Error, match=AVATAR):
        handler(demo, "follow")(value, 0, 0, 0, 0)
    with pytest.raises(gr.Error, match=AVATAR):
        handler(demo, "reset")(value)
    with pytest.raises(gr.Error, match=AVATAR):
        handler(demo, "follow_own")(value, groups, 1)
    with pytest.raises(gr.Error, match=r"must be (a list|lists) of avatars"):
        handler(demo, "follow_own")({"chosen": 3}, value, 1)
