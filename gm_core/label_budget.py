"""What labels buy: one set of pictures, learnt from with many labels, few, wrong ones, or none.

    supervised    pictures with a label ---> CNN ------------------------------> p(y | x)
    clustering    all pictures ---> features without labels ---> k-means          no y at all
    probe         pictures with a label ---> features ---> logistic regression
    spreading     pictures with a label ---> features ---> graph of all pictures, along whose
                                                           edges labels spread

Everything is measured on held-out pictures, whose labels only the judge sees. Clusters have no
names, so the judge gives them those that fit best (Hungarian matching), one class a cluster.
Labels are given class by class: as many of each, nested (a larger budget holds the smaller ones).

    python -m gm_core.label_budget --write      measures the shipped curves anew, on the full sets
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gm_core import checkpoints, data, unlabelled
from gm_core.data import Images, MissingData
from gm_core.files import write_bytes
from gm_core.neighbours import training_images
from gm_core.randomness import stream

Method = Literal["supervised", "clustering", "probe", "spreading"]
METHODS: tuple[Method, ...] = ("supervised", "clustering", "probe", "spreading")
LABEL_FREE: tuple[Method, ...] = ("clustering",)
# Method, labels a class (None is all), share of them that are wrong, seed.
Run = tuple[Method, int | None, float, int]
DATASETS = ("mnist", "fashion")
CLASSES = 10
TRAINING_FILES = {  # in torchvision's layout
    "mnist": "MNIST/raw/train-images-idx3-ubyte",
    "fashion": "FashionMNIST/raw/train-images-idx3-ubyte",
}

# Where the pictures come from: the half of the bundled sample that is not held out, a part of the
# full training set, or all of it.
Source = Literal["sample", "part", "full"]
PER_CLASS: dict[Source, int] = {"sample": 100, "part": 1000}  # pictures to learn from
BUDGETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # labels a class
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)  # of labels that are wrong

SPLIT, DRAW, NOISE, WEIGHTS, BATCHES = range(5)  # random streams (seed, which)
BATCH = 250  # pictures that are judged at a time
NEIGHBOURS = 10  # that a picture is linked to
STAY = 0.95  # how much a picture listens to its neighbours, against its own label
RESTARTS = 4  # of k-means, of which the tightest clusters count

MEASURED = data.SAMPLES / "label_budget.json"
SEEDS, NOISE_SEEDS = 5, 2  # of the shipped curves


class NoFullSet(MissingData):
    """The full training set does not lie on this machine."""


@dataclass(frozen=True, slots=True)
class Training:
    """How a CNN learns from labelled pictures."""

    features: tuple[int, int] = (8, 16)
    hidden: int = 64
    batch_size: int = 32
    steps: int = 200  # for the first thousand labels; ten times the labels, twice the steps
    learning_rate: float = 4e-3
    warmup_steps: int = 10
    decay_share: float = 0.4  # of the steps, at the end
    weight_decay: float = 0.01
    shift: int = 1  # pixels, at most, that a batch is moved by

    def steps_for(self, labels: int) -> int:
        return round(self.steps * max(1.0, labels / 1000) ** 0.35)


LIVE = Training()  # half a second of one core
THOROUGH = Training(features=(16, 32), batch_size=64, steps=250, learning_rate=3e-3)


# --- pictures ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Task:
    """Pictures to learn from, and others to be measured on; no picture is in both."""

    learn: Images
    held_out: Images


@dataclass(frozen=True, slots=True)
class Score:
    """What a method reached in one run, the `step`-th of `total`."""

    method: Method
    labels: int  # that it saw
    wrong: float  # share of them that were wrong
    seed: int
    accuracy: float  # share of the held-out pictures
    step: int
    total: int


def has_full_set(dataset: str) -> bool:
    """Whether the training images lie on this machine; nothing is downloaded."""
    folder = Path(os.environ.get("GM_DATA_DIR") or data.CACHE.expanduser())
    return (folder / TRAINING_FILES[dataset]).exists()


@functools.lru_cache(maxsize=4)
def task(dataset: str, source: Source) -> Task:
    """The split of a source: equally many pictures of each class, "full" excepted.

    Raises NoFullSet where the training images are needed and are not here.
    """
    sample = data.load(dataset, "sample")
    if source == "sample":
        half = PER_CLASS[source]
        index = shuffled_classes(sample.labels, 0, SPLIT)
        return Task(_rows(sample, index[:, :half]), _rows(sample, index[:, half:]))
    train = training_images(dataset) if has_full_set(dataset) else None
    if train is None:
        raise NoFullSet(f"The full training set of {dataset} does not lie on this machine.")
    if source == "part":
        index = shuffled_classes(train.labels, 0, SPLIT)[:, : PER_CLASS[source]]
        return Task(_rows(train, index), sample)
    return Task(train, data.load(dataset, "test"))


def shuffled_classes(labels: Tensor, seed: int, which: int) -> Tensor:
    """Rows of each class in random order, as many of each as the rarest has: (CLASSES, n)."""
    random = stream(seed, which)
    classes = [torch.nonzero(labels == label)[:, 0] for label in range(CLASSES)]
    fewest = min(map(len, classes))
    return torch.stack(
        [rows[torch.randperm(len(rows), generator=random)][:fewest] for rows in classes]
    )


def _rows(images: Images, index: Tensor) -> Images:
    rows = index.flatten().sort().values
    return Images(images.images[rows], images.labels[rows], images.dataset)


def draw(labels: Tensor, per_class: int, seed: int) -> Tensor:
    """Which pictures get a label: int64 (CLASSES * per_class,). Raises ValueError."""
    index = shuffled_classes(labels, seed, DRAW)
    if not 1 <= per_class <= index.shape[1]:
        raise ValueError(f"{per_class} labels a class of {index.shape[1]} pictures can't be drawn.")
    return index[:, :per_class].flatten()


def corrupt(labels: Tensor, wrong: float, seed: int) -> Tensor:
    """Replace a share of the labels by other classes, each as likely: int64 (N,) -> (N,).

    Exactly the share, rounded. What is wrong at a share is wrong in the same way at larger ones.
    """
    random = stream(seed, NOISE)
    order = torch.randperm(len(labels), generator=random)
    others = (labels + torch.randint(1, CLASSES, labels.shape, generator=random)) % CLASSES
    replaced = order[: round(wrong * len(labels))]
    result = labels.clone()
    result[replaced] = others[replaced]
    return result


# --- supervised ----------------------------------------------------------------------------------


def make_cnn(training: Training, seed: int) -> nn.Sequential:
    """Two convolutions, two dense layers: (B, 1, 28, 28) in [0, 1] -> logits (B, CLASSES)."""
    first, second = training.features
    # Modules draw their weights from the global generator, which must be left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(stream(seed, WEIGHTS).get_state())
        model = nn.Sequential(
            nn.Conv2d(1, first, 5, stride=2, padding=2), nn.ReLU(),  # 14x14
            nn.Conv2d(first, second, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(),  # 7x7
            nn.Flatten(), nn.Linear(49 * second, training.hidden), nn.ReLU(),
            nn.Linear(training.hidden, CLASSES),
        )  # fmt: skip
    return model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


@torch.enable_grad()  # whoever asks, in whatever thread
def train_cnn(images: Tensor, labels: Tensor, training: Training, seed: int) -> nn.Sequential:
    """A CNN that has learnt from images uint8 (N, 1, 28, 28) and labels (N,), and nothing else."""
    model = make_cnn(training, seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), weight_decay=training.weight_decay, fused=True
    )
    random = stream(seed, BATCHES)
    steps, shift = training.steps_for(len(labels)), training.shift
    for step in range(steps):
        warmup = min(1.0, (step + 1) / training.warmup_steps)
        decay = min(1.0, (steps - step) / (training.decay_share * steps))
        for group in optimiser.param_groups:
            group["lr"] = training.learning_rate * warmup * decay
        size = (min(training.batch_size, len(labels)),)
        rows = torch.randint(len(labels), size, generator=random)
        down, right = torch.randint(2 * shift + 1, (2,), generator=random).tolist()
        batch = F.pad(_centred(images[rows]), (shift,) * 4, value=-1.0)
        batch = batch[:, :, down : down + images.shape[2], right : right + images.shape[3]]
        loss = F.cross_entropy(model(batch), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


def _centred(images: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1], laid out as the convolutions like it."""
    return (images / 127.5 - 1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def cnn_accuracy(model: nn.Module, held_out: Images) -> float:
    """The share of held-out pictures whose likeliest class is the true one."""
    shown = [model(_centred(part)).argmax(dim=1) for part in held_out.images.split(BATCH)]
    return float((torch.cat(shown) == held_out.labels).double().mean())


# --- on features that were learnt without labels -------------------------------------------------


def clustering_accuracy(learn: Tensor, held_out: Tensor, truth: Tensor, seed: int) -> float:
    """k-means on features (N, D), measured on (M, D) of the classes (M,).

    Each cluster is given one class, such that as many held-out pictures as possible agree.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.cluster import KMeans

    means = KMeans(CLASSES, n_init=RESTARTS, random_state=seed % 2**32)  # pyright: ignore[reportArgumentType]
    means.fit(learn.numpy())
    together = np.zeros((CLASSES, CLASSES), int)  # clusters, classes
    np.add.at(together, (means.predict(held_out.numpy()), truth.numpy()), 1)
    return float(together[linear_sum_assignment(together, maximize=True)].sum() / len(truth))


def probe_accuracy(learn: Tensor, labels: Tensor, held_out: Tensor, truth: Tensor) -> float:
    """Logistic regression on features (N, D) with labels (N,), measured on (M, D)."""
    from sklearn.linear_model import LogisticRegression

    probe = LogisticRegression(max_iter=1000).fit(learn.numpy(), labels.numpy())
    return float(probe.score(held_out.numpy(), truth.numpy()))


@dataclass(frozen=True, slots=True)
class Graph:
    """Every picture is linked to the most similar ones: sparse matrices of ones."""

    links: Any  # (N, N), symmetric: among those to learn from
    held_out: Any  # (M, N): from held-out pictures to those


def link(learn: Tensor, held_out: Tensor) -> Graph:
    """The graph of features (N, D), and where (M, D) would stand in it."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(learn.numpy())
    directed = nearest.kneighbors_graph()  # no picture is its own neighbour
    return Graph(directed.maximum(directed.T), nearest.kneighbors_graph(held_out.numpy()))


def spreading_accuracy(graph: Graph, rows: Tensor, labels: Tensor, truth: Tensor) -> float:
    """Labels (L,) of the pictures `rows` (L,) spread over the graph; held-out pictures ask those
    that they are linked to. Zhou et al. 2004."""
    from sklearn.semi_supervised import LabelSpreading

    count = graph.links.shape[0]
    known = np.full(count, -1)  # what scikit-learn takes for "no label"
    known[rows.numpy()] = labels.numpy()
    spreading = LabelSpreading(
        kernel=lambda *_: graph.links,  # pyright: ignore[reportArgumentType]
        alpha=STAY, max_iter=500, tol=1e-2,
    )  # fmt: skip
    spreading.fit(np.arange(count)[:, None], known)  # the graph stands for the features
    shares: NDArray[np.float64] = graph.held_out @ spreading.label_distributions_
    shown = spreading.classes_[shares.argmax(axis=1)]
    return float((shown == truth.numpy()).mean())


@functools.lru_cache(maxsize=4)
def _features(dataset: str, source: Source, _weights: str) -> tuple[Tensor, Tensor]:
    """Of a task's pictures, scaled as a whole such that methods need not know how large they are:
    (N, D), (M, D)."""
    pictures = task(dataset, source)
    learn = unlabelled.features(dataset, pictures.learn.images)
    held_out = unlabelled.features(dataset, pictures.held_out.images)
    spread = learn.std()
    return learn / spread, held_out / spread


@functools.lru_cache(maxsize=4)
def _graph(dataset: str, source: Source, weights: str) -> Graph:
    return link(*_features(dataset, source, weights))


def encoder_weights(dataset: str) -> str:
    """The hash of the weights that a data set's features come from."""
    return checkpoints.describe(unlabelled.ENCODERS[dataset]).weights


# --- experiments ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=10_000)
def _accuracy(
    dataset: str,
    source: Source,
    method: Method,
    per_class: int | None,
    wrong: float,
    seed: int,
    training: Training,
    weights: str,
) -> float:
    """One run; kept, for a class of students will ask for the same ones. per_class: None is all."""
    pictures = task(dataset, source)
    learn, held_out = pictures.learn, pictures.held_out
    if method == "clustering":
        return clustering_accuracy(*_features(dataset, source, weights), held_out.labels, seed)
    rows = torch.arange(len(learn)) if per_class is None else draw(learn.labels, per_class, seed)
    labels = corrupt(learn.labels[rows], wrong, seed)
    if method == "supervised":
        return cnn_accuracy(train_cnn(learn.images[rows], labels, training, seed), held_out)
    if method == "spreading":
        graph = _graph(dataset, source, weights)
        return spreading_accuracy(graph, rows, labels, held_out.labels)
    of_learn, of_held_out = _features(dataset, source, weights)
    return probe_accuracy(of_learn[rows], labels, of_held_out, held_out.labels)


def run(
    dataset: str,
    source: Source,
    runs: Sequence[Run],
    training: Training = LIVE,
) -> Generator[Score]:
    """A score for each of `runs`. Methods without labels see none, whatever the budget."""
    weights = encoder_weights(dataset)
    everything = len(task(dataset, source).learn)
    for step, (method, per_class, wrong, seed) in enumerate(runs, 1):
        accuracy = (
            _accuracy(dataset, source, method, 0, 0.0, seed, training, weights)
            if method in LABEL_FREE
            else _accuracy(dataset, source, method, per_class, wrong, seed, training, weights)
        )
        labels = everything if per_class is None else CLASSES * per_class
        labels = 0 if method in LABEL_FREE else labels
        yield Score(method, labels, wrong, seed, accuracy, step, len(runs))


def label_budget(
    dataset: str,
    source: Source,
    *,
    methods: Sequence[Method],
    budgets: Sequence[int | None],
    seeds: int,
    first_seed: int = 0,
    training: Training = LIVE,
) -> Generator[Score]:
    """Accuracy against labels: all methods with all budgets, draw after draw, so that the whole
    curve is there after the first one."""
    runs: list[Run] = [
        (method, per_class, 0.0, seed)
        for seed in range(first_seed, first_seed + seeds)
        for method in methods
        for per_class in ((None,) if method in LABEL_FREE else budgets)
    ]
    # What needs no labels is done first, and is quick.
    runs.sort(key=lambda each: each[0] not in LABEL_FREE)
    yield from run(dataset, source, runs, training)


def label_noise(
    dataset: str,
    source: Source,
    *,
    methods: Sequence[Method],
    shares: Sequence[float],
    seeds: int,
    first_seed: int = 0,
    training: Training = LIVE,
) -> Generator[Score]:
    """Accuracy against the share of wrong labels, of all pictures labelled, draw after draw."""
    runs: list[Run] = [
        (method, None, wrong, seed)
        for seed in range(first_seed, first_seed + seeds)
        for wrong in shares
        for method in methods
    ]
    yield from run(dataset, source, runs, training)


# --- curves, and those that ship -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """Accuracies at one place of a curve."""

    x: float  # labels, or share of wrong labels
    mean: float
    spread: float | None  # standard deviation; None of a single run
    runs: int


def summarise(scores: Iterable[Score], x: Callable[[Score], float]) -> dict[Method, list[Point]]:
    """Scores -> each method's curve, by rising x."""
    found: dict[Method, dict[float, list[float]]] = {}
    for score in scores:
        found.setdefault(score.method, {}).setdefault(x(score), []).append(score.accuracy)
    return {
        method: [
            Point(
                at,
                float(np.mean(values)),
                float(np.std(values, ddof=1)) if len(values) > 1 else None,
                len(values),
            )
            for at, values in sorted(places.items())
        ]
        for method, places in found.items()
    }


Kind = Literal["budget", "noise"]


@dataclass(frozen=True, slots=True)
class Beforehand:
    """Curves on a full set that were measured once and ship."""

    learn: int  # pictures
    held_out: int
    curves: dict[Method, list[Point]]


def beforehand(dataset: str, kind: Kind, path: Path = MEASURED) -> Beforehand | None:
    """The shipped curves; None where there are none. Curves on features of other weights than
    those that ship are left out."""
    if not path.exists():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))["datasets"].get(dataset)
    if kept is None:
        return None
    is_current = kept["weights"] == encoder_weights(dataset)
    curves: dict[Method, list[Point]] = {
        method: [Point(*point) for point in kept[kind][method]]
        for method in METHODS
        if method in kept[kind] and (is_current or method == "supervised")
    }
    return Beforehand(kept["learn"], kept["held_out"], curves)


def measure_curves(dataset: str, source: Source, training: Training) -> dict[str, Any]:
    """The curves of a data set, as the shipped file holds them."""
    pictures = task(dataset, source)
    most = int(torch.bincount(pictures.learn.labels).min())
    budgets = [*(each for each in BUDGETS if each < most), None]
    curves = {
        "budget": summarise(
            label_budget(
                dataset, source, methods=METHODS, budgets=budgets, seeds=SEEDS, training=training
            ),
            lambda score: score.labels,
        ),
        "noise": summarise(
            label_noise(
                dataset, source, methods=("supervised", "clustering"), shares=SHARES,
                seeds=NOISE_SEEDS, training=training,
            ),
            lambda score: score.wrong,
        ),
    }  # fmt: skip
    return {
        "learn": len(pictures.learn),
        "held_out": len(pictures.held_out),
        "weights": encoder_weights(dataset),
        **{
            kind: {
                method: [
                    [
                        at.x,
                        round(at.mean, 5),
                        None if at.spread is None else round(at.spread, 5),
                        at.runs,
                    ]
                    for at in points
                ]
                for method, points in found.items()
            }
            for kind, found in curves.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the shipped curves on the full sets.")
    parser.add_argument("--write", action="store_true", help=f"write {MEASURED.name}")
    parser.add_argument("--dataset", choices=DATASETS, action="append", help="only this one")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for dataset in arguments.dataset or DATASETS:
        started = time.perf_counter()
        measured = measure_curves(dataset, "full", THOROUGH)
        print(dataset, json.dumps(measured), f"{time.perf_counter() - started:.0f} s", flush=True)
        if arguments.write:
            kept = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
            datasets = kept.get("datasets", {}) | {dataset: measured}
            kept = {"command": "python -m gm_core.label_budget --write", "datasets": datasets}
            write_bytes(MEASURED, (json.dumps(kept) + "\n").encode())


if __name__ == "__main__":
    main()
