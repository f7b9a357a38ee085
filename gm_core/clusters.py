"""Groups of pictures that nobody labelled: a map of them, and what it is worth to name them.

    t-SNE      a plane on which the near neighbours of each point are near again
    PCA        the plane through the points that keeps most of their variance
    linkage    each point on the plane of t-SNE begins as a cluster; the two clusters whose points
               are nearest to each other on average become one, until there are k
    k-means    k centres, such that the squared distances of all points to their nearest centre
               add up to as little as possible: a cluster is what lies nearest to one centre

k-means takes a cluster for a ball. Features that tell classes apart need not lie in balls: t-SNE
looks at neighbours alone and pulls such a class together, so that linkage finds it (McConville et
al. 2019 cluster a plane in this way).

No label is used for any of them. Labels come in when a person names the clusters, one name for all
pictures of a cluster, and when the names are compared with the truth.

Sources: Sokal and Michener, "A statistical method for evaluating systematic relationships", 1958
(average linkage); Lloyd, "Least squares quantization in PCM", 1982; van der Maaten and Hinton,
"Visualizing data using t-SNE", 2008; McConville et al., "N2D: (Not Too) Deep Clustering", 2019.

    python -m gm_core.clusters         writes anew what ships of each data set's opening map
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gm_core import checkpoints, data
from gm_core.data import Images
from gm_core.files import write_safetensors
from gm_core.unlabelled import ENCODERS, features

Method = Literal["t-SNE", "PCA"]
Grouping = Literal["linkage", "k-means"]

METHODS: tuple[Method, ...] = get_args(Method)
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
IMAGES = 1_000  # of the shipped test images, evenly spread
CLUSTERS = 10  # of the map that ships
TYPICAL = 5  # pictures nearest to its centre that stand for a cluster
STARTS = 10  # of k-means, of which the best one counts
NONE = -1  # fills the rows of clusters that have fewer
BATCH = 250  # pictures that are classified at a time


@dataclass(frozen=True, slots=True)
class Clusters:
    """Points put into groups; the largest is number 0."""

    assigned: Tensor  # int64 (N,): the cluster of each point
    typical: tuple[tuple[int, ...], ...]  # of each cluster the points nearest its centre, in order


@dataclass(frozen=True, slots=True)
class Chart:
    """What is known of the pictures of a map without their labels, and a classifier's opinion."""

    places: Tensor  # float32 (N, 2) within [-1, 1]; y points up
    clusters: Clusters
    predicted: Tensor  # int64 (N,): by the data set's classifier, which did learn from labels


@dataclass(frozen=True, slots=True)
class Naming:
    """What names of clusters are worth, measured with the truth."""

    accuracy: float  # share of all pictures whose cluster bears the name of their class
    most: float  # the same, had each cluster the name of its most frequent class
    one_to_one: float  # the same, at best, if no two clusters bear the same name (Hungarian)
    counts: Tensor  # int64 (clusters, classes): pictures of each class in each cluster


# --- points ---------------------------------------------------------------------------------------


def group(points: Tensor, clusters: int, *, seed: int = 0, typical: int = TYPICAL) -> Clusters:
    """k-means: points (N, D) -> clusters. Raises ValueError for more clusters than points."""
    from sklearn.cluster import KMeans

    if not 1 <= clusters <= len(points):
        raise ValueError(f"{len(points)} points can't form {clusters} clusters.")
    means = KMeans(clusters, n_init=STARTS, random_state=seed)  # pyright: ignore[reportArgumentType]
    return _largest_first(points, means.fit_predict(points.numpy()), typical)


def merge(points: Tensor, places: Tensor, clusters: int, *, typical: int = TYPICAL) -> Clusters:
    """Average linkage of places (N, 2), where points (N, D) lie on a plane -> clusters. It takes
    memory for the distances of all pairs. Raises ValueError for more clusters than points."""
    from sklearn.cluster import AgglomerativeClustering

    if not 1 <= clusters <= len(points):
        raise ValueError(f"{len(points)} points can't form {clusters} clusters.")
    linkage = AgglomerativeClustering(clusters, linkage="average")
    return _largest_first(points, linkage.fit_predict(places.numpy()), typical)


def _largest_first(points: Tensor, found: NDArray[np.integer], typical: int) -> Clusters:
    """Clusters by size, each with the points (N, D) that lie nearest to the mean of its own."""
    order = np.argsort(-np.bincount(found), kind="stable")
    assigned = torch.from_numpy(np.argsort(order)[found])
    nearest = []
    for cluster in range(len(order)):
        members = torch.nonzero(assigned == cluster)[:, 0]
        distance = (points[members] - points[members].mean(dim=0)).norm(dim=1)
        nearest.append(tuple(members[distance.argsort(stable=True)[:typical]].tolist()))
    return Clusters(assigned, tuple(nearest))


def project(points: Tensor, method: Method, *, seed: int | None = None) -> Tensor:
    """Points (N, D) -> places on a plane, float32 (N, 2). Each axis is scaled by itself, so that
    they fill [-1, 1] both ways: neither axis has a unit.

    seed: t-SNE begins at random places; without one, at those of PCA.
    """
    if method == "PCA":
        from sklearn.decomposition import PCA

        plane = PCA(2, svd_solver="full").fit_transform(points.numpy())
    else:
        from sklearn.manifold import TSNE

        start = "pca" if seed is None else "random"
        plane = TSNE(2, init=start, random_state=seed or 0).fit_transform(points.numpy())
    places = torch.from_numpy(np.asarray(plane, np.float32))
    low, high = places.aminmax(dim=0)
    return ((2 * places - low - high) / (high - low)).clamp(-1, 1)  # or rounding leaves it


def naming(labels: Tensor, assigned: Tensor, names: Sequence[int | None], classes: int) -> Naming:
    """Compare the name of each cluster, a class or None for no answer, with the labels (N,) of the
    points assigned (N,) to it. A cluster without an answer counts as wrong."""
    from scipy.optimize import linear_sum_assignment

    counts = torch.zeros(len(names), classes, dtype=torch.int64)
    counts.index_put_((assigned, labels), torch.ones(()).long(), accumulate=True)
    right = sum(int(row[name]) for row, name in zip(counts, names, strict=True) if name is not None)
    pairs = linear_sum_assignment(counts.numpy(), maximize=True)
    return Naming(
        accuracy=right / len(labels),
        most=int(counts.max(dim=1).values.sum()) / len(labels),
        one_to_one=int(counts[pairs].sum()) / len(labels),
        counts=counts,
    )


# --- the pictures of a data set -------------------------------------------------------------------


@functools.cache
def pictures(dataset: str) -> Images:
    """The test images that are on the map."""
    sample = data.load(dataset, "sample")
    return sample[:: len(sample) // IMAGES]


def chart(dataset: str, *, clusters: int, method: Method, grouping: Grouping) -> Iterator[Chart]:
    """The map of a data set's pictures, in so many clusters: one record.

    At once where it ships for the weights that are there; else t-SNE takes about 15 seconds, once.
    """
    weights = _weights(dataset)
    yield Chart(
        _places(dataset, method, weights),
        _clusters(dataset, clusters, grouping, weights),
        _predicted(dataset, weights),
    )


def opening(dataset: str) -> tuple[Method, Grouping]:
    """The map that nobody has to wait for."""
    return ("t-SNE", "linkage") if is_kept(dataset) else ("PCA", "k-means")


def opening_clusters(dataset: str) -> Clusters:
    """The clusters of that map."""
    return _clusters(dataset, CLUSTERS, opening(dataset)[1], _weights(dataset))


def is_kept(dataset: str) -> bool:
    """Whether the map by t-SNE ships, for the weights that are there."""
    return _kept(dataset, _weights(dataset)) is not None


def write(dataset: str, folder: Path = data.SAMPLES) -> Path:
    """Write what ships: the map by t-SNE, its 10 clusters, and the predictions."""
    path = folder / f"map-{dataset}.safetensors"
    points = features(dataset, pictures(dataset).images)
    places = project(points, "t-SNE").half()
    clusters = merge(points, places.float(), CLUSTERS)
    tensors = {
        "places": places,
        "assigned": clusters.assigned.to(torch.uint8),
        "typical": pad_sequence(
            [torch.tensor(row, dtype=torch.int16) for row in clusters.typical],
            batch_first=True,
            padding_value=NONE,
        ),
        "predicted": predict(dataset, pictures(dataset).images).to(torch.uint8),
    }
    write_safetensors(path, tensors, {"weights": _weights(dataset)})
    return path


def _classifier(dataset: str) -> str:
    return f"classifier-{dataset}"


def _weights(dataset: str) -> str:
    """What stands for the two networks that a map is made by."""
    names = (ENCODERS[dataset], _classifier(dataset))
    return " ".join(checkpoints.describe(name).weights for name in names)


@functools.lru_cache(maxsize=8)
def _kept(dataset: str, weights: str) -> dict[str, Tensor] | None:
    path = data.SAMPLES / f"map-{dataset}.safetensors"
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        if (file.metadata() or {}).get("weights") != weights:
            return None
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@functools.lru_cache(maxsize=8)
def _features(dataset: str, _weights: str) -> Tensor:
    return features(dataset, pictures(dataset).images)


@functools.lru_cache(maxsize=8)
def _places(dataset: str, method: Method, weights: str) -> Tensor:
    kept = _kept(dataset, weights) if method == "t-SNE" else None
    return kept["places"].float() if kept else project(_features(dataset, weights), method)


@functools.lru_cache(maxsize=64)
def _clusters(dataset: str, clusters: int, grouping: Grouping, weights: str) -> Clusters:
    if grouping == "k-means":
        return group(_features(dataset, weights), clusters)
    kept = _kept(dataset, weights) if clusters == CLUSTERS else None
    if kept is None:
        places = _places(dataset, "t-SNE", weights)
        return merge(_features(dataset, weights), places, clusters)
    typical = (row[row != NONE].tolist() for row in kept["typical"])
    return Clusters(kept["assigned"].long(), tuple(map(tuple, typical)))


@functools.lru_cache(maxsize=8)
def _predicted(dataset: str, weights: str) -> Tensor:
    kept = _kept(dataset, weights)
    return kept["predicted"].long() if kept else predict(dataset, pictures(dataset).images)


@torch.no_grad()
def predict(dataset: str, images: Tensor) -> Tensor:
    """What the data set's classifier takes pictures uint8 (N, C, H, W) for: int64 (N,)."""
    model = checkpoints.load(_classifier(dataset))
    parts = (images / 255).split(BATCH)
    return torch.cat([model.classify(part).argmax(dim=1).cpu() for part in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the maps that ship.")
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help="default: all that have one")
    arguments = parser.parse_args()
    if unknown := set(arguments.datasets) - ENCODERS.keys():
        parser.error(f"no map of {', '.join(sorted(unknown))}; there are {', '.join(ENCODERS)}")
    for dataset in arguments.datasets or ENCODERS:
        print(write(dataset))


if __name__ == "__main__":
    main()
