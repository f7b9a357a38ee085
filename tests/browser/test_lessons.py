"""A lesson, as a student does it."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect


def test_steps_tick_when_they_are_done(open_page: Callable[..., Page], pixelcnn_address: str):
    page = open_page(f"{pixelcnn_address}?tab=pixelcnn&images=2&lesson=2", fresh=True)
    lesson, line = page.locator("#pixelcnn-lesson"), page.locator("#pixelcnn-status")
    count, step = lesson.locator(".count"), lesson.locator("li").nth(1)
    expect(line).to_contain_text("2 images in")  # the address asked for it, which is a step done
    expect(count).to_have_text("1 of 3 done")
    expect(step.locator(".question")).to_be_visible()

    step.get_by_role("button", name="dearer").click()  # an answer alone does nothing
    expect(step.get_by_role("button", name="cheaper")).to_be_disabled()
    temperature = page.get_by_label("number input for Temperature")
    temperature.fill("0.5")
    temperature.press("Enter")
    page.wait_for_url("**temperature=0.5**")
    expect(count).to_have_text("1 of 3 done")
    expect(step.locator(".reveal")).to_be_hidden()

    page.get_by_role("button", name="Generate", exact=True).click()
    expect(count).to_have_text("2 of 3 done")
    expect(step.locator(".reveal")).to_contain_text("Not as you predicted.")
    nats = re.search(r"= ([\d.]+) ± [\d.]+ nats an image", line.inner_text())
    assert nats
    for number in (f"{nats[1]} nats", "80.6 nats"):  # its own, and the test set's
        expect(step.locator(".reveal")).to_contain_text(number)

    page.reload()
    expect(step.locator(".reveal")).to_contain_text(f"{nats[1]} nats")
    lesson.get_by_role("button", name="Start again").click()
    expect(step.locator(".reveal")).to_be_hidden()
