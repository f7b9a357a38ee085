"""From records to pictures and numbers."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from demo import render
from demo.components.player import Trajectory
from tests.gm_core.tiny import tiny_pixelcnn


@pytest.fixture
def frame():
    *_, frame = tiny_pixelcnn().sample(3, seed=0)
    return frame


def decode(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_payload_holds_what_was_drawn(frame):
    payload = render.pixel_trajectory(frame, ("black", "white"), "x", 1.0, autoplay=True).payload()
    pixels = decode(payload["frames"], "u1").reshape(3, 8, 9)
    assert np.array_equal(pixels, frame.levels[:, 0].numpy() * 255)
    assert (payload["steps"], payload["jump"], payload["order"]) == (72, 9, "raster")
    nats = decode(payload["series"]["values"], "<f4").reshape(3, 72)
    assert np.allclose(nats, -frame.log_prob.flatten(1).numpy())
    assert f"{nats[0].sum():.1f} nats" in payload["captions"][0]

    edges = decode(payload["draws"]["edges"], "<f4").reshape(3, 72)
    noise = decode(payload["draws"]["noise"], "<f4").reshape(3, 72)
    chosen = decode(payload["draws"]["chosen"], "u1").reshape(3, 72)
    sure = np.abs(edges - noise) > 1e-6
    assert sure.mean() > 0.99
    assert np.array_equal(chosen[sure], (noise >= edges)[sure])


def test_the_temperature_of_the_odds_is_said(frame):
    titles = [
        render.pixel_trajectory(frame, ("black", "white"), "x", t, autoplay=True).draws
        for t in (1.0, 0.3)
    ]
    assert [draws and draws.title for draws in titles] == [
        "the odds",
        "the odds at temperature 0.3",
    ]


def test_a_trajectory_must_have_its_frames():
    frames = np.zeros((5, 1, 2, 2, 1), np.uint8)
    good = {"order": "frames", "step_name": "epoch", "jump": 2, "jump_name": "2", "captions": ("",)}
    assert Trajectory(frames=frames, steps=4, **good).payload()["series"] is None
    with pytest.raises(ValueError, match="has 6 frames, not 5"):
        Trajectory(frames=frames, steps=5, **good).payload()


def test_a_png_is_the_images_enlarged_with_hard_edges(frame):
    picture = Image.open(io.BytesIO(render.png(render.as_bytes(frame), scale=4)))
    assert picture.size == (4 * (2 * 9 + 2), 4 * (2 * 8 + 2))
    pixels = np.asarray(picture)
    assert np.array_equal(pixels[: 4 * 8 : 4, : 4 * 9 : 4], frame.levels[0, 0].numpy() * 255)
    assert np.array_equal(pixels[: 4 * 8 : 4], pixels[3 : 4 * 8 : 4])


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_starts_grey_and_ends_finished(frame, kind):
    images = render.as_bytes(frame)[:1]
    movie: Any = Image.open(io.BytesIO(render.raster_animation(images, 3, kind)))
    assert movie.format == kind
    assert movie.n_frames >= 40
    first = np.asarray(movie.convert("L"))
    movie.seek(movie.n_frames - 1)
    final = np.asarray(movie.convert("L"))
    assert set(np.unique(first)) == {render.UNKNOWN_GREY}
    assert np.array_equal(final[::3, ::3], images[0, :, :, 0])


def test_colour_images_keep_their_channels():
    images = torch.randint(256, (2, 4, 4, 3), generator=torch.Generator().manual_seed(0))
    picture = Image.open(io.BytesIO(render.png(images.byte().numpy(), scale=1)))
    assert picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture)[:, :4], images[0].numpy())
