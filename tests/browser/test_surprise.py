"""Surprise by hand: draw, pick, change, compare, switch the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

import gm_core
from demo.activities import ModelTab, surprise
from demo.activities.complete import examples
from gm_core import checkpoints
from tests.browser.conftest import PHONE, serve_activity
from tests.demo.test_race import save_tiny

DIGITS, CLOTHES = "pixelcnn-mnist", "pixelcnn-fashion"
H = W = 28


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with tiny networks."""
    save_tiny(folder, (DIGITS,), height=H, width=W)
    save_tiny(folder, (CLOTHES,), height=H, width=W, levels=256)
    checkpoints.write_sample(DIGITS, {"nats": torch.linspace(100, 2000, 1000)})
    with serve_activity(surprise, ModelTab("pixelcnn", (DIGITS, CLOTHES))) as url:
        yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=surprise.TITLE).click()
        page.locator(".pad .paper").wait_for()
        page.wait_for_function("document.querySelector('canvas.map').width % 28 === 0")
        return page

    return open_activity


def nats(model: str, pixels: np.ndarray, label: int | None = None) -> float:
    """-log p of a picture, by the library."""
    network = gm_core.load(model)
    levels = torch.from_numpy(pixels.astype(np.int64))
    if network.config.levels == 2:
        levels = (levels >= 128).long()
    return -float(network.log_prob(levels[None, None], label))


def on_pad(page: Page) -> np.ndarray:
    """The grey in the middle of every pixel of the pad: (28, 28)."""
    greys = page.locator(".pad .paper").evaluate(
        """(canvas) => {
          const pen = canvas.getContext("2d");
          return Array.from({ length: 784 }, (_, at) => {
            const x = ((at % 28) + 0.5) * canvas.width / 28;
            const y = (Math.floor(at / 28) + 0.5) * canvas.height / 28;
            return pen.getImageData(x, y, 1, 1).data[0];
          });
        }"""
    )
    return np.array(greys, np.uint8).reshape(H, W)


def status(page: Page):
    return page.locator("#pixelcnn-surprise-status p")


def rows(page: Page):
    return page.locator("#pixelcnn-surprise-results tbody tr")


def picked(index: int) -> np.ndarray:
    return examples((DIGITS, CLOTHES)).pixels[index]


def test_it_opens_with_a_scored_test_image(open_activity: Callable[..., Page]):
    page = open_activity()
    assert np.array_equal(on_pad(page), picked(7))
    told = f"Test image: a 7: −log p(x) = {nats(DIGITS, picked(7)):.1f} nats"
    expect(status(page)).to_contain_text(told)
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#pixelcnn-surprise-classes .number.best").first).to_be_visible()
    expect(page.locator("#pixelcnn-surprise-rank .heading")).to_contain_text("of 1,000 test digits")
    scores = page.locator("#pixelcnn-surprise-rank")
    assert scores.locator(".plot i").count() == 40
    bars = scores.locator(".plot i").evaluate_all(
        "(bars) => bars.map((bar) => bar.getBoundingClientRect().height)"
    )
    assert min(bars) > 20  # evenly spread, all of them drawn


def test_a_stroke_is_scored_while_it_goes_on(open_activity: Callable[..., Page]):
    page = open_activity()
    page.get_by_role("button", name="Clear").click()
    empty = "Even an empty picture has a probability. Nothing drawn: −log p(x) = "
    expect(status(page)).to_contain_text(f"{empty}{nats(DIGITS, np.zeros((H, W))):.1f} nats")
    box = page.locator(".pad .paper").bounding_box()
    assert box
    scale = box["width"] / W
    page.mouse.move(box["x"] + 8 * scale, box["y"] + 6 * scale)
    page.mouse.down()
    page.mouse.move(box["x"] + 20 * scale, box["y"] + 7 * scale, steps=6)
    expect(status(page)).to_contain_text("Your drawing: ")  # the button is still down
    page.mouse.move(box["x"] + 12 * scale, box["y"] + 22 * scale, steps=6)
    page.mouse.up()
    drawn = on_pad(page)
    assert (drawn > 200).sum() > 20
    expect(status(page)).to_contain_text(f"−log p(x) = {nats(DIGITS, drawn):.1f} nats")
    expect(rows(page).first).to_contain_text("your drawing")
    expect(rows(page)).to_have_count(3)  # one for the whole stroke


def test_changes_are_scored_kept_and_undone(open_activity: Callable[..., Page]):
    page = open_activity()
    page.locator(".pad .strip button").nth(4).click()
    expect(status(page)).to_contain_text(f"= {nats(DIGITS, picked(4)):.1f} nats")
    for name, pixels in (
        ("Upside-down", np.rot90(picked(4), 2)),
        ("Invert", 255 - np.rot90(picked(4), 2)),
    ):
        page.get_by_role("button", name=name).click()
        expect(status(page)).to_contain_text(f"= {nats(DIGITS, pixels.copy()):.1f} nats")
        assert np.array_equal(on_pad(page), pixels)
    expect(rows(page)).to_have_count(4)
    expect(rows(page).nth(0)).to_contain_text("test image: a 4, upside-down, inverted")
    expect(rows(page).nth(1)).to_contain_text("test image: a 4, upside-down")
    widths = page.locator("#pixelcnn-surprise-results img").evaluate_all(
        "(images) => images.map((image) => [image.naturalWidth, image.clientWidth])"
    )
    assert widths == [[28, 42]] * 4
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    expect(status(page)).to_contain_text("Test image: a 4: ")
    assert np.array_equal(on_pad(page), picked(4))


def test_the_shuffle_keeps_the_ink(open_activity: Callable[..., Page]):
    page = open_activity()
    page.get_by_role("button", name="Shuffle pixels").click()
    expect(status(page)).to_contain_text("Test image: a 7, shuffled: ")
    assert np.array_equal(np.sort(on_pad(page), axis=None), np.sort(picked(7), axis=None))
    assert not np.array_equal(on_pad(page), picked(7))


def test_a_class_and_another_model_are_scored_too(open_activity: Callable[..., Page]):
    page = open_activity()
    page.get_by_role("combobox", name="Class").click()
    page.get_by_role("option", name="2", exact=True).click()
    told = f"−log p(x | 2) = {nats(DIGITS, picked(7), 2):.1f} nats"
    expect(status(page)).to_contain_text(told)
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="Gated PixelCNN, clothes").click()
    told = f"Test image: sneaker: −log p(x) = {nats(CLOTHES, picked(17)):.1f} nats"
    expect(status(page)).to_contain_text(told)
    assert np.array_equal(on_pad(page), picked(17))
    expect(page.locator("#pixelcnn-surprise-rank")).to_contain_text("has not been measured")
    expect(page.locator("#pixelcnn-surprise-classes")).to_contain_text("ankle boot")
    expect(page.get_by_role("combobox", name="Class")).to_have_value("any")


def test_it_fits_a_phone(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in surprise.TRANSFORMS:
        box = page.get_by_role("button", name=name).bounding_box()
        assert box
        assert box["height"] >= 40
    assert (page.locator("canvas.map").first.bounding_box() or {"width": 0})["width"] >= 280
