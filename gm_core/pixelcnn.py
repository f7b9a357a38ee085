"""Gated PixelCNN: an image as a sequence of pixels, each drawn given all pixels before it.

    p(x) = p(x_1) p(x_2 | x_1) ... p(x_n | x_1, ..., x_{n-1})        in raster order

Two stacks of masked convolutions see exactly the pixels already drawn. At pixel `?` the vertical
stack sees the rows above (v), the horizontal stack the own row to the left (h); together they
leave no blind spot:

    v v v v v
    v v v v v
    h h ? . .
    . . . . .

Source: van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gm_core.frames import PixelFrame
from gm_core.randomness import stream


@dataclass(frozen=True, slots=True)
class PixelCNNConfig:
    """The size of the network, which is all that its weights do not say themselves."""

    height: int = 28
    width: int = 28
    levels: int = 2  # values a pixel can take
    classes: int = 10  # labels; one embedding more stands for "no label"
    features: int = 64
    head_features: int = 256
    first_kernel: int = 7
    dilations: tuple[int, ...] = (1, 2, 1, 4, 1, 2, 1, 2)  # one gated layer each


def vertical_mask(size: int, *, sees_own_row: bool) -> Tensor:
    """Taps of the vertical stack, (size, size).

    1 1 1        1 1 1
    0 0 0        1 1 1      if it `sees_own_row`: features are of the rows above already
    0 0 0        0 0 0
    """
    mask = torch.zeros(size, size)
    mask[: size // 2 + sees_own_row] = 1
    return mask


def horizontal_mask(size: int, *, sees_centre: bool) -> Tensor:
    """Taps of the horizontal stack, (1, size): `1 0 0`, or `1 1 0` if it `sees_centre`."""
    mask = torch.zeros(1, size)
    mask[:, : size // 2 + sees_centre] = 1
    return mask


class MaskedConv2d(nn.Module):
    """A convolution that keeps height and width and whose `mask` (rows, columns) silences taps."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, mask: Tensor, *, dilation: int = 1) -> None:
        super().__init__()
        rows, columns = mask.shape
        live_taps = inputs * mask.sum()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, rows, columns) / live_taps.sqrt())
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.dilation = dilation
        self.padding = (rows // 2 * dilation, columns // 2 * dilation)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        weight = self.weight * self.mask
        return F.conv2d(x, weight, self.bias, padding=self.padding, dilation=self.dilation)


def gate(x: Tensor) -> Tensor:
    """tanh(first half) * sigmoid(second half), equation 2: (B, 2F, ...) -> (B, F, ...)."""
    value, opening = x.chunk(2, dim=1)
    return torch.tanh(value) * torch.sigmoid(opening)


class GatedLayer(nn.Module):
    """One layer of both stacks, figure 2 of the paper.

    Beyond the paper: the vertical stack has a residual connection too, and the taps lie
    `dilation` pixels apart, which widens the view at no cost. In the last layer (`is_last`) only
    the horizontal stack goes on.
    """

    def __init__(self, features: int, classes: int, dilation: int, *, is_last: bool) -> None:
        super().__init__()
        self.vertical = MaskedConv2d(
            features, 2 * features, vertical_mask(3, sees_own_row=True), dilation=dilation
        )
        self.horizontal = MaskedConv2d(
            features, 2 * features, horizontal_mask(3, sees_centre=True), dilation=dilation
        )
        self.vertical_to_horizontal = nn.Conv2d(2 * features, 2 * features, 1)
        self.residual = nn.Conv2d(features, features, 1)
        self.horizontal_label = nn.Embedding(classes + 1, 2 * features)
        self.vertical_label = None if is_last else nn.Embedding(classes + 1, 2 * features)
        nn.init.zeros_(self.horizontal_label.weight)
        if self.vertical_label is not None:
            nn.init.zeros_(self.vertical_label.weight)

    def forward(self, v: Tensor, h: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """v and h (B, F, H, W), label (B,) -> v and h of the same shapes."""
        above = self.vertical(v)  # (B, 2F, H, W)
        left = self.horizontal(h) + self.vertical_to_horizontal(above)  # (B, 2F, H, W)
        # Under autocast an embedding stays float32 and would drag the sums along.
        left = left + self.horizontal_label(label)[:, :, None, None].to(left.dtype)
        h = h + self.residual(gate(left))
        if self.vertical_label is not None:
            above = above + self.vertical_label(label)[:, :, None, None].to(above.dtype)
            v = v + gate(above)
        return v, h


class PixelCNN(nn.Module):
    """The gated PixelCNN, class-conditional, over images of `config.levels` grey levels."""

    coordinates: Tensor

    def __init__(self, config: PixelCNNConfig) -> None:
        super().__init__()
        self.config = config
        first, features = config.first_kernel, config.features
        # Only the first layer may not see the pixel itself: later ones see what it passed on.
        self.vertical = MaskedConv2d(3, features, vertical_mask(first, sees_own_row=False))
        self.horizontal = MaskedConv2d(3, features, horizontal_mask(first, sees_centre=False))
        self.layers = nn.ModuleList(
            GatedLayer(features, config.classes, dilation, is_last=index == len(config.dilations))
            for index, dilation in enumerate(config.dilations, start=1)
        )
        self.hidden = nn.Conv2d(features, config.head_features, 1)
        self.logits = nn.Conv2d(config.head_features, config.levels, 1)
        rows = torch.linspace(-1, 1, config.height)[:, None].expand(-1, config.width)
        columns = torch.linspace(-1, 1, config.width).expand(config.height, -1)
        self.register_buffer("coordinates", torch.stack([rows, columns]), persistent=False)

    def gated_layers(self) -> list[GatedLayer]:
        return [layer for layer in self.layers if isinstance(layer, GatedLayer)]

    def forward(self, levels: Tensor, label: Tensor | None = None) -> Tensor:
        """Teacher-forced logits: levels int64 (B, 1, H, W), label int64 (B,), where `classes`
        stands for "no label" -> (B, levels, 1, H, W) on the model's device."""
        x = 2 * levels.to(self.coordinates) / (self.config.levels - 1) - 1
        x = torch.cat([x, self.coordinates.expand(len(x), -1, -1, -1)], dim=1)  # (B, 3, H, W)
        x = x.contiguous(memory_format=torch.channels_last)
        if label is None:
            label = torch.full((len(x),), self.config.classes)
        label = label.to(x.device)
        v, h = self.vertical(x), self.horizontal(x)  # (B, F, H, W)
        for layer in self.gated_layers():
            v, h = layer(v, h, label)
        return self.logits(F.relu(self.hidden(F.relu(h))))[:, :, None]

    def log_prob(self, levels: Tensor, label: int | Tensor | None = None) -> Tensor:
        """Exact log p(x), or log p(x | label): int64 (B, 1, H, W) -> nats (B,).

        label: one for all, or int64 (B,). Raises ValueError for a label that does not exist.
        """
        labels = as_labels(label, len(levels), self.config.classes)
        logits = self(levels, labels)
        return log_likelihood(logits, levels.to(logits.device)).sum(dim=(1, 2, 3))

    @torch.no_grad()
    def sample(
        self,
        count: int,
        *,
        seed: int,
        label: int | Tensor | None = None,
        temperature: float = 1.0,
        known: Tensor | None = None,
        method: Literal["cached", "naive"] = "cached",
        every: int | None = None,
    ) -> Iterator[PixelFrame]:
        """Draw `count` images pixel by pixel; yield a frame every `every` pixels and at the end.

        label: one for all, or int64 (count,); None draws from p(x)
        temperature: the logits are divided by it
        known: int64 (1, H, W) or (count, 1, H, W), -1 where a pixel is to be drawn
        method: "naive" runs the whole network for every pixel, as the paper does; "cached" computes
            every feature once. Same seed, same images: image i has the random stream (seed, i).

        The arithmetic is float64, so that rounding never decides a draw. Raises ValueError.
        """
        config = self.config
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count}.")
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature must be a positive number, not {temperature}.")
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, not {every}.")
        if method not in ("cached", "naive"):
            raise ValueError(f"method must be 'cached' or 'naive', not {method!r}.")

        device = self.coordinates.device
        size = (config.height, config.width)
        total = config.height * config.width
        labels = as_labels(label, count, config.classes).to(device)
        given = as_known(known, count, size, config.levels).to(device)
        noise = pixel_noise(seed, count, size).to(device)
        levels = torch.full((count, 1, *size), -1, device=device)
        logits = torch.zeros((total, count, config.levels), dtype=torch.float64, device=device)
        predictor = CachedPredictor if method == "cached" else NaivePredictor
        predict = predictor(copy.deepcopy(self).double(), labels, levels)

        # Views of one pixel in all images, so that the loop does nothing but arithmetic.
        pixels = levels.flatten(1).unbind(1)  # (B,) each
        givens = given.flatten(1).unbind(1) if known is not None else None
        dice = noise.flatten(1)[:, :, None].unbind(1)  # (B, 1) each

        @torch.inference_mode()
        def draw_pixel(step: int) -> None:
            # 1. the distribution of this pixel, given all pixels before it
            logits[step] = predict(step)
            # 2. draw from it; a known pixel stays as it is
            drawn = draw(logits[step] / temperature, dice[step])
            if givens is not None:
                drawn = torch.where(givens[step] < 0, drawn, givens[step])
            # 3. it is on the canvas when the next pixel asks
            pixels[step].copy_(drawn)

        for step in range(total):
            draw_pixel(step)
            done = step + 1
            if done == total or (every and done % every == 0):
                yield as_frame(levels, logits, noise, temperature, done)


class NaivePredictor:
    """The textbook loop: one full forward pass a pixel."""

    def __init__(self, model: PixelCNN, label: Tensor, levels: Tensor) -> None:
        """levels (B, 1, H, W) is the canvas that the sampler draws on."""
        self.model = model
        self.label = label
        self.levels = levels

    def __call__(self, step: int) -> Tensor:
        """Logits (B, levels) of the pixel that comes after `step` others."""
        logits = self.model(self.levels.clamp(min=0), self.label)  # (B, levels, 1, H, W)
        return logits.flatten(2)[:, :, step]


class CachedPredictor:
    """The same logits with every feature computed once: the vertical stack by the row, the
    horizontal stack and the head by the pixel. Pixels must be asked for in raster order.

    Features are kept last, columns first, so that a convolution is one matrix product:

        patches (W, B, 6F) of the vertical stack:   row - d |  c-d   c   c+d
                                                    row     |  c-d   c   c+d
        pairs   (W, B, 2F) of the horizontal stack:            c-d   c
    """

    def __init__(self, model: PixelCNN, label: Tensor, levels: Tensor) -> None:
        """levels (B, 1, H, W) is the canvas that the sampler draws on."""
        config = model.config
        batch, height, width = len(label), config.height, config.width
        self.reach = reach = config.first_kernel // 2
        self.width = width
        self.scale = 2 / (config.levels - 1)
        self.black = -model.coordinates.new_ones(())

        # The first layer's input with its padding; its coordinates are known from the start.
        x = model.coordinates.new_zeros(batch, height + reach, width + 2 * reach, 3)
        x[:, reach:, reach : reach + width, 1:] = model.coordinates.permute(1, 2, 0)
        places = [(reach + row, column) for row in range(height) for column in range(width)]
        self.canvas = levels.flatten(1).unbind(1)  # (B,) each
        self.inputs = [x[:, row, reach + column, 0] for row, column in places]  # (B,) each
        self.lefts = [x[:, row, column : column + reach] for row, column in places]
        self.aboves = [x[:, row : row + reach] for row in range(height)]
        self.kernel = config.first_kernel

        self.vertical, self.vertical_bias = affine(model.vertical)
        self.horizontal, self.horizontal_bias = affine(model.horizontal)
        self.layers = [CachedLayer(layer, label, width) for layer in model.gated_layers()]
        self.hidden, self.hidden_bias = affine(model.hidden)
        self.logits, self.logits_bias = affine(model.logits)

    def __call__(self, step: int) -> Tensor:
        """Logits (B, levels) of the pixel that comes after `step` others."""
        if step > 0:  # the pixel drawn last joins the input
            last = step - 1
            torch.add(self.black, self.canvas[last], alpha=self.scale, out=self.inputs[last])
        row, column = divmod(step, self.width)
        if column == 0:
            self.start_row(row)
        h = torch.addmm(self.horizontal_bias, self.lefts[step].flatten(1), self.horizontal)
        for layer in self.layers:
            h = layer.step(h, column)  # (B, F)
        hidden = torch.addmm(self.hidden_bias, h.relu_(), self.hidden)
        return torch.addmm(self.logits_bias, hidden.relu_(), self.logits)

    def start_row(self, row: int) -> None:
        """Run the vertical stack for a row: it depends on the rows above alone."""
        patches = self.aboves[row].unfold(2, self.kernel, 1)  # (B, R, W, 3, K)
        patches = patches.permute(2, 0, 1, 4, 3).flatten(2)  # (W, B, R * K * 3)
        v = patches @ self.vertical + self.vertical_bias  # (W, B, F)
        for layer in self.layers:
            v = layer.start_row(v, row)


class CachedLayer:
    """A GatedLayer's weights as matrices, and the features that later pixels still need."""

    def __init__(self, layer: GatedLayer, label: Tensor, width: int) -> None:
        batch, d = len(label), layer.vertical.dilation
        features = layer.residual.out_channels
        self.dilation = d
        self.vertical, self.vertical_bias = affine(layer.vertical)  # (6F, 2F), (2F,)
        self.vertical_label = layer.vertical_label(label) if layer.vertical_label else None
        self.horizontal, horizontal_bias = affine(layer.horizontal)  # (2F, 2F), (2F,)
        self.link, link_bias = affine(layer.vertical_to_horizontal)  # (2F, 2F), (2F,)
        self.link_bias = link_bias + horizontal_bias + layer.horizontal_label(label)  # (B, 2F)
        # One row more, for the bias: its feature is always 1.
        residual, residual_bias = affine(layer.residual)
        self.residual = torch.cat([residual, residual_bias[None]])  # (F + 1, F)

        # Input rows row - d to row, in a ring, with d columns of padding on both sides.
        rows = self.vertical.new_zeros(d + 1, width + 2 * d, batch, features)
        self.patches = rows.new_zeros(width, batch, 2, 3, features)
        windows = rows.unfold(1, 2 * d + 1, 1)[..., ::d]  # (d + 1, W, B, F, 3)
        self.windows = windows.transpose(3, 4).unbind()
        self.rows = rows[:, d : d + width].unbind()
        # A pixel's feature is kept twice: as its own centre, and as the left tap d pixels on.
        pairs = rows.new_zeros(width + d, batch, 2, features)
        self.pairs = pairs.flatten(2).unbind()
        self.lefts, self.centres = pairs[d:, :, 0].unbind(), pairs[:, :, 1].unbind()
        self.links: tuple[Tensor, ...] = ()
        self.before = rows.new_zeros(batch, 2 * features)
        self.value, self.opening = self.before.chunk(2, dim=1)
        gated = rows.new_ones(batch, features + 1)
        self.gated, self.gated_and_one = gated[:, :features], gated

    def start_row(self, v: Tensor, row: int) -> Tensor:
        """v (W, B, F) -> (W, B, F); what the horizontal stack takes from it is kept."""
        ring = self.dilation + 1
        self.rows[row % ring].copy_(v)
        self.patches[:, :, 0] = self.windows[(row + 1) % ring]  # row - d
        self.patches[:, :, 1] = self.windows[row % ring]
        above = self.patches.flatten(2) @ self.vertical + self.vertical_bias  # (W, B, 2F)
        self.links = (above @ self.link + self.link_bias).unbind()
        if self.vertical_label is None:
            return v
        value, opening = (above + self.vertical_label).chunk(2, dim=2)
        return v + value.tanh_() * opening.sigmoid_()

    def step(self, h: Tensor, column: int) -> Tensor:
        """h (B, F) -> (B, F) at a column of the current row."""
        self.centres[column].copy_(h)
        self.lefts[column].copy_(h)
        torch.addmm(self.links[column], self.pairs[column], self.horizontal, out=self.before)
        torch.mul(self.value.tanh_(), self.opening.sigmoid_(), out=self.gated)
        return torch.addmm(h, self.gated_and_one, self.residual)


def affine(conv: MaskedConv2d | nn.Conv2d) -> tuple[Tensor, Tensor]:
    """A convolution as (matrix, bias): its live taps in raster order, (taps * inputs, outputs)."""
    masked = isinstance(conv, MaskedConv2d)
    live = conv.weight[:, :, conv.mask > 0] if masked else conv.weight.flatten(2)
    assert conv.bias is not None
    return live.permute(2, 1, 0).flatten(0, 1).contiguous(), conv.bias


def draw(logits: Tensor, noise: Tensor) -> Tensor:
    """Inverse-transform sampling: (B, levels), uniform (B, 1) -> the level whose share of [0, 1)
    holds the noise, int64 (B,)."""
    edges = logits.softmax(dim=1).cumsum(dim=1)[:, :-1]
    return (edges <= noise).sum(dim=1)


@torch.no_grad()
def redraw(
    model: PixelCNN, frame: PixelFrame, label: int | Tensor | None, temperature: float
) -> Tensor:
    """Draw every pixel of a finished frame again, all in one teacher-forced pass: (B, 1, H, W).

    Equal to `frame.levels` exactly when each pixel was drawn from the distribution that the whole
    network gives it, which proves a sampler right at the price of one pass.
    """
    labels = as_labels(label, len(frame.levels), model.config.classes)
    logits = copy.deepcopy(model).double()(frame.levels, labels)[:, :, 0].cpu()  # (B, levels, H, W)
    batch, levels, height, width = logits.shape
    flat = logits.permute(0, 2, 3, 1).reshape(-1, levels)
    drawn = draw(flat / temperature, frame.noise.flatten()[:, None])
    return drawn.view(batch, 1, height, width)


def pixel_noise(seed: int, count: int, size: tuple[int, int]) -> Tensor:
    """Uniform numbers (count, 1, H, W), float64; image i's depend on (seed, i) alone."""
    images = [
        torch.rand((1, *size), generator=stream(seed, i), dtype=torch.float64) for i in range(count)
    ]
    return torch.stack(images)


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


def as_known(known: Tensor | None, count: int, size: tuple[int, int], levels: int) -> Tensor:
    """Known pixels, checked: int64 (count, 1, H, W), -1 where a pixel is to be drawn."""
    if known is None:
        return torch.full((count, 1, *size), -1)
    if known.shape not in ((1, *size), (count, 1, *size)):
        raise ValueError(
            f"Known pixels must have the shape {(1, *size)} or {(count, 1, *size)}, "
            f"not {tuple(known.shape)}."
        )
    if known.is_floating_point() or not (known >= -1).all() or not (known < levels).all():
        raise ValueError(f"Known pixels must be whole numbers from -1 to {levels - 1}.")
    return known.long().expand(count, 1, *size)


def as_frame(
    levels: Tensor, logits: Tensor, noise: Tensor, temperature: float, done: int
) -> PixelFrame:
    """A frame of the canvas (B, 1, H, W), given the logits (H * W, B, levels) of each pixel."""
    batch, _, height, width = levels.shape
    count = logits.shape[2]
    logits = logits.permute(1, 2, 0).reshape(batch, count, 1, height, width)
    drawn = levels >= 0
    log_prob = log_likelihood(logits, levels.clamp(min=0)) * drawn
    probabilities = (logits / temperature).softmax(dim=1) * drawn[:, None]
    return PixelFrame(
        images=(levels.clamp(min=0) / (count - 1)).float().cpu(),
        step=done,
        total=height * width,
        note=f"pixel {done} of {height * width}",
        levels=levels.clone().cpu(),
        probabilities=probabilities.float().cpu(),
        log_prob=log_prob.cpu(),
        noise=noise.clone().cpu(),
    )


def log_likelihood(logits: Tensor, levels: Tensor) -> Tensor:
    """log p(x_i | x_<i) of every pixel: (B, levels, C, H, W), (B, C, H, W) -> nats (B, C, H, W)."""
    return -F.cross_entropy(logits, levels, reduction="none")


def negative_log_likelihood(model: nn.Module, levels: Tensor, label: Tensor) -> Tensor:
    """The training loss: mean over images of -log p(x | label), in nats an image."""
    return -log_likelihood(model(levels, label), levels).sum(dim=(1, 2, 3)).mean()


def golden(model: PixelCNN) -> dict[str, Tensor]:
    """A seeded output by which weights are recognised."""
    *_, frame = model.sample(4, seed=0)
    return {"levels": frame.levels.to(torch.uint8), "log_prob": frame.log_prob}
