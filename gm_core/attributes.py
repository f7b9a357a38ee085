"""Attributes as directions of codes, and how well they work.

    z' = z + amount * direction        dark hair, glasses, smile, beard

A direction is what an attribute adds to the mean code, the other attributes held alike: a linear
regression of the codes on the attributes. It is not the normal of the plane that separates codes
best: what tells two groups apart is not what the decoder needs to draw the difference, and hardly
changes a picture. Whether the decoded picture then shows the attribute, and still shows what else
it showed, is decided by a judge that has only ever seen real avatars.

Source: White, "Sampling Generative Networks", 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gm_core import data
from gm_core.metrics import Figure, as_pictures
from gm_core.vae import VAE

DATASET = "avatars"
ATTRIBUTES = tuple(data.DRAWN[DATASET].questions)
BATCH = 100  # pictures that are encoded or decoded together

JUDGED_SIZE = 32  # the judge sees pictures of 32x32
JUDGE_TRAIN, JUDGE_TEST = 4000, 2000  # real avatars that the judge learns from and is tested on
DIRECTION_TRAIN = 8000  # avatars whose codes a direction is made of
EDITED = 1000  # test avatars that an attribute is given to, at most


@torch.no_grad()
def mean_codes(model: VAE, images: Tensor) -> Tensor:
    """The mean of q(z | x) of images: uint8 (N, C, H, W) -> (N, latent), on the CPU."""
    parts = [as_pictures(model, part) for part in images.split(BATCH)]
    return torch.cat([model.encode(part)[0].cpu() for part in parts])


def directions(codes: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """What to add to a code for each attribute: codes (N, latent), labels int64 (N,) of avatars ->
    attribute: (latent,).

    Raises ValueError where all avatars have an attribute, or none has.
    """
    from sklearn.linear_model import LinearRegression

    has = data.attributes(DATASET, labels)
    for name, known in has.items():
        if known.all() or not known.any():
            raise ValueError(f"There must be avatars with and without {name}.")
    shown = torch.stack([has[name] for name in ATTRIBUTES], dim=1).double()  # (N, attributes)
    fitted = LinearRegression().fit(shown.numpy(), codes.double().numpy())
    return {
        name: torch.from_numpy(fitted.coef_[:, index]).to(codes.dtype)
        for index, name in enumerate(ATTRIBUTES)
    }


@dataclass(frozen=True, slots=True)
class Judge:
    """Tells whether a picture shows an attribute: logistic regressions on pixels."""

    classifiers: dict[str, Any]  # attribute: scikit-learn's LogisticRegression

    def __call__(self, pictures: Tensor) -> dict[str, Tensor]:
        """Pictures (N, C, H, W) in [0, 1] -> attribute: bool (N,)."""
        pixels = as_pixels(pictures)
        return {
            name: torch.from_numpy(classifier.predict(pixels))
            for name, classifier in self.classifiers.items()
        }


def as_pixels(pictures: Tensor) -> Any:
    """What a judge sees: pictures (N, C, H, W) in [0, 1] -> NumPy (N, C * 32 * 32), around 0."""
    return (F.adaptive_avg_pool2d(pictures, JUDGED_SIZE) - 0.5).flatten(1).numpy()


def fit_judge(train: data.Images) -> Judge:
    """A judge that learned from real avatars."""
    from sklearn.linear_model import LogisticRegression

    pixels = as_pixels(train.images / 255)
    has = data.attributes(DATASET, train.labels)
    return Judge(
        {
            name: LogisticRegression(C=10, max_iter=1000).fit(pixels, has[name].numpy())
            for name in ATTRIBUTES
        }
    )


@torch.no_grad()
def decoded(model: VAE, codes: Tensor) -> Iterator[Tensor]:
    """The mean images of codes (N, latent), on the CPU, a batch at a time."""
    for part in codes.split(BATCH):
        yield model.decode(part).cpu()


def judged(model: VAE, codes: Tensor, judge: Judge) -> dict[str, Tensor]:
    """What decoded codes (N, latent) are seen to show: attribute: bool (N,)."""
    parts = [judge(pictures) for pictures in decoded(model, codes)]
    return {name: torch.cat([part[name] for part in parts]) for name in ATTRIBUTES}


def measure(model: VAE, test: data.Images, train: data.Images) -> list[Figure]:
    """How well a VAE's directions give an attribute to avatars that do not have it.

    A judge learns from 4,000 training images and is tested on 2,000 real test images: its accuracy
    says how far it can be trusted (some beards hide the mouth, and with it a smile). Directions are
    those of up to 8,000 training codes. Then, for each attribute, of up to 1,000 of these test
    images that are known not to have it: the share whose reconstruction is judged not to have it
    either, and the share that is judged to have it once its direction was added to the code. And of
    all these edits: how many of the three other attributes are judged as they were in the
    reconstruction. About a minute on one core.
    """
    real = test[:JUDGE_TEST]
    judge = fit_judge(train[:JUDGE_TRAIN])
    known = data.attributes(DATASET, real.labels)
    seen = judge(real.images / 255)

    by_name = directions(
        mean_codes(model, train.images[:DIRECTION_TRAIN]), train.labels[:DIRECTION_TRAIN]
    )
    codes = mean_codes(model, real.images)
    before = judged(model, codes, judge)

    judge_of = f"logistic regression on {JUDGED_SIZE}x{JUDGED_SIZE} pixels"
    accuracies, kept, given, unchanged, edits = [], [], [], [], 0
    for name in ATTRIBUTES:
        without = (~known[name]).nonzero()[:EDITED, 0]
        after = judged(model, codes[without] + by_name[name], judge)
        edits += len(without)
        unchanged += [
            after[other] == before[other][without] for other in ATTRIBUTES if other != name
        ]
        split = f"test, {len(without):,} avatars without it"
        accuracies.append(
            Figure(
                name=f"{name}: the judge is right on real avatars",
                value=percent(seen[name] == known[name]),
                unit="%",
                convention=f"{judge_of}, fitted to real training images",
                split=f"test, {len(real):,} images",
            )
        )
        kept.append(
            Figure(
                name=f"{name}: reconstructions judged without it",
                value=percent(~before[name][without]),
                unit="%",
                convention=f"decoded mean of q(z | x); {judge_of}",
                split=split,
            )
        )
        given.append(
            Figure(
                name=f"{name}: judged with it after its direction was added",
                value=percent(after[name]),
                unit="%",
                convention=f"decoded mean of q(z | x) plus 1 direction of training codes; "
                f"{judge_of}",
                split=split,
            )
        )
    others = Figure(
        name="other attributes unchanged by a direction",
        value=percent(torch.cat(unchanged)),
        unit="%",
        convention=f"judged as in the reconstruction, mean of the three others of every edit; "
        f"{judge_of}",
        split=f"test, {edits:,} edits",
    )
    return [*given, others, *kept, *accuracies]


def percent(true: Tensor) -> float:
    """The share of true values, bool (N,), in percent."""
    return 100 * float(true.double().mean())
