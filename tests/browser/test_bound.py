"""The bound and its blur by hand: to the end, stopped, drawn, switched; the pixels that come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

import gm_core
from demo.activities import ModelTab
from demo.latent import blur, bound
from gm_core import data
from gm_core.metrics import as_pictures
from gm_core.randomness import stream
from gm_core.vae import kl_divergence
from tests.browser.conftest import PHONE, app_blocks, serve, stop_when
from tests.demo.test_bound import save_vae

QUICK, SLOW, CLOTHES = "vae-mnist-beta1", "vae-mnist", "vae-fashion"
TITLE = {QUICK: "β = 1: VAE", SLOW: "VAE, 32 dimensions", CLOTHES: "VAE, clothes"}
H = W = 28
ORANGE = [230, 159, 0, 255]


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: these activities, the second on a tab that is hidden at first."""
    save_vae(folder, QUICK, features=())
    save_vae(folder, SLOW, features=(48, 96), blocks=3)
    save_vae(folder, CLOTHES, likelihood="logistic")
    with app_blocks() as demo, gr.Tabs():
        with gr.Tab(bound.TITLE):
            bound.build(ModelTab("vae", (QUICK, SLOW)))
        with gr.Tab(blur.TITLE):
            blur.build(ModelTab("vae", (QUICK, CLOTHES)))
    with serve(demo) as url:
        yield url


def switch(page: Page, model: str) -> None:
    page.get_by_role("combobox", name="Model").locator("visible=true").click()
    page.get_by_role("option", name=TITLE[model], exact=True).click()


def pick(page: Page, index: int) -> None:
    page.locator(".pad:visible .strip button").nth(index).click()


def on_pad(page: Page) -> np.ndarray:
    return greys(page.locator(".pad:visible .paper"))


def greys(canvas: Locator) -> np.ndarray:
    """The grey in the middle of every pixel of a picture: (28, 28)."""
    values = canvas.evaluate(
        """(canvas) => {
          const pen = canvas.getContext("2d");
          return Array.from({ length: 784 }, (_, at) => {
            const x = ((at % 28) + 0.5) * canvas.width / 28;
            const y = (Math.floor(at / 28) + 0.5) * canvas.height / 28;
            return pen.getImageData(x, y, 1, 1).data[0];
          });
        }"""
    )
    return np.array(values, np.uint8).reshape(H, W)


# --- the bound -----------------------------------------------------------------------------------


@pytest.fixture
def bound_page(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_bound(**settings) -> Page:
        page = open_page(**settings)
        expect(plot(page)).to_have_attribute("data-points", "7")
        return page

    return open_bound


def plot(page: Page) -> Locator:
    return page.locator("#vae-bound-curve .plot")


def line(page: Page) -> Locator:
    return page.locator("#vae-bound-status p")


def told(model: str, pixels: np.ndarray, samples: int) -> str:
    """What the status line must say, by the library."""
    image = torch.from_numpy(pixels >= 128).float()[None, None]
    weights = gm_core.load(model).log_weights(image, importance_samples=samples, seed=0)[0]
    elbo = round(-float(weights.mean()), 1)
    tightest = round(float(np.log(samples) - weights.logsumexp(dim=0)), 1)
    return (
        f"({TITLE[model]}): −ELBO = {elbo:,.1f} nats; the bound with K = {samples:,} is "
        f"{tightest:,.1f} nats. The ELBO hid {elbo - tightest:,.1f} nats."
    )


def orange_columns(page: Page) -> list[int]:
    """The columns of the plot's canvas that have pixels of the curve."""
    return plot(page).evaluate(
        """(canvas, orange) => {
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          const columns = new Set();
          for (let at = 0; at < width * height; at++) {
            const isNear = (level, channel) => Math.abs(data[4 * at + channel] - level) < 8;
            if (orange.every(isNear)) columns.add(at % width);
          }
          return [...columns].sort((one, other) => one - other);
        }""",
        ORANGE,
    )


def test_the_bound_to_the_end(bound_page: Callable[..., Page]):
    page = bound_page()
    switch(page, QUICK)
    expect(line(page)).to_contain_text(told(QUICK, on_pad(page), 100))
    pick(page, 3)
    expect(line(page)).to_contain_text(told(QUICK, on_pad(page), 100))
    drawn = orange_columns(page)
    page.get_by_role("button", name="Draw samples").click()
    expect(plot(page)).to_have_attribute("data-points", "12")
    expect(line(page)).to_contain_text(f"Test image: a 3 {told(QUICK, on_pad(page), 5000)}")
    longer = orange_columns(page)
    assert longer[0] == pytest.approx(drawn[0], abs=2)
    assert longer[-1] > drawn[-1] + 0.3 * (drawn[-1] - drawn[0])  # from 100 to 5,000
    network = gm_core.load(QUICK)
    image = torch.from_numpy(on_pad(page) >= 128).float()[None, None]
    kl = float(kl_divergence(*network.encode(image)).sum())
    expect(page.locator("#vae-bound-sum tr").nth(1)).to_contain_text(f"{kl:,.1f} nats")

    page.locator("#vae-bound-curve .stage").focus()
    read = page.locator("#vae-bound-curve .read")
    page.keyboard.press("Home")
    weights = network.log_weights(image, importance_samples=5000, seed=0)[0]
    elbo, spread = -float(weights.mean()), float(weights.std(correction=0))
    expect(read).to_have_text(f"K = 1: {elbo:,.2f} ± {spread:,.2f} nats")
    page.keyboard.press("End")
    tightest = -float(network.log_prob(image, importance_samples=5000, seed=0))
    expect(read).to_have_text(f"K = 5,000: {tightest:,.2f} nats")


def test_stop_works_and_the_next_request_too(bound_page: Callable[..., Page]):
    page = bound_page()  # with the slow model
    stop_when(
        page.get_by_role("button", name="Draw samples"), "#vae-bound-status", "Up to K = 5,000 ... "
    )
    expect(line(page)).to_contain_text("Stopped. Test image: a 7 ")
    reached = int(plot(page).get_attribute("data-points") or 12)
    assert reached < 12
    switch(page, QUICK)
    expect(line(page)).to_contain_text(told(QUICK, on_pad(page), 100))
    page.get_by_role("radio", name="1,000").check()
    page.get_by_role("button", name="Draw samples").click()
    expect(line(page)).to_contain_text(f"Test image: a 7 {told(QUICK, on_pad(page), 1000)}")
    expect(plot(page)).to_have_attribute("data-points", "10")


def test_another_picture_ends_the_work_on_the_one_before(bound_page: Callable[..., Page]):
    page = bound_page()
    page.get_by_role("button", name="Draw samples").click()
    expect(line(page)).to_contain_text("Up to K = 5,000 ... ")
    pick(page, 1)
    expect(line(page)).to_contain_text(f"Test image: a 1 {told(SLOW, on_pad(page), 100)}")
    page.get_by_role("button", name="Clear").click()
    expect(line(page)).to_have_text(bound.NOTHING_DRAWN)
    box = page.locator(".pad:visible .paper").bounding_box()
    assert box
    scale = box["width"] / W
    page.mouse.move(box["x"] + 8 * scale, box["y"] + 6 * scale)
    page.mouse.down()
    page.mouse.move(box["x"] + 20 * scale, box["y"] + 7 * scale, steps=4)
    page.mouse.move(box["x"] + 12 * scale, box["y"] + 22 * scale, steps=4)
    page.mouse.up()
    assert (on_pad(page) >= 128).sum() > 20
    expect(line(page)).to_contain_text(f"Your drawing {told(SLOW, on_pad(page), 100)}")


# --- the blur ------------------------------------------------------------------------------------


@pytest.fixture
def blur_page(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_blur(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name="Why blurry?").click()
        page.wait_for_function("document.querySelector('canvas.map')?.width % 28 === 0")
        return page

    return open_blur


@torch.no_grad()
def expected(model: str, pixels: np.ndarray, count: int) -> list[np.ndarray]:
    """The pictures as the library makes them: uint8 (28, 28)."""
    network = gm_core.load(model)
    sample = data.load("fashion" if model == CLOTHES else "mnist", "sample")
    test, image = as_pictures(network, sample.images), torch.from_numpy(pixels)[None] / 255
    mean, log_variance = network.encode(image[None])
    noise = torch.randn(blur.MOST_CODES, network.config.latent, generator=stream(0))[:count]
    others = test[(test != image).flatten(1).any(dim=1)]
    nearest = (others - image).square().sum(dim=(1, 2, 3)).argmin()
    alike = (network.encode(others)[0] - mean).norm(dim=1).argsort()[: blur.NEIGHBOURS]
    made = (
        image,
        network.decode(mean)[0],
        network.decode(mean + (log_variance / 2).exp() * noise).mean(dim=0),
        others[nearest],
        others[alike].mean(dim=0),
    )
    return [(255 * each[0]).round().byte().numpy() for each in made]


def expect_pictures(page: Page, model: str, count: int) -> None:
    """Wait for the caption of the mean, then compare the pixels of all pictures."""
    wanted = expected(model, on_pad(page), count)
    image, reconstruction = (wanted[at].astype(float) / 255 for at in (0, 1))
    ratio = -10 * np.log10(np.square(image - reconstruction).mean())
    figures = page.locator("#vae-blur-maps figure")
    expect(figures.nth(1)).to_contain_text(f"{ratio:.1f} dB")
    mean = f"Mean of {count} decodings" if count > 1 else "1 decoding"
    expect(figures.nth(2).locator(".title")).to_have_text(mean)
    for at, picture in enumerate(wanted):
        shown = greys(page.locator("#vae-blur-maps canvas.map").nth(at))
        assert np.abs(shown.astype(int) - picture).max() <= 1  # the last bit rounds either way


def test_the_pictures_are_those_of_the_library(blur_page: Callable[..., Page]):
    page = blur_page()
    assert page.locator("#vae-blur-maps canvas.map").count() == 6
    expect_pictures(page, QUICK, blur.FIRST_CODES)
    pick(page, 8)
    expect(page.locator("#vae-blur-maps figure").first).to_contain_text("Test image: a 8")
    expect_pictures(page, QUICK, blur.FIRST_CODES)
    coins = greys(page.locator("#vae-blur-maps canvas.map").nth(5))
    assert set(coins.flatten()) == {0, 255}


def test_the_last_value_of_a_drag_wins(blur_page: Callable[..., Page]):
    page = blur_page()
    slider = page.locator("#vae-blur-codes input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 49 / 199, height)
    page.mouse.down()
    for share in (0.5, 0.9, 0.6, 0.2, 0.8):
        page.mouse.move(box["x"] + box["width"] * share, height, steps=6)
    page.mouse.up()
    count = int(slider.input_value())
    assert count not in (1, blur.FIRST_CODES)
    expect_pictures(page, QUICK, count)


def test_clothes_get_a_test_image_of_their_own(blur_page: Callable[..., Page]):
    page = blur_page()
    switch(page, CLOTHES)
    expect(page.locator("#vae-blur-maps figure").first).to_contain_text("Test image: coat")
    expect_pictures(page, CLOTHES, blur.FIRST_CODES)
    assert len(set(greys(page.locator("#vae-blur-maps canvas.map").nth(5)).flatten())) > 20


@pytest.mark.parametrize("title", [bound.TITLE, blur.TITLE])
def test_it_fits_a_phone(open_page: Callable[..., Page], title: str):
    page = open_page(viewport=PHONE, has_touch=True, color_scheme="dark")
    page.get_by_role("tab", name=title).click()
    page.locator(".pad:visible .paper").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if title == bound.TITLE:
        assert (plot(page).bounding_box() or {"width": 0})["width"] >= 280
    else:
        page.wait_for_function("document.querySelector('canvas.map')?.width % 28 === 0")
