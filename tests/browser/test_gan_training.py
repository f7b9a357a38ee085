"""The training of a GAN by hand: play, step, scrub, point; by mouse, finger and keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from demo.activities import ModelTab
from demo.gan import training
from tests.browser.conftest import PHONE, serve_activity
from tests.demo.test_gan_training import MODEL, STEPS, save_history


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny network's history."""
    save_history(folder)
    with serve_activity(training, ModelTab("gan", (MODEL,))) as url:
        yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=training.TITLE).click()
        page.locator(".history[data-whole=yes]").wait_for()
        return page

    return open_activity


def tile(page: Page, index: int) -> np.ndarray:
    """The middles of a tile's pixels, as they are on the screen: (28, 28)."""
    values = page.locator(".history .tiles").evaluate(
        """(canvas, index) => {
          const pitch = canvas.width / 8, size = pitch - 8;
          const left = (index % 8) * pitch + 4, top = Math.floor(index / 8) * pitch + 4;
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return Array.from({ length: 784 }, (_, at) => {
            const x = Math.floor(left + ((at % 28) + 0.5) * size / 28);
            const y = Math.floor(top + (Math.floor(at / 28) + 0.5) * size / 28);
            return data[4 * (y * canvas.width + x)];
          });
        }""",
        index,
    )
    return np.array(values).reshape(28, 28)


def frame(page: Page, index: int) -> np.ndarray:
    """The colour of the frame around a tile."""
    colour = page.locator(".history .tiles").evaluate(
        """(canvas, index) => {
          const pitch = canvas.width / 8;
          const x = (index % 8 + 0.5) * pitch, y = Math.floor(index / 8) * pitch + 2;
          return Array.from(canvas.getContext("2d").getImageData(x, y, 1, 1).data);
        }""",
        index,
    )
    return np.array(colour[:3])


def expect_snapshot(page: Page, snapshot: int) -> None:
    """All that is shown belongs to this snapshot."""
    kept = training.read_history(MODEL)
    assert kept
    expect(page.locator(".history")).to_have_attribute("data-snapshot", str(snapshot))
    for index in (0, 21, 63):
        assert np.array_equal(tile(page, index), kept.images[snapshot, index, :, :, 0])
    step, (of_d, of_g) = STEPS[snapshot], kept.losses[snapshot]
    said = (
        f"Step {step:,}: loss of D {of_d:.2f}, loss of G {of_g:.2f}. Their gap, {of_g - of_d:.2f}"
    )
    expect(page.locator(".history .numbers")).to_contain_text(said)
    words = [stage.words for stage in training.STAGES if stage.step <= step][-1]
    expect(page.locator(".stage-words")).to_have_text(words)


def test_every_way_through_the_training(open_activity: Callable[..., Page]):
    page = open_activity()
    assert (page.locator(".tiles").bounding_box() or {})["width"] >= 448
    expect_snapshot(page, 4)
    page.get_by_role("button", name="Start").click()
    expect_snapshot(page, 0)
    page.get_by_role("button", name="+ step").click()
    expect_snapshot(page, 1)
    page.locator(".scrub").focus()
    page.keyboard.press("ArrowRight")
    expect_snapshot(page, 2)
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_be_visible()  # it came to the end
    expect_snapshot(page, 4)
    # Steps grow by the same factor, and so do they on the axis.
    plot = page.locator(".history .plot").bounding_box()
    assert plot
    left, right = plot["x"] + 46, plot["x"] + plot["width"] - 16
    share = np.log(STEPS[3] / 20) / np.log(5000 / 20)
    page.mouse.move(right, plot["y"] + 80)
    page.mouse.down()
    page.mouse.move(left + share * (right - left) + 4, plot["y"] + 60, steps=6)
    expect_snapshot(page, 3)
    page.mouse.move(left, plot["y"] + 60, steps=6)
    expect_snapshot(page, 0)
    page.mouse.up()
    page.mouse.move(right, plot["y"] + 60)
    expect_snapshot(page, 0)


def test_every_picture_has_its_score(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    kept = training.read_history(MODEL)
    assert kept
    scores = kept.scores[-1].round(2)
    least, most = int(scores.argmin()), int(scores.argmax())
    orange, blue = frame(page, least).astype(int), frame(page, most).astype(int)
    assert orange[0] > orange[2] + 60
    assert blue[2] > blue[0] + 60

    def said(index: int) -> str:
        apart = scores[index] - scores.mean()
        where = "below" if apart < 0 else "above"
        words = f"Picture {index + 1} (label {index % 10}): D's score {scores[index]:.2f}, "
        return words.replace("-", "−") + f"{abs(apart):.2f} {where} the mean of the 64."

    read = page.locator(".history .read")
    expect(read).to_contain_text(f"mean {scores.mean():.2f}".replace("-", "−"))
    box = page.locator(".tiles").bounding_box()
    assert box
    pitch = box["width"] / 8
    page.locator(".tiles").tap(
        position={"x": (most % 8 + 0.5) * pitch, "y": (most // 8 + 0.5) * pitch}
    )
    expect(read).to_have_text(said(most))
    page.locator(".sheet").focus()
    page.keyboard.press("Home")  # no key of the sheet
    expect(read).to_have_text(said(most))
    step = "ArrowLeft" if most else "ArrowRight"
    page.keyboard.press(step)
    expect(read).to_have_text(said(most - 1 if most else 1))
