"""Walks and the map of codes with tiny networks: what is drawn, told, saved, and refused."""

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
from demo.activities import ModelTab
from demo.gan import walk
from gm_core import checkpoints
from gm_core.latent import spherical, straight
from tests.demo.conftest import connect
from tests.demo.test_api import call, handler
from tests.gm_core.tiny import tiny

DIGITS, AVATARS = "gan-mnist", "gan-avatars"
GREY = {"height": 28, "width": 28, "classes": 10, "latent": 64}
COLOUR = {"height": 64, "width": 64, "channels": 3, "classes": 0, "latent": 64}


def save_gan(folder: Path, name: str, **size: Any) -> None:
    """A tiny GAN, whose pictures differ from code to code."""
    model, dataset = tiny("gan", **size), name.split("-")[1]
    checkpoints.save(folder / name, model, family="gan", dataset=dataset, training={"seed": 0})


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_gan(folder, DIGITS, **GREY)
    save_gan(folder, AVATARS, **COLOUR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            walk.build(ModelTab("gan", (DIGITS, AVATARS, "gan-fashion")))  # one is not there
        demo.launch(prevent_thread_lock=True, quiet=True)
        yield demo
        demo.close()


@pytest.fixture(scope="module")
def client(demo: gr.Blocks) -> Client:
    return connect(str(demo.local_url))


@torch.no_grad()
def drawn(model: str, z: Tensor, label: int | None = None) -> np.ndarray:
    """By the library: (B, H, W, C)."""
    images = gm_core.load(model).generate(z, label)
    return (255 * images).round().byte().permute(0, 2, 3, 1).numpy()


def place_of(seed: int, x: float, y: float) -> Tensor:
    """The code of a place on the map, written out: (1, 64)."""
    centre, *others = gm_core.load(DIGITS).sample_latent(3, seed=seed)
    basis = torch.linalg.qr(torch.stack([centre, *others]).T.double()).Q.T
    signs = [torch.sign(torch.dot(axis, other.double())) for axis, other in
             zip(basis[1:], others, strict=True)]  # fmt: skip
    right, up = (sign * axis for sign, axis in zip(signs, basis[1:], strict=True))
    length, radius = float(centre.norm()), math.hypot(x, y)
    if not radius:
        return centre[None]
    aside = (x * right + y * up) / radius * length
    angle = radius / length
    return (math.cos(angle) * centre + math.sin(angle) * aside).float()[None]


def differ(seen: np.ndarray, wanted: np.ndarray) -> int:
    """By how much at most; how many codes are drawn at once decides the last bit."""
    assert seen.shape == wanted.shape
    return int(np.abs(seen.astype(int) - wanted).max())


def frames(value: dict[str, Any]) -> np.ndarray:
    """(steps + 1, ways, H, W, C)."""
    size = [value[name] for name in ("images", "height", "width", "channels")]
    pixels = np.frombuffer(base64.b64decode(value["frames"]), np.uint8)
    return pixels.reshape(value["steps"] + 1, *size)


def decoded(value: dict[str, Any]) -> np.ndarray:
    size = [value[name] for name in ("height", "width", "channels")]
    return np.frombuffer(base64.b64decode(value["pixels"]), np.uint8).reshape(size)


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    route = ["model", "codes", "label", "later", "seed", "steps"]
    names = {
        name: [p["parameter_name"] for p in endpoint["parameters"]]
        for name, endpoint in api["named_endpoints"].items()
    }
    assert names == {
        "/gan_walk": route,
        "/gan_walk_export": [*route, "file_type"],
        "/gan_map_point": ["model", "label", "seed", "x", "y"],
    }


def test_both_ways_are_what_the_library_draws(client: Client):
    told, value, plot = client.predict(DIGITS, "2", "3", "7", 5, 24, api_name="/gan_walk")
    assert told == "24 steps over 2 random codes of seed 5, class 3, from halfway on 7: digits."
    seen = frames(value)
    assert seen.shape == (25, 2, 28, 28, 1)
    first, last = gm_core.load(DIGITS).sample_latent(2, seed=5)
    for way, go in enumerate((spherical, straight)):
        z = go(first, last, 25)
        assert differ(seen[:12, way], drawn(DIGITS, z[:12], 3)) <= 1
        assert differ(seen[12:, way], drawn(DIGITS, z[12:], 7)) <= 1
        assert f"{float(z[12].norm()):.1f}σ in the middle" in value["captions"][way]
    assert differ(seen[12, 0], seen[12, 1]) > 3  # two ways
    assert f"down to {float(straight(first, last, 25).norm(dim=1).min()):.1f}σ" in plot
    assert value["names"] == ["spherical", "straight"]


def test_a_tour_comes_back(client: Client):
    told, value, plot = client.predict(
        AVATARS, "4 and back", "any", "the same", 1, 24, api_name="/gan_walk"
    )
    assert told == "24 steps over 4 random codes and back of seed 1: avatars."
    seen, stops = frames(value), drawn(AVATARS, gm_core.load(AVATARS).sample_latent(4, seed=1))
    for way in range(2):
        assert differ(seen[:-1:6, way], stops) <= 1
        assert differ(seen[-1, way], stops[0]) <= 1
    assert "back at the first" in plot


@pytest.mark.parametrize(
    ("length", "words"),
    [(7.0, "only 8 in 100 random codes are shorter"), (6.0, "one random code in 600 is shorter"),
     (4.0, "not one random code in a million is shorter")],
)  # fmt: skip
def test_rare_lengths_are_told(length: float, words: str):
    assert walk.rarity(length, 64) == words


@pytest.mark.parametrize("place", [(0.0, 0.0), (3.5, -2.0), (-11.0, 11.0)])
def test_a_place_of_the_map_is_drawn(client: Client, place: tuple[float, float]):
    picture, told = client.predict(DIGITS, "4", 3, *place, api_name="/gan_map_point")
    assert differ(decoded(picture), drawn(DIGITS, place_of(3, *place), 4)[0]) <= 1
    length = float(place_of(3, 0, 0).norm())
    assert f"{math.degrees(math.hypot(*place) / length):.0f}° from the code in the middle" in told
    assert f"|z| = {length:.1f}σ" in told


def test_tiles_are_their_middles(demo: gr.Blocks):
    assert demo
    value = walk.tiles(DIGITS, None, 3)
    sheet = Image.open(io.BytesIO(base64.b64decode(value["src"].partition(",")[2])))
    pixels = np.array(sheet)[:, :, :1].reshape(11, 28, 11, 28, 1).swapaxes(1, 2)
    for row, column in [(0, 0), (5, 5), (10, 3)]:
        z = place_of(3, 2.0 * column - 10, 10 - 2.0 * row)
        assert differ(pixels[row, column], drawn(DIGITS, z)[0]) <= 1
    assert value["circles"][0] == [
        pytest.approx(math.pi / 6 * float(place_of(3, 0, 0).norm())),
        "30°",
    ]


def test_another_model_begins_with_any_class(demo: gr.Blocks):
    place = {"x": 0.0, "y": 0.0}
    label, later, told, value, _, *map_parts = handler(demo, "fit_model")(
        "Walk", AVATARS, "2", 0, 24, place
    )
    assert (label.value, label.interactive, later.value) == ("any", False, "the same")
    assert told.endswith("of seed 0: avatars.")
    assert value["channels"] == 3
    assert len(map_parts) == 3
    label, *_ = handler(demo, "fit_model")("Map", DIGITS, "2", 0, 24, place)
    assert label.interactive


@pytest.mark.parametrize(("file_type", "size"), [("gif", (450, 252)), ("png", (1024, 280))])
def test_a_walk_is_saved(client: Client, file_type: str, size: tuple[int, int]):
    saved = client.predict(
        DIGITS, "2", "any", "the same", 0, 24, file_type, api_name="/gan_walk_export"
    )
    assert saved["name"] == f"gan-mnist-walk-2-seed-0.{file_type}"
    image: Any = Image.open(io.BytesIO(base64.b64decode(saved["url"].partition(",")[2])))
    assert image.format == file_type.upper()
    assert (getattr(image, "n_frames", 1) > 20) == (file_type == "gif")
    assert image.width >= size[0]


GOOD: dict[str, Any] = {"model": DIGITS, "codes": "2", "label": "any", "later": "the same",
                        "seed": 0, "steps": 24}  # fmt: skip
BAD = [
    ("model", "gan-fashion", "Model must be one of"), ("model", None, "Model must be one of"),
    ("codes", 2, "Codes must be one of"), ("codes", "3", "Codes must be one of"),
    ("label", "10", "Class must be one of"), ("label", 3, "Class must be one of"),
    ("later", "x", "Class from halfway on must be one of"), ("later", None, "Class from"),
    ("seed", math.nan, "Seed must be from"), ("seed", 1.5, "Seed must be a whole number"),
    ("seed", 10**400, "Seed must be from"), ("seed", "1", "Seed must be a number"),
    ("steps", 25, "Steps must be one of"), ("steps", 10**9, "Steps must be from"),
    ("steps", None, "Steps must be a number"), ("steps", math.inf, "Steps must be from"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "sentence"), BAD, ids=lambda each: str(each)[:12])
def test_bad_walks_get_one_sentence(demo: gr.Blocks, name: str, value: Any, sentence: str):
    settings = list((GOOD | {name: value}).values())
    event, answer = call(str(demo.local_url), "gan_walk", json.dumps({"data": settings}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


def test_avatars_have_no_classes(demo: gr.Blocks):
    assert demo
    with pytest.raises(gr.Error, match="Class must be one of: any"):
        walk.check_class("3", AVATARS)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (None, "an x and a y"), ([0, 0], "an x and a y"), ({}, "x must be a number"),
        ({"x": math.nan, "y": 0}, "x must be from"), ({"x": 0, "y": 11.1}, "y must be from"),
        ({"x": 10**400, "y": 0}, "x must be from"), ({"x": 0, "y": True}, "y must be a number"),
    ],
)  # fmt: skip
def test_what_is_no_place_is_refused(place: Any, sentence: str):
    with pytest.raises(gr.Error, match=sentence):
        walk.read_place(place)


def test_places_near_each_other_are_told_apart(demo: gr.Blocks):
    assert demo
    z = torch.cat([place_of(0, x, 0.0) for x in (0.0, 0.2, 5.0)])
    assert len({image.tobytes() for image in drawn(DIGITS, z)}) == 3
