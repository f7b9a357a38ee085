"""Inverting a picture by hand: it grows, it can be stopped, and a new target begins anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from demo.activities import TITLES, ModelTab
from demo.gan import invert
from tests.browser.conftest import PHONE, enter_number, serve_activity
from tests.demo.test_gan_critic import MODEL, save_critic


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny network."""
    save_critic(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TITLES, MODEL, "GAN")
        with serve_activity(invert, ModelTab("gan", (MODEL,))) as url:
            yield url


def sources(page: Page) -> list[str]:
    return [
        image.get_attribute("src") or ""
        for image in page.locator("#gan-invert-pictures img").all()
    ]  # fmt: skip


def test_a_search_grows_stops_and_begins_anew(open_page: Callable[..., Page]):
    page = open_page(viewport=PHONE, has_touch=True)
    page.get_by_role("tab", name=invert.TITLE).click()
    told = page.locator("#gan-invert-status p")
    expect(told).to_have_text(invert.READY)
    expect(page.locator("#gan-invert-errors .plot")).to_have_attribute("data-points", "1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    opening = sources(page)

    start = page.get_by_role("button", name="Invert", exact=True)
    start.tap()
    expect(told).to_contain_text(f"Step {invert.STEPS} of {invert.STEPS}: error")
    expect(page.locator("#gan-invert-results tbody tr")).to_have_count(1)
    ended = sources(page)
    assert ended[0] == opening[0]
    assert ended[1] != opening[1]

    page.get_by_role("button", name="More").tap()
    for name, number in (("Steps", invert.MOST_STEPS), ("Starts", invert.MOST_STARTS)):
        enter_number(page, name, number)
    start.tap()
    expect(told).to_contain_text(re.compile(rf"Step [1-9]\d* of {invert.MOST_STEPS}:"))
    page.get_by_role("button", name="Stop").tap()
    expect(told).to_have_text(invert.STOPPED)
    stopped = sources(page)

    page.locator("#gan-invert-pad .strip button").nth(10).tap()  # clothes
    expect(told).to_have_text(invert.READY)
    fresh = sources(page)
    assert fresh[0] != stopped[0]
    assert fresh[1] == opening[1]
    expect(page.locator("#gan-invert-results tbody tr")).to_have_count(1)
