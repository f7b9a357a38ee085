"""Generated pictures among real ones, with tiny networks: quality, diversity, and copies."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor

import gm_core
from gm_core import checkpoints, data, neighbours
from gm_core.neighbours import measure, nearest
from gm_core.realism import precision_and_recall, shown_classes
from tests.gm_core.tiny import tiny

HELD_OUT = 40
SIZE = {"height": 28, "width": 28, "classes": 10}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A classifier and a GAN of digits, a GAN of avatars, and no training images."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, family, dataset, changes in (
        ("classifier-mnist", "classifier", "mnist", SIZE),
        ("gan-mnist", "gan", "mnist", SIZE),
        ("gan-avatars", "gan", "avatars", {"height": 64, "width": 64, "channels": 3, "classes": 0}),
    ):
        model = tiny(family, **changes)
        checkpoints.save(folder / name, model, family=family, dataset=dataset, training={"seed": 0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        patch.setenv("GM_DATA_DIR", str(folder / "no data"))
        yield folder


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return data.load("mnist", "sample").images / 255


def points(images: Tensor) -> Tensor:
    with torch.no_grad():
        return checkpoints.load("classifier-mnist").features(images)


@pytest.mark.parametrize("label", [None, 3])
def test_the_shares_are_those_of_realism(digits: Tensor, label: int | None):
    model = gm_core.load("gan-mnist")
    z = model.sample_latent(HELD_OUT, seed=1)
    labels = None if label is None else torch.full((HELD_OUT,), label)
    [record] = measure(model, "mnist", z, labels, label=label)
    images = model.generate(z, labels)
    real = digits if label is None else digits[data.load("mnist", "sample").labels == label]
    held_out, others = points(real[:HELD_OUT]), points(real[HELD_OUT:])
    assert (record.count, record.among) == (HELD_OUT, len(others))
    for told, pictures, place in (
        (record.generated, images, points(images)),
        (record.real, real[:HELD_OUT], held_out),
    ):
        assert (told.precision, told.recall) == pytest.approx(precision_and_recall(others, place))
        apart = [(a - b).square().mean().sqrt() for a, b in combinations(pictures, 2)]
        assert told.apart == pytest.approx(float(torch.stack(apart).mean()), rel=1e-4)
        classifier = checkpoints.load("classifier-mnist")
        assert told.shown is not None
        assert torch.equal(told.shown, shown_classes(classifier, pictures))
    assert record.real.precision > 0.5  # or the comparison would say nothing


def test_copies_are_all_real_and_not_various():
    model = gm_core.load("gan-mnist")
    [record] = measure(model, "mnist", torch.zeros(HELD_OUT, model.config.latent))
    assert record.generated.apart == pytest.approx(0, abs=1e-4)
    assert record.generated.recall < record.real.recall / 10


def test_without_a_classifier_colours_are_compared():
    model = gm_core.load("gan-avatars")
    [record] = measure(model, "avatars", model.sample_latent(HELD_OUT, seed=0))
    assert record.generated.shown is None
    assert record.among == 480 - HELD_OUT
    sample = data.load("avatars", "sample").images / 255
    means = neighbours.features("avatars", sample[:2])
    assert means.shape == (2, 3 * 8 * 8)
    assert means[1, 8 * 8 + 9] == pytest.approx(float(sample[1, 1, 8:16, 8:16].mean()))


def test_too_many_pictures_are_refused():
    model = gm_core.load("gan-avatars")
    with pytest.raises(ValueError, match="480 of 480 real pictures can't be held out"):
        next(measure(model, "avatars", model.sample_latent(480, seed=0)))


def test_the_nearest_by_pixels(digits: Tensor):
    image = (digits[7] + 0.1 * digits[8]).clamp(0, 1)
    [record] = nearest("mnist", image, "pixels", 3)
    far = (digits - image).flatten(1).square().mean(dim=1).sqrt()
    order = far.argsort()[:3]
    assert torch.allclose(record.distance, far[order], atol=1e-5)
    assert torch.equal(record.images, data.load("mnist", "sample").images[order])
    assert torch.equal(record.labels, data.load("mnist", "sample").labels[order])
    assert (record.searched, record.trained_on) == (2_000, False)
    others = (digits - digits[5]).flatten(1).square().mean(dim=1).sqrt()
    assert float(record.usual[5]) == pytest.approx(float(others[others > 0].min()), rel=1e-3)


def test_the_nearest_by_features(digits: Tensor):
    [record] = nearest("mnist", digits[7], "features", 3)
    far = (points(digits) - points(digits[7:8])).norm(dim=1)
    assert torch.allclose(record.distance, far.sort().values[:3], atol=1e-3)
    assert len(record.usual) == 2_000


def write_mnist(folder: Path, images: Tensor, labels: Tensor) -> None:
    """Both splits in torchvision's layout."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        header = struct.pack(">IIII", 2051, len(images), 28, 28)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(header + images.numpy().tobytes())
        header = struct.pack(">II", 2049, len(labels))
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(header + labels.byte().numpy().tobytes())


def test_training_images_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (300, 28, 28), generator=generator).byte()
    write_mnist(tmp_path, images, torch.arange(300) % 10)
    monkeypatch.setenv("GM_DATA_DIR", str(tmp_path))
    [record] = nearest("mnist", images[123][None] / 255, "pixels", 2)
    assert (record.searched, record.trained_on) == (300, True)
    assert float(record.distance[0]) == 0  # a copy
    assert torch.equal(record.images[0, 0], images[123])
    assert int(record.labels[0]) == 3
    sample = data.load("mnist", "sample").images[:1] / 255
    far = (images[:, None] / 255 - sample).flatten(1).square().mean(dim=1).sqrt()
    assert float(record.usual[0]) == pytest.approx(float(far.min()), rel=1e-3)
    [record] = nearest("mnist", images[123][None] / 255, "features", 2)
    assert float(record.distance[0]) == pytest.approx(0, abs=1e-4)
    assert math.isfinite(float(record.usual.sum()))


def test_nothing_is_drawn_or_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GM_DATA_DIR", str(tmp_path / "empty"))
    for dataset in ("mnist", "fashion", "avatars"):
        assert neighbours.training_images(dataset) is None
    assert not (tmp_path / "empty").exists()
