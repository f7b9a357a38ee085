"""Learning paradigms by hand: the table opens, twenty labels against the clock, and the quiz."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from demo.gan import duel
from demo.paradigms import price, quiz
from demo.tabs import gan, paradigms
from demo.ui import build_demo
from tests.browser.conftest import PHONE, serve


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """In place of the whole app: two activities of the tab, and one of another tab."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paradigms, "ACTIVITIES", (quiz, price))
        patch.setattr(gan, "ACTIVITIES", (duel,))
        demo = build_demo((paradigms, gan))
    with serve(demo) as url:
        yield url


def expect_image(page: Page, seed: int, at: int) -> None:
    """This image of the seed's round lies on the table."""
    expect(page.locator(".labelling")).to_have_attribute("data-labelled", str(at))
    values = page.locator(".labelling .shown").evaluate(
        """(canvas) => Array.from(canvas.getContext("2d").getImageData(0, 0, 28, 28).data)"""
    )
    pixels = np.array(values, np.uint8).reshape(28, 28, 4)
    assert np.array_equal(pixels[..., 0], price.deal("mnist", seed).images[at, 0].numpy())


def test_the_table_opens_labelling_by_keys(open_page: Callable[..., Page]):
    page = open_page(fresh=True)
    page.get_by_role("tab", name=paradigms.TITLE).click()
    table = page.locator("#paradigms-table")
    expect(table.get_by_text("not built yet").first).to_be_visible()
    table.get_by_role("button", name="nearly free").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name=price.TITLE)).to_have_attribute("aria-selected", "true")
    page.locator(".labelling button:enabled").first.wait_for()
    box = page.locator(".labelling .shown").bounding_box()
    assert box
    assert box["width"] >= 336
    page.clock.install(time=0)
    page.clock.pause_at(60_000)
    page.clock.fast_forward(9_000)  # nothing is timed before the first answer

    truth = price.deal("mnist", 0).labels.tolist()
    false = [*truth[:-1], (truth[-1] + 1) % 10]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for at, label in enumerate(false):
        if at in (0, 7, 19):
            expect_image(page, 0, at)
        assert not asked  # the server has no part in it
        page.keyboard.press(str(label))
        page.clock.fast_forward(1_000)
    page.clock.resume()
    told = page.locator("#paradigms-price-status p")
    expect(told).to_contain_text("You and MNIST agree on 19 of 20 labels; 1.00 s an image")
    costs = page.locator("#paradigms-price-bill")
    page.get_by_label("a month").check()
    expect(costs).to_contain_text("You guessed a month of work; at your pace it is 16.7 h, nearer")
    expect(page.locator("#paradigms-price-cards .other")).to_have_count(1)
    page.keyboard.press("1")  # the round is over
    expect(page.locator(".labelling")).to_have_attribute("data-labelled", "20")

    wage = page.get_by_role("spinbutton", name="Wage an hour")
    wage.fill("0")
    expect(costs.locator("tbody tr").first.locator("td").last).to_have_text("0")
    expect(page.locator("#paradigms-price-cards figure")).to_have_count(20)  # nothing is lost
    page.get_by_role("button", name="New images").click()
    expect_image(page, 1, 0)
    expect(told).to_have_text(price.READY)
    expect(page.locator("#paradigms-price-cards figure")).to_have_count(0)


def test_the_quiz_on_a_phone(open_page: Callable[..., Page]):
    page = open_page()
    page.get_by_role("tab", name=paradigms.TITLE).click()
    page.set_viewport_size(PHONE)
    table = page.locator("#paradigms-table")
    table.get_by_role("button", name="Which paradigm?").click()
    board = page.locator(".quiz")
    order = {choice.id: at for at, choice in enumerate(quiz.CHOICES)}
    for at, question in enumerate(quiz.QUESTIONS):
        expect(board).to_have_attribute("data-at", str(at))
        expect(board.locator(".name")).to_have_text(question.name)
        expect(board.locator(".why")).to_be_empty()
        answer = order[question.paradigm]
        if at == 1:  # wrong once
            answer = (answer + 1) % 3
        if at % 2:
            page.keyboard.press(str(answer + 1))
        else:
            board.locator(".answers button").nth(answer).click()
        expect(board.locator(".why")).to_contain_text(question.why)
        expect(board.locator(".go")).to_be_focused()
        page.keyboard.press("Enter")
    expect(board.locator(".name")).to_have_text("9 of 10 right")
    expect(board.locator(".places li")).to_have_count(10)
    expect(board.locator(".places .missed")).to_have_text(
        f"{quiz.QUESTIONS[1].name}✗ you thought otherwise"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    board.get_by_role("button", name="Start over").click()
    expect(board.locator(".places li")).to_have_count(0)
    board.get_by_role("button", name="supervised", exact=False).first.click()
    board.get_by_role("button", name="Open GAN").click()
    expect(page.locator(".duel .shown")).to_be_visible()
