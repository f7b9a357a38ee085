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

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gm_core.autoregressive import Memory, PixelModel
from gm_core.layers import MaskedConv2d, affine, horizontal_mask


@dataclass(frozen=True, slots=True)
class PixelCNNConfig:
    """The size of the network, which is all that its weights do not say themselves."""

    height: int = 28
    width: int = 28
    channels: int = 1
    levels: int = 2  # values a pixel's channel can take
    level_features: int = 0  # learned numbers that stand for a level; 0: the level itself
    classes: int = 10  # labels; one embedding more stands for "no label"
    features: int = 64
    head_features: int = 256  # a channel
    first_kernel: int = 7
    dilations: tuple[int, ...] = (1, 2, 1, 4, 1, 2, 1, 2)  # one gated layer each


def vertical_mask(size: int, *, sees_own_row: bool) -> Tensor:
    """Taps of the vertical stack, (size, size).

    1 1 1        1 1 1
    0 0 0        1 1 1      if it `sees_own_row`: features are of the rows above already
    0 0 0        0 0 0
    """
    mask = torch.zeros(size, size, device="cpu")
    mask[: size // 2 + sees_own_row] = 1
    return mask


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


class PixelCNN(PixelModel):
    """The gated PixelCNN."""

    def __init__(self, config: PixelCNNConfig) -> None:
        super().__init__(config)
        first, features = config.first_kernel, config.features
        # Only the first layer may not see the pixel itself: later ones see what it passed on.
        above, left = (
            vertical_mask(first, sees_own_row=False),
            horizontal_mask(first, sees_centre=False),
        )
        self.vertical = MaskedConv2d(self.inputs, features, above)
        self.horizontal = MaskedConv2d(self.inputs, features, left)
        self.layers = nn.ModuleList(
            GatedLayer(features, config.classes, dilation, is_last=index == len(config.dilations))
            for index, dilation in enumerate(config.dilations, start=1)
        )
        self.add_head(features, config.head_features)

    def gated_layers(self) -> list[GatedLayer]:
        return [layer for layer in self.layers if isinstance(layer, GatedLayer)]

    def features(self, x: Tensor, label: Tensor) -> Tensor:
        v, h = self.vertical(x), self.horizontal(x)  # (B, F, H, W)
        for layer in self.gated_layers():
            v, h = layer(v, h, label)
        return h

    def remember(self, label: Tensor) -> Memory:
        return GatedMemory(self, label)

    def receptive_field(self, row: int, column: int) -> Tensor:
        h = torch.zeros(self.config.height, self.config.width, dtype=torch.bool)
        h[row, column] = True
        v = torch.zeros_like(h)
        for layer in reversed(self.gated_layers()):
            v = v | layer.vertical.sees(v | h)
            h = h | layer.horizontal.sees(h)
        return self.vertical.sees(v) | self.horizontal.sees(h)


class GatedMemory(Memory):
    """The vertical stack by the row, the horizontal stack by the pixel.

    Features are kept last, columns first, so that a convolution is one matrix product:

        patches (W, B, 3F) of the vertical stack:   row - d |  c-d   c   c+d
                (W, B, 3F)                          row     |  c-d   c   c+d
        pairs   (W, B, 2F) of the horizontal stack:            c-d   c
    """

    def __init__(self, model: PixelCNN, label: Tensor) -> None:
        height, width = model.coordinates.shape[1:]
        self.kernel = model.vertical.mask.shape[0]
        reach = self.kernel // 2
        x = model.coordinates.new_zeros(len(label), height + reach, width + 2 * reach, model.inputs)
        self.x = x[:, reach:, reach : reach + width].permute(1, 2, 0, 3)
        self.lefts = [
            [x[:, reach + row, column : column + reach] for column in range(width)]
            for row in range(height)
        ]
        self.aboves = [x[:, row : row + reach] for row in range(height)]
        self.vertical, self.vertical_bias = affine(model.vertical)
        self.horizontal, self.horizontal_bias = affine(model.horizontal)
        self.layers = [CachedLayer(layer, label, width) for layer in model.gated_layers()]

    def start_row(self, row: int) -> None:
        patches = self.aboves[row].unfold(2, self.kernel, 1)  # (B, R, W, inputs, K)
        patches = patches.permute(2, 0, 1, 4, 3).flatten(2)  # (W, B, R * K * inputs)
        v = patches @ self.vertical + self.vertical_bias  # (W, B, F)
        for layer in self.layers:
            v = layer.start_row(v, row)

    def step(self, row: int, column: int) -> Tensor:
        left = self.lefts[row][column].flatten(1)
        h = torch.addmm(self.horizontal_bias, left, self.horizontal)
        for layer in self.layers:
            h = layer.step(h, column)  # (B, F)
        return h


class CachedLayer:
    """A GatedLayer's weights as matrices, and the features that later pixels still need."""

    def __init__(self, layer: GatedLayer, label: Tensor, width: int) -> None:
        batch, d = len(label), layer.vertical.dilation
        features = layer.residual.out_channels
        self.dilation = d
        vertical, self.vertical_bias = affine(layer.vertical)  # (6F, 2F), (2F,)
        self.above, self.own = vertical.chunk(2)
        self.vertical_label = layer.vertical_label(label) if layer.vertical_label else None
        self.horizontal, horizontal_bias = affine(layer.horizontal)  # (2F, 2F), (2F,)
        self.link, link_bias = affine(layer.vertical_to_horizontal)  # (2F, 2F), (2F,)
        self.link_bias = link_bias + horizontal_bias + layer.horizontal_label(label)  # (B, 2F)
        # One row more, for the bias: its feature is always 1.
        residual, residual_bias = affine(layer.residual)
        self.residual = torch.cat([residual, residual_bias[None]])  # (F + 1, F)

        # A row with d columns of padding on both sides, and the patches of rows row - d to row in a
        # ring: each is used twice, as the row itself and d rows later as the one above.
        padded = self.own.new_zeros(width + 2 * d, batch, features)
        self.row = padded[d : d + width]
        self.windows = padded.unfold(0, 2 * d + 1, 1)[..., ::d].transpose(2, 3)  # (W, B, 3, F)
        patches = padded.new_zeros(d + 1, width, batch, 3, features)
        self.patches = patches.unbind()
        self.matrices = patches.flatten(1, 2).flatten(2).unbind()  # the same as (W * B, 3F)
        # A pixel's feature is kept twice: as its own centre, and as the left tap d pixels on.
        pairs = padded.new_zeros(width + d, batch, 2, features)
        self.pairs = pairs.flatten(2).unbind()
        self.lefts, self.centres = pairs[d:, :, 0].unbind(), pairs[:, :, 1].unbind()
        self.links: tuple[Tensor, ...] = ()
        self.before = padded.new_zeros(batch, 2 * features)
        self.value, self.opening = self.before.chunk(2, dim=1)
        gated = padded.new_ones(batch, features + 1)
        self.gated, self.gated_and_one = gated[:, :features], gated

    def start_row(self, v: Tensor, row: int) -> Tensor:
        """v (W, B, F) -> (W, B, F); what the horizontal stack takes from it is kept."""
        ring = self.dilation + 1
        self.row.copy_(v)
        self.patches[row % ring].copy_(self.windows)
        above = torch.addmm(self.vertical_bias, self.matrices[row % ring], self.own)  # (W * B, 2F)
        if row >= self.dilation:  # row - d is the one that will be overwritten next
            above.addmm_(self.matrices[(row + 1) % ring], self.above)
        above = above.view(*v.shape[:2], -1)
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
