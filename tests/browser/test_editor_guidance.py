"""Guidance by hand: steps without the server, and a cell of the grid that is taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from demo.components.taken_apart import SCALE
from demo.editor import guidance
from tests.browser.conftest import PHONE, serve_activity
from tests.demo.test_editor_guidance import TAB, as_pixels, frames, save_editor

LESS, MORE = np.array([0, 114, 178]), np.array([213, 94, 0])


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny editor."""
    save_editor(folder)
    guidance.opening_cells.clear()
    with serve_activity(guidance, TAB) as url:
        yield url


def tile(page: Page, name: str) -> np.ndarray:
    """What a canvas of the equation shows: (H, W, 3)."""
    width, values = page.locator(f"#instruct_pix2pix-guidance-apart [data-tile={name}]").evaluate(
        "canvas => [canvas.width, Array.from(canvas.getContext('2d').getImageData(0, 0, "
        "canvas.width, canvas.height).data)]"
    )
    return np.array(values).reshape(-1, width, 4)[..., :3]


def heat(more: np.ndarray, less: np.ndarray) -> np.ndarray:
    """The colours of a difference: blue where it is darker, orange where it is brighter."""
    share = ((more.astype(int) - less).mean(axis=2, keepdims=True) / SCALE).clip(-1, 1)
    return 255 + abs(share) * (np.where(share < 0, LESS, MORE) - 255)


def check_step(page: Page, frame: Any) -> None:
    tiles = as_pixels(torch.cat([frame.guesses, frame.images]))
    nothing, picture, both, total = tiles
    shown = {name: tile(page, name) for name in ("nothing", "picture", "both", "sum")}
    assert all(map(np.array_equal, shown.values(), tiles))
    assert np.abs(tile(page, "image") - heat(picture, nothing)).max() <= 0.51
    assert np.abs(tile(page, "text") - heat(both, picture)).max() <= 0.51
    assert not np.array_equal(total, nothing)
    size = np.sqrt(np.square(both.astype(int) - picture).mean())
    expect(page.locator(".sizes")).to_contain_text(f"C − B {size:.1f} levels")


def test_steps_are_scrubbed_and_a_cell_is_taken_over(open_page: Callable[..., Page]):
    page = open_page()
    page.get_by_role("tab", name=guidance.TITLE).click()
    apart = page.locator("#instruct_pix2pix-guidance-apart .apart")
    told = page.locator("#instruct_pix2pix-guidance-status p")
    expect(apart).to_have_attribute("data-done", "10")
    expect(told).to_contain_text("“give her sunglasses”, 10 steps, text guidance 1.5")
    wanted = frames("give her sunglasses", 1.5, 1.1, 0)
    expect(apart).to_have_attribute("data-step", "10")
    check_step(page, wanted[9])
    scrub = apart.get_by_role("slider")
    scrub.focus()
    for step in (9, 8, 7):
        scrub.press("ArrowLeft")
        expect(apart).to_have_attribute("data-step", str(step))
    check_step(page, wanted[6])

    page.get_by_role("tab", name="Grid", exact=True).click()
    grid = page.locator("#instruct_pix2pix-guidance-grid .grid")
    cells = grid.locator(".cell")
    expect(cells.nth(1)).to_be_enabled()
    page.get_by_role("button", name="Stop").last.click()
    expect(page.locator("#instruct_pix2pix-guidance-grid-status p")).to_have_text(guidance.STOPPED)
    expect(cells.last).to_be_disabled()  # not all of them are computed
    cells.first.focus()
    cells.first.press("ArrowRight")
    expect(cells.nth(1)).to_be_focused()
    expect(grid.locator(".title")).to_have_text("Text guidance 0.75, image guidance 2.2")
    expect(grid.locator(".numbers li").first).to_contain_text("error that remains")
    cells.nth(1).press("Enter")
    expect(page.get_by_label("number input for Text guidance")).to_have_value("0.75")
    expect(page.get_by_label("number input for Image guidance")).to_have_value("2.2")
    expect(cells.nth(1)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("tab", name="Taken apart").click()
    expect(told).to_contain_text("text guidance 0.75, image guidance 2.2")
    expect(apart.locator("i.image")).to_have_text("2.2")
    expect(apart).to_have_attribute("data-done", "10")
    expect(apart).to_have_attribute("data-step", "10")
    check_step(page, frames("give her sunglasses", 0.75, 2.2, 0)[9])


def test_a_phone_plays_the_steps_of_a_picked_picture(open_page: Callable[..., Page]):
    page = open_page(viewport=PHONE, has_touch=True, color_scheme="dark")
    page.get_by_role("tab", name=guidance.TITLE).click()
    apart = page.locator("#instruct_pix2pix-guidance-apart .apart")
    expect(apart).to_have_attribute("data-done", "10")
    opened = tile(page, "sum")
    page.locator("#instruct_pix2pix-guidance-shelf button").nth(6).tap()  # a landscape
    expect(page.get_by_role("textbox", name="Instruction")).to_have_value("add a lake")
    told = page.locator("#instruct_pix2pix-guidance-status p")
    expect(told).to_contain_text("“add a lake”, 10 steps")
    expect(apart).to_have_attribute("data-step", "10")
    assert not np.array_equal(tile(page, "sum"), opened)
    assert np.array_equal(tile(page, "truth"), tile(page, "source"))
    expect(told).to_contain_text("In this picture that changes nothing.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    apart.get_by_role("slider").fill("1")
    expect(apart).to_have_attribute("data-step", "1")
    apart.get_by_role("button", name="Play").tap()
    expect(apart).to_have_attribute("data-step", "10")
    expect(apart.get_by_role("button")).to_have_text("Play")
