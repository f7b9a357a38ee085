"""One prompt to every family, with tiny networks: what is drawn, kept, said of it and measured."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import gm_core
from gm_core import checkpoints, data, prompt
from gm_core.autoregressive import PixelModel
from gm_core.families import split_name
from gm_core.neighbours import compare
from gm_core.prompt import AT_ONCE, MOST_TRIES, Reply, ask, bound_of
from gm_core.randomness import stream
from tests.gm_core.tiny import decided, tiny

SIZE = {"height": 28, "width": 28}
NAMES = ("pixelrnn-diagonal-mnist", "pixelcnn-mnist", "vae-mnist", "gan-mnist")
COUNT, SEED = 6, 3


def lively(name: str) -> Any:
    """A tiny model of 28 by 28 pixels whose pictures differ."""
    family, _ = split_name(name)
    if family.startswith("pixel"):
        return decided(family, classes=10, **SIZE)
    if family == "vae":
        model = tiny(family, **SIZE)
        with torch.no_grad():
            model.decoder[0].weight *= 20
        return model
    model = tiny(family, classes=10, **SIZE)
    if family == "gan":
        with torch.no_grad():
            model.generator.first[0].weight *= 6
    else:  # a classifier that tells them apart, but never calls one a 5
        with torch.no_grad():
            model.head.weight *= 20
            model.head.bias[5] = -1e4
    return model


def save(folder: Path, names: tuple[str, ...]) -> None:
    """Checkpoints of such models, under the names of real ones."""
    for name in names:
        family, dataset = split_name(name)
        checkpoints.save(
            folder / name, lively(name), family=family, dataset=dataset, training={"seed": 0}
        )


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save(folder, (*NAMES, "classifier-mnist"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        yield folder


def asked(name: str, label: int | None, count: int = COUNT, seed: int = SEED) -> list[Reply]:
    return list(ask(gm_core.load(name), "mnist", label=label, count=count, seed=seed))


@functools.cache
def tried() -> tuple[Tensor, Tensor]:
    """The first pictures that a search draws, and what the classifier takes them for."""
    vae, classifier = gm_core.load("vae-mnist"), gm_core.load("classifier-mnist")
    images = vae.decode(vae.sample_latent(4 * AT_ONCE, seed=SEED))
    return images, classifier.classify(images).argmax(dim=1)


@pytest.mark.parametrize(("name", "label"), [(NAMES[0], None), (NAMES[1], 4)])
def test_pixel_after_pixel_with_an_exact_likelihood(name: str, label: int | None):
    model: PixelModel = gm_core.load(name)
    records = asked(name, label)
    *_, frame = model.sample(COUNT, seed=SEED, label=label)
    last = records[-1]
    assert torch.equal(last.images, frame.images)
    assert last.nats is not None
    assert torch.allclose(last.nats, -model.log_prob(frame.levels, label).double(), atol=1e-3)
    steps = [record.step for record in records]
    assert steps == [*range(56, 785, 56), 784]  # two rows at a time, and measured
    assert all(record.nats is None for record in records[:13])
    seconds = [record.seconds for record in records]
    assert 0 < seconds[0] <= seconds[-1]
    assert seconds == sorted(seconds)
    assert (last.total, last.tried, last.is_told) == (784, COUNT, True)
    assert (last.likelihood, last.latent) == ("exact", None)
    assert last.measured is not None
    assert last.measured.real.apart == pytest.approx(binary_apart(label), rel=1e-4)


def binary_apart(label: int | None) -> float:
    """How far the first real pictures, in black and white, are apart."""
    sample = data.load("mnist", "sample")
    chosen = sample.labels == label if label is not None else torch.ones(len(sample)).bool()
    pictures = data.binarise(sample.images, stream(0))[chosen][:COUNT].float()
    apart = [(a - b).square().mean().sqrt() for a, b in combinations(pictures, 2)]
    return float(torch.stack(apart).mean())


@pytest.mark.parametrize("label", [None, 4])
def test_at_once_without_a_likelihood(label: int | None):
    model = gm_core.load("gan-mnist")
    first, last = asked("gan-mnist", label)
    assert torch.allclose(
        last.images, model.generate(model.sample_latent(COUNT, seed=SEED), label), atol=1e-6
    )
    assert (first.measured, last.nats, last.likelihood) == (None, None, "none")
    assert (last.step, last.total, last.tried, last.is_told) == (1, 1, COUNT, True)
    assert last.latent == model.config.latent
    told, wanted = last.measured, compare("mnist", last.images, label=label)
    assert told is not None
    assert (told.generated.precision, told.generated.recall) == (
        wanted.generated.precision, wanted.generated.recall
    )  # fmt: skip
    assert told.real.apart == wanted.real.apart


def test_a_class_that_nobody_tells_is_searched_for():
    images, shown = tried()
    label = int(shown.bincount().argmax())
    places = (shown == label).nonzero()[:COUNT, 0]
    _, last = asked("vae-mnist", label)
    assert torch.allclose(last.images, images[places], atol=1e-5)
    assert last.tried == int(places[-1]) + 1
    assert (last.likelihood, last.is_told, last.total) == ("bound", False, 1)
    assert last.measured is not None
    assert last.measured.generated.shown is not None
    assert (last.measured.generated.shown == label).all()


def test_a_long_search_goes_on_where_it_was():
    images, shown = tried()
    label = int(shown.bincount().argmax())
    places = (shown == label).nonzero()[:, 0]
    count = int((places < AT_ONCE).sum()) + 2  # more than the first pictures hold
    _, last = asked("vae-mnist", label, count=count)
    assert last.tried > AT_ONCE
    assert torch.allclose(last.images, images[places[:count]], atol=1e-5)


def test_any_class_is_no_search():
    images, _ = tried()
    _, last = asked("vae-mnist", None)
    assert torch.allclose(last.images, images[:COUNT], atol=1e-5)
    assert last.tried == COUNT


def test_a_search_in_vain_ends():
    [record] = asked("vae-mnist", 5)
    assert (len(record.images), record.tried, record.measured) == (0, MOST_TRIES, None)
    assert record.nats is not None
    assert len(record.nats) == 0


def test_the_bound_is_one():
    """Of a decoder that ignores z, whose encoder answers with the prior, the bound is exact."""
    model = tiny("vae", **SIZE).requires_grad_(False)
    for parameter in (model.decoder[0].weight, *model.encoder[-1].parameters()):
        parameter.zero_()
    z = model.sample_latent(200, seed=1)
    nats = bound_of(model, z, seed=1)
    white = model.decode(z[:1]).double()
    entropy = -(white * white.log() + (1 - white) * (1 - white).log()).sum()
    assert nats.shape == (200,)
    assert float(nats.mean()) == pytest.approx(float(entropy), abs=4 * float(nats.std()) / 200**0.5)
    assert torch.equal(nats, bound_of(model, z, seed=1))
    assert not torch.equal(nats, bound_of(model, z, seed=2))


@pytest.mark.parametrize("name", NAMES)
def test_a_class_that_there_is_not_is_refused(name: str):
    with pytest.raises(ValueError, match="from 0 to 9"):
        asked(name, 11)


def test_without_a_classifier_there_is_no_search():
    with pytest.raises(ValueError, match="No classifier of avatars ships"):
        next(ask(gm_core.load("vae-mnist"), "avatars", label=1, count=4, seed=0))


def test_it_can_be_stopped():
    records = ask(gm_core.load("pixelcnn-mnist"), "mnist", label=None, count=1, seed=0)
    taken = list(islice(records, 2))
    records.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert [record.step for record in taken] == [56, 112]
    assert not taken[0].images[:, :, 2:].any()
    assert list(records) == []


@pytest.mark.parametrize(("brief", "runs"), [(float("inf"), 3), (0.0, 1)])
def test_only_brief_work_is_timed_again(monkeypatch: pytest.MonkeyPatch, brief: float, runs: int):
    monkeypatch.setattr(prompt, "BRIEF", brief)
    done: list[int] = []
    result, seconds = prompt.timed(lambda: done.append(len(done)) or len(done))
    assert done == list(range(runs))
    assert result == runs
    assert seconds > 0
