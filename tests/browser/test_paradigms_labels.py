"""Labels and their budget by hand: labels on, off and wrong; curves that fill in, and Stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from demo.activities import ModelTab
from demo.paradigms import budget, labels
from tests.browser.conftest import PHONE, enter_number, press, serve_activity, stop_when

CARD, CURVES = "#paradigms-labels-card", "#paradigms-labels-curves .accuracies"
BUDGET = "#paradigms-budget-curves .accuracies"
TOLD, BUDGET_TOLD = "#paradigms-labels-status p", "#paradigms-budget-status p"


def build(tab: ModelTab) -> None:
    with gr.Tabs():
        for activity in (labels, budget):
            with gr.Tab(activity.TITLE):
                activity.build(tab)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Both activities, on a tab that is hidden at first; one run of each method."""
    both: Any = SimpleNamespace(TITLE="Paradigms", build=build)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels, "RUNS", 1)
        with serve_activity(both, ModelTab("paradigms", ())) as url:
            yield url


def fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_labels_and_their_budget(open_page: Callable[..., Page], url: str):
    page = open_page(url)
    page.get_by_role("tab", name="Paradigms").click()
    card, curves, told = (page.locator(each) for each in (CARD, CURVES, TOLD))
    expect(card.locator("li.true")).to_have_count(12)
    assert (curves.locator(".stage svg").bounding_box() or {})["width"] >= 336

    # Off: y is greyed out, and only k-means learns.
    page.get_by_role("radio", name="off").check()
    expect(card.locator("li.none")).to_have_count(12)
    page.get_by_role("button", name="Learn").click()
    expect(told).to_contain_text("No y, no loss")
    row = curves.get_by_role("row", name="k-means")
    level = row.locator("td").first.locator("b").inner_text()
    expect(told).to_contain_text(level)

    # Wrong: false labels are marked, the CNN breaks, k-means does not move.
    page.get_by_role("radio", name="wrong").check()
    enter_number(page, "Wrong labels, %", 100)
    expect(card.locator("li.false")).to_have_count(12)
    page.get_by_role("button", name="Learn").click()
    expect(told).to_contain_text("worse than guessing")
    expect(told).to_contain_text(f"k-means stays at {level}")
    expect(curves).to_have_attribute("data-points", "3")  # off, and both methods at 100 %
    curves.locator(".stage").press("Home")
    expect(curves.locator(".at")).to_have_text("wrong labels: 0 %")
    curves.locator(".stage").press("End")
    expect(curves.locator(".at")).to_have_text("wrong labels: 100 %")

    page.get_by_role("tab", name=budget.TITLE).click()
    curves = page.locator(BUDGET)
    stop_when(page.get_by_role("button", name="Run"), BUDGET_TOLD, "Run ")
    expect(page.locator(BUDGET_TOLD)).to_contain_text("Stopped")
    # The next run works, with less.
    page.get_by_role("checkbox", name="supervised CNN").uncheck()
    page.get_by_label("Up to how many labels a class").fill("3")
    press(page.get_by_role("button", name="Run"), page.locator(BUDGET_TOLD), "35 runs in")
    expect(curves).to_have_attribute("data-points", "6")
    expect(curves.locator(".at")).to_have_text("30 labels")
    assert curves.locator("tbody tr").count() == 3
    page.set_viewport_size(PHONE)
    assert fits(page)
    page.get_by_role("tab", name=labels.TITLE, exact=True).click()
    expect(page.locator(CURVES)).to_be_visible()
    assert fits(page)


def test_after_too_large_a_budget_the_next_run_works(open_page: Callable[..., Page], url: str):
    page = open_page(url)
    page.get_by_role("tab", name="Paradigms").click()
    page.get_by_role("tab", name=budget.TITLE).click()
    most = page.get_by_label("Up to how many labels a class")
    most.fill("500")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("There are 100 pictures of each class to learn from")).to_be_visible()
    page.get_by_role("checkbox", name="supervised CNN").uncheck()
    most.fill("1")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(BUDGET_TOLD)).to_contain_text("15 runs in")
