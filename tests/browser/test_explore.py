"""Explore by hand: drag, type and draw, and assert that the decoded pixels follow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, Route, expect

import gm_core
from demo.activities import TITLES, ModelTab
from demo.latent import examples, explore
from tests.browser.conftest import PHONE, enter_seed, serve_activity
from tests.demo.test_explore import AUTOENCODER, DEAD, DEAR, LARGE, NAMES, PLAIN, save_models

H = W = 28
OWN = "z is your image's code"


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with tiny networks."""
    save_models(folder)
    with serve_activity(explore, ModelTab("vae", NAMES)) as url:
        yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=explore.TITLE).click()
        page.locator(".sliders .dimension").first.wait_for()
        return page

    return open_activity


# --- what the library says -----------------------------------------------------------------------


def decoded(model: str, z: list[float]) -> list[int]:
    with torch.no_grad():
        image = gm_core.load(model).decode(torch.tensor([z]))[0, 0]
    return (255 * image).round().byte().flatten().tolist()


def mean_of(model: str, pixels: np.ndarray) -> list[float]:
    with torch.no_grad():
        mean, _ = gm_core.load(model).encode(torch.from_numpy(pixels)[None, None] / 255)
    return mean[0].tolist()


def picked(index: int) -> np.ndarray:
    return examples(tuple(name for name in NAMES if name in explore.MODELS)).pixels[index]


# --- what the page shows -------------------------------------------------------------------------


def shown(page: Page, name: str) -> list[int]:
    return page.locator(f".{name} canvas").evaluate(
        """(canvas) => Array.from(canvas.getContext("2d").getImageData(0, 0, 28, 28).data)
          .filter((_, at) => at % 4 === 0)"""
    )


def expect_pixels(page: Page, name: str, wanted: list[int]) -> None:
    """A picture's pixels, once the answer is there."""
    page.wait_for_function(
        """([name, wanted]) => {
          const canvas = document.querySelector(`.${name} canvas`);
          const { data } = canvas.getContext("2d").getImageData(0, 0, 28, 28);
          return JSON.parse(wanted).every((grey, at) => data[4 * at] === grey);
        }""",
        arg=[name, json.dumps(wanted)],
    )


def row(page: Page, dimension: int) -> Locator:
    named = page.locator(".name").get_by_text(f"z {dimension + 1}", exact=True)
    return page.locator(".sliders .dimension").filter(has=named)


def z_on_page(page: Page) -> list[float]:
    """What the sliders say, two decimals each, in the order of the dimensions."""
    said = page.locator(".sliders .dimension").evaluate_all(
        """(rows) => rows.map((row) =>
          [row.querySelector(".name").textContent, row.querySelector(".typed").value])"""
    )
    return [float(value) for _, value in sorted(said, key=lambda pair: int(pair[0][2:]))]


def drag(page: Page, dimension: int, shares: list[float]) -> None:
    """The handle from where it is to one share of the track after the other."""
    slider = row(page, dimension).get_by_role("slider")
    box = slider.bounding_box()
    assert box
    y, value = box["y"] + box["height"] / 2, float(slider.input_value())
    page.mouse.move(box["x"] + 8 + (value + 3) / 6 * (box["width"] - 16), y)
    page.mouse.down()
    for share in shares:
        page.mouse.move(box["x"] + share * box["width"], y)
    page.mouse.up()


def expect_moved(page: Page, model: str, moved: dict[int, float]) -> None:
    """The picture is that of the image's code with these dimensions changed."""
    z = mean_of(model, picked(7))
    for dimension, value in moved.items():
        z[dimension] = value
    expect_pixels(page, "decoded", decoded(model, z))


def switch(page: Page, model: str) -> None:
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name=TITLES[model], exact=True).click()


def told(page: Page) -> Locator:
    return page.locator("#vae-explore-status p")


# --- tests ---------------------------------------------------------------------------------------


def test_it_opens_at_the_code_of_a_test_image(open_activity: Callable[..., Page]):
    page = open_activity()
    mean = mean_of(PLAIN, picked(7))
    assert shown(page, "image") == picked(7).flatten().tolist()
    assert shown(page, "reconstruction") == decoded(PLAIN, mean)
    assert shown(page, "decoded") == decoded(PLAIN, mean)
    assert z_on_page(page) == pytest.approx(mean, abs=0.0051)
    expect(page.locator(".from")).to_have_text(OWN)
    expect(page.locator(".numbers dd")).to_have_text(
        [re.compile(r"^\d+\.\d nats$")] * 3 + [re.compile("^10 of 10$")]
    )
    widths = page.locator(".pictures canvas").evaluate_all(
        "(canvases) => canvases.map((canvas) => canvas.getBoundingClientRect().width)"
    )
    assert len(set(widths)) == 1
    assert widths[0] >= 224
    assert widths[0] % W == 0


def test_the_picture_follows_a_slider_and_goes_back(open_activity: Callable[..., Page]):
    page = open_activity()
    drag(page, 3, [0.6, 0.8])
    value = float(row(page, 3).get_by_role("slider").input_value())
    assert value > 1.5
    assert z_on_page(page)[3] == value
    expect_moved(page, PLAIN, {3: value})
    assert shown(page, "reconstruction") == decoded(PLAIN, mean_of(PLAIN, picked(7)))
    expect(page.locator(".from")).to_have_text("z moved by you")
    page.get_by_role("button", name="Reset to the image's code").click()
    expect(page.locator(".from")).to_have_text(OWN)
    expect_moved(page, PLAIN, {})


def test_the_last_value_of_a_fast_drag_wins(open_activity: Callable[..., Page]):
    page = open_activity(fresh=True)
    drag(page, 6, [*([0.1, 0.9] * 10), 0.75])
    slider = row(page, 6).get_by_role("slider")
    value = float(slider.input_value())
    assert value == pytest.approx(1.6, abs=0.3)
    expect_moved(page, PLAIN, {6: value})

    requests: list[Route] = []

    def hold_first(route: Route) -> None:  # its answer takes longer than the whole drag
        requests.append(route)
        if len(requests) > 1:
            route.continue_()

    page.route(re.compile("/predict"), hold_first)
    with page.expect_request(re.compile("/predict")):
        slider.press("Home")
    drag(page, 6, [0.2, 0.3])
    value = float(slider.input_value())
    assert value == pytest.approx(-1.3, abs=0.3)
    assert len(requests) == 1  # one at a time, so that no answer overtakes another
    requests[0].continue_()
    expect_moved(page, PLAIN, {6: value})


def test_an_answer_to_a_code_that_is_gone_is_dropped(open_activity: Callable[..., Page]):
    page = open_activity(fresh=True)
    requests: list[Route] = []

    def hold_first(route: Route) -> None:
        requests.append(route)
        if len(requests) > 1:
            route.continue_()

    page.route(re.compile("/predict"), hold_first)
    with page.expect_request(re.compile("/predict")):
        row(page, 6).get_by_role("slider").press("Home")
    page.locator(".pad .strip button").nth(4).click()
    own = decoded(PLAIN, mean_of(PLAIN, picked(4)))
    expect_pixels(page, "decoded", own)
    with page.expect_event("requestfinished"):
        requests[0].continue_()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert shown(page, "decoded") == own
    expect(page.locator(".from")).to_have_text(OWN)


def test_by_keyboard_and_as_a_typed_number(open_activity: Callable[..., Page]):
    page = open_activity()
    slider = row(page, 0).get_by_role("slider", name="z 1", exact=True)
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "-3.00 prior sigma units")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "-2.95 prior sigma units")
    expect_moved(page, PLAIN, {0: -2.95})
    number = page.get_by_role("spinbutton", name="z 1 as a number", exact=True)
    number.fill("7.5")  # beyond the track: the handle stops at its end
    expect_moved(page, PLAIN, {0: 7.5})
    expect(slider).to_have_value("3")
    number.fill("-1e9")
    number.press("Tab")
    expect(number).to_have_value("-100.0")
    expect_moved(page, PLAIN, {0: -100})
    number.fill("")  # no number, no move
    number.press("Tab")
    expect(number).to_have_value("-100.0")


def test_buttons_move_all_sliders_at_once(open_activity: Callable[..., Page]):
    page = open_activity()
    page.get_by_role("button", name="All zero").click()
    expect_pixels(page, "decoded", decoded(PLAIN, [0.0] * 10))
    assert z_on_page(page) == [0] * 10
    page.get_by_role("button", name="Random z").click()
    expect(page.locator(".from")).to_contain_text("z from the prior, seed ")
    seed = int(page.locator(".from").inner_text().split()[-1])
    z = gm_core.load(PLAIN).sample_latent(1, seed=seed)[0].tolist()
    expect_pixels(page, "decoded", decoded(PLAIN, z))
    assert z_on_page(page) == pytest.approx(z, abs=0.0051)
    page.get_by_role("button", name="More").click()
    field = page.get_by_role("spinbutton", name="Seed")
    expect(field).to_have_value(str(seed))
    enter_seed(page, 5)
    field.press("Enter")
    expect(page.locator(".from")).to_have_text("z from the prior, seed 5")
    z = gm_core.load(PLAIN).sample_latent(1, seed=5)[0].tolist()
    expect_pixels(page, "decoded", decoded(PLAIN, z))
    drag(page, 4, [0.2])  # on from there
    z[4] = float(row(page, 4).get_by_role("slider").input_value())
    expect_pixels(page, "decoded", decoded(PLAIN, z))


def test_the_sliders_jump_while_a_stroke_goes_on(open_activity: Callable[..., Page]):
    page = open_activity()
    page.get_by_role("button", name="Clear").click()
    expect(told(page)).to_contain_text("Nothing is drawn")
    assert not any(shown(page, "image"))
    empty = z_on_page(page)
    drag(page, 1, [0.9])  # a new drawing takes no notice of it
    box = page.locator(".pad .paper").bounding_box()
    assert box
    scale = box["width"] / W
    page.mouse.move(box["x"] + 8 * scale, box["y"] + 6 * scale)
    page.mouse.down()
    page.mouse.move(box["x"] + 20 * scale, box["y"] + 7 * scale, steps=6)
    expect(told(page)).to_contain_text("gives your drawing")  # the button is still down
    assert any(shown(page, "image"))
    page.mouse.move(box["x"] + 12 * scale, box["y"] + 22 * scale, steps=6)
    page.mouse.up()
    page.wait_for_function(
        """() => {
          const pen = document.querySelector(".image canvas").getContext("2d");
          return pen.getImageData(12, 21, 1, 1).data[0] > 100; // where the stroke ends
        }"""
    )
    mean = mean_of(PLAIN, np.array(shown(page, "image"), np.uint8).reshape(H, W))
    assert z_on_page(page) == pytest.approx(mean, abs=0.0051)
    assert z_on_page(page) != empty
    assert shown(page, "decoded") == decoded(PLAIN, mean)


def test_a_switch_keeps_the_image_and_the_moved_z(open_activity: Callable[..., Page]):
    page = open_activity()
    drag(page, DEAD[0], [0.9])
    value = float(row(page, DEAD[0]).get_by_role("slider").input_value())
    z = mean_of(PLAIN, picked(7))
    z[DEAD[0]] = value
    expect_pixels(page, "decoded", decoded(PLAIN, z))
    switch(page, DEAR)
    expect(told(page)).to_contain_text("Kept: your image and your z.")
    assert shown(page, "image") == picked(7).flatten().tolist()
    assert z_on_page(page) == pytest.approx(z, abs=0.0051)
    assert shown(page, "decoded") == decoded(DEAR, z)
    expect(page.locator(".numbers dd").last).to_have_text("8 of 10")

    unused = page.locator(".dimension.unused")
    expect(unused.locator(".name")).to_have_text([f"z {at + 1}" for at in DEAD])
    expect(unused.locator("output")).to_have_text(["unused"] * 2)
    assert page.locator(".dimension").last.get_attribute("class") == "dimension unused"
    before = shown(page, "decoded")
    drag(page, DEAD[0], [0.1])
    drag(page, 0, [0.9])  # the answer to this one comes later
    z[0] = float(row(page, 0).get_by_role("slider").input_value())
    expect_pixels(page, "decoded", decoded(DEAR, z))  # as if the unused one had not moved
    assert shown(page, "decoded") != before


def test_a_mean_beyond_the_track_is_pinned_with_its_number(open_activity: Callable[..., Page]):
    page = open_activity()
    switch(page, AUTOENCODER)
    expect(told(page)).to_contain_text("The sliders stand at its new code.")
    mean = mean_of(AUTOENCODER, picked(7))
    for dimension, arrow in ((0, "◂ −"), (1, " ▸")):
        beyond = row(page, dimension).locator(".beyond")
        expect(beyond).to_be_visible()
        expect(beyond).to_contain_text(arrow)
        expect(beyond).to_contain_text(f"{abs(mean[dimension]):.1f}")
        pinned = row(page, dimension).get_by_role("slider")
        expect(pinned).to_have_value("-3" if dimension == 0 else "3")
    drag(page, 3, [0.9])  # the pinned ones stay where they are
    mean[3] = float(row(page, 3).get_by_role("slider").input_value())
    expect_pixels(page, "decoded", decoded(AUTOENCODER, mean))


def test_many_dimensions_are_shown_on_demand(open_activity: Callable[..., Page]):
    page = open_activity()
    expect(page.locator(".more")).to_be_hidden()
    switch(page, LARGE)
    rows = page.locator(".dimension:visible")
    more = page.get_by_role("button", name="All 32 dimensions")
    expect(more).to_be_visible()
    expect(rows).to_have_count(10)
    more.click()
    expect(rows).to_have_count(32)
    page.get_by_role("button", name="Only the 10 most used").click()
    expect(rows).to_have_count(10)


def test_it_fits_a_phone_and_a_finger_moves_a_slider(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (page.locator(".decoded canvas").bounding_box() or {"width": 0})["width"] >= 224
    top = page.locator(".image canvas").bounding_box()
    bottom = page.locator(".dimension:visible").last.bounding_box()
    assert top
    assert bottom
    assert bottom["y"] + bottom["height"] - top["y"] < 844  # pictures and sliders at once
    slider = row(page, 8).get_by_role("slider")
    assert slider.evaluate("(node) => getComputedStyle(node).touchAction") == "pan-y"
    slider.tap(position={"x": 100, "y": 20})
    value = float(slider.input_value())
    assert value != pytest.approx(mean_of(PLAIN, picked(7))[8], abs=0.05)
    expect_moved(page, PLAIN, {8: value})
