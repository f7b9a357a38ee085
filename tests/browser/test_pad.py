"""The drawing pad, by hand: what is asserted is what the server was sent."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from demo.components.pad import Drawing, pad, read
from tests.browser.conftest import PHONE, app_blocks, serve

SIZE = 28
GENERATOR = np.random.default_rng(0)
EXAMPLES = GENERATOR.integers(0, 256, (20, SIZE, SIZE), np.uint8)
NAMES = tuple(f"a {index % 10}" for index in range(20))
NOTHING = np.zeros((SIZE, SIZE), bool)
BLACK = np.zeros((SIZE, SIZE), np.uint8)
COVER = np.eye(SIZE, dtype=bool)
COVER[24:] = True
GIFT = Drawing(GENERATOR.integers(0, 256, (SIZE, SIZE), np.uint8), COVER)
START = Drawing(BLACK, NOTHING)
START_SMALL = Drawing(np.zeros((16, 20), np.uint8), np.zeros((16, 20), bool))


def digest(array: NDArray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def message(pixels: NDArray[np.uint8], hidden: NDArray[np.bool_]) -> str:
    return f"{digest(pixels)} {digest(hidden)}"


def receive(value: Any) -> str:
    drawing = read(value, SIZE, SIZE)
    return message(drawing.pixels, drawing.hidden)


def receive_small(value: Any) -> str:
    drawing = read(value, 16, 20)
    return message(drawing.pixels, drawing.hidden)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """In place of the whole app: one with two pads."""
    live: Any = {
        "preprocess": False,
        "queue": False,
        "show_progress": "hidden",
        "trigger_mode": "always_last",
    }
    with app_blocks() as demo, gr.Tabs():
        with gr.Tab("Large"):
            gr.HTML("<p>" + "A page as wide as its screen. " * 20 + "</p>")
            large = pad(
                START.payload(), label="Your image", elem_id="large", hideable=True,
                examples=EXAMPLES, example_names=NAMES,
            )  # fmt: skip
            received = gr.Textbox(label="Received")
            gift = gr.Button("Give")
        with gr.Tab("Small"):
            small = pad(START_SMALL.payload(), label="Small", elem_id="small", hideable=False)
            received_small = gr.Textbox(label="Received small")
        large.input(receive, large, received, **live)
        small.input(receive_small, small, received_small, **live)
        gift.click(GIFT.payload, None, large, queue=False)
    with serve(demo) as url:
        yield url


@pytest.fixture
def open_pad(open_page: Callable[..., Page], address: str) -> Callable[..., Page]:
    def open_pad(query: str = "", **settings: Any) -> Page:
        page = open_page(address + query, **settings)
        page.locator("#large .paper").wait_for()
        return page

    return open_pad


def expect_received(page: Page, pixels: NDArray[np.uint8], hidden: NDArray[np.bool_]) -> None:
    expect(page.get_by_label("Received", exact=True)).to_have_value(message(pixels, hidden))


def shown(page: Page, elem_id: str = "large", height: int = SIZE, width: int = SIZE) -> NDArray:
    """The grey in the middle of every pixel of the canvas: (H, W)."""
    greys = page.locator(f"#{elem_id} .paper").evaluate(
        """(canvas, [height, width]) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const greys = [];
          for (let row = 0; row < height; row++) {
            for (let column = 0; column < width; column++) {
              const x = Math.floor((column + 0.5) * canvas.width / width);
              const y = Math.floor((row + 0.5) * canvas.height / height);
              greys.push(data[4 * (y * canvas.width + x)]);
            }
          }
          return greys;
        }""",
        [height, width],
    )
    return np.array(greys, np.uint8).reshape(height, width)


def coverage(points: list[tuple[float, float]], width: float) -> NDArray[np.float64]:
    """How much of each pixel a round brush of this width covers on its way: (28, 28) in [0, 1]."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    nearest = np.full((SIZE, SIZE), np.inf)
    for start, end in itertools.pairwise(points):
        for share in np.linspace(0, 1, 2001):
            x = start[0] + share * (end[0] - start[0])
            y = start[1] + share * (end[1] - start[1])
            nearest = np.minimum(nearest, np.hypot(columns - x, rows - y))
    return np.clip(width / 2 + 0.5 - nearest, 0, 1)


def at(page: Page, point: tuple[float, float]) -> tuple[float, float]:
    """Where a point of the image lies on the page."""
    paper = page.locator("#large .paper")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    assert box
    return box["x"] + point[0] / SIZE * box["width"], box["y"] + point[1] / SIZE * box["height"]


def drag(page: Page, *points: tuple[float, float], release: bool = True) -> None:
    page.mouse.move(*at(page, points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*at(page, point), steps=4)
    if release:
        page.mouse.up()


def tool(page: Page, name: str) -> None:
    page.locator("#large").get_by_role("button", name=name, exact=True).click()


def pick(page: Page, index: int) -> None:
    name = f"test image {index + 1}: {NAMES[index]}"
    page.get_by_role("button", name=name, exact=True).click()


def rows(page: Page) -> Locator:
    return page.get_by_role("slider", name="Hide rows from")


def brush(page: Page) -> Locator:
    return page.locator("#large").get_by_role("slider", name="Brush size")


STROKE = [(5.2, 4.3), (20.1, 6.4), (11.7, 24.2)]


def test_a_stroke_of_the_mouse_is_what_is_sent(open_pad: Callable[..., Page]):
    page = open_pad()
    drag(page, *STROKE)
    pixels = shown(page)
    assert np.abs(pixels - 255 * coverage(STROKE, 2)).max() <= 1.5
    assert ((pixels > 20) & (pixels < 235)).sum() > 20  # soft edges
    expect_received(page, pixels, NOTHING)


def test_a_stroke_goes_on_between_two_far_events_and_outside_the_canvas(open_pad):
    page = open_pad()
    page.mouse.move(*at(page, (3.5, 10.5)))
    page.mouse.down()
    page.mouse.move(*at(page, (25.5, 10.5)))  # in one step
    page.mouse.move(*at(page, (40, 10.5)))
    page.mouse.up()
    pixels = shown(page)
    assert (pixels[10, 3:] == 255).all()
    expect_received(page, pixels, NOTHING)


def test_values_follow_a_stroke_that_goes_on(open_pad: Callable[..., Page]):
    page = open_pad()
    drag(page, (5, 5), (20, 5), release=False)
    expect_received(page, shown(page), NOTHING)
    page.mouse.move(*at(page, (20, 20)), steps=3)
    expect_received(page, shown(page), NOTHING)
    page.mouse.up()
    assert (shown(page)[5:20, 19] > 200).all()


def test_a_stroke_sends_few_values_and_its_last(open_pad: Callable[..., Page]):
    page = open_pad(fresh=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.install(time=0)
    page.clock.pause_at(10_000)
    drag(page, (4, 4), (24, 4), (24, 24), (4, 24), release=False)  # 12 moves at one moment
    assert asked == []
    page.clock.run_for(10)
    page.mouse.move(*at(page, (4, 20)), steps=5)
    page.clock.run_for(100)  # milliseconds: too early for the next
    page.mouse.up()
    page.clock.resume()
    expect_received(page, shown(page), NOTHING)
    assert len(asked) == 2


def test_a_finger_draws_and_does_not_scroll(open_pad: Callable[..., Page]):
    page = open_pad(viewport=PHONE, has_touch=True, is_mobile=True)
    at(page, (0, 0))  # scrolls there
    top = page.evaluate("window.scrollY")
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        places = [at(page, point) for point in points]
        fingers.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in places]},
        )

    stroke = [(14.5, 20.5), (14.5, 12.5), (14.5, 4.5)]
    touch("touchStart", stroke[0])
    touch("touchMove", stroke[1])
    touch("touchMove", stroke[2])
    touch("touchEnd")
    pixels = shown(page)
    assert np.abs(pixels - 255 * coverage(stroke, 2)).max() <= 25  # whole CSS pixels of a phone
    assert (pixels[4:21, 14] > 230).all()
    expect_received(page, pixels, NOTHING)
    assert page.evaluate("window.scrollY") == top


def test_a_second_finger_is_ignored(open_pad: Callable[..., Page]):
    page = open_pad(viewport=PHONE, has_touch=True, is_mobile=True)
    fingers = page.context.new_cdp_session(page)
    x, y = at(page, (6.5, 6.5))
    other_x, other_y = at(page, (20.5, 20.5))
    one, other = {"x": x, "y": y, "id": 0}, {"x": other_x, "y": other_y, "id": 1}
    for kind, points in [("touchStart", [one]), ("touchStart", [one, other]), ("touchEnd", [])]:
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    pixels = shown(page)
    assert pixels[6, 6] > 200
    assert not pixels[10:].any()
    expect_received(page, pixels, NOTHING)


def test_the_keyboard_draws(open_pad: Callable[..., Page]):
    page = open_pad()
    paper = page.locator("#large .paper")
    hint = page.locator("#large .hint")
    expect(hint).to_be_hidden()
    last = page.get_by_role("button", name="test image 20: a 9")
    last.focus()
    page.keyboard.press("Tab")
    expect(paper).to_be_focused()
    expect(hint).to_be_visible()
    expect(hint).to_contain_text("Row 15, column 15: 0 % white")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert not shown(page).any()  # moving alone draws nothing
    page.keyboard.press("Space")
    expect(hint).to_contain_text("Row 14, column 14: 100 % white")
    dot = np.round(255 * coverage([(13.5, 13.5), (13.5, 13.5)], 2)).astype(np.uint8)
    assert np.array_equal(shown(page), dot)
    expect_received(page, dot, NOTHING)
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.down("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.up("Enter")
    pixels = shown(page)
    assert (pixels[13, 13:17] == 255).all()
    assert (pixels[15, 15:17] == 255).all()
    assert (pixels[:12] == 0).all()
    expect_received(page, pixels, NOTHING)
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    expect(hint).to_contain_text("Row 16, column 28")  # the cursor stays on the canvas
    page.mouse.click(*at(page, (3, 3)))
    expect(hint).to_be_hidden()


def test_the_eraser_takes_ink_away(open_pad: Callable[..., Page]):
    page = open_pad()
    drag(page, (4.5, 14.5), (24.5, 14.5))
    before = shown(page)
    tool(page, "Erase")
    expect(page.locator("#large [data-tool=erase]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#large [data-tool=draw]")).to_have_attribute("aria-pressed", "false")
    brush(page).fill("4")
    drag(page, (14.5, 4.5), (14.5, 24.5))
    pixels = shown(page)
    assert not pixels[:, 13:16].any()
    assert np.array_equal(pixels[:, :11], before[:, :11])
    assert (pixels <= before).all()
    expect_received(page, pixels, NOTHING)


def test_the_brush_has_the_width_that_is_said(open_pad: Callable[..., Page]):
    page = open_pad()
    for width in (1, 2, 3, 4):
        brush(page).fill(str(width))
        expect(page.locator("#large .brush-size")).to_have_text(f"{width} px")
        drag(page, (4.5, 14.5), (24.5, 14.5))
        ink = shown(page)[:, 14].astype(float).sum() / 255
        assert abs(ink - width) < 0.02  # across the stroke
        tool(page, "Clear")


def test_picking_an_example_gives_exactly_its_pixels(open_pad: Callable[..., Page]):
    page = open_pad(fresh=True)
    expect(page.get_by_role("button", name="test image")).to_have_count(20)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for index in (2, 19):
        pick(page, index)
        assert np.array_equal(shown(page), EXAMPLES[index])
        expect_received(page, EXAMPLES[index], NOTHING)
    assert len(asked) == 2  # one value a click
    pressed = page.locator("#large .strip [aria-pressed=true]")
    expect(pressed).to_have_attribute("aria-label", "test image 20: a 9")
    tool(page, "Erase")
    drag(page, (10, 10), (12, 10))
    expect(pressed).to_have_count(0)


def test_the_region_that_is_hidden_is_whole_pixels(open_pad: Callable[..., Page]):
    page = open_pad()
    pick(page, 4)
    tool(page, "Hide")
    expect(page.locator("#large .brush-size")).to_have_text("3 px")
    drag(page, (6.3, 8.6), (12.8, 8.1))
    hidden = NOTHING.copy()
    hidden[7:10, 5:14] = True
    hidden[[7, 9, 7, 9], [5, 5, 13, 13]] = True
    expect_received(page, EXAMPLES[4], hidden)
    assert np.array_equal(shown(page)[~hidden], EXAMPLES[4][~hidden])
    tool(page, "Show")
    brush(page).fill("1")
    drag(page, (8.9, 6.5), (8.9, 11.5))
    hidden[:, 8] = False
    expect_received(page, EXAMPLES[4], hidden)
    tool(page, "Uncover all")
    expect_received(page, EXAMPLES[4], NOTHING)
    assert np.array_equal(shown(page), EXAMPLES[4])


def test_rows_are_hidden_and_what_was_hidden_by_hand_stays(open_pad: Callable[..., Page]):
    page = open_pad()
    pick(page, 7)
    tool(page, "Hide")
    page.mouse.click(*at(page, (5.5, 5.5)))
    hand = NOTHING.copy()
    hand[4:7, 4:7] = True
    for row, said in [(14, "row 15"), (20, "row 21"), (0, "all"), (28, "none"), (27, "row 28")]:
        rows(page).fill(str(row))
        expect(page.locator("#large .rows-from")).to_have_text(said)
        sheet = NOTHING.copy()
        sheet[row:] = True
        expect_received(page, EXAMPLES[7], hand | sheet)
    tool(page, "Show")
    page.mouse.click(*at(page, (20.5, 27.5)))  # a hole in the hidden rows
    sheet[26:, 19:22] = False
    expect_received(page, EXAMPLES[7], hand | sheet)
    rows(page).focus()
    page.keyboard.press("ArrowLeft")  # hides all of the rows anew
    sheet[26:] = True
    expect_received(page, EXAMPLES[7], hand | sheet)
    pick(page, 8)  # another image behind the same cover
    expect_received(page, EXAMPLES[8], hand | sheet)


def test_what_is_drawn_on_a_hidden_pixel_is_known(open_pad: Callable[..., Page]):
    page = open_pad()
    rows(page).fill("0")
    expect_received(page, BLACK, ~NOTHING)
    drag(page, (6.5, 14.3), (20.5, 14.3))
    ink = coverage([(6.5, 14.3), (20.5, 14.3)], 2)
    known = ink >= 0.5
    received = page.get_by_label("Received", exact=True)
    expect(received).to_have_value(re.compile(f"{digest(~known)}$"))
    assert np.abs(shown(page) - 255 * ink)[known].max() <= 1.5


def test_hidden_pixels_are_hatched_in_the_grey_of_the_unknown(open_pad: Callable[..., Page]):
    for query, grey in [("", 0x9A), ("?__theme=dark", 0x6F)]:
        page = open_pad(query)
        rows(page).fill("14")
        data = page.locator("#large .paper").evaluate(
            """(canvas) => Array.from(canvas.getContext("2d")
              .getImageData(0, canvas.height / 2, canvas.width, canvas.height / 2).data)"""
        )
        colours = np.array(data).reshape(-1, 4)[:, :3]
        assert (colours.min(axis=0) == grey).all()
        assert 0.1 < (colours[:, 0] == grey).mean() < 0.9
        assert not shown(page)[:14].any()


def test_every_action_can_be_undone(open_pad: Callable[..., Page]):
    page = open_pad()
    undo = page.locator("#large [data-do=undo]")
    expect(undo).to_be_disabled()
    pick(page, 1)
    rows(page).fill("20")
    tool(page, "Hide")
    page.mouse.click(*at(page, (5.5, 5.5)))
    tool(page, "Clear")
    expect_received(page, BLACK, NOTHING)
    expect(page.locator("#large .rows-from")).to_have_text("none")

    sheet, hand = NOTHING.copy(), NOTHING.copy()
    sheet[20:], hand[4:7, 4:7] = True, True
    undo.click()
    expect_received(page, EXAMPLES[1], sheet | hand)
    expect(page.locator("#large .rows-from")).to_have_text("row 21")
    page.keyboard.press("Control+z")
    expect_received(page, EXAMPLES[1], sheet)
    page.keyboard.press("Control+z")
    expect_received(page, EXAMPLES[1], NOTHING)
    page.keyboard.press("Control+z")
    expect_received(page, BLACK, NOTHING)
    expect(undo).to_be_disabled()


def test_twenty_strokes_can_be_undone(open_pad: Callable[..., Page]):
    page = open_pad()
    page.locator("#large .paper").focus()
    for column in range(4, 24):
        page.mouse.click(*at(page, (column + 0.5, 9.5)))
    drawn = shown(page)
    assert (drawn[9, 4:24] == 255).all()
    page.keyboard.press("Control+z")
    assert np.array_equal(shown(page)[9] == 255, [4 <= column < 23 for column in range(SIZE)])
    for _ in range(19):
        page.keyboard.press("Control+z")
    assert not shown(page).any()
    expect_received(page, BLACK, NOTHING)


def test_what_the_server_sends_appears_and_can_be_undone(open_pad: Callable[..., Page]):
    page = open_pad()
    give = page.get_by_role("button", name="Give")
    drag(page, *STROKE)
    mine = shown(page)
    for _ in range(2):  # the same again replaces what was drawn meanwhile
        give.click()
        expect(page.locator("#large .rows-from")).to_have_text("row 25")
        page.locator("#large .paper").focus()
        tool(page, "Uncover all")
        expect_received(page, GIFT.pixels, NOTHING)
        assert np.array_equal(shown(page), GIFT.pixels)
        page.keyboard.press("Control+z")
        expect_received(page, GIFT.pixels, GIFT.hidden)
        page.keyboard.press("Control+z")
        expect_received(page, mine, NOTHING)
        assert np.array_equal(shown(page), mine)


def test_a_pad_of_another_size_in_a_tab_that_opens_late(open_pad: Callable[..., Page]):
    page = open_pad()
    page.get_by_role("tab", name="Small").click()
    paper = page.locator("#small .paper")
    paper.wait_for()
    box = paper.bounding_box()
    assert box
    assert (box["width"], box["height"]) == (17 * 20, 17 * 16)
    for name in ("Hide", "Show", "Uncover all"):
        button = page.locator("#small").get_by_role("button", name=name, exact=True)
        expect(button).to_have_count(0)
    expect(page.locator("#small").get_by_role("slider")).to_have_count(1)
    page.mouse.click(box["x"] + 18.5 * 17, box["y"] + 2.5 * 17)
    pixels = shown(page, "small", 16, 20)
    assert pixels[2, 18] == 255
    assert (pixels > 0).sum() == 9
    expect(page.get_by_label("Received small")).to_have_value(
        message(pixels, np.zeros((16, 20), bool))
    )
    page.get_by_role("tab", name="Large").click()
    page.get_by_role("tab", name="Small").click()
    assert np.array_equal(shown(page, "small", 16, 20), pixels)


@pytest.mark.parametrize("sizes", [((1440, 336), (900, 336)), ((390, 336), (340, 308))])
def test_the_canvas_is_as_large_as_fits(open_pad, sizes):
    page = open_pad(viewport={"width": sizes[0][0], "height": 844}, has_touch=sizes[0][0] < 500)
    for width, canvas in sizes:
        page.set_viewport_size({"width": width, "height": 844})
        expect(page.locator("#large .paper")).to_have_css("width", f"{canvas}px")
        expect_to_fit(page, width, canvas)


def expect_to_fit(page: Page, width: int, canvas: int) -> None:
    box = page.locator("#large .paper").bounding_box()
    assert box
    assert box["width"] == box["height"] == canvas
    pad_box = """(pad) => [pad.offsetTop, pad.offsetLeft, pad.offsetHeight, pad.offsetWidth]"""
    frame = page.locator("#large .pad").evaluate(pad_box)
    drag(page, *STROKE)
    tool(page, "Hide")
    drag(page, *STROKE)
    rows(page).fill("0")
    pick(page, 0)
    assert page.locator("#large .pad").evaluate(pad_box) == frame
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator("#large .controls button").all():
        size = button.bounding_box()
        assert size
        assert size["height"] >= 40
        assert size["x"] + size["width"] <= width


def test_turning_the_phone_changes_the_scale_and_not_the_drawing(open_pad: Callable[..., Page]):
    page = open_pad(viewport=PHONE)
    drag(page, *STROKE)
    pixels = shown(page)
    page.set_viewport_size({"width": 844, "height": 390})
    expect(page.locator("#large .paper")).to_have_css("width", "336px")
    assert np.array_equal(shown(page), pixels)
    expect_received(page, pixels, NOTHING)
