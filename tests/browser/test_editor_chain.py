"""Chains by hand: an edit on an edit, back to a version, a branch, Stop, and a new picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from demo.editor import chain, sources
from tests.browser.conftest import PHONE, enter_number, serve_activity, stop_when
from tests.demo.test_editor_chain import by_library
from tests.demo.test_editor_guidance import TAB, colours, save_editor

TOLD = "#instruct_pix2pix-chain-status p"
QUICK = chain.edit
OPENING = ("give her sunglasses", "take the glasses off")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny editor."""
    save_editor(folder)
    with serve_activity(chain, TAB) as url:
        yield url


def shown(page: Page, index: int) -> np.ndarray:
    """The version (0), or what it should be (1): (H, W, 3)."""
    image = page.locator("#instruct_pix2pix-chain-pictures img").nth(index)
    return colours(image.get_attribute("src") or "")


def unhurried(*asked: Any) -> Iterator[Any]:
    """Edits that a page can follow; those of a tiny editor are over before anybody stops them."""
    for record in QUICK(*asked):
        time.sleep(0.05)
        yield record


def test_a_chain_grows_and_stops(open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch):
    page = open_page(viewport=PHONE, has_touch=True)
    page.get_by_role("tab", name=chain.TITLE).click()
    tree = page.locator("#instruct_pix2pix-chain-versions .tree")
    told = page.locator(TOLD)
    expect(tree).to_have_attribute("data-versions", "3")
    expect(told).to_contain_text("Version 2: “take the glasses off”, from version 1")
    first = sources.picture(5, 64)
    one = by_library(first, OPENING[0])
    assert np.array_equal(shown(page, 0), by_library(one, OPENING[1]).permute(1, 2, 0))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    buttons = tree.locator("button")
    buttons.nth(1).tap()
    expect(told).to_contain_text("Version 1: “give her sunglasses”, from version 0")
    assert np.array_equal(shown(page, 0), one.permute(1, 2, 0))
    expect(page.locator("#instruct_pix2pix-chain-drift .bar")).to_have_count(2)
    page.get_by_role("button", name="make it night").tap()
    expect(told).to_contain_text("Version 3: “make it night”, from version 1")
    expect(tree.locator(".branch")).to_have_count(2)
    expect(buttons.nth(3)).to_have_attribute("aria-pressed", "true")
    assert np.array_equal(shown(page, 0), by_library(one, "make it night").permute(1, 2, 0))

    page.get_by_role("button", name="Undo").tap()
    expect(told).to_contain_text("Version 1: “give her sunglasses”, from version 0")
    page.get_by_text("More", exact=True).click()
    enter_number(page, "Round trips", chain.MOST_TRIPS)
    monkeypatch.setattr(chain, "edit", unhurried)
    stop_when(page.get_by_role("button", name="Round trip"), TOLD, "from version 4")
    expect(told).to_have_text(chain.STOPPED)
    kept = int(tree.get_attribute("data-versions") or 0)
    assert 5 <= kept < 4 + 2 * chain.MOST_TRIPS
    page.locator("#instruct_pix2pix-chain-shelf button").nth(6).tap()  # a landscape
    expect(tree).to_have_attribute("data-versions", "1")
    expect(told).to_contain_text("Version 0, the first picture.")
    assert np.array_equal(shown(page, 0), sources.picture(6, 64).permute(1, 2, 0))
