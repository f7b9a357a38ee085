"""From gm_core's records to pictures, numbers and the player's payload. No model code."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from demo.components.player import MOST_BARS, Draws, Jump, Series, Trajectory
from gm_core.frames import PixelFrame
from gm_core.metrics import bits_per_dimension

UNKNOWN_GREY = 154  # --gm-unknown of the light style sheet
GAP = 2  # pixels of an image between two images of a grid
LABEL_HEIGHT = 28  # screen pixels under an exported picture
EXPORT_SIZE = 448  # screen pixels: about how large an exported picture is
GIF_FRAMES = 56
GIF_SECONDS = 5.0
GIF_HOLD_SECONDS = 2.0


def as_bytes(frame: PixelFrame) -> NDArray[np.uint8]:
    """Images in [0, 1] -> uint8 (B, H, W, C)."""
    images = (frame.images * 255).round().byte().permute(0, 2, 3, 1)
    return images.contiguous().numpy()


def pixel_trajectory(
    frame: PixelFrame,
    level_names: Sequence[str] | None,
    symbol: str,
    temperature: float,
    *,
    autoplay: bool,
    names: Sequence[str] | None = None,
    marks: NDArray[np.bool_] | None = None,
    start: int = 0,
    chosen: int | None = None,
) -> Trajectory:
    """A finished image as the player shows it, pixel by pixel, in colour channel by channel.

    level_names: None where the levels have only numbers. symbol: what the log-likelihood is of, "x"
    or "x | 7". names: one an image. marks: (images, H, W), the pixels to outline. start, chosen:
    the step and the image that the player begins with.
    """
    odds = "the odds" if temperature == 1 else f"the odds at temperature {temperature:g}"
    channels, height, width = frame.levels.shape[1:]
    steps = channels * height * width
    nats = -in_steps(frame.log_prob)  # (B, steps)
    titles = names or [f"Image {index + 1}" for index in range(len(nats))]
    captions = [
        f"{title[:1].upper()}{title[1:]}: −log p({symbol}) = {total:.1f} nats, "
        f"{bits_per_dimension(total, steps):.3f} bits/dim"
        for title, total in zip(titles, nats.sum(1).tolist(), strict=True)
    ]
    row = Jump(width * channels, "row")
    return Trajectory(
        frames=as_bytes(frame)[None],
        steps=steps,
        order="raster",
        step_name="pixel" if channels == 1 else "channel",
        jumps=(row,) if channels == 1 else (Jump(channels, "pixel"), row),
        captions=tuple(captions),
        names=tuple(names) if names else None,
        marks=marks,
        series=Series(f"−log p({symbol})", "nats", nats.float().numpy()),
        draws=pixel_draws(frame, level_names, odds),
        autoplay=autoplay,
        start=start,
        chosen=chosen,
    )


def in_steps(values: Tensor) -> Tensor:
    """(..., C, H, W) -> (..., steps), in the order of drawing: the channel changes fastest."""
    return values.movedim(-3, -1).flatten(-3)


def pixel_draws(frame: PixelFrame, level_names: Sequence[str] | None, title: str) -> Draws:
    """What each step drew from, with no more bars than the player shows."""
    levels = frame.probabilities.shape[1]
    shares = in_steps(frame.probabilities).double()  # (B, levels, steps)
    edges = F.pad(shares.cumsum(1), (0, 0, 1, 0)).clamp(0, 1)  # (B, levels + 1, steps)
    edges[:, -1] = 1  # as the sampler has it: the last level takes what the rounding leaves
    bounds = None
    if levels > MOST_BARS:
        chosen = in_steps(frame.levels)[:, None]  # (B, 1, steps)
        ends = torch.cat([chosen, chosen + 1], dim=1)
        bounds = edges.gather(1, ends).transpose(1, 2).numpy()  # (B, steps, 2)
    group = max(1, levels // MOST_BARS)  # levels a bar
    return Draws(
        title=title,
        levels=levels,
        names=tuple(level_names) if level_names else None,
        noise=in_steps(frame.noise).numpy(),
        edges=edges[:, group:levels:group].transpose(1, 2).numpy(),
        bounds=bounds,
    )


def export_scale(images: NDArray[np.uint8]) -> int:
    """How much to enlarge a grid of these images, so that it is a good size to look at."""
    count, height, width, _ = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    longest = max(rows * (height + GAP), columns * (width + GAP)) - GAP
    return max(2, round(EXPORT_SIZE / longest))


def grid(images: NDArray[np.uint8], scale: int, columns: int | None = None) -> Image.Image:
    """uint8 (B, H, W, C) -> one picture, by default nearly square, pixels enlarged with hard
    edges."""
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
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
    return animation(pictures, format)


def path_animation(
    frames: NDArray[np.uint8], names: Sequence[str], scale: int, format: str
) -> bytes:
    """Paths (steps, paths, H, W, C) played side by side, each over its name, as "GIF" or "WEBP"."""
    return animation([named(grid(images, scale, len(names)), names) for images in frames], format)


def path_strips(strips: Sequence[NDArray[np.uint8]], names: Sequence[str], scale: int) -> bytes:
    """A row of pictures (B, H, W, C) a path, each over its name, as PNG."""
    rows = [
        named(grid(images, scale, len(images)), [name])
        for images, name in zip(strips, names, strict=True)
    ]
    sheet = Image.new(rows[0].mode, (rows[0].width, sum(row.height for row in rows)))
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def named(picture: Image.Image, names: Sequence[str]) -> Image.Image:
    """A picture with names under it, evenly spaced."""
    sheet = Image.new(picture.mode, (picture.width, picture.height + LABEL_HEIGHT), "white")
    sheet.paste(picture)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(LABEL_HEIGHT * 0.6)
    for index, name in enumerate(names):
        middle = picture.width * (2 * index + 1) / (2 * len(names))
        pen.text((middle, picture.height + LABEL_HEIGHT / 2), name, "black", font, anchor="mm")
    return sheet


def animation(pictures: Sequence[Image.Image], format: str) -> bytes:
    """Pictures one after the other, as "GIF" or "WEBP"; the end is held."""
    pace = round(1000 * GIF_SECONDS / len(pictures))
    durations = [pace] * (len(pictures) - 1) + [round(1000 * GIF_HOLD_SECONDS)]
    file = io.BytesIO()
    pictures[0].save(
        file, format, save_all=True, append_images=pictures[1:], duration=durations, loop=0,
        **({"lossless": True} if format == "WEBP" else {}),
    )  # fmt: skip
    return file.getvalue()


def data_url(data: bytes, mime: str) -> str:
    """The content of a file as an address that holds it."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
