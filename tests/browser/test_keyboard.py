"""One main action of every tab, by keyboard alone: whoever comes to a control by Tab sees where."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

MOST_STOPS = 120  # of the Tab key, from one control to another

WHERE = """wanted => {
  const node = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(node);
  const isMarked = outlineStyle !== "none" && parseFloat(outlineWidth) > 1;
  return [node === wanted, isMarked, node.outerHTML.slice(0, 200)];
}"""


@pytest.fixture(scope="module")
def page(share_page: Callable[..., Page], address: str) -> Page:
    return share_page(address)


def reach(page: Page, control: Locator) -> None:
    """Press Tab until the control has the focus, which shows at every stop."""
    control.wait_for()
    wanted = control.element_handle()
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        is_there, is_marked, html = page.evaluate(WHERE, wanted)
        assert is_marked, html
        if is_there:
            return
    pytest.fail(f"Tab never comes to {control}.")


def press(page: Page, control: Locator, *keys: str) -> None:
    reach(page, control)
    for key in keys:
        page.keyboard.press(key)


def open_by_key(page: Page, *titles: str) -> None:
    page.get_by_role("button", name="Large type").focus()  # the first stop of the page
    for title in titles:
        tab = page.get_by_role("tab", name=title, exact=True).locator("visible=true").last
        press(page, tab, "Enter")
        expect(tab).to_have_attribute("aria-selected", "true")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True).locator("visible=true").first


def test_the_map_opens_a_tab(page: Page):
    open_by_key(page, "Overview")
    press(page, page.locator(".map [data-tab=gan]"), "Enter")
    expect(page.get_by_role("tab", name="GAN", exact=True)).to_have_attribute(
        "aria-selected", "true"
    )


def test_the_table_opens_what_it_names(page: Page):
    open_by_key(page, "Learning paradigms")
    press(page, page.locator("#paradigms-table [data-activity=price]").first, "Enter")
    price = page.get_by_role("tab", name="Price of data")
    expect(price).to_have_attribute("aria-selected", "true")
    expect(page.get_by_text("Image 1 of 20")).to_be_visible()
    page.keyboard.press("7")  # is its label
    expect(page.get_by_text("Image 2 of 20")).to_be_visible()


def test_a_digit_is_drawn_and_stepped_through(page: Page):
    open_by_key(page, "PixelRNN", "Generate")
    where = page.locator("#pixelrnn-player .where")
    press(page, button(page, "Generate"), "Enter")
    expect(page.locator("#pixelrnn-status")).to_contain_text(re.compile(r"^\s*8 images in"))
    expect(where).to_have_text("pixel 784 of 784")
    press(page, page.locator("#pixelrnn-player [data-do=start]"), "Enter")
    press(page, page.locator("#pixelrnn-player [data-do=step]"), "Space", "Space")
    expect(where).to_have_text("pixel 2 of 784")
    slider = page.locator("#pixelrnn-player").get_by_role("slider", name="Step", exact=True)
    press(page, slider, "ArrowRight")
    expect(where).to_have_text("pixel 3 of 784")


def test_an_example_is_picked_and_drawn_on(page: Page):
    open_by_key(page, "PixelCNN", "Surprise")
    pad = page.locator(".pad:visible")
    one = pad.locator(".strip button").nth(1)
    press(page, one, "Enter")
    expect(one).to_have_attribute("aria-pressed", "true")
    press(page, pad.locator(".paper"), *["ArrowUp"] * 14)
    expect(pad.locator(".where")).to_have_text("Row 1, column 15: 0 % white")
    page.keyboard.press("Space")
    expect(pad.locator(".where")).to_have_text("Row 1, column 15: 100 % white")


def test_a_slider_and_a_map_move_the_code(page: Page):
    open_by_key(page, "VAE", "Explore")
    slider = page.locator(".sliders:visible input[type=range]").first
    slider.wait_for()
    before = slider.input_value()
    press(page, slider, "ArrowRight")
    expect(slider).not_to_have_value(before)
    open_by_key(page, "VAE", "Map")
    told = page.locator("#vae-map-status")
    said = told.inner_text()
    press(page, page.locator(".marks:visible").first, "ArrowRight")
    expect(told).not_to_have_text(said)


def test_training_is_played_and_paused(page: Page):
    open_by_key(page, "GAN", "Training")
    history = page.locator("#gan-training")
    press(page, history.locator(".play"), "Enter")
    expect(history.get_by_role("button", name="Pause", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(history.get_by_role("button", name="Play", exact=True)).to_be_visible()
    press(page, history.locator(".scrub"), "Home")
    expect(history).to_contain_text("After step 20 of 10,000")


def test_an_edit_is_begun_and_stopped(page: Page):
    open_by_key(page, "InstructPix2Pix", "Edit")
    told = page.locator("#instruct_pix2pix-edit-status")
    expect(told).to_contain_text("10 steps")
    press(page, button(page, "Edit"), "Enter")
    press(page, button(page, "Stop"), "Enter")
    expect(told).to_contain_text(re.compile("Stopped|Nothing runs"))
