"""One prompt, four families, by hand: what the page opens with, other prompts, stopping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import gm_core
from demo.overview import prompt
from tests.browser.conftest import PHONE, app_blocks, enter_seed, press, serve, stop_when
from tests.browser.test_gan_generate import pixels
from tests.demo.test_overview_prompt import SHIPPED, TAB, library
from tests.gm_core.test_prompt import save

LANES, STATUS, TABLE = (
    "#overview-prompt-lanes",
    "#overview-prompt-status p",
    "#overview-prompt-table",
)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity alone, with tiny networks."""
    save(folder, SHIPPED)
    with app_blocks() as demo:
        prompt.build(TAB)
    with serve(demo) as url:
        yield url


def choose(page: Page, text: str) -> None:
    page.get_by_label("Prompt").click()
    page.get_by_role("option", name=text, exact=True).click()


def expect_pictures(page: Page, family: int, images: np.ndarray) -> None:
    """A lane's first and last pictures are these (N, H, W)."""
    for index in (0, 15):
        canvas = page.locator(f"{LANES} section").nth(family).locator("canvas").nth(index)
        assert np.abs(pixels(canvas) - 255 * images[index][:, :, None]).max() <= 1


def test_a_page_opens_with_pictures_and_answers_other_prompts(open_page: Callable[..., Page]):
    page = open_page()
    line = page.locator(STATUS)
    expect(line).to_contain_text("drawn as the app was first opened.")
    sections = page.locator(f"{LANES} section")
    expect(sections.locator("h4 span")).to_have_text(list(prompt.FAMILIES))
    *_, frame = gm_core.load("pixelcnn-mnist").sample(16, seed=prompt.FIRST_SEED, label=7)
    expect_pictures(page, 1, frame.images[:, 0].numpy())

    choose(page, "any clothes")
    enter_seed(page, 5)
    page.get_by_role("button", name="Generate").click()
    expect(line).to_contain_text("“any clothes”")
    expect(sections.nth(0)).to_contain_text("No PixelRNN of Fashion-MNIST clothing ships")
    images = library("gan-fashion", None, 5).images[:, 0].numpy()
    expect_pictures(page, 3, images)
    expect(sections.nth(3).locator(".tag span").first).not_to_be_empty()
    expect(page.locator(f"{TABLE} tbody tr")).to_have_count(8)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    choose(page, "a 7")
    stop_when(page.get_by_role("button", name="Generate"), STATUS, "PixelCNN draws a 7")
    expect(line).to_contain_text("Stopped; the lanes stay as they are. PixelCNN draws")
    expect(sections.nth(0)).to_have_class("waiting")
    images = library("gan-mnist", 7, 5).images[:, 0].numpy()
    expect_pictures(page, 3, images)

    press(page.get_by_role("button", name="Generate"), line, "draws a 7")  # the next one works
    expect(line).to_contain_text("Seed 5.")
    expect(sections.nth(0)).to_have_class("done")
