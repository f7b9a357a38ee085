"""Collapse with tiny networks, one of which draws one thing: pictures, numbers, refusals."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client
from torch import Tensor

import gm_core
from demo.activities import ModelTab
from demo.components import census
from demo.components.census import Group
from demo.gan import collapse
from gm_core import checkpoints, data
from gm_core.neighbours import measure
from tests.demo.test_api import call, handler
from tests.demo.test_gan_generate import SIZES, as_tiles, lively, tiles
from tests.gm_core.tiny import tiny

HEALTHY, SICK = collapse.MODELS


def save_pair(folder: Path) -> None:
    """A tiny GAN of digits, another one to which z means next to nothing, and the classifier."""
    sick = lively("mnist")
    with torch.no_grad():
        sick.generator.first[0].weight[:, : sick.config.latent] *= 0.02
    for name, model in ((HEALTHY, lively("mnist")), (SICK, sick)):
        checkpoints.save(folder / name, model, family="gan", dataset="mnist", training={"seed": 0})
    checkpoints.save(
        folder / "classifier-mnist", tiny("classifier", **SIZES["mnist"]), family="classifier",
        dataset="mnist", training={"seed": 0},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_pair(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> gr.Blocks:
    assert folder.exists()
    with gr.Blocks() as demo:
        collapse.build(ModelTab("gan", collapse.MODELS))
    return demo


def seeds(first: str) -> Iterator[int]:
    """Seeds by which A is this model."""
    return (seed for seed in range(1_000) if collapse.order(seed)[0] == first)


def drawn(model: str, seed: int, start: int = 0) -> Tensor:
    """By the library: (25, 1, 28, 28)."""
    gan = gm_core.load(model)
    return gan.generate(gan.sample_latent(start + 25, seed=seed)[start:])


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    named = api["named_endpoints"]
    assert set(named) == {"/gan_collapse", "/gan_collapse_numbers"}
    parameters = named["/gan_collapse_numbers"]["parameters"]
    assert [p["parameter_name"] for p in parameters] == ["seed", "same_z", "prediction"]


def test_seeds_decide_who_is_who_and_do_not_tell():
    swapped = [collapse.order(seed) == (SICK, HEALTHY) for seed in range(100)]
    assert 30 <= sum(swapped) <= 70
    assert 30 <= sum(one != other for one, other in pairwise(swapped)) <= 70
    assert {frozenset(collapse.order(seed)) for seed in range(9)} == {frozenset(collapse.MODELS)}


@pytest.mark.parametrize("first", collapse.MODELS)
def test_a_and_b_are_drawn_by_the_seeds_order(client: Client, first: str):
    seed = next(seeds(first))
    pictures = client.predict(seed, True, api_name="/gan_collapse")
    for shown, model in zip(pictures, collapse.order(seed), strict=True):
        assert np.abs(tiles(shown) - as_tiles(drawn(model, seed))).max() <= 1
        assert "collapsed" not in json.dumps(shown)  # nothing tells which one it is


def test_the_second_may_have_its_own_z(client: Client):
    seed = next(seeds(HEALTHY))
    healthy, sick = client.predict(seed, False, api_name="/gan_collapse")
    assert np.abs(tiles(healthy) - as_tiles(drawn(HEALTHY, seed))).max() <= 1
    assert np.abs(tiles(sick) - as_tiles(drawn(SICK, seed, start=500))).max() <= 1


@pytest.mark.parametrize(
    ("prediction", "start"), [("A", "You predicted A, but B"), ("B", "As you predicted, B")]
)
def test_the_numbers_are_the_librarys(client: Client, prediction: str, start: str):
    seed = next(seeds(HEALTHY))
    told, table = client.predict(seed, True, prediction, api_name="/gan_collapse_numbers")
    assert told.startswith(f"{start} has collapsed. It was made sick on purpose")
    z = gm_core.load(HEALTHY).sample_latent(500, seed=seed)
    healthy, sick = (next(measure(gm_core.load(model), "mnist", z)) for model in collapse.MODELS)
    numbers = (healthy.generated, sick.generated, healthy.real)
    counts = []
    for pictures in numbers:
        assert pictures.shown is not None
        counts.append(torch.bincount(pictures.shown, minlength=10).tolist())
    titles = ("A: healthy", "B: collapsed", "Real: 500 test images")
    assert re.findall("<figcaption>(.*?)</figcaption>", table) == list(titles)
    bars = [int(count) for count in re.findall("<small>(.*?)</small>", table)]
    assert bars == [count for group in counts for count in group]
    told_numbers = re.findall("<td>([^<]+)</td>", table)
    covered = [f"{sum(count >= 5 for count in group)} of 10" for group in counts]
    shares = [
        [f"{100 * getattr(each, name):.0f} %" for each in numbers]
        for name in ("recall", "precision", "apart")
    ]
    assert told_numbers == [*covered, *(text for row in shares for text in row)]
    assert numbers[1].apart < numbers[0].apart / 5  # a number tells them apart


def test_a_new_seed_begins_again(demo: gr.Blocks):
    begin = handler(demo, "begin")
    first, second, prediction, told, table = begin(7, True)
    wanted = [as_tiles(drawn(model, 7)) for model in collapse.order(7)]
    for shown, images in zip((first, second), wanted, strict=True):
        assert np.abs(tiles(shown.props["pictures"]) - images).max() <= 1
    assert prediction is None
    assert told == collapse.WAITING
    assert "<table>" not in table
    assert all(part == gr.skip() for part in begin(None, True))


def test_the_dice_bring_the_pictures_of_the_seed_they_show(demo: gr.Blocks):
    seed, first, second, prediction, told, _ = handler(demo, "deal")(True)
    wanted = [as_tiles(drawn(model, seed)) for model in collapse.order(seed)]
    for shown, images in zip((first, second), wanted, strict=True):
        assert np.abs(tiles(shown.props["pictures"]) - images).max() <= 1
    assert (prediction, told) == (None, collapse.WAITING)


def test_nothing_is_revealed_without_a_prediction(demo: gr.Blocks):
    [(told, table)] = handler(demo, "reveal")(1, True, None)
    assert told == collapse.WAITING
    assert table == gr.skip()


BAD = [
    ((math.nan, True, "A"), "Seed must be from 0"), ((10**9 * 10**9, True, "A"), "Seed must be"),
    ((None, True, "A"), "Seed must be a number"), (([1], True, "A"), "Seed must be a number"),
    ((1, "yes", "A"), "The same z must be true or false."), ((1, None, "A"), "The same z must be"),
    ((1, True, "C"), "Prediction must be one of: A, B."), ((1, True, ["A"]), "Prediction must be"),
    ((1, True, None), collapse.WAITING),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "sentence"), BAD, ids=lambda value: str(value)[:20])
def test_bad_settings_get_one_sentence(url: str, settings: tuple[Any, ...], sentence: str):
    event, answer = call(url, "gan_collapse_numbers", json.dumps({"data": settings}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


def test_a_census_refuses_what_does_not_fit():
    group = Group("A", "A", "generated", counts=(1, 2), numbers=("1",))
    with pytest.raises(ValueError, match="has 2 counts and 1 numbers, not 3 and 1"):
        census.show([group], ["a number"], data.DATASETS["mnist"].class_names[:3], "")
