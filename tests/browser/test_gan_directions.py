"""Directions by hand: avatars are marked, the slider is dragged, and the pixels follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from torch import Tensor

from demo.activities import ModelTab
from demo.gan import directions
from gm_core.latent_walk import difference
from tests.browser.conftest import PHONE, serve_activity
from tests.demo.test_gan_directions import MODEL, codes, drawn, marked
from tests.demo.test_gan_walk import COLOUR, save_gan


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny network."""
    save_gan(folder, MODEL, **COLOUR)
    with serve_activity(directions, ModelTab("gan", (MODEL,))) as url:
        yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=directions.TITLE).click()
        page.locator("#gan-directions-rows canvas").last.wait_for()
        return page

    return open_activity


def tile(page: Page, place: int) -> Locator:
    return page.locator("#gan-directions-marks .tiles button").nth(place)


def status(page: Page) -> Locator:
    return page.locator("#gan-directions-status p")


def pixels(canvas: Locator) -> np.ndarray:
    """(64, 64, 3)."""
    values = canvas.evaluate(
        """(canvas) => Array.from(canvas.getContext("2d")
          .getImageData(0, 0, canvas.width, canvas.height).data)"""
    )
    return np.array(values, np.uint8).reshape(64, 64, 4)[:, :, :3]


def assert_drawn(canvas: Locator, z: Tensor) -> None:
    # How many codes are drawn at once decides the last bit.
    assert np.abs(pixels(canvas).astype(int) - drawn(z[None])[0]).max() <= 1


def expect_moved(page: Page, seed: int, amount: float, d: Tensor) -> None:
    """The picture and the last of the other avatars become those moved by so much."""
    moved = f"moved by {'+' if amount > 0 else ''}{amount:.1f}σ".replace("-", "−")
    picture = page.locator("#gan-directions-picture canvas")
    expect(picture).to_have_attribute("aria-label", f"The avatar {moved}")
    expect(page.locator("#gan-directions-moved .title")).to_have_text(f"The others {moved}")
    assert_drawn(picture, codes(1, seed)[0] + amount * d)
    assert_drawn(page.locator("#gan-directions-moved canvas").last, codes(7, 1)[-1] + amount * d)


def drag(page: Page, *shares: float) -> float:
    """The slider's handle over some places; where it ends."""
    handle = page.get_by_role("slider")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    at = (float(handle.input_value()) + 3) / 6
    page.mouse.move(box["x"] + 8 + at * (box["width"] - 16), middle)
    page.mouse.down()
    for share in shares:
        page.mouse.move(box["x"] + 8 + share * (box["width"] - 16), middle, steps=8)
    page.mouse.up()
    return float(handle.input_value())


def test_marks_make_a_direction_and_the_slider_moves_along_it(open_activity: Callable[..., Page]):
    page = open_activity()
    seed = directions.FIRST_SEED
    expect(
        page.locator("#gan-directions-marks [data-mark=with], [data-mark=without]")
    ).to_have_count(32)
    expect(page.locator("#gan-directions-table td")).to_have_count(16)
    expect(page.locator("#gan-directions-table")).not_to_contain_text("…")  # the judge has counted
    page.get_by_role("button", name="Clear").click()
    expect(status(page)).to_contain_text("Too few marks: 0 with it, 0 without.")
    expect_moved(page, seed, 2.0, codes(1, 0)[0] * 0)

    for place in (3, 30, 4, 5):
        tile(page, place).click()
    for place in (4, 5):
        tile(page, place).press("Enter")  # again: has it not
    expect(tile(page, 3)).to_have_accessible_name("Generated avatar 4: has it")
    expect(tile(page, 5)).to_have_accessible_name("Generated avatar 6: has it not")
    expect(status(page)).to_contain_text("2 marked with it, 2 without.")
    d = difference(*marked([3, 30], [4, 5]))
    expect_moved(page, seed, 2.0, d)
    assert_drawn(page.locator("#gan-directions-rows canvas").first, codes(1, seed)[0] - 3 * d)

    amount = drag(page, 0.9, 0.1, 0.3)
    assert amount == pytest.approx(-1.2, abs=0.2)
    expect_moved(page, seed, amount, d)

    tile(page, 5).click()  # no mark again
    expect(tile(page, 5)).to_have_attribute("data-mark", "")
    expect(status(page)).to_contain_text("Too few marks: 2 with it, 1 without.")


def test_marks_are_kept_on_other_sheets(open_activity: Callable[..., Page]):
    page = open_activity()
    seed = directions.FIRST_SEED
    page.get_by_role("button", name="Clear").click()
    tile(page, 0).click()
    page.get_by_role("button", name="More examples").click()
    expect(page.locator(".where")).to_have_text("Sheet 2 of 8")
    expect(tile(page, 1)).to_have_accessible_name("Generated avatar 34: no mark")
    for place in (1, 2, 2, 3, 3):
        tile(page, place).click()
    expect(status(page)).to_contain_text("2 marked with it, 2 without.")
    expect_moved(page, seed, 2.0, difference(*marked([0, 33], [34, 35])))

    page.get_by_role("button", name="smile").click()  # both sheets, by the judge
    expect(status(page)).not_to_contain_text("2 marked with it")
    expect(page.locator("[data-mark=with], [data-mark=without]")).to_have_count(32)
    expect(page.locator(".where")).to_have_text("Sheet 2 of 8")

    page.locator("button", has_text="More").last.click()
    page.get_by_role("button", name="Randomise").click()
    number = page.get_by_role("spinbutton", name="Seed")
    expect(number).not_to_have_value(str(seed))
    page.get_by_role("button", name="Clear").click()
    expect(status(page)).to_contain_text("Too few marks")
    expect_moved(page, int(number.input_value()), 2.0, codes(1, 0)[0] * 0)


def test_it_fits_a_phone(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture = page.locator("#gan-directions-picture canvas").bounding_box()
    slider = page.get_by_role("slider").bounding_box()
    button = tile(page, 3).bounding_box()
    assert picture
    assert slider
    assert button
    assert picture["width"] >= 224
    assert slider["y"] + slider["height"] - picture["y"] < 844  # in sight at once
    assert min(button["width"], button["height"]) >= 44
    before = tile(page, 3).get_attribute("data-mark")
    tile(page, 3).tap()
    expect(tile(page, 3)).not_to_have_attribute("data-mark", before or "")
