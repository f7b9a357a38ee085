"""Make the README's films, one of each tab: `python -m tests.films`, or with the tabs' ids."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from app import launch
from tests.browser.conftest import FLAGS, browser_path

FOLDER = Path(__file__).parent.parent / "demo" / "media"
WIDTH = 800  # pixels of a film
STILL = 1200  # milliseconds that the first and the last picture stand
MOST_BYTES = 300_000
MOST_SECONDS = 8

Story = Callable[[Page], Iterator[int]]  # after each step, the milliseconds of its picture


def activity(page: Page, title: str) -> None:
    tab = page.get_by_role("tab", name=title, exact=True).locator("visible=true").last
    tab.click()
    tab.evaluate("tab => tab.scrollIntoView({ block: 'start' })")


def scrub(
    page: Page, slider: str, first: int, last: int, steps: int, milliseconds: int = 150
) -> Iterator[int]:
    """Drag a slider along, in as many steps."""
    control = page.locator(slider).locator("visible=true").first
    for step in range(steps + 1):
        control.fill(str(first + (last - first) * step // steps))
        yield milliseconds


def overview(page: Page) -> Iterator[int]:
    expect(page.get_by_text("times as long")).to_be_visible()
    for leaf in page.locator(".map .leaf").all():
        leaf.focus()
        yield 450
    heading = page.get_by_role("heading", name="One prompt, four families")
    heading.evaluate("node => node.scrollIntoView()")
    yield 2000


def paradigms(page: Page) -> Iterator[int]:
    yield 900
    activity(page, "Map")
    yield 900
    for cluster in page.get_by_role("button", name="Highlight cluster").all()[:8]:
        cluster.click()
        yield 450


def pixelrnn(page: Page) -> Iterator[int]:
    activity(page, "Generate")
    yield from scrub(page, "#pixelrnn-player input[aria-label=Step]", 84, 784, 28)


def pixelcnn(page: Page) -> Iterator[int]:
    activity(page, "Complete")
    yield from scrub(page, ".player input[aria-label=Step]", 392, 784, 28)


def vae(page: Page) -> Iterator[int]:
    activity(page, "Map")
    plane = page.locator(".marks:visible").first
    plane.focus()
    shown = "document.querySelector('#vae-map-picture canvas').toDataURL()"
    for key in ["ArrowRight"] * 16 + ["Shift+ArrowUp"] * 6:
        before = page.evaluate(shown)
        page.keyboard.press(key)
        page.wait_for_function(f"before => {shown} !== before", arg=before)
        yield 200


def gan(page: Page) -> Iterator[int]:
    activity(page, "Training")
    page.locator("#gan-training .history[data-whole=yes]").wait_for()
    last = int(page.locator("#gan-training .scrub").get_attribute("max") or 0)
    yield from scrub(page, "#gan-training .scrub", 0, last, 8, 600)  # 64 pictures change at once


def instruct_pix2pix(page: Page) -> Iterator[int]:
    activity(page, "Edit")
    view = "#instruct_pix2pix-edit-view"
    expect(page.locator(view)).to_contain_text("PSNR")
    yield from scrub(page, f"{view} .scrub", 1, 10, 9)
    yield 900
    yield from scrub(page, f"{view} .divide", 0, 100, 14)


STORIES: tuple[Story, ...] = (overview, paradigms, pixelrnn, pixelcnn, vae, gan, instruct_pix2pix)


def film(page: Page, story: Story) -> tuple[list[Image.Image], list[int]]:
    """The pictures of a story, and how long each stands."""
    images, times = [], []
    for milliseconds in story(page):
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        height = round(shot.height * WIDTH / shot.width)
        images.append(shot.resize((WIDTH, height), Image.Resampling.LANCZOS))
        times.append(milliseconds)
    times[0], times[-1] = STILL, STILL
    return images, times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [story.__name__ for story in STORIES]
    parser.add_argument("tabs", nargs="*", default=names, metavar="TAB", help=", ".join(names))
    wanted = parser.parse_args().tabs
    demo, url = launch(host="127.0.0.1", port=None, share=False, block=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        page = browser.new_page(
            viewport={"width": 1280, "height": 800}, reduced_motion="reduce", color_scheme="light"
        )
        page.goto(url)
        for story in STORIES:
            if story.__name__ not in wanted:
                continue
            if story is not overview:
                page.get_by_role("tab", name="Overview", exact=True).click()
                page.locator(f".map [data-tab={story.__name__}]").click()
            images, times = film(page, story)
            path = FOLDER / f"{story.__name__}.webp"
            images[0].save(
                path, save_all=True, append_images=images[1:], duration=times, loop=0,
                quality=60, method=6, minimize_size=True,
            )  # fmt: skip
            size, seconds = path.stat().st_size, sum(times) / 1000
            print(f"{path.name}: {len(images)} pictures, {seconds:.1f} s, {size / 1000:.0f} kB")
            assert size <= MOST_BYTES
            assert seconds <= MOST_SECONDS
        browser.close()
    demo.close()


if __name__ == "__main__":
    main()
