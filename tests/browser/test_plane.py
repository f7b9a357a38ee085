"""The map of the codes by hand: drag, point, highlight, zoom; by mouse, finger and keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from demo.activities import ModelTab
from demo.components.latent_map import LatentMap
from demo.latent import plane
from tests.browser.conftest import PHONE, serve_activity
from tests.demo.test_plane import by_library, save_plane

H = W = 28


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny network."""
    save_plane(folder)
    with serve_activity(plane, ModelTab("vae", (plane.MODEL,))) as url:
        yield url


@pytest.fixture(scope="module")
def surveyed(address: str) -> LatentMap:
    assert address
    return plane.survey()


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=plane.TITLE).click()
        page.locator(".latent[data-view]").wait_for()
        return page

    return open_activity


def numbers(page: Page, name: str) -> list[float]:
    """What the map says of itself: its "view" (middle and half width) or "place"."""
    said = page.locator(".latent").get_attribute(f"data-{name}") or ""
    return [float(number) for number in said.split()]


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a place lies on the page."""
    middle_x, middle_y, half = numbers(page, "view")
    box = page.locator(".marks").bounding_box()
    assert box
    scale = box["width"] / (2 * half)
    return box["x"] + (x - middle_x + half) * scale, box["y"] + (middle_y + half - y) * scale


def greys(canvas: Locator) -> np.ndarray:
    """A grey canvas of one pixel a cell: (H, W)."""
    values = canvas.evaluate(
        """(canvas) => Array.from(canvas.getContext("2d")
          .getImageData(0, 0, canvas.width, canvas.height).data)"""
    )
    pixels = np.array(values, np.uint8).reshape(H, W, 4)
    assert (pixels[:, :, 3] == 255).all()
    assert (pixels[:, :, :1] == pixels[:, :, :3]).all()
    return pixels[:, :, 0]


def plane_colour(page: Page, x: float, y: float, down: int = 0) -> np.ndarray:
    """The colour of a place on the map, or some CSS pixels below it."""
    left, top = on_screen(page, float(x), float(y))
    box = page.locator(".plane").bounding_box()
    assert box
    colour = page.locator(".plane").evaluate(
        """(canvas, [x, y]) => Array.from(canvas.getContext("2d").getImageData(x, y, 1, 1).data)""",
        [left - box["x"], top - box["y"] + down],
    )
    return np.array(colour[:3])


def expect_decoded(page: Page, x: float, y: float) -> None:
    """The picture becomes, and stays, what the library decodes this place to."""
    said = f"({x:.2f}, {y:.2f})".replace("-", "−")
    expect(page.locator("#vae-map-status p")).to_contain_text(f"z = {said}, ")
    canvas = page.locator("#vae-map-picture canvas")
    name = f"The decoded picture of z = {x:.2f}, {y:.2f}".replace("-", "−")
    expect(canvas).to_have_attribute("aria-label", name)
    assert np.array_equal(greys(canvas), by_library(x, y))


def lonely(surveyed: LatentMap, label: int | None = None) -> int:
    """The image whose code lies farthest from all others, in the opening view."""
    apart = np.linalg.norm(surveyed.mean[:, None] - surveyed.mean[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    distance = apart.min(axis=1)
    distance[np.abs(surveyed.mean).max(axis=1) > 3.3] = 0  # near the numbers along the edge
    if label is not None:
        distance[surveyed.labels != label] = 0
    return int(distance.argmax())


def test_a_drag_is_followed_and_its_last_place_wins(open_activity: Callable[..., Page]):
    page = open_activity()
    expect_decoded(page, *plane.FIRST)
    assert (page.locator("#vae-map-picture canvas").bounding_box() or {})["width"] == 336
    assert (page.locator(".marks").bounding_box() or {})["width"] == 520

    page.mouse.move(*on_screen(page, -2, 1.5))
    page.mouse.down()
    x, y = numbers(page, "place")
    assert (x, y) == pytest.approx((-2, 1.5), abs=0.02)
    expect_decoded(page, x, y)  # the button is still down
    for end in [(1, -1), (3, 2), (-0.5, 0.7)]:
        page.mouse.move(*on_screen(page, *end), steps=12)
    x, y = numbers(page, "place")
    assert (x, y) == pytest.approx((-0.5, 0.7), abs=0.02)
    expect_decoded(page, x, y)
    page.mouse.up()
    page.mouse.move(*on_screen(page, 2, 2), steps=3)
    assert numbers(page, "place") == [x, y]
    expect_decoded(page, x, y)

    for edge in (4, 6):
        page.mouse.move(*on_screen(page, 3, 0))
        page.mouse.down()
        page.mouse.move(*on_screen(page, edge + 2, 0), steps=4)
        page.mouse.up()
        assert numbers(page, "view") == [0, 0, edge]  # it ends at the edge, and nothing moves
        x, y = numbers(page, "place")
        assert x == edge
        expect_decoded(page, edge, y)
        if edge == 4:
            page.get_by_role("button", name="Zoom out").click()
    expect(page.locator("#vae-map-status p")).to_contain_text("Far out: almost no code lies here")


def test_the_keyboard_moves_the_place(open_activity: Callable[..., Page]):
    page = open_activity()
    page.locator(".marks").focus()
    page.keyboard.press("ArrowRight")
    expect_decoded(page, -0.4, -1)
    for _ in range(3):
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowDown")
    expect_decoded(page, -0.4, 0.4)
    page.keyboard.press("+")
    assert numbers(page, "view") == [-0.4, 0.4, 2]
    for _ in range(6):  # out of sight, and the view follows
        page.keyboard.press("Shift+ArrowLeft")
    expect_decoded(page, -3.4, 0.4)
    middle, _, half = numbers(page, "view")
    assert abs(-3.4 - middle) <= half == 2
    for _ in range(10):
        page.keyboard.press("Shift+ArrowLeft")
    expect_decoded(page, -6, 0.4)


def test_pointing_at_a_dot_shows_its_image(open_activity: Callable[..., Page], surveyed: LatentMap):
    page = open_activity()
    for label in (None, 3):
        index = lonely(surveyed, label)
        x, y = surveyed.mean[index]
        page.mouse.move(*on_screen(page, float(x), float(y)))
        expect(page.locator(".latent")).to_have_attribute("data-nearest", str(index))
        assert np.array_equal(greys(page.locator(".latent .image")), surveyed.images[index])
        card = page.locator(".latent figure")
        expect(card).to_contain_text(f"Nearest test image: {surveyed.labels[index]}")
        for name, numbers_of in (("mean", surveyed.mean), ("sigma", surveyed.sigma)):
            said = "({:.2f}, {:.2f})".format(*numbers_of[index]).replace("-", "−")
            expect(card.locator(f".{name}")).to_have_text(said)
        expect(card.locator(".kl")).to_have_text(f"{surveyed.kl[index]:.2f} nats")
    page.mouse.move(5, 5)  # what was pointed at last stays
    expect(page.locator(".latent")).to_have_attribute("data-nearest", str(index))
    assert numbers(page, "place") == list(plane.FIRST)


def test_the_legend_highlights_a_class(open_activity: Callable[..., Page], surveyed: LatentMap):
    page = open_activity()
    page.get_by_role("button", name="None").click()
    mine, other = lonely(surveyed, 1), lonely(surveyed, 2)
    blue, green = np.array([0x00, 0x72, 0xB2]), np.array([0x00, 0x9E, 0x73])
    entry = page.locator(".legend").get_by_role("button", name="1", exact=True)

    def expect_plain() -> None:
        expect(entry).to_have_attribute("aria-pressed", "false")
        assert np.abs(plane_colour(page, *surveyed.mean[other]) - green).max() <= 2
        assert np.abs(plane_colour(page, *surveyed.mean[mine], down=5) - blue).max() > 40

    def expect_highlighted() -> None:
        expect(entry).to_have_attribute("aria-pressed", "true")
        # Its dots have become coins that bear the digit; the others are nearly gone.
        assert np.abs(plane_colour(page, *surveyed.mean[mine], down=5) - blue).max() <= 2
        assert (plane_colour(page, *surveyed.mean[other]) > 180).all()

    expect_plain()
    entry.click()
    page.mouse.move(5, 5)
    expect_highlighted()
    x, y = surveyed.mean[other]
    page.mouse.move(*on_screen(page, float(x), float(y)))
    nearest = int(page.locator(".latent").get_attribute("data-nearest") or -1)
    assert nearest != other  # only the highlighted ones can be pointed at
    page.keyboard.press("Enter")  # on the entry that was clicked
    expect_plain()
    page.keyboard.press("Enter")
    expect_highlighted()


def test_a_tile_is_what_is_decoded_there(open_activity: Callable[..., Page], surveyed: LatentMap):
    page = open_activity()
    page.get_by_role("button", name="Decoded").click()
    page.get_by_role("button", name="Test images").click()
    for _ in range(2):
        page.get_by_role("button", name="Zoom in").click()
    expect(page.get_by_role("button", name="Zoom in")).to_be_disabled()
    assert numbers(page, "view") == [*plane.FIRST, 1]
    # The tile to the right of the middle and above it.
    shown = np.array(
        page.locator(".plane").evaluate(
            """(canvas) => Array.from({ length: 784 }, (_, at) => {
              const side = canvas.width / 4;
              const x = 2 * side + ((at % 28) + 0.5) * side / 28;
              const y = side + (Math.floor(at / 28) + 0.5) * side / 28;
              return canvas.getContext("2d").getImageData(x, y, 1, 1).data[0];
            })"""
        )
    ).reshape(H, W)
    assert np.array_equal(shown, surveyed.tiles[13, 11])
    assert np.abs(shown - by_library(-0.25, -0.75)).max() <= 1


def test_a_finger_drags_on_a_phone(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture = page.locator("#vae-map-picture canvas").bounding_box()
    box = page.locator(".marks").bounding_box()
    assert picture
    assert box
    assert picture["width"] >= 224
    assert box["width"] >= 300
    assert box["y"] + box["height"] - picture["y"] <= 844  # both in sight at once
    for button in page.locator(".latent button").all():
        size = button.bounding_box()
        assert size
        assert min(size["width"], size["height"]) >= 40

    page.locator(".marks").scroll_into_view_if_needed()
    page.touchscreen.tap(*on_screen(page, -1, 1))
    x, y = numbers(page, "place")
    assert (x, y) == pytest.approx((-1, 1), abs=0.03)
    expect_decoded(page, x, y)
    scrolled = page.evaluate("scrollY")
    finger = page.context.new_cdp_session(page)
    for kind, place in [("Start", (-1, 1)), ("Move", (0, 0)), ("Move", (1, -2)), ("End", None)]:
        point = on_screen(page, *place) if place else None
        points = [{"x": point[0], "y": point[1]}] if point else []
        finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    x, y = numbers(page, "place")
    assert (x, y) == pytest.approx((1, -2), abs=0.03)
    expect_decoded(page, x, y)
    assert page.evaluate("scrollY") == scrolled
