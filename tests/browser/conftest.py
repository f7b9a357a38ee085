"""A real browser: the one that is installed. A missing browser is a failure, never a skip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import (
    Browser,
    Locator,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)  # fmt: skip
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from demo.activities import ModelTab
from demo.engine import GROUPS
from demo.serving.places import FairBlocks
from demo.tabs import pixelcnn as pixelcnn_tab
from demo.theme import CSS, theme
from demo.ui import build_demo

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

LAPTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

expect.set_options(timeout=60_000)  # milliseconds; a busy machine is slow, not wrong


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


class Pages:
    """Pages that go from one test's address to the next one's: a new page would load and compile
    Gradio's scripts again, which takes longer than most tests.

    Each is alone in its context, and so in its window: behind another page of the same window it
    would be hidden, and a hidden page that is resized may never draw again."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.parked: dict[str, list[Page]] = {}
        self.kinds: dict[Page, str] = {}
        self.errors: list[str] = []  # of scripts

    def open(self, url: str, *, fresh: bool = False, **settings: Any) -> Page:
        """The page at `url`, with settings of a browser context. A `fresh` one is not used again:
        what is done to its clock or its requests is not undone."""
        viewport = settings.pop("viewport", LAPTOP)
        reduced_motion = settings.pop("reduced_motion", "reduce")
        color_scheme = settings.pop("color_scheme", "light")
        kind = repr(sorted(settings.items()))  # what only a context can have
        parked = self.parked.setdefault(kind, [])
        if parked and not fresh:
            page = parked.pop()
        else:
            page = self.browser.new_context(**settings).new_page()
            page.set_default_timeout(60_000)
            page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_viewport_size(viewport)
        page.emulate_media(reduced_motion=reduced_motion, color_scheme=color_scheme)
        page.goto(url)
        if not fresh:
            self.kinds[page] = kind
        return page

    def park(self, page: Page) -> None:
        """Keep the page for another test; whatever it did ends here."""
        known = len(self.errors)
        if page in self.kinds and not page.is_closed():
            page.mouse.up()
            page.mouse.move(0, 0)
            page.goto("about:blank")
            self.parked[self.kinds[page]].append(page)
        else:
            page.context.close()
        del self.errors[known:]  # of requests that are given up


@pytest.fixture(scope="session")
def pages(browser: Browser) -> Pages:
    return Pages(browser)


@pytest.fixture(autouse=True)
def no_script_errors(pages: Pages) -> Iterator[None]:
    pages.errors.clear()
    yield
    assert pages.errors == []


@pytest.fixture
def open_page(pages: Pages, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Opens the app, or another page, with settings of a browser context."""
    opened: list[Page] = []
    failed = request.session.testsfailed

    def open_page(url: str = "", **settings: Any) -> Page:
        opened.append(pages.open(url or request.getfixturevalue("address"), **settings))
        return opened[-1]

    yield open_page
    for page in opened:
        if request.session.testsfailed == failed:
            pages.park(page)
        else:
            page.context.close()  # in a state that nobody knows


@pytest.fixture(scope="module")
def share_page(pages: Pages) -> Iterator[Callable[..., Page]]:
    """Opens a page for all tests of a module that leave it as they found it."""
    opened: list[Page] = []

    def share_page(url: str, **settings: Any) -> Page:
        opened.append(pages.open(url, **settings))
        return opened[-1]

    yield share_page
    for page in opened:
        pages.park(page)


@contextmanager
def serve(demo: gr.Blocks) -> Iterator[str]:
    """The address of an app, which looks as the whole one does."""
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, theme=theme(), css=CSS)
    yield url
    demo.close(verbose=False)


def app_blocks() -> FairBlocks:
    """Blocks as the whole app has them, for a part of it."""
    return FairBlocks(GROUPS)


@contextmanager
def serve_activity(activity: ModuleType, tab: ModelTab) -> Iterator[str]:
    """In place of the whole app: one activity, on a second tab, which is hidden at first."""
    with app_blocks() as demo, gr.Tabs():
        with gr.Tab("Other"):
            gr.Markdown("Another activity")
        with gr.Tab(activity.TITLE):
            activity.build(tab)
    with serve(demo) as url:
        yield url


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a module's tests find their checkpoints: tiny networks that they save there."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def pixelcnn_address() -> Iterator[str]:
    """The app with the first activity of one of its tabs, whose pages open sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixelcnn_tab, "ACTIVITIES", pixelcnn_tab.ACTIVITIES[:1])
        demo = build_demo((pixelcnn_tab,))
    with serve(demo) as url:
        yield url


def open_pixelcnn(page: Page) -> Page:
    """Open the PixelCNN tab through the map, as a student would."""
    page.locator("[data-tab=pixelcnn]").click()
    page.locator("#pixelcnn-player .main").wait_for()
    return page


@pytest.fixture
def pixelcnn(open_page: Callable[..., Page], pixelcnn_address: str) -> Callable[..., Page]:
    return lambda **settings: open_pixelcnn(open_page(pixelcnn_address, **settings))


def cells(page: Page, height: int = 28, width: int = 28) -> np.ndarray:
    """The colour in the middle of every pixel of the player's picture: (H, W, 3)."""
    colours = page.locator(".player .main:visible").evaluate(
        """(canvas, [height, width]) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const cells = [];
          for (let row = 0; row < height; row++) {
            for (let column = 0; column < width; column++) {
              const x = Math.floor((column + 0.5) * canvas.width / width);
              const y = Math.floor((row + 0.5) * canvas.height / height);
              const start = 4 * (y * canvas.width + x);
              cells.push(Array.from(data.slice(start, start + 3)));
            }
          }
          return cells;
        }""",
        [height, width],
    )
    return np.array(colours, np.uint8).reshape(height, width, 3)


def step_of(page: Page) -> int:
    return int(page.locator(".player:visible").get_attribute("data-step") or -1)


# Resolves after some pictures have been drawn, with an input's value.
SETTLED = """input => new Promise(done => {
  let frames = 10;
  const next = () => (frames-- ? requestAnimationFrame(next) : done(input.value));
  next();
})"""


def enter_number(page: Page, name: str, number: int) -> None:
    """Type a number beside a slider, and wait until the slider has followed: then the app knows.

    What has just been unfolded takes on its own first value once more, after it can be seen."""
    field = page.get_by_label(f"number input for {name}")
    slider = page.get_by_label(f"range slider for {name}")
    for _ in range(5):
        field.fill(str(number))
        field.press("Enter")
        if slider.evaluate(SETTLED) == str(number):
            return
    expect(slider).to_have_value(str(number))


def enter_seed(page: Page, seed: int) -> None:
    enter_text(page.get_by_role("spinbutton", name="Seed"), str(seed))


def enter_text(field: Locator, text: str) -> None:
    """Type into a field; what has just been opened may take on its first value once more."""
    for _ in range(5):
        field.fill(text)
        if field.evaluate(SETTLED) == text:
            return
    expect(field).to_have_value(text)


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait, frame by frame, for what a locator can't be asked: pixels, mostly."""
    for _ in range(3600):  # a minute and more
        if holds():
            return
        page.wait_for_function("() => new Promise(requestAnimationFrame)")
    assert holds()


def press(button: Locator, line: Locator, told: str) -> None:
    """Press a button until a line says that its work is done: a press does nothing while the last
    word of the work before is on its way."""
    for _ in range(20):
        button.click()
        with suppress(AssertionError):
            expect(line).to_contain_text(told, timeout=5_000)
            return
    expect(line).to_contain_text(told)


def stop_when(button: Locator, line: str, said: str) -> None:
    """Press a button, and press Stop as soon as a status line says so, from within the page: on a
    busy machine a click from here may come when the work is over. As for `press`, the button may
    have to be pressed again."""
    for _ in range(3):
        button.click()
        with suppress(PlaywrightTimeout):
            button.page.wait_for_function(
                STOP_WHEN, arg=[line, said], polling="raf", timeout=25_000
            )
            return
    expect(button.page.locator(line)).to_contain_text(said)


STOP_WHEN = """([line, said]) => {
  if (!document.querySelector(line).textContent.includes(said)) return false;
  for (const button of document.querySelectorAll("button")) {
    if (button.offsetParent && button.textContent.trim() === "Stop") button.click();
  }
  return true;
}"""
