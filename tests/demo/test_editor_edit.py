"""Edits with a tiny network: what is made, understood, measured, advised, saved, and refused."""

from __future__ import annotations

import base64
import io
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
from PIL import Image

import gm_core
from demo.activities import ModelTab
from demo.components import easel
from demo.editor import EDITORS, EXAMPLES, draw, edit, editing, shelf
from gm_core import checkpoints
from gm_core.instruct_pix2pix import Understanding
from gm_core.scenes import EDITS, apply
from tests.demo.conftest import connect
from tests.demo.test_api import call
from tests.gm_core.tiny import tiny

MODEL = "instruct-pix2pix-mini"
WORDS = "give her sunglasses"


def save_editor(folder: Path) -> None:
    """A tiny editor as the app finds it."""
    checkpoints.save(
        folder / MODEL,
        tiny("instruct-pix2pix"),
        family="instruct-pix2pix",
        dataset="edits",
        training={"seed": 0},
    )
    edit.opening_edit.cache_clear()  # it may be another network's


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        save_editor(folder)
        yield folder
    edit.opening_edit.cache_clear()


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    assert folder.exists()
    with gr.Blocks() as demo:
        edit.build(ModelTab("ip2p", (MODEL,)))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


def on_easel(place: tuple[int, int] | None = (0, 3), mask: Any = None) -> dict[str, Any]:
    pixels = draw(shelf(0)[3], 64)
    return easel.Canvas(pixels, place, mask).payload()


def asked(**changes: Any) -> list[Any]:
    values = {
        "source": on_easel(), "instruction": WORDS, "text": 1.5, "image": 1.1, "seed": 7,
        "model": MODEL, "steps": 3, "sampler": "ddim", "second": "", "masked": True,
    }  # fmt: skip
    return list((values | changes).values())


def pixels(address: str) -> np.ndarray:
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def library(words: str, **changes: Any) -> list[np.ndarray]:
    """What gm_core makes of the picture."""
    settings: dict[str, Any] = {
        "steps": 3, "guidance_scale": 1.5, "image_guidance_scale": 1.1, "seed": 7
    }  # fmt: skip
    image = shelf(0)[3].draw(64) / 255
    frames = gm_core.load(MODEL).edit(image, words, **settings | changes)
    return [(255 * frame.image).round().byte().permute(1, 2, 0).numpy() for frame in frames]


def test_an_edit_ends_where_the_library_ends(url: str):
    client = connect(url)
    view, told, *used, _ = *client.predict(*asked(), api_name="/ip2p_edit"), None
    [lane] = view["lanes"]
    for shown, wanted in zip(lane["frames"], library(WORDS), strict=True):
        assert np.array_equal(pixels(shown), wanted)
    assert np.array_equal(pixels(view["source"]), draw(shelf(0)[3], 64))
    assert (view["steps"], view["total"], view["runs"]) == ([1, 2, 3], 3, False)
    assert re.fullmatch(
        r"3 steps in \d+\.\d s, text guidance 1\.5, image guidance 1\.1, seed 7\.", told
    )
    assert used == [1.5, 1.1, 7, 3]

    for file_type, format in (("png", "PNG"), ("gif", "GIF"), ("webp", "WEBP")):
        saved = client.predict(file_type, api_name="/ip2p_edit_export")
        assert saved["name"] == f"{MODEL}-edit-seed7.{file_type}"
        picture = Image.open(io.BytesIO(base64.b64decode(saved["url"].partition(",")[2])))
        assert (picture.format, picture.size) == (format, (448, 448))
        assert getattr(picture, "n_frames", 1) in ((1,) if file_type == "png" else (2, 3))
        if file_type == "png":
            corners = np.asarray(picture)[3::7, 3::7]
            assert np.array_equal(corners, library(WORDS)[-1])
    saved = client.predict("json", api_name="/ip2p_edit_export")
    assert json.loads(base64.b64decode(saved["url"].partition(",")[2])) == {
        "model": MODEL, "picture": "shelf 0, place 3", "instructions": [WORDS], "steps": 3,
        "guidance_scale": 1.5, "image_guidance_scale": 1.1, "seed": 7, "sampler": "ddim",
        "masked": False,
    }  # fmt: skip


def test_two_wordings_within_a_mask(folder: Path):
    assert folder.exists()
    mask = np.zeros((64, 64), np.bool_)
    mask[20:40, 10:50] = True
    source = on_easel(mask=mask)
    other = "dark glasses, please"
    *_, (view, told, *_) = edit.edit(*asked(source=source, second=other))
    before = draw(shelf(0)[3], 64)
    assert [lane["title"] for lane in view["lanes"]] == [WORDS, other]
    for lane, words in zip(view["lanes"], (WORDS, other), strict=True):
        result = pixels(lane["frames"][-1])
        assert np.array_equal(result, library(words, mask=torch.from_numpy(mask))[-1])
        assert np.array_equal(result[~mask], before[~mask])
        assert ["Outside the mask", "0.0%", "of the pixels changed"] in lane["amounts"]
    assert told.endswith("seed 7.")
    *_, (view, *_) = edit.edit(*asked(source=source, masked=False))
    assert np.array_equal(pixels(view["lanes"][0]["frames"][-1]), library(WORDS)[-1])
    empty = on_easel(mask=np.zeros((64, 64), np.bool_))
    assert easel.read(empty, 64, 12).mask is None


def ask(place: tuple[int, int] | None = (0, 3)) -> editing.Ask:
    return editing.Ask(MODEL, draw(shelf(0)[3], 64), place, None, (WORDS,), 1, 1, 0, 3, "ddim")


def test_the_numbers_are_those_of_the_truth():
    before = shelf(0)[3].draw(64)
    truth = apply(shelf(0)[3], EDITS["sunglasses"]).draw(64)
    share = float(((before.int() - truth.int()).abs().amax(0) > 8).float().mean())
    named = {each.name: each for each in editing.amounts(truth / 255, ask(), truth)}
    assert (named["Carried out"].value, named["Remaining error"].value) == ("yes", "0%")
    assert named["Changed"].value == f"{share:.0%}"
    assert named["Changed"].means.endswith(f"{share:.0%} should")
    named = {each.name: each for each in editing.amounts(before / 255, ask(), truth)}
    assert (named["Carried out"].value, named["Remaining error"].value) == ("no", "100%")
    assert named["Changed"].value == "0%"
    beyond = truth / 255 + 2 * (truth / 255 - before / 255)
    named = {each.name: each for each in editing.amounts(beyond, ask(), truth)}
    assert (named["Carried out"].value, named["Remaining error"].value) == ("too much", "200%")
    [alone] = editing.amounts(before / 255, ask(None), None)
    assert (alone.name, alone.value) == ("Changed", "0%")


AVATAR, LANDSCAPE = shelf(0)[3], shelf(0)[6]
UNSURE = "Unsure: perhaps cap (40%) or beanie (30%). Say it in other words."
UNDERSTOOD = [
    ({"sunglasses": 0.9, "night": 0.8, "cap": 0.2}, 0.1, AVATAR, "Understood: sunglasses + night."),
    ({"glasses": 0.9}, 0.1, AVATAR, "Understood: glasses. The picture is like that already."),
    ({"beard": 0.9}, 0.1, LANDSCAPE, "Understood: beard. Beard means nothing to this landscape."),
    ({"lake": 0.9}, 0.1, AVATAR, "Understood: lake. Lake means nothing to this avatar."),
    ({"sunglasses": 0.9}, 0.1, None, f"Understood: sunglasses. {editing.OWN}"),
    ({"cap": 0.4, "beanie": 0.3, "night": 0.2}, 0.4, AVATAR, UNSURE),
    ({"cap": 0.01}, 0.2, AVATAR, editing.UNKNOWN),
    ({"cap": 0.9}, 0.95, AVATAR, editing.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("intents", "outside", "scene", "line"), UNDERSTOOD)
def test_what_is_understood_is_said(intents: Any, outside: float, scene: Any, line: str):
    assert editing.describe(Understanding(intents, outside), scene) == line


@pytest.mark.usefixtures("folder")
def test_the_line_follows_the_typing():
    source = on_easel()
    heard = gm_core.load(MODEL).understand("a beard")
    assert edit.read_line("a beard", source, MODEL) == editing.describe(heard, AVATAR)
    assert edit.read_line("  ", source, MODEL) == edit.READY
    assert edit.read_line(None, source, MODEL) == edit.READY
    assert edit.read_line("x" * 10_000, source, MODEL).startswith("That is too long")
    assert edit.read_line("a\x00b", source, MODEL).endswith("can't be read.")
    assert edit.take_chip(EXAMPLES[1]) == EXAMPLES[1]


MINI = EDITORS[MODEL]
MORE, LESS, FACE = edit.REMEDIES
OBEY = "the instruction counts for"
KEEP, HIGH = "of the picture is kept.", MINI.image.high
TURNED = [
    (MORE, 1.5, 1.1, (2.0, 1.1), f"text guidance goes from 1.5 to 2, so that {OBEY} more."),
    (MORE, 6, 1.1, (6, 0.9), f"image guidance goes from 1.1 to 0.9, so that less {KEEP}"),
    (LESS, 1.5, 1.1, (1.0, 1.1), f"text guidance goes from 1.5 to 1, so that {OBEY} less."),
    (LESS, 0, 1.1, (0, 1.3), f"image guidance goes from 1.1 to 1.3, so that more {KEEP}"),
    (FACE, 1.5, 1.1, (1.5, 1.3), f"image guidance goes from 1.1 to 1.3, so that more {KEEP}"),
    (FACE, 0, HIGH, (0, HIGH), "both guidances are at their ends. Try another wording."),
]  # fmt: skip


@pytest.mark.parametrize(("complaint", "text", "image", "then", "said"), TURNED)
def test_a_complaint_turns_one_guidance(complaint, text, image, then, said):
    *guidances, sentence = editing.remedy(complaint, text, image, MINI)
    assert tuple(guidances) == pytest.approx(then)
    assert sentence == f"{complaint}: {said}"


@pytest.mark.usefixtures("folder")
def test_a_complaint_edits_again():
    *_, (view, told, text, image, *_) = edit.complain("Lost the face")(*asked())
    wanted = library(WORDS, image_guidance_scale=1.3)[-1]
    assert np.array_equal(pixels(view["lanes"][0]["frames"][-1]), wanted)
    assert (text, image) == (1.5, 1.3)
    assert told.startswith("Lost the face: image guidance goes from 1.1 to 1.3, so that more")


@pytest.mark.usefixtures("folder")
def test_it_opens_with_an_edit():
    row, canvas = edit.open_pictures(MODEL)
    (waiting, *_), (view, told, _) = edit.open_edit(MODEL)
    place, words, seed = edit.OPENING
    assert (row["shelf"], row["chosen"], canvas["place"]) == (0, place, [0, place])
    assert [pixels(tile["src"]).tolist() for tile in row["tiles"]] == [
        draw(scene, 64).tolist() for scene in shelf(0)
    ]
    assert waiting["lanes"][0]["frames"] == []
    how = MINI.best
    wanted = library(
        words, seed=seed, steps=how.steps, guidance_scale=how.guidance_scale,
        image_guidance_scale=how.image_guidance_scale,
    )  # fmt: skip
    assert np.array_equal(pixels(view["lanes"][0]["frames"][-1]), wanted[-1])
    assert "in " not in told


@pytest.mark.usefixtures("folder")
def test_pictures_are_picked_and_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    canvas, line = edit.pick({"shelf": 5, "chosen": 9}, "", MODEL)
    assert np.array_equal(pixels(canvas["src"]), draw(shelf(5)[9], 64))
    assert (canvas["place"], line) == ([5, 9], edit.READY)
    lied = {**canvas, "src": on_easel()["src"]}
    assert np.array_equal(edit.read_easel(lied, MODEL).pixels, draw(shelf(5)[9], 64))
    row = edit.another({"shelf": 5})
    assert (row["shelf"], row["chosen"]) == (6, None)
    assert np.array_equal(pixels(row["tiles"][2]["src"]), draw(shelf(6)[2], 64))

    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    for file in (uploads / "own.png", tmp_path / "other.png"):
        Image.new("RGB", (30, 20), (10, 200, 90)).save(file)
    canvas, row, _ = edit.take_own({"path": str(uploads / "own.png")}, row, "", MODEL)
    assert (canvas["place"], row["chosen"]) == (None, None)
    assert (edit.read_easel(canvas, MODEL).pixels == (10, 200, 90)).all()
    assert [each["__type__"] for each in edit.take_own(None, row, "", MODEL)] == ["update"] * 3
    outside = (tmp_path / "other.png", uploads / "../other.png")
    for path in (*outside, uploads, uploads / "none.png", "a\x00b", f"{uploads}/{'x' * 10_000}"):
        with pytest.raises(gr.Error, match="can't be read: choose it again"):
            edit.take_own({"path": str(path)}, row, "", MODEL)


def test_a_stopped_edit_stays_to_be_seen():
    running = {"runs": True, "serial": 3, "steps": [2]}
    view, told = edit.stopped(running)
    assert (view["runs"], view["steps"]) == (False, [2])
    assert view["serial"] != 3
    assert told == edit.STOPPED
    assert "Nothing runs" in edit.stopped({"runs": False})[1]


def test_dice_stay_within_reach():
    for _ in range(50):
        text, image = edit.randomise_guidance(MODEL)
        assert MINI.text.dice[0] <= text <= MINI.text.dice[1]
        assert MINI.image.dice[0] <= image <= MINI.image.dice[1]
        assert 0 <= edit.randomise_seed() < 2**32


GIVEN = on_easel(None)
BAD: list[tuple[dict[str, Any], str]] = [
    ({"instruction": ""}, "Write an instruction first"),
    ({"instruction": None}, "Write an instruction first"),
    ({"instruction": ["a"]}, "Write an instruction first"),
    ({"instruction": "x" * 10_000}, "The instruction is 10,000 characters long"),
    ({"instruction": "a\x00b"}, "The instruction must be one line"),
    ({"second": "\x07"}, "The instruction must be one line"),
    ({"text": 10**400}, "Text guidance must be from 0 to 6."),
    ({"text": math.nan}, "Text guidance must be from 0 to 6."),
    ({"image": -1}, "Image guidance must be from 0 to 3."),
    ({"image": None}, "Image guidance must be a number from 0 to 3."),
    ({"seed": 0.5}, "Seed must be a whole number"),
    ({"steps": 10**9}, "Steps must be from 1 to 50."),
    ({"model": "none"}, "Model must be one of"),
    ({"sampler": 3}, "Sampler must be one of"),
    ({"masked": "yes"}, "Mask must be true or false."),
    ({"source": None}, "There is no picture"),
    ({"source": "<b>"}, "There is no picture"),
    ({"source": {**GIVEN, "place": [0, 12]}}, "The place on the shelf must be from 0 to 11."),
    ({"source": {**GIVEN, "place": [math.inf, 1]}}, "The shelf's number must be from 0 to"),
    ({"source": {**GIVEN, "place": 3}}, "A picture's place must be"),
    ({"source": {**GIVEN, "src": "data:image/png;base64,AAA"}}, "The picture must be a PNG of 64"),
    ({"source": {**GIVEN, "src": "/etc/passwd"}}, "The picture must be a PNG of 64 by 64 pixels."),
    ({"source": {**GIVEN, "src": easel.PNG}}, "The file is empty"),
    ({"source": {**GIVEN, "src": easel.PNG + "A" * 10**6}}, "The picture must be a PNG of 64"),
    ({"source": {**GIVEN, "mask": "AAAA"}}, "The mask must be 64 by 64 bits"),
    ({"source": {**GIVEN, "mask": "!" * 684}}, "The mask must be 64 by 64 bits"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_edits_get_one_sentence(url: str, changes: dict[str, Any], sentence: str):
    event, answer = call(url, "ip2p_edit", json.dumps({"data": asked(**changes)}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


def test_bad_clicks_get_one_sentence(url: str):
    for number in (None, -1, 10**400, math.nan, "1"):
        with pytest.raises(gr.Error, match="The shelf's number must be"):
            edit.another({"shelf": number})
        with pytest.raises(gr.Error, match="The place on the shelf must be"):
            edit.pick({"shelf": 0, "chosen": number}, "", MODEL)
    with pytest.raises(gr.Error, match="Example must be one of"):
        edit.take_chip("<script>")
    event, answer = call(url, "ip2p_edit_export", json.dumps({"data": ["exe"]}))
    assert (event, json.loads(answer)["error"].split(":")[0]) == (
        "error", "File type must be one of"
    )  # fmt: skip
    event, answer = call(url, "ip2p_edit_export", json.dumps({"data": ["png"]}))
    assert (event, json.loads(answer)["error"]) == ("error", editing.NO_EDIT)
