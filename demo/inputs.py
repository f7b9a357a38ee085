"""One validator a kind of input. What it refuses becomes one sentence for the person who asked.

Browsers keep to the sliders' ranges, but the same handlers are endpoints that anyone can call.
"""

from __future__ import annotations

import io
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

LARGEST_SEED = 2**32 - 1
LARGEST_FILE = 20_000_000  # bytes
LARGEST_PICTURE = 25_000_000  # pixels: a small file can hold more than fits into memory
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")  # some others start programs of their own


def refusal(sentence: str) -> gr.Error:
    """An error for the person, not for the server's log."""
    return gr.Error(sentence, print_exception=False)


def number(value: Any, name: str, low: float, high: float) -> float:
    """A finite number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal(f"{name} must be a number from {low} to {high}.")
    # The order matters: an integer may be too large to become a float, and NaN compares false.
    if not low <= value <= high:
        raise refusal(f"{name} must be from {low} to {high}.")
    return float(value)


def whole(value: Any, name: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`; 3.0 counts as 3."""
    checked = number(value, name, low, high)
    if not checked.is_integer():
        raise refusal(f"{name} must be a whole number from {low} to {high}.")
    return int(checked)


def seed(value: Any) -> int:
    return whole(value, "Seed", 0, LARGEST_SEED)


def choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """One of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise refusal(f"{name} must be one of: {', '.join(choices)}.")
    return value


def flag(value: Any, name: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refusal(f"{name} must be true or false.")
    return value


def picture(data: bytes) -> Image.Image:
    """The picture of a file: upright, RGB, the first one of several."""
    if not data:
        raise refusal("The file is empty: choose a picture.")
    if len(data) > LARGEST_FILE:
        raise refusal(
            f"The file has {len(data) / 1e6:.0f} MB, of {LARGEST_FILE / 1e6:.0f} at most: choose "
            "a smaller one."
        )
    too_large = refusal(
        f"The picture has more than {LARGEST_PICTURE / 1e6:.0f} megapixels: choose a smaller one."
    )
    try:
        opened = Image.open(io.BytesIO(data), formats=FORMATS)  # reads no more than the header
        pixels = opened.width * opened.height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_large from None
    except Exception:  # Pillow raises errors of many kinds
        raise _unreadable() from None
    if pixels > LARGEST_PICTURE:
        raise too_large
    try:
        return _rgb(ImageOps.exif_transpose(opened))
    except Exception:
        raise _unreadable() from None


def square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The middle of a picture, as large as it can be: (size, size, 3)."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    middle = image.crop((left, top, left + side, top + side))
    return np.asarray(middle.resize((size, size), Image.Resampling.LANCZOS))


def _unreadable() -> gr.Error:
    return refusal(
        "The file can't be read as a picture: choose a PNG, JPEG, WebP, GIF, BMP or TIFF."
    )


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode -> RGB; what is transparent is white, and grey levels keep their meaning."""
    if image.mode == "F" or image.mode.startswith("I"):  # 16 bits or more
        levels = np.nan_to_num(np.asarray(image, np.float64))
        white = 65535
        if image.mode == "F":  # nothing says where such levels end
            white = next((end for end in (1, 255) if levels.max() <= end), white)
        grey = (255 * levels / white).round().clip(0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        paper = Image.new("RGBA", colours.size, "white")
        return Image.alpha_composite(paper, colours).convert("RGB")
    return image.convert("RGB")
