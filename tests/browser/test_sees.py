"""What it sees, by hand: click, read the fields off the canvases, change the digit, stop."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import gm_core
from demo.activities import ModelTab, sees
from tests.browser.conftest import PHONE, app_blocks, serve


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with app_blocks() as demo:
        sees.build(ModelTab("pixelcnn", sees.MODELS))
    with serve(demo) as url:
        yield url


@pytest.fixture
def page(open_page: Callable[..., Page], url: str) -> Page:
    page = open_page(url)
    expect(page.locator("canvas.map")).to_have_count(5)
    page.wait_for_function("document.querySelector('canvas.map').width % 28 === 0")
    return page


def canvas(page: Page, index: int) -> Locator:
    return page.locator("#pixelcnn-sees-maps canvas.map").nth(index)


def line(page: Page) -> Locator:
    return page.locator("#pixelcnn-sees-status p")


def caption(page: Page, index: int) -> Locator:
    return page.locator("#pixelcnn-sees-maps .caption").nth(index)


def click(page: Page, index: int, row: int, column: int) -> None:
    picture = canvas(page, index)
    box = picture.bounding_box()
    assert box
    x, y = (column + 0.5) * box["width"] / 28, (row + 0.5) * box["height"] / 28
    picture.click(position={"x": x, "y": y})


def shown(picture: Locator) -> np.ndarray:
    """The colour in the middle of every pixel: (28, 28, 3)."""
    url = picture.evaluate("(canvas) => canvas.toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    scale = image.width // 28
    return np.asarray(image.convert("RGB"))[scale // 2 :: scale, scale // 2 :: scale].astype(int)


def measured_at(row: int, column: int) -> re.Pattern[str]:
    return re.compile(f"row {row + 1}, column {column + 1}: .* measured in")


def test_it_opens_with_a_pixel_measured(page: Page):
    expect(line(page)).to_have_text(
        "Gradient of the prediction at row 15, column 15: one test digit, measured beforehand."
    )
    expect(caption(page, 1)).to_contain_text("Sees 351 of 406 pixels before it; 55 in its blind")
    warm = [shown(canvas(page, index))[..., 0] > 150 for index in range(1, 5)]
    assert all(each[:14].any() for each in warm)
    assert not any(each[15:].any() for each in warm)


def test_a_click_in_any_map_shows_what_the_pixel_sees(page: Page):
    for index, row, column in [(0, 20, 6), (3, 9, 20)]:
        click(page, index, row, column)
        expect(line(page)).to_have_text(measured_at(row, column))
        expect(caption(page, 0)).to_have_text(
            f"{row * 28 + column} pixels come before the chosen one."
        )
        page.mouse.move(0, 0)
        expect(page.locator(".line")).to_contain_text("Point at a pixel")
        for shown_at, model in enumerate(sees.MODELS, start=1):
            colours = shown(canvas(page, shown_at))
            field = gm_core.load(model, "cpu").receptive_field(row, column).numpy()
            outside = ~field
            outside[row - 1 : row + 2, column - 1 : column + 2] = False  # the cursor's frame
            greys = colours.max(axis=2) - colours.min(axis=2) < 10
            assert greys[outside].all()  # the ground, and the digit that shines through
            assert greys[field].mean() < 0.1


def test_the_digit_and_the_average_are_measured_anew(page: Page):
    three = shown(canvas(page, 0))
    page.get_by_label("Digit", exact=True).click()
    page.get_by_role("option", name="7").click()
    expect(line(page)).to_have_text(measured_at(14, 14))
    expect(page.locator(".title").first).to_have_text("A 7 of the test set")
    seven = shown(canvas(page, 0))
    assert not np.array_equal(three, seven)
    page.get_by_label("Average over 16 digits").check()
    expect(line(page)).to_contain_text("mean of 16 test digits, measured in", timeout=60_000)
    expect(page.locator(".title").first).to_have_text("Mean of 16 digits")
    expect(caption(page, 4)).to_contain_text("Sees all 406 pixels before it.")
    assert len(np.unique(shown(canvas(page, 0)))) > 10


def test_of_many_clicks_the_last_one_counts(page: Page):
    for row, column in [(3, 4), (5, 6), (7, 8), (9, 10)]:
        click(page, 0, row, column)
    expect(line(page)).to_have_text(measured_at(9, 10))
    page.get_by_label("Average over 16 digits").check()
    click(page, 0, 11, 12)
    expect(line(page)).to_have_text(re.compile("row 12, column 13: mean of 16"), timeout=60_000)


def test_stopping_stops_the_work(page: Page):
    started = time.monotonic()
    page.get_by_label("Average over 16 digits").check()
    page.wait_for_function(
        "document.querySelector('#pixelcnn-sees-status p').textContent.startsWith('Measured')"
    )
    first = time.monotonic() - started
    page.get_by_role("button", name="Stop").click()
    expect(line(page)).to_contain_text("Stopped.")
    page.wait_for_timeout(5000 * first)  # long enough for the other models, had it gone on
    expect(line(page)).to_contain_text("Stopped.")
    page.get_by_label("Average over 16 digits").uncheck()
    expect(line(page)).to_have_text(measured_at(14, 14))
    expect(caption(page, 4)).to_contain_text("Sees all 406 pixels before it.")


def test_the_keyboard_chooses(page: Page):
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("group", name="What it sees")).to_be_focused()
    for key in ("ArrowUp", "ArrowLeft", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(line(page)).to_have_text(measured_at(13, 12))


def test_it_fits_a_phone(open_page: Callable[..., Page], url: str):
    settings: dict[str, Any] = {"viewport": PHONE, "has_touch": True}
    page = open_page(url, **settings)
    expect(page.locator("canvas.map")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = canvas(page, 2).bounding_box()
    assert box
    canvas(page, 2).tap(position={"x": box["width"] * 6.5 / 28, "y": box["height"] * 20.5 / 28})
    expect(line(page)).to_have_text(measured_at(20, 6))
