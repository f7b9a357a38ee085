"""Nine tasks by hand: the truth, a stroke, an undo, a picture enlarged; and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from demo.activities import ModelTab
from demo.paradigms import nine
from tests.browser.conftest import PHONE, enter_seed, serve_activity
from tests.gm_core.test_nine import save_nine

KNOWN, DRAWN, BLANK = "Made of test digits", "Your drawing", "Nothing is drawn"


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    save_nine(folder)
    with serve_activity(nine, ModelTab("paradigms", ())) as url:
        yield url


def open_nine(page: Page) -> Page:
    page.get_by_role("tab", name=nine.TITLE).click()
    page.locator("#paradigms-nine-pad .paper").wait_for()
    return page


def test_a_canvas_is_answered_drawn_on_and_enlarged(open_page: Callable[..., Page]):
    page = open_nine(open_page())
    told = page.locator("#paradigms-nine-status p")
    pieces = page.locator("#paradigms-nine-clustering .own")
    truth = page.locator("#paradigms-nine-segmentation svg")
    expect(told).to_contain_text(KNOWN)
    expect(pieces).to_have_count(3)
    expect(truth).to_have_count(2)
    for task in (*nine.SUPERVISED, *nine.UNSUPERVISED):
        expect(page.locator(f"#paradigms-nine-{task} h4")).to_be_visible()

    enter_seed(page, 7)
    expect(told).to_contain_text(KNOWN)
    expect(page.locator("#paradigms-nine-captioning")).to_contain_text(
        nine.compose(7, 3).captions[0]
    )

    # What the table above the tabs says when one of its examples is chosen.
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('paradigms-task', {detail: 'object detection'}))"
    )
    asked = page.locator(".answer.asked")
    expect(asked).to_have_count(1)
    expect(asked).to_have_attribute("aria-label", "Object detection")

    page.get_by_role("button", name="Clear").click()
    expect(told).to_contain_text(BLANK)
    expect(pieces).to_have_count(0)
    box = page.locator("#paradigms-nine-pad .paper").bounding_box()
    assert box
    assert box["width"] >= 336
    page.mouse.move(box["x"] + 100, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 110, box["y"] + 260, steps=4)
    expect(told).to_contain_text(DRAWN)  # the button is still down
    page.mouse.up()
    expect(pieces).to_have_count(1)
    expect(truth).to_have_count(1)
    for _ in range(2):
        page.get_by_role("button", name="Undo").click()
    expect(told).to_contain_text(KNOWN)
    expect(pieces).to_have_count(3)

    page.locator("#paradigms-nine-reduction .enlarge").click()
    large = page.locator("#paradigms-nine-reduction dialog svg")
    expect(large).to_be_visible()
    assert (large.bounding_box() or {"width": 0})["width"] > 500
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()


def test_it_fits_a_phone(open_page: Callable[..., Page]):
    page = open_nine(open_page(viewport=PHONE, has_touch=True))
    expect(page.locator("#paradigms-nine-density")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for task in (*nine.SUPERVISED, *nine.UNSUPERVISED):
        said = page.locator(f"#paradigms-nine-{task} .said")
        assert said.evaluate("(said) => said.scrollWidth <= said.clientWidth"), task
