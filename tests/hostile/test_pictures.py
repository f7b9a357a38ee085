"""Whatever a student gives as a picture: right side up, right colours, or one sentence."""

from __future__ import annotations

import functools
import io
import json
import random
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
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


def exif(rotation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ROTATION] = rotation
    return tags


def turned(rotation: int, transpose: Image.Transpose | None, format: str, **how: Any) -> bytes:
    """A picture as a camera stores it that was held in another way."""
    stored = colours() if transpose is None else colours().transpose(transpose)
    return saved(stored, format, exif=exif(rotation), **how)


def palette_with_transparency(format: str) -> bytes:
    shown = colours().quantize(4)
    index = shown.getpixel((0, 0))
    return saved(shown, format, transparency=index)


def without_red() -> np.ndarray:
    pixels = np.array(colours())
    pixels[:8, :12] = 255
    return pixels


def a_fifth() -> Image.Image:
    shown = colours()
    shown.putalpha(51)
    return shown


def partly_transparent_palette() -> bytes:
    """Every colour of the palette with an alpha of its own: red is not seen, all else is."""
    shown = colours().quantize(4)
    alphas = [255] * 4
    alphas[shown.getpixel((0, 0))] = 0  # pyright: ignore[reportArgumentType, reportCallIssue]
    return saved(shown, "PNG", transparency=bytes(alphas))


def chunk(name: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int, height: int, depth: int, kind: int, lines: bytes, *, interlaced: bool = False
) -> bytes:
    """A PNG by hand, of what Pillow reads and doesn't write."""
    size = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    parts = (b"IHDR", size), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def unfiltered(pixels: np.ndarray) -> bytes:
    """Lines of a PNG: none is told by the one before."""
    return b"".join(b"\0" + line.tobytes() for line in pixels if line.size)


def interlaced(pixels: np.ndarray) -> bytes:
    """Adam7: seven pictures, each finer than the one before."""
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
    passes = [pixels[top::down, left::right] for top, left, down, right in (*starts, (1, 0, 2, 1))]
    return png(*SIZE, 8, 2, b"".join(map(unfiltered, passes)), interlaced=True)


def deep(levels: np.ndarray, mode: str) -> Image.Image:
    return Image.frombytes(mode, (WIDTH, HEIGHT), levels.tobytes())


SIZE, BEST, EXACT = (WIDTH, HEIGHT), {"quality": 100, "subsampling": 0}, {"lossless": True}
RGB, GREY = np.array(colours()), np.repeat(greys()[:, :, None], 3, axis=2)
SIXTEEN = greys().astype("<u2") * 257
DEEP_ALPHA = np.stack([greys().astype(">u2") * 257, np.full((HEIGHT, WIDTH), 65535, ">u2")], -1)
DEEP_ALPHA[:, : WIDTH // 2, 1] = 0
WHITE, BLACK_AND_WHITE, NO_RED = np.full_like(RGB, 255), np.where(GREY > 127, 255, 0), without_red()
FIRST_OF_TWO = {"save_all": True, "append_images": [Image.new("RGB", (WIDTH, HEIGHT), "black")]}
TURNS: dict[int, Image.Transpose | None] = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
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
    "progressive JPEG": (lambda: saved(colours(), "JPEG", progressive=True, **BEST), RGB),
    "grey, progressive": (lambda: saved(grey_picture(), "JPEG", progressive=True, **BEST), GREY),
    "grey WebP": (lambda: saved(grey_picture(), "WEBP", **EXACT), GREY),
    "grey TIFF": (lambda: saved(grey_picture(), "TIFF"), GREY),
    "grey BMP": (lambda: saved(grey_picture(), "BMP"), GREY),
    "grey GIF": (lambda: saved(grey_picture(), "GIF"), GREY),
    "GIF without interlacing": (lambda: saved(grey_picture(), "GIF", interlace=0), GREY),
    "interlaced PNG": (lambda: interlaced(RGB), RGB),
    "16 bits a colour": (lambda: png(*SIZE, 16, 2, unfiltered(RGB.astype(">u2") * 257)), RGB),
    "16 bits and alpha": (
        lambda: png(*SIZE, 16, 4, unfiltered(DEEP_ALPHA)), on_white(grey_picture())
    ),
    "16 bits TIFF of a Mac": (lambda: saved(deep(SIXTEEN.astype(">u2"), "I;16B"), "TIFF"), GREY),
    "1 bit TIFF": (lambda: saved(Image.fromarray(greys() > 127), "TIFF"), BLACK_AND_WHITE),
    "1 bit BMP": (lambda: saved(Image.fromarray(greys() > 127), "BMP"), BLACK_AND_WHITE),
    "1 bit GIF": (lambda: saved(Image.fromarray(greys() > 127), "GIF"), BLACK_AND_WHITE),
    "palette BMP": (lambda: saved(colours().quantize(4), "BMP"), RGB),
    "palette GIF": (lambda: saved(colours().quantize(4), "GIF"), RGB),
    "palette TIFF": (lambda: saved(colours().quantize(4), "TIFF"), RGB),
    "palette of alphas": (partly_transparent_palette, NO_RED),
    "black seen through": (
        lambda: saved(grey_picture(), "PNG", transparency=0), np.where(GREY == 0, 255, GREY)
    ),
    "RGBA TIFF": (lambda: saved(seen_through(colours()), "TIFF"), on_white(colours())),
    "LA TIFF": (lambda: saved(seen_through(grey_picture()), "TIFF"), on_white(grey_picture())),
    "a fifth": (lambda: saved(a_fifth(), "PNG"), (255 - (255 - RGB.astype(int)) / 5).round()),
    "JPEG in TIFF": (lambda: saved(grey_picture(), "TIFF", compression="jpeg", quality=100), GREY),
    "packed TIFF": (lambda: saved(colours(), "TIFF", compression="packbits"), RGB),
    "LZW TIFF": (lambda: saved(colours(), "TIFF", compression="tiff_lzw"), RGB),
    "deflated CMYK TIFF": (
        lambda: saved(colours().convert("CMYK"), "TIFF", compression="tiff_adobe_deflate"), RGB
    ),
    "a pixel": (lambda: saved(Image.new("RGB", (1, 1), "blue"), "PNG"), np.array([[[0, 0, 255]]])),
    "a pixel GIF": (lambda: saved(Image.new("1", (1, 1), 1), "GIF"), np.full((1, 1, 3), 255)),
    "very wide": (lambda: saved(Image.new("L", (60_000, 1), 9), "PNG"), np.full((1, 60_000, 3), 9)),
    "very tall, with alpha": (
        lambda: saved(Image.new("LA", (1, 60_000), (9, 0)), "PNG"), np.full((60_000, 1, 3), 255)
    ),
}  # fmt: skip
for way, turn in TURNS.items():
    GOLDEN[f"held in way {way}"] = (functools.partial(turned, way, turn, "PNG"), RGB)
    GOLDEN[f"JPEG held in way {way}"] = (functools.partial(turned, way, turn, "JPEG", **BEST), RGB)
GOLDEN["WebP held in way 6"] = (functools.partial(turned, 6, TURNS[6], "WEBP", **EXACT), RGB)
GOLDEN["TIFF held in way 8"] = (functools.partial(turned, 8, TURNS[8], "TIFF"), RGB)


@pytest.mark.parametrize("name", GOLDEN)
def test_pictures_of_every_kind_are_read(name: str):
    make, wanted = GOLDEN[name]
    image = inputs.picture(make())
    assert image.mode == "RGB"
    assert (image.height, image.width, 3) == wanted.shape
    apart = np.abs(np.asarray(image).astype(int) - wanted)
    assert apart.max() <= TOLERANCE


def test_the_turns_are_the_camera_s():
    stored = Image.open(io.BytesIO(turned(6, Image.Transpose.ROTATE_90, "PNG")))
    assert stored.size == (HEIGHT, WIDTH)
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(stored)), RGB)


def header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and holds nothing."""
    return png(width, height, 8, 2, b"")


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
    "a large WebP": (saved(Image.new("L", (4001, 4000)), "WEBP"), "has more than 16 megapixels"),
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


SOURCES = [
    make() for name, (make, _) in GOLDEN.items() if "wide" not in name and "tall" not in name
]


def damaged(dice: random.Random) -> bytes:
    """A picture of which bytes are others, or gone, or of another picture."""
    data = bytearray(dice.choice(SOURCES))
    for _ in range(dice.randint(1, 2)):
        at = dice.randrange(max(1, len(data)))
        match dice.choice(("flip", "flip", "flip", "cut", "splice", "twice")):
            case "flip":
                for place in (dice.randrange(max(1, len(data))) for _ in range(dice.randint(1, 4))):
                    data[place : place + 1] = bytes([dice.randrange(256)])
            case "cut":
                del data[at : at + dice.choice((1, 4, len(data)))]
            case "splice":
                other = dice.choice(SOURCES)
                data[at:] = other[dice.randrange(len(other)) :]
            case "twice":
                data[at:at] = data[: dice.randrange(200)]
    return bytes(data)


@pytest.mark.filterwarnings("ignore")  # Pillow's, which the server only logs
def test_a_thousand_damaged_files_give_a_picture_or_a_sentence():
    dice, sentences, pictures = random.Random(8), [], 0
    for _ in range(1000):
        data = damaged(dice)
        try:
            image = inputs.picture(data)
        except gr.Error as error:
            sentences.append(error.message)
            continue
        pictures += 1
        told = Image.open(io.BytesIO(data)).size
        assert image.mode == "RGB"
        assert image.size in (told, told[::-1])
    assert all(re.fullmatch(r"The (file|picture) .{20,100}\.", each) for each in sentences)
    assert pictures > 150
    assert len(sentences) > 150


# Peak memory in a process of its own: above what it held before, in MB.
MEASURE = """
import json, sys
from pathlib import Path
import gradio as gr
from demo import inputs

def held(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1000

inputs.picture(Path(sys.argv[1]).read_bytes())
data = [Path(name).read_bytes() for name in sys.argv[2:]]
found = []
for each in data:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = held("VmRSS:")
    try:
        size = inputs.picture(each).size
    except gr.Error:
        size = None
    found.append((size, held("VmHWM:") - before))
print(json.dumps(found))
"""
LARGE, WEBP = (5000, 5000), (4000, 4000)


def test_the_largest_pictures_take_little_memory(tmp_path: Path):
    large: dict[str, Callable[[], bytes]] = {
        "bomb": lambda: header(30_000, 30_000),
        "RGBA": lambda: saved(Image.new("RGBA", LARGE, (9, 9, 9, 99)), "PNG", compress_level=1),
        "16 bits": lambda: saved(Image.new("I;16", LARGE, 999), "PNG", compress_level=1),
        "CMYK": lambda: saved(Image.new("CMYK", LARGE, "red"), "JPEG", progressive=True),
        "turned": lambda: saved(Image.new("RGB", LARGE), "JPEG", exif=exif(6)),
        "WebP": lambda: saved(Image.new("RGBA", WEBP, (9, 9, 9, 99)), "WEBP", **EXACT, method=0),
    }  # fmt: skip
    paths = [tmp_path / "small", *(tmp_path / name for name in large)]
    for path, make in zip(paths, (lambda: WHOLE, *large.values()), strict=True):
        path.write_bytes(make())
    process = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, paths)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = dict(zip(large, json.loads(process.stdout), strict=True))
    assert found.pop("bomb")[0] is None
    for name, (size, megabytes) in found.items():
        assert size == (list(WEBP if name == "WebP" else LARGE))
        assert megabytes <= 300, (name, megabytes)
