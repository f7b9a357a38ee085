"""Nine answers about one canvas of digits: five learnt from answers, four from pictures alone.

    supervised      classification, regression, object detection, semantic segmentation and
                    captioning: one network that was shown canvases with all of these answers
    unsupervised    each piece of ink, as MNIST has its digits, among test images:
                    clustering                  the cluster of its nearest neighbour
                    dimensionality reduction    its code of two numbers, by a VAE
                    feature learning            its nearest neighbours, by learnt features
                    density estimation          -log p(x), exact, by a PixelCNN

Not even the cutting into pieces uses a label: what hangs together is a piece. Only test images that
no canvas is made of are compared with, so that no digit finds itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gm_core import canvas, checkpoints, clusters, data
from gm_core.canvas import BACKGROUND, INK, MOST_DIGITS, Canvases
from gm_core.clusters import Clusters
from gm_core.metrics import as_levels, as_pictures
from gm_core.neighbours import distances
from gm_core.paradigms import CLASSES, Found, Reading
from gm_core.randomness import stream
from gm_core.readings import OVERLAP, overlaps
from gm_core.unlabelled import features

DATASET = "mnist"
READER = "paradigms-canvas"
PLANE = "vae-mnist-2d"
DENSITY = "pixelcnn-mnist"
NEIGHBOURS = 4
MOST_PIECES = 3  # of a canvas that are looked at, the largest


@dataclass(frozen=True, slots=True)
class Piece:
    """What is said of a piece of ink without any label; pictures are test images by their index."""

    image: Tensor  # uint8 (28, 28): cut out and centred as MNIST has it
    cluster: int
    members: int  # pictures in that cluster
    typical: tuple[int, ...]  # pictures nearest to its centre
    code: tuple[float, float]
    by_features: tuple[int, ...]  # nearest pictures, the nearest first
    by_pixels: tuple[int, ...]
    nats: float  # -log p(x)


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers about one canvas; on the CPU."""

    reading: Reading  # the five supervised ones
    pieces: tuple[Piece, ...] | None = None  # from left to right; in the last record
    drawn: bool = True  # else nothing was asked
    cut: int = 0  # pieces that the ink falls into, of which the largest are looked at


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The test images that pieces are compared with, and what is known of them without a label."""

    images: Tensor  # uint8 (N, 1, 28, 28)
    codes: Tensor  # float32 (N, 2)
    features: Tensor  # float32 (N, D)
    clusters: Clusters


# --- questions ------------------------------------------------------------------------------------


def compose(seed: int, digits: int) -> Canvases:
    """One canvas of one to three test digits, none of them among those compared with."""
    test = data.load(DATASET, "sample")[1::2]  # `clusters.pictures` are the others
    generator = stream(seed)
    chosen = torch.randperm(len(test), generator=generator)[:MOST_DIGITS]
    return canvas.compose(test.images[chosen], test.labels[chosen], generator, number=digits)


# --- answers --------------------------------------------------------------------------------------


def answer(image: Tensor) -> Iterator[Answers]:
    """All nine answers about a canvas, uint8 (64, 64): at once the supervised ones, then all.

    Where nothing is drawn, nothing is asked.
    """
    ink = image / 255
    if not (ink > INK).any():
        nothing = torch.full(image.shape, BACKGROUND)
        yield Answers(Reading((), nothing, ""), (), drawn=False)
        return
    [reading] = checkpoints.load(READER).read(ink[None, None])
    answers = Answers(reading)
    yield answers
    found = canvas.pieces(ink)
    largest = sorted(found, key=lambda piece: -float(piece.sum()))[:MOST_PIECES]
    kept = [canvas.crop(piece) for piece in found if any(piece is one for one in largest)]
    yield replace(answers, pieces=look(torch.stack(kept)) if kept else (), cut=len(found))


@torch.no_grad()
def look(images: Tensor) -> tuple[Piece, ...]:
    """The four unsupervised answers about digits, uint8 (B, 28, 28)."""
    known = landmarks()
    pictures = images[:, None]
    points = features(DATASET, pictures)
    plane, density = checkpoints.load(PLANE), checkpoints.load(DENSITY)
    codes = plane.encode(as_pictures(plane, pictures))[0].tolist()
    nats = -density.log_prob(as_levels(density, pictures))
    by_features = distances(points, known.features).topk(NEIGHBOURS, largest=False).indices
    assigned = known.clusters.assigned[by_features[:, 0]].tolist()
    by_pixels = distances(pictures.flatten(1).float(), known.images.flatten(1))
    by_pixels = by_pixels.topk(NEIGHBOURS, largest=False).indices
    return tuple(
        Piece(
            image=image,
            cluster=cluster,
            members=int((known.clusters.assigned == cluster).sum()),
            typical=known.clusters.typical[cluster],
            code=(x, y),
            by_features=tuple(similar),
            by_pixels=tuple(alike),
            nats=cost,
        )
        for image, cluster, (x, y), similar, alike, cost in zip(
            images, assigned, codes, by_features.tolist(), by_pixels.tolist(), nats.tolist(),
            strict=True,
        )
    )  # fmt: skip


def landmarks() -> Landmarks:
    """What pieces are compared with, by the weights that are there."""
    return _landmarks(checkpoints.root())


@functools.lru_cache(maxsize=4)
@torch.no_grad()
def _landmarks(_root: Path) -> Landmarks:
    images = clusters.pictures(DATASET).images
    points = features(DATASET, images)
    # The very clusters, and so the letters, that the map of test images opens with.
    groups = clusters.opening_clusters(DATASET)
    plane = checkpoints.load(PLANE)
    codes = plane.encode(as_pictures(plane, images))[0].cpu()
    return Landmarks(images, codes, points, groups)


# --- the supervised answers beside the truth ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Digit:
    """A true digit, and what was found in its place."""

    label: int
    angle: float  # degrees, anticlockwise
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels
    found: Found | None
    overlap: float  # intersection over union with whatever was found nearest


@dataclass(frozen=True, slots=True)
class Marks:
    """How right the five supervised answers about one canvas are."""

    digits: tuple[Digit, ...]  # from left to right
    invented: tuple[Found, ...]  # where there is no digit
    mask: Tensor  # int64 (64, 64): the true one
    iou: float  # mean over the classes that are there or are said to be, background among them
    pixels: float  # share that has the right class
    caption: str  # the true one


def mark(reading: Reading, truth: Canvases) -> Marks:
    """Compare a reading with the truth about its canvas, the only one of `truth`."""
    there = truth.classes[0] >= 0
    boxes = truth.boxes[0][there]
    order = boxes[:, [0, 2]].sum(1).argsort()
    boxes, labels = boxes[order], truth.classes[0][there][order].tolist()
    angles = truth.angles[0][there][order].tolist()
    shares = overlaps(reading.found, boxes)  # (found, digits)
    digits, used = [], set()
    for index, (label, angle) in enumerate(zip(labels, angles, strict=True)):
        share, which = shares[:, index].max(0) if reading.found else (torch.zeros(()), None)
        found = None
        if which is not None and share >= OVERLAP:
            used.add(int(which))
            found = reading.found[int(which)]
        x0, y0, x1, y1 = boxes[index].tolist()
        digits.append(Digit(label, angle, (x0, y0, x1, y1), found, float(share)))
    same = (reading.mask == truth.masks[0]).double()
    return Marks(
        digits=tuple(digits),
        invented=tuple(one for at, one in enumerate(reading.found) if at not in used),
        mask=truth.masks[0],
        iou=mean_iou(reading.mask, truth.masks[0]),
        pixels=float(same.mean()),
        caption=truth.captions[0],
    )


def mean_iou(mask: Tensor, truth: Tensor) -> float:
    """Intersection over union, mean of the classes in either mask: int64 (H, W) each."""
    shares = []
    for kind in range(CLASSES + 1):
        told, true = mask == kind, truth == kind
        if (either := int((told | true).sum())) > 0:
            shares.append(int((told & true).sum()) / either)
    return sum(shares) / len(shares)
