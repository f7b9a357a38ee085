"""The race, by hand, with small networks: start, wait, stop, and what is left on the lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import gm_core
from demo.activities import ModelTab, race
from tests.browser.conftest import app_blocks, enter_seed, serve
from tests.browser.test_maps import UNKNOWN, cells
from tests.demo.test_race import NAMES, save_tiny

LANES, STATUS, TABLE = (
    "#pixelcnn-race-lanes", "#pixelcnn-race-status p", "#pixelcnn-race-table"
)  # fmt: skip
H, W = 14, 14


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Networks of which the naive lane takes a moment, and such of which it takes very long."""
    quick, slow = tmp_path_factory.mktemp("quick"), tmp_path_factory.mktemp("slow")
    save_tiny(quick, NAMES, height=H, width=W)
    save_tiny(slow, NAMES, height=H, width=W)
    save_tiny(slow, NAMES[:1], height=H, width=W, features=160, dilations=(1,) * 12)
    return quick, slow


@pytest.fixture(scope="module")
def url(folders: tuple[Path, Path]) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folders[0]))
        with app_blocks() as demo:
            race.build(ModelTab("pixelcnn", NAMES[:1]))
        with serve(demo) as url:
            yield url


@pytest.fixture
def open_race(open_page: Callable[..., Page], url: str) -> Callable[[], Page]:
    def open_race() -> Page:
        page = open_page(url)
        expect(page.locator(f"{LANES} canvas.map")).to_have_count(4)
        page.wait_for_function(f"document.querySelector('{LANES} canvas.map').width % {W} === 0")
        return page

    return open_race


def lane(page: Page, index: int) -> np.ndarray:
    """The colours of a lane's cells: (H, W, 3)."""
    return cells(page.locator(f"{LANES} canvas.map").nth(index), W)


def start(page: Page) -> None:
    page.get_by_role("button", name="Start", exact=True).click()


def test_one_lane_is_drawn_when_the_page_opens_and_all_when_the_race_is_over(open_race):
    page = open_race()
    for index in range(4):
        is_grey = (lane(page, index) == UNKNOWN).all()
        assert is_grey == (index != race.CACHED)
    expect(page.locator(f"{TABLE} tbody tr")).to_have_count(4)
    enter_seed(page, 42)
    page.get_by_label("Class").click()
    page.get_by_role("option", name="3", exact=True).click()
    start(page)
    expect(page.locator(STATUS)).to_contain_text("pixel for pixel: yes", timeout=60_000)
    for index, model in enumerate(NAMES):
        *_, frame = gm_core.load(model).sample(1, seed=42, label=3)
        assert np.array_equal(lane(page, index)[..., 0], frame.levels[0, 0].numpy() * 255)
    rows = page.locator(f"{TABLE} tbody tr")
    expect(rows.nth(0).locator("td").nth(3)).to_have_text(str(H * W))
    expect(rows.nth(1).locator("td").nth(3)).to_have_text("0")


def test_stopping_lets_the_next_one_race(open_race, folders, monkeypatch):
    page, other = open_race(), open_race()
    line, others = page.locator(STATUS), other.locator(STATUS)
    before = others.inner_text()
    monkeypatch.setenv("GM_CHECKPOINTS", str(folders[1]))
    start(page)
    expect(line).to_contain_text("All others have arrived.", timeout=60_000)

    start(other)  # one race at a time: this one waits, and may stop waiting
    expect(others).to_have_text(race.WAITING)
    other.get_by_role("button", name="Stop").click()
    expect(others).to_have_text(before)

    page.get_by_role("button", name="Stop").click()
    expect(line).to_contain_text("Stopped; the lanes stay as they are. PixelCNN, naive: ")
    naive = lane(page, race.NAIVE)
    grey = (naive == UNKNOWN).all(axis=2).flatten()
    assert grey[-1]
    assert not grey[0]
    assert not (lane(page, race.CACHED) == UNKNOWN).all(axis=2).any()

    monkeypatch.setenv("GM_CHECKPOINTS", str(folders[0]))
    start(other)  # is run only if the work of the first has ended
    expect(others).to_contain_text("pixel for pixel: yes", timeout=60_000)
    assert np.array_equal(lane(page, race.NAIVE), naive)
    expect(line).to_contain_text("Stopped")


def test_a_refused_seed_leaves_everything_as_it_was(open_race):
    page = open_race()
    line, before = page.locator(STATUS).inner_text(), lane(page, race.CACHED)
    enter_seed(page, -1)
    start(page)
    expect(page.get_by_text("Seed must be from 0 to 4294967295.")).to_be_visible()
    expect(page.locator(STATUS)).to_have_text(line)
    assert np.array_equal(lane(page, race.CACHED), before)


def test_randomising_changes_the_seed(open_race):
    page = open_race()
    page.get_by_role("button", name="Randomise seed").click()
    expect(page.get_by_label("Seed")).not_to_have_value("7")
