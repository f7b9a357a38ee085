"""One validator a kind of input. What it refuses becomes one sentence for the person who asked.

Browsers keep to the sliders' ranges, but the same handlers are endpoints that anyone can call.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse
from numpy.typing import NDArray
from PIL import Image, ImageOps

LARGEST_SEED = 2**32 - 1
LARGEST_FILE = 20_000_000  # bytes
LARGEST_PICTURE = 25_000_000  # pixels: a small file can hold more than fits into memory
LARGEST_WEBP = 16_000_000  # whose decoder holds a picture several times
BAND = 1_000_000  # pixels that are converted at once
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


def detail(event: gr.EventData, name: str) -> Any:
    """What a page's event tells under a name: anything at all, or None if it tells nothing."""
    told = event._data  # asked for an attribute, an event would fail at what is no dictionary
    return told.get(name) if isinstance(told, dict) else None


def here(values: Any) -> None:
    """Refuse a file that lies elsewhere: Gradio would fetch it, whatever it is, from wherever."""
    traverse(values, _refuse_elsewhere, is_file_obj_with_meta)


def _refuse_elsewhere(file: dict[str, Any]) -> None:
    if is_http_url_like(file["path"]):
        raise refusal("Files are taken from your own device only: send the picture itself.")


def picture(data: bytes) -> Image.Image:
    """The picture of a file: upright, RGB, the first one of several."""
    if not data:
        raise refusal("The file is empty: choose a picture.")
    if len(data) > LARGEST_FILE:
        raise refusal(
            f"The file has {len(data) / 1e6:.0f} MB, of {LARGEST_FILE / 1e6:.0f} at most: choose "
            "a smaller one."
        )
    try:
        opened = Image.open(io.BytesIO(data), formats=FORMATS)  # reads no more than the header
        pixels = opened.width * opened.height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(LARGEST_PICTURE) from None
    except Exception:  # Pillow raises errors of many kinds
        raise _unreadable() from None
    largest = LARGEST_WEBP if opened.format == "WEBP" else LARGEST_PICTURE
    if pixels > largest:
        raise _too_large(largest)
    try:
        ImageOps.exif_transpose(opened, in_place=True)
        return _rgb(opened)
    except Exception:
        raise _unreadable() from None


def square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The middle of a picture, as large as it can be: (size, size, 3)."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    middle = image.crop((left, top, left + side, top + side))
    return np.asarray(middle.resize((size, size), Image.Resampling.LANCZOS))


def _too_large(largest: int) -> gr.Error:
    return refusal(
        f"The picture has more than {largest / 1e6:.0f} megapixels: choose a smaller one."
    )


def _unreadable() -> gr.Error:
    return refusal(
        "The file can't be read as a picture: choose a PNG, JPEG, WebP, GIF, BMP or TIFF."
    )


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode -> RGB; what is transparent is white, and grey levels keep their meaning."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    white = 65535
    if image.mode == "F":  # nothing says where such levels end
        highest = max(_levels(image.crop(band)).max() for band in _bands(image))
        white = next((end for end in (1, 255) if highest <= end), white)
    made = Image.new("RGB", image.size)
    for band in _bands(image):
        made.paste(_band_rgb(image.crop(band), white), band)
    return made


def _bands(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes that cover it: all of a large picture, in every form on the way, would fill memory."""
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _band_rgb(image: Image.Image, white: int) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):  # 16 bits or more
        grey = (255 * _levels(image) / white).round().clip(0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        paper = Image.new("RGBA", colours.size, "white")
        return Image.alpha_composite(paper, colours).convert("RGB")
    return image.convert("RGB")


def _levels(image: Image.Image) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(image, np.float64))
