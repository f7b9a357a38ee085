"""Off the distribution: is a picture a digit at all? Two judges who have never seen anything else.

    p(y | x)    the classifier: its ten probabilities add up to 1, so it must name a digit. What it
                has for a refusal is its doubt, 1 - max p(y | x).
    p(x)        the density model: -log p(x) is high wherever the training data never was, so
                that it can refuse.

Neither is safe. A classifier is often certain of what it never saw (Hendrycks and Gimpel 2017). A
density model finds simple pictures likely, whatever they show (Nalisnick et al. 2019): most of the
probability lies on typical pictures, and those are not the likeliest ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gm_core import data
from gm_core.autoregressive import PixelModel
from gm_core.classifier import Classifier
from gm_core.data import Images
from gm_core.metrics import as_levels, log_probs
from gm_core.randomness import stream

SHIFT = 5  # pixels
LETTERS = "AEFHKMRTWX"  # none that could be a digit
LETTER_SIZES = (22, 25, 28)  # pixels from the top of the font to its bottom
DOTS = 3  # in a picture that is nearly blank


# --- the judges' answers -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What a classifier says of pictures; on the CPU."""

    log_probabilities: Tensor  # float64 (B, classes): log p(y | x)

    @property
    def doubt(self) -> Tensor:
        """1 - max p(y | x), exact where it is tiny: float64 (B,)."""
        ascending = self.log_probabilities.sort(dim=1).values
        return ascending[:, :-1].exp().sum(dim=1)


@dataclass(frozen=True, slots=True)
class Judged:
    """Pictures of a kind, and what both judges say of each; on the CPU."""

    images: Tensor  # uint8 (N, 1, H, W)
    nats: Tensor  # float64 (N,): -log p(x), as the frozen draw 0 binarises the pictures
    doubt: Tensor  # float64 (N,)


@torch.no_grad()
def classify(model: Classifier, images: Tensor) -> Iterator[Answer]:
    """Ask a classifier: images (B, C, H, W) in [0, 1] -> one record."""
    yield Answer(model.classify(images).double().cpu())


@torch.no_grad()
def judge(density: PixelModel, classifier: Classifier, kind: str, count: int) -> Iterator[Judged]:
    """One record: so many pictures of a kind, judged."""
    images = pictures(kind, count)
    nats = -log_probs(density, as_levels(density, images))
    [answer] = classify(classifier, images / 255)
    yield Judged(images, nats, answer.doubt)


# --- refusing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """From where on the judges refuse."""

    least: float  # nats: less is too likely; -inf where nothing is
    most: float  # nats: more is too unlikely
    doubt: float  # more is too uncertain

    def refuses(self, nats: Tensor) -> Tensor:
        """By p(x): (N,) -> bool (N,)."""
        return (nats < self.least) | (nats > self.most)

    def doubts(self, doubt: Tensor) -> Tensor:
        """By the classifier's certainty: (N,) -> bool (N,)."""
        return doubt > self.doubt


def rule(nats: Tensor, doubt: Tensor, passing: float, *, two_sided: bool) -> Rule:
    """The rule that lets a share of these pass, (N,) and (N,), by either judge.

    two_sided: p(x) also refuses what is too likely, half as many on each side.
    """
    refused = 1 - passing
    low, high = (refused / 2, 1 - refused / 2) if two_sided else (0.0, passing)
    return Rule(
        least=float(nats.quantile(low)) if two_sided else -float("inf"),
        most=float(nats.quantile(high)),
        doubt=float(doubt.quantile(passing)),
    )


def extremeness(nats: Tensor, reference: Tensor) -> Tensor:
    """What a two-sided rule goes by: 0 in the middle of the reference, 1 outside of it: (N,)."""
    rank = torch.searchsorted(reference.sort().values, nats, right=True) / len(reference)
    return (2 * rank - 1).abs()


def auroc(usual: Tensor, unusual: Tensor) -> float:
    """The area under the ROC curve: how probably an unusual picture has the higher score."""
    from sklearn.metrics import roc_auc_score

    labels = np.repeat([0, 1], [len(usual), len(unusual)])
    return float(roc_auc_score(labels, torch.cat([usual, unusual]).numpy()))


# --- pictures ------------------------------------------------------------------------------------


@functools.cache
def test_digits() -> tuple[Images, Images]:
    """The shipped ones: those that set a threshold, and the others, on which it is tried."""
    images = data.load("mnist", "sample")
    middle = len(images) // 2
    return images[:middle], images[middle:]


def spread(images: Tensor, count: int) -> Tensor:
    """So many of them, evenly spread."""
    return images[torch.linspace(0, len(images) - 1, count).long()]


def pictures(kind: str, count: int) -> Tensor:
    """Of one of the KINDS: uint8 (count, 1, 28, 28), always the same."""
    _, others = test_digits()
    return KINDS[kind](spread(others.images, count), stream(0))


def upside_down(digits: Tensor, _: torch.Generator) -> Tensor:
    return digits.flip(2, 3)


def mirrored(digits: Tensor, _: torch.Generator) -> Tensor:
    return digits.flip(3)


def shifted(digits: Tensor, _: torch.Generator) -> Tensor:
    """To the right and down; what comes in is black."""
    return F.pad(digits, (SHIFT, -SHIFT, SHIFT, -SHIFT))


def inverted(digits: Tensor, _: torch.Generator) -> Tensor:
    return 255 - digits


def two_digits(digits: Tensor, _: torch.Generator) -> Tensor:
    """Each over the one before it."""
    return torch.maximum(digits, digits.roll(1, 0))


def clothes(digits: Tensor, _: torch.Generator) -> Tensor:
    return spread(data.load("fashion", "sample").images, len(digits))


def letters(digits: Tensor, _: torch.Generator) -> Tensor:
    """Printed capitals, from large to small."""
    height, width = digits.shape[2:]
    sizes = sorted(LETTER_SIZES, reverse=True)
    drawn = [letter(text, size, height, width) for size in sizes for text in LETTERS]
    return torch.stack([drawn[index % len(drawn)] for index in range(len(digits))])


def letter(text: str, size: int, height: int, width: int) -> Tensor:
    """White on black, in Pillow's own font: uint8 (1, height, width)."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("L", (width, height))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(picture).text((width / 2, height / 2), text, fill=255, font=font, anchor="mm")
    return torch.from_numpy(np.array(picture))[None]


def noise(digits: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(256, digits.shape, generator=generator, dtype=torch.uint8)


def nearly_blank(digits: Tensor, generator: torch.Generator) -> Tensor:
    """A few white pixels, one of them at least."""
    count, channels, height, width = digits.shape
    places = torch.randint(height * width, (count, DOTS), generator=generator)
    blank = torch.zeros(count, height * width, dtype=torch.uint8)
    return blank.scatter(1, places, 255).reshape(count, channels, height, width)


# What is no digit, or none as they are in the data -> how it is made of digits, (N, 1, H, W).
KINDS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "upside down": upside_down,
    "mirrored": mirrored,
    "shifted": shifted,
    "inverted": inverted,
    "two digits": two_digits,
    "letters": letters,
    "clothes": clothes,
    "noise": noise,
    "nearly blank": nearly_blank,
}
