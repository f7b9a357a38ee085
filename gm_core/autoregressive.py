"""Images drawn pixel after pixel: what PixelRNN and PixelCNN have in common.

    p(x) = p(x_1) p(x_2 | x_1) ... p(x_n | x_1, ..., x_{n-1})        in raster order

A pixel of several channels is drawn channel after channel: red, green given red, blue given both.
A model says how one pass over a whole image gives all these distributions at once (training, exact
likelihood), and how they are had one after another without computing anything twice (sampling).

Source: van den Oord et al., "Pixel Recurrent Neural Networks", 2016.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gm_core.frames import PixelFrame
from gm_core.layers import MaskedConv2d, affine, level_code, level_logits, place_code
from gm_core.randomness import stream

Predict = Callable[[int], Tensor]  # the number of values drawn -> logits (B, levels) of the next
Method = Literal["cached", "naive"]


class PixelConfig(Protocol):
    """What every config says of its images."""

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def levels(self) -> int: ...  # values a pixel's channel can take
    @property
    def level_features(self) -> int: ...  # learned numbers for a level; 0: the level itself
    @property
    def classes(self) -> int: ...  # labels; one embedding more stands for "no label"


class PixelModel(nn.Module, ABC):
    """A distribution over images int64 (B, C, H, W) of `config.levels` levels, class-conditional.

    A model is its `features`, its `remember` and its `receptive_field`; the rest follows.
    """

    coordinates: Tensor

    def __init__(self, config: PixelConfig) -> None:
        super().__init__()
        self.config = config
        coordinates = place_code(config.height, config.width)
        self.register_buffer("coordinates", coordinates, persistent=False)
        code = config.level_features
        self.level_code = level_code(config.levels, code) if code else None
        self.inputs = config.channels * (code or 1) + len(coordinates)

    @abstractmethod
    def features(self, x: Tensor, label: Tensor) -> Tensor:
        """Features of each pixel that depend on the pixels before it alone.

        x (B, inputs, H, W), label int64 (B,) -> (B, F, H, W).
        """

    @abstractmethod
    def remember(self, label: Tensor) -> Memory:
        """The same features pixel by pixel, for labels int64 (B,)."""

    @abstractmethod
    def receptive_field(self, row: int, column: int) -> Tensor:
        """The pixels that `features` can depend on at a pixel, by the masks alone: bool (H, W)."""

    def add_head(self, features: int, head_features: int) -> None:
        """Two 1x1 convolutions from a pixel's features to the logits of its channels.

        The paper splits all features among the channels and masks every layer. Here only the head
        knows channels: what it computes for one gets the levels of the channels before it added.
        """
        config = self.config
        self.head_features = head_features
        self.hidden = nn.Conv2d(features, config.channels * head_features, 1)
        self.earlier = nn.ModuleList(
            nn.Embedding(config.levels, (config.channels - channel) * head_features)
            for channel in range(1, config.channels)
        )
        for embedding in self.embeddings():
            nn.init.normal_(embedding.weight, std=0.1)
        self.logits = level_logits(head_features, config.levels, config.channels)

    def embeddings(self) -> list[nn.Embedding]:
        return [layer for layer in self.earlier if isinstance(layer, nn.Embedding)]

    def forward(self, levels: Tensor, label: Tensor | None = None) -> Tensor:
        """Teacher-forced logits: levels int64 (B, C, H, W), label int64 (B,), where `classes`
        stands for "no label" -> (B, levels, C, H, W) on the model's device."""
        if label is None:
            label = torch.full((len(levels),), self.config.classes)
        levels = levels.to(self.coordinates.device)
        return self.from_inputs(self.embed(levels), levels, label)

    def embed(self, levels: Tensor) -> Tensor:
        """What the network sees of an image: (B, C, H, W) -> (B, inputs, H, W)."""
        if self.level_code is None:
            x = self.brightness(levels)  # (B, C, H, W)
        else:
            x = self.level_code(levels).permute(0, 1, 4, 2, 3).flatten(1, 2)
        return torch.cat([x, self.coordinates.expand(len(x), -1, -1, -1)], dim=1)

    def brightness(self, levels: Tensor) -> Tensor:
        """Levels as numbers from -1 to 1."""
        return 2 * levels.to(self.coordinates) / (self.config.levels - 1) - 1

    def from_inputs(self, x: Tensor, levels: Tensor, label: Tensor) -> Tensor:
        """`forward` from what `embed` made of the levels."""
        config = self.config
        x = x.contiguous(memory_format=torch.channels_last)
        hidden = self.hidden(F.relu(self.features(x, label.to(x.device))))  # (B, C * head, H, W)
        for channel, embedding in enumerate(self.embeddings()):
            before = embedding(levels[:, channel]).permute(0, 3, 1, 2).to(hidden.dtype)
            hidden = hidden + F.pad(before, (0, 0, 0, 0, (channel + 1) * self.head_features, 0))
        logits = self.logits(F.relu(hidden))  # (B, C * levels, H, W)
        return logits.unflatten(1, (config.channels, config.levels)).transpose(1, 2)

    def log_prob(self, levels: Tensor, label: int | Tensor | None = None) -> Tensor:
        """Exact log p(x), or log p(x | label): int64 (B, C, H, W) -> nats (B,).

        label: one for all, or int64 (B,). Raises ValueError for a label that does not exist.
        """
        return self.log_prob_map(levels, label).sum(dim=(1, 2, 3))

    def log_prob_map(self, levels: Tensor, label: int | Tensor | None = None) -> Tensor:
        """log p(x_i | all before) of every pixel and channel: int64 -> nats, both (B, C, H, W)."""
        labels = as_labels(label, len(levels), self.config.classes)
        logits = self(levels, labels)
        return log_likelihood(logits, levels.to(logits.device))

    def dependency(
        self, levels: Tensor, row: int, column: int, label: int | Tensor | None = None
    ) -> Tensor:
        """How much each pixel moves the prediction at (row, column), measured: (B, H, W).

        The gradient of the logit of the level that is there, over the mean of all its logits, with
        respect to what the network sees; absolute values summed over a pixel's inputs and over the
        channels predicted. levels int64 (B, C, H, W).
        """
        labels = as_labels(label, len(levels), self.config.classes)
        levels = levels.to(self.coordinates.device)
        with torch.enable_grad():
            x = self.embed(levels).detach().requires_grad_()
            logits = self.from_inputs(x, levels, labels)[..., row, column]  # (B, levels, C)
            there = logits.gather(1, levels[:, None, :, row, column])[:, 0]
            moved = torch.zeros_like(x)
            for channel in (there - logits.mean(dim=1)).sum(dim=0):
                moved += torch.autograd.grad(channel, x, retain_graph=True)[0].abs()
        return moved[:, : -len(self.coordinates)].sum(dim=1)

    @torch.no_grad()
    def sample(
        self,
        count: int,
        *,
        seed: int,
        label: int | Tensor | None = None,
        temperature: float = 1.0,
        known: Tensor | None = None,
        streams: Sequence[int] | None = None,
        method: Method = "cached",
        every: int | None = None,
    ) -> Iterator[PixelFrame]:
        """Draw `count` images value by value; yield a frame every `every` values and at the end.

        label: one for all, or int64 (count,); None draws from p(x)
        temperature: the logits are divided by it
        known: int64 (C, H, W) or (count, C, H, W), -1 where a value is to be drawn
        streams: whose dice each image throws, (count,); None stands for 0, 1, 2, ...
        method: "naive" runs the whole network for every value, as the paper does; "cached" computes
            every feature once. Same seed, same images: an image has the random stream
            (seed, its number), whatever the method and the other images are.

        The arithmetic is float64, so that rounding never decides a draw. Raises ValueError.
        """
        config = self.config
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count}.")
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature must be a positive number, not {temperature}.")
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, not {every}.")
        if streams is not None and len(streams) != count:
            raise ValueError(f"There must be {count} streams, not {len(streams)}.")
        if method not in ("cached", "naive"):
            raise ValueError(f"method must be 'cached' or 'naive', not {method!r}.")

        device = self.coordinates.device
        size = (config.channels, config.height, config.width)
        total = config.channels * config.height * config.width
        labels = as_labels(label, count, config.classes).to(device)
        given = as_known(known, count, size, config.levels).to(device)
        noise = pixel_noise(seed, streams or range(count), size).to(device)
        canvas = torch.full((count, *size[1:], size[0]), -1, device=device)  # (B, H, W, C)
        levels = canvas.permute(0, 3, 1, 2)
        logits = torch.zeros((total, count, config.levels), dtype=torch.float64, device=device)
        predictor = CachedPredictor if method == "cached" else NaivePredictor
        predict: Predict = predictor(copy.deepcopy(self).double(), labels, canvas)

        # Views of one value in all images, so that the loop does nothing but arithmetic.
        values = canvas.flatten(1).unbind(1)  # (B,) each
        givens = in_order(given).unbind(1) if known is not None else None
        dice = in_order(noise)[:, :, None].unbind(1)  # (B, 1) each

        @torch.inference_mode()  # not of the generator: who goes on with a frame is not in it
        def draw_values(steps: range) -> None:
            for step in steps:
                # 1. the distribution of this value, given all values before it
                logits[step] = predict(step)
                # 2. draw from it; a known value stays as it is
                drawn = draw(logits[step] / temperature, dice[step])
                if givens is not None:
                    drawn = torch.where(givens[step] < 0, drawn, givens[step])
                # 3. it is on the canvas when the next one asks
                values[step].copy_(drawn)

        for first in range(0, total, every or total):
            done = min(first + (every or total), total)
            draw_values(range(first, done))
            yield as_frame(levels, logits, noise, temperature, done)


class Memory(ABC):
    """A model's `features` one pixel at a time, in raster order, nothing computed twice."""

    x: Tensor  # (H, W, B, inputs), filled in from outside as pixels are drawn

    @abstractmethod
    def start_row(self, row: int) -> None:
        """Do for a row what depends on the rows above alone."""

    @abstractmethod
    def step(self, row: int, column: int) -> Tensor:
        """The features of a pixel, (B, F), once all pixels before it are in x."""


class CachedConv:
    """A masked convolution: what it takes from the rows above by the row, the rest by the pixel.

    o o o       one matrix product a row
    + +         one a pixel and tap
    """

    def __init__(self, conv: MaskedConv2d, batch: int, height: int, width: int) -> None:
        rows, self.columns = conv.mask.shape
        self.reach, side = rows // 2, self.columns // 2
        taps, self.bias = affine(conv)
        taps = taps.unflatten(0, (-1, conv.weight.shape[1]))  # (taps, inputs, outputs)
        count = self.reach * self.columns
        self.above, self.own = taps[:count].flatten(0, 1), taps[count:].unbind()
        padded = taps.new_zeros(self.reach + height, width + 2 * side, batch, taps.shape[1])
        self.padded = padded
        self.x = padded[self.reach :, side : side + width]  # (H, W, B, inputs)
        self.cells = [row.unbind() for row in padded[self.reach :].unbind()]
        self.links: tuple[Tensor, ...] = (self.bias.expand(batch, -1),) * width

    def start_row(self, row: int) -> None:
        if not self.reach:
            return
        windows = self.padded[row : row + self.reach].unfold(1, self.columns, 1)
        patches = windows.permute(1, 2, 0, 4, 3).flatten(2)  # (W, B, rows * columns * inputs)
        self.links = (patches @ self.above + self.bias).unbind()

    def step(self, row: int, column: int) -> Tensor:
        """(B, outputs), once the inputs before it, or up to it, are in x."""
        y = self.links[column]
        for cell, tap in zip(self.cells[row][column:], self.own, strict=False):
            y = torch.addmm(y, cell, tap)
        return y


class NaivePredictor:
    """The textbook loop: one full forward pass a value."""

    def __init__(self, model: PixelModel, label: Tensor, canvas: Tensor) -> None:
        """canvas int64 (B, H, W, C) is what the sampler draws on."""
        self.model = model
        self.label = label
        self.levels = canvas.permute(0, 3, 1, 2)

    def __call__(self, step: int) -> Tensor:
        """Logits (B, levels) of the value that comes after `step` others."""
        logits = self.model(self.levels.clamp(min=0), self.label)  # (B, levels, C, H, W)
        pixel, channel = divmod(step, self.model.config.channels)
        return logits[:, :, channel].flatten(2)[:, :, pixel]


class CachedPredictor:
    """The same logits with every feature computed once. Values must be asked for in order."""

    def __init__(self, model: PixelModel, label: Tensor, canvas: Tensor) -> None:
        """canvas int64 (B, H, W, C) is what the sampler draws on."""
        config = model.config
        self.width, self.channels, head = config.width, config.channels, model.head_features
        self.memory = model.remember(label)
        x, places = self.memory.x, len(model.coordinates)
        x[..., -places:] = model.coordinates.permute(1, 2, 0)[:, :, None]

        # A level enters the input by its code, which is a row of this table.
        every = torch.arange(config.levels, device=x.device)
        code = model.level_code
        self.codes = model.brightness(every)[:, None] if code is None else code.weight
        self.canvas = canvas.flatten(1).unbind(1)  # (B,) each
        values = x[..., :-places].unflatten(3, (self.channels, -1)).permute(0, 1, 3, 2, 4)
        self.inputs = [  # (B, code) each
            value for row in values.unbind() for pixel in row.unbind() for value in pixel.unbind()
        ]

        assert model.hidden.bias is not None
        assert model.logits.bias is not None
        hidden = model.hidden.weight.flatten(1).unflatten(0, (self.channels, head))
        self.hidden = [each.T.contiguous() for each in hidden]  # (F, head) a channel
        self.hidden_bias = model.hidden.bias.unflatten(0, (self.channels, head))
        logits = model.logits.weight.flatten(1).unflatten(0, (self.channels, config.levels))
        self.logits = [each.T.contiguous() for each in logits]  # (head, levels) a channel
        self.logits_bias = model.logits.bias.unflatten(0, (self.channels, config.levels))
        # earlier[c][j]: what channel j's level adds to channel c's hidden features, (levels, head)
        tables = [each.weight.unflatten(1, (-1, head)) for each in model.embeddings()]
        self.earlier = [
            [tables[j][:, channel - j - 1] for j in range(channel)]
            for channel in range(self.channels)
        ]
        self.features = x.new_empty(0)

    def __call__(self, step: int) -> Tensor:
        """Logits (B, levels) of the value that comes after `step` others."""
        if step > 0:  # the value drawn last joins the input
            self.inputs[step - 1].copy_(self.codes[self.canvas[step - 1]])
        pixel, channel = divmod(step, self.channels)
        if channel == 0:
            row, column = divmod(pixel, self.width)
            if column == 0:
                self.memory.start_row(row)
            self.features = self.memory.step(row, column).relu()
        hidden = torch.addmm(self.hidden_bias[channel], self.features, self.hidden[channel])
        for j, table in enumerate(self.earlier[channel]):
            hidden += table[self.canvas[step - channel + j]]
        return torch.addmm(self.logits_bias[channel], hidden.relu_(), self.logits[channel])


def draw(logits: Tensor, noise: Tensor) -> Tensor:
    """Inverse-transform sampling: (B, levels), uniform (B, 1) -> the level whose share of [0, 1)
    holds the noise, int64 (B,)."""
    edges = logits.softmax(dim=1)[:, :-1].cumsum(dim=1)
    return torch.searchsorted(edges, noise.contiguous(), right=True)[:, 0]


@torch.no_grad()
def redraw(
    model: PixelModel, frame: PixelFrame, label: int | Tensor | None, temperature: float
) -> Tensor:
    """Draw every value of a finished frame again, all in one teacher-forced pass: (B, C, H, W).

    Equal to `frame.levels` exactly when each was drawn from the distribution that the whole
    network gives it, which proves a sampler right at the price of one pass.
    """
    labels = as_labels(label, len(frame.levels), model.config.classes)
    return draw_forced(
        copy.deepcopy(model).double(), frame.levels, frame.noise, labels, temperature
    )


def draw_forced(
    model: PixelModel, levels: Tensor, noise: Tensor, label: Tensor, temperature: float
) -> Tensor:
    """Every value drawn given the true values before it: all (B, C, H, W); label (B,)."""
    logits = model(levels, label).cpu().movedim(1, -1)  # (B, C, H, W, levels)
    flat = logits.reshape(-1, logits.shape[-1])
    return draw(flat / temperature, noise.reshape(-1, 1)).view_as(levels)


def pixel_noise(seed: int, streams: Sequence[int], size: tuple[int, int, int]) -> Tensor:
    """Uniform numbers (streams, C, H, W), float64, of the random streams (seed, i)."""
    images = [torch.rand(size, generator=stream(seed, i), dtype=torch.float64) for i in streams]
    return torch.stack(images)


def in_order(values: Tensor) -> Tensor:
    """Values in the order in which they are drawn: (B, C, H, W) -> (B, H * W * C)."""
    return values.permute(0, 2, 3, 1).flatten(1)


def as_labels(label: int | Tensor | None, count: int, classes: int) -> Tensor:
    """Any way to name labels -> int64 (count,), where `classes` itself stands for "no label"."""
    labels = torch.as_tensor(classes if label is None else label)
    if label is not None and (
        labels.is_floating_point() or not (labels >= 0).all() or not (labels < classes).all()
    ):
        raise ValueError(f"A label must be a whole number from 0 to {classes - 1}.")
    if labels.shape not in ((), (count,)):
        raise ValueError(f"There must be one label, or {count} of them, not {tuple(labels.shape)}.")
    return labels.long().expand(count)


def as_known(known: Tensor | None, count: int, size: tuple[int, int, int], levels: int) -> Tensor:
    """Known values, checked: int64 (count, C, H, W), -1 where a value is to be drawn."""
    if known is None:
        return torch.full((count, *size), -1)
    if known.shape not in (size, (count, *size)):
        raise ValueError(
            f"Known pixels must have the shape {size} or {(count, *size)}, "
            f"not {tuple(known.shape)}."
        )
    if known.is_floating_point() or not (known >= -1).all() or not (known < levels).all():
        raise ValueError(f"Known pixels must be whole numbers from -1 to {levels - 1}.")
    return known.long().expand(count, *size)


def as_frame(
    levels: Tensor, logits: Tensor, noise: Tensor, temperature: float, done: int
) -> PixelFrame:
    """A frame of the canvas (B, C, H, W), given the logits (H * W * C, B, levels) of each value."""
    batch, channels, height, width = levels.shape
    count = logits.shape[2]
    logits = logits.permute(1, 2, 0).reshape(batch, count, height, width, channels).movedim(4, 2)
    drawn = levels >= 0
    log_prob = log_likelihood(logits, levels.clamp(min=0)) * drawn
    probabilities = (logits / temperature).softmax(dim=1) * drawn[:, None]
    total = channels * height * width
    return PixelFrame(
        images=(levels.clamp(min=0) / (count - 1)).float().contiguous().cpu(),
        step=done,
        total=total,
        note=f"pixel {-(-done // channels)} of {height * width}",
        levels=levels.clone(memory_format=torch.contiguous_format).cpu(),
        probabilities=probabilities.float().cpu(),
        log_prob=log_prob.cpu(),
        noise=noise.clone().cpu(),
    )


def log_likelihood(logits: Tensor, levels: Tensor) -> Tensor:
    """log p(x_i | x_<i) of every value: (B, levels, C, H, W), (B, C, H, W) -> nats (B, C, H, W)."""
    return -F.cross_entropy(logits, levels, reduction="none")


def negative_log_likelihood(model: nn.Module, levels: Tensor, label: Tensor) -> Tensor:
    """The training loss: mean over images of -log p(x | label), in nats an image."""
    return -log_likelihood(model(levels, label), levels).sum(dim=(1, 2, 3)).mean()


def golden(model: PixelModel) -> dict[str, Tensor]:
    """A seeded output by which weights are recognised."""
    *_, frame = model.sample(4, seed=0)
    return {"levels": frame.levels.to(torch.uint8), "log_prob": frame.log_prob}
