"""Where generated pictures lie among real ones: how good, how various, and which are nearest.

    precision    the share of generated pictures that lie among real ones: quality
    recall       the share of real pictures that lie among generated ones: diversity
    nearest      the real pictures most like one generated picture: a copy, or new?

The first two are those of gm_core.realism, with few pictures and a data set's own classifier in
place of Inception, so that they can be measured again at every move of a slider. Their values
depend on how many pictures are compared, so as many real ones are held out and measured too.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from gm_core import checkpoints, data
from gm_core.classifier import Classifier
from gm_core.data import Images, MissingData
from gm_core.frames import finite
from gm_core.gan import GAN
from gm_core.randomness import stream
from gm_core.realism import among, surroundings

Distance = Literal["pixels", "features"]

BATCH = 50  # larger ones are slower on a CPU
PART = 4_000  # real pictures that one is compared with at a time
POOLED = 8  # squares across, whose mean colours stand for a picture where there is no classifier
INDEXED = 5_000  # training images whose features are computed when they are first asked for
JUDGED = 200  # test images whose nearest training images say what is usual


@dataclass(frozen=True, slots=True)
class Comparison:
    """A set of pictures, compared with real ones."""

    precision: float
    recall: float
    apart: float  # mean distance of two of them: root mean square over the pixels, in [0, 1]
    shown: Tensor | None  # int64 (N,): the class that each shows; None without a classifier


@dataclass(frozen=True, slots=True)
class Measured:
    """A generator's pictures and as many real ones, each compared with the same other real ones."""

    generated: Comparison
    real: Comparison
    count: int  # of each
    among: int  # real pictures that both are compared with


@dataclass(frozen=True, slots=True)
class Nearest:
    """The real pictures nearest to one picture, the nearest first; on the CPU."""

    distance: Tensor  # float32 (K,)
    images: Tensor  # uint8 (K, C, H, W)
    labels: Tensor  # int64 (K,)
    searched: int  # of this many
    trained_on: bool  # whether G has learnt from them; else they are test images
    usual: Tensor  # float32 (M,): how far test images are from their own nearest one of these


# --- pictures as points --------------------------------------------------------------------------


def classifier_of(dataset: str) -> Classifier | None:
    """The classifier that ships for a data set; None where there is none."""
    name = f"classifier-{dataset}"
    return checkpoints.load(name) if name in checkpoints.available() else None


@torch.no_grad()
def features(dataset: str, images: Tensor) -> Tensor:
    """Points that lie near for pictures that look alike: (N, C, H, W) in [0, 1] -> (N, F), on the
    CPU. Without a classifier, mean colours of 8 by 8 squares. Raises NotFinite."""
    classifier = classifier_of(dataset)
    if classifier is None:
        points = F.adaptive_avg_pool2d(images.cpu(), POOLED).flatten(1)
    else:
        points = torch.cat([classifier.features(part).cpu() for part in images.split(BATCH)])
    return finite(points, "features")


def distances(query: Tensor, points: Tensor, *, exact: bool = True) -> Tensor:
    """Euclidean: (Q, F), (N, F) -> (Q, N). Inexact ones are faster, and not quite zero for equal
    points. Points may be bytes."""
    mode = "donot_use_mm_for_euclid_dist" if exact else "use_mm_for_euclid_dist"
    return torch.cat(
        [torch.cdist(query, part.float(), compute_mode=mode) for part in points.split(PART)], dim=1
    )


# --- quality and diversity -----------------------------------------------------------------------


@functools.cache
def _sample(dataset: str, binary: bool, _root: Path) -> tuple[Images, Tensor]:
    """The shipped test images, and their points; binary: by the first frozen draw."""
    sample = data.load(dataset, "sample")
    if binary:
        levels = data.binarise(sample.images, stream(0))
        sample = replace(sample, images=(255 * levels).byte())
    return sample, features(dataset, sample.images / 255)


@functools.cache
def _reference(
    dataset: str, label: int | None, held_out: int, binary: bool, root: Path
) -> tuple[Tensor, Tensor, Comparison]:
    """Points of real pictures, their surroundings, and what was held out compared with them."""
    sample, points = _sample(dataset, binary, root)
    chosen = torch.ones(len(sample), dtype=torch.bool)
    if label is not None:
        chosen = sample.labels == label
    images, points = sample.images[chosen], points[chosen]
    if held_out >= len(images):
        raise ValueError(f"{held_out} of {len(images)} real pictures can't be held out.")
    others = points[held_out:]
    reach = surroundings(others)
    real = _compare(dataset, images[:held_out] / 255, points[:held_out], others, reach)
    return others, reach, real


@torch.no_grad()
def _compare(
    dataset: str, images: Tensor, points: Tensor, others: Tensor, reach: Tensor
) -> Comparison:
    classifier = classifier_of(dataset)
    return Comparison(
        precision=float(among(points, others, reach).double().mean()),
        recall=float(among(others, points, surroundings(points)).double().mean()),
        apart=float(torch.pdist(images.flatten(1)).mean() / math.sqrt(images[0].numel())),
        # The features are what the last layer decides by.
        shown=None
        if classifier is None
        else finite(classifier.head(points.to(classifier.device)), "logits").argmax(dim=1).cpu(),
    )


@torch.no_grad()
def measure(
    model: GAN, dataset: str, z: Tensor, labels: Tensor | None = None, *, label: int | None = None
) -> Iterator[Measured]:
    """The pictures of latents (B, latent) compared with the shipped test images: one record.

    labels: what each picture is to show. label: compare only with real pictures of this class.
    """
    parts = [
        model.generate(z[start:][:BATCH], None if labels is None else labels[start:][:BATCH])
        for start in range(0, len(z), BATCH)
    ]
    yield compare(dataset, torch.cat(parts).float().cpu(), label=label)


def compare(
    dataset: str, images: Tensor, *, label: int | None = None, binary: bool = False
) -> Measured:
    """Pictures (N, C, H, W) in [0, 1], at least four, compared with the shipped test images.

    label: only with those of this class. binary: with black and white ones, as these pictures are.
    """
    others, reach, real = _reference(dataset, label, len(images), binary, checkpoints.root())
    generated = _compare(dataset, images, features(dataset, images), others, reach)
    return Measured(generated, real, count=len(images), among=len(others))


# --- nearest real pictures -----------------------------------------------------------------------


def training_images(dataset: str) -> Images | None:
    """The training images, where they lie on this machine: nothing is downloaded or drawn."""
    folder = Path(os.environ.get("GM_DATA_DIR") or data.CACHE.expanduser())
    return None if dataset in data.DRAWN else _training_images(dataset, folder)


@functools.cache
def _training_images(dataset: str, folder: Path) -> Images | None:
    try:
        return data.load(dataset, "train", folder)  # a folder that is named is only read
    except MissingData:
        return None


@dataclass(frozen=True, slots=True)
class Shelf:
    """Real pictures that can be searched."""

    images: Images
    points: Tensor  # (N, F), bytes if they are the pixels
    trained_on: bool
    usual: Tensor  # as in Nearest


@functools.cache
def _shelf(dataset: str, by: Distance, _folder: str | None, root: Path) -> Shelf:
    test, test_features = _sample(dataset, False, root)
    train = training_images(dataset)
    if train is None:
        points = test.images.flatten(1) if by == "pixels" else test_features
        return Shelf(test, points, trained_on=False, usual=surroundings(points.float(), 1))
    if by == "pixels":
        points, queries = train.images.flatten(1), test.images[:JUDGED].flatten(1).float()
    else:
        train = train[:INDEXED]
        points, queries = features(dataset, train.images / 255), test_features[:JUDGED]
    usual = distances(queries, points, exact=False).min(dim=1).values
    return Shelf(train, points, trained_on=True, usual=usual)


def nearest(dataset: str, image: Tensor, by: Distance, count: int) -> Iterator[Nearest]:
    """The real pictures nearest to one (C, H, W) in [0, 1]: one record.

    Among the training images if they lie on this machine, of which the first are searched by
    features; else among the shipped test images. Distances of pixels are root mean squares in
    [0, 1], those of features Euclidean.
    """
    shelf = _shelf(dataset, by, os.environ.get("GM_DATA_DIR"), checkpoints.root())
    if by == "pixels":
        query, unit = 255 * image.flatten()[None], 255 * math.sqrt(image.numel())
    else:
        query, unit = features(dataset, image[None]), 1.0
    found = distances(query, shelf.points)[0].topk(count, largest=False)
    yield Nearest(
        distance=found.values / unit,
        images=shelf.images.images[found.indices],
        labels=shelf.images.labels[found.indices],
        searched=len(shelf.images),
        trained_on=shelf.trained_on,
        usual=shelf.usual / unit,
    )
