"""Walks by hand: other codes, another class, another model; the map dragged and stepped over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import gm_core
from demo.activities import ModelTab
from demo.gan import walk
from gm_core.latent import spherical, straight
from tests.browser.conftest import PHONE, cells, enter_seed, serve_activity, until
from tests.demo.test_gan_walk import AVATARS, COLOUR, DIGITS, GREY, drawn, place_of, save_gan


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with tiny networks."""
    save_gan(folder, DIGITS, **GREY)
    save_gan(folder, AVATARS, **COLOUR)
    with serve_activity(walk, ModelTab("gan", (DIGITS, AVATARS))) as url:
        yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=walk.TITLE).click()
        page.locator(".player .main").wait_for()
        return page

    return open_activity


def choose(page: Page, dropdown: str, option: str) -> None:
    page.get_by_role("combobox", name=dropdown, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()
    expect(page.get_by_test_id("dropdown-option")).to_have_count(0)  # it closes by and by


def expect_middle(page: Page, seed: int, label: int | None) -> None:
    """Both ways, halfway, are what the library draws."""
    page.locator(".player .scrub").fill("24")
    first, last = gm_core.load(DIGITS).sample_latent(2, seed=seed)
    for go in (spherical, straight):
        wanted = drawn(DIGITS, go(first, last, 3)[1:2], label)[0]
        seen = cells(page).astype(int)
        assert np.abs(seen - np.broadcast_to(wanted, seen.shape)).max() <= 1
        page.get_by_role("button", name="Next image").click()


def picture(page: Page) -> np.ndarray:
    """What G draws at the chosen place: (H, W, 3)."""
    values, height, width = page.locator("#gan-map-picture canvas").evaluate(
        """(canvas) => [Array.from(canvas.getContext("2d")
          .getImageData(0, 0, canvas.width, canvas.height).data), canvas.height, canvas.width]"""
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[:, :, :3]


def expect_place(page: Page, seed: int) -> tuple[float, float]:
    """The picture becomes what the library draws at the place that the map says of itself."""
    said = page.locator(".code-map").get_attribute("data-place") or ""
    x, y = map(float, said.split())
    name = f"What G draws at {x:.2f} to the right and {y:.2f} up".replace("-", "−")
    canvas = page.locator("#gan-map-picture canvas")
    expect(canvas).to_have_attribute("aria-label", name)
    wanted = drawn(DIGITS, place_of(seed, x, y))[0].astype(int)
    assert np.abs(picture(page) - wanted).max() <= 1
    return x, y


def test_a_walk_follows_what_is_chosen(open_activity: Callable[..., Page]):
    page = open_activity()
    told = page.locator("#gan-walk-status p")
    expect(told).to_have_text("48 steps over 2 random codes of seed 0, class any: digits.")
    expect_middle(page, 0, None)
    choose(page, "Class", "3")
    expect(told).to_have_text("48 steps over 2 random codes of seed 0, class 3: digits.")
    choose(page, "Class from halfway on", "7")
    expect(told).to_contain_text("class 3, from halfway on 7")
    page.locator("button", has_text="More").click()
    enter_seed(page, 6)
    seed = page.get_by_role("spinbutton", name="Seed")
    seed.press("Enter")
    expect(told).to_contain_text("of seed 6, class 3, from halfway on 7")
    expect_middle(page, 6, 7)

    page.get_by_role("button", name="Randomise").click()
    expect(told).not_to_contain_text("of seed 6,")
    assert seed.input_value() in told.inner_text()
    choose(page, "Model", "GAN, avatars")
    expect(told).to_contain_text(": avatars.")
    expect(page.get_by_role("combobox", name="Class", exact=True)).to_be_disabled()
    number = int(seed.input_value())
    page.get_by_label("File type").click()
    page.get_by_role("option", name="png").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download").click()
    assert saved.value.suggested_filename == f"gan-avatars-walk-2-seed-{number}.png"


def test_the_map_is_dragged_and_its_last_place_wins(open_activity: Callable[..., Page]):
    page = open_activity()
    for view in ("Map", "Walk", "Map"):
        page.get_by_role("radio", name=view).check()
        expect(page.locator(".player .main")).to_be_visible(visible=view == "Walk")
    page.locator(".code-map[data-place]").wait_for()
    expect(page.locator("#gan-map-picture figcaption")).to_have_text("What G draws there")
    assert expect_place(page, 0) == (0, 0)
    marks = page.locator(".marks")
    marks.scroll_into_view_if_needed()
    box = marks.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for across, down in [(0.1, 0.9), (0.9, 0.4), (0.75, 0.25)]:
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=9)
    x, y = expect_place(page, 0)  # the button is still down
    assert (x, y) == pytest.approx((5.5, 5.5), abs=0.15)
    page.mouse.move(box["x"] + box["width"] + 200, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    x, _ = expect_place(page, 0)
    assert x == 11  # it ends at the edge

    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    assert expect_place(page, 0) == pytest.approx((10.8, -1), abs=0.15)
    page.keyboard.press("Home")
    assert expect_place(page, 0) == (0, 0)

    tiles = page.locator(".code-map").get_attribute("data-serial") or ""
    page.get_by_role("button", name="Randomise").click()
    expect(page.locator(".code-map")).not_to_have_attribute("data-serial", tiles)
    page.locator("button", has_text="More").click()
    number = int(page.get_by_role("spinbutton", name="Seed").input_value())
    page.locator(".marks").press("ArrowUp")
    assert expect_place(page, number) == (0, 0.2)
    # Two tiles' middles, as drawn by the library; a tile may begin within a pixel.
    corners = [drawn(DIGITS, place_of(number, x, 10))[0] for x in (-8.0, 6.0)]
    middles = [corner[11:17, 11:17].astype(int) for corner in corners]

    def shows_them() -> bool:
        seen = page.locator(".plane").evaluate(
            """(canvas) => {
              const pen = canvas.getContext("2d");
              const side = canvas.width / 11;
              const at = (x, y) => pen.getImageData(x, y, 1, 1).data[0];
              return [at(1.5 * side, 0.5 * side), at(8.5 * side, 0.5 * side)];
            }"""
        )
        return all(
            middle.min() - 4 <= grey <= middle.max() + 4
            for grey, middle in zip(seen, middles, strict=True)
        )

    until(page, shows_them)


def test_it_fits_a_phone(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    page.get_by_role("radio", name="Map").check()
    page.locator(".code-map[data-place]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    drawing = page.locator("#gan-map-picture canvas").bounding_box()
    box = page.locator(".marks").bounding_box()
    assert drawing
    assert box
    assert drawing["width"] >= 224
    assert box["y"] + box["height"] - drawing["y"] < 844  # in sight at once
    page.locator(".marks").tap(position={"x": box["width"] * 0.25, "y": box["height"] * 0.5})
    assert expect_place(page, 0) == pytest.approx((-5.5, 0), abs=0.2)
