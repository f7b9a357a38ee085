"""The laboratory by hand: played, paused, stepped, changed while it runs, drawn, broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from demo.activities import ModelTab
from demo.gan import laboratory
from gm_core import gan_lab
from tests.browser.conftest import PHONE, serve_activity

OPENED = laboratory.OPENING_ROUNDS


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """In place of the whole app: this activity on a second tab."""
    with serve_activity(laboratory, ModelTab("gan", ())) as url:
        yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=laboratory.TITLE).click()
        page.locator(".lab[data-serial]").wait_for()
        return page

    return open_activity


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def steps(page: Page) -> tuple[int, int]:
    """Of D and of G."""
    done = page.locator(".lab").evaluate("(lab) => [lab.dataset.dSteps, lab.dataset.gSteps]")
    return int(done[0]), int(done[1])


def generated(page: Page) -> np.ndarray:
    """The first generated points that are drawn: (8, 2)."""
    text = page.locator(".plane").get_attribute("data-generated") or ""
    return gan_lab.REACH * np.array(text.split(), float).reshape(8, 2)


def heat(page: Page) -> str | None:
    return page.locator(".plane").get_attribute("data-map")


def colour_at(canvas: Locator, point: np.ndarray) -> np.ndarray:
    """The colour of a place of the plane."""
    x, y = (float(part) / gan_lab.REACH for part in point)
    pixel = canvas.evaluate(
        """(canvas, [x, y]) => Array.from(canvas.getContext("2d")
          .getImageData((x + 1) / 2 * canvas.width, (1 - y) / 2 * canvas.height, 1, 1).data)""",
        [x, y],
    )
    return np.array(pixel[:3])


def test_it_is_stepped_played_changed_and_paused(open_activity: Callable[..., Page]):
    page = open_activity()
    plane, told = page.locator(".plane"), page.locator(".told")
    assert (plane.bounding_box() or {})["width"] >= 420
    _, beginning = laboratory.opening()
    record = gan_lab.observe(beginning.state, beginning.data, "relativistic")
    assert np.allclose(generated(page), record.generated[:8], atol=1e-3)
    assert np.abs(colour_at(plane, generated(page)[3]) - [0xE6, 0x9F, 0x00]).max() < 30

    before = generated(page), heat(page)
    press(page, "One step of D")
    expect(told).to_contain_text("One step of D: the map changes, G's points stay.")
    assert steps(page) == (OPENED + 1, OPENED)
    assert np.array_equal(generated(page), before[0])
    assert heat(page) != before[1]
    state, _ = gan_lab.discriminator_step(beginning.state, beginning.data, gan_lab.BALANCED)

    before = generated(page), heat(page)
    press(page, "One step of G")
    expect(told).to_contain_text("One step of G: D's map stays, the points moved along")
    state, _ = gan_lab.generator_step(state, beginning.data, gan_lab.BALANCED)
    record = gan_lab.observe(state, beginning.data, "relativistic")
    assert np.allclose(generated(page), record.generated[:8], atol=1e-3)
    assert np.abs(generated(page) - before[0]).max() > 0.01
    # The way that a point came is green.
    way = (generated(page) + 2 * before[0]) / 3
    green = [np.abs(colour_at(plane, place) - [0x00, 0x9E, 0x73]).max() < 30 for place in way]
    assert any(green)

    press(page, "Play")
    page.wait_for_function(f"+document.querySelector('.lab').dataset.gSteps > {OPENED + 4}")
    page.get_by_label("Steps of D for one of G").fill("6")  # while it runs
    page.wait_for_function(
        "(lab => lab.dataset.dSteps - lab.dataset.gSteps > 12)(document.querySelector('.lab'))"
    )
    press(page, "Pause")
    press(page, "One step of G")
    expect(told).to_contain_text("One step of G")
    ahead, done = steps(page)
    press(page, "One step of G")
    page.wait_for_function(f"+document.querySelector('.lab').dataset.gSteps > {done}")
    assert steps(page) == (ahead, done + 1)  # nothing has run in between

    # Another student's is another's.
    other = open_activity()
    press(other, "One step of G")
    expect(other.locator(".told")).to_contain_text("One step of G")
    assert steps(other) == (OPENED, OPENED + 1)
    press(page, "One step of D")
    expect(told).to_contain_text("One step of D")
    assert steps(page) == (ahead + 1, done + 1)


def test_it_is_broken_and_its_data_drawn(open_activity: Callable[..., Page]):
    page = open_activity()
    told = page.locator(".told")
    press(page, "Play")
    page.wait_for_function(f"+document.querySelector('.lab').dataset.gSteps > {OPENED}")
    press(page, "D too strong")  # while it runs
    expect(told).to_contain_text("Both networks are new")
    assert steps(page) == (0, 0)
    press(page, "They hardly move")
    start = generated(page)
    press(page, "Play")
    verdict = page.locator(".predict b")
    expect(verdict).to_contain_text("As you predicted, they hardly move", timeout=60_000)
    press(page, "Pause")
    assert np.abs(generated(page) - start).max() < 0.3
    expect(page.locator(".coverage dd:first-of-type")).to_have_text("0 of 8")

    press(page, "Draw")
    press(page, "Learn this")
    expect(told).to_contain_text("Nothing is drawn yet")
    box = page.locator(".sketch").bounding_box()
    assert box
    middle, third = box["y"] + box["height"] / 3, box["width"] / 3
    page.mouse.move(box["x"] + third, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 2 * third, middle, steps=8)
    page.mouse.up()
    press(page, "Learn this")
    expect(page.locator(".coverage dt")).to_have_text("of your drawing covered")
    expect(page.locator(".predict b")).to_have_text("D is far ahead. What will G's points do?")
    plane, blue = page.locator(".plane"), np.array([0x00, 0x72, 0xB2])

    def is_real(x: float, y: float) -> bool:
        return bool(np.abs(colour_at(plane, np.array([x, y])) - blue).max() < 30)

    along = np.linspace(-0.9, 0.9, 20)
    assert sum(is_real(x, y) for x in along for y in np.linspace(0.85, 1.15, 5)) > 10
    assert not any(is_real(x, y) for x in along for y in (-2, 2))


def test_a_phone_plays_it_and_leaving_pauses(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    plane = page.locator(".plane").bounding_box()
    play = page.get_by_role("button", name="Play").bounding_box()
    assert plane
    assert play
    assert plane["width"] >= 300
    assert play["y"] + play["height"] <= 844
    for button in page.locator(".lab button:visible").all():
        assert (button.bounding_box() or {})["height"] >= 40
    press(page, "Draw")
    press(page, "Example")
    press(page, "Learn this")
    expect(page.locator(".coverage dt")).to_have_text("of your drawing covered")
    press(page, "Play")
    page.wait_for_function("+document.querySelector('.lab').dataset.gSteps > 2")
    page.get_by_role("tab", name="Other").tap()
    page.get_by_role("tab", name=laboratory.TITLE).tap()
    expect(page.locator(".lab")).to_have_attribute("data-playing", "false")
    expect(page.locator(".told")).to_have_text("Paused, as you left this tab.")
