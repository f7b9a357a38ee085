"""Directions from marked avatars, with a tiny network: found, moved along, told, and refused."""

from __future__ import annotations

import base64
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
from torch import Tensor

import gm_core
from demo.activities import ModelTab
from demo.gan import directions
from gm_core import data
from gm_core.attributes import ATTRIBUTES
from gm_core.latent_walk import agreement, difference, regression, right_when_left_out
from tests.demo.conftest import connect
from tests.demo.test_api import call, handler
from tests.demo.test_gan_walk import COLOUR, decoded, differ, save_gan
from tests.demo.test_gan_walk import drawn as drawn_by

MODEL = directions.MODEL
MEANS, REGRESSION = directions.METHODS


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gr.Blocks]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_gan(folder, MODEL, **COLOUR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        with gr.Blocks() as demo:
            directions.build(ModelTab("gan", (MODEL,)))
        demo.launch(prevent_thread_lock=True, quiet=True)
        yield demo
        demo.close()


@pytest.fixture(scope="module")
def client(demo: gr.Blocks) -> Client:
    return connect(str(demo.local_url))


def codes(count: int, seed: int) -> Tensor:
    return gm_core.load(MODEL).sample_latent(count, seed=seed)


def drawn(z: Tensor) -> np.ndarray:
    return drawn_by(MODEL, z)


def marked(having: list[int], lacking: list[int]) -> tuple[Tensor, Tensor]:
    """The codes of marked avatars, and whether they have it."""
    z = codes(256, 0)[having + lacking]
    return z, torch.tensor([True] * len(having) + [False] * len(lacking))


def row(value: dict[str, Any]) -> np.ndarray:
    """The pictures of a row: (N, H, W, 3)."""
    pixels = np.frombuffer(base64.b64decode(value["pixels"]), np.uint8)
    return pixels.reshape(value["count"], value["height"], value["width"], 3)


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    names = {
        name: [p["parameter_name"] for p in endpoint["parameters"]]
        for name, endpoint in api["named_endpoints"].items()
    }
    assert names == {
        "/gan_direction": ["with_avatars", "without_avatars", "method", "seed", "amount"],
        "/gan_mark": ["attribute", "sheets"],
    }


@pytest.mark.parametrize(("method", "find"), [(MEANS, difference), (REGRESSION, regression)])
def test_avatars_move_along_what_was_marked(client: Client, method: str, find: Any):
    having, lacking = [3, 40, 255, 17], [8, 9, 100]
    picture, moved, still, told, table = client.predict(
        having, lacking, method, 7, -1.5, api_name="/gan_direction"
    )
    z, has = marked(having, lacking)
    d, start, others = find(z, has), codes(1, 7), codes(7, 1)
    assert differ(decoded(picture), drawn(start - 1.5 * d)[0]) <= 1
    assert differ(row(moved["rows"][0]), drawn(others - 1.5 * d)) <= 1
    assert moved["rows"][0]["title"] == "The others moved by −1.5σ"
    along = torch.cat([start + amount * d for amount in range(-3, 4)])
    assert differ(row(still["rows"][0]), drawn(along)) <= 1
    assert still["rows"][0]["names"] == ["−3σ", "−2σ", "−1σ", "0", "+1σ", "+2σ", "+3σ"]
    assert differ(row(still["rows"][1]), drawn(others)) <= 1
    assert differ(drawn(along[:1]), drawn(along[-1:])) > 3
    right, cosine = right_when_left_out(z, has, find), agreement(z, has, find)
    assert f"4 marked with it, 3 without. Left out one at a time, {right} of 7 fall" in told
    assert "(4 by always guessing the commoner)" in told
    assert f"cosine {cosine:.2f}".replace("-", "−") in told
    assert told.endswith("Fewer than 10 of each: mostly chance.")
    assert re.findall("<th scope=row>(.*?)</th>", table) == list(ATTRIBUTES)


def test_the_table_counts_what_the_judge_sees(client: Client):
    having, lacking = [1, 2, 3, 4], [5, 6, 7, 8]
    *_, table = client.predict(having, lacking, MEANS, 7, 0, api_name="/gan_direction")
    d, others, judge = difference(*marked(having, lacking)), codes(32, 1), directions.learn_judge()
    with torch.no_grad():
        seen = [judge(gm_core.load(MODEL).generate(others + amount * d)) for amount in (-3, 0, 3)]
    assert "of 32 unmarked avatars" in table
    for name in ATTRIBUTES:
        [cells] = re.findall(f"<th scope=row>{name}</th>(.*?)</tr>", table)
        *counts, right = re.findall("<td>(.*?)</td>", cells)
        assert [int(count) for count in counts] == [int(each[name].sum()) for each in seen]
        assert right == f"{100 * judge.accuracy[name]:.0f} %"


def test_too_few_marks_make_no_direction(client: Client):
    for having, lacking in [([], []), ([5], [1, 2, 3]), ([1, 2], [9])]:
        picture, moved, still, told, _ = client.predict(
            having, lacking, MEANS, 7, 3, api_name="/gan_direction"
        )
        assert told.startswith(f"Too few marks: {len(having)} with it, {len(lacking)} without.")
        assert differ(decoded(picture), drawn(codes(1, 7))[0]) <= 1
        assert differ(row(moved["rows"][0]), row(still["rows"][1])) <= 1


def test_many_marks_are_not_called_chance(client: Client):
    *_, told, _ = client.predict(
        list(range(10)), list(range(10, 20)), MEANS, 0, 0, api_name="/gan_direction"
    )
    assert "10 marked with it, 10 without" in told
    assert "mostly chance" not in told


def test_the_judge_is_right_on_avatars_it_did_not_learn_from():
    judge, sample = directions.learn_judge(), data.load("avatars", "sample")
    held_out = torch.arange(480) % 4 == 0
    assert judge.tested == int(held_out.sum()) == 120
    seen = judge(sample.images[held_out] / 255)
    known = data.attributes("avatars", sample.labels[held_out])
    for name in ATTRIBUTES:
        right = float((seen[name] == known[name]).double().mean())
        assert judge.accuracy[name] == pytest.approx(right)
        assert right > 0.85
    assert min(judge.accuracy["dark hair"], judge.accuracy["glasses"]) > 0.99


def test_the_judge_marks_all_sheets_that_were_seen(client: Client, demo: gr.Blocks):
    marks = client.predict("smile", 2, api_name="/gan_mark")
    with torch.no_grad():
        seen = directions.learn_judge()(gm_core.load(MODEL).generate(codes(256, 0)[:64]))["smile"]
    assert marks["with"] == seen.nonzero()[:, 0].tolist()
    assert sorted(marks["with"] + marks["without"]) == list(range(64))

    value = {"sheet": 1, "with": [3], "without": [], "preset": "smile"}
    shown = handler(demo, "mark_for_me")(value)
    assert shown == {"sheet": 1, **marks}


def test_it_opens_with_marks_by_the_judge(demo: gr.Blocks, client: Client):
    config: Any = demo.config
    [sheet] = [each["props"] for each in config["components"]
               if each["props"].get("elem_id") == "gan-directions-marks"]  # fmt: skip
    assert sheet["value"] == {"sheet": 0, **client.predict("glasses", 1, api_name="/gan_mark")}
    assert [tile["id"] for tile in sheet["props"]["page"]["tiles"]] == list(range(32))


GOOD: dict[str, Any] = {"with": [1, 2], "without": [3, 4], "method": MEANS, "seed": 0, "t": 1}
LISTS, WHICH = "“with” must be a list", "Each number of “with” must be"
BAD = [
    ("with", [256, 1], WHICH), ("with", [-1, 1], WHICH), ("with", [1.5, 2], WHICH),
    ("with", ["1", 2], WHICH), ("with", [math.nan, 2], WHICH), ("with", [10**400, 2], WHICH),
    ("with", [None, 2], WHICH), ("with", [1, 1], "“with” must have no avatar twice"),
    ("with", list(range(300)), LISTS), ("with", None, LISTS), ("with", {"1": 2}, LISTS),
    ("with", [3, 1], "An avatar must be “with” or “without”, not both"),
    ("without", "34", "“without” must be a list"), ("method", "magic", "Method must be one of"),
    ("method", None, "Method must be one of"), ("seed", math.inf, "Seed must be from"),
    ("seed", None, "Seed must be a number"), ("t", math.nan, "t must be from"),
    ("t", 3.1, "t must be from"), ("t", 10**9, "t must be from"), ("t", "1", "t must be a number"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "sentence"), BAD, ids=lambda each: str(each)[:12])
def test_bad_marks_get_one_sentence(demo: gr.Blocks, name: str, value: Any, sentence: str):
    settings = list((GOOD | {name: value}).values())
    event, answer = call(str(demo.local_url), "gan_direction", json.dumps({"data": settings}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "The marks must be lists"), ([1], "The marks must be lists"),
        ({}, "Sheet must be a number"), ({"sheet": 8, "with": [], "without": []}, "Sheet must be"),
        ({"sheet": 0}, "must be a list"), ({"sheet": 0, "with": [1], "without": [1]}, "not both"),
    ],
)  # fmt: skip
def test_what_is_no_sheet_is_refused(demo: gr.Blocks, value: Any, sentence: str):
    with pytest.raises(gr.Error, match=sentence):
        handler(demo, "turn")(value)
    with pytest.raises(gr.Error, match=sentence):
        handler(demo, "mark_for_me")(value)


def test_an_unknown_preset_is_refused(demo: gr.Blocks):
    value = {"sheet": 0, "with": [], "without": [], "preset": "hat"}
    with pytest.raises(gr.Error, match="Attribute must be one of"):
        handler(demo, "mark_for_me")(value)
