"""Chains of edits with a tiny editor: branches, drift, round trips, limits, and what is refused."""

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
from demo.components.drift import Place, draw
from demo.components.versions import branches
from demo.editor import chain, sources
from demo.editor.chain import MOST_VERSIONS, Settings, Version
from gm_core.edit_success import BEST
from gm_core.scenes import EDITS, apply, change
from tests.demo.conftest import connect
from tests.demo.test_api import call
from tests.demo.test_editor_guidance import MODEL, TAB, colours, save_editor

EDIT = "/instruct_pix2pix_chain"
PLACE = {"chosen": 5}
HOW = (1.5, 1.1, 0, MODEL, PLACE)  # text guidance, image guidance, seed, model, picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_editor(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def only_client(folder: Path) -> Iterator[Client]:
    assert folder.exists()
    with gr.Blocks() as demo:
        chain.build(TAB)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield connect(url)
    demo.close()


@pytest.fixture
def client(only_client: Client) -> Client:
    """In a session of its own."""
    only_client.reset_session()
    return only_client


def by_library(image: torch.Tensor, words: str) -> torch.Tensor:
    """uint8 (3, 64, 64) -> the same, edited."""
    *_, last = gm_core.load(MODEL).edit(
        image / 255,
        words,
        steps=BEST.steps,
        guidance_scale=1.5,
        image_guidance_scale=1.1,
        seed=0,
    )
    return (255 * last.image).round().byte()


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return math.sqrt(float((one.double() - other.double()).square().mean()))


def at(number: int) -> dict[str, int]:
    return {"chosen": number}


def test_output_becomes_input_and_any_version_can_branch(client: Client):
    client.predict(at(0), "shades on", *HOW, api_name=EDIT)
    grown, pair, drift, told = client.predict(at(1), "more shades", *HOW, api_name=EDIT)
    first = sources.picture(5, 64)
    one = by_library(first, "shades on")
    two = by_library(one, "more shades")
    assert grown["chosen"] == 2
    assert [version["parent"] for version in grown["versions"]] == [None, 0, 1]
    for version, image in zip(grown["versions"], (first, one, two), strict=True):
        assert np.array_equal(colours(version["src"]), image.permute(1, 2, 0))
    truth = apply(sources.scene(5), EDITS["sunglasses"]).draw()
    now, wanted = (colours(picture["src"]) for picture in pair["pictures"])
    assert np.array_equal(now, two.permute(1, 2, 0))
    assert np.array_equal(wanted, truth.permute(1, 2, 0))
    assert pair["pictures"][1]["title"] == "True result"
    changed = float(change(two, first).float().mean())
    numbers = ("2", f"{apart(two, first):.1f}", f"{apart(two, truth):.1f}", f"{changed:.0%}")
    assert "".join(f"<td>{number}</td>" for number in numbers) in drift
    assert told.startswith("Version 2: “more shades”, from version 1, seed 0. To the first")
    assert f"To the true result: {apart(two, truth):.1f} levels." in told

    grown, _, drift, _ = client.predict(at(0), "else", *HOW, api_name=EDIT)
    assert grown["branches"] == [[0, 1, 2], [3]]
    assert re.findall(r"<tr><td>(\d+)</td>", drift) == ["0", "3"]
    grown, pair, *_ = client.predict(at(2), PLACE, MODEL, api_name=f"{EDIT}_undo")
    assert grown["chosen"] == 1
    assert len(grown["versions"]) == 4
    grown, *_ = client.predict(at(3), PLACE, MODEL, api_name=f"{EDIT}_go")
    assert grown["chosen"] == 3
    words, grown, *_ = client.predict(at(6), "dye the hair pink", MODEL, api_name=f"{EDIT}_restart")
    assert words == "add a lake"  # what means something to a landscape
    assert len(grown["versions"]) == 1


def test_nobody_sees_another_ones_versions(client: Client):
    client.predict(at(0), "shades", *HOW, api_name=EDIT)
    client.reset_session()
    grown, *_ = client.predict(at(0), PLACE, MODEL, api_name=f"{EDIT}_go")
    assert len(grown["versions"]) == 1
    with pytest.raises(Exception, match="Version must be from 0 to 0"):
        client.predict(at(1), PLACE, MODEL, api_name=f"{EDIT}_go")


def test_a_round_trip_leads_away_and_back(client: Client):
    job = client.submit(at(0), 1, *HOW, api_name=f"{EDIT}_round_trip")
    grown, *_ = job.result()
    words = [version["words"] for version in grown["versions"]]
    assert words == ["first picture", "give her sunglasses", "take the glasses off"]
    assert [version["parent"] for version in grown["versions"]] == [None, 0, 1]
    # What they mean leads back, whatever the picture.
    meant = {words: EDITS[name] for pair in chain.ROUND_TRIPS for words, name in pair}
    for place in range(sources.COUNT):
        scene = sources.scene(place)
        version = Version(None, "", 0, 64, b"", scene)
        away, back = (meant.get(each) for each in chain.round_trip(version))
        if away and back:
            assert apply(scene, away).choices != scene.choices
            assert apply(scene, away, back).choices == scene.choices
        else:
            assert chain.round_trip(version)[1] == f"make the shirt {scene.choices['shirt']}"
    assert chain.round_trip(Version(None, "", 0, 64, b"", None)) == tuple(words[1:])


def test_no_more_versions_than_are_kept(folder: Path):
    assert folder.exists()
    first = chain.begin(5, 64)[0]
    later = Version(0, "shades", 0, 64, first.data, None)
    tree = (first, *[later] * (MOST_VERSIONS - 2))
    settings = Settings(MODEL, 1.5, 1.1, 0)
    *_, (*_, _, kept), (grown, _, _, told, last) = chain.follow(tree, 0, ["on", "off"], settings)
    assert (len(kept), len(last)) == (MOST_VERSIONS, MOST_VERSIONS)
    assert told == chain.FULL
    assert grown["chosen"] == MOST_VERSIONS - 1
    # Of what comes from the unknown, the true result stays unknown.
    assert chain.goal(later, "shades", MODEL) is None
    shown = chain.show_pair(first.image, later.image, 1, None)
    assert shown["pictures"][1]["title"] == "First picture (true result not known)"


def test_the_drift_is_drawn_where_it_belongs():
    path = [Place(0, 0, 0, 0), Place(1, 20, 10, 0.5), Place(4, 40, None, 1)]
    drawn = draw(path)
    rising = re.search(r'class="first" points="([^"]*)"', drawn)
    assert rising
    x, y = zip(*(map(float, point.split(",")) for point in rising[1].split()), strict=True)
    assert x[2] - x[1] == pytest.approx(x[1] - x[0], abs=0.2)
    assert y[1] == pytest.approx((y[0] + y[2]) / 2, abs=0.1)
    assert y[0] > y[2]
    assert drawn.count('<rect class="truth"') == 2
    assert "<td>4</td><td>40.0</td><td>not known</td><td>100%</td>" in drawn


def test_branches_go_on_with_the_first_child():
    assert branches([None, 0, 1, 1, 0, 3]) == [[0, 1, 2], [3, 5], [4]]
    assert branches([]) == []
    for parents in ([0], [None, 1], [None, None], [None, 2, 0]):
        with pytest.raises(ValueError, match="can't have come from"):
            branches(parents)


GOOD = [at(0), "add a hat", *HOW]
BAD = [
    (EDIT, 0, None, "Version must be a number from 0 to 0."),
    (EDIT, 0, at(24), "Version must be from 0 to 0."),
    (EDIT, 0, at(-1), "Version must be from 0 to 0."),
    (EDIT, 1, None, "Write an instruction first"),
    (EDIT, 1, "x" * 10_000, "The instruction is 10,000 characters long"),
    (EDIT, 1, "a\nb", "The instruction must be one line"),
    (EDIT, 2, math.nan, "Text guidance must be from 0 to 6."),
    (EDIT, 3, 10**400, "Image guidance must be from 0 to 3."),
    (EDIT, 4, "0", "Seed must be a number from 0"),
    (EDIT, 5, None, f"Model must be one of: {MODEL}, "),
    (EDIT, 6, {"chosen": 3.5}, "Picture must be a whole number"),
    (f"{EDIT}_round_trip", 1, 10**9, "Round trips must be from 1 to 5."),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "at", "value", "says"), BAD, ids=range(len(BAD)))
def test_bad_edits_get_one_sentence(client: Client, endpoint: str, at: int, value: Any, says: str):
    sent = [*GOOD[:at], value, *GOOD[at + 1 :]]
    event, answer = call(client.src, endpoint[1:], json.dumps({"data": sent}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(says)


def test_the_first_picture_can_not_be_undone(client: Client):
    with pytest.raises(Exception, match="there is nothing to undo"):
        client.predict(at(0), PLACE, MODEL, api_name=f"{EDIT}_undo")
