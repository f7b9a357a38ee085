"""D's score of a drawing, by hand: strokes, changes, predictions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from demo.activities import TITLES, ModelTab
from demo.components.score_axis import signed
from demo.gan import critic
from tests.browser.conftest import PHONE, serve_activity
from tests.demo.test_gan_critic import MODEL, H, W, by_library, save_critic


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny network."""
    save_critic(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TITLES, MODEL, "GAN")
        with serve_activity(critic, ModelTab("gan", (MODEL,))) as url:
            yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=critic.TITLE).click()
        page.locator("#gan-critic-axis .here").wait_for()
        return page

    return open_activity


def drawn(page: Page) -> np.ndarray:
    """What lies on the pad: (28, 28)."""
    values = page.locator("#gan-critic-pad .paper").evaluate(
        """(canvas) => Array.from({ length: 784 }, (_, at) => {
          const size = canvas.width / 28;
          const x = ((at % 28) + 0.5) * size, y = (Math.floor(at / 28) + 0.5) * size;
          return canvas.getContext("2d").getImageData(x, y, 1, 1).data[0];
        })"""
    )
    return np.array(values, np.uint8).reshape(H, W)


def expect_scored(page: Page) -> None:
    """The score that stands there becomes that of what lies on the pad."""
    score = by_library(drawn(page), None)
    status = page.locator("#gan-critic-status p")
    expect(status).to_contain_text(f"{signed(score)}. Lower scores:")
    expect(page.locator("#gan-critic-axis .said")).to_contain_text(signed(score))
    low, high = critic.reference(MODEL, None).ends
    place = page.locator("#gan-critic-axis .here").evaluate("(mark) => parseFloat(mark.style.left)")
    assert place == pytest.approx(min(100, max(0, 100 * (score - low) / (high - low))), abs=0.2)


def test_every_stroke_is_scored(open_activity: Callable[..., Page]):
    page = open_activity()
    expect_scored(page)
    box = page.locator("#gan-critic-pad .paper").bounding_box()
    assert box
    assert box["width"] == 336
    before = drawn(page)
    page.mouse.move(box["x"] + 40, box["y"] + 280)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 300, steps=8)
    expect_scored(page)  # the button is still down
    page.mouse.move(box["x"] + 300, box["y"] + 40, steps=8)
    page.mouse.up()
    expect_scored(page)
    stroked = drawn(page)
    assert (stroked != before).sum() > 20
    page.get_by_role("button", name="Invert colours").click()
    expect(page.locator("#gan-critic-status p")).to_contain_text("The change:")
    assert np.array_equal(drawn(page), 255 - stroked)
    expect_scored(page)
    page.get_by_role("button", name="Blank").click()
    expect(page.locator("#gan-critic-status p")).to_contain_text(critic.EMPTY)
    assert not drawn(page).any()
    expect_scored(page)


def test_kinds_are_revealed_after_a_prediction(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    figures = page.locator("#gan-critic-probes figure")
    expect(figures.locator("strong")).to_have_text(["?"] * 8)
    page.get_by_label("bolder").tap()
    page.get_by_role("button", name="Reveal").tap()
    scores = critic.probe_scores(MODEL, critic.checkpoints.root())
    expect(figures.locator("strong")).to_have_text([signed(score) for score in scores.values()])
    expect(page.locator("#gan-critic-probes .predicted figcaption")).to_have_text("bolder")
    best = max(scores, key=lambda name: scores[name])
    expect(page.locator("#gan-critic-probes .first figcaption")).to_have_text(best)
    expect(page.locator("#gan-critic-answer p")).to_have_text(re.compile(f"D finds “{best}”"))
