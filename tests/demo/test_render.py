"""From records to pictures and numbers."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from demo import render
from demo.components.player import Jump, Trajectory
from gm_core.frames import PixelFrame
from tests.gm_core.tiny import tiny


@pytest.fixture
def frame():
    *_, frame = tiny("pixelcnn").sample(3, seed=0)
    return frame


def random_frame(
    count: int, channels: int, height: int, width: int, levels: int, seed: int = 0
) -> PixelFrame:
    """A finished frame of a model that has learnt nothing, for sizes that no small model has."""
    generator = torch.Generator().manual_seed(seed)
    size = (count, channels, height, width)
    logits = 2 * torch.randn((count, levels, *size[1:]), generator=generator, dtype=torch.float64)
    noise = torch.rand(size, generator=generator, dtype=torch.float64)
    probabilities = logits.softmax(dim=1)
    drawn = (probabilities.cumsum(dim=1)[:, :-1] <= noise[:, None]).sum(dim=1)
    return PixelFrame(
        images=drawn / (levels - 1),
        step=channels * height * width,
        total=channels * height * width,
        note="",
        levels=drawn,
        probabilities=probabilities.float(),
        log_prob=logits.log_softmax(dim=1).gather(1, drawn[:, None])[:, 0],
        noise=noise,
    )


def payload_of(frame: PixelFrame, **settings: Any) -> dict[str, Any]:
    return render.pixel_trajectory(frame, None, "x", 1.0, autoplay=False, **settings).payload()


def decode(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_payload_holds_what_was_drawn(frame):
    payload = render.pixel_trajectory(frame, ("black", "white"), "x", 1.0, autoplay=True).payload()
    pixels = decode(payload["frames"], "u1").reshape(3, 8, 9)
    assert np.array_equal(pixels, frame.levels[:, 0].numpy() * 255)
    assert (payload["steps"], payload["stepName"], payload["order"]) == (72, "pixel", "raster")
    assert payload["jumps"] == [{"steps": 9, "name": "row"}]
    nats = decode(payload["series"]["values"], "<f4").reshape(3, 72)
    assert np.allclose(nats, -frame.log_prob.flatten(1).numpy())
    assert f"{nats[0].sum():.1f} nats" in payload["captions"][0]

    edges = decode(payload["draws"]["edges"], "<f4").reshape(3, 72)
    noise = decode(payload["draws"]["noise"], "<f4").reshape(3, 72)
    chosen = frame.levels.flatten(1).numpy()
    assert (payload["draws"]["levels"], payload["draws"]["names"]) == (2, ["black", "white"])
    assert payload["draws"]["bounds"] is None
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
    jumps = (Jump(2, "2 epochs"),)
    good = {"order": "frames", "step_name": "epoch", "jumps": jumps, "captions": ("",)}
    assert Trajectory(frames=frames, steps=4, **good).payload()["series"] is None
    with pytest.raises(ValueError, match="has 6 frames, not 5"):
        Trajectory(frames=frames, steps=5, **good).payload()


def test_colour_is_drawn_pixel_by_pixel_and_channel_by_channel():
    frame = random_frame(2, channels=3, height=4, width=5, levels=8)
    payload = payload_of(frame)
    assert (payload["steps"], payload["stepName"], payload["channels"]) == (60, "channel", 3)
    assert payload["jumps"] == [{"steps": 3, "name": "pixel"}, {"steps": 15, "name": "row"}]
    shown = decode(payload["frames"], "u1").reshape(2, 60)
    nats = decode(payload["series"]["values"], "<f4").reshape(2, 60)
    noise = decode(payload["draws"]["noise"], "<f4").reshape(2, 60)
    edges = decode(payload["draws"]["edges"], "<f4").reshape(2, 60, 7)
    for image, channel, row, column in np.ndindex(2, 3, 4, 5):
        at = (image, channel, row, column)
        step = (row * 5 + column) * 3 + channel
        assert shown[image, step] == round(255 * int(frame.levels[at]) / 7)
        assert nats[image, step] == pytest.approx(-float(frame.log_prob[at]))
        assert noise[image, step] == pytest.approx(float(frame.noise[at]))
        shares = frame.probabilities[image, :, channel, row, column].numpy()
        assert np.allclose(edges[image, step], shares.cumsum()[:-1], atol=1e-6)


@pytest.mark.parametrize(("channels", "levels"), [(1, 256), (3, 64)])
def test_many_levels_share_bars_but_the_drawn_one_is_exact(channels: int, levels: int):
    frame = random_frame(2, channels, 4, 5, levels)
    draws = payload_of(frame)["draws"]
    assert (draws["levels"], draws["bars"], draws["names"]) == (levels, 32, None)
    steps = 20 * channels

    def in_order(values: torch.Tensor) -> np.ndarray:
        return values.movedim(-3, -1).reshape(*values.shape[:-3], steps).numpy()

    shares = in_order(frame.probabilities)  # (2, levels, steps)
    edges = decode(draws["edges"], "<u2").reshape(2, steps, 31) / 65535
    bars = np.diff(edges, prepend=0, append=1).transpose(0, 2, 1)
    assert np.abs(bars - shares.reshape(2, 32, -1, steps).sum(2)).max() < 2 / 65535

    low, high = np.moveaxis(decode(draws["bounds"], "<f4").reshape(2, steps, 2), 2, 0)
    chosen = in_order(frame.levels)
    drawn = np.take_along_axis(shares, chosen[:, None], 1)[:, 0]
    assert np.allclose(high - low, drawn, atol=2e-7)
    noise = in_order(frame.noise)
    assert ((low - 1e-6 < noise) & (noise < high + 1e-6)).all()
    shown = decode(payload_of(frame)["frames"], "u1").reshape(2, steps)
    assert np.array_equal(np.round(shown / 255 * (levels - 1)), chosen)  # as the browser does


def test_levels_that_cannot_share_bars_are_refused():
    with pytest.raises(ValueError, match="48 levels cannot be drawn as 32 bars"):
        payload_of(random_frame(1, 1, 2, 2, levels=48))


def test_a_payload_of_256_levels_is_small():
    payload = payload_of(random_frame(16, 1, 28, 28, levels=256))
    assert len(json.dumps(payload)) < 1_600_000


def test_names_and_marks_arrive():
    frame = random_frame(2, 1, 3, 4, levels=2)
    marks = np.random.default_rng(0).random((2, 3, 4)) < 0.5
    payload = payload_of(frame, names=("untouched", "changed"), marks=marks)
    assert payload["names"] == ["untouched", "changed"]
    assert [caption.split(":")[0] for caption in payload["captions"]] == ["Untouched", "Changed"]
    assert np.array_equal(decode(payload["marks"], "u1").reshape(2, 3, 4), marks)
    plain = payload_of(frame)
    assert (plain["names"], plain["marks"], plain["start"], plain["chosen"]) == (
        None,
        None,
        0,
        None,
    )
    resumed = payload_of(frame, start=7, chosen=1)
    assert (resumed["start"], resumed["chosen"]) == (7, 1)
    assert plain["captions"][1].startswith("Image 2:")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"marks": np.zeros((2, 4, 3), np.bool_)}, r"shape \(2, 3, 4\), not \(2, 4, 3\)"),
        ({"names": ("one",)}, "2 images need 2 names, not 1"),
        ({"jumps": ()}, "one or two jumps, not 0"),
        ({"steps": 11}, "3x4x1 have 12 steps, not 11"),
    ],
)
def test_what_does_not_fit_the_images_is_refused(wrong: dict[str, Any], sentence: str):
    good = render.pixel_trajectory(random_frame(2, 1, 3, 4, 2), None, "x", 1.0, autoplay=False)
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(good, **wrong).payload()


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


@pytest.mark.parametrize(
    ("count", "size", "scale"), [(1, 16, 28), (4, 16, 13), (1, 28, 16), (64, 28, 2)]
)
def test_exports_of_small_images_are_enlarged_to_a_good_size(count: int, size: int, scale: int):
    assert render.export_scale(np.zeros((count, size, size, 3), np.uint8)) == scale


def test_an_animation_in_colour_draws_whole_pixels():
    images = render.as_bytes(random_frame(1, channels=3, height=16, width=16, levels=256))
    scale = render.export_scale(images)
    movie: Any = Image.open(io.BytesIO(render.raster_animation(images, scale, "WEBP")))
    assert movie.size == (16 * scale, 16 * scale)
    movie.seek(movie.n_frames // 2)
    halfway = np.asarray(movie.convert("RGB"))[::scale, ::scale].reshape(-1, 3)
    pixels = images[0].reshape(-1, 3)
    is_drawn = (halfway == pixels).all(axis=1)
    done = int(is_drawn.sum())
    assert 100 < done < 160
    assert is_drawn[:done].all()
    assert (halfway[done:] == render.UNKNOWN_GREY).all()
    movie.seek(movie.n_frames - 1)
    assert np.array_equal(np.asarray(movie.convert("RGB"))[::scale, ::scale], images[0])
