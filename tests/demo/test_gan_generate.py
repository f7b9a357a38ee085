"""Generate with tiny networks: pictures, quality, nearest real images, and what is refused."""

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
from gradio_client import Client
from PIL import Image
from torch import Tensor

import gm_core
from demo.activities import ANY, ModelTab
from demo.components import mosaic
from demo.components.tradeoff import Point, Tradeoff
from demo.gan import generate
from gm_core import checkpoints, data
from gm_core.neighbours import measure, nearest
from tests.demo.test_api import call, handler
from tests.gm_core.tiny import tiny

SIZES: dict[str, dict[str, Any]] = {
    "mnist": {"height": 28, "width": 28, "classes": 10},
    "avatars": {"height": 64, "width": 64, "channels": 3, "classes": 0},
}
TAB = ModelTab("gan", ("gan-mnist", "gan-fashion", "gan-avatars", "gan-mnist-collapsed"))


def lively(dataset: str) -> Any:
    """A tiny GAN whose pictures differ, from z to z and from class to class."""
    model = tiny("gan", **SIZES[dataset])
    with torch.no_grad():
        model.generator.first[0].weight *= 6
    return model


def save_gans(folder: Path) -> None:
    """GANs of digits and of avatars, and the classifier of digits."""
    for dataset in SIZES:
        checkpoints.save(
            folder / f"gan-{dataset}", lively(dataset), family="gan", dataset=dataset,
            training={"seed": 0},
        )  # fmt: skip
    checkpoints.save(
        folder / "classifier-mnist", tiny("classifier", **SIZES["mnist"]), family="classifier",
        dataset="mnist", training={"seed": 0},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_gans(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        patch.setenv("GM_DATA_DIR", str(folder / "no data"))
        yield folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> gr.Blocks:
    assert folder.exists()
    with gr.Blocks() as demo:
        generate.build(TAB)
    return demo


def by_library(label: int | None, truncation: float, seed: int, model: str = "gan-mnist") -> Tensor:
    """36 pictures: (36, C, H, W)."""
    gan = gm_core.load(model)
    labels = torch.arange(36) % 10 if label is None else label
    z = gan.sample_latent(36, seed=seed, truncation=truncation)
    return gan.generate(z, labels if gan.config.classes else None)


def unpacked(source: str) -> np.ndarray:
    """(H, W, 3)."""
    content = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    return np.array(Image.open(io.BytesIO(content)).convert("RGB"))


def tiles(shown: dict[str, Any]) -> np.ndarray:
    """(N, H, W, 3)."""
    return unpacked(shown["src"]).reshape(-1, shown["height"], shown["width"], 3)


def as_tiles(images: Tensor) -> np.ndarray:
    pixels = (255 * images).round().byte().permute(0, 2, 3, 1).numpy()
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3)).astype(int)


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    settings = ["model", "label", "truncation", "seed"]
    wanted = {
        "/gan_generate": settings,
        "/gan_generate_quality": settings,
        "/gan_generate_nearest": [*settings, "picture", "by"],
        "/gan_generate_export": settings,
    }
    named = api["named_endpoints"]
    assert {
        name: [parameter["parameter_name"] for parameter in named[name]["parameters"]]
        for name in named
    } == wanted


@pytest.mark.parametrize(
    ("label", "number", "truncation"), [(ANY, None, 1.0), ("7", 7, 0.4), ("0", 0, 0.0)]
)
def test_the_pictures_are_the_librarys(client: Client, label: str, number: int, truncation: float):
    shown = client.predict("gan-mnist", label, truncation, 5, api_name="/gan_generate")
    drawn = tiles(shown)
    assert np.abs(drawn - as_tiles(by_library(number, truncation, 5))).max() <= 1
    different = len({tile.tobytes() for tile in drawn})
    assert different == (36 if truncation else 1)
    said = f"36 pictures, class {label}, truncation {truncation:.2f}, seed 5"
    assert shown["description"] == said
    assert shown["names"][13] == f"picture 14, class {3 if number is None else number}"


def test_avatars_have_colours_and_no_classes(client: Client):
    shown = client.predict("gan-avatars", ANY, 0.5, 5, api_name="/gan_generate")
    drawn = as_tiles(by_library(None, 0.5, 5, "gan-avatars"))
    assert np.abs(tiles(shown) - drawn).max() <= 1
    assert shown["names"][0] == "picture 1"
    with pytest.raises(gr.Error, match="Class must be one of: any"):
        generate.check("gan-avatars", "dark hair", 1, 0, TAB.models)


def test_the_gauges_are_the_librarys(client: Client):
    gan = gm_core.load("gan-mnist")
    told = client.predict("gan-mnist", "7", 0.6, 5, api_name="/gan_generate_quality")
    z = gan.sample_latent(100, seed=5, truncation=0.6)
    [record] = measure(gan, "mnist", z, torch.full((100,), 7), label=7)
    assert told["points"] == [[0.6, record.generated.precision, record.generated.recall]]
    assert told["real"] == [record.real.precision, record.real.recall]
    assert (told["count"], told["among"]) == (100, 100)  # of the 200 sevens
    other = client.predict("gan-mnist", ANY, 0.6, 5, api_name="/gan_generate_quality")
    assert other["among"] == 1_900
    assert other["of"] != told["of"]


def test_the_plot_opens_with_several_truncations(demo: gr.Blocks):
    plot, row, usual, told, _ = handler(demo, "opening")()
    assert sorted(point[0] for point in plot["points"]) == [0.25, 0.5, 0.75, 1.0]
    assert [len(row["pictures"]), plot["setting"]] == [5, 1.0]
    assert "Nearest of 2,000 test images: " in told
    assert "Distance to the nearest real image" in usual


@pytest.mark.parametrize("by", ["pixels", "features"])
def test_the_nearest_images_are_the_librarys(client: Client, by: Any):
    found = client.predict("gan-mnist", "3", 0.8, 5, 20, by, api_name="/gan_generate_nearest")
    row, _, told, caveat = found
    image = by_library(3, 0.8, 5)[20]
    [record] = nearest("mnist", image, by, 4)
    first, *others = row["pictures"]
    assert np.abs(unpacked(first["src"]) - as_tiles(image[None])[0]).max() <= 1
    for picture, pixels, far in zip(others, record.images, record.distance.tolist(), strict=True):
        assert np.array_equal(unpacked(picture["src"]), as_tiles(pixels[None] / 255)[0])
        assert picture["kind"] == "real"
        assert picture["title"] == (f"{100 * far:.1f} %" if by == "pixels" else f"{far:.1f}")
    assert f"2,000 test images: {others[0]['title']} away" in told
    score = float(gm_core.load("gan-mnist").realness(image[None], 3))
    assert f"D's score of this picture: {score:.2f}".replace("-", "−") in told
    assert "never shown test images" in caveat


def test_a_choice_and_a_slider_are_followed(demo: gr.Blocks):
    follow = handler(demo, "follow")
    shown, row, *_ = follow("gan-mnist", "3", 0.8, 5, {"chosen": 20}, "pixels")
    assert np.abs(tiles(shown.props["pictures"]) - as_tiles(by_library(3, 0.8, 5))).max() <= 1
    image = unpacked(row["pictures"][0]["src"])
    assert np.array_equal(image, tiles(shown.props["pictures"])[20])
    # An empty seed is no mistake: the picture before stays.
    assert all(part == gr.skip() for part in follow("gan-mnist", "3", 0.8, None, {}, "pixels"))


def test_another_model_begins_with_all_its_classes(demo: gr.Blocks):
    label, how, shown, *_ = handler(demo, "switch")("gan-avatars", 1, 5, {"chosen": 0}, "features")
    assert (label.choices, label.value) == ([(ANY, ANY)], ANY)
    assert "no classifier of these pictures ships" in how
    assert shown.props["pictures"]["height"] == 64


def test_the_file_holds_the_grid(client: Client):
    saved = client.predict("gan-mnist", "7", 0.4, 5, api_name="/gan_generate_export")
    assert saved["name"] == "gan-mnist-7-seed5-truncation0.40.png"
    picture = unpacked(saved["url"])
    scale = picture.shape[0] // (6 * 28 + 5 * 2)
    first = picture[: 28 * scale : scale, : 28 * scale : scale]
    assert np.abs(first - as_tiles(by_library(7, 0.4, 5))[0]).max() <= 1


BAD = [
    (("gan-mnist-collapsed", ANY, 1, 0), "Model must be one of: gan-mnist, gan-avatars."),
    ((None, ANY, 1, 0), "Model must be one of"),
    (("gan-mnist", "10", 1, 0), "Class must be one of"),
    (("gan-mnist", ["7"], 1, 0), "Class must be one of"),
    (("gan-mnist", ANY, math.nan, 0), "Truncation must be from 0 to 1."),
    (("gan-mnist", ANY, 1.01, 0), "Truncation must be from 0 to 1."),
    (("gan-mnist", ANY, 10**400, 0), "Truncation must be from 0 to 1."),
    (("gan-mnist", ANY, None, 0), "Truncation must be a number from 0 to 1."),
    (("gan-mnist", ANY, 1, math.inf), "Seed must be from 0 to"),
    (("gan-mnist", ANY, 1, 0.5), "Seed must be a whole number"),
    (("gan-mnist", ANY, 1, None), "Seed must be a number"),
]


@pytest.mark.parametrize(("settings", "sentence"), BAD, ids=lambda value: str(value)[-30:])
def test_bad_settings_get_one_sentence(url: str, settings: tuple[Any, ...], sentence: str):
    event, answer = call(url, "gan_generate_export", json.dumps({"data": settings}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("chosen", "by", "sentence"),
    [
        ({"chosen": 36}, "pixels", "Picture must be from 0 to 35"),
        ({"chosen": None}, "pixels", "Picture must be a number"),
        (7, "pixels", "Picture must be a number"),
        ({"chosen": 0}, "taste", "Nearest by must be one of: pixels, features"),
        ({"chosen": 0}, None, "Nearest by must be one of"),
    ],
)
def test_bad_choices_get_one_sentence(demo: gr.Blocks, chosen: Any, by: Any, sentence: str):
    with pytest.raises(gr.Error, match=sentence):
        handler(demo, "follow")("gan-mnist", ANY, 1, 0, chosen, by)


def test_components_refuse_what_they_cannot_show():
    pixels = np.zeros((2, 4, 4, 1), np.uint8)
    with pytest.raises(ValueError, match="2 tiles can't have 1 names"):
        mosaic.payload(pixels, ["one"], "", asked=1)
    with pytest.raises(ValueError, match="Tiles are"):
        mosaic.payload(pixels[..., 0], ["one", "two"], "", asked=1)
    with pytest.raises(ValueError, match="shares from 0 to 1"):
        Tradeoff(1, Point(math.nan, 0), Point(1, 1), 1, 1, "").payload(asked=1)


def test_training_images_are_named_as_such():
    far, usual = torch.tensor([0.1]), torch.tensor([0.05, 0.2])
    image = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    found = generate.Nearest(far, image, torch.tensor([3]), 60_000, trained_on=True, usual=usual)
    assert "Nearest of 60,000 training images: 10.0 % away" in generate.verdict(found, "pixels")
    assert "50.0 % of them are nearer" in generate.verdict(found, "pixels")
    assert "a memorised one would lie near 0" in generate.caveat(found)
    assert len(data.load("mnist", "sample")) == 2_000
