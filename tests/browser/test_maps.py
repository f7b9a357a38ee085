"""Pixel maps, by hand: what is asserted are the pixels of their canvases and what is read out."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import FloatRect, Locator, Page, expect

from demo.components.maps import Heat, Maps, Picture, maps
from tests.browser.conftest import PHONE, app_blocks, serve

H, W = 6, 8
REAL, REAL_DARK = (0x00, 0x72, 0xB2), (0x56, 0xB4, 0xE9)
GENERATED, STUDENT = (0xE6, 0x9F, 0x00), (0x00, 0x9E, 0x73)
UNKNOWN, UNKNOWN_DARK = (0x9A,) * 3, (0x6F,) * 3
WHITE = (255, 255, 255)

RAMP = np.linspace(0, 1, H * W, dtype=np.float32).reshape(H, W)
# A field with a convex and a concave corner, and a hole beside it.
FIELD = np.array(
    [
        [0, 1, 1, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ],
    bool,
)
GRADIENT = np.zeros((H, W), np.float32)
GRADIENT[0, 1:6] = [1e-4, 1e-3, 1e-2, 1e-1, 1]
GRADIENT[1, 2] = 0.00312
GRADIENT[4, 4] = 0.5  # where nothing can be: a mask that is broken
PIXELS = np.arange(H * W, dtype=np.uint8).reshape(H, W, 1) * 5
COLOURS = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
LATE = np.arange(H * W).reshape(H, W) >= 20


def first_maps(cursor: tuple[int, int] | None = None, ramp: np.ndarray = RAMP) -> dict[str, Any]:
    heat = Heat("Surprise", ramp, "bits", "how unlikely", low=0, high=1)
    gradient = Heat(
        "Gradient", GRADIENT, "", low=1e-4, high=1, scale="log", zero_is_special=True, field=FIELD
    )
    picture = Picture("Image", PIXELS, unknown=LATE, marks=~LATE)
    return Maps((heat, gradient, picture), cursor, clickable=True).payload()


class App:
    """A page with clickable maps, quiet ones, and a server that answers when it is told to."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.chosen: list[tuple[int, int, int]] = []

    def choose(self, event: gr.EventData) -> tuple[dict[str, Any], str]:
        row, column = event.row, event.column  # pyright: ignore[reportAttributeAccessIssue]
        which = event.map  # pyright: ignore[reportAttributeAccessIssue]
        self.chosen.append((row, column, which))
        assert self.answers.wait(60)
        return first_maps((row, column)), f"{row}, {column} in map {which}"

    def build(self) -> gr.Blocks:
        two = Maps(
            (Picture("Colours", COLOURS), Picture("Two levels", PIXELS // 128 * 255, levels=2))
        )
        below = np.array([[0, 255]], np.uint8)
        shining = [
            Heat("none", np.full((1, 2), heat), "", low=0, high=1, below=below) for heat in (0, 1)
        ]
        with app_blocks() as demo:
            with gr.Tab("One"):
                gr.Markdown("Another tab")
            with gr.Tab("Two"), gr.Row():
                with gr.Column(scale=1, min_width=260):
                    replace = gr.Button("Replace")
                    reshape = gr.Button("Reshape")
                    said = gr.Textbox(label="Chosen")
                with gr.Column(scale=4, min_width=336):
                    canvas = maps(first_maps(), label="Maps of a test", elem_id="first")
                    maps(two.payload(), label="Quiet maps", elem_id="quiet")
                    maps(Maps(tuple(shining)).payload(), label="Shining", elem_id="shining")
            canvas.select(self.choose, None, [canvas, said], show_progress="hidden")
            replace.click(
                lambda: first_maps((1, 1), RAMP[::-1]), None, canvas, show_progress="hidden"
            )
            reshape.click(lambda: Maps((Picture("Alone", COLOURS),)).payload(), None, canvas)
        return demo


@pytest.fixture(scope="module")
def app() -> App:
    return App()


@pytest.fixture(scope="module")
def url(app: App) -> Iterator[str]:
    demo = app.build()
    with serve(demo) as url:
        yield url


def show(page: Page) -> Page:
    """The second tab, which is hidden at first."""
    page.get_by_role("tab", name="Two").click()
    expect(page.locator("#first canvas.map")).to_have_count(3)
    expect(page.locator("#first canvas.map").first).to_be_visible()
    page.wait_for_function("document.querySelector('#first canvas.map').width % 8 === 0")
    return page


@pytest.fixture
def open_maps(open_page: Callable[..., Page], url: str) -> Callable[..., Page]:
    return lambda query="", **settings: show(open_page(url + query, **settings))


@pytest.fixture(scope="module")
def page(share_page: Callable[..., Page], url: str) -> Page:
    """Nothing is clicked here."""
    return show(share_page(url))


def canvas(page: Page, index: int, elem: str = "first") -> Locator:
    return page.locator(f"#{elem} canvas.map").nth(index)


def drawn(picture: Locator) -> np.ndarray:
    """What is on a canvas, a screen pixel each: (H * scale, W * scale, 3)."""
    url = picture.evaluate("(canvas) => canvas.toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return np.asarray(image.convert("RGB")).astype(int)


def cells(picture: Locator, width: int = W) -> np.ndarray:
    """The colour in the middle of every cell: (H, W, 3)."""
    image = drawn(picture)
    scale = image.shape[1] // width
    return image[scale // 2 :: scale, scale // 2 :: scale]


def lightness(colours: np.ndarray) -> np.ndarray:
    """L* of CIELAB, 0 to 100: equal steps look equal."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


def spot(picture: Locator, row: int, column: int, height: int = H, width: int = W) -> Any:
    """The middle of a cell, in CSS pixels of its canvas."""
    box = picture.bounding_box()
    assert box
    return {
        "x": (column + 0.5) * box["width"] / width,
        "y": (row + 0.5) * box["height"] / height,
    }


def framed(picture: Locator, colour: tuple[int, ...], row: int, column: int) -> bool:
    """Whether the cell has a frame of this colour, right outside it."""
    image = drawn(picture)
    scale = image.shape[1] // W
    top, left = row * scale, column * scale
    around = [
        image[top - 1, left : left + scale], image[top + scale, left : left + scale],
        image[top : top + scale, left - 1], image[top : top + scale, left + scale],
    ]  # fmt: skip
    return bool((np.concatenate(around) == colour).all())


def line(page: Page, elem: str = "first") -> Locator:
    return page.locator(f"#{elem} .line")


# --- what is drawn ---------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?__theme=dark"])
def test_more_is_brighter_in_even_steps(open_maps: Callable[..., Page], query: str):
    steps = np.diff(lightness(cells(canvas(open_maps(query), 0))).flatten())
    assert (steps > 0).all()
    assert steps.max() < 2.5 * np.median(steps)
    assert steps.sum() > 80


def test_a_log_scale_and_a_zero_of_its_own(page: Page):
    shown = lightness(cells(canvas(page, 1)))
    decades = np.diff(shown[0, 1:6])
    assert decades.min() > 10
    assert decades.max() < 2 * decades.min()
    assert shown[0, 1] > shown[2, 2] + 5  # the smallest number against none at all
    assert shown[4, 4] > 50 > shown[4, 5]  # a number is seen outside the field as well


def test_the_field_is_outlined_and_tinted(page: Page):
    image = drawn(canvas(page, 1))
    scale = image.shape[1] // W
    blue = (image == REAL).all(axis=2)
    padded = np.pad(FIELD, 1)
    for row, column in np.ndindex(H, W):
        cell = blue[row * scale : (row + 1) * scale, column * scale : (column + 1) * scale]
        middle = slice(scale // 4, -(scale // 4))
        sides = [
            cell[0, middle], cell[-1, middle], cell[middle, 0], cell[middle, -1],
        ]  # fmt: skip
        neighbours = [
            padded[row, column + 1], padded[row + 2, column + 1], padded[row + 1, column],
            padded[row + 1, column + 2],
        ]  # fmt: skip
        for side, neighbour in zip(sides, neighbours, strict=True):
            edge = FIELD[row, column] and not neighbour
            assert side.all() == edge
            assert side.any() == edge
    assert blue[2 * scale - 1, 5 * scale - 1]  # a corner whose both sides are inside
    middles = image[scale // 2 :: scale, scale // 2 :: scale]
    inside, outside = middles[2, 2], middles[3, 2]  # a zero that could have been more, and a hole
    assert inside[2] - inside[0] > 30
    assert abs(outside[2] - outside[0]) < 10


def test_a_picture_with_unknown_and_drawn_cells(page: Page):
    shown = cells(canvas(page, 2))
    assert (shown[LATE] == UNKNOWN).all()
    assert np.array_equal(shown[~LATE], np.repeat(PIXELS[~LATE], 3, axis=1))
    image = drawn(canvas(page, 2))
    scale = image.shape[1] // W
    assert (image[2 * scale : 3 * scale, 4 * scale - 1] == GENERATED).all()  # the last one drawn
    assert np.array_equal(cells(canvas(page, 0, "quiet")), COLOURS)


def test_an_image_shines_through_where_there_is_no_heat(page: Page):
    dark, light = cells(canvas(page, 0, "shining"), 2)[0]
    assert 20 < light.mean() - dark.mean() < 100
    assert np.array_equal(*cells(canvas(page, 1, "shining"), 2)[0])


def test_dark_mode_redraws(open_maps: Callable[..., Page]):
    page = open_maps()
    assert (cells(canvas(page, 2))[LATE] == UNKNOWN).all()
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function(
        """() => {
          const canvas = document.querySelectorAll("#first canvas.map")[2];
          const pen = canvas.getContext("2d");
          return pen.getImageData(canvas.width - 9, canvas.height - 9, 1, 1).data[0] === 0x6f;
        }"""
    )
    assert (cells(canvas(page, 2))[LATE] == UNKNOWN_DARK).all()
    field = drawn(canvas(page, 1))
    assert (field == REAL_DARK).all(axis=2).any()
    assert not (field == REAL).all(axis=2).any()


def test_the_colour_bar_and_the_key_say_what_the_colours_mean(page: Page):
    scales = page.locator("#first .scale")
    expect(scales.nth(0).locator(".low")).to_have_text("0")
    expect(scales.nth(0).locator(".high")).to_have_text("1")
    expect(scales.nth(0).locator(".unit")).to_have_text("bits")
    expect(scales.nth(1).locator(".zero")).to_have_text("0")
    expect(scales.nth(1).locator(".low")).to_have_text("1 × 10⁻⁴")
    expect(scales.nth(1).locator(".unit")).to_have_text("log scale")
    bar = drawn(page.locator("#first .bar").nth(0))[0]
    assert (np.diff(lightness(bar)) >= 0).all()
    assert np.array_equal(bar[[0, -1]], cells(canvas(page, 0)).reshape(-1, 3)[[0, -1]])
    expect(page.locator("#first .key span")).to_have_text(
        ["chosen pixel", "theoretical receptive field", "drawn by the model", "unknown"]
    )
    expect(page.locator("#quiet .key")).to_be_hidden()


# --- what is read ----------------------------------------------------------------------------


def test_the_pixel_under_the_pointer_is_read_in_all_maps(page: Page):
    expect(line(page)).to_contain_text("Point at a pixel")
    for index in (0, 2):
        picture = canvas(page, index)
        picture.hover(position=spot(picture, 1, 2))
        expect(line(page)).to_have_text(
            "row 2, column 3: Surprise 0.213 bits, Gradient 0.0031, Image level 50"
        )
        assert all(framed(canvas(page, other), WHITE, 1, 2) for other in range(3))
    picture = canvas(page, 1)
    picture.hover(position=spot(picture, 0, 1))
    expect(line(page)).to_contain_text("Gradient 1 × 10⁻⁴,")
    picture.hover(position=spot(picture, 4, 4))
    expect(line(page)).to_contain_text("Gradient 0.5, though out of reach, Image unknown")
    picture.hover(position=spot(picture, 4, 5))
    expect(line(page)).to_contain_text("Gradient out of reach,")
    assert not framed(canvas(page, 0), WHITE, 1, 2)
    page.get_by_role("button", name="Replace").hover()
    expect(line(page)).to_contain_text("Point at a pixel")
    assert not framed(canvas(page, 0), WHITE, 4, 5)
    quiet = canvas(page, 0, "quiet")
    quiet.hover(position=spot(quiet, 5, 0))
    red, green, blue = COLOURS[5, 0]
    expect(line(page, "quiet")).to_have_text(
        f"row 6, column 1: Colours RGB {red} {green} {blue}, Two levels white"
    )


@pytest.mark.parametrize("width", [1440, 390])
def test_reading_moves_nothing(open_maps: Callable[..., Page], width: int):
    page = open_maps(viewport={"width": width, "height": 900})
    place = page.locator("#quiet").bounding_box()
    picture = canvas(page, 1)
    for row, column in [(1, 2), (0, 1), (4, 4), (4, 5)]:
        picture.hover(position=spot(picture, row, column))
        expect(line(page)).to_contain_text(f"row {row + 1}, column {column + 1}:")
        assert page.locator("#quiet").bounding_box() == place


# --- what is chosen --------------------------------------------------------------------------


def test_a_click_shows_at_once_and_tells_which_pixel(open_maps: Callable[..., Page], app: App):
    page = open_maps()
    app.answers.clear()
    try:
        picture = canvas(page, 1)
        picture.click(position=spot(picture, 3, 5))
        page.mouse.move(0, 0)
        expect(line(page)).to_contain_text("Point at a pixel")
        assert all(framed(canvas(page, index), STUDENT, 3, 5) for index in range(3))
    finally:
        app.answers.set()
    expect(page.get_by_label("Chosen")).to_have_value("3, 5 in map 1")
    assert all(framed(canvas(page, index), STUDENT, 3, 5) for index in range(3))
    picture = canvas(page, 2)
    picture.click(position=spot(picture, 0, 7))
    expect(page.get_by_label("Chosen")).to_have_value("0, 7 in map 2")
    assert not framed(canvas(page, 0), STUDENT, 3, 5)


def test_maps_that_are_not_clickable_choose_nothing(open_maps: Callable[..., Page], app: App):
    page = open_maps()
    app.chosen.clear()
    quiet, first = canvas(page, 0, "quiet"), canvas(page, 0)
    quiet.click(position=spot(quiet, 2, 2))
    page.keyboard.press("Enter")
    first.click(position=spot(first, 4, 4))
    expect(page.get_by_label("Chosen")).to_have_value("4, 4 in map 0")
    assert app.chosen == [(4, 4, 0)]
    assert not framed(quiet, STUDENT, 2, 2)


def test_the_keyboard_does_it_all(open_maps: Callable[..., Page]):
    page = open_maps()
    page.get_by_role("button", name="Reshape").focus()
    page.keyboard.press("Tab")
    box = page.get_by_role("group", name="Maps of a test")
    expect(box).to_be_focused()
    expect(line(page)).to_contain_text("row 4, column 5:")
    expect(line(page)).to_have_attribute("aria-live", "polite")
    for key, place in [
        ("ArrowUp", "row 3, column 5:"), ("ArrowLeft", "row 3, column 4:"),
        ("ArrowDown", "row 4, column 4:"), ("ArrowRight", "row 4, column 5:"),
        ("]", "row 4, column 5:"), ("]", "row 4, column 5:"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        expect(line(page)).to_contain_text(place)
    assert framed(canvas(page, 1), WHITE, 3, 4)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Chosen")).to_have_value("3, 4 in map 2")
    assert framed(canvas(page, 1), STUDENT, 3, 4)
    for _ in range(W):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
    expect(line(page)).to_contain_text("row 1, column 8:")
    page.keyboard.press("[")
    page.keyboard.press("Space")
    expect(page.get_by_label("Chosen")).to_have_value("0, 7 in map 1")
    page.keyboard.press("Shift+Tab")
    expect(line(page)).to_contain_text("Point at a pixel")


# --- new values ------------------------------------------------------------------------------


def test_a_new_value_is_drawn_on_the_same_canvases(open_maps: Callable[..., Page]):
    page = open_maps()
    before = cells(canvas(page, 0))
    places = [canvas(page, index).bounding_box() for index in range(3)]
    page.evaluate("window.kept = [...document.querySelectorAll('#first canvas.map')]")
    page.get_by_role("button", name="Replace").click()
    page.wait_for_function(
        """() => {
          const canvas = document.querySelector("#first canvas.map");
          return canvas.getContext("2d").getImageData(9, 9, 1, 1).data[0] > 60;
        }"""
    )
    assert np.array_equal(cells(canvas(page, 0)), before[::-1])
    assert framed(canvas(page, 0), STUDENT, 1, 1)
    assert page.evaluate(
        """() => [...document.querySelectorAll("#first canvas.map")]
          .every((canvas, index) => canvas === window.kept[index])"""
    )
    assert [canvas(page, index).bounding_box() for index in range(3)] == places


def test_what_is_pointed_at_is_read_anew(open_maps: Callable[..., Page]):
    page = open_maps()
    picture = canvas(page, 0)
    picture.hover(position=spot(picture, 0, 0))
    expect(line(page)).to_contain_text("Surprise 0 bits")
    page.get_by_role("button", name="Replace").dispatch_event("click")  # the pointer stays
    expect(line(page)).to_contain_text("Surprise 0.851 bits")


def test_other_maps_replace_all_there_were(open_maps: Callable[..., Page]):
    page = open_maps()
    page.get_by_role("button", name="Reshape").click()
    expect(page.locator("#first canvas.map")).to_have_count(1)
    assert np.array_equal(cells(canvas(page, 0)), COLOURS)
    expect(page.locator("#first .title")).to_have_text("Alone")
    expect(page.locator("#first .key")).to_be_hidden()


# --- sizes -----------------------------------------------------------------------------------

COUNTS = (1, 2, 3, 4, 9)


@pytest.fixture(scope="module")
def sized() -> Iterator[str]:
    heat = Heat("Heat", np.zeros((28, 28)), "bits", low=0, high=1)
    with app_blocks() as demo, gr.Row():
        with gr.Column(scale=1, min_width=260):
            gr.Button("Generate")
        with gr.Column(scale=4, min_width=336):
            for count in COUNTS:
                maps(Maps((heat,) * count).payload(), label="Maps", elem_id=f"n{count}")
            narrow = Maps((heat,) * 4, columns=2)
            maps(narrow.payload(), label="Maps", elem_id="narrow")
    with serve(demo) as url:
        yield url


def boxes(page: Page, elem: str) -> list[FloatRect]:
    """Where the maps stand, once the first is drawn; cells are whole screen pixels."""
    pictures = page.locator(f"#{elem} canvas.map")
    expect(pictures.first).to_be_visible()
    for picture in pictures.all():
        across, broad = picture.evaluate(
            "(canvas) => [canvas.width, canvas.clientWidth * devicePixelRatio]"
        )
        assert across % 28 == 0
        assert abs(across - broad) <= 2
    found = [picture.bounding_box() for picture in pictures.all()]
    return [box for box in found if box]


def test_maps_are_large_on_a_laptop(open_page: Callable[..., Page], sized: str):
    page = open_page(sized)
    for count, least in zip(COUNTS, (336, 336, 224, 224, 140), strict=True):
        shown = boxes(page, f"n{count}")
        assert len(shown) == count
        assert min(box["width"] for box in shown) >= least
        if count <= 4:
            assert len({box["y"] for box in shown}) == 1  # side by side
    assert len({box["x"] for box in boxes(page, "narrow")}) == 2


@pytest.mark.parametrize("ratio", [1, 3])
def test_maps_fit_on_a_phone(open_page: Callable[..., Page], sized: str, ratio: int):
    page = open_page(
        sized, viewport=PHONE, device_scale_factor=ratio, is_mobile=True,
        has_touch=True,
    )  # fmt: skip
    for count in COUNTS:
        shown = boxes(page, f"n{count}")
        assert len({box["x"] for box in shown}) == (1 if count <= 2 else 2)
        assert max(box["x"] + box["width"] for box in shown) <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_maps_follow_the_width_of_the_window(open_page: Callable[..., Page], sized: str):
    page = open_page(sized)
    assert len({box["y"] for box in boxes(page, "n4")}) == 1
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_function(
        """() => {
          const [first, ...others] = document.querySelectorAll("#n4 canvas.map");
          return others.some((other) => other.offsetTop > first.offsetTop);
        }"""
    )
    assert len({box["x"] for box in boxes(page, "n4")}) == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 700


def test_a_touch_reads_and_chooses(open_maps: Callable[..., Page]):
    page = open_maps(viewport=PHONE, is_mobile=True, has_touch=True)
    picture = canvas(page, 1)
    picture.tap(position=spot(picture, 4, 6))
    expect(line(page)).to_contain_text("row 5, column 7:")
    expect(page.get_by_label("Chosen")).to_have_value("4, 6 in map 1")
