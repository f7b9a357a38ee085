"""Teacher forcing, by hand, with small networks: choose, generate, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from demo.activities import ModelTab, forcing
from tests.browser.conftest import app_blocks, cells, enter_number, enter_seed, serve
from tests.demo.test_forcing import MODELS, expected
from tests.demo.test_race import save_tiny

STATUS, TABLE = "#pixelcnn-forcing-status p", "#pixelcnn-forcing-table"


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    save_tiny(folder, MODELS, height=28, width=28)
    with app_blocks() as demo:
        forcing.build(ModelTab("pixelcnn", MODELS))
    with serve(demo) as url:
        yield url


@pytest.fixture
def page(open_page: Callable[..., Page], url: str) -> Page:
    page = open_page(url)
    expect(page.locator(".player .where")).to_have_text("pixel 784 of 784")
    return page


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label).click()
    page.get_by_role("option", name=option, exact=True).click()


def generate(page: Page) -> None:
    """Generate, and wait until the new picture is there: the player starts from its end."""
    page.locator(".player [data-do=start]").click()
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".player .where")).to_have_text("pixel 784 of 784")


def test_the_tab_opens_with_a_digit_drawn_again(page: Page):
    frame = expected(MODELS[0], forcing.FIRST_DIGIT, forcing.FIRST_ROWS, 1.0, forcing.FIRST_SEED)
    assert np.array_equal(cells(page)[..., 0], frame.levels[forcing.FREE, 0].numpy() * 255)
    expect(page.locator(STATUS)).to_contain_text("Teacher forcing: 1 pass, ")
    expect(page.locator(f"{TABLE} tbody tr")).to_have_count(2)


def test_what_is_chosen_is_drawn_in_both_ways(page: Page):
    choose(page, "Model", "Row LSTM")
    choose(page, "Digit", "No. 15: a 7")
    enter_number(page, "True rows", 20)
    enter_seed(page, 3)
    generate(page)
    frame = expected("pixelrnn-row-mnist", 15, 20, 1.0, 3)
    shown = {}
    for title in ("the digit", "teacher forced", "free running"):
        page.get_by_role("button", name="Next image").click()
        caption = page.locator(".player .caption")
        expect(caption).to_contain_text(f"{title[:1].upper()}{title[1:]}: −log p(x | 7) = ")
        shown[title] = cells(page)[..., 0]
    for image, title in enumerate(shown):
        assert np.array_equal(shown[title], frame.levels[image, 0].numpy() * 255)
    differ = page.locator(f"{TABLE} tbody tr").nth(1).locator("td").nth(2)
    expect(differ).to_have_text(str(int(frame.differs[forcing.FREE].sum())))


def test_another_digit_may_be_left_to_chance(page: Page):
    before = page.get_by_label("Digit").input_value()
    for _ in range(10):  # chance may choose the same again, but not always
        page.get_by_role("button", name="Randomise digit").click()
        page.wait_for_load_state("networkidle")
        if page.get_by_label("Digit").input_value() != before:
            break
    expect(page.get_by_label("Digit")).not_to_have_value(before)
    generate(page)
    expect(page.locator(STATUS)).to_contain_text("free running: 784 steps")


def test_a_refused_seed_leaves_everything_as_it_was(page: Page):
    before, line = cells(page), page.locator(STATUS).inner_text()
    enter_seed(page, -1)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("Seed must be from 0 to 4294967295.")).to_be_visible()
    assert np.array_equal(cells(page), before)
    expect(page.locator(STATUS)).to_have_text(line)
