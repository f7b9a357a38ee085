"""The map of the codes, with a tiny network: what is decoded, told, sent, and refused."""

from __future__ import annotations

import base64
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

import gm_core
from demo.activities import ModelTab
from demo.latent import plane
from gm_core import checkpoints, data
from gm_core.latent import encode
from gm_core.metrics import as_pictures
from tests.demo.test_api import call
from tests.gm_core.tiny import tiny

H = W = 28


def save_plane(folder: Path) -> None:
    """A tiny VAE of two dimensions whose codes spread like the prior's, and whose pictures differ
    from place to place: as initialised, all would be nearly the same."""
    model = tiny("vae", height=H, width=W, latent=2)
    with torch.no_grad():
        for layer in (0, 2, 4):
            model.decoder[layer].weight *= 2
        mean, _ = model.encode(data.load("mnist", "sample").images / 255)
        last = model.encoder[-1]
        last.weight[:2] *= 1.3 / mean.std(dim=0)[:, None]
        last.bias[:2] = (last.bias[:2] - mean.mean(dim=0)) * 1.3 / mean.std(dim=0)
    checkpoints.save(
        folder / plane.MODEL, model, family="vae", dataset="mnist", training={"seed": 0}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_plane(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    assert folder.exists()
    with gr.Blocks() as demo:
        plane.build(ModelTab("vae", (plane.MODEL,)))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


@pytest.fixture(scope="module")
def surveyed(folder: Path):
    assert folder.exists()
    return plane.survey()


def by_library(x: float, y: float) -> np.ndarray:
    """What a place is decoded to: (28, 28)."""
    image = gm_core.load(plane.MODEL).decode(torch.tensor([[x, y]], dtype=torch.float32))
    return (255 * image[0, 0]).round().byte().numpy()


def test_the_action_is_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    endpoints = api["named_endpoints"]
    assert set(endpoints) == {"/vae_point"}
    parameters = endpoints["/vae_point"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["x", "y"]
    assert [p["type"]["type"] for p in parameters] == ["number", "number"]


@pytest.mark.parametrize("place", [(0, 0), (1.25, -0.5), (-6, 6)])
def test_a_place_is_decoded_as_the_library_does(client: Client, place: tuple[float, float]):
    picture, told = client.predict(*place, api_name="/vae_point")
    assert (picture["height"], picture["width"], picture["channels"]) == (H, W, 1)
    sent = np.frombuffer(base64.b64decode(picture["pixels"]), "u1").reshape(H, W)
    assert np.array_equal(sent, by_library(*place))
    normal = torch.distributions.Normal(0.0, 1.0)
    nats = float(normal.log_prob(torch.tensor(place)).sum())
    said = f"z = ({place[0]:.2f}, {place[1]:.2f}), log p(z) = {nats:.2f} nats."
    assert told.startswith(said.replace("-", "−"))


@pytest.mark.usefixtures("folder")
def test_places_differ():
    assert len({by_library(*place).tobytes() for place in [(0, 0), (0, 0.3), (0.3, 0)]}) == 3


@pytest.mark.parametrize(
    ("radius", "words"),
    [
        (0.0, "The prior has its mass here: 86 % of it lies within 2σ."),
        (2.0, "The prior has its mass here: 86 %"),
        (2.5, "At the edge of the prior: only 4.4 % of it lies farther out."),
        (3.5, "Far out: almost no code lies here, 0.22 % of the prior lies farther out."),
        (6.0, "Far out: almost no code lies here, not one in a million lies farther out."),
    ],
)
def test_it_is_told_where_the_prior_has_its_mass(radius: float, words: str):
    assert words in plane.describe(0.6 * radius, -0.8 * radius)


def test_the_share_beyond_a_radius_is_that_of_samples():
    generator = torch.Generator().manual_seed(0)
    radius = torch.randn(100_000, 2, generator=generator).norm(dim=1)
    for at in (0.5, 1.0, 2.0):
        assert plane.beyond(at) == pytest.approx(float((radius > at).float().mean()), abs=0.005)


def test_every_tile_is_its_middle_decoded(surveyed: plane.LatentMap):
    across = int(2 * plane.REACH / 0.5)
    assert surveyed.tiles.shape == (across, across, H, W)
    for row, column in [(0, 0), (0, across - 1), (5, 17), (across - 1, 0)]:
        x, y = -6 + 0.5 * column + 0.25, 6 - 0.5 * row - 0.25
        wanted = by_library(x, y).astype(int)
        # Many codes at once are multiplied in another order.
        assert np.abs(surveyed.tiles[row, column].astype(int) - wanted).max() <= 1


def test_the_points_are_what_the_encoder_says(surveyed: plane.LatentMap):
    sample = data.load("mnist", "sample")
    model = gm_core.load(plane.MODEL)
    pictures = as_pictures(model, sample.images)
    record = next(encode(model, pictures))
    assert np.allclose(surveyed.mean, record.mean, atol=1e-5)
    assert np.allclose(surveyed.sigma, record.sigma, atol=1e-5)
    assert np.allclose(surveyed.kl, record.kl.sum(dim=1), atol=1e-4)
    assert np.array_equal(surveyed.labels, sample.labels)
    assert np.array_equal(surveyed.images, 255 * pictures[:, 0].byte())
    assert surveyed.class_names == tuple("0123456789")


def test_the_page_stays_small(surveyed: plane.LatentMap):
    assert len(json.dumps(surveyed.payload())) < 700_000


def test_the_numbers_are_those_of_the_points(surveyed: plane.LatentMap):
    told = plane.numbers(surveyed)
    within = np.hypot(*surveyed.mean.T) <= 2
    assert 0.05 < within.mean() < 0.95  # or the share would say nothing
    assert "<b>2,000</b> test images" in told
    assert f"<b>{100 * within.mean():.1f} %</b> of their means lie within 2σ" in told
    assert "of the prior itself: 86.5 %" in told
    assert f"Mean KL: <b>{surveyed.kl.mean():.2f} nats</b>" in told
    assert "ELBO" not in told  # these weights are not measured


def test_a_measured_checkpoint_tells_its_bound(surveyed: plane.LatentMap, folder: Path):
    figure = {"name": "negative ELBO, a bound on -log p(x)", "value": 143.219, "unit": "nats"}
    other = figure | {"name": "reconstruction, -E log p(x | z)", "value": 136.6}
    figures = [each | {"split": "test, 10,000 images"} for each in (figure, other)]
    metrics = folder / plane.MODEL / "metrics.json"
    weights = checkpoints.describe(plane.MODEL).weights
    metrics.write_text(json.dumps({"weights": weights, "figures": figures}))
    told = plane.numbers(surveyed)
    metrics.unlink()
    assert "−ELBO: <b>143.22 nats</b> an image (test, 10,000 images)." in told
    assert "136.6" not in told


RANGE = "x must be from -6.0 to 6.0."
NUMBER = "x must be a number from -6.0 to 6.0."
BAD = [
    (math.nan, RANGE), (math.inf, RANGE), (-math.inf, RANGE), (1e9, RANGE), (10**400, RANGE),
    (6.01, RANGE), (-7, RANGE), ("1", NUMBER), (None, NUMBER), (True, NUMBER), ([1], NUMBER),
    ({"x": 1}, NUMBER),
]  # fmt: skip


@pytest.mark.parametrize(("x", "sentence"), BAD, ids=lambda value: str(value)[:12])
def test_bad_places_get_one_sentence(url: str, x: Any, sentence: str):
    event, answer = call(url, "vae_point", json.dumps({"data": [x, 0]}))
    assert event == "error"
    assert json.loads(answer)["error"] == sentence
    with pytest.raises(gr.Error, match=sentence.replace("x", "y", 1)):
        plane.point(0, x)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (None, "The place must have an x and a y"), ("1, 2", "The place must have an x and a y"),
        ([0, 0], "The place must have an x and a y"), ({}, "x must be a number"),
        ({"x": 0, "y": 1e9}, "y must be from"), ({"x": 0, "y": None}, "y must be a number"),
    ],
)  # fmt: skip
def test_what_is_no_place_is_refused(place: Any, sentence: str):
    with pytest.raises(gr.Error, match=sentence):
        plane.follow(place)
