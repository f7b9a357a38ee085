"""What labels buy: splits, draws, wrong labels, and methods that use many, few or none."""

from __future__ import annotations

import json
import math
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gm_core import label_budget as lab
from gm_core.randomness import stream

QUICK = lab.Training(features=(4, 4), hidden=16, steps=40)


def blobs(per_class: int, seed: int) -> tuple[Tensor, Tensor]:
    """Ten heaps of points that do not touch: (N, 10), (N,)."""
    labels = torch.arange(lab.CLASSES).repeat(per_class)
    noise = 0.05 * torch.randn(len(labels), lab.CLASSES, generator=stream(seed))
    return torch.eye(lab.CLASSES)[labels] + noise, labels


# --- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", lab.DATASETS)
def test_no_picture_is_learnt_from_and_measured_on(dataset: str):
    pictures = lab.task(dataset, "sample")
    parts = [
        {image.numpy().tobytes() for image in part.images}
        for part in (pictures.learn, pictures.held_out)
    ]
    assert not parts[0] & parts[1]
    for part in (pictures.learn, pictures.held_out):
        assert torch.bincount(part.labels).tolist() == [100] * 10


def test_the_full_set_is_asked_for_only_where_it_lies(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("GM_DATA_DIR", str(tmp_path))
    lab.task.cache_clear()
    assert not lab.has_full_set("mnist")
    with pytest.raises(lab.NoFullSet, match="mnist does not lie on this machine"):
        lab.task("mnist", "part")


def test_draws_are_balanced_and_hold_the_smaller_ones():
    labels = lab.task("mnist", "sample").learn.labels
    large, small = lab.draw(labels, 20, 3), lab.draw(labels, 5, 3)
    assert torch.bincount(labels[large]).tolist() == [20] * 10
    assert set(small.tolist()) <= set(large.tolist())
    assert set(small.tolist()) != set(lab.draw(labels, 5, 4).tolist())


@pytest.mark.parametrize("per_class", [0, -1, 101])
def test_a_budget_above_the_data_is_refused(per_class: int):
    with pytest.raises(ValueError, match=f"^{per_class} labels a class of 100 pictures"):
        lab.draw(lab.task("mnist", "sample").learn.labels, per_class, 0)


def test_wrong_labels_are_as_many_as_asked_and_stay_wrong():
    labels = torch.arange(10).repeat(100)
    fewer, more = (lab.corrupt(labels, share, 7) for share in (0.3, 0.6))
    wrong = fewer != labels
    assert [int((each != labels).sum()) for each in (fewer, more)] == [300, 600]
    assert torch.equal(fewer[wrong], more[wrong])
    assert torch.equal(lab.corrupt(labels, 0, 7), labels)
    everything = lab.corrupt(labels, 1, 7)
    assert not (everything == labels).any()
    counts = torch.bincount(10 * labels + everything, minlength=100)
    assert counts.view(10, 10).fill_diagonal_(11).min() > 0  # each other class may come


# --- methods -------------------------------------------------------------------------------------


def test_a_cnn_learns_what_its_labels_say():
    pictures = lab.task("mnist", "sample")
    learn, held_out = pictures.learn, pictures.held_out

    def accuracy(wrong: float, seed: int = 0) -> float:
        labels = lab.corrupt(learn.labels, wrong, seed)
        return lab.cnn_accuracy(lab.train_cnn(learn.images, labels, QUICK, seed), held_out)

    right = accuracy(0)
    assert right > 0.6
    assert accuracy(0) == right  # the same seed, the same network
    assert accuracy(0, seed=1) != right
    assert accuracy(1) < 0.1  # it has learnt what a picture is not


def test_training_leaves_the_global_dice_alone():
    pictures = lab.task("mnist", "sample").learn
    before = torch.get_rng_state()
    lab.train_cnn(pictures.images[:20], pictures.labels[:20], lab.Training(steps=1), 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_clusters_get_the_names_that_fit_best():
    (learn, _), (held_out, truth) = blobs(20, 0), blobs(10, 1)
    assert lab.clustering_accuracy(learn, held_out, truth, seed=0) == 1
    renamed = torch.randperm(lab.CLASSES, generator=stream(5))[truth]
    assert lab.clustering_accuracy(learn, held_out, renamed, seed=2**32 + 1) == 1
    merged = torch.where(truth == 1, 0, truth)  # two clusters, one name: only one may bear it
    assert lab.clustering_accuracy(learn, held_out, merged, seed=0) == pytest.approx(0.9)


def test_one_label_a_class_spreads_over_its_heap():
    (learn, labels), (held_out, truth) = blobs(20, 0), blobs(10, 1)
    graph = lab.link(learn, held_out)
    assert (graph.links != graph.links.T).nnz == 0
    assert graph.links.diagonal().sum() == 0
    rows = torch.arange(10)  # one of each
    assert lab.spreading_accuracy(graph, rows, labels[rows], truth) == 1
    assert lab.spreading_accuracy(graph, rows, labels[rows].flip(0), truth) == 0
    assert lab.probe_accuracy(learn[rows], labels[rows], held_out, truth) > 0.9


# --- experiments ---------------------------------------------------------------------------------


def test_the_whole_curve_comes_with_the_first_draw():
    asked = {"methods": lab.METHODS, "budgets": (1, 3), "seeds": 2, "training": QUICK}
    scores = list(lab.label_budget("mnist", "sample", **asked))
    assert [(s.step, s.total) for s in scores] == [(at, 14) for at in range(1, 15)]
    clustering, first, second = scores[:2], scores[2:8], scores[8:]
    assert {(s.method, s.labels) for s in clustering} == {("clustering", 0)}
    for draw, seed in ((first, 0), (second, 1)):
        assert [s.labels for s in draw] == [10, 30] * 3
        assert {s.seed for s in draw} == {seed}
    curves = lab.summarise(scores, lambda score: score.labels)
    assert [point.runs for point in curves["supervised"]] == [2, 2]
    mean = (first[0].accuracy + second[0].accuracy) / 2
    assert curves["supervised"][0].mean == pytest.approx(mean)
    spread = abs(first[0].accuracy - second[0].accuracy) / math.sqrt(2)
    assert curves["supervised"][0].spread == pytest.approx(spread)


def test_a_run_that_was_done_is_kept():
    lab._accuracy.cache_clear()
    for _ in range(2):
        asked = {"methods": ["probe"], "budgets": [2], "seeds": 1, "training": QUICK}
        assert len(list(lab.label_budget("mnist", "sample", **asked))) == 1
    assert lab._accuracy.cache_info().hits == 1


def test_wrong_labels_do_not_move_what_sees_none():
    asked = {"shares": (0.0, 1.0), "seeds": 1, "training": QUICK}
    scores = list(lab.label_noise("mnist", "sample", methods=("clustering", "supervised"), **asked))
    clustered = {s.accuracy for s in scores if s.method == "clustering"}
    assert len(clustered) == 1
    assert clustered.pop() > 0.4
    taught = {s.wrong: s.accuracy for s in scores if s.method == "supervised"}
    assert taught[1.0] < taught[0.0] - 0.4


def test_it_can_be_left_at_any_score():
    scores = lab.label_budget("mnist", "sample", methods=["probe"], budgets=[1], seeds=5)
    assert len(list(islice(scores, 2))) == 2
    scores.close()


# --- curves, and those that ship -----------------------------------------------------------------


def test_measured_curves_are_read_back_and_stale_ones_left_out(tmp_path: Path, monkeypatch):
    for name, value in (("SEEDS", 1), ("NOISE_SEEDS", 1), ("BUDGETS", (1,)), ("SHARES", (0, 1))):
        monkeypatch.setattr(lab, name, value)
    kept = lab.measure_curves("mnist", "sample", QUICK)
    path = tmp_path / "curves.json"
    assert lab.beforehand("mnist", "budget", path) is None
    path.write_text(json.dumps({"datasets": {"mnist": kept}}))
    assert lab.beforehand("fashion", "budget", path) is None
    budget, noise = (lab.beforehand("mnist", kind, path) for kind in ("budget", "noise"))
    assert budget is not None
    assert noise is not None
    assert (budget.learn, budget.held_out) == (1000, 1000)
    assert [point.x for point in budget.curves["supervised"]] == [10, 1000]
    assert set(budget.curves) == set(lab.METHODS)
    assert noise.curves["supervised"][0].mean > 0.6
    path.write_text(json.dumps({"datasets": {"mnist": kept | {"weights": "others"}}}))
    stale = lab.beforehand("mnist", "budget", path)
    assert stale is not None
    assert set(stale.curves) == {"supervised"}


@pytest.mark.parametrize("dataset", lab.DATASETS)
def test_curves_of_the_shipped_encoders_ship(dataset: str):
    budget, noise = (lab.beforehand(dataset, kind) for kind in ("budget", "noise"))
    assert budget is not None
    assert noise is not None
    assert (budget.learn, budget.held_out) == (60_000, 10_000)
    # Else: python -m gm_core.label_budget --write
    assert set(budget.curves) == set(lab.METHODS)
    assert set(noise.curves) == {"supervised", "clustering"}
    assert {point.runs for point in budget.curves["spreading"]} == {lab.SEEDS}
