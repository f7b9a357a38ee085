"""Paths by hand: other ends, played, scrubbed, swapped; the pixels in the middle; a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect

import gm_core
from demo.activities import ModelTab
from demo.latent import paths
from gm_core import data, latent
from gm_core.metrics import as_pictures
from tests.browser.conftest import PHONE, SETTLED, cells, serve_activity, step_of, until
from tests.demo.test_paths import COLOUR, save_vae

DIGITS, AVATARS = "vae-mnist", "vae-avatars"


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with tiny networks."""
    save_vae(folder, DIGITS, latent=32)
    save_vae(folder, AVATARS, latent=8, **COLOUR)
    with serve_activity(paths, ModelTab("vae", (DIGITS, AVATARS))) as url:
        yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=paths.TITLE).click()
        page.locator(".player .main").wait_for()
        expect(page.locator(".player")).to_have_attribute("data-step", "32")
        return page

    return open_activity


def status(page: Page):
    return page.locator("#vae-path-status p")


def choose(page: Page, dropdown: str, option: str) -> None:
    page.get_by_role("combobox", name=dropdown, exact=True).click()
    options = page.get_by_role("option", name=option, exact=True)
    options.last.click()  # another list may still be folding up


@torch.no_grad()
def middles(model: str, start: int, end: int) -> list[np.ndarray]:
    """The pictures halfway on the three paths, by the library: (H, W, C)."""
    name = model.split("-")[1]
    network, sample = gm_core.load(model), data.load(name, "sample")
    images = as_pictures(network, sample.images)
    places = list(paths.shelf(name).values())
    first, second = images[places[start]], images[places[end]]
    a, b = network.encode(torch.stack([first, second]))[0]
    codes = [way(a, b, 3)[1] for way in (latent.straight, latent.spherical)]
    halfway = [*network.decode(torch.stack(codes)), (first + second) / 2]
    return [(255 * each).round().byte().permute(1, 2, 0).numpy() for each in halfway]


def shows(page: Page, pixels: np.ndarray) -> bool:
    """Whether the large picture is this one, at the middle step; the last bit may round anyhow."""
    page.locator(".player .scrub").evaluate(SETTLED)
    page.locator(".player .scrub").fill("16")
    shown = cells(page, *pixels.shape[:2])
    return bool(np.abs(shown.astype(int) - np.broadcast_to(pixels, shown.shape)).max() <= 1)


def compare_middles(page: Page, model: str, start: int, end: int) -> None:
    """The large picture of each path in turn, at the middle step."""
    page.locator(".player .scrub").fill("16")
    assert step_of(page) == 16
    wanted = middles(model, start, end)
    assert np.abs(wanted[0].astype(int) - wanted[1]).max() > 5  # two ways, two pictures
    tiles = page.locator(".player .tiles")
    for index, (name, pixels) in enumerate(zip(paths.NAMES, wanted, strict=True)):
        if index:
            page.get_by_role("button", name="Next image").click()
        expect(tiles).to_have_attribute("aria-label", f"All 3 images; {name} is chosen")
        until(page, partial(shows, page, pixels))
    page.get_by_role("button", name="Next image").click()  # the first one again


def test_it_opens_with_a_path_and_other_ends_give_others(open_activity: Callable[..., Page]):
    page = open_activity()
    expect(status(page)).to_contain_text("From a 7 to a 9, with “VAE, 32 dimensions”: 33 pictures")
    compare_middles(page, DIGITS, 7, 9)
    choose(page, "From", "a second 3")
    expect(status(page)).to_contain_text("From a second 3 to a 9")
    choose(page, "To", "a 0")
    expect(status(page)).to_contain_text("From a second 3 to a 0")
    expect(page.locator(".player")).to_have_attribute("data-step", "32")  # a new path
    compare_middles(page, DIGITS, 13, 0)
    expect(page.locator("#vae-path-ends figure")).to_have_text(["From: a second 3", "To: a 0"])
    expect(page.locator("#vae-path-strips img")).to_have_count(27)

    page.get_by_role("button", name="Swap").click()
    expect(status(page)).to_contain_text("From a 0 to a second 3")
    expect(page.get_by_role("combobox", name="From", exact=True)).to_have_value("a 0")
    compare_middles(page, DIGITS, 0, 13)


def test_a_new_path_plays_to_its_end(open_activity: Callable[..., Page]):
    page = open_activity(reduced_motion="no-preference")
    page.locator(".speed").select_option("fast")
    choose(page, "To", "a 1")
    expect(status(page)).to_contain_text("From a 7 to a 1")
    page.wait_for_function("Number(document.querySelector('.player').dataset.step) < 32")
    expect(page.locator(".player")).to_have_attribute("data-step", "32")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_the_same_image_twice_leaves_one_sentence(open_activity: Callable[..., Page]):
    page = open_activity()
    choose(page, "To", "a 7")
    expect(status(page)).to_have_text(paths.SAME)
    for part in (".player", "#vae-path-strips", "#vae-path-lengths", "#vae-path-numbers"):
        expect(page.locator(part)).to_be_hidden()
    choose(page, "To", "a 5")
    expect(status(page)).to_contain_text("From a 7 to a 5")
    expect(page.locator(".player .main")).to_be_visible()
    expect(page.locator(".player")).to_have_attribute("data-step", "32")  # a new path
    compare_middles(page, DIGITS, 7, 5)


def test_another_model_has_its_own_images(open_activity: Callable[..., Page]):
    page = open_activity()
    choose(page, "To", "a second 9")
    expect(status(page)).to_contain_text("From a 7 to a second 9")
    choose(page, "Model", "VAE, avatars")
    expect(status(page)).to_contain_text("From 1: bright hair to 16: dark hair, glasses, smile")
    compare_middles(page, AVATARS, 0, 15)
    page.get_by_role("button", name="Random pair").click()
    expect(status(page)).not_to_contain_text("From 1: bright hair to 16:")
    expect(status(page)).to_contain_text("33 pictures on each of three paths")


def test_a_file_of_the_path_shown(open_activity: Callable[..., Page]):
    page = open_activity()
    page.get_by_role("button", name="More").click()
    page.get_by_label("17", exact=True).check()
    expect(status(page)).to_contain_text("17 pictures")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download").click()
    assert caught.value.suggested_filename == "vae-mnist-a-7-to-a-9.gif"
    film = Image.open(io.BytesIO(Path(caught.value.path()).read_bytes()))
    assert getattr(film, "n_frames", 1) == 17
    film.seek(8)
    shown = np.asarray(film.convert("L"))[4:224:8]
    for path, wanted in enumerate(middles(DIGITS, 7, 9)):
        seen = shown[:, path * 240 + 4 : path * 240 + 224 : 8]
        assert np.abs(seen.astype(int) - wanted[:, :, 0]).max() <= 1


def test_it_fits_a_phone(open_activity: Callable[..., Page]):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (page.locator(".player .main").bounding_box() or {"width": 0})["width"] >= 280
    strip = page.locator("#vae-path-strips .strip").first.bounding_box()
    assert strip
    assert strip["width"] >= 280
    for name in ("Swap", "Random pair"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box
        assert box["height"] >= 40
