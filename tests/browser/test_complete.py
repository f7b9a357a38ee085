"""Completing by hand: hide, complete, watch, be refused, stop, change the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from demo.activities import ModelTab, complete
from tests.browser.conftest import PHONE, app_blocks, cells, enter_number, press, serve, stop_when
from tests.demo.test_race import save_tiny

DIGITS, CLOTHES, SLOW = "pixelcnn-mnist", "pixelcnn-fashion", "pixelcnn-masked-mnist"
MODELS = (DIGITS, CLOTHES, SLOW)
H = W = 28


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity, with tiny networks."""
    save_tiny(folder, (DIGITS,), height=H, width=W)
    save_tiny(folder, (CLOTHES,), height=H, width=W, levels=256)
    save_tiny(folder, (SLOW,), height=H, width=W, features=256, bottleneck=128, layers=40)
    with app_blocks() as demo:
        complete.build(ModelTab("pixelcnn", MODELS))
    with serve(demo) as url:
        yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.locator(".pad .paper").wait_for()
        page.locator(".player .main").wait_for()
        return page

    return open_activity


def status(page: Page):
    return page.locator("#pixelcnn-complete-status p")


def examples(page: Page):
    return page.locator(".pad .strip button")


def hide_rows(page: Page, row: int) -> None:
    page.get_by_role("slider", name="Hide rows from").fill(str(row))


def choose_model(page: Page, title: str) -> None:
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=title, exact=True).click()


def run(page: Page, told: str) -> None:
    press(page.get_by_role("button", name="Complete", exact=True), status(page), told)


def test_it_opens_with_a_completed_image(open_activity: Callable[..., Page]):
    page = open_activity()
    expect(status(page)).to_contain_text("4 completions of 392 hidden pixels, drawn beforehand")
    expect(examples(page).nth(3)).to_have_attribute("aria-pressed", "true")
    shown = cells(page)[..., 0]
    three = complete.examples(MODELS).pixels[3]
    assert np.array_equal(shown[:14], three[:14])
    assert not np.array_equal(shown[14:], three[14:])
    expect(page.locator(".maps canvas.map")).to_have_count(3)


def test_a_picked_and_partly_hidden_image_is_completed(open_activity: Callable[..., Page]):
    page = open_activity()
    examples(page).nth(8).click()
    hide_rows(page, 20)
    run(page, "8 completions of 224 hidden pixels, in ")
    expect(status(page)).to_contain_text("Known pixels untouched: yes.")
    eight = complete.examples(MODELS).pixels[8]
    pictures = []
    for _ in range(8):
        shown = cells(page)[..., 0]
        assert np.array_equal(shown[:20], eight[:20])
        pictures.append(shown[20:].tobytes())
        page.get_by_role("button", name="Next image").click()
    assert len(set(pictures)) == 8
    expect(page.locator(".player .caption")).to_contain_text("Completion 1: −log p(x)")

    # A pixel that was known was set, not drawn; one that was hidden was drawn.
    scrub = page.get_by_role("slider", name="Step", exact=True)
    scrub.fill(str(8 * W + 14))
    expect(page.locator(".player .draw-text")).to_contain_text("Not drawn but set")
    scrub.fill(str(24 * W + 14))
    expect(page.locator(".player .draw-text")).to_contain_text("The dice fell into the share")


def test_watching_begins_where_the_model_begins_to_draw(open_activity: Callable[..., Page]):
    page = open_activity(reduced_motion="no-preference")
    hide_rows(page, 27)
    page.get_by_role("button", name="Complete", exact=True).click()
    page.wait_for_function(
        "document.querySelector('.player .play').textContent === 'Pause'", polling="raf"
    )
    assert int(page.locator(".player").get_attribute("data-step") or 0) >= 27 * W
    expect(page.locator(".player .where")).to_have_text("pixel 784 of 784")


def test_what_cannot_be_completed_is_said_and_nothing_is_lost(open_activity: Callable[..., Page]):
    page = open_activity()
    before, line = cells(page), status(page).inner_text()
    start = page.get_by_role("button", name="Complete", exact=True)
    page.get_by_role("button", name="Uncover all").click()
    start.click()
    expect(page.get_by_text("Hide a part first: move")).to_be_visible()
    hide_rows(page, 0)
    start.click()
    expect(page.get_by_text("Everything is hidden, so there is nothing")).to_be_visible()
    hide_rows(page, 3)
    start.click()
    expect(page.get_by_text("All that is known is black")).to_be_visible()
    assert np.array_equal(cells(page), before)
    expect(status(page)).to_have_text(line)
    hide_rows(page, 13)
    run(page, "8 completions of 420 hidden pixels, in ")
    assert not np.array_equal(cells(page), before)


def test_another_data_set_brings_its_own_images_and_classes(open_activity: Callable[..., Page]):
    page = open_activity()
    choose_model(page, "Gated PixelCNN, clothes")
    expect(examples(page).nth(13)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".pad .rows-from")).to_have_text("row 15")  # what is hidden stays so
    page.get_by_role("combobox", name="Class").click()
    page.get_by_role("option", name="dress").click()
    hide_rows(page, 26)
    run(page, "8 completions of 56 hidden pixels, in ")
    dress = complete.examples(MODELS).pixels[13]
    assert np.array_equal(cells(page)[:26, :, 0], dress[:26])
    expect(page.locator(".player .caption")).to_contain_text("−log p(x | dress)")


def test_stopping_keeps_the_completions_before(open_activity: Callable[..., Page]):
    page = open_activity()
    line, before = status(page).inner_text(), cells(page)
    choose_model(page, "Masked PixelCNN")
    page.get_by_role("button", name="More").click()
    enter_number(page, "Completions", complete.MOST_COMPLETIONS)
    stop_when(
        page.get_by_role("button", name="Complete", exact=True),
        "#pixelcnn-complete-status",
        "Completing: pixel",
    )
    expect(status(page)).to_have_text(f"Stopped. These are still the completions before: {line}")
    assert np.array_equal(cells(page), before)
    choose_model(page, "Gated PixelCNN")
    enter_number(page, "Completions", 1)
    run(page, "1 completion of 392 hidden pixels, in ")  # the work before has made room


def test_randomising_the_seed_changes_the_completions(open_activity: Callable[..., Page]):
    page = open_activity()
    run(page, "8 completions of 392 hidden pixels, in ")
    before = cells(page)
    page.get_by_role("button", name="Randomise seed").click()
    expect(page.get_by_label("Seed")).not_to_have_value("7")
    line = status(page).inner_text()
    page.get_by_role("button", name="Complete", exact=True).click()
    expect(status(page)).not_to_have_text(line)
    expect(status(page)).to_contain_text("8 completions")
    after = cells(page)
    assert np.array_equal(after[:14], before[:14])
    assert not np.array_equal(after[14:], before[14:])


def test_it_fits_a_phone(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator(".pad .paper").bounding_box()
    assert box
    assert box["width"] >= 300
    start = page.get_by_role("button", name="Complete", exact=True)
    assert (start.bounding_box() or {"height": 0})["height"] >= 40
