"""How far features tell classes apart that nobody named: held-out figures of an encoder.

    linkage       t-SNE lays the test pictures out on a plane, whose groups are their clusters
    k-means       clusters of the features themselves
    neighbours    the training pictures with the most similar features vote on each test picture

A cluster has no name: each is given one class, such that as many pictures as possible agree
(Hungarian matching).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gm_core.data import Images
from gm_core.metrics import Figure
from gm_core.simclr import SimCLR

BATCH = 250
CLASSES = 10
SEEDS = 5
VOTES = 20  # training pictures that have a say


@torch.no_grad()
def encode(model: SimCLR, images: Tensor) -> Tensor:
    """Pictures uint8 (N, C, H, W) -> their features (N, D), on the CPU."""
    return torch.cat([model.encode(part / 255).cpu() for part in images.split(BATCH)])


def measure(model: SimCLR, test: Images) -> list[Figure]:
    """How right clusters of the test pictures are. t-SNE of 10,000 takes minutes, for each seed."""
    from gm_core import clusters  # which loads checkpoints of the families that this measures

    points = encode(model, test.images)

    def right(found: clusters.Clusters) -> float:
        worth = clusters.naming(test.labels, found.assigned, [None] * CLASSES, CLASSES)
        return 100 * worth.one_to_one

    def figure(name: str, convention: str, shares: list[float]) -> Figure:
        values = torch.tensor(shares, dtype=torch.float64)
        return Figure(
            name, float(values.mean()), "%", f"{convention}; one class a cluster (Hungarian)",
            f"test, {len(test):,} images", draws=SEEDS, spread=float(values.std()),
        )  # fmt: skip

    planes = (clusters.project(points, "t-SNE", seed=seed) for seed in range(SEEDS))
    return [
        figure(
            "clusters, by linkage on the plane of t-SNE",
            f"average linkage, {CLASSES} clusters; mean of {SEEDS} random starts of t-SNE",
            [right(clusters.merge(points, plane, CLASSES)) for plane in planes],
        ),
        figure(
            "clusters, by k-means of the features",
            f"{CLASSES} clusters; mean of {SEEDS} random starts",
            [right(clusters.group(points, CLASSES, seed=seed)) for seed in range(SEEDS)],
        ),
    ]


def neighbours(model: SimCLR, test: Images, train: Images) -> Figure:
    """How right the vote of the training pictures is whose features are the most similar."""
    from sklearn.neighbors import KNeighborsClassifier

    voters = KNeighborsClassifier(VOTES).fit(encode(model, train.images), train.labels)
    return Figure(
        name=f"the {VOTES} nearest training pictures vote",
        value=100 * float(voters.score(encode(model, test.images), test.labels)),
        unit="%",
        convention=f"Euclidean distance of the features; {len(train):,} training images",
        split=f"test, {len(test):,} images",
    )
