"""From gm_core's records to pictures, numbers and the player's payload. No model code."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.components.player import Draws, Series, Trajectory
from gm_core.frames import PixelFrame
from gm_core.metrics import bits_per_dimension

UNKNOWN_GREY = 154  # --gm-unknown of the light style sheet
GAP = 2  # pixels of an image between two images of a grid
GIF_FRAMES = 56
GIF_SECONDS = 5.0
GIF_HOLD_SECONDS = 2.0


def as_bytes(frame: PixelFrame) -> NDArray[np.uint8]:
    """Images in [0, 1] -> uint8 (B, H, W, C)."""
    images = (frame.images * 255).round().byte().permute(0, 2, 3, 1)
    return images.contiguous().numpy()


def pixel_trajectory(
    frame: PixelFrame,
    level_names: Sequence[str],
    symbol: str,
    temperature: float,
    *,
    autoplay: bool,
) -> Trajectory:
    """A finished image as the player shows it, pixel by pixel.

    symbol: what the log-likelihood is of, "x" or "x | 7".
    """
    odds = "the odds" if temperature == 1 else f"the odds at temperature {temperature:g}"
    channels, height, width = frame.levels.shape[1:]
    steps = channels * height * width
    nats = -frame.log_prob.flatten(1)  # (B, steps)
    edges = frame.probabilities.flatten(2).double().cumsum(1)[:, :-1]  # (B, levels - 1, steps)
    captions = [
        f"Image {index + 1}: −log p({symbol}) = {total:.1f} nats, "
        f"{bits_per_dimension(total, steps):.3f} bits/dim"
        for index, total in enumerate(nats.sum(1).tolist())
    ]
    return Trajectory(
        frames=as_bytes(frame)[None],
        steps=steps,
        order="raster",
        step_name="pixel",
        jump=width,
        jump_name="row",
        captions=tuple(captions),
        series=Series(f"−log p({symbol})", "nats", nats.float().numpy()),
        draws=Draws(
            title=odds,
            edges=edges.transpose(1, 2).clamp(0, 1).numpy(),
            noise=frame.noise.flatten(1).numpy(),
            chosen=frame.levels.flatten(1).byte().numpy(),
            names=tuple(level_names),
        ),
        autoplay=autoplay,
    )


def grid(images: NDArray[np.uint8], scale: int) -> Image.Image:
    """uint8 (B, H, W, C) -> one picture, nearly square, pixels enlarged with hard edges."""
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    canvas = np.full(
        (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, np.uint8
    )
    for index, image in enumerate(images):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        canvas[top : top + height, left : left + width] = image
    picture = Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def png(images: NDArray[np.uint8], scale: int) -> bytes:
    """A grid of images as PNG."""
    file = io.BytesIO()
    grid(images, scale).save(file, "PNG")
    return file.getvalue()


def raster_animation(images: NDArray[np.uint8], scale: int, format: str) -> bytes:
    """How the images were drawn, pixel by pixel, as "GIF" or "WEBP"; the end is held."""
    count, height, width, channels = images.shape
    pixels = images.reshape(count, height * width, channels)
    pictures = []
    for done in np.linspace(0, height * width, GIF_FRAMES).round().astype(int):
        shown = np.full_like(pixels, UNKNOWN_GREY)
        shown[:, :done] = pixels[:, :done]
        pictures.append(grid(shown.reshape(images.shape), scale))
    pace = round(1000 * GIF_SECONDS / GIF_FRAMES)
    durations = [pace] * (GIF_FRAMES - 1) + [round(1000 * GIF_HOLD_SECONDS)]
    file = io.BytesIO()
    pictures[0].save(
        file, format, save_all=True, append_images=pictures[1:], duration=durations, loop=0,
        **({"lossless": True} if format == "WEBP" else {}),
    )  # fmt: skip
    return file.getvalue()


def data_url(data: bytes, mime: str) -> str:
    """The content of a file as an address that holds it."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
