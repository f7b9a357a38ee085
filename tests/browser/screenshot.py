"""Take the README's picture of the app: `python -m tests.browser.screenshot`."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

from app import launch
from tests.browser.conftest import FLAGS, browser_path

UNDECIDED_STEP = (
    438  # of the digit that the tab opens with: a pixel that could have gone either way
)
PICTURE = Path(__file__).parent.parent.parent / "demo" / "media" / "pixelcnn.png"


def main() -> None:
    demo, url = launch(host="127.0.0.1", port=None, share=False, block=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        page.goto(url)
        page.locator("[data-tab=pixelcnn]").click()
        page.locator(".player .main").wait_for()
        page.get_by_role("slider", name="Step", exact=True).fill(str(UNDECIDED_STEP))
        page.screenshot(path=PICTURE)
        browser.close()
    demo.close()
    print(PICTURE)


if __name__ == "__main__":
    main()
