"""The player, by hand: what is asserted are the pixels of its canvas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Page, expect

import gm_core
from demo.components.player import Series, Trajectory, player
from tests.browser.conftest import cells, step_of

UNKNOWN = (0x9A, 0x9A, 0x9A)


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """The digits that the tab opens with: (8, 28, 28), 0 or 255."""
    *_, frame = gm_core.load("pixelcnn-mnist").sample(8, seed=7, label=7)
    return frame.levels[:, 0].numpy() * 255


def assert_drawn(page: Page, image: np.ndarray, pixels: int) -> None:
    """The first `pixels` pixels are the image's, all others unknown."""
    shown = cells(page).reshape(-1, 3)
    wanted = np.repeat(image.reshape(-1, 1), 3, axis=1)
    assert np.array_equal(shown[:pixels], wanted[:pixels])
    assert (shown[pixels:] == UNKNOWN).all()
    assert step_of(page) == pixels


def press(page: Page, name: str) -> None:
    page.locator(f".player [data-do={name}]").click()


def test_the_tab_opens_with_a_finished_digit(pixelcnn: Callable[..., Page], expected):
    page = pixelcnn()
    assert_drawn(page, expected[0], 784)
    expect(page.locator(".player .where")).to_have_text("pixel 784 of 784")


def test_stepping_by_pixel_and_by_row(pixelcnn: Callable[..., Page], expected):
    page = pixelcnn()
    press(page, "start")
    assert_drawn(page, expected[0], 0)
    for name, pixels in [
        ("step", 1), ("step", 2), ("jump", 28), ("jump", 56), ("step", 57), ("jump-back", 56),
        ("jump-back", 28), ("step-back", 27), ("jump-back", 0), ("end", 784), ("jump-back", 756),
    ]:  # fmt: skip
        press(page, name)
        assert_drawn(page, expected[0], pixels)


def test_buttons_that_lead_nowhere_are_off(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    for name in ("step", "jump", "end"):
        expect(page.locator(f".player [data-do={name}]")).to_be_disabled()
    press(page, "start")
    for name in ("step-back", "jump-back", "start"):
        expect(page.locator(f".player [data-do={name}]")).to_be_disabled()


def test_scrubbing(pixelcnn: Callable[..., Page], expected):
    page = pixelcnn()
    scrub = page.get_by_role("slider", name="Step", exact=True)
    scrub.fill("300")
    assert_drawn(page, expected[0], 300)
    box = scrub.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert abs(step_of(page) - 392) < 20
    assert_drawn(page, expected[0], step_of(page))


def test_playing_and_pausing(pixelcnn: Callable[..., Page], expected):
    page = pixelcnn()
    press(page, "start")
    press(page, "play")
    expect(page.locator(".player .play")).to_have_text("Pause")
    page.wait_for_function("Number(document.querySelector('.player').dataset.step) > 60")
    press(page, "play")
    expect(page.locator(".player .play")).to_have_text("Play")
    step = step_of(page)
    assert 60 < step < 784
    assert_drawn(page, expected[0], step)
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    assert step_of(page) == step
    page.locator(".player .speed").select_option("fast")
    press(page, "play")
    page.wait_for_function("document.querySelector('.player').dataset.step === '784'")
    expect(page.locator(".player .play")).to_have_text("Play")
    assert_drawn(page, expected[0], 784)


def test_the_keyboard_does_it_all(pixelcnn: Callable[..., Page], expected):
    page = pixelcnn()
    page.locator(".player").focus()
    for key, pixels in [
        ("Home", 0), ("ArrowRight", 1), ("ArrowDown", 28), ("ArrowDown", 56), ("ArrowUp", 28),
        ("ArrowLeft", 27), ("End", 784),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert_drawn(page, expected[0], pixels)
    page.keyboard.press("]")
    assert_drawn(page, expected[1], 784)
    page.keyboard.press("Space")
    page.wait_for_function("Number(document.querySelector('.player').dataset.step) < 784")
    page.keyboard.press("Space")
    assert_drawn(page, expected[1], step_of(page))


def test_choosing_an_image(pixelcnn: Callable[..., Page], expected):
    page = pixelcnn()
    box = page.locator(".player .tiles").bounding_box()
    assert box
    pitch = 28 * 3 + 4
    page.mouse.click(box["x"] + 2.5 * pitch, box["y"] + 0.5 * pitch)
    assert_drawn(page, expected[2], 784)
    expect(page.locator(".player .caption")).to_contain_text("Image 3:")
    page.get_by_role("button", name="Next image").click()
    assert_drawn(page, expected[3], 784)
    page.get_by_role("button", name="Previous image").click()
    expect(page.get_by_role("img", name="Image 3:")).to_be_visible()
    page.mouse.click(box["x"] + 0.5 * pitch, box["y"] + 1.5 * pitch)
    assert_drawn(page, expected[5], 784)


def test_the_chain_rule_adds_up(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    *_, frame = gm_core.load("pixelcnn-mnist").sample(8, seed=7, label=7)
    nats = -frame.log_prob[0].flatten().numpy()
    odds = frame.probabilities[0, 1].flatten().numpy()
    pixel = int(np.flatnonzero((odds > 0.2) & (odds < 0.8))[3])  # one that was undecided
    page.get_by_role("slider", name="Step", exact=True).fill(str(pixel + 1))
    expect(page.locator(".player .series-heading")).to_have_text(
        f"−log p(x | 7) = {nats[: pixel + 1].sum():.2f} nats after {pixel + 1} pixels"
    )
    expect(page.locator(".player .draw-heading")).to_have_text(
        f"Row {pixel // 28 + 1}, column {pixel % 28 + 1}: the odds"
    )
    drawn = "white" if frame.levels[0].flatten()[pixel] else "black"
    text = page.locator(".player .draw-text")
    expect(text).to_contain_text(f"white {100 * odds[pixel]:.1f} %")
    expect(text).to_contain_text(f"into the share of {drawn}")


def test_touch_on_a_phone(pixelcnn: Callable[..., Page], expected):
    page = pixelcnn(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for name, pixels in [("start", 0), ("jump", 28), ("step", 29)]:
        page.locator(f".player [data-do={name}]").tap()
        assert_drawn(page, expected[0], pixels)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    box = page.locator(".player .main").bounding_box()
    assert box
    assert box["width"] >= 300
    for button in page.locator(".player .buttons button").all():
        size = button.bounding_box()
        assert size
        assert size["height"] >= 40
        assert size["x"] + size["width"] <= 390


def test_dark_mode_has_its_own_grey(open_page: Callable[..., Page], address: str, expected):
    page = open_page(f"{address}?__theme=dark")
    page.locator("[data-tab=pixelcnn]").click()
    page.locator(".player .main").wait_for()
    press(page, "start")
    press(page, "jump")
    shown = cells(page)
    assert np.array_equal(shown[0, :, 0], expected[0][0])
    assert (shown[1:] == 0x6F).all()


def test_a_new_clip_plays_unless_motion_is_unwanted(pixelcnn: Callable[..., Page]):
    still = pixelcnn(reduced_motion="reduce")
    press(still, "start")
    still.get_by_role("button", name="Generate").click()
    expect(still.locator(".player .where")).to_have_text("pixel 784 of 784")
    expect(still.locator(".player .play")).to_have_text("Play")
    moving = pixelcnn(reduced_motion="no-preference")
    moving.get_by_role("button", name="Generate").click()
    expect(moving.locator(".player .play")).to_have_text("Pause")
    moving.wait_for_function("Number(document.querySelector('.player').dataset.step) > 5")


# --- a trajectory of whole frames, as later families send it ----------------------------------


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 2, 5, 6, 3), np.uint8)


@pytest.fixture(scope="module")
def frames_address(frames: np.ndarray) -> Iterator[str]:
    trajectory = Trajectory(
        frames=frames, steps=3, order="frames", step_name="epoch", jump=2, jump_name="2 epochs",
        captions=("first", "second"), autoplay=False,
        series=Series("loss", "nats", np.ones((2, 3), np.float32)),
    )  # fmt: skip
    with gr.Blocks() as demo:
        with gr.Tab("One"):
            gr.Markdown("Another tab")
        with gr.Tab("Two"):
            player(trajectory.payload(), label="Frames", elem_id="frames")
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


def test_whole_frames_in_colour(open_page: Callable[..., Page], frames_address: str, frames):
    page = open_page(frames_address)
    page.get_by_role("tab", name="Two").click()
    page.locator(".player .main").wait_for()
    for name, step in [("start", 0), ("step", 1), ("jump", 2), ("end", 3), ("step-back", 2)]:
        press(page, name)
        assert np.array_equal(cells(page, 5, 6), frames[step, 0])
    page.locator(".player").focus()
    page.keyboard.press("]")
    assert np.array_equal(cells(page, 5, 6), frames[2, 1])
    expect(page.locator(".player .caption")).to_have_text("second")
    expect(page.locator(".player .series-heading")).to_have_text("loss = 2.00 nats after 2 epochs")
    expect(page.locator(".player .draw-block")).to_be_hidden()
