"""Attributes by hand: click avatars, drag sliders, sort examples; the decoded pixels follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from torch import Tensor

from demo.activities import ModelTab
from demo.latent import attributes
from demo.latent.attributes import Survey
from gm_core import data
from tests.browser.conftest import PHONE, serve_activity
from tests.demo.test_attributes import MODEL, along, between, codes, decoded, save_avatars

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """In place of the whole app: this activity on a second tab, with a tiny network."""
    save_avatars(folder)
    with serve_activity(attributes, ModelTab("vae", (MODEL,))) as url:
        yield url


@pytest.fixture
def open_activity(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_activity(**settings) -> Page:
        page = open_page(**settings)
        page.get_by_role("tab", name=attributes.TITLE).click()
        page.locator("#vae-own-pictures img").last.wait_for()
        return page

    return open_activity


@pytest.fixture(scope="module")
def known(address: str) -> Survey:
    assert address
    return attributes.survey()


def tile(page: Page, sheet: str, place: int) -> Locator:
    return page.locator(f"#vae-{sheet}-sheet button").nth(place)


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name)


def drag(page: Page, name: str, *shares: float) -> float:
    """The handle of a slider, from where it is over some places; where it ends."""
    handle = slider(page, name)
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    at = (float(handle.input_value()) + attributes.LARGEST) / (2 * attributes.LARGEST)
    page.mouse.move(box["x"] + 8 + at * (box["width"] - 16), middle)
    page.mouse.down()
    for share in shares:
        page.mouse.move(box["x"] + 8 + share * (box["width"] - 16), middle, steps=8)
    page.mouse.up()
    return float(handle.input_value())


def shown(page: Page, row: str, place: int) -> np.ndarray:
    """The pixels of a picture: (64, 64, 3)."""
    values = page.locator(f"#vae-{row}-pictures img").nth(place).evaluate(
        """async (image) => {
          await image.decode();
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
          const pen = canvas.getContext("2d");
          pen.drawImage(image, 0, 0);
          return Array.from(pen.getImageData(0, 0, canvas.width, canvas.height).data);
        }"""
    )  # fmt: skip
    return np.array(values, np.uint8).reshape(64, 64, 4)[:, :, :3]


def expect_moved(page: Page, row: str, start: Tensor, end: Tensor) -> None:
    """The last picture of a row becomes what the library decodes of `end`."""
    text = f"moved by {float((end - start).norm()):.2f} standard deviations"
    name = "attributes" if row == "attributes" else "own"
    expect(page.locator(f"#vae-{name}-status p")).to_contain_text(text)
    assert_pixels(page, row, 2 if row == "attributes" else 3, end)


def assert_pixels(page: Page, row: str, place: int, z: Tensor) -> None:
    # How many codes are decoded at once decides the last bit.
    wanted = decoded(z).astype(int)
    latest = time.monotonic() + 15  # the status line may be there before the picture
    while np.abs(shown(page, row, place).astype(int) - wanted).max() > 1:
        assert time.monotonic() < latest, "the picture is not what the library decodes"


def test_a_drag_is_followed_and_its_last_value_wins(open_activity: Open, known: Survey):
    page = open_activity()
    avatar = known.like(0, 0)
    z = codes()[avatar]
    expect_moved(page, "attributes", z, along(avatar, (0, 1, 0, 0)))
    assert_pixels(page, "attributes", 1, z)
    image = data.load("avatars", "sample").images[avatar].permute(1, 2, 0).numpy()
    assert np.array_equal(shown(page, "attributes", 0), image)

    value = drag(page, "Glasses", 0.1, 0.9, 0.3)
    assert value == pytest.approx(-0.6, abs=0.15)
    expect_moved(page, "attributes", z, along(avatar, (0, value, 0, 0)))
    beard = drag(page, "Beard", 0.8)
    expect_moved(page, "attributes", z, along(avatar, (0, value, 0, beard)))
    slider(page, "Smile").press("ArrowRight")
    expect_moved(page, "attributes", z, along(avatar, (0, value, 0.05, beard)))

    page.get_by_role("button", name="Reset", exact=True).click()
    expect_moved(page, "attributes", z, z)
    for name in attributes.ATTRIBUTES:
        expect(slider(page, name.capitalize())).to_have_value("0")


def test_another_avatar_gets_what_the_sliders_say(open_activity: Open, known: Survey):
    page = open_activity()
    ids = attributes.shelf(known, 0)
    groups = attributes.first_groups(known, attributes.shelf(known, 2))
    for place, act in ((5, "click"), (6, "key")):
        button = tile(page, "attributes", place)
        button.click() if act == "click" else button.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(button).to_have_accessible_name(known.names[ids[place]])
        assert page.locator("#vae-attributes-sheet [aria-pressed=true]").count() == 1
        z = codes()[ids[place]]
        image = page.get_by_role("img", name=f"A test avatar: {known.names[ids[place]]}")
        expect(image).to_be_visible()
        expect_moved(page, "attributes", z, along(ids[place], (0, 1, 0, 0)))
        assert_pixels(page, "attributes", 1, z)
        # The own direction is added to the same avatar.
        expect_moved(page, "own", z, between(ids[place], groups["with"], groups["without"], 1.0))
        assert_pixels(page, "own", 0, z)


def test_examples_make_a_direction(open_activity: Open, known: Survey):
    page = open_activity()
    avatar, ids = known.like(0, 0), attributes.shelf(known, 2)
    z = codes()[avatar]
    groups = attributes.first_groups(known, ids)
    having, lacking = groups["with"], groups["without"]
    status = page.locator("#vae-own-status p")
    expect_moved(page, "own", z, between(avatar, having, lacking, 1.0))

    free = next(at for at in range(24) if ids[at] not in having + lacking)
    tile(page, "own", free).click()
    expect(tile(page, "own", free)).to_have_accessible_name(f"{known.names[ids[free]]}, in “with”")
    expect(status).to_contain_text("6 with, 5 without.")
    having = [*having, ids[free]]
    expect_moved(page, "own", z, between(avatar, having, lacking, 1.0))
    assert_pixels(page, "own", 1, codes()[having].mean(dim=0))

    page.get_by_role("radio", name="without").check()
    tile(page, "own", free).press("Enter")  # over to the other group
    expect(tile(page, "own", free)).to_have_attribute("data-group", "without")
    having, lacking = having[:-1], [*lacking, ids[free]]
    expect(status).to_contain_text("5 with, 6 without.")
    expect_moved(page, "own", z, between(avatar, having, lacking, 1.0))
    assert_pixels(page, "own", 2, codes()[lacking].mean(dim=0))

    t = drag(page, "t", 0.9, 0.2)
    assert t < 0
    expect_moved(page, "own", z, between(avatar, having, lacking, t))
    sign = page.locator("#vae-own-pictures .sign.amount")
    expect(sign).to_have_text(f"+ {t:.2f} × (".replace("-", "−"))

    before = shown(page, "own", 3)
    for at, id in enumerate(ids):
        if id in lacking:
            tile(page, "own", at).click()  # out again
    expect(status).to_have_text(attributes.EMPTY)
    assert np.array_equal(shown(page, "own", 0), decoded(z))
    tile(page, "own", free).click()
    expect_moved(page, "own", z, between(avatar, having, [ids[free]], t))
    assert not np.array_equal(shown(page, "own", 3), before)


def test_it_fits_a_phone(open_activity: Open, known: Survey):
    page = open_activity(viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    edited = page.locator("#vae-attributes-pictures img").last.bounding_box()
    last = slider(page, "Beard").bounding_box()
    button = tile(page, "attributes", 3).bounding_box()
    assert edited
    assert last
    assert button
    assert edited["width"] >= 224
    assert last["y"] + last["height"] - edited["y"] < 844  # in sight at once
    assert min(button["width"], button["height"]) >= 44
    # The sum stands in one line, its result below.
    lines = [box["y"] for box in (img.bounding_box() for img in page.locator(
        "#vae-own-pictures img").all()) if box]  # fmt: skip
    assert max(lines[:3]) - min(lines[:3]) < 2
    assert lines[3] > lines[0]
    tile(page, "attributes", 3).tap()
    id = attributes.shelf(known, 0)[3]
    expect_moved(page, "attributes", codes()[id], along(id, (0, 1, 0, 0)))
