"""Off the distribution with tiny networks: what two judges say, what is refused, and bad input."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client

import gm_core
from demo.activities import ModelTab
from demo.components import judges
from demo.components.pad import Drawing, read
from demo.components.rank import percent
from demo.paradigms import refuse
from gm_core import checkpoints, data, outliers
from gm_core.randomness import stream
from tests.demo.test_api import call, handler
from tests.demo.test_race import save_tiny
from tests.gm_core.tiny import tiny

H = W = 28
TAB = ModelTab("paradigms", (refuse.CLASSIFIER, refuse.DENSITY))


def save_judges(folder: Path) -> None:
    """A tiny density model, measured on the test digits, so to speak, and a tiny classifier."""
    save_tiny(folder, (refuse.DENSITY,), height=H, width=W)
    classifier = tiny("classifier", height=H, width=W, classes=10)
    with torch.no_grad():
        classifier.head.weight.normal_(std=2)  # or every picture would be alike to it
    checkpoints.save(
        folder / refuse.CLASSIFIER,
        classifier,
        family="classifier",
        dataset="mnist",
        training={"seed": 0},
    )
    middle = by_library(refuse.examples().pixels[0])["nats"]
    order = torch.randperm(2000, generator=stream(0))
    checkpoints.write_sample(refuse.DENSITY, {"nats": middle + (order - 1000) / 4})


def by_library(pixels: np.ndarray) -> dict[str, Any]:
    """What both models say of a picture."""
    image = torch.from_numpy(pixels)[None, None]
    levels = data.binarise(image, stream(0))
    with torch.no_grad():
        nats = -float(gm_core.load(refuse.DENSITY).log_prob(levels)[0])
        shares = gm_core.load(refuse.CLASSIFIER)(image / 255).softmax(dim=1)[0]
    return {"nats": nats, "shares": shares.tolist()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        save_judges(folder)
        yield folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> gr.Blocks:
    assert folder.exists()
    with gr.Blocks() as demo:
        refuse.build(TAB)
    return demo


def drawing(pixels: np.ndarray) -> dict[str, Any]:
    return Drawing(pixels.astype(np.uint8), np.zeros((H, W), np.bool_)).payload()


def picture(name: str) -> np.ndarray:
    shelf = refuse.examples()
    return shelf.pixels[shelf.names.index(name)]


def test_the_endpoints_are_named_and_typed(client: Client):
    endpoints: Any = client.view_api(return_format="dict", print_info=False)
    named = endpoints["named_endpoints"]
    assert set(named) == {"/paradigms_refuse", "/paradigms_refuse_round"}
    names = [each["parameter_name"] for each in named["/paradigms_refuse"]["parameters"]]
    assert names == ["drawing", "passing", "two_sided"]
    assert "-log p(x) in nats" in named["/paradigms_refuse"]["description"]


@pytest.mark.parametrize("name", ["a 7", "T-shirt", "noise", "blank"])
def test_both_judges_say_what_their_models_say(client: Client, name: str):
    pixels = picture(name)
    said = client.predict(drawing(pixels), 99, False, api_name="/paradigms_refuse")
    wanted = by_library(pixels)
    assert list(said["probabilities"]) == list("0123456789")
    assert list(said["probabilities"].values()) == pytest.approx(wanted["shares"], abs=1e-5)
    assert said["nats"] == pytest.approx(wanted["nats"], abs=1e-3)
    reference = refuse.usual_nats()[0]
    assert said["refused"] == bool(wanted["nats"] > reference.quantile(0.99))
    best = int(np.argmax(wanted["shares"]))
    verdict = f"classifier says {best} with {percent(max(wanted['shares']))}. The density model "
    assert f"{verdict}{'refuses' if said['refused'] else 'answers'}" in said["verdict"]
    assert said["verdict"].startswith("Nothing is drawn, and still the") == (name == "blank")


@pytest.mark.usefixtures("folder")
def test_the_rank_is_counted():
    reference = torch.arange(1000).double()
    assert refuse.rank_of(989.5, reference) == "less likely than 99.0 % of 1,000 test digits"
    assert refuse.rank_of(9.5, reference) == "likelier than 99.0 % of 1,000 test digits"
    assert refuse.rank_of(1e9, reference) == "less likely than all 1,000 test digits"
    assert refuse.rank_of(-1.0, reference) == "likelier than all 1,000 test digits"


def test_what_is_too_likely_is_refused_by_a_two_sided_rule_only():
    for least, refused in ((-math.inf, False), (33.0, True)):
        score = judges.Score(32.0, least, 120.0, "likelier than most", "", refuse.TYPICAL)
        assert score.refused == refused
        shown = judges.density(np.linspace(30, 150, 1000), "nats", score)
        assert shown.count("<u ") == 1 + refused
        assert f"It <b>{'refuses' if refused else 'answers'}</b>" in shown
        assert refuse.TYPICAL in shown


@pytest.mark.usefixtures("folder")
def test_only_simple_pictures_bear_the_remark():
    rule = refuse.rule_from(99, False)
    reference = refuse.usual_nats()[0]
    for name in refuse.examples().names:
        score = refuse.score_of(picture(name), rule)
        assert bool(score.remark) == (score.nats < float(reference.quantile(0.005)))


def test_a_mark_that_is_farther_out_waits_at_the_end():
    far = judges.Score(9999.0, -math.inf, 120.0, "less likely than all", "")
    shown = judges.density(np.linspace(30, 150, 1000), "nats", far)
    assert "9,999.0 nats ▶" in shown
    assert '<div class="here" style="left:100.00%">' in shown


def test_the_gallery_lays_its_pictures_on_the_pad(demo: gr.Blocks):
    take = handler(demo, "take")
    names = refuse.examples().names
    first, last = take({"chosen": names.index("checks")}, 99, False)
    assert np.array_equal(read(first[0], H, W).pixels, picture("checks"))
    shares = by_library(picture("checks"))["shares"]
    heights = [float(height) for height in re.findall(r"height:([\d.]+)%", first[1])]
    assert heights == pytest.approx([100 * share for share in shares], abs=0.06)
    assert first[4] == {"chosen": names.index("checks")}
    assert f"{by_library(picture('checks'))['nats']:,.1f} nats" in last[3]


def test_a_drawing_is_no_picture_of_the_gallery(demo: gr.Blocks):
    pixels = picture("blank").copy()
    pixels[10:18, 14] = 200
    (_, _, _, chosen, ruled), _ = handler(demo, "look")(drawing(pixels), 90, True)
    assert chosen == {"chosen": None}
    nats = refuse.usual_nats()[0]
    assert ruled.props["rule"]["least"] == pytest.approx(float(nats.quantile(0.05)))
    assert ruled.props["rule"]["most"] == pytest.approx(float(nats.quantile(0.95)))


def test_the_round_counts_what_either_judge_refuses(client: Client):
    for two_sided in (False, True):
        rows = client.predict(90, two_sided, api_name="/paradigms_refuse_round")
        digits, *others, total = rows
        assert [row["kind"] for row in others] == list(outliers.KINDS)
        assert (digits["pictures"], digits["auroc"]) == (1000, None)
        clothes = others[list(outliers.KINDS).index("clothes")]
        judged = refuse.judged("clothes")
        rule = refuse.rule_from(90, two_sided)
        assert digits["refused"] == int(rule.refuses(refuse.usual_nats()[1]).sum())
        wanted = (judged.nats > rule.most) | (judged.nats < rule.least)
        assert clothes["refused"] == int(wanted.sum())
        assert clothes["refused_by_certainty"] == int((judged.doubt > rule.doubt).sum())
        doubt = outliers.auroc(refuse.usual_doubt(1), judged.doubt)
        assert clothes["auroc_by_certainty"] == pytest.approx(doubt)
        for count in ("pictures", "refused", "refused_by_certainty"):
            assert total[count] == sum(row[count] for row in others)


def test_the_round_sends_every_row_in_the_end(demo: gr.Blocks):
    *_, last = handler(demo, "measure")()
    assert len(last["rows"]) == len(outliers.KINDS) + 2
    assert all(len(row["nats"]) == len(row["doubt"]) for row in last["rows"])


def test_without_figures_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("GM_CHECKPOINTS", str(tmp_path))
    save_tiny(tmp_path, (refuse.DENSITY,), height=H, width=W)
    with gr.Blocks() as demo:
        refuse.build(TAB)
    [told] = [block.value for block in demo.blocks.values() if isinstance(block, gr.HTML)]
    assert "python -m gm_core.evaluate pixelcnn-mnist" in told


GOOD = {"drawing": drawing(np.zeros((H, W))), "passing": 99, "two_sided": False}
BAD = [
    ({"drawing": None}, "The drawing must be 28 by 28 pixels"),
    ({"drawing": math.nan}, "The drawing must be 28 by 28 pixels"),
    ({"drawing": GOOD["drawing"] | {"height": 27}}, "The drawing must be 28 by 28 pixels"),
    ({"drawing": GOOD["drawing"] | {"pixels": "A" * 10}}, "The drawing must be 28 by 28 pixels"),
    ({"passing": 49}, "Test digits that pass must be from 50.0 to 100."),
    ({"passing": 101}, "Test digits that pass must be from 50.0 to 100."),
    ({"passing": math.nan}, "Test digits that pass must be from 50.0 to 100."),
    ({"passing": -math.inf}, "Test digits that pass must be from 50.0 to 100."),
    ({"passing": "99"}, "Test digits that pass must be a number from 50.0 to 100."),
    ({"two_sided": "yes"}, "Two-sided must be true or false."),
    ({"two_sided": None}, "Two-sided must be true or false."),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD)
def test_bad_input_gets_one_sentence(url: str, changes: dict[str, Any], sentence: str):
    event, answer = call(
        url, "paradigms_refuse", json.dumps({"data": list((GOOD | changes).values())})
    )
    assert event == "error"
    assert sentence in json.loads(answer)["error"]
    assert len(answer) < 300


@pytest.mark.parametrize(
    "chosen", [None, {}, {"chosen": 99}, {"chosen": math.nan}, {"chosen": "7"}]
)
def test_what_is_not_in_the_gallery_is_refused(demo: gr.Blocks, chosen: Any):
    with pytest.raises(gr.Error, match="Picture must be"):
        next(handler(demo, "take")(chosen, 99, False))


def test_after_a_refusal_the_next_request_works(url: str):
    for body in ([], [None, None, None]):
        event, _ = call(url, "paradigms_refuse", json.dumps({"data": body}))
        assert event in ("error", "refused")
    event, _ = call(url, "paradigms_refuse", json.dumps({"data": list(GOOD.values())}))
    assert event == "complete"
