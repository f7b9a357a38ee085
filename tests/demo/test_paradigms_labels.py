"""Labels on, off and wrong, and a budget of labels: handlers, endpoints, refusals."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import gradio as gr
import pytest

from demo.activities import ModelTab
from demo.components.accuracies import Accuracies, Line
from demo.paradigms import budget, labels
from gm_core import label_budget as lab
from gm_core.label_budget import METHODS, Point, Score
from tests.demo.conftest import connect
from tests.demo.test_api import call, handler


@pytest.fixture(scope="module")
def demo() -> gr.Blocks:
    tab = ModelTab("paradigms", ())
    with gr.Blocks() as demo:
        labels.build(tab)
        budget.build(tab)
    return demo


def live(payload: dict[str, Any], method: str) -> dict[str, Any]:
    """The curve of a method that was learnt here."""
    [line] = [
        line for line in payload["lines"] if line["method"] == method and not line["isBeforehand"]
    ]
    return line


def test_the_actions_are_named_and_typed(url: str):
    api: Any = connect(url).view_api(return_format="dict", print_info=False)
    named = {
        name: [each["parameter_name"] for each in endpoint["parameters"]]
        for name, endpoint in api["named_endpoints"].items()
    }
    assert named == {
        "/paradigms_labels": ["dataset", "labels", "wrong", "seed"],
        "/paradigms_labels_noise": ["dataset", "seed"],
        "/paradigms_labels_seen": ["dataset", "labels", "wrong", "seed"],
        "/paradigms_budget": ["dataset", "source", "methods", "most", "runs", "seed"],
    }


# --- labels --------------------------------------------------------------------------------------


def test_the_card_greys_y_out_and_marks_what_is_false(demo: gr.Blocks):
    seen = handler(demo, "seen")
    on, off, wrong, all_wrong = (
        seen("fashion", mode, share, 3)
        for mode, share in (("on", 40), ("off", 40), ("wrong", 40), ("wrong", 100))
    )
    kinds = [
        [html.count(f'<li class="{kind}">') for kind in ("true", "none", "false")]
        for html in (on, off, wrong, all_wrong)
    ]
    assert kinds[0] == [12, 0, 0]
    assert kinds[1] == [0, 12, 0]
    assert kinds[2][0] > 0
    assert kinds[2][2] > 0
    assert kinds[3] == [0, 0, 12]
    assert "y = " not in off
    assert "of which 400 are wrong" in wrong
    pictures = [re.findall('src="([^"]+)"', html) for html in (on, off, wrong)]
    assert pictures[0] == pictures[1] == pictures[2]
    for y, truth in re.findall("y = ([^<]+)</span><small>✗ is ([^<]+)<", all_wrong):
        assert y != truth


def test_labels_are_learnt_and_tried_again(demo: gr.Blocks, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(labels, "RUNS", 1)
    teach = handler(demo, "teach")
    *_, (payload, told, kept) = teach("mnist", "on", 0, 0, None)
    [[x, mean, spread, runs]] = live(payload, "supervised")["points"]
    assert (x, runs) == (0, 1)
    assert mean > 0.85
    assert spread is None  # of a single run
    scores = list(lab.label_noise("mnist", "sample", methods=METHODS[:2], shares=[0], seeds=1))
    means = {method: points[0].mean for method, points in lab.summarise(scores, _wrong).items()}
    assert mean == means["supervised"]
    level = live(payload, "clustering")["level"]
    assert level == means["clustering"]
    assert told.startswith(f"True labels: the CNN is right on {100 * mean:.1f} %, k-means which")

    json.dumps(kept)  # small and plain
    *_, (payload, told, kept) = teach("mnist", "off", 0, 0, kept)
    assert len(live(payload, "supervised")["points"]) == 1
    assert live(payload, "clustering")["level"] == level
    assert told.startswith("No y, no loss")

    *_, (payload, told, kept) = teach("mnist", "wrong", 100, 0, kept)
    points = live(payload, "supervised")["points"]
    assert [point[0] for point in points] == [0, 1]
    assert points[1][1] < 0.15
    assert live(payload, "clustering")["level"] == pytest.approx(level)
    assert "worse than guessing" in told
    # What was tried with other pictures is another curve.
    first, *_ = teach("fashion", "on", 0, 0, kept)
    assert live(first[0], "supervised")["points"] == []


def _wrong(score: Score) -> float:
    return score.wrong


@pytest.mark.parametrize(
    ("supervised", "told"),
    [
        ((0.9, 0.8, 0.7), "k-means does not move: 60.0 %. The CNN stays above it."),
        ((0.9, 0.5, 0.1), "and is behind it at 50 % wrong labels (50.0 %)."),
    ],
)
def test_a_curve_is_summed_up(supervised: tuple[float, ...], told: str):
    shares = (0.0, 0.5, 1.0)
    scores = [
        score
        for share, accuracy in zip(shares, supervised, strict=True)
        for score in (
            Score("supervised", 1000, share, 0, accuracy, 1, 6),
            Score("clustering", 0, share, 0, 0.6, 1, 6),
        )
    ]
    assert labels.conclusion(scores, shares, "mnist").endswith(told)


def test_settings_turn_the_card_at_once(demo: gr.Blocks):
    turn = _first(demo, "turn")
    card, payload, slider = turn("mnist", "wrong", 30, 5, None)
    assert "of which 300 are wrong" in card
    assert payload["chosen"] == pytest.approx(0.3)
    assert slider.interactive
    assert turn("mnist", "on", 30, None, None) == (gr.skip(),) * 3


def _first(demo: gr.Blocks, name: str) -> Any:
    """The handler of the first of both activities."""
    return next(fn.fn for fn in demo.fns.values() if fn.name == name)


# --- budget --------------------------------------------------------------------------------------


def test_a_budget_fills_in_and_is_told(url: str):
    asked = ["fashion", "sample", ["spreading", "clustering"], 3, 2, 1]
    job = connect(url).submit(*asked, api_name="/paradigms_budget")
    payload, told = job.result()
    points = live(payload, "spreading")["points"]
    assert [(x, runs) for x, _, _, runs in points] == [(10, 2), (20, 2), (30, 2)]
    assert {line["method"] for line in payload["lines"]} == {"spreading", "clustering"}
    assert told.startswith("8 runs in ")
    assert "label spreading" in told
    level = live(payload, "clustering")["level"]
    assert f"k-means reaches {100 * level:.1f} % without a label" in told
    counts = [len(live(output[0], "spreading")["points"]) for output in job.outputs()]
    assert counts == sorted(counts)
    assert counts[0] == 0
    scores = lab.label_budget(
        "fashion", "sample", methods=["spreading"], budgets=[1, 2, 3], seeds=2, first_seed=1
    )
    curve = lab.summarise(scores, lambda score: score.labels)["spreading"]
    assert [point[1] for point in points] == pytest.approx([point.mean for point in curve])


BAD = [
    ("paradigms_budget", ["mnist", "sample", [], 5, 1, 0], "No method is chosen"),
    ("paradigms_budget", ["mnist", "sample", None, 5, 1, 0], "Methods must be given as a list."),
    ("paradigms_budget", ["mnist", "sample", ["svm"], 5, 1, 0], "Method must be one of"),
    ("paradigms_budget", ["mnist", "sample", [["probe"]], 5, 1, 0], "Method must be one of"),
    ("paradigms_budget", ["mnist", "sample", ["probe"], 101, 1, 0], "There are 100 pictures of"),
    ("paradigms_budget", ["mnist", "sample", ["probe"], math.inf, 1, 0], "There are 100 pictures"),
    ("paradigms_budget", ["mnist", "sample", ["probe"], 0, 1, 0], "Labels a class must be from 1"),
    ("paradigms_budget", ["mnist", "sample", ["probe"], math.nan, 1, 0], "Labels a class must be"),
    ("paradigms_budget", ["mnist", "sample", ["probe"], 2.5, 1, 0], "Labels a class must be a"),
    ("paradigms_budget", ["mnist", "sample", ["probe"], None, 1, 0], "Labels a class must be a"),
    ("paradigms_budget", ["mnist", "sample", ["probe"], 5, 0, 0], "Draws of labels must be from"),
    ("paradigms_budget", ["mnist", "sample", ["probe"], 5, 99, 0], "Draws of labels must be from"),
    ("paradigms_budget", ["mnist", "sample", ["probe"], 5, 1, -1], "Seed must be from 0"),
    ("paradigms_budget", ["mnist", "full", ["probe"], 5, 1, 0], "Pictures must be one of"),
    ("paradigms_budget", ["cifar", "sample", ["probe"], 5, 1, 0], "Data set must be one of"),
    ("paradigms_labels", ["mnist", "maybe", 10, 0], "Labels must be one of: on, off, wrong."),
    ("paradigms_labels", ["mnist", "wrong", math.nan, 0], "Wrong labels must be from 0 to 100."),
    ("paradigms_labels", ["mnist", "wrong", 101, 0], "Wrong labels must be from 0 to 100."),
    ("paradigms_labels", ["mnist", "wrong", [40], 0], "Wrong labels must be a number"),
    ("paradigms_labels", [None, "on", 0, 0], "Data set must be one of: mnist, fashion."),
    ("paradigms_labels_noise", ["mnist", 1.5], "Seed must be a whole number"),
    ("paradigms_labels_seen", ["mnist", "on", "many", 0], "Wrong labels must be a number"),
]


@pytest.mark.parametrize(("endpoint", "asked", "sentence"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_gets_one_sentence(url: str, endpoint: str, asked: list[Any], sentence: str):
    event, answer = call(url, endpoint, json.dumps({"data": asked}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


def test_the_full_set_is_refused_where_it_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("GM_DATA_DIR", str(tmp_path))
    with pytest.raises(gr.Error, match="does not lie on this machine"):
        budget.read("mnist", "part", ["probe"], 5, 1, 0)


def test_a_run_that_was_left_hinders_nobody(demo: gr.Blocks):
    run = handler(demo, "run")
    asked = ("mnist", "sample", ["probe"], 2, 1, 9)
    left = run(*asked)
    next(left)
    left.close()
    *_, (payload, told) = run(*asked)
    assert len(live(payload, "probe")["points"]) == 2
    assert told.startswith("2 runs in")


def test_curves_that_cannot_be_drawn_are_refused():
    def drawn(*lines: Line, low: float = 10) -> dict[str, Any]:
        return Accuracies(lines, x_name="x", scale="log", ends=(low, 100), here="").payload()

    assert drawn()["ends"] == [10, 100]
    with pytest.raises(ValueError, match="can't go from 0 to 100"):
        drawn(low=0)
    with pytest.raises(ValueError, match="'CNN' is not finite"):
        drawn(Line("CNN", "supervised", (Point(10, math.nan, None, 1),)))
