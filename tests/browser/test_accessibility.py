"""Every activity for everybody's eyes: screen readers, contrast, a phone, a beamer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from demo.tabs import overview
from demo.ui import MODEL_TABS
from tests.browser.conftest import LAPTOP, PHONE

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
WALK = [(overview.TITLE, None)] + [
    (tab.TITLE, activity.TITLE) for tab in MODEL_TABS for activity in tab.ACTIVITIES
]
BEAMER: ViewportSize = {"width": 1920, "height": 1080}
THUMB = 36  # CSS pixels; the style sheets aim at 40 and more

# The serious faults of all activities, which are shown below one another. Contrast is by far the
# slowest rule, so it is asked once of all texts that look alike: colour, size, what lies behind.
# Gradio's own messages, which come and go, are buttons within buttons: they are left out.
FAULTS = """async () => {
  const show = new CSSStyleSheet();
  const rules = "[role=tabpanel] { display: block !important } * { transition: none !important }";
  show.replaceSync(rules); // colours change at once
  document.adoptedStyleSheets.push(show);
  const ask = async (context, options) => {
    const common = { resultTypes: ["violations"], preload: false };
    const { violations } = await axe.run(context, { ...common, ...options });
    return violations
      .filter(({ impact }) => ["serious", "critical"].includes(impact))
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  };
  const look = (node) => {
    const { color, fontSize, fontWeight } = getComputedStyle(node);
    const behind = new Set();
    for (let at = node; at; at = at.parentElement) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(at);
      behind.add(backgroundColor).add(backgroundImage).add(opacity);
    }
    return [color, fontSize, fontWeight, ...behind].join();
  };
  const hasText = (node) => [...node.childNodes].some((at) => at.nodeType === 3 && at.data.trim());
  const all = [...document.querySelectorAll(".gradio-container *")];
  const texts = all.filter((node) => hasText(node) && node.checkVisibility());
  const others = { rules: { "color-contrast": { enabled: false } } };
  const found = await ask({ exclude: [".toast-wrap"] }, others);
  for (const theme of ["light", "dark"]) {
    document.body.classList.toggle("dark", theme === "dark");
    const looks = new Map(texts.map((node) => [look(node), node]));
    const pale = await ask({ include: [...looks.values()] }, { runOnly: ["color-contrast"] });
    found.push(...pale.map((fault) => `${theme}, ${fault}`));
  }
  document.body.classList.remove("dark");
  document.adoptedStyleSheets.pop();
  return found;
}"""

# What stands out at the right, where it can't be seen, unless its own frame scrolls. A canvas
# follows the width a picture or two later.
CUT_OFF = """async () => {
  const { scrollingElement: page } = document;
  const scrolls = (node) => {
    for (let at = node.parentElement; at; at = at.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(at).overflowX)) return true;
    return false;
  };
  let found;
  for (let pictures = 0; pictures < 60; pictures++) {
    const parts = [...document.querySelectorAll("button, input, canvas, img, table")].filter(
      (node) => node.checkVisibility() && node.getBoundingClientRect().right > page.clientWidth + 1,
    );
    found = parts
      .filter((node) => !scrolls(node) && !node.closest(".visually-hidden"))
      .map((node) => node.outerHTML.slice(0, 200));
    if (page.scrollWidth > page.clientWidth) found.push(`the page: ${page.scrollWidth} px`);
    if (!found.length) break;
    await new Promise(requestAnimationFrame);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def page(share_page: Callable[..., Page], address: str) -> Page:
    return share_page(f"{address}?beamer=1", viewport=BEAMER)


def walk(page: Page) -> Iterator[str]:
    """Open one activity after the other, by their tabs."""
    for title, activity in WALK:
        for name in filter(None, (title, activity)):
            tab = page.get_by_role("tab", name=name, exact=True).locator("visible=true").last
            tab.evaluate("tab => tab.click()")
            expect(tab).to_have_attribute("aria-selected", "true")
        yield f"{title}: {activity}"


def test_large_type_comes_with_the_address_and_goes_by_the_switch(page: Page):
    page.set_viewport_size(BEAMER)
    switch = page.get_by_role("button", name="Large type")
    title = page.get_by_role("heading", name="Generative models", exact=True)
    expect(switch).to_have_attribute("aria-pressed", "true")
    large = title.bounding_box()

    # A list of choices lies at its field, not where it would without the zoom.
    field = page.get_by_label("Prompt")
    field.click()
    at, choices = field.bounding_box(), page.locator(".options").bounding_box()
    assert at
    assert choices
    below, above = choices["y"] - at["y"] - at["height"], at["y"] - choices["y"] - choices["height"]
    assert min(abs(below), abs(above)) < 40
    assert abs(choices["x"] - at["x"]) < 40
    field.press("Escape")

    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "false")
    assert "beamer" not in page.url
    small = title.bounding_box()
    assert large
    assert small
    assert large["height"] == pytest.approx(1.4 * small["height"], rel=0.05)


def test_no_activity_has_a_serious_fault(page: Page):
    page.set_viewport_size(LAPTOP)
    assert len(list(walk(page))) > 30  # what has been opened is there
    page.evaluate(AXE)
    assert page.evaluate(FAULTS) == []


def test_nothing_is_wider_than_a_phone_and_every_tab_is_in_sight(page: Page):
    page.set_viewport_size(PHONE)
    found = {place: cut for place in walk(page) if (cut := page.evaluate(CUT_OFF))}
    assert found == {}
    tabs = page.get_by_role("tab").locator("visible=true").all()
    assert len(tabs) == len(MODEL_TABS) + 1 + len(MODEL_TABS[-1].ACTIVITIES)
    assert all(box["height"] >= THUMB for tab in tabs if (box := tab.bounding_box()))
