"""Nine tasks with tiny networks: answers, truth, drawings, refusals; and what the panels say."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client

from demo.activities import ModelTab
from demo.components import answers
from demo.components.answers import NOTHING, TOO_SMALL, Row
from demo.components.cluster_map import LETTERS
from demo.components.pad import read
from demo.paradigms import nine
from gm_core import checkpoints
from gm_core import nine as gm_nine
from gm_core.canvas import BACKGROUND
from gm_core.nine import Answers, Digit
from gm_core.paradigms import Found, Reading
from tests.demo.test_api import call, handler
from tests.gm_core.test_nine import save_nine

TASKS = (*nine.SUPERVISED, *nine.UNSUPERVISED)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_nine(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        checkpoints.write_sample(gm_nine.DENSITY, {"nats": torch.linspace(500, 600, 200)})
        with gr.Blocks() as demo:
            nine.build(ModelTab("paradigms", ()))
        yield demo


def drawing(*, square: int = 0) -> dict[str, Any]:
    """A white square of this side, or nothing."""
    pixels = np.zeros((64, 64), np.uint8)
    pixels[10 : 10 + square, 20 : 20 + square] = 255
    return nine.as_drawing(pixels)


def words(value: str) -> str:
    """What a panel says, without its markup."""
    return " ".join(re.sub("<[^>]*>", " ", value).split())


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    named = api["named_endpoints"]
    assert set(named) == {"/paradigms_nine", "/paradigms_nine_drawing"}
    parameters = named["/paradigms_nine"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["seed", "digits"]


def test_a_generated_canvas_comes_with_answers_and_truth(client: Client):
    value, told = client.predict(1, 2, api_name="/paradigms_nine")
    truth = gm_nine.compose(1, 2)
    assert np.array_equal(read(value, 64, 64).pixels, nine.as_bytes(truth))
    assert set(told) == {*TASKS, "truth"}
    assert sorted(told["truth"]["classes"]) == sorted(truth.classes[0, :2].tolist())
    assert told["truth"]["caption"] == truth.captions[0]
    *_, record = gm_nine.answer(torch.from_numpy(nine.as_bytes(truth)))
    assert record.pieces
    assert told["segmentation"] == record.reading.mask.tolist()
    assert told["captioning"] == record.reading.caption
    assert told["clustering"] == [LETTERS[piece.cluster] for piece in record.pieces]
    assert told["density"] == pytest.approx([piece.nats for piece in record.pieces], abs=0.01)
    assert told["reduction"] == pytest.approx(
        np.array([piece.code for piece in record.pieces]), abs=1e-4
    )


def test_a_drawing_has_answers_and_no_truth(client: Client):
    told = client.predict(drawing(square=14), api_name="/paradigms_nine_drawing")
    assert told["truth"] is None
    assert len(told["density"]) == len(told["features"]) == 1
    nothing = client.predict(drawing(), api_name="/paradigms_nine_drawing")
    assert nothing["density"] == nothing["detection"] == []
    assert (nothing["captioning"], nothing["truth"]) == ("", None)


def test_the_truth_stands_beside_until_something_is_drawn(demo: gr.Blocks):
    begin, follow = handler(demo, "begin"), handler(demo, "follow")
    *_, (value, told, *panels) = begin(7, 2)
    truth = gm_nine.compose(7, 2)
    assert told.startswith("Made of test digits, so the truth is known")
    assert truth.captions[0] in words(panels[TASKS.index("captioning")])
    pixels = read(value, 64, 64).pixels
    *_, (again, *same) = follow(nine.as_drawing(pixels), 7, 2)
    assert (again, same) == (told, panels), "an undone stroke brings the truth back"
    drawn = pixels.copy()
    drawn[30:34, 30:34] = 255
    for seed, canvas in ((7, drawn), (8, pixels), (None, pixels)):
        *_, (told, *panels) = follow(nine.as_drawing(canvas), seed, 2)
        assert told == nine.DRAWN
        assert not any("true:" in words(panel) for panel in panels)


def test_the_supervised_answers_come_first(demo: gr.Blocks):
    first, last = handler(demo, "begin")(3, 1)
    assert first[:7] == last[:7]
    assert all(part == gr.skip() for part in first[7:])
    assert len(last) == 2 + len(TASKS)
    assert all(part == gr.skip() for part in next(handler(demo, "begin")(None, 1)))


def test_the_dice_deal_the_canvas_of_the_seed_they_show(demo: gr.Blocks):
    *_, (seed, value, *_) = handler(demo, "deal")(3)
    assert np.array_equal(read(value, 64, 64).pixels, nine.as_bytes(gm_nine.compose(seed, 3)))


def test_of_nothing_nothing_is_said(demo: gr.Blocks):
    follow = handler(demo, "follow")
    [(told, *panels)] = follow(drawing(), 1, 2)
    assert told == nine.BLANK
    assert panels == [NOTHING] * 9
    *_, (told, *panels) = follow(drawing(square=2), 1, 2)
    assert told == nine.DRAWN
    assert panels[5:] == [TOO_SMALL] * 4


def test_each_task_has_a_panel_that_can_be_found(demo: gr.Blocks):
    ids = [getattr(block, "elem_id", None) for block in demo.blocks.values()]
    assert {f"paradigms-nine-{task}" for task in TASKS} <= set(ids)


BAD = [
    ("nine", [math.nan, 1], "Seed must be from 0"), ("nine", [1, math.nan], "Digits must be from"),
    ("nine", [-1, 1], "Seed must be from 0"), ("nine", [0.5, 1], "Seed must be a whole number"),
    ("nine", [10**30, 1], "Seed must be from 0"), ("nine", ["1", 1], "Seed must be a number"),
    ("nine", [1, 0], "Digits must be from 1 to 3."), ("nine", [1, 4], "Digits must be from 1 to"),
    ("nine", [1, None], "Digits must be a number"), ("nine", [1, True], "Digits must be a number"),
    ("nine_drawing", [None], "The drawing must be 64 by 64"),
    ("nine_drawing", [math.inf], "The drawing must be 64 by 64"),
    ("nine_drawing", [{"height": 28, "width": 28}], "The drawing must be 64 by 64"),
    ("nine_drawing", [{**drawing(), "pixels": "AAAA"}], "The drawing must be 64 by 64"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "sentence"), BAD, ids=lambda value: str(value)[:24])
def test_bad_input_gets_one_sentence(url: str, name: str, settings: list[Any], sentence: str):
    event, answer = call(url, f"paradigms_{name}", json.dumps({"data": settings}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


# --- what panels say ------------------------------------------------------------------------------

SPREAD = (0.01, 0.02, 0.03, 0.6, 0.04, 0.05, 0.06, 0.07, 0.08, 0.04)
THREE = Found(3, SPREAD, (10.0, 12.0, 30.0, 40.0), -30.4, 0.81)
EIGHT = Found(8, SPREAD[::-1], (40.0, 2.0, 60.0, 22.0), 4.6, 0.5)
CANVAS = np.zeros((64, 64), np.uint8)


def true(label: int, found: Found | None) -> Digit:
    return Digit(label, -20.0, (11.0, 12.0, 30.0, 41.0), found, 0.9 if found else 0.0)


def test_answers_without_truth():
    rows = [Row(THREE, None), Row(EIGHT, None)]
    told = words(answers.classification(rows, has_truth=False))
    assert "3 60.0 %" in told
    assert "✗" not in told
    assert "3 −30°" in words(answers.regression(CANVAS, rows, has_truth=False))
    drawn = answers.detection(CANVAS, rows, has_truth=False)
    assert "3 score 0.81" in words(drawn)
    assert drawn.count('class="guess"') == 2
    assert 'class="truth"' not in drawn
    assert "No digit is found." in answers.classification([], has_truth=False)


def test_of_many_digits_all_are_drawn_and_the_surest_listed():
    found = tuple(
        Found(2, SPREAD, (x, 5.0, x + 8, 15.0), 0.0, 0.9 - x / 100) for x in (40.0, 20, 0, 50, 10)
    )
    rows = nine.rows_of(found, None)
    assert [row.found.box[0] for row in rows if row.found] == [0, 10, 20, 40, 50]
    assert [row.listed for row in rows] == [True, False, True, True, False]
    drawn = answers.detection(CANVAS, rows, has_truth=False)
    assert drawn.count('class="guess"') == 5
    assert words(drawn).count("score") == nine.LISTED
    record = Answers(Reading(found, torch.zeros(64, 64), "a 2"), (), cut=2)
    told = nine.status_line(record, None)
    assert told.endswith(
        "5 digits are found; listed are the 3 surest. Of 2 pieces of ink the 0 largest are looked "
        "at."
    )


def test_answers_beside_the_truth():
    rows = [Row(THREE, true(3, THREE)), Row(EIGHT, true(5, EIGHT)), Row(None, true(7, None))]
    named = words(answers.classification(rows, has_truth=True))
    assert "60.0 % ✓" in named
    assert "✗ true: 5" in named
    assert "✗ missed true: a 7" in named
    turned = words(answers.regression(CANVAS, rows, has_truth=True))
    assert "−30° true: −20° 10° off" in turned
    drawn = answers.detection(CANVAS, rows, has_truth=True)
    assert "score 0.81 IoU 0.90 ✓" in words(drawn)
    assert drawn.count('class="truth"') == 3
    invented = words(answers.detection(CANVAS, [Row(EIGHT, None)], has_truth=True))
    assert "✗ no digit there" in invented


def test_a_line_leans_as_its_angle_says():
    upright = Found(1, SPREAD, (20.0, 20.0, 40.0, 40.0), 45.0, 0.9)
    drawn = answers.regression(CANVAS, [Row(upright, None)], has_truth=False)
    head = re.search(r'<circle class="guess" cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert head
    x, y = (float(number) for number in head.groups())
    assert (x, y) == pytest.approx((30 - 13 / math.sqrt(2), 30 - 13 / math.sqrt(2)), abs=0.1)


def test_captions_mark_the_words_that_are_not_in_their_place():
    told = answers.captioning("a 3 above a 7", "a 3 left of a 7")
    assert re.findall("<mark>(.*?)</mark>", told) == ["above", "a", "7"]
    assert "✗ true: “a 3 left of a 7”" in words(told)
    assert "✓ word for word" in answers.captioning("a 3", "a 3")
    assert "✓" not in answers.captioning("a 3", None)


def test_a_mask_is_drawn_run_by_run():
    mask = np.full((4, 6), BACKGROUND)
    mask[1, 2:5] = 7
    mask[2, 0] = 7
    mask[2, 5] = 3
    drawn = answers.mask_picture(mask, "a mask")
    assert re.findall(r'd="(.*?)" fill="var\(--gm-class-(\d)\)"', drawn) == [
        ("M5 2h1v1h-1z", "3"), ("M2 1h3v1h-3zM0 2h1v1h-1z", "7"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("share", "told"), [(1.0, "100.0 %"), (0.9999, "> 99.9 %"), (0.5, "50.0 %"), (0.0, "0.0 %")]
)
def test_certainty_is_never_rounded_up(share: float, told: str):
    assert answers.percent(share) == told


def test_densities_are_ranked_among_test_digits():
    ink = np.zeros((28, 28), np.uint8)
    told = answers.density([(ink, 75.04), (ink, 300.0)], np.arange(100.0))
    assert "75.0 nats more than 76 % of test digits" in words(told)
    assert "300.0 nats more than 100 % of test digits" in words(told)
    assert "315 nats" in told, "the axis reaches to what is farthest out"
    assert "of test digits" not in answers.density([(ink, 75.0)], None)
