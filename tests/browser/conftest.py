"""A real browser: the one that is installed. A missing browser is a failure, never a skip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from demo.tabs import pixelcnn as pixelcnn_tab
from demo.theme import CSS, theme
from demo.ui import build_demo

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

expect.set_options(timeout=15_000)  # milliseconds; a busy machine is slow, not wrong


def browser_path() -> str:
    path = os.environ.get("CHROME_PATH") or next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, f"No browser: install Chromium or Chrome, or set CHROME_PATH; tried {BROWSERS}."
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """A browser context for each kind of settings: pages that share one need not load Gradio's
    scripts again, which takes longer than most tests. Another module's app may have the same port,
    and gets contexts of its own."""
    opened: dict[str, BrowserContext] = {}

    def context(settings: dict[str, Any]) -> BrowserContext:
        key = repr(sorted(settings.items()))
        if key not in opened:
            opened[key] = browser.new_context(**settings)
            opened[key].set_default_timeout(20_000)
        return opened[key]

    yield context
    for one in opened.values():
        one.close()


@pytest.fixture
def open_page(
    contexts: Callable[..., BrowserContext], request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Opens the app, or another page, with settings of a browser context. Script errors fail."""
    pages, errors = [], []

    def open_page(url: str = "", **settings: Any) -> Page:
        settings = {
            "viewport": {"width": 1440, "height": 900},
            "reduced_motion": "reduce",
        } | settings
        page = contexts(settings).new_page()
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url or request.getfixturevalue("address"))
        return page

    yield open_page
    for page in pages:
        page.close()
    assert errors == []


@pytest.fixture(scope="session")
def pixelcnn_address() -> Iterator[str]:
    """The app with one of its tabs, whose pages open sooner."""
    demo = build_demo((pixelcnn_tab,))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, theme=theme(), css=CSS)
    yield url
    demo.close()


@pytest.fixture
def pixelcnn(open_page: Callable[..., Page], pixelcnn_address: str) -> Callable[..., Page]:
    """Opens the PixelCNN tab through the map, as a student would."""

    def open_tab(**settings: Any) -> Page:
        page = open_page(pixelcnn_address, **settings)
        page.locator("[data-tab=pixelcnn]").click()
        page.locator("#pixelcnn-player .main").wait_for()
        return page

    return open_tab


def cells(page: Page, height: int = 28, width: int = 28) -> np.ndarray:
    """The colour in the middle of every pixel of the player's picture: (H, W, 3)."""
    colours = page.locator(".player .main:visible").evaluate(
        """(canvas, [height, width]) => {
          const pen = canvas.getContext("2d");
          const cells = [];
          for (let row = 0; row < height; row++) {
            for (let column = 0; column < width; column++) {
              const x = (column + 0.5) * canvas.width / width;
              const y = (row + 0.5) * canvas.height / height;
              cells.push(Array.from(pen.getImageData(x, y, 1, 1).data.slice(0, 3)));
            }
          }
          return cells;
        }""",
        [height, width],
    )
    return np.array(colours, np.uint8).reshape(height, width, 3)


def step_of(page: Page) -> int:
    return int(page.locator(".player:visible").get_attribute("data-step") or -1)
