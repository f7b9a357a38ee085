"""From a slider to the picture, as a browser on this machine sees it.

python -m tests.browser.latency
"""

from __future__ import annotations

import statistics

import psutil
from playwright.sync_api import Page, sync_playwright

from app import launch
from tests.browser.conftest import FLAGS, browser_path

MOVES = 60
QUIET = 15  # percent of the processors, for a second: what the page opens with has been drawn
# Activity -> what is moved, and where the picture stands that follows.
MEASURED = {
    "Explore": (".sliders .dimension .track input", ".sliders .decoded canvas"),
    "Attributes": ("input[type=range][aria-label*='glasses' i]", "#vae-attributes-pictures"),
}
MOVE = """async ([slider, picture, moves]) => {
  const visible = (all) => [...document.querySelectorAll(all)].find((each) => each.offsetParent);
  const look = () => {
    const shown = visible(picture);
    return shown.toDataURL ? shown.toDataURL() : shown.innerHTML;
  };
  const input = visible(slider);
  const waits = [];
  for (let move = 0; move < moves; move++) {
    const before = look();
    const started = performance.now();
    input.value = (move % 2 ? 1.4 : -1.4) * (1 - move / (2 * moves));
    input.dispatchEvent(new Event("input", { bubbles: true }));
    while (look() === before && performance.now() - started < 3000) {
      await new Promise((next) => setTimeout(next));
    }
    waits.push(performance.now() - started);
  }
  return waits;
}"""


def waits(page: Page, activity: str) -> list[float]:
    """Milliseconds until the picture has followed, of every move of a slider."""
    page.get_by_role("tab", name=activity, exact=True).click()
    slider, picture = MEASURED[activity]
    page.locator(slider).locator("visible=true").first.wait_for()
    return page.evaluate(MOVE, [slider, picture, MOVES])


def main() -> None:
    demo, url = launch(host="127.0.0.1", port=None, share=False, block=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(url)
        page.get_by_role("tab", name="VAE", exact=True).click()
        while psutil.cpu_percent(1) > QUIET:
            pass
        for activity in MEASURED:
            found = sorted(waits(page, activity))
            print(
                f"{activity}: slider to picture {statistics.median(found):.0f} ms median, "
                f"{found[int(0.9 * len(found))]:.0f} ms for nine in ten, {len(found)} moves"
            )
        browser.close()
    demo.close()


if __name__ == "__main__":
    main()
