"""The mask laboratory, by hand: look at masks, watch views grow, train, stop, and compare."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import gm_core
from demo.activities import ModelTab, masks
from gm_core.mask_lab import views
from tests.browser.conftest import PHONE, app_blocks, enter_number, enter_seed, serve
from tests.browser.test_maps import REAL, REAL_DARK, STUDENT

VIEW, LOSSES, STATUS = "#pixelcnn-masks-view", "#pixelcnn-masks-losses", "#pixelcnn-masks-status p"
MASKED = "pixelcnn-masked-mnist"
ROW, COLUMN = masks.PIXEL


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The activity with more time, for a busy machine, and more steps than anybody waits for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "SECONDS", 600.0)
        patch.setattr(masks, "MOST_STEPS", 100_000)
        with app_blocks() as demo:
            with gr.Tab("Another"):
                gr.Markdown("Something else")
            with gr.Tab("Masks"):
                masks.build(ModelTab("pixelcnn", ("pixelcnn-mnist",)))
        with serve(demo) as url:
            yield url


def show(page: Page) -> Page:
    """The activity, whose tab is hidden at first."""
    page.get_by_role("tab", name="Masks").click()
    page.wait_for_function(f"document.querySelector('{VIEW} canvas')?.width % 28 === 0")
    expect(page.locator(f"{LOSSES} .plot")).to_be_visible()
    return page


@pytest.fixture
def open_masks(open_page: Callable[..., Page], url: str) -> Callable[..., Page]:
    return lambda **settings: show(open_page(url, **settings))


@pytest.fixture(scope="module")
def page(share_page: Callable[..., Page], url: str) -> Page:
    """Nothing is trained here."""
    return show(share_page(url))


def pixels(canvas: Locator) -> np.ndarray:
    """What is on a canvas, a screen pixel each: (height, width, 4)."""
    address = canvas.evaluate("(canvas) => canvas.toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(image.convert("RGBA"))


def cells(canvas: Locator) -> np.ndarray:
    """All screen pixels of each of the 28 x 28 cells: (28, 28, pixels of a cell, 4)."""
    image = pixels(canvas)
    scale = image.shape[0] // 28
    split = image.reshape(28, scale, 28, scale, 4).swapaxes(1, 2)
    return split.reshape(28, 28, scale * scale, 4)


def has_colour(cell: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    """Which cells (..., pixels, 4) are mostly of a colour."""
    return (cell == (*colour, 255)).all(axis=-1).mean(axis=-1) > 0.5


def move_to(page: Page, layers: int) -> None:
    page.locator(f"{VIEW} .layers").fill(str(layers))


def train(page: Page, steps: int) -> None:
    enter_number(page, "Steps", steps)
    page.get_by_role("button", name="Train both").click()


def test_masks_are_drawn_and_read_out(page: Page):
    expect(page.locator(f"{VIEW} .masks .network")).to_have_count(4)
    first = page.get_by_role("img", name="A: first layer, 7×7, row by row:")
    expect(first).to_be_visible()
    texts = [int(text) for text in first.locator(".cell").all_inner_texts()]
    mask = gm_core.load(MASKED).first.mask
    assert texts == mask.flatten().int().tolist()
    expect(first.locator(".cell").nth(24)).to_have_class(re.compile("closed centre"))


def test_the_view_grows_with_the_slider_and_leaves_the_blind_spot(page: Page):
    grown = views(gm_core.load(MASKED), ROW, COLUMN).numpy()
    earlier = np.arange(784).reshape(28, 28) < ROW * 28 + COLUMN
    blind = earlier & ~grown[-1]
    total, never = int(earlier.sum()), int(blind.sum())
    canvas = page.locator(f"{VIEW} canvas").first
    caption = page.locator(f"{VIEW} .caption").first
    layers = len(grown) - 1
    for after, words in ((layers, f"all {layers}"), (0, f"0 of {layers}"), (3, f"3 of {layers}")):
        move_to(page, after)
        seen = int(grown[after].sum())
        expect(caption).to_have_text(
            f"After {words} layers: {seen} of {total} earlier pixels seen, "
            f"{never} in the blind spot."
        )
        shown = cells(canvas)
        assert np.array_equal(has_colour(shown, REAL), grown[after])
        assert has_colour(shown, STUDENT).nonzero() == (ROW, COLUMN)
        opacity = shown[..., 3]  # hatched: here and there; not seen yet: everywhere a little
        assert (opacity[blind].max(axis=1) == 255).all()
        assert (opacity[blind].min(axis=1) == 0).all()
        unseen = earlier & grown[-1] & ~grown[after]
        assert (np.median(opacity[unseen], axis=1) > 0).all()
        assert (opacity[unseen].max(axis=1) < 255).all()
        later = ~earlier
        later[ROW, COLUMN] = False
        assert not opacity[later].any()
    gated = page.locator(f"{VIEW} .caption").nth(1)
    expect(gated).to_contain_text("3 of 8 layers")
    expect(gated).to_contain_text("no blind spot")


def test_the_slider_is_moved_by_keys(page: Page):
    slider = page.get_by_role("slider", name="After how many layers")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(f"{VIEW} .after")).to_have_text("after the first convolution alone")
    page.keyboard.press("ArrowRight")
    expect(page.locator(f"{VIEW} .after")).to_have_text("after the first convolution and 1 layer")


def test_colours_follow_the_page_into_dark_mode(open_masks: Callable[..., Page]):
    page = open_masks()
    view, plot = page.locator(f"{VIEW} canvas").first, page.locator(f"{LOSSES} .plot")
    before = pixels(plot)
    assert has_colour(cells(view), REAL).any()
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function("() => new Promise(requestAnimationFrame)")
    assert has_colour(cells(view), REAL_DARK).any()
    assert not has_colour(cells(view), REAL).any()
    assert not np.array_equal(pixels(plot), before)


def test_before_training_there_are_axes_a_line_and_an_invitation(page: Page):
    expect(page.locator(f"{LOSSES} .invitation")).to_contain_text("press Train both")
    expect(page.locator(f"{LOSSES} .honest")).to_contain_text(f"{masks.honest_figure():.1f} nats")
    expect(page.locator(f"{LOSSES} .drawings")).to_be_hidden()
    expect(page.locator(f"{LOSSES} .drawings canvas")).to_have_count(0)
    assert pixels(page.locator(f"{LOSSES} .plot")).any()


def test_predict_train_and_compare(open_masks: Callable[..., Page]):
    page = open_masks()
    page.get_by_label("right mask").check()
    before = pixels(page.locator(f"{LOSSES} .plot"))
    train(page, 60)
    answer = page.locator(f"{LOSSES} .answer")
    expect(answer).to_contain_text("You predicted: right mask. But the broken mask", timeout=90_000)
    expect(page.locator(f"{LOSSES} .invitation")).to_be_empty()
    expect(page.locator(f"{LOSSES} .plot")).to_have_attribute("data-step", "60")
    expect(page.locator(STATUS)).to_contain_text("60 steps each")
    after = pixels(page.locator(f"{LOSSES} .plot"))
    assert not np.array_equal(after, before)
    for colour in (REAL, (0xE6, 0x9F, 0x00)):  # both curves
        assert (after == (*colour, 255)).all(axis=-1).sum() > 100

    groups = page.locator(f"{LOSSES} .group")
    expect(groups).to_have_count(3)
    noise, right, broken = (
        np.stack([pixels(canvas) for canvas in group.locator("canvas").all()])
        for group in groups.all()
    )
    assert noise.shape == right.shape == broken.shape == (8, 28, 28, 4)
    assert np.array_equal(right[:4], right[4:])
    assert not np.array_equal(broken[:4], broken[4:])
    assert (broken == noise).all(axis=-1).mean() > 0.8
    expect(groups.nth(1)).to_contain_text("strokes. 0 of 3,136 pixels differ between the two")
    expect(groups.nth(2)).to_contain_text("so it copies the noise in its place")

    enter_seed(page, -1)
    page.get_by_role("button", name="Train both").click()
    expect(page.get_by_text("Seed must be from 0 to 4294967295.")).to_be_visible()
    expect(groups).to_have_count(3)  # nothing is lost


@pytest.mark.parametrize("how", ["stopped", "closed"])
def test_what_is_stopped_or_closed_makes_room_for_the_next(open_masks, how: str):
    first, second = open_masks(), open_masks()
    train(first, masks.MOST_STEPS)
    plot = first.locator(f"{LOSSES} .plot")
    expect(plot).to_have_attribute("data-step", re.compile("[1-9]"))
    if how == "stopped":
        first.get_by_role("button", name="Stop").click()
        expect(first.locator(STATUS)).to_contain_text("Stopped")
    else:
        first.close()
    # There is room for one: had the first gone on, the second would wait for very long.
    train(second, 50)
    expect(second.locator(f"{LOSSES} .drawings")).to_be_visible(timeout=90_000)
    if how == "stopped":
        assert 0 < int(plot.get_attribute("data-step") or 0) < masks.MOST_STEPS
        expect(first.locator(f"{LOSSES} .drawings")).to_be_hidden()
        expect(first.locator(STATUS)).to_contain_text("Stopped")


def test_it_fits_a_phone(open_masks: Callable[..., Page]):
    page = open_masks(viewport=PHONE)
    train(page, 50)
    expect(page.locator(f"{LOSSES} .drawings")).to_be_visible(timeout=90_000)
    right_edges = page.evaluate(
        """() => Array.from(document.querySelectorAll(".mask-view *, .mask-losses *"),
          (node) => node.getBoundingClientRect().right)"""
    )
    assert max(right_edges) <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    canvas = page.locator(f"{LOSSES} .row canvas").first
    size = canvas.bounding_box()
    assert size is not None
    assert size["width"] % 28 == 0
    assert size["width"] == size["height"]
