"""The map of clusters by hand: colours, choosing by mouse and keyboard, naming, checking."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from demo.activities import ModelTab
from demo.paradigms import clusters
from gm_core.clusters import pictures
from tests.browser.conftest import PHONE, enter_number, serve_activity, until
from tests.browser.test_gan_generate import pixels

MARGIN = 14  # CSS pixels, of the map


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with the maps that ship."""
    with serve_activity(clusters, ModelTab("paradigms", ())) as url:
        yield url


def chosen(page: Page) -> int:
    return int(page.locator(".clusters").get_attribute("data-chosen") or -1)


def on_screen(page: Page, place: list[float]) -> tuple[float, float]:
    box = page.locator(".marks").bounding_box()
    assert box
    scale = box["width"] / 2 - MARGIN
    return box["x"] + box["width"] / 2 + place[0] * scale, (
        box["y"] + box["height"] / 2 - place[1] * scale
    )


def coloured(page: Page) -> int:
    """How many pixels of the map are not grey."""
    return page.locator(".plane").evaluate(
        """canvas => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let at = 0; at < data.length; at += 4) {
            const [red, green, blue, opacity] = data.subarray(at, at + 4);
            const spread = Math.max(red, green, blue) - Math.min(red, green, blue);
            count += opacity === 255 && spread > 40; // what is nearly clear has no exact colour
          }
          return count;
        }"""
    )


def test_colour_choose_name_and_check(open_page: Callable[..., Page]):
    page = open_page()
    page.get_by_role("tab", name=clusters.TITLE).click()
    page.locator(".clusters[data-serial]").wait_for()
    board = clusters.show_board("mnist", 10, "t-SNE", "linkage")
    truth, predicted = board["truth"], board["predicted"]

    places = np.array(board["places"])
    apart = np.hypot(*(places[:, None] - places).T)
    np.fill_diagonal(apart, np.inf)
    alone = int(apart.min(axis=0).argmax())
    page.mouse.click(*on_screen(page, board["places"][alone]))
    assert chosen(page) == alone
    shown = pixels(page.locator(".clusters .image"))
    assert np.array_equal(shown[:, :, 0], pictures("mnist").images[alone, 0].numpy())
    expect(page.locator("dd.cluster")).to_have_text("ABCDEFGHIJ"[board["assigned"][alone]])
    expect(page.locator("dd.prediction")).to_have_text(str(predicted[alone]))
    expect(page.locator("dd.truth")).to_have_text("hidden")
    way = "ArrowLeft" if places[alone, 0] > 0 else "ArrowRight"
    page.keyboard.press(way)
    assert chosen(page) != alone
    assert (places[chosen(page), 0] < places[alone, 0]) == (way == "ArrowLeft")

    assert coloured(page) > 1_000
    page.locator("[data-colouring=truth]").click()
    assert coloured(page) == 0

    selects = page.locator(".clusters select")
    for cluster in range(8):
        selects.nth(cluster).select_option("7")
    told = page.locator("#paradigms-clusters-status p")
    missing = "8 of 10 clusters are named. Still to be named: I and J."
    expect(told).to_have_text(missing)
    page.get_by_role("button", name="Check my names").click()
    expect(told).to_have_text(missing)
    expect(selects.nth(8)).to_be_focused()
    expect(page.locator(".worth table")).to_have_count(0)
    for cluster in (8, 9):
        selects.nth(cluster).select_option("can't say")
    page.get_by_role("button", name="Check my names").click()
    naming, _ = clusters.compare("mnist", "linkage", ["7"] * 8 + ["can't say"] * 2)
    expect(told).to_contain_text(f"Your 8 labels got {100 * naming.accuracy:.1f} %")
    expect(page.locator(".worth .student b")).to_have_text(f"{100 * naming.accuracy:.1f} %")
    expect(page.locator("dd.truth")).to_have_text(str(truth[chosen(page)]))
    assert coloured(page) > 1_000
    share = int(naming.counts[0].max()) / int(naming.counts[0].sum())
    first = page.locator("ol li").first.locator(".mix span").first
    expect(first).to_have_text(f"{100 * share:.0f} % {int(naming.counts[0].argmax())}")

    page.set_viewport_size(PHONE)
    until(page, lambda: page.locator(".plane").evaluate("canvas => canvas.clientWidth") < 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.get_by_label("k-means").check()
    expect(told).to_have_text(clusters.waiting(10))
    expect(page.locator(".worth table")).to_have_count(0)
    expect(page.locator("dd.truth")).to_have_text("hidden")
    assert {select.input_value() for select in selects.all()} == {""}
    for select in selects.all():
        select.select_option("1")
    page.get_by_role("button", name="Check my names").click()
    naming, _ = clusters.compare("mnist", "k-means", ["1"] * 10)
    expect(page.locator(".worth .best b")).to_have_text(f"{100 * naming.most:.1f} %")

    enter_number(page, "Clusters", 3)
    expect(selects).to_have_count(3)
    expect(told).to_have_text(clusters.waiting(3))
    expect(page.locator(".worth table")).to_have_count(0)
    page.get_by_label("Clothes").check()
    expect(selects.first.locator("option").nth(8)).to_have_text("sneaker")
    sneakers = clusters.show_board("fashion", 3, "t-SNE", "k-means")["typical"][0][0]
    wanted = pictures("fashion").images[sneakers, 0].numpy()
    until(
        page,
        lambda: np.array_equal(pixels(page.locator(".clusters .image"))[:, :, 0], wanted),
    )
