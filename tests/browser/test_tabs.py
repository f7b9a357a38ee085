"""The tabs, by hand: open, generate, stop, save, and say what went wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

import gm_core
from gm_core import checkpoints
from tests.browser.conftest import cells


def generate(page: Page) -> None:
    """Generate, and wait until the new picture is there: the player starts from its end."""
    page.locator(".player [data-do=start]").click()
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".player .where")).to_have_text("pixel 784 of 784", timeout=30_000)


def test_the_map_opens_what_exists_and_nothing_else(open_page: Callable[..., Page]):
    page = open_page()
    leaves = page.locator(".map .leaf")
    expect(leaves).to_have_count(5)
    expect(page.locator(".map button.leaf")).to_have_count(1)
    page.get_by_role("button", name="PixelCNN").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="PixelCNN")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".player .main")).to_be_visible()


def test_what_is_loaded_is_listed(open_page: Callable[..., Page]):
    page = open_page()
    metrics = json.loads((checkpoints.root() / "pixelcnn-mnist/metrics.json").read_text())
    row = page.locator(".gm-table tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("pixelcnn-mnist")
    expect(row).to_contain_text(f"{metrics['figures'][0]['value']:.2f}")
    expect(row).to_contain_text("1.00 M")


def test_generating_draws_what_was_asked_for(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    page.get_by_label("Class").click()
    page.get_by_role("option", name="3", exact=True).click()
    page.get_by_role("spinbutton", name="Images").fill("1")
    page.get_by_label("Seed").fill("42")
    generate(page)
    *_, frame = gm_core.load("pixelcnn-mnist").sample(1, seed=42, label=3)
    assert np.array_equal(cells(page)[..., 0], frame.levels[0, 0].numpy() * 255)
    expect(page.locator("#pixelcnn-status")).to_contain_text("1 image in")
    expect(page.locator(".player .caption")).to_contain_text("−log p(x | 3)")
    expect(page.locator(".player .tiles-block")).to_be_hidden()
    expect(page.locator(".player .caption")).to_contain_text("−log p(x | 3)")


def test_randomising_the_seed_changes_the_digit(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    before = cells(page)
    page.get_by_role("button", name="Randomise seed").click()
    expect(page.get_by_label("Seed")).not_to_have_value("7")
    generate(page)
    assert not np.array_equal(cells(page), before)


def test_a_bad_seed_is_answered_in_a_sentence_and_nothing_is_lost(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    before = cells(page)
    page.get_by_label("Seed").fill("-1")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("Seed must be from 0 to 4294967295.")).to_be_visible()
    assert np.array_equal(cells(page), before)
    page.get_by_label("Seed").fill("8")
    generate(page)
    assert not np.array_equal(cells(page), before)


def test_stopping_stops_the_work_and_keeps_the_picture(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    line = page.locator("#pixelcnn-status")
    page.get_by_role("spinbutton", name="Images").fill("64")
    started = time.monotonic()
    generate(page)
    whole_run = time.monotonic() - started
    finished, before = line.inner_text(), cells(page)

    page.get_by_label("Seed").fill("8")
    page.get_by_role("button", name="Generate").click()
    expect(line).to_contain_text("Drawing: pixel")
    page.get_by_role("button", name="Stop").click()
    expect(line).to_have_text(f"Stopped. This is still the picture before: {finished}")
    page.wait_for_timeout(1500 * whole_run)  # long enough for the work to end, had it gone on
    expect(line).to_contain_text("Stopped.")
    assert np.array_equal(cells(page), before)

    generate(page)
    expect(line).to_contain_text("64 images in")
    assert not np.array_equal(cells(page), before)


def test_the_same_again_is_shown_and_saved_again(pixelcnn: Callable[..., Page]):
    page = pixelcnn(accept_downloads=True)
    generate(page)
    generate(page)  # waits for the player to start anew
    page.get_by_role("button", name="Download").first.click()
    for _ in range(2):
        with page.expect_download():
            page.get_by_role("button", name="Download", exact=True).last.click()
    expect(page.locator(".player .where")).to_have_text("pixel 784 of 784")


@pytest.mark.parametrize("kind", ["webp", "json"])
def test_the_pictures_can_be_saved(pixelcnn: Callable[..., Page], kind: str, tmp_path):
    page = pixelcnn(accept_downloads=True)
    page.get_by_role("button", name="Download").first.click()
    page.get_by_label("File type").click()
    page.get_by_role("option", name=kind, exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download", exact=True).last.click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert path.name == f"pixelcnn-mnist-7-seed7.{kind}"
    if kind == "webp":
        assert getattr(Image.open(path), "n_frames", 1) > 40
    else:
        assert json.loads(path.read_text())["seed"] == 7


def test_nothing_leaves_the_machine(open_page: Callable[..., Page], address: str):
    page = open_page("about:blank")
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator("[data-tab=pixelcnn]").click()
    generate(page)
    hosts = {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}
    assert len(asked) > 10


def test_the_lesson_is_open_where_there_is_room_and_folded_on_a_phone(pixelcnn):
    wide = pixelcnn()
    expect(wide.get_by_text("Press Generate and watch")).to_be_visible()
    phone = pixelcnn(viewport={"width": 390, "height": 844})
    expect(phone.get_by_text("Press Generate and watch")).to_be_hidden()
    phone.locator("details.lesson summary").click()
    expect(phone.get_by_text("Press Generate and watch")).to_be_visible()


def test_the_endpoints_are_documented(open_page: Callable[..., Page]):
    page = open_page()
    page.get_by_role("button", name="Use via API").click()
    expect(page.get_by_text("/pixelcnn_sample").first).to_be_visible()
