"""The address bar follows what is on screen, and an address shows the same again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

import gm_core
from demo.gan import laboratory, training
from demo.latent import explore
from demo.tabs import gan, pixelcnn, vae
from demo.ui import build_demo
from tests.browser.conftest import cells, serve


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The app with some activities of three of its tabs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixelcnn, "ACTIVITIES", pixelcnn.ACTIVITIES[:2])
        patch.setattr(vae, "ACTIVITIES", (explore,))
        patch.setattr(gan, "ACTIVITIES", (training, laboratory))
        demo = build_demo((pixelcnn, vae, gan))
    with serve(demo) as url:
        yield url


def settings(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_the_address_follows_and_makes_a_link(open_page: Callable[..., Page], address: str):
    page = open_page()
    page.locator("[data-tab=pixelcnn]").click()
    page.wait_for_url("**/?tab=pixelcnn")
    page.get_by_role("button", name="Randomise seed").locator("visible=true").click()
    page.wait_for_url(re.compile(r"\?tab=pixelcnn&seed=\d+$"))
    seed = page.locator("#pixelcnn-generate--seed input").input_value()
    assert settings(page) == {"tab": ["pixelcnn"], "seed": [seed]}

    page.get_by_role("tab", name="Complete").click()
    page.wait_for_url("**/?tab=pixelcnn&activity=complete")
    page.go_back()
    expect(page.get_by_role("tab", name="Generate")).to_have_attribute("aria-selected", "true")
    page.wait_for_url(f"**/?tab=pixelcnn&seed={seed}")

    page.get_by_text("Link for the class").click()
    page.get_by_role("checkbox", name="Temperature").check()
    page.get_by_label("Lesson").select_option("step 2")
    link = page.get_by_label("Address", exact=True)
    expect(link).to_have_value(f"{address}?tab=pixelcnn&seed={seed}&hide=temperature&lesson=2")
    expect(page.locator("#pixelcnn-generate--temperature")).to_be_visible()  # to the teacher

    page.go_back()
    expect(page.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")
    page.wait_for_url(address)


def test_an_address_is_carried_out_but_for_its_faults(open_page: Callable[..., Page], address: str):
    page = open_page(
        f"{address}?tab=pixelcnn&model=pixelcnn-masked-mnist&class=3&seed=41&images=1&temperature=NaN"
        "&hide=model,more&lesson=2&%3Cimg+src%3Dx+onerror%3Dalert(1)%3E=1"
    )
    expect(page.locator("#pixelcnn-status")).to_contain_text("1 image in")
    expect(page.locator("#pixelcnn-player .where")).to_have_text("pixel 784 of 784")
    *_, frame = gm_core.load("pixelcnn-masked-mnist").sample(1, seed=41, label=3)
    assert np.array_equal(cells(page)[..., 0], frame.levels[0, 0].numpy() * 255)

    ignored = page.locator("#address .ignored")
    expect(ignored).to_contain_text("left out of the address: <img src=x onerror=alert(1)>, temp")
    assert settings(page) == {
        "tab": ["pixelcnn"], "model": ["pixelcnn-masked-mnist"], "class": ["3"], "seed": ["41"],
        "images": ["1"], "hide": ["model,more"], "lesson": ["2"],
    }  # fmt: skip
    expect(page.locator("#pixelcnn-generate--model")).to_be_hidden()
    expect(page.locator("#pixelcnn-generate--more")).to_be_hidden()
    expect(page.locator("#pixelcnn-generate--seed")).to_be_visible()
    expect(page.locator("#pixelcnn-lesson li").nth(1).locator(".body")).to_be_visible()


def test_a_picture_that_was_picked_is_there_again(open_page: Callable[..., Page], address: str):
    page = open_page(f"{address}?tab=pixelcnn&activity=complete")
    fifth = page.get_by_role("button", name=re.compile("^test image 5:"))
    fifth.click()
    page.wait_for_url("**/?tab=pixelcnn&activity=complete&picture=4")
    page.get_by_role("button", name="Clear", exact=True).click()  # what is drawn has no name
    page.wait_for_url("**/?tab=pixelcnn&activity=complete")

    page.goto(f"{address}?tab=pixelcnn&activity=complete&picture=4&completions=1")
    expect(fifth).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#pixelcnn-complete-status")).to_contain_text("1 completion of 392 hidden")
    assert settings(page)["picture"] == ["4"]


def test_a_code_that_was_moved_is_there_again(open_page: Callable[..., Page], address: str):
    page = open_page(f"{address}?tab=vae")
    typed = page.locator(".dimension .typed").first
    typed.fill("2.25")
    page.wait_for_url(re.compile(r"\?tab=vae&code="))
    code = settings(page)["code"][0].split(",")
    name = typed.get_attribute("aria-label") or ""  # z 3 as a number
    assert code[int(name.split()[1]) - 1] == "2.25"

    page.goto(f"{address}?tab=vae&model=vae-mnist-beta4&code={','.join(code)}")
    expect(page.locator(".sliders .from")).to_have_text("z of the address")
    expect(page.get_by_label(name, exact=True)).to_have_value("2.25")
    z = torch.tensor([[float(part) for part in code]])
    drawn = gm_core.load("vae-mnist-beta4").decode(z)[0, 0]
    wanted = (255 * drawn).round().flatten().tolist()
    page.wait_for_function(
        """(wanted) => {
          const canvas = document.querySelector(".sliders .decoded canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, 28, 28);
          return wanted.every((grey, at) => data[4 * at] === grey);
        }""",
        arg=wanted,
    )
    page.get_by_role("button", name="Reset to the image's code").click()
    page.wait_for_url("**/?tab=vae&model=vae-mnist-beta4")

    page.goto(f"{address}?tab=vae&model=vae-fashion&code=1,2")
    expect(page.locator("#address .ignored")).to_contain_text("left out of the address: code.")
    expect(page.locator(".sliders .from")).to_have_text("z is your image's code")


def test_a_step_of_the_training_is_there_again(open_page: Callable[..., Page], address: str):
    page = open_page(f"{address}?tab=gan")
    page.locator(".history[data-whole=yes]").wait_for()
    page.get_by_role("button", name="− step").click()
    page.wait_for_url(re.compile(r"\?tab=gan&step=\d+$"))
    told, link = page.locator(".history .at").inner_text(), page.url
    page.get_by_role("button", name="End »").click()
    page.wait_for_url("**/?tab=gan")

    page.goto(link)
    expect(page.locator(".history .at")).to_have_text(told)
    expect(page.locator(".history")).to_have_attribute("data-whole", "yes")


def test_the_laboratory_begins_as_the_address_says(open_page: Callable[..., Page], address: str):
    page = open_page(f"{address}?tab=gan&activity=laboratory")
    page.locator(".lab[data-serial]").wait_for()
    page.get_by_role("button", name="D too strong").click()
    page.get_by_role("button", name="Ring", exact=True).click()
    page.locator("[data-set=d_steps]").fill("7")
    page.wait_for_url(re.compile(r"&settings=ring,0,.*,7,"))
    [said] = settings(page)["settings"]

    wanted = said.replace(",0,", ",9,", 1)  # the seed
    page.goto(f"{address}?tab=gan&activity=laboratory&settings={wanted}")
    expect(page.locator(".lab .told")).to_contain_text("Both networks are new")
    expect(page.locator("[data-set=d_steps]")).to_have_value("7")
    expect(page.get_by_role("button", name="Ring", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.locator(".lab .seed")).to_have_value("9")
    expect(page.locator(".lab .words")).to_have_text("Your own settings.")
    assert settings(page)["settings"] == [wanted]
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("Number(document.querySelector('.lab').dataset.dSteps) > 50")
