"""The player, by hand: what is asserted are the pixels of its canvas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Page, expect

import gm_core
from demo import render
from demo.components.player import Jump, Series, Trajectory, player
from gm_core.frames import PixelFrame
from tests.browser.conftest import PHONE, app_blocks, cells, open_pixelcnn, serve, step_of
from tests.demo.test_render import random_frame

UNKNOWN = (0x9A, 0x9A, 0x9A)
GENERATED = (0xE6, 0x9F, 0x00)
STUDENT = (0x00, 0x9E, 0x73)


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
    page.locator(f".player:visible [data-do={name}]").click()


def wait_for_step(page: Page, least: int, most: int = 784) -> None:
    page.wait_for_function(
        """([least, most]) => Array.from(document.querySelectorAll(".player"))
             .filter((player) => player.offsetParent)
             .map((player) => Number(player.dataset.step))
             .some((step) => least <= step && step <= most)""",
        arg=[least, most],
    )


@pytest.fixture(scope="module")
def shared(share_page: Callable[..., Page], pixelcnn_address: str) -> Page:
    return open_pixelcnn(share_page(pixelcnn_address))


@pytest.fixture
def page(shared: Page, expected: np.ndarray) -> Page:
    """The player of the tab as it opens, on a page that several tests share."""
    tiles = shared.locator(".player:visible .tiles")
    tiles.click(position={"x": 20, "y": 20})  # the first one
    shared.locator(".player:visible").focus()
    shared.keyboard.press("End")
    assert_drawn(shared, expected[0], 784)
    return shared


def test_the_tab_opens_with_a_finished_digit(pixelcnn: Callable[..., Page], expected):
    page = pixelcnn()
    assert_drawn(page, expected[0], 784)
    expect(page.locator(".player:visible .where")).to_have_text("pixel 784 of 784")


def test_stepping_by_pixel_and_by_row(page: Page, expected):
    press(page, "start")
    assert_drawn(page, expected[0], 0)
    for name, pixels in [
        ("step", 1), ("step", 2), ("jump", 28), ("jump", 56), ("step", 57), ("jump-back", 56),
        ("jump-back", 28), ("step-back", 27), ("jump-back", 0), ("end", 784), ("jump-back", 756),
    ]:  # fmt: skip
        press(page, name)
        assert_drawn(page, expected[0], pixels)


def test_buttons_that_lead_nowhere_are_off(page: Page):
    for name in ("step", "jump", "end"):
        expect(page.locator(f".player:visible [data-do={name}]")).to_be_disabled()
    press(page, "start")
    for name in ("step-back", "jump-back", "start"):
        expect(page.locator(f".player:visible [data-do={name}]")).to_be_disabled()


def test_scrubbing(page: Page, expected):
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
    expect(page.locator(".player:visible .play")).to_have_text("Pause")
    wait_for_step(page, 61)
    press(page, "play")
    expect(page.locator(".player:visible .play")).to_have_text("Play")
    step = step_of(page)
    assert 60 < step < 784
    assert_drawn(page, expected[0], step)
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    assert step_of(page) == step
    page.locator(".player:visible .speed").select_option("fast")
    press(page, "play")
    wait_for_step(page, 784)
    expect(page.locator(".player:visible .play")).to_have_text("Play")
    assert_drawn(page, expected[0], 784)


def test_the_keyboard_does_it_all(page: Page, expected):
    page.locator(".player:visible").focus()
    for key, pixels in [
        ("Home", 0), ("ArrowRight", 1), ("ArrowDown", 28), ("ArrowDown", 56), ("ArrowUp", 28),
        ("ArrowLeft", 27), ("End", 784),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert_drawn(page, expected[0], pixels)
    page.keyboard.press("]")
    assert_drawn(page, expected[1], 784)
    page.keyboard.press("Space")
    wait_for_step(page, 0, 783)
    page.keyboard.press("Space")
    assert_drawn(page, expected[1], step_of(page))


def test_choosing_an_image(page: Page, expected):
    box = page.locator(".player:visible .tiles").bounding_box()
    assert box
    pitch = 28 * 3 + 4
    page.mouse.click(box["x"] + 2.5 * pitch, box["y"] + 0.5 * pitch)
    assert_drawn(page, expected[2], 784)
    expect(page.locator(".player:visible .caption")).to_contain_text("Image 3:")
    page.get_by_role("button", name="Next image").click()
    assert_drawn(page, expected[3], 784)
    page.get_by_role("button", name="Previous image").click()
    expect(page.get_by_role("img", name="Image 3:")).to_be_visible()
    page.mouse.click(box["x"] + 0.5 * pitch, box["y"] + 1.5 * pitch)
    assert_drawn(page, expected[5], 784)


def test_the_chain_rule_adds_up(page: Page):
    *_, frame = gm_core.load("pixelcnn-mnist").sample(8, seed=7, label=7)
    nats = -frame.log_prob[0].flatten().numpy()
    odds = frame.probabilities[0, 1].flatten().numpy()
    pixel = int(np.flatnonzero((odds > 0.2) & (odds < 0.8))[3])  # one that was undecided
    page.get_by_role("slider", name="Step", exact=True).fill(str(pixel + 1))
    expect(page.locator(".player:visible .series-heading")).to_have_text(
        f"−log p(x | 7) = {nats[: pixel + 1].sum():.2f} nats after {pixel + 1} pixels"
    )
    expect(page.locator(".player:visible .draw-heading")).to_have_text(
        f"Row {pixel // 28 + 1}, column {pixel % 28 + 1}: the odds"
    )
    drawn = "white" if frame.levels[0].flatten()[pixel] else "black"
    text = page.locator(".player:visible .draw-text")
    expect(text).to_contain_text(f"white {100 * odds[pixel]:.1f} %")
    expect(text).to_contain_text(f"into the share of {drawn}")


def test_touch_on_a_phone(pixelcnn: Callable[..., Page], expected):
    page = pixelcnn(viewport=PHONE, has_touch=True, is_mobile=True)
    for name, pixels in [("start", 0), ("jump", 28), ("step", 29)]:
        page.locator(f".player:visible [data-do={name}]").tap()
        assert_drawn(page, expected[0], pixels)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    box = page.locator(".player:visible .main").bounding_box()
    assert box
    assert box["width"] >= 300
    for button in page.locator(".player:visible .buttons button:visible").all():
        size = button.bounding_box()
        assert size
        assert size["height"] >= 40
        assert size["x"] + size["width"] <= 390


def test_dark_mode_has_its_own_grey(open_page: Callable[..., Page], pixelcnn_address, expected):
    page = open_pixelcnn(open_page(f"{pixelcnn_address}?__theme=dark"))
    press(page, "start")
    press(page, "jump")
    shown = cells(page)
    assert np.array_equal(shown[0, :, 0], expected[0][0])
    assert (shown[1:] == 0x6F).all()


def test_a_new_clip_plays_unless_motion_is_unwanted(pixelcnn: Callable[..., Page]):
    still = pixelcnn(reduced_motion="reduce")
    press(still, "start")
    still.get_by_role("button", name="Generate").click()
    expect(still.locator(".player:visible .where")).to_have_text("pixel 784 of 784", timeout=60_000)
    expect(still.locator(".player:visible .play")).to_have_text("Play")
    moving = pixelcnn(reduced_motion="no-preference")
    moving.get_by_role("button", name="Generate").click()
    expect(moving.locator(".player:visible .play")).to_have_text("Pause", timeout=60_000)
    wait_for_step(moving, 6)


# --- a trajectory of whole frames, as later families send it ----------------------------------


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 2, 5, 6, 3), np.uint8)


@pytest.fixture(scope="module")
def frames_address(frames: np.ndarray) -> Iterator[str]:
    trajectory = Trajectory(
        frames=frames, steps=3, order="frames", step_name="epoch", jumps=(Jump(2, "2 epochs"),),
        captions=("first", "second"), autoplay=False,
        series=Series("loss", "nats", np.ones((2, 3), np.float32)),
    )  # fmt: skip
    with app_blocks() as demo:
        with gr.Tab("One"):
            gr.Markdown("Another tab")
        with gr.Tab("Two"):
            player(trajectory.payload(), label="Frames", elem_id="frames")
    with serve(demo) as url:
        yield url


def test_whole_frames_in_colour(open_page: Callable[..., Page], frames_address: str, frames):
    page = open_page(frames_address)
    page.get_by_role("tab", name="Two").click()
    page.locator(".player:visible .main").wait_for()
    for name, step in [("start", 0), ("step", 1), ("jump", 2), ("end", 3), ("step-back", 2)]:
        press(page, name)
        assert np.array_equal(cells(page, 5, 6), frames[step, 0])
    page.locator(".player:visible").focus()
    page.keyboard.press("]")
    assert np.array_equal(cells(page, 5, 6), frames[2, 1])
    expect(page.locator(".player:visible .caption")).to_have_text("second")
    expect(page.locator(".player:visible .series-heading")).to_have_text(
        "loss = 2.00 nats after 2 epochs"
    )
    expect(page.locator(".player:visible .draw-block")).to_be_hidden()


def test_a_click_does_not_seek_in_whole_frames(open_page, frames_address):
    page = open_page(frames_address)
    page.get_by_role("tab", name="Two").click()
    press(page, "step-back")
    page.locator(".player:visible .main").click()
    assert step_of(page) == 2


# --- pixel by pixel, with many levels, in colour, named and marked ----------------------------


@pytest.fixture(scope="module")
def examples() -> dict[str, PixelFrame]:
    grey = random_frame(3, channels=1, height=28, width=28, levels=256)
    changed = random_frame(2, channels=1, height=28, width=28, levels=2)
    changed.levels[1, 0, 2, 3] = 1 - changed.levels[1, 0, 2, 3]  # against what the dice said
    changed.images[1, 0, 2, 3] = changed.levels[1, 0, 2, 3]
    return {
        "colour": random_frame(8, channels=3, height=16, width=16, levels=256),
        "grey": grey,
        "changed": changed,
        "many": random_frame(32, channels=1, height=28, width=28, levels=2),
    }


@pytest.fixture(scope="module")
def marks() -> np.ndarray:
    marks = np.zeros((2, 28, 28), np.bool_)
    marks[1, [2, 5], [3, 20]] = True
    return marks


@pytest.fixture(scope="module")
def examples_address(examples: dict[str, PixelFrame], marks: np.ndarray) -> Iterator[str]:
    """A page an example; the first shows every "select" it heard."""

    def value(name: str, **settings: Any) -> dict[str, Any]:
        settings = {"autoplay": False} | settings
        return render.pixel_trajectory(examples[name], None, "x", 1.0, **settings).payload()

    def listen(heard: list[Any], event: gr.EventData) -> tuple[list[Any], str]:
        keys = ("image", "step", "row", "column", "level")
        told = [getattr(event, key) for key in keys if hasattr(event, key)]
        return [*heard, told], json.dumps([*heard, told])

    def fewer() -> dict[str, Any]:
        frame = random_frame(2, channels=1, height=4, width=5, levels=2, seed=1)
        return render.pixel_trajectory(frame, None, "x", 1.0, autoplay=False).payload()

    with app_blocks() as demo:
        canvas = player(value("grey"), label="Grey", elem_id="grey")
        heard, shown = gr.State([]), gr.Textbox(elem_id="heard")
        renew = gr.Button("Renew")
        # Every event counts: "once", the default, would lose those that come while one is answered.
        canvas.select(
            listen, heard, [heard, shown], trigger_mode="multiple", concurrency_limit=1,
            show_progress="hidden",
        )  # fmt: skip
        renew.click(fewer, None, canvas, show_progress="hidden")
    with demo.route("Colour", "/colour"):
        player(value("colour"), label="Colour", elem_id="colour")
    with demo.route("Changed", "/changed"):
        named = value("changed", names=("untouched", "changed"), marks=marks)
        player(named, label="Changed", elem_id="changed")
    with demo.route("Resumed", "/resumed"):
        resumed = value("changed", autoplay=True, start=400, chosen=1)
        player(resumed, label="Resumed", elem_id="resumed")
    with demo.route("Many", "/many"):
        player(value("many"), label="Many", elem_id="many")
    with serve(demo) as url:
        yield url


@pytest.fixture
def example(open_page: Callable[..., Page], examples_address: str) -> Callable[..., Page]:
    def open_example(name: str = "", **settings: Any) -> Page:
        page = open_page(examples_address + name, **settings)
        page.locator(".player:visible .main").wait_for()
        return page

    return open_example


@pytest.fixture(scope="module")
def colour(share_page: Callable[..., Page], examples_address: str) -> Page:
    """The player in colour, on a page that several tests share."""
    page = share_page(examples_address + "colour")
    page.locator(".player:visible .main").wait_for()
    return page


def shown_bytes(frame: PixelFrame, image: int = 0) -> np.ndarray:
    """(H, W, C)."""
    return render.as_bytes(frame)[image]


def click_pixel(page: Page, row: int, column: int, size: int) -> None:
    picture = page.locator(".player:visible .main")
    box = picture.bounding_box()
    assert box
    cell = box["width"] / size
    # By the locator, which waits until the picture stands still.
    picture.click(position={"x": (column + 0.5) * cell, "y": (row + 0.5) * cell})


def expect_heard(page: Page, *told: list[Any]) -> None:
    """All that listeners heard since the page was opened: [image, step, row, column, level]."""
    expect(page.locator("#heard textarea")).to_have_value(json.dumps(list(told)))


def colours(page: Page, selector: str, points: list[tuple[float, float]]) -> np.ndarray:
    """The colours of a canvas at points (x, y) in CSS pixels: (points, 4) with opacity."""
    found = page.locator(f".player:visible {selector}").evaluate(
        """(canvas, points) => points.map(([x, y]) => Array.from(
             canvas.getContext("2d").getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1)
               .data))""",
        points,
    )
    return np.array(found, np.uint8)


def test_red_comes_first_then_green_then_blue(colour: Page, examples):
    page = colour
    pixels = shown_bytes(examples["colour"]).reshape(-1, 3)
    heading = page.locator(".player:visible .draw-heading")
    press(page, "start")
    for step, name in enumerate(["red", "green given red", "blue given red and green"], 1):
        press(page, "step")
        shown = cells(page, 16, 16).reshape(-1, 3)
        assert np.array_equal(shown[0], [*pixels[0, :step], *[0] * (3 - step)])
        assert (shown[1:] == UNKNOWN).all()
        expect(heading).to_have_text(f"Row 1, column 1, {name}")
        expect(page.locator(".player:visible .where")).to_have_text(f"channel {step} of 768")
    press(page, "end")
    assert np.array_equal(cells(page, 16, 16).reshape(-1, 3), pixels)


def test_each_channel_is_a_sequence_of_its_own(colour: Page, examples):
    page = colour
    pixels = shown_bytes(examples["colour"])
    page.get_by_role("slider", name="Step", exact=True).fill(str((2 * 16 + 9) * 3 + 2))
    scale, gap = 5, 10
    for channel, drawn in enumerate([42, 42, 41]):
        left = 2 + channel * (16 * scale + gap)
        points = [
            (left + (column + 0.5) * scale, 2 + (row + 0.5) * scale)
            for row, column in np.ndindex(16, 16)
        ]
        shown = colours(page, ".planes", points)[:, :3]
        wanted = np.zeros((drawn, 3), np.uint8)
        wanted[:, channel] = pixels.reshape(-1, 3)[:drawn, channel]
        assert np.array_equal(shown[:drawn], wanted)
        assert (shown[drawn:] == UNKNOWN).all()


def test_colour_steps_by_channel_by_pixel_and_by_row(colour: Page):
    page = colour
    press(page, "start")
    for name, step in [
        ("step", 1), ("skip", 3), ("skip", 6), ("step", 7), ("skip-back", 6), ("jump", 48),
        ("step-back", 47), ("skip-back", 45), ("jump-back", 0),
    ]:  # fmt: skip
        press(page, name)
        assert step_of(page) == step
    page.locator(".player:visible").focus()
    for key, step in [
        ("Shift+ArrowRight", 3), ("ArrowRight", 4), ("ArrowDown", 48), ("Shift+ArrowLeft", 45),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert step_of(page) == step


def test_grey_has_no_middle_jump_and_no_channels(example: Callable[..., Page]):
    page = example()
    expect(page.locator(".player:visible [data-do=skip]")).to_be_hidden()
    expect(page.locator(".player:visible .planes-block")).to_be_hidden()
    press(page, "start")
    page.locator(".player:visible").focus()
    page.keyboard.press("Shift+ArrowRight")
    assert step_of(page) == 1


def test_clicking_a_pixel_seeks_to_it(example: Callable[..., Page], examples):
    page = example()
    click_pixel(page, row=3, column=7, size=28)
    assert step_of(page) == 3 * 28 + 8
    level = int(examples["grey"].levels[0, 0, 3, 7])
    expect_heard(page, [0, 92, 3, 7, [level]])
    click_pixel(page, row=3, column=7, size=28)  # again: it is chosen anew
    expect_heard(page, [0, 92, 3, 7, [level]], [0, 92, 3, 7, [level]])


def test_a_clicked_pixel_has_all_its_channels(example, examples):
    page = example("colour", viewport=PHONE, has_touch=True)
    click_pixel(page, row=15, column=0, size=16)
    assert step_of(page) == 15 * 16 * 3 + 3
    pixels = shown_bytes(examples["colour"])
    assert np.array_equal(cells(page, 16, 16)[15, 0], pixels[15, 0])
    assert (cells(page, 16, 16)[15, 1:] == UNKNOWN).all()


def test_listeners_hear_where_playback_rests(example: Callable[..., Page]):
    page = example()
    press(page, "start")
    expect_heard(page, [0, 0])
    page.locator(".player:visible").focus()
    page.keyboard.press("ArrowDown")
    expect_heard(page, [0, 0], [0, 28])
    page.keyboard.press("]")
    expect_heard(page, [0, 0], [0, 28], [1, 28])
    press(page, "play")
    wait_for_step(page, 41)
    press(page, "play")
    paused = step_of(page)
    assert 41 <= paused < 784
    rests = [[0, 0], [0, 28], [1, 28], [1, paused]]
    expect_heard(page, *rests)
    page.locator(".player:visible .speed").select_option("fast")
    press(page, "play")
    expect_heard(page, *rests, [1, 784])


def test_a_drag_is_heard_when_it_ends(example: Callable[..., Page]):
    page = example()
    box = page.get_by_role("slider", name="Step", exact=True).bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, middle, steps=10)
    page.mouse.up()
    dragged = step_of(page)
    assert 300 < dragged < 500
    expect_heard(page, [0, dragged])
    page.locator(".player:visible").focus()
    page.keyboard.press("Home")
    expect_heard(page, [0, dragged], [0, 0])


def test_a_held_key_is_heard_when_it_ends_wherever_the_focus_went(example: Callable[..., Page]):
    page = example()
    page.get_by_role("slider", name="Step", exact=True).fill("780")
    expect_heard(page, [0, 780])
    page.locator(".player:visible [data-do=step]").focus()
    page.keyboard.down("ArrowRight")
    expect_heard(page, [0, 780], [0, 781])
    for _ in range(5):
        page.keyboard.down("ArrowRight")
    assert step_of(page) == 784
    page.keyboard.up("ArrowRight")
    expect_heard(page, [0, 780], [0, 781], [0, 784])
    page.keyboard.press("Home")  # the button went off, yet the keys still work
    assert step_of(page) == 0


def test_a_new_value_tells_nobody_and_may_have_fewer_images(example: Callable[..., Page]):
    page = example()
    page.locator(".player:visible").focus()
    page.keyboard.press("[")
    expect_heard(page, [2, 784])
    tiles = page.locator(".player:visible .tiles").bounding_box()
    assert tiles
    page.get_by_role("button", name="Renew").click()
    expect(page.locator(".player:visible .where")).to_have_text("pixel 20 of 20")
    expect(page.locator(".player:visible .caption")).to_contain_text("Image 2:")
    page.mouse.click(tiles["x"] + tiles["width"] - 10, tiles["y"] + 10)  # where the third was
    page.locator(".player:visible").focus()
    page.keyboard.press("]")
    expect_heard(page, [2, 784], [0, 20])
    page.keyboard.press("ArrowUp")
    expect_heard(page, [2, 784], [0, 20], [0, 15])


def test_the_draw_of_one_level_of_many(example: Callable[..., Page], examples):
    page = example()
    frame: PixelFrame = examples["grey"]
    shares = frame.probabilities[0, :, 0].flatten(1).numpy()  # (256, steps)
    levels = frame.levels[0].flatten().numpy()
    step = int(shares[levels, np.arange(784)].argmax()) + 1
    level, odds = int(levels[step - 1]), shares[:, step - 1]
    page.get_by_role("slider", name="Step", exact=True).fill(str(step))
    text = page.locator(".player:visible .draw-text")
    expect(text).to_contain_text(f"The draw: level {level}, which had {100 * odds[level]:.1f} %.")
    low = odds[:level].sum()
    expect(text).to_contain_text(f"into its share, {low:.3f} to {low + odds[level]:.3f}.")
    expect(page.locator(".player:visible .draw-heading")).to_have_text(
        f"Row {(step - 1) // 28 + 1}, column {(step - 1) % 28 + 1}"
    )

    # The bars stand on y = 66 and the highest reaches y = 20.
    bars = odds.reshape(32, 8).sum(1)
    width = page.locator(".player:visible .draw").evaluate("canvas => canvas.clientWidth")
    for index, share in enumerate(bars):
        column = colours(page, ".draw", [((index + 0.4) * width / 32, y) for y in range(18, 66)])
        assert column[:, 3].astype(bool).sum() == pytest.approx(46 * share / bars.max(), abs=1.1)
        is_orange = (column[-1, :3] == GENERATED).all()
        assert is_orange == (index == level // 8)


def test_named_images_are_large_and_their_difference_is_marked(example: Callable[..., Page]):
    page = example("changed")
    box = page.locator(".player:visible .tiles").bounding_box()
    assert box
    assert box["width"] / 2 >= 84
    assert box["height"] >= 84 + 13
    expect(page.get_by_role("img", name="All 2 images; untouched is chosen")).to_be_visible()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    expect(page.get_by_role("img", name="All 2 images; changed is chosen")).to_be_visible()
    expect(page.locator(".player:visible .caption")).to_contain_text("Changed: −log p(x)")

    scale = 16  # of the picture's canvas, whose marked pixels have a green rim

    def is_marked(row: int, column: int) -> bool:
        rim = page.locator(".player:visible .main").evaluate(
            "(canvas, [x, y]) => Array.from(canvas.getContext('2d').getImageData(x, y, 1, 1).data)",
            [column * scale + 1, row * scale + 8],
        )
        return tuple(rim[:3]) == STUDENT

    assert is_marked(2, 3)
    assert is_marked(5, 20)
    assert not is_marked(2, 4)
    click_pixel(page, row=2, column=2, size=28)
    assert not is_marked(2, 3)
    click_pixel(page, row=3, column=0, size=28)
    assert is_marked(2, 3)
    assert not is_marked(5, 20)
    page.locator(".player:visible").focus()
    page.keyboard.press("[")
    assert not is_marked(2, 3)


def test_a_resumed_image_plays_from_where_it_was_changed(example: Callable[..., Page]):
    page = example("resumed", reduced_motion="no-preference")
    expect(page.locator(".player:visible .caption")).to_contain_text("Image 2:")
    assert step_of(page) >= 400
    wait_for_step(page, 410)
    still = example("resumed")
    expect(still.locator(".player:visible .where")).to_have_text("pixel 784 of 784")


def test_a_pixel_that_was_set_is_not_said_to_be_drawn(example: Callable[..., Page], examples):
    page = example("changed")
    text = page.locator(".player:visible .draw-text")
    click_pixel(page, row=2, column=3, size=28)
    expect(text).to_contain_text("The dice fell into the share of")
    page.get_by_role("button", name="Next image").click()
    level = int(examples["changed"].levels[1, 0, 2, 3])
    expect(text).to_contain_text(f"Not drawn but set: level {level}, which had")


def test_many_tiles_are_twice_as_large_where_they_fit(example: Callable[..., Page]):
    page = example("many")
    box = page.locator(".player:visible .tiles").bounding_box()
    assert box
    pitch = 28 * 2 + 4
    columns, rows = box["width"] / pitch, box["height"] / pitch
    assert columns == int(columns)
    assert rows == int(rows)
    assert columns * (rows - 1) < 32 <= columns * rows
    assert box["height"] <= 304


@pytest.mark.parametrize(("name", "highest"), [("", 600), ("colour", 625), ("changed", 575)])
def test_a_few_images_leave_room_on_the_screen(example, name: str, highest: int):
    box = example(name).locator(".player:visible").bounding_box()
    assert box
    assert box["height"] <= highest  # the picture and its bar, and little more
