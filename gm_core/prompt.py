"""One prompt, four families: the same class, asked of every kind of generative model.

    PixelRNN, PixelCNN   told the class; a pass a pixel         log p(x | class), exactly
    GAN                  told the class; one pass               no likelihood at all
    VAE                  knows no classes; one pass             a bound on log p(x)

A model that knows no classes can be asked all the same: draw from p(x), and keep what a classifier
takes for the class. What is kept follows p(x | the classifier says so), and the rarer the class,
the more draws it takes. Each is timed by a clock that runs only while it draws.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch
from torch import Tensor

from gm_core.autoregressive import PixelModel
from gm_core.classifier import Classifier
from gm_core.gan import GAN
from gm_core.neighbours import Measured, classifier_of, compare
from gm_core.randomness import stream
from gm_core.realism import NEIGHBOURS
from gm_core.vae import VAE, latent_noise

Likelihood = Literal["exact", "bound", "none"]
Result = TypeVar("Result")
UPDATES = 14  # records while a picture of two levels is drawn pixel after pixel
FEW_UPDATES = 4  # of more levels: a record holds the share of each, which takes time to build
REPEATS = 3  # of what takes milliseconds, timed
BRIEF = 0.02  # seconds; what takes longer is timed once
AT_ONCE = 50  # pictures that are drawn together until enough show the class
MOST_TRIES = 1_000  # pictures after which the search for a class ends


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model has made of a prompt so far."""

    images: Tensor  # float32 (B, C, H, W) in [0, 1], on the CPU; black where nothing is drawn yet
    step: int  # network passes so far, one after the other
    total: int  # that a picture takes
    is_told: bool  # the class; else it was searched for
    seconds: float  # of drawing, and of searching for the class
    tried: int  # pictures drawn for these B
    likelihood: Likelihood
    latent: int | None  # dimensions of z; None without one
    nats: Tensor | None = None  # float64 (B,): -log p(x | class), or a bound on -log p(x)
    measured: Measured | None = None  # None while it draws, and of too few pictures


@torch.no_grad()
def ask(
    model: PixelModel | VAE | GAN, dataset: str, *, label: int | None, count: int, seed: int
) -> Iterator[Reply]:
    """Ask a model of a data set for `count` pictures of a class, or of any: the last record is
    measured against real ones of this class. It has fewer pictures if a search for it failed.

    Picture i has the stream (seed, i), and so has try i. Raises ValueError for a class that there
    is not, or for one to search without a classifier of the data set.
    """
    binary = False
    if isinstance(model, PixelModel):
        binary = model.config.levels == 2
        replies = _pixel_by_pixel(model, label, count, seed)
    elif isinstance(model, VAE):
        replies = _searched(model, dataset, label, count, seed)
    else:
        replies = _at_once(model, label, count, seed)
    yield (reply := next(replies))
    for reply in replies:
        yield reply
    if len(reply.images) > NEIGHBOURS:
        measured = compare(dataset, reply.images, label=label, binary=binary)
        yield replace(reply, measured=measured)


def _pixel_by_pixel(model: PixelModel, label: int | None, count: int, seed: int) -> Iterator[Reply]:
    config = model.config
    total = config.height * config.width * config.channels
    updates = UPDATES if config.levels == 2 else FEW_UPDATES
    every = math.ceil(config.height / updates) * config.width * config.channels  # whole rows
    seconds, started = 0.0, time.perf_counter()
    for frame in model.sample(count, seed=seed, label=label, every=every):
        seconds += time.perf_counter() - started
        done = frame.step == total
        nats = -frame.log_prob.sum(dim=(1, 2, 3)) if done else None
        yield Reply(frame.images, frame.step, total, True, seconds, count, "exact", None, nats)
        started = time.perf_counter()


def _at_once(model: GAN, label: int | None, count: int, seed: int) -> Iterator[Reply]:
    def draw() -> Tensor:
        return model.generate(model.sample_latent(count, seed=seed), label).float().cpu()

    images, seconds = timed(draw)
    yield Reply(images, 1, 1, True, seconds, count, "none", model.config.latent)


def _searched(
    model: VAE, dataset: str, label: int | None, count: int, seed: int
) -> Iterator[Reply]:
    classifier = classifier_of(dataset)
    if label is not None:
        if classifier is None:
            raise ValueError(f"No classifier of {dataset} ships, so no class can be searched for.")
        if not 0 <= label < classifier.config.classes:
            raise ValueError(f"Labels go from 0 to {classifier.config.classes - 1}.")

    def draw() -> tuple[Tensor, Tensor, int]:
        if label is None or classifier is None:
            z = model.sample_latent(count, seed=seed)
            return z, model.decode(z).float().cpu(), count
        return search(model, classifier, label, count, seed)

    (z, images, tried), seconds = timed(draw)
    yield Reply(
        images, 1, 1, False, seconds, tried, "bound", model.config.latent,
        bound_of(model, z, seed),
    )  # fmt: skip


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What work gives, and its seconds; of short work the median of several runs, the first of
    which prepares the kernels and takes longer."""
    times: list[float] = []
    while True:
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
        if len(times) == REPEATS or times[0] > BRIEF:
            return result, statistics.median(times)


def search(
    model: VAE, classifier: Classifier, label: int, count: int, seed: int
) -> tuple[Tensor, Tensor, int]:
    """Decode codes of the prior until `count` pictures show a class, by the classifier's word:
    their codes (B, latent), the pictures (B, C, H, W), and how many were drawn.

    B is below `count` where `MOST_TRIES` were not enough.
    """
    codes, pictures, shown = [], [], []
    found = tried = 0
    while found < count and tried < MOST_TRIES:
        z = latent_noise(seed, AT_ONCE, model.config.latent, start=tried)
        images = model.decode(z)
        shown.append(classifier.classify(images).argmax(dim=1).cpu() == label)
        codes.append(z)
        pictures.append(images.float().cpu())
        tried += AT_ONCE
        found += int(shown[-1].sum())
    kept = torch.cat(shown).nonzero()[:count, 0]
    if len(kept) == count:
        tried = int(kept[-1]) + 1  # the last ones were drawn only because they come in batches
    return torch.cat(codes)[kept], torch.cat(pictures)[kept], tried


def bound_of(model: VAE, z: Tensor, seed: int) -> Tensor:
    """-ELBO of a picture drawn from p(x | z) of each code, for the decoded mean is no sample of it:
    (B, latent) -> nats (B,), float64."""
    if len(z) == 0:
        return torch.zeros(0, dtype=torch.float64)
    # Dice that have nothing to do with those that z was thrown with.
    pixels, noise = torch.randint(2**32, (2,), generator=stream(seed, MOST_TRIES)).tolist()
    elbo = model.elbo(model.draw(z, seed=pixels), seed=noise)
    return -elbo.value.double().cpu()
