"""Clusters, maps and names: of points whose groups are known, and of tiny networks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gm_core import checkpoints, clusters, data
from gm_core.clusters import Clusters, chart, group, is_kept, merge, naming, pictures, project
from gm_core.families import split_name
from gm_core.unlabelled import ENCODERS, features
from tests.gm_core.tiny import tiny

SIZES = (40, 60, 20)
CENTRES = torch.tensor([[9.0, 0, 0, 0], [0, 9, 0, 0], [0, 0, 9, 0]])


@pytest.fixture(scope="module")
def blobs() -> tuple[Tensor, Tensor]:
    """Points (120, 4) around three centres, and whose each is, in random order."""
    generator = torch.Generator().manual_seed(0)
    of = torch.cat([torch.full((size,), label) for label, size in enumerate(SIZES)])
    of = of[torch.randperm(len(of), generator=generator)]
    return CENTRES[of] + torch.randn(len(of), 4, generator=generator), of


def linkage(points: Tensor, clusters: int) -> Clusters:
    """By two of the numbers of each point, as if they were its place."""
    return merge(points, points[:, :2], clusters)


ways = pytest.mark.parametrize("way", [group, linkage])


@ways
def test_clusters_are_found_the_largest_first(blobs: tuple[Tensor, Tensor], way: Any):
    points, of = blobs
    found = way(points, 3)
    assert torch.equal(found.assigned, torch.tensor([1, 0, 2])[of])
    for cluster, typical in enumerate(found.typical):
        members = points[found.assigned == cluster]
        distance = (points - members.mean(dim=0)).norm(dim=1)
        distance[found.assigned != cluster] = torch.inf
        assert list(typical) == distance.argsort()[: clusters.TYPICAL].tolist()


@ways
def test_a_small_cluster_has_fewer_typical_points(blobs: tuple[Tensor, Tensor], way: Any):
    points, _ = blobs
    lonely = torch.cat([points, torch.full((2, 4), -50.0)])
    assert sorted(way(lonely, 4).typical[3]) == [120, 121]


@ways
@pytest.mark.parametrize("count", [0, 121])
def test_more_clusters_than_points_are_refused(blobs: tuple[Tensor, Tensor], way: Any, count: int):
    with pytest.raises(ValueError, match=f"120 points can't form {count} clusters"):
        way(blobs[0], count)


def test_linkage_finds_what_is_no_ball_and_fewer_clusters_hold_more():
    """Two rows of points, longer than they are apart: k-means cuts both in the middle."""
    along = torch.linspace(0, 10, 60)
    rows = torch.cat([torch.stack([along, torch.full_like(along, y)], dim=1) for y in (0.0, 4.9)])
    of = torch.arange(2).repeat_interleave(60)
    assert (merge(rows, rows, 2).assigned == of).all()
    assert not (group(rows, 2).assigned == of).all()
    for fewer, more in ((2, 3), (3, 7)):
        coarse, fine = (merge(rows, rows, count).assigned for count in (fewer, more))
        assert all(len(coarse[fine == cluster].unique()) == 1 for cluster in range(more))


@pytest.mark.parametrize("method", clusters.METHODS)
def test_a_map_fills_the_square_and_keeps_neighbours(blobs: tuple[Tensor, Tensor], method: Any):
    points, of = blobs
    places = project(points, method)
    assert places.dtype == torch.float32
    assert torch.equal(places.aminmax(dim=0).min, torch.tensor([-1.0, -1]))
    assert torch.equal(places.aminmax(dim=0).max, torch.tensor([1.0, 1]))
    apart = torch.cdist(places, places).fill_diagonal_(torch.inf)
    assert (of[apart.argmin(dim=1)] == of).all()
    assert torch.equal(project(points, method), places)


def test_names_are_counted_by_hand():
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 2, 0])
    assigned = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2])
    worth = naming(labels, assigned, [0, 1, None], classes=4)
    assert worth.counts.tolist() == [[2, 1, 0, 0], [0, 2, 2, 0], [1, 0, 0, 0]]
    assert worth.accuracy == 4 / 8
    assert worth.most == 5 / 8  # 0 twice
    assert worth.one_to_one == 4 / 8
    assert naming(labels, assigned, [0, 2, 0], classes=4).accuracy == 5 / 8
    assert naming(labels, assigned, [None] * 3, classes=4).accuracy == 0
    assert naming(labels, assigned, [3, 3, 3], classes=4).accuracy == 0


# --- what ships -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ENCODERS)
def test_what_ships_is_of_the_weights_that_ship(dataset: str):
    assert is_kept(dataset), "write it anew: python -m gm_core.clusters"
    method, grouping = clusters.opening(dataset)
    [record] = chart(dataset, clusters=clusters.CLUSTERS, method=method, grouping=grouping)
    labels = pictures(dataset).labels
    assert (len(labels), record.places.shape) == (clusters.IMAGES, (clusters.IMAGES, 2))
    assert len(record.clusters.typical) == clusters.CLUSTERS
    assert (record.predicted == labels).float().mean() > 0.9
    worth = naming(labels, record.clusters.assigned, [None] * clusters.CLUSTERS, classes=10)
    assert worth.one_to_one > {"mnist": 0.95, "fashion": 0.5}[dataset]  # by chance, a tenth
    for cluster, typical in enumerate(record.clusters.typical):
        assert (record.clusters.assigned[list(typical)] == cluster).all()


def save_networks(folder: Path, dataset: str, seed: int) -> None:
    """A tiny encoder and a tiny classifier of a data set; other seeds, other classifiers."""
    size = {"height": 28, "width": 28}
    kind, _ = split_name(ENCODERS[dataset])
    encoder, classifier = tiny(kind, **size), tiny("classifier", classes=10, **size)
    with torch.no_grad():
        classifier.head.weight.mul_(1 + seed)
    for name, model, family in (
        (ENCODERS[dataset], encoder, kind),
        (f"classifier-{dataset}", classifier, "classifier"),
    ):
        checkpoints.save(
            folder / name, model, family=family, dataset=dataset, training={"seed": seed}
        )


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of samples with few pictures on the map, and tiny networks, like which there are no
    others: what is computed is kept by the weights."""
    shutil.copy(data.SAMPLES / "mnist.safetensors", tmp_path)
    monkeypatch.setattr(data, "SAMPLES", tmp_path)
    monkeypatch.setattr(clusters, "IMAGES", 100)
    monkeypatch.setenv("GM_CHECKPOINTS", str(tmp_path))
    pictures.cache_clear()
    save_networks(tmp_path, "mnist", 1)
    yield tmp_path
    pictures.cache_clear()


def test_a_written_map_is_used_until_the_weights_are_others(own: Path):
    computed = project(features("mnist", pictures("mnist").images), "t-SNE")
    clusters.write("mnist", own)
    method, grouping = clusters.opening("mnist")
    assert (method, grouping) == ("t-SNE", "linkage")
    [record] = chart("mnist", clusters=clusters.CLUSTERS, method=method, grouping=grouping)
    assert torch.equal(record.places, computed.half().float())
    wanted = merge(features("mnist", pictures("mnist").images), record.places, clusters.CLUSTERS)
    assert torch.equal(record.clusters.assigned, wanted.assigned)
    assert record.clusters.typical == wanted.typical
    assert torch.equal(record.predicted, clusters.predict("mnist", pictures("mnist").images))
    [other] = chart("mnist", clusters=3, method="PCA", grouping="linkage")
    coarse = merge(features("mnist", pictures("mnist").images), record.places, 3)
    assert torch.equal(other.clusters.assigned, coarse.assigned)
    assert not torch.equal(other.places, record.places)
    save_networks(own, "mnist", 2)
    assert clusters.opening("mnist") == ("PCA", "k-means")  # which nobody has to wait for
