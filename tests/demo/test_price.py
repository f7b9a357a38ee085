"""Price of data: rounds, secrecy, the bill's arithmetic, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import math
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client
from PIL import Image

from demo.activities import ModelTab
from demo.components import bill
from demo.components.bill import Card, Job
from demo.paradigms import price
from gm_core import data
from tests.demo.test_api import call, handler

PACE = [2.0] * 19


@pytest.fixture(scope="module")
def demo() -> gr.Blocks:
    with gr.Blocks() as demo:
        price.build(ModelTab("paradigms", ()))
    return demo


@pytest.mark.parametrize("dataset", price.DATASETS)
def test_a_seed_decides_which_images_are_labelled(dataset: str):
    dealt, again = price.deal(dataset, 3), price.deal(dataset, 3)
    assert torch.equal(dealt.images, again.images)
    assert not torch.equal(dealt.images, price.deal(dataset, 4).images)
    sample = data.load(dataset, "sample")
    truth = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(sample.images, sample.labels, strict=True)
    }
    found = [truth[image.numpy().tobytes()] for image in dealt.images]
    assert found == dealt.labels.tolist()
    assert len({image.numpy().tobytes() for image in dealt.images}) == price.IMAGES


def test_what_is_dealt_says_nothing_of_the_truth(client: Client):
    deck = client.predict("fashion", 5, api_name="/paradigms_price_deal")
    assert set(deck) == {
        "serial", "dataset", "seed", "names", "count", "height", "width", "sheet"
    }  # fmt: skip
    assert deck["names"] == list(data.DATASETS["fashion"].class_names)
    sheet = Image.open(io.BytesIO(base64.b64decode(deck["sheet"].partition(",")[2])))
    assert not sheet.info
    pixels = np.array(sheet).reshape(20, 28, 28, 3)
    assert np.array_equal(pixels[..., 0], price.deal("fashion", 5).images[:, 0].numpy())


def test_labels_are_compared_and_the_bill_is_made_out(client: Client):
    truth = price.deal("mnist", 7).labels.tolist()
    told, costs, cards = client.predict(
        "mnist", 7, truth, PACE, 15, "a week", api_name="/paradigms_price_check"
    )
    assert told == (
        "You and MNIST agree on 20 of 20 labels; 2.00 s an image (median 2.00 s). Seed 7."
    )
    assert "<td>33.3 h</td><td>500</td>" in costs  # 60,000 times 2 s, at 15 an hour
    assert "<td>712 h<small>17.8 working weeks</small></td><td>10,676</td>" in costs
    assert "<td>7,500 h<small>3.6 working years</small></td><td>112,500</td>" in costs
    assert "<td>60,000</td><td>0 s</td><td>0</td>" in costs
    assert "You guessed a week of work; at your pace it is 33.3 h: well guessed." in costs
    assert cards.count('<figure class="same">') == 20

    false = [truth[0], truth[1], *((label + 1) % 10 for label in truth[2:])]
    told, _, cards = client.predict("mnist", 7, false, PACE, api_name="/paradigms_price_check")
    assert told.startswith("You and MNIST agree on 2 of 20 labels;")
    assert price.DOUBT in told
    figures = cards.split("</figure>")[:-1]
    assert ['class="other"' in figure for figure in figures] == [True] * 18 + [False] * 2
    assert f"✗ you: {false[2]}</b><b>label: {truth[2]}<" in figures[0]
    assert "not timed" in figures[18]  # the clock starts with the first answer


@pytest.mark.parametrize(
    ("pace", "guess", "sentence"),
    [
        (None, "a day", "What is the first line? Label, and it will be filled in."),
        (1.5, None, "25.0 h of work for one person, before any learning begins."),
        (0.0, "a day", "You guessed a day of work; at your pace it is 0 s: well guessed."),
        (1.0, "a year", "You guessed a year of work; at your pace it is 16.7 h, nearer to a day."),
        (12.0, "a day", "You guessed a day of work; at your pace it is 200 h, nearer to a month."),
    ],
)
def test_a_guess_is_compared(pace: float | None, guess: str | None, sentence: str):
    assert price.compare(pace, guess) == sentence


def test_a_bill_knows_what_is_free_and_what_is_not_known_yet():
    unknown, free, short = (
        Job("<labels>", "", 10, None), Job("none", "", 10, 0), Job("few", "", 10, 30)
    )  # fmt: skip
    costs = bill.bill([unknown, free, short], 12, "", "")
    assert "&lt;labels&gt;" in costs
    assert "<td>10</td><td>?</td><td>?</td>" in costs
    assert "<td>10</td><td>0 s</td><td>0</td>" in costs
    assert "<td>10</td><td>5.0 min</td><td>1.00</td>" in costs


def test_cards_show_first_what_is_labelled_otherwise():
    cards = bill.cards([Card("a", "1", "1", None), Card("b", "<2>", "3", 1.25)])
    assert cards.index('src="b"') < cards.index('src="a"')
    assert "✗ you: &lt;2&gt;" in cards
    assert "1.2 s" in cards


def test_another_wage_keeps_the_labels(demo: gr.Blocks):
    finish = handler(demo, "finish")
    truth = price.deal("mnist", 0).labels.tolist()
    game = {"serial": 1, "dataset": "mnist", "seed": 0, "answers": truth, "seconds": PACE}
    told, costs, _ = finish(game, 30, None)
    assert told.startswith("You and MNIST agree on 20 of 20")
    assert "<td>33.3 h</td><td>1,000</td>" in costs
    _, costs, cards = finish({"dataset": "fashion", "seed": 0}, 30, None)  # nothing labelled yet
    assert "Fashion-MNIST: a label each" in costs
    assert "<td>?</td>" in costs
    assert cards == ""


TWENTY = "There must be 20 answers, one an image."
TIMES = "There must be 19 times, one an image after the first."
RANGE, TIME = "An answer must be from 0 to 9.", "A time in seconds must be from 0 to 3600."
GOOD = [1] * 20
BAD = [
    (["mnist", 0, None, PACE], TWENTY), (["mnist", 0, [], PACE], TWENTY),
    (["mnist", 0, {"a": 1}, PACE], TWENTY), (["mnist", 0, [1] * 19, PACE], TWENTY),
    (["mnist", 0, [10] * 20, PACE], RANGE), (["mnist", 0, [math.nan] * 20, PACE], RANGE),
    (["mnist", 0, ["1"] * 20, PACE], "An answer must be a number from 0 to 9."),
    (["mnist", 0, [0.5] * 20, PACE], "An answer must be a whole number from 0 to 9."),
    (["mnist", 0, GOOD, None], TIMES), (["mnist", 0, GOOD, [1.0] * 20], TIMES),
    (["mnist", 0, GOOD, [-1] * 19], TIME), (["mnist", 0, GOOD, [math.inf] * 19], TIME),
    (["mnist", 0, GOOD, [math.nan] * 19], TIME), (["mnist", -1, GOOD, PACE], "Seed must be from 0"),
    (["cifar", 0, GOOD, PACE], "Data must be one of: mnist, fashion."),
    ([None, 0, GOOD, PACE], "Data must be one of: mnist, fashion."),
    (["mnist", 0, GOOD, PACE, -1], "Wage an hour must be from 0 to 10000."),
    (["mnist", 0, GOOD, PACE, math.nan], "Wage an hour must be from 0 to 10000."),
    (["mnist", 0, GOOD, PACE, 15, "an age"], "Your guess must be one of: a day, a week, "),
    (["mnist", 0, GOOD, PACE, 15, 3], "Your guess must be one of: a day, a week, "),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_rounds_get_one_sentence(url: str, sent: list[Any], sentence: str):
    sent = [*sent, 15, None][:6] if len(sent) == 4 else [*sent, None][:6]
    event, answer = call(url, "paradigms_price_check", json.dumps({"data": sent}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


def test_after_what_was_refused_the_next_round_works(url: str):
    for sent in (["mnist", math.nan], ["mnist", 1e400], [3, 0], ["mnist", "0"]):
        event, answer = call(url, "paradigms_price_deal", json.dumps({"data": sent}))
        assert event == "error"
        assert " must be " in json.loads(answer)["error"]
    event, _ = call(url, "paradigms_price_deal", '{"data": ["mnist", 0]}')
    assert event == "complete"
