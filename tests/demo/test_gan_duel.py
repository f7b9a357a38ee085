"""Real or fake?, with a tiny network: decks, statistics, secrecy, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client
from PIL import Image

import gm_core
from demo.activities import TITLES, ModelTab
from demo.components.score_axis import signed
from demo.gan import duel
from gm_core import data
from tests.demo.test_api import call
from tests.demo.test_gan_critic import MODEL, save_critic

PERFECT, WORST = "perfect", "worst"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_critic(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        patch.setitem(TITLES, MODEL, "GAN")
        yield folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    assert folder.exists()
    with gr.Blocks() as demo:
        duel.build(ModelTab("gan", (MODEL, "gan-mnist-collapsed")))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


@pytest.mark.usefixtures("folder")
def test_half_of_a_deck_is_real_and_a_seed_decides_which():
    dealt = duel.deal(MODEL, 3, 20)
    assert dealt.real.sum() == 10
    again, other = duel._deal.__wrapped__(MODEL, 3, 20, Path()), duel.deal(MODEL, 4, 20)
    assert torch.equal(dealt.images, again.images)
    assert np.array_equal(dealt.real, again.real)
    assert not np.array_equal(dealt.real, other.real)
    shipped = {image.numpy().tobytes() for image in data.load("mnist", "sample").images}
    are_shipped = [image.numpy().tobytes() in shipped for image in dealt.images]
    assert are_shipped == dealt.real.tolist()


def test_what_is_dealt_says_nothing_of_the_truth(client: Client):
    deck, _, cards, told = client.predict(MODEL, 5, api_name="/gan_duel_deal")
    assert set(deck) == {"serial", "model", "seed", "count", "height", "width", "sheet"}
    sheet = Image.open(io.BytesIO(base64.b64decode(deck["sheet"].partition(",")[2])))
    assert not sheet.info
    pixels = np.array(sheet).reshape(20, 28, 28, 3)
    assert np.array_equal(pixels[..., :1], duel.deal(MODEL, 5, 20).pixels)
    assert (cards, told) == ("", duel.READY)


def test_a_game_is_judged_against_its_truth(client: Client):
    truth = duel.deal(MODEL, 7, 20).real
    answers = {
        PERFECT: [4 if real else 1 for real in truth],
        WORST: [2 if real else 3 for real in truth],
        "guess": [3] * 20,
        "asleep": [0] * 20,
    }
    said = {}
    for name, given in answers.items():
        curves, cards, said[name] = client.predict(MODEL, 7, given, api_name="/gan_duel_judge")
        assert cards.count('<figure class="real"') == cards.count('<figure class="generated"') == 10
        assert curves.count("<tr>") == 4
    assert said[PERFECT].startswith("You got 20 of 20 right; area under your curve 1.00, under D's")
    assert said[WORST].startswith("You got 0 of 20 right; area under your curve 0.00,")
    assert said["guess"].startswith("You got 10 of 20 right; area under your curve 0.50,")
    assert said["asleep"].startswith("You got 0 of 20 right; area under your curve 0.50,")


@pytest.mark.usefixtures("folder")
def test_the_area_is_the_chance_to_grade_the_real_one_higher():
    dealt = duel.deal(MODEL, 11, 20)
    answers = [(3 * at) % 4 + 1 if at % 5 else 0 for at in range(20)]
    curves, _, told = duel.judge(MODEL, 11, answers)
    with torch.no_grad():
        scores = gm_core.load(MODEL).realness(dealt.images / 255).numpy()

    def area(grades: np.ndarray) -> float:
        apart = grades[dealt.real][:, None] - grades[~dealt.real][None]
        return float((apart > 0).mean() + (apart == 0).mean() / 2)

    yours, same = area(np.array([answer or 2.5 for answer in answers])), area(scores)
    assert 0 < yours < 1
    assert f"area under your curve {yours:.2f}, under D's {same:.2f}" in told
    assert f"<td>{yours:.2f}</td>" in curves
    assert f"<td>{same:.2f}</td>" in curves


def test_equal_grades_are_one_step_of_the_curve():
    real = np.array([True, True, False, False])
    judge = duel.measure("you", "you", real, np.array([4, 3, 3, 1]), 0.5)
    assert list(zip(judge.false.tolist(), judge.true.tolist(), strict=True)) == [
        (0, 0), (0, 0.5), (0.5, 1), (1, 1)
    ]  # fmt: skip
    assert judge.area == 0.875


@pytest.mark.usefixtures("folder")
def test_the_most_convincing_forgery_is_generated_and_graded_highest():
    dealt = duel.deal(MODEL, 2, 20)
    forged = np.flatnonzero(~dealt.real)
    grades = np.where(dealt.real, 4.0, 2.0)
    grades[forged[[3, 6]]] = 3
    scores = np.zeros(20)
    scores[forged[6]] = 1
    assert duel.most_convincing(dealt, grades, scores) == forged[6]


@pytest.mark.usefixtures("folder")
def test_every_card_tells_truth_answer_and_score():
    dealt = duel.deal(MODEL, 9, 20)
    _, cards, _ = duel.judge(MODEL, 9, [4] * 20)
    figures = cards.split("</figure>")[:-1]
    scores = duel.scores_of(MODEL, dealt)
    for figure, real, score in zip(figures, dealt.real, scores, strict=True):
        assert (f"<b>{'real' if real else 'generated'}</b>{'✓' if real else '✗'} you") in figure
        assert "surely real" in figure
        assert f"D: {signed(float(score))}<" in figure


TWENTY = "There must be 20 answers, one a picture."
RANGE, NUMBER = "An answer must be from 0 to 4.", "An answer must be a number from 0 to 4."
BAD = [
    ([MODEL, 0, None], TWENTY), ([MODEL, 0, [1] * 19], TWENTY), ([MODEL, 0, {"a": 1}], TWENTY),
    ([MODEL, 0, [5] * 20], RANGE), ([MODEL, 0, [math.nan] * 20], RANGE),
    ([MODEL, 0, [10**400] * 20], RANGE), ([MODEL, 0, ["1"] * 20], NUMBER),
    ([MODEL, 0, [1.5] * 20], "An answer must be a whole number from 0 to 4."),
    ([MODEL, -1, [1] * 20], "Seed must be from 0"), ([MODEL, 10**9 * 10, [1] * 20], "Seed must be"),
    ([None, 0, [1] * 20], "Model must be one of: gan-mnist."),
    (["gan-mnist-collapsed", 0, [1] * 20], "Model must be one of: gan-mnist."),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_games_get_one_sentence(url: str, sent: list[Any], sentence: str):
    event, answer = call(url, "gan_duel_judge", json.dumps({"data": sent}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)
