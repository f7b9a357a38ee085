"""The laboratory's turns: what they do, whose they are, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client

from demo.activities import ModelTab
from demo.components.lab_view import FULL_ARROW, SHORTS, arrow_lengths
from demo.gan import laboratory
from gm_core import gan_lab
from tests.demo.test_api import call, handler


@pytest.fixture(scope="module")
def demo() -> Iterator[gr.Blocks]:
    with gr.Blocks() as demo:
        laboratory.build(ModelTab("gan", ()))
    demo.launch(prevent_thread_lock=True, quiet=True)
    yield demo
    demo.close()


@pytest.fixture(scope="module")
def url(demo: gr.Blocks) -> str:
    assert demo.local_url
    return demo.local_url


def wish(action: str = "play", **changes: Any) -> dict[str, Any]:
    """What the view sends."""
    asked = {"ask": 1, "do": action, "data": "eight", "strokes": [], "seed": 0}
    return asked | {"settings": asdict(gan_lab.BALANCED)} | changes


def shorts(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<i2").reshape(-1, 2) / SHORTS


def take_turns(demo: gr.Blocks, *asked: tuple[dict[str, Any], Any]) -> list[tuple[Any, Any]]:
    """The view's own handler, asked at the same time."""

    async def all_of_them() -> list[tuple[Any, Any]]:
        return await asyncio.gather(*(handler(demo, "take_turns")(*each) for each in asked))

    return asyncio.run(all_of_them())


# --- a turn --------------------------------------------------------------------------------------


def test_a_turn_is_the_librarys_own_training():
    _, training = laboratory.take_turn(wish("reset", seed=3, data="ring"), None, 0.0)
    assert (training.state.generator_steps, training.state.discriminator_steps) == (0, 0)
    for action in ("play", "generator", "discriminator", "play"):
        view, training = laboratory.take_turn(wish(action, ask=7), training, 0.0)
        assert view.ask == 7
    settings, ring = gan_lab.BALANCED, gan_lab.ring()
    state = gan_lab.begin(3)
    state, _ = gan_lab.discriminator_step(state, ring, settings)
    for player in "ggddg":
        step = gan_lab.generator_step if player == "g" else gan_lab.discriminator_step
        state, _ = step(state, ring, settings)
    assert torch.equal(training.state.generator, state.generator)
    assert torch.equal(training.state.discriminator, state.discriminator)


def test_settings_may_change_between_two_turns():
    _, training = laboratory.take_turn(wish("reset"), None, 0.0)
    frozen = asdict(gan_lab.BALANCED) | {"g_rate": 0, "d_steps": 4}
    _, after = laboratory.take_turn(wish(settings=frozen), training, 0.0)
    assert torch.equal(after.state.generator, training.state.generator)
    assert after.state.discriminator_steps == 4
    _, moved = laboratory.take_turn(wish(), after, 0.0)
    assert not torch.equal(moved.state.generator, after.state.generator)


def test_what_is_sent_is_what_is_there():
    view, training = laboratory.take_turn(wish("reset", data="line"), None, 0.0)
    sent = view.payload()
    assert json.loads(json.dumps(sent)) == sent
    assert len(json.dumps(sent)) < 12_000  # ten a second, to many
    record = gan_lab.observe(training.state, gan_lab.line(), "relativistic")
    assert np.allclose(3 * shorts(sent["real"]), record.real, atol=2e-4)
    assert np.allclose(3 * shorts(sent["generated"]), record.generated, atol=2e-4)
    levels = np.frombuffer(base64.b64decode(sent["scores"]), "u1").reshape(32, 32) / 127.5 - 1
    inside = np.abs(levels) < 0.99
    assert inside.mean() > 0.9
    assert np.allclose(
        (sent["scale"] * levels)[inside], record.scores.numpy()[inside], atol=sent["scale"] / 100
    )
    [numbers] = sent["history"]
    assert (numbers["dLoss"], numbers["gSteps"], numbers["parts"]) == (None, 0, 24)
    assert numbers["push"] == pytest.approx(float(record.arrows.norm(dim=1).mean()))


def test_a_map_of_chances_has_no_scale():
    chances = asdict(gan_lab.MODE_COLLAPSE)
    view, training = laboratory.take_turn(wish("reset", settings=chances), None, 0.0)
    record = gan_lab.observe(training.state, gan_lab.eight_gaussians(), "non-saturating")
    sent = view.payload()
    assert sent["scale"] is None
    levels = np.frombuffer(base64.b64decode(sent["scores"]), "u1").reshape(32, 32) / 255
    assert np.allclose(levels, torch.sigmoid(record.scores), atol=0.003)


def test_arrows_grow_with_the_slope_and_end():
    slopes = torch.tensor([[0.0, 0.0], [1e-6, 0.0], [0.0, -FULL_ARROW / 4], [3.0, 4.0]])
    drawn = arrow_lengths(slopes)
    assert drawn[0].tolist() == [0, 0]
    assert 0 < float(drawn[1, 0]) < 0.01
    assert drawn[2].tolist() == pytest.approx([0, -0.5])
    assert drawn[3].tolist() == pytest.approx([0.6, 0.8])


# --- whose it is ---------------------------------------------------------------------------------


def test_students_who_play_at_once_do_not_touch_each_other(demo: gr.Blocks):
    seeds = range(3)
    begun = [laboratory.take_turn(wish("reset", seed=seed), None, 0.0)[1] for seed in seeds]
    single = [(wish("discriminator"), training) for training in begun]
    answers = take_turns(demo, *single, *single)
    for (_, training), (_, again), seed in zip(answers[:3], answers[3:], seeds, strict=True):
        alone, _ = gan_lab.discriminator_step(
            gan_lab.begin(seed), gan_lab.eight_gaussians(), gan_lab.BALANCED
        )
        for after in (training.state, again.state):
            assert after.seed == seed
            assert torch.equal(after.discriminator, alone.discriminator)


def test_a_page_goes_on_from_what_it_shows(demo: gr.Blocks):
    opened, beginning = laboratory.opening()
    assert opened.record.state.generator_steps == laboratory.OPENING_ROUNDS
    [(answer, after)] = take_turns(demo, (wish("generator"), None))
    assert (answer["begins"], answer["note"]) == (False, "")
    assert after.state.generator_steps == laboratory.OPENING_ROUNDS + 1
    assert torch.equal(after.state.discriminator, beginning.state.discriminator)


def test_a_training_that_was_put_away_begins_anew_and_says_so(demo: gr.Blocks):
    [(answer, after)] = take_turns(demo, (wish("generator", ask=9, seed=4), None))
    assert (answer["begins"], answer["note"]) == (True, laboratory.PUT_AWAY)
    assert (after.state.seed, after.state.generator_steps) == (4, 1)


# --- what is refused -----------------------------------------------------------------------------


RATE = "Learning rate of D must be from 0 to 0.1."
RATE_NUMBER = "Learning rate of D must be a number from 0 to 0.1."
BAD_SETTINGS = [
    ({"d_rate": math.nan}, RATE), ({"d_rate": math.inf}, RATE), ({"d_rate": 10**400}, RATE),
    ({"d_rate": -1}, RATE), ({"d_rate": "1"}, RATE_NUMBER), ({"d_rate": None}, RATE_NUMBER),
    ({"d_rate": True}, RATE_NUMBER), ({"g_rate": 0.2}, "Learning rate of G must be from 0 to 0.1."),
    ({"d_steps": 0}, "Steps of D for one of G must be from 1 to 20."),
    ({"d_steps": 1.5}, "Steps of D for one of G must be a whole number from 1 to 20."),
    ({"head_start": 10**9}, "Head start of D must be from 0 to 1000."),
    ({"gamma": -0.1}, "Gamma must be from 0 to 10.0."),
    ({"loss": "hinge"}, "Loss must be one of: relativistic, non-saturating, saturating."),
    ({"loss": ["relativistic"]}, "Loss must be one of: relativistic, non-saturating, saturating."),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "sentence"), BAD_SETTINGS, ids=lambda value: str(value)[:24])
def test_bad_settings_get_one_sentence(wrong: dict[str, Any], sentence: str):
    with pytest.raises(gr.Error) as refused:
        laboratory.take_turn(wish(settings=asdict(gan_lab.BALANCED) | wrong), None, 0.0)
    assert refused.value.message == sentence


SHAPE = "A drawing is a list of strokes, each a list of points [x, y]."
BAD_STROKES = [
    ([], "Nothing is drawn yet: draw the real data first."),
    ([[]], "Nothing is drawn yet: draw the real data first."),
    (None, SHAPE), ("circle", SHAPE), ([[1, 2]], SHAPE), ([[[1, 2, 3]]], SHAPE), ([{}], SHAPE),
    ([[[0, math.nan]]], "y must be from -3.0 to 3.0."), ([[["0", 1]]], "x must be a number from"),
    ([[[4, 0]]], "x must be from -3.0 to 3.0."), ([[[10**400, 0]]], "x must be from -3.0 to 3.0."),
    ([[[0, 0]] * 601], "A drawing has at most 600 points, not 601."),
]  # fmt: skip


@pytest.mark.parametrize(("strokes", "sentence"), BAD_STROKES, ids=lambda value: str(value)[:24])
def test_bad_drawings_get_one_sentence(strokes: Any, sentence: str):
    with pytest.raises(gr.Error) as refused:
        laboratory.take_turn(wish("reset", data="drawn", strokes=strokes), None, 0.0)
    assert refused.value.message.startswith(sentence)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (None, "The laboratory must be asked as its view does."),
        (wish("explode"), "What to do must be one of: play, "),
        (wish(ask=None), "The number of what is asked must be a number"),
        (wish(seed=-1), "Seed must be from 0 to 4294967295."),
        (wish(data="moons"), "Real data must be one of: line, ring, eight, drawn."),
        (wish(settings=None), "Settings must be given by their names."),
    ],
    ids=["none", "action", "number", "seed", "data", "settings"],
)
def test_other_nonsense_gets_one_sentence(demo: gr.Blocks, asked: Any, sentence: str):
    with pytest.raises(gr.Error) as refused:
        take_turns(demo, (asked, None))
    assert refused.value.message.startswith(sentence)


# --- the endpoint --------------------------------------------------------------------------------


def test_the_action_is_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == {"/gan_laboratory"}
    parameters = api["named_endpoints"]["/gan_laboratory"]["parameters"]
    names = ["preset", "distribution", "rounds", "seed", "changes", "strokes"]
    assert [parameter["parameter_name"] for parameter in parameters] == names


def test_the_endpoint_trains_as_the_library_does(client: Client):
    sent = ("balanced", "drawn", 27, 4, {"d_steps": 2}, [[[0, 0], [1, 2]]])
    answers: Any = list(client.submit(*sent, api_name="/gan_laboratory"))
    first, last = answers
    assert [numbers["g_steps"] for numbers in (first, last)] == [25, 27]
    assert last["d_steps"] == 54
    settings = replace(gan_lab.BALANCED, d_steps=2)
    data = gan_lab.drawn([[(0.0, 0.0), (1.0, 2.0)]])
    *_, record = gan_lab.train(gan_lab.begin(4), data, settings, rounds=27, every=25)
    assert np.allclose(last["generated"], record.generated, atol=1e-3)
    assert (last["covered"], last["parts"]) == (record.covered, 24)
    assert last["d_loss"] == pytest.approx(record.d_loss, abs=1e-4)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (["best", "ring", 1, 0, None, None], "Preset must be one of: balanced, strong, collapse."),
        (["balanced", "ring", 0, 0, None, None], "Rounds must be from 1 to 2000."),
        (["balanced", "ring", math.nan, 0, None, None], "Rounds must be from 1 to 2000."),
        (["balanced", "ring", 1, 0, {"speed": 1}, None], "Settings are: d_rate, g_rate, d_steps,"),
        (["balanced", "ring", 1, 0, [1], None], "Settings must be given by their names."),
        (["balanced", "drawn", 1, 0, None, None], SHAPE),
    ],
    ids=["preset", "none", "nan", "unknown", "list", "drawing"],
)
def test_the_endpoint_refuses_in_one_sentence(url: str, data: list[Any], sentence: str):
    event, answer = call(url, "gan_laboratory", json.dumps({"data": data}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)
