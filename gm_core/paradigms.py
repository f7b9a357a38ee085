"""One small network that answers five supervised questions about a canvas of digits.

    canvas --> features at 32, 16, 8 pixels a side --> and back up with skips
                                  |                          |
                                  |                +---------+-----------+
                            words, one by one      |                     |
                            "a 3 left of a 7"   at 16 x 16            at 64 x 64
                                                heat, box, angle      class of each pixel

Objects are points (CenterNet, Zhou et al. 2019): each class has a heat map whose peaks are the
middles of its digits, and at a peak stand the rest of the box and the angle. The mask is a
classification of each pixel (Ronneberger et al. 2015). The caption is written by a small
transformer that looks at the features (Vaswani et al. 2017). Every answer was learnt from examples
with that answer: that is what makes them supervised.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gm_core.canvas import BACKGROUND, MOST_DIGITS, SIZE, Canvases
from gm_core.frames import finite

CLASSES = 10
WORDS = ("<end>", "a", *"0123456789", "left", "of", "above")
MOST_WORDS = 4 * MOST_DIGITS - 1  # "a 3 left of a 7 left of a 1" and the end
STRIDE = 4  # pixels of the canvas a cell of the heat map
LEAST_HEAT = 0.3  # of a peak that is reported
RARE = -4.0  # logit: before it has learnt, no place is taken for a digit's middle


@dataclass(frozen=True, slots=True)
class ParadigmsConfig:
    """The size of the network."""

    features: tuple[int, int, int] = (32, 64, 96)  # at 1/2, 1/4 and 1/8 of the canvas
    words: int = 96  # of each word and each place that the captioner looks at
    heads: int = 4
    layers: int = 2
    groups: int = 8  # of channels that are normalised together


@dataclass(frozen=True, slots=True)
class Maps:
    """What the network says about each place."""

    heat: Tensor  # (B, 10, 16, 16) logits: a digit of this class has its middle here
    offset: Tensor  # (B, 2, 16, 16) of the box's middle in its cell, x and y, in cells
    size: Tensor  # (B, 2, 16, 16) of the box, in cells
    angle: Tensor  # (B, 2, 16, 16): sine and cosine
    mask: Tensor  # (B, 11, 64, 64) logits
    memory: Tensor  # (B, 64, words): what the captioner looks at


@dataclass(frozen=True, slots=True)
class Found:
    """A digit that was found on a canvas."""

    label: int
    probabilities: tuple[float, ...]  # of the ten classes
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels
    angle: float  # degrees, anticlockwise
    score: float  # in [0, 1]


@dataclass(frozen=True, slots=True)
class Reading:
    """The five answers about one canvas; classification and regression are of each digit."""

    found: tuple[Found, ...]  # surest first
    mask: Tensor  # int64 (64, 64): a class a pixel, 10 for none
    caption: str


class Block(nn.Sequential):
    """A convolution, normalised, and a ReLU."""

    def __init__(self, before: int, after: int, groups: int, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.GroupNorm(groups, after),
            nn.ReLU(),
        )


class Captioner(nn.Module):
    """A transformer that writes the next word from those before and the features of the canvas."""

    def __init__(self, config: ParadigmsConfig) -> None:
        super().__init__()
        width = config.words
        self.words = nn.Embedding(len(WORDS), width)
        self.order = nn.Parameter(torch.empty(MOST_WORDS + 1, width))
        nn.init.normal_(self.order, std=0.02)
        layer = nn.TransformerDecoderLayer(
            width, config.heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.body = nn.TransformerDecoder(layer, config.layers, nn.LayerNorm(width))
        self.head = nn.Linear(width, len(WORDS))

    def forward(self, words: Tensor, memory: Tensor) -> Tensor:
        """Words before, int64 (B, n), "<end>" first, and (B, places, width) -> (B, n, words)."""
        count = words.shape[1]
        later = torch.ones(count, count, dtype=torch.bool, device=words.device).triu(1)
        x = self.words(words) + self.order[:count]
        return self.head(self.body(x, memory, tgt_mask=later))


class Paradigms(nn.Module):
    """Shared features, and a head for each question."""

    def __init__(self, config: ParadigmsConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.features
        groups = config.groups
        self.fine = nn.Sequential(
            nn.Conv2d(1, fine, 5, 2, padding=2, bias=False), nn.GroupNorm(groups, fine), nn.ReLU(),
            Block(fine, fine, groups),
        )  # fmt: skip
        self.middle = nn.Sequential(
            Block(fine, middle, groups, stride=2), Block(middle, middle, groups)
        )
        self.coarse = nn.Sequential(
            Block(middle, coarse, groups, stride=2),
            Block(coarse, coarse, groups),
            Block(coarse, coarse, groups),
        )
        self.up_middle = Block(coarse + middle, middle, groups)
        self.up_fine = Block(middle + fine, fine, groups)
        points = nn.Conv2d(middle, CLASSES + 6, 1)
        assert points.bias is not None
        nn.init.constant_(points.bias[:CLASSES], RARE)
        self.points = nn.Sequential(Block(middle, middle, groups), points)
        self.mask = nn.Sequential(
            Block(fine, fine, groups),
            nn.Conv2d(fine, 4 * (CLASSES + 1), 1),
            nn.PixelShuffle(2),
        )
        places = SIZE // 8
        self.places = nn.Parameter(torch.empty(places**2, config.words))
        nn.init.normal_(self.places, std=0.02)
        self.look = nn.Linear(coarse, config.words)
        self.captioner = Captioner(config)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(self, images: Tensor) -> Maps:
        """Canvases (B, 1, 64, 64) in [0, 1] -> what is said about each place."""
        fine = self.fine(2 * images - 1)  # (B, 32, 32, 32)
        middle = self.middle(fine)  # (B, 64, 16, 16)
        coarse = self.coarse(middle)  # (B, 96, 8, 8)
        up = self.up_middle(torch.cat([F.interpolate(coarse, scale_factor=2), middle], 1))
        heat, offset, size, angle = self.points(up).split((CLASSES, 2, 2, 2), 1)
        up = self.up_fine(torch.cat([F.interpolate(up, scale_factor=2), fine], 1))
        memory = self.look(coarse.flatten(2).transpose(1, 2)) + self.places
        return Maps(heat, offset, size.exp(), angle, self.mask(up), memory)

    @torch.no_grad()
    def read(self, images: Tensor) -> list[Reading]:
        """All five answers: canvases (B, 1, 64, 64) in [0, 1]. Raises NotFinite."""
        maps = finite(self(images.to(self.device)))
        masks, captions = maps.mask.argmax(1).cpu(), self.write(maps.memory)
        return [
            Reading(found, mask, caption)
            for found, mask, caption in zip(find(maps), masks, captions, strict=True)
        ]

    @torch.no_grad()
    def write(self, memory: Tensor) -> list[str]:
        """Captions, the likeliest word each time: (B, places, width)."""
        words = memory.new_zeros(len(memory), 1, dtype=torch.long)
        for _ in range(MOST_WORDS):
            following = finite(self.captioner(words, memory)[:, -1], "caption").argmax(1)
            words = torch.cat([words, following[:, None]], 1)
        return [sentence(row) for row in words[:, 1:].tolist()]


def tokens(caption: str) -> list[int]:
    """A caption as numbers of WORDS. Raises ValueError for a word that is none of them."""
    return [WORDS.index(word) for word in caption.split()]


def sentence(words: list[int]) -> str:
    """The caption up to its end."""
    end = words.index(0) if 0 in words else len(words)
    return " ".join(WORDS[word] for word in words[:end])


def find(maps: Maps) -> list[tuple[Found, ...]]:
    """The digits of each canvas: the peaks of the heat maps, one at most in each neighbourhood."""
    heat = maps.heat.sigmoid()
    best, labels = heat.max(1)  # (B, 16, 16): a place has one digit
    peaks = (best == F.max_pool2d(best[:, None], 3, 1, padding=1)[:, 0]) & (best > LEAST_HEAT)
    chances = maps.heat.softmax(1)
    found: list[list[Found]] = [[] for _ in best]
    for index, row, column in peaks.nonzero().tolist():
        place = (index, slice(None), row, column)
        dx, dy = maps.offset[place].tolist()
        x, y = column + dx, row + dy
        width, height = (maps.size[place] / 2).tolist()
        edges = (x - width, y - height, x + width, y + height)
        sine, cosine = maps.angle[place]
        x0, y0, x1, y1 = (min(max(STRIDE * edge, 0.0), float(SIZE)) for edge in edges)
        found[index].append(
            Found(
                label=int(labels[index, row, column]),
                probabilities=tuple(chances[place].tolist()),
                box=(x0, y0, x1, y1),
                angle=float(torch.rad2deg(torch.atan2(sine, cosine))),
                score=float(best[index, row, column]),
            )
        )
    return [tuple(sorted(each, key=lambda one: -one.score)) for each in found]


def centres(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (..., 4) in pixels -> the cell of each middle, int64 (..., 2) as x and y, the rest in
    cells (..., 2), and the sizes in cells (..., 2)."""
    middles = (boxes[..., :2] + boxes[..., 2:]) / (2 * STRIDE)
    cells = middles.long().clamp(0, SIZE // STRIDE - 1)
    return cells, middles - cells, (boxes[..., 2:] - boxes[..., :2]) / STRIDE


def heat_targets(canvases: Canvases) -> Tensor:
    """1 at the middles of the digits, and bells around them: (B, 10, 16, 16)."""
    count, cells = len(canvases.images), SIZE // STRIDE
    places, _, sizes = centres(canvases.boxes)
    steps = torch.arange(cells)
    x, y = steps - places[..., :1], steps - places[..., 1:]  # (B, 3, 16) each
    wide, high = (sizes / 6).clamp(min=0.5).split(1, -1)
    bells = torch.exp(
        -(y[..., :, None] ** 2) / (2 * high[..., None] ** 2)
        - x[..., None, :] ** 2 / (2 * wide[..., None] ** 2)
    )  # (B, 3, 16, 16)
    heat = torch.zeros(count, CLASSES + 1, cells, cells)
    labels = torch.where(canvases.classes < 0, CLASSES, canvases.classes)
    index = labels[..., None, None].expand_as(bells)
    return heat.scatter_reduce(1, index, bells, "amax")[:, :CLASSES]


def heat_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Focal loss a digit (Lin et al. 2017, as Zhou et al. 2019 have it), nats."""
    chances = logits.sigmoid()
    at_peak = targets == 1
    hit = -F.logsigmoid(logits) * (1 - chances) ** 2
    miss = -F.logsigmoid(-logits) * chances**2 * (1 - targets) ** 4
    return torch.where(at_peak, hit, miss).sum() / at_peak.sum().clamp(min=1)


def loss(
    model: Paradigms,
    images: Tensor,
    heat: Tensor,
    classes: Tensor,
    boxes: Tensor,
    angles: Tensor,
    masks: Tensor,
    words: Tensor,
) -> Tensor:
    """The sum of the five losses: of canvases, and what `targets` gives."""
    maps = model(images)
    there = classes >= 0  # (B, 3)
    cells, rest, sizes = centres(boxes)
    index = torch.arange(len(images), device=images.device)[:, None].expand_as(there)[there]
    column, row = cells[there].unbind(1)

    def at(values: Tensor) -> Tensor:
        return values[index, :, row, column].float()

    turn = torch.deg2rad(angles[there])
    heading = torch.stack([turn.sin(), turn.cos()], 1)
    regression = (
        F.l1_loss(at(maps.offset), rest[there])
        + F.l1_loss(at(maps.size).log(), sizes[there].log())
        + F.l1_loss(F.normalize(at(maps.angle), dim=1), heading)
    )
    named = F.cross_entropy(at(maps.heat), classes[there])
    pixels = F.cross_entropy(maps.mask.float(), masks)
    before = F.pad(words[:, :-1], (1, 0))
    following = model.captioner(before, maps.memory).float()
    caption = F.cross_entropy(following.flatten(0, 1), words.flatten())
    return heat_loss(maps.heat.float(), heat) + regression + named + 2 * pixels + caption


def targets(canvases: Canvases) -> tuple[Tensor, ...]:
    """What `loss` compares with: after the images heat, classes, boxes, angles, masks, and words
    int64 (B, MOST_WORDS + 1) with "<end>" behind and after it."""
    words = torch.zeros(len(canvases.images), MOST_WORDS + 1, dtype=torch.long)
    for row, caption in zip(words, canvases.captions, strict=True):
        row[: len(numbers)] = torch.tensor(numbers := tokens(caption))
    return (
        heat_targets(canvases),
        canvases.classes,
        canvases.boxes,
        canvases.angles,
        canvases.masks,
        words,
    )


@torch.no_grad()
def golden(model: Paradigms) -> dict[str, Tensor]:
    """A seeded output that loaded weights must reproduce."""
    noise = torch.Generator().manual_seed(0)
    maps = model(torch.rand(2, 1, SIZE, SIZE, generator=noise))
    return {
        "heat": maps.heat.cpu(),
        "angle": maps.angle.cpu(),
        "mask": maps.mask[:, BACKGROUND].cpu(),
        "memory": maps.memory.cpu(),
    }
