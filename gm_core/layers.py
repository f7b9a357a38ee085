"""What the models that draw pixel after pixel share: masked convolutions, levels as numbers.

Constants are made on the CPU, even where weights are on the meta device: they are computed with.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedConv2d(nn.Module):
    """A convolution that keeps height and width and whose `mask` (rows, columns) silences taps."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, mask: Tensor, *, dilation: int = 1) -> None:
        super().__init__()
        rows, columns = mask.shape
        self.weight = nn.Parameter(torch.empty(outputs, inputs, rows, columns))
        nn.init.normal_(self.weight, std=(inputs * int(mask.sum())) ** -0.5)  # the live taps
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.dilation = dilation
        self.padding = (rows // 2 * dilation, columns // 2 * dilation)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        weight = self.weight * self.mask
        return F.conv2d(x, weight, self.bias, padding=self.padding, dilation=self.dilation)

    def sees(self, outputs: Tensor) -> Tensor:
        """The inputs on which the marked outputs depend: bool (H, W) -> bool (H, W)."""
        marked = outputs[None, None].to(self.mask)
        taps = self.mask[None, None]
        seen = F.conv_transpose2d(marked, taps, padding=self.padding, dilation=self.dilation)
        return seen[0, 0] > 0


def raster_mask(size: int, *, sees_centre: bool) -> Tensor:
    """The taps that come before the centre in raster order, (size, size).

    1 1 1        1 1 1
    1 0 0        1 1 0      if it `sees_centre`
    0 0 0        0 0 0
    """
    mask = torch.zeros(size * size, device="cpu")
    mask[: size * size // 2 + sees_centre] = 1
    return mask.view(size, size)


def horizontal_mask(size: int, *, sees_centre: bool) -> Tensor:
    """The own row's part of it, (1, size): `1 0 0`, or `1 1 0` if it `sees_centre`."""
    mask = torch.zeros(1, size, device="cpu")
    mask[:, : size // 2 + sees_centre] = 1
    return mask


def affine(conv: MaskedConv2d | nn.Conv2d) -> tuple[Tensor, Tensor]:
    """A convolution as (matrix, bias): its live taps in raster order, (taps * inputs, outputs)."""
    masked = isinstance(conv, MaskedConv2d)
    live = conv.weight[:, :, conv.mask > 0] if masked else conv.weight.flatten(2)
    bias = live.new_zeros(len(live)) if conv.bias is None else conv.bias
    return live.permute(2, 1, 0).flatten(0, 1).contiguous(), bias


def place_code(height: int, width: int) -> Tensor:
    """Where a pixel lies: row and column, each from -1 to 1, (2, H, W)."""
    rows = torch.linspace(-1, 1, height, device="cpu")[:, None].expand(-1, width)
    columns = torch.linspace(-1, 1, width, device="cpu").expand(height, -1)
    return torch.stack([rows, columns])


def level_code(levels: int, features: int) -> nn.Embedding:
    """Learned numbers for every level, at first waves ever twice as fine: the first tells dark from
    bright, the eighth a level from its neighbour."""
    code = nn.Embedding(levels, features)
    with torch.no_grad():
        code.weight.copy_(waves(levels, 2 ** torch.arange(features, device="cpu")))
    return code


def level_logits(features: int, levels: int, channels: int) -> nn.Conv2d:
    """The last layer: `features` a channel -> the logits of a channel's levels.

    Of many levels, near ones start out alike, because a feature moves them by a wave over the
    levels and fine waves weigh little. Otherwise the order of the levels would have to be learnt.
    """
    layer = nn.Conv2d(channels * features, channels * levels, 1, groups=channels)
    if levels > 2:
        rates = torch.arange(1, features + 1, device="cpu")
        signs = torch.randn(channels, 1, features, device="cpu").sign()
        weight = signs * waves(levels, rates) / rates  # (C, levels, features)
        with torch.no_grad():
            layer.weight.copy_(weight.flatten(0, 1)[:, :, None, None])
    return layer


def waves(levels: int, rates: Tensor) -> Tensor:
    """A cosine of each rate over the levels: rates (R,) -> (levels, R)."""
    return torch.cos(torch.pi * torch.linspace(0, 1, levels, device="cpu")[:, None] * rates)
