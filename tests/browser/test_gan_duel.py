"""Real or fake? by hand: keys, taps and the clock; nothing of the truth before the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from demo.activities import TITLES, ModelTab
from demo.gan import duel
from tests.browser.conftest import PHONE, serve_activity
from tests.demo.test_gan_critic import MODEL, save_critic


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny network."""
    save_critic(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TITLES, MODEL, "GAN")
        with serve_activity(duel, ModelTab("gan", (MODEL,))) as url:
            yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=duel.TITLE).click()
        page.locator(".duel[data-answered='0'] button:enabled").first.wait_for()
        return page

    return open_activity


def expect_shown(page: Page, seed: int, at: int) -> None:
    """This picture of the seed's deck lies on the table."""
    expect(page.locator(".duel")).to_have_attribute("data-answered", str(at))
    expect(page.locator(".duel .where")).to_have_text(f"Picture {at + 1} of 20")
    values = page.locator(".duel .shown").evaluate(
        """(canvas) => Array.from(canvas.getContext("2d").getImageData(0, 0, 28, 28).data)"""
    )
    pixels = np.array(values, np.uint8).reshape(28, 28, 4)
    assert np.array_equal(pixels[..., :1], duel.deal(MODEL, seed, 20).pixels[at])


def test_a_game_by_keys_and_another_by_the_clock(open_activity: Callable[..., Page]):
    page = open_activity(fresh=True)
    box = page.locator(".duel .shown").bounding_box()
    assert box
    assert box["width"] >= 280
    truth = duel.deal(MODEL, 0, 20).real
    page.locator(".duel").focus()
    for at, real in enumerate(truth):
        if at in (0, 7, 19):
            expect_shown(page, 0, at)
        assert page.locator("#gan-duel-cards figure").count() == 0
        page.keyboard.press("1" if real else "3")
    told = page.locator("#gan-duel-status p")
    expect(told).to_contain_text("You got 20 of 20 right; area under your curve 1.00")
    expect(page.locator("#gan-duel-cards figure")).to_have_count(20)
    expect(page.locator("#gan-duel-result .you").first).to_be_visible()
    page.keyboard.press("1")  # the game is over
    expect(page.locator(".duel")).to_have_attribute("data-answered", "20")

    page.get_by_role("button", name="New game").click()
    expect_shown(page, 1, 0)
    expect(told).to_have_text(duel.READY)
    expect(page.locator("#gan-duel-cards figure")).to_have_count(0)
    page.clock.install(time=0)
    page.clock.pause_at(60_000)
    page.get_by_label("Against the clock").check()
    page.clock.run_for(3900)
    expect_shown(page, 1, 0)
    page.clock.run_for(200)
    expect_shown(page, 1, 1)
    page.get_by_label("Against the clock").uncheck()
    page.clock.run_for(5000)
    expect_shown(page, 1, 1)


def test_a_game_by_touch_on_a_phone(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    box, button = (
        page.locator(f".duel {name}").bounding_box() for name in (".shown", "[data-answer='1']")
    )
    assert box
    assert button
    assert box["width"] >= 280
    assert button["height"] >= 44
    for at in range(20):
        expect(page.locator(".duel")).to_have_attribute("data-answered", str(at))
        page.get_by_role("button", name="surely generated").tap()
    expect(page.locator("#gan-duel-status p")).to_contain_text("You got 10 of 20 right")
    expect(page.locator("#gan-duel-cards figcaption").first).to_contain_text(
        "you: surely generated"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
