"""Whatever a student gives as a picture: right side up, right colours, or one sentence."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image, ImageOps

from demo import inputs

WIDTH, HEIGHT = 24, 16
TOLERANCE = 6  # levels: JPEG loses a little
ROTATION = 274  # EXIF's tag


def colours() -> Image.Image:
    """Four areas: red and green above, blue and white below."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:8, :12], pixels[:8, 12:] = (200, 30, 30), (30, 180, 60)
    pixels[8:, :12], pixels[8:, 12:] = (40, 60, 200), (255, 255, 255)
    return Image.fromarray(pixels)


def greys() -> np.ndarray:
    """Levels of 256, (H, W)."""
    return np.tile(np.linspace(0, 255, WIDTH).round().astype(np.uint8), (HEIGHT, 1))


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def grey_picture() -> Image.Image:
    return Image.fromarray(greys())


def seen_through(shown: Image.Image) -> Image.Image:
    """With a left half that is transparent."""
    alpha = Image.new("L", shown.size, 255)
    alpha.paste(0, (0, 0, WIDTH // 2, HEIGHT))
    shown = shown.copy()
    shown.putalpha(alpha)
    return shown


def on_white(shown: Image.Image) -> np.ndarray:
    pixels = np.array(shown.convert("RGB"))
    pixels[:, : WIDTH // 2] = 255
    return pixels


def turned(rotation: int, transpose: Image.Transpose) -> bytes:
    """A picture as a camera stores it that was held in another way."""
    exif = Image.Exif()
    exif[ROTATION] = rotation
    return saved(colours().transpose(transpose), "PNG", exif=exif)


def palette_with_transparency(format: str) -> bytes:
    shown = colours().quantize(4)
    index = shown.getpixel((0, 0))
    return saved(shown, format, transparency=index)


def without_red() -> np.ndarray:
    pixels = np.array(colours())
    pixels[:8, :12] = 255
    return pixels


def deep(levels: np.ndarray, mode: str) -> Image.Image:
    return Image.frombytes(mode, (WIDTH, HEIGHT), levels.tobytes())


SIZE, BEST, EXACT = (WIDTH, HEIGHT), {"quality": 100, "subsampling": 0}, {"lossless": True}
RGB, GREY = np.array(colours()), np.repeat(greys()[:, :, None], 3, axis=2)
SIXTEEN = greys().astype("<u2") * 257
WHITE, BLACK_AND_WHITE, NO_RED = np.full_like(RGB, 255), np.where(GREY > 127, 255, 0), without_red()
FIRST_OF_TWO = {"save_all": True, "append_images": [Image.new("RGB", (WIDTH, HEIGHT), "black")]}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
}  # fmt: skip
GOLDEN: dict[str, tuple[Callable[[], bytes], np.ndarray]] = {
    "RGB PNG": (lambda: saved(colours(), "PNG"), RGB),
    "RGB JPEG": (lambda: saved(colours(), "JPEG", **BEST), RGB),
    "RGB WebP": (lambda: saved(colours(), "WEBP", lossless=True), RGB),
    "RGB BMP": (lambda: saved(colours(), "BMP"), RGB),
    "RGB TIFF": (lambda: saved(colours(), "TIFF"), RGB),
    "CMYK JPEG": (lambda: saved(colours().convert("CMYK"), "JPEG", **BEST), RGB),
    "CMYK TIFF": (lambda: saved(colours().convert("CMYK"), "TIFF"), RGB),
    "LAB TIFF": (lambda: saved(Image.new("LAB", SIZE, (255, 128, 128)), "TIFF"), WHITE),
    "grey": (lambda: saved(Image.fromarray(greys()), "PNG"), GREY),
    "grey JPEG": (lambda: saved(Image.fromarray(greys()), "JPEG", quality=100), GREY),
    "black and white": (lambda: saved(Image.fromarray(greys() > 127), "PNG"), BLACK_AND_WHITE),
    "16 bits PNG": (lambda: saved(deep(SIXTEEN, "I;16"), "PNG"), GREY),
    "16 bits TIFF": (lambda: saved(deep(SIXTEEN, "I;16"), "TIFF"), GREY),
    "32 bits TIFF": (lambda: saved(deep(SIXTEEN.astype("<i4"), "I"), "TIFF"), GREY),
    "floats to 1": (lambda: saved(deep((greys() / 255).astype("<f4"), "F"), "TIFF"), GREY),
    "floats to 255": (lambda: saved(deep(greys().astype("<f4"), "F"), "TIFF"), GREY),
    "palette": (lambda: saved(colours().quantize(4), "PNG"), RGB),
    "palette PNG with transparency": (lambda: palette_with_transparency("PNG"), NO_RED),
    "palette GIF with transparency": (lambda: palette_with_transparency("GIF"), NO_RED),
    "transparent red": (lambda: saved(colours(), "PNG", transparency=(200, 30, 30)), NO_RED),
    "RGBA": (lambda: saved(seen_through(colours()), "PNG"), on_white(colours())),
    "RGBA WebP": (lambda: saved(seen_through(colours()), "WEBP", **EXACT), on_white(colours())),
    "LA": (lambda: saved(seen_through(grey_picture()), "PNG"), on_white(grey_picture())),
    "animated GIF": (lambda: saved(colours(), "GIF", **FIRST_OF_TWO), RGB),
    "animated WebP": (lambda: saved(colours(), "WEBP", **EXACT, **FIRST_OF_TWO), RGB),
    "animated PNG": (lambda: saved(colours(), "PNG", **FIRST_OF_TWO), RGB),
    "two pages TIFF": (lambda: saved(colours(), "TIFF", **FIRST_OF_TWO), RGB),
}  # fmt: skip
for way, turn in TURNS.items():
    GOLDEN[f"held in way {way}"] = (functools.partial(turned, way, turn), RGB)


@pytest.mark.parametrize("name", GOLDEN)
def test_pictures_of_every_kind_are_read(name: str):
    make, wanted = GOLDEN[name]
    image = inputs.picture(make())
    assert image.mode == "RGB"
    assert image.size == (WIDTH, HEIGHT)
    apart = np.abs(np.asarray(image).astype(int) - wanted)
    assert apart.max() <= TOLERANCE


def test_the_turns_are_the_camera_s():
    stored = Image.open(io.BytesIO(turned(6, Image.Transpose.ROTATE_90)))
    assert stored.size == (HEIGHT, WIDTH)
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(stored)), RGB)


def header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and holds nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + sum_

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


UNREADABLE = "^[\"']?The file can't be read as a picture"
TOO_LARGE = "The picture has more than 25 megapixels"
WHOLE = saved(colours(), "PNG")
BROKEN = {
    "empty": (b"", "The file is empty"),
    "text": (b"hello, I am a picture", UNREADABLE),
    "markup": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNREADABLE),
    "a script that draws": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UNREADABLE),
    "cut off": (WHOLE[:-30], UNREADABLE),
    "only its beginning": (WHOLE[:20], UNREADABLE),
    "a header alone": (header(9, 9), UNREADABLE),
    "damaged": (WHOLE[:45] + bytes(12) + WHOLE[57:], UNREADABLE),
    "a JPEG cut off": (saved(colours(), "JPEG")[:200], UNREADABLE),
    "a GIF cut off": (saved(colours(), "GIF")[:40], UNREADABLE),
    "no width": (header(0, 9), UNREADABLE),
    "25 megapixels and more": (header(5001, 5000), TOO_LARGE),
    "a hundred megapixels": (header(10_000, 10_000), TOO_LARGE),
    "a bomb": (header(30_000, 30_000), TOO_LARGE),
    "21 MB": (bytes(21_000_000), "The file has 21 MB, of 20 at most"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_picture_gets_one_sentence(name: str):
    data, sentence = BROKEN[name]
    with pytest.raises(gr.Error, match=sentence):
        inputs.picture(data)


def test_the_middle_is_cut_out():
    wide = Image.new("RGB", (300, 100), "white")
    wide.paste((200, 0, 0), (100, 0, 200, 100))
    pixels = inputs.square(wide, 64)
    assert pixels.shape == (64, 64, 3)
    assert (pixels == (200, 0, 0)).all()
    assert (
        inputs.square(Image.new("RGB", (1, 90), "blue"), 64).tolist() == [[[0, 0, 255]] * 64] * 64
    )
