"""Edits by hand: what is drawn is what the library makes; sliders, masks, complaints, Stop."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import gm_core
from demo.activities import ModelTab
from demo.editor import EDITORS, EXAMPLES, FULL_SIZE, draw, edit, editing, full_size, shelf
from tests.browser.conftest import PHONE, enter_number, enter_text, serve_activity, stop_when
from tests.demo.test_editor_edit import MODEL, save_editor
from tests.gm_core.stand_in import contents, instead_of_the_hub, tiny_pipeline

BEST = EDITORS[MODEL].best
VIEW = "#ip2p-edit-view .view"


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny network."""
    save_editor(folder)
    with serve_activity(edit, ModelTab("ip2p", (MODEL,))) as url:
        yield url
    edit.opening_edit.cache_clear()


def pixels(page: Page, canvas: str) -> np.ndarray:
    """A canvas's own pixels: (H, W, 3)."""
    levels, size = page.locator(canvas).evaluate(
        "canvas => [[...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data], canvas.width]"
    )
    return np.array(levels, np.uint8).reshape(size, size, 4)[..., :3]


def library(words: str, place: int, seed: int) -> list[np.ndarray]:
    frames = gm_core.load(MODEL).edit(
        shelf(0)[place].draw(64) / 255,
        words,
        steps=BEST.steps,
        guidance_scale=BEST.guidance_scale,
        image_guidance_scale=BEST.image_guidance_scale,
        seed=seed,
    )
    return [(255 * frame.image).round().byte().permute(1, 2, 0).numpy() for frame in frames]


def open_activity(page: Page) -> None:
    page.get_by_role("tab", name=edit.TITLE).click()
    expect(page.locator(VIEW)).to_have_attribute("data-step", str(BEST.steps))


def test_an_edit_is_seen_from_all_sides(open_page: Callable[..., Page]):
    page = open_page()
    open_activity(page)
    place, words, seed = edit.OPENING
    source, steps = draw(shelf(0)[place], 64), library(words, place, seed)
    main, heat = f"{VIEW} .main canvas", f"{VIEW} .heat canvas"
    assert np.array_equal(pixels(page, main), steps[-1])
    assert np.array_equal(pixels(page, "#ip2p-edit-easel .paper"), source)

    divide = page.get_by_label("Before and after")
    divide.focus()
    page.keyboard.press("End")
    expect(divide).to_have_value("100")
    assert np.array_equal(pixels(page, main), source)
    divide.evaluate("slider => { slider.value = 50; slider.dispatchEvent(new Event('input')); }")
    half = np.concatenate([source[:, :32], steps[-1][:, 32:]], axis=1)
    assert np.array_equal(pixels(page, main), half)
    divide.focus()
    page.keyboard.press("Home")

    scrub = page.get_by_label("Step", exact=True)
    scrub.focus()
    page.keyboard.press("Home")
    expect(page.locator(f"{VIEW} .where")).to_have_text(f"step 1 of {BEST.steps}: foreseen")
    assert np.array_equal(pixels(page, main), steps[0])
    apart = np.abs(steps[0].astype(int) - source).max(2)
    brightness = pixels(page, heat).astype(int).sum(2)
    order = np.argsort(apart.ravel(), kind="stable")
    assert (np.diff(brightness.ravel()[order]) >= 0).all()  # more change is never darker

    easel = page.locator("#ip2p-edit-easel .easel")
    before = easel.get_attribute("data-serial") or ""
    page.locator("#ip2p-edit-shelf button").nth(8).click()
    expect(easel).not_to_have_attribute("data-serial", before)
    box = page.get_by_label("Instruction")
    box.fill("x" * 201)
    understood = page.locator("#ip2p-edit-understood p")
    expect(understood).to_contain_text("That is too long")
    page.get_by_role("button", name=EXAMPLES[2], exact=True).click()
    expect(box).to_have_value(EXAMPLES[2])
    expect(understood).to_have_text(edit.reading(MODEL, EXAMPLES[2], shelf(0)[8]))
    told = page.locator("#ip2p-edit-status p")
    before = page.locator(VIEW).get_attribute("data-serial") or ""
    box.press("Enter")
    expect(told).to_have_text(re.compile(r"steps in [\d.]+ s, .* seed 0\."))
    expect(page.locator(VIEW)).not_to_have_attribute("data-serial", before)
    expect(page.locator(VIEW)).to_have_attribute("data-step", str(BEST.steps))
    assert np.array_equal(pixels(page, main), library(EXAMPLES[2], 8, seed)[-1])

    page.get_by_role("button", name="Lost the face").click()
    expect(told).to_contain_text("image guidance goes from 1.1 to 1.3")
    expect(page.get_by_label("range slider for Image guidance")).to_have_value("1.3")

    page.get_by_role("button", name="More").click()
    enter_number(page, "Steps", EDITORS[MODEL].most_steps)
    stop_when(
        page.get_by_role("button", name="Edit", exact=True), "#ip2p-edit-status", "of 50, about"
    )
    expect(told).to_have_text(edit.STOPPED)
    expect(page.locator(f"{VIEW} .where")).to_have_text(re.compile(r"step \d+ of 50: foreseen"))


def test_a_painted_mask_on_a_phone(open_page: Callable[..., Page]):
    page = open_page(viewport=PHONE, has_touch=True)
    open_activity(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    marks = page.locator("#ip2p-edit-easel .marks")
    page.get_by_role("button", name="Paint").tap()
    marks.focus()
    page.keyboard.press("Space")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    painted = page.locator("#ip2p-edit-easel .told")
    expect(painted).to_contain_text("Only what is painted may change")
    box = page.get_by_label("Instruction")
    box.fill("sunglasses")
    page.get_by_role("button", name="More").tap()
    enter_text(page.get_by_label("Second wording"), "dark glasses")
    page.get_by_role("button", name="Edit", exact=True).tap()
    captions = page.locator(f"{VIEW} .main figcaption")
    expect(captions).to_have_text(["sunglasses", "dark glasses"])
    expect(page.locator(VIEW)).to_have_attribute("data-step", str(BEST.steps))
    place = edit.OPENING[0]
    source = draw(shelf(0)[place], 64).astype(int)
    for index in range(2):
        lane = page.locator(f"{VIEW} .lane").nth(index)
        expect(lane.locator("dl")).to_contain_text("Outside the mask0.0%")
    levels = page.locator(f"{VIEW} .lane").nth(1).locator(".main canvas").evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 64, 64).data]"
    )  # fmt: skip
    changed = (np.array(levels).reshape(64, 64, 4)[..., :3] != source).any(2)
    rows, columns = changed.nonzero()
    assert changed.any()
    # A brush 8 pixels wide, from the middle to four strokes of two pixels to the right.
    assert rows.min() >= 27
    assert rows.max() <= 36
    assert columns.min() >= 27
    assert columns.max() <= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator("#ip2p-edit-status p")).not_to_contain_text(editing.NO_EDIT)


def test_the_full_size_model_is_fetched_where_it_is_chosen(open_page, tmp_path, monkeypatch):
    tiny_pipeline(tmp_path / "tiny")
    page: Page = open_page()
    open_activity(page)
    page.get_by_role("button", name="More").click()
    fetch = page.get_by_role("button", name=full_size.FETCH)
    expect(fetch).to_be_hidden()
    with instead_of_the_hub(contents(tmp_path / "tiny"), tmp_path / "cache", monkeypatch):
        page.get_by_label("Model").click()
        page.get_by_role("option", name=EDITORS[FULL_SIZE].title).click()
        line = page.locator("#ip2p-edit-full-size-state p")
        expect(line).to_have_text(full_size.ABSENT)
        expect(page.locator("#ip2p-edit-understood p")).to_contain_text("no list of what it knows")
        fetch.click()
        expect(line).to_have_text(full_size.HERE)
        page.get_by_label("Model").click()
        page.get_by_role("option", name=EDITORS[MODEL].title).click()
        expect(fetch).to_be_hidden()
        expect(line).to_be_hidden()
