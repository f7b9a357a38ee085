"""The tabs, by hand: open, generate, stop, save, and say what went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect

import gm_core
from gm_core import checkpoints
from tests.browser.conftest import PHONE, cells, enter_number, enter_seed, press, stop_when


def generate(page: Page) -> None:
    """Generate, and wait until the new picture is there: the player starts from its end."""
    page.locator(".player [data-do=start]").click()
    button = page.get_by_role("button", name="Generate")
    press(button, page.locator(".player .where"), "pixel 784 of 784")


def ask_for_images(page: Page, count: int) -> None:
    page.get_by_role("button", name="More").click()
    enter_number(page, "Images", count)


def test_the_map_opens_every_tab(open_page: Callable[..., Page]):
    page = open_page()
    expect(page.locator(".map .leaf")).to_have_count(5)
    expect(page.locator(".map button.leaf")).to_have_count(5)
    for name, picture in (
        ("PixelRNN", "#pixelrnn-player .main"),
        ("PixelCNN", "#pixelcnn-player .main"),
        ("VAE", ".sliders input[type=range]"),
        ("GAN", "#gan-generate-pictures .board"),
        ("InstructPix2Pix", "#instruct_pix2pix-edit-view .view"),
    ):
        page.get_by_role("tab", name="Overview").click()
        page.locator(".map").get_by_role("button", name=name).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        expect(page.locator(picture).first).to_be_visible()


def test_what_is_loaded_is_listed(open_page: Callable[..., Page]):
    page = open_page()
    metrics = json.loads((checkpoints.root() / "pixelcnn-mnist/metrics.json").read_text())
    rows = page.locator(".gm-table tbody tr")
    expect(rows).to_have_count(len(gm_core.available()))
    row = rows.filter(has=page.get_by_text("pixelcnn-mnist", exact=True))
    expect(row).to_contain_text(f"{metrics['figures'][0]['value']:.2f}")
    expect(row).to_contain_text("1.00 M")


def test_generating_draws_what_was_asked_for(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    page.get_by_label("Class").click()
    page.get_by_role("option", name="3", exact=True).click()
    ask_for_images(page, 1)
    enter_seed(page, 42)
    generate(page)
    *_, frame = gm_core.load("pixelcnn-mnist").sample(1, seed=42, label=3)
    assert np.array_equal(cells(page)[..., 0], frame.levels[0, 0].numpy() * 255)
    expect(page.locator("#pixelcnn-status")).to_contain_text("1 image in")
    expect(page.locator(".player .caption")).to_contain_text("−log p(x | 3)")
    expect(page.locator(".player .tiles-block")).to_be_hidden()
    expect(page.locator(".player .caption")).to_contain_text("−log p(x | 3)")


def test_one_pixel_is_set_and_the_difference_is_marked(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    before = cells(page)
    expect(page.locator("#pixelcnn-change")).to_be_disabled()
    picture = page.locator("#pixelcnn-player .main")
    box = picture.bounding_box()
    assert box
    row, column = 12, 14
    at_x, at_y = (column + 0.5) * box["width"] / 28, (row + 0.5) * box["height"] / 28
    picture.click(position={"x": at_x, "y": at_y})
    expect(page.locator("#pixelcnn-paused")).to_contain_text("image 1, row 13, column 15")
    was = int(before[row, column, 0]) // 255
    new = page.locator("#pixelcnn-level input[type=number]")
    expect(new).to_have_value(str(1 - was))  # of two levels, the other one is offered
    page.locator("#pixelcnn-change").click()
    expect(page.locator("#pixelcnn-status")).to_contain_text("pixels differ")
    expect(page.locator("#pixelcnn-player .where")).to_have_text("pixel 784 of 784")
    known = torch.full((1, 28, 28), -1)
    known[0, row, column] = 1 - was
    model = gm_core.load("pixelcnn-mnist")
    *_, frame = model.sample(1, seed=7, label=7, known=known)
    assert np.array_equal(cells(page)[..., 0] > 127, frame.levels[0, 0].numpy() > 0)


def test_colour_is_drawn_channel_by_channel(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    page.get_by_label("Model").click()
    page.get_by_role("option", name="pixel art").click()
    expect(page.get_by_label("Class")).to_have_value("any")
    page.locator("#pixelcnn-player [data-do=start]").click()
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.locator("#pixelcnn-player .where")).to_have_text("channel 768 of 768")
    *_, frame = gm_core.load("pixelcnn-pixelart").sample(8, seed=7)
    found = cells(page, 16, 16)
    assert np.array_equal(found, frame.levels[0].permute(1, 2, 0).numpy())
    page.locator("#pixelcnn-player [data-do=start]").click()
    page.locator("#pixelcnn-player [data-do=step]").click()
    red, green, blue = cells(page, 16, 16)[0, 0]
    assert (red, green, blue) == (frame.levels[0, 0, 0, 0], 0, 0)


def test_randomising_the_seed_changes_the_digit(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    before = cells(page)
    page.get_by_role("button", name="Randomise seed").click()
    expect(page.get_by_role("spinbutton", name="Seed")).not_to_have_value("7")
    generate(page)
    assert not np.array_equal(cells(page), before)


def test_a_bad_seed_is_answered_in_a_sentence_and_nothing_is_lost(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    before = cells(page)
    enter_seed(page, -1)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("Seed must be from 0 to 4294967295.")).to_be_visible()
    assert np.array_equal(cells(page), before)
    enter_seed(page, 8)
    generate(page)
    assert not np.array_equal(cells(page), before)


def test_stopping_stops_the_work_and_keeps_the_picture(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    line = page.locator("#pixelcnn-status p")
    ask_for_images(page, 48)
    finished, before = line.inner_text(), cells(page)
    enter_seed(page, 8)
    stop_when(page.get_by_role("button", name="Generate"), "#pixelcnn-status", "Drawing: pixel")
    expect(line).to_have_text(f"Stopped. This is still the picture before: {finished}")
    assert np.array_equal(cells(page), before)

    # One at a time: the next picture is begun when the work before has ended, which must not show.
    page.evaluate(
        """() => {
          const line = document.querySelector("#pixelcnn-status");
          window.said = [];
          new MutationObserver(() => window.said.push(line.textContent.trim()))
            .observe(line, { childList: true, characterData: true, subtree: true });
        }"""
    )
    enter_number(page, "Images", 1)
    generate(page)
    expect(line).to_contain_text("1 image in")
    said = page.evaluate("window.said")
    assert said[-1].startswith("1 image in")
    assert not any(text.startswith("48 images in") for text in said)
    assert not np.array_equal(cells(page), before)


def test_the_same_again_is_shown_and_saved_again(pixelcnn: Callable[..., Page]):
    page = pixelcnn()
    generate(page)
    generate(page)  # waits for the player to start anew
    page.get_by_role("button", name="More").click()
    for _ in range(2):
        with page.expect_download():
            page.get_by_role("button", name="Download", exact=True).click()
    expect(page.locator(".player .where")).to_have_text("pixel 784 of 784")


@pytest.mark.parametrize("kind", ["webp", "json"])
def test_the_pictures_can_be_saved(pixelcnn: Callable[..., Page], kind: str, tmp_path):
    page = pixelcnn()
    page.get_by_role("button", name="More").click()
    page.get_by_label("File type").click()
    page.get_by_role("option", name=kind, exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download", exact=True).click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert path.name == f"pixelcnn-mnist-7-seed7.{kind}"
    if kind == "webp":
        assert getattr(Image.open(path), "n_frames", 1) > 40
    else:
        assert json.loads(path.read_text())["seed"] == 7


def test_nothing_leaves_the_machine(open_page: Callable[..., Page], address: str):
    page = open_page("about:blank", fresh=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator("[data-tab=pixelcnn]").click()
    generate(page)
    hosts = {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}
    assert len(asked) > 10


def test_the_lesson_is_open_where_there_is_room_and_folded_on_a_phone(pixelcnn):
    wide = pixelcnn(fresh=True)  # a lesson remembers what was done
    expect(wide.get_by_text("press the button and watch")).to_be_visible()
    phone = pixelcnn(viewport=PHONE, fresh=True)
    expect(phone.get_by_text("press the button and watch")).to_be_hidden()
    phone.locator("#pixelcnn-lesson summary").click()
    expect(phone.get_by_text("press the button and watch")).to_be_visible()


def test_the_endpoints_are_documented(open_page: Callable[..., Page]):
    page = open_page()
    page.get_by_role("button", name="Use via API").click()
    expect(page.get_by_text("/pixelcnn_sample").first).to_be_visible()
