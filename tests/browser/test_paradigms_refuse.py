"""Off the distribution by hand: pictures, strokes, the threshold, and what it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from demo.paradigms import refuse
from gm_core import outliers
from tests.browser.conftest import PHONE, enter_number, serve_activity
from tests.demo.test_paradigms_refuse import TAB, H, W, by_library, picture, save_judges


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with tiny networks."""
    save_judges(folder)
    with serve_activity(refuse, TAB) as url:
        yield url


def on_pad(page: Page) -> np.ndarray:
    greys = page.locator("#paradigms-refuse-pad .paper").evaluate(
        """(canvas) => Array.from({ length: 784 }, (_, at) => {
          const size = canvas.width / 28;
          const x = ((at % 28) + 0.5) * size, y = (Math.floor(at / 28) + 0.5) * size;
          return canvas.getContext("2d").getImageData(x, y, 1, 1).data[0];
        })"""
    )
    return np.array(greys, np.uint8).reshape(H, W)


def expect_judged(page: Page, pixels: np.ndarray) -> None:
    """The sentence becomes that of this picture, and so does the strip."""
    nats = f"{by_library(pixels)['nats']:,.1f} nats"
    expect(page.locator("#paradigms-refuse-verdict p")).to_contain_text(f"−log p(x) = {nats}")
    expect(page.locator("#paradigms-refuse-density .mark")).to_contain_text(nats)
    expect(page.locator("#paradigms-refuse-classifier .bars .best em")).to_have_text(
        str(np.argmax(by_library(pixels)["shares"]))
    )


def expect_counted(page: Page, passing: float, *, two_sided: bool) -> None:
    """The sentence and the clothes' row count what the rule refuses."""
    rule = refuse.rule_from(passing, two_sided)
    judged = refuse.judged("clothes")
    counts = [int(rule.refuses(judged.nats).sum()), int(rule.doubts(judged.doubt).sum())]
    shares = page.locator("#paradigms-refuse-round tr", has_text="clothes").locator(".share span")
    for index, count in enumerate(counts):
        expect(shares.nth(index)).to_have_attribute("title", f"{count} of {refuse.COUNT}")
    nats = torch.cat([refuse.judged(kind).nats for kind in outliers.KINDS])
    refused, wrongly = (int(rule.refuses(each).sum()) for each in (nats, refuse.usual_nats()[1]))
    told = page.locator("#paradigms-refuse-round .told")
    expect(told).to_contain_text(f"By p(x), {refused} of {len(nats)} other pictures are refused")
    expect(told).to_contain_text(f"wrongly {wrongly:,} of 1,000 digits")


def test_pictures_are_judged_and_the_round_follows_the_rule(open_page: Callable[..., Page]):
    page = open_page()
    page.get_by_role("tab", name=refuse.TITLE).click()
    paper = page.locator("#paradigms-refuse-pad .paper")
    paper.wait_for()
    expect_judged(page, picture("T-shirt"))
    shirt, noise = (page.get_by_role("button", name=name) for name in ("T-shirt", "noise"))
    expect(shirt).to_have_attribute("aria-pressed", "true")
    noise.click()
    expect_judged(page, picture("noise"))
    assert np.array_equal(on_pad(page), picture("noise"))
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("button", name="blank")).to_have_attribute("aria-pressed", "true")
    expect_judged(page, np.zeros((H, W), np.uint8))
    box = paper.bounding_box()
    assert box
    assert box["width"] == 336
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, box["y"] + 90, steps=5)
    expect_judged(page, on_pad(page))  # the button is still down
    page.mouse.up()
    expect_judged(page, on_pad(page))
    expect(page.locator("#paradigms-refuse-gallery [aria-pressed=true]")).to_have_count(0)
    expect_counted(page, refuse.PASSING, two_sided=False)
    enter_number(page, "Test digits that pass (%)", 80)
    expect_counted(page, 80, two_sided=False)
    page.get_by_label("Two-sided").check()
    expect_counted(page, 80, two_sided=True)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
