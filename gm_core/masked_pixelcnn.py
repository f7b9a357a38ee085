"""The first PixelCNN: one stack of masked convolutions, and the blind spot it leaves.

    p(x) = p(x_1) p(x_2 | x_1) ... p(x_n | x_1, ..., x_{n-1})        in raster order

Every convolution sees the pixels before its centre (the first one without the centre, mask A, the
later ones with it, mask B). Layer upon layer the view grows upwards, but to the right only by one
column a row, so that a wedge of earlier pixels (b) is never seen at `?`:

    s s s s s b b       1 1 1        1 1 1
    s s s s s s b   A:  1 0 0    B:  1 1 0
    s s s ? . . .       0 0 0        0 0 0

Source: van den Oord et al., "Pixel Recurrent Neural Networks", 2016, sections 3.3 to 3.5; the blind
spot is shown in figure 1 of "Conditional Image Generation with PixelCNN Decoders", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gm_core.autoregressive import CachedConv, Memory, PixelModel
from gm_core.layers import MaskedConv2d, affine, raster_mask


@dataclass(frozen=True, slots=True)
class MaskedPixelCNNConfig:
    """The size of the network, which is all that its weights do not say themselves."""

    height: int = 28
    width: int = 28
    channels: int = 1
    levels: int = 2  # values a pixel's channel can take
    level_features: int = 0  # learned numbers that stand for a level; 0: the level itself
    classes: int = 10  # labels; one embedding more stands for "no label"
    features: int = 96
    bottleneck: int = 48  # features of a 3x3 convolution
    layers: int = 12
    head_features: int = 256  # a channel
    first_kernel: int = 7
    sees_centre: bool = False  # of the first mask: True is the classic mistake, and useless


class ResidualBlock(nn.Module):
    """Figure 5 of the paper, left: narrow, look around, widen, add."""

    def __init__(self, features: int, bottleneck: int, classes: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(features, bottleneck, 1)
        self.around = MaskedConv2d(bottleneck, bottleneck, raster_mask(3, sees_centre=True))
        self.label = nn.Embedding(classes + 1, bottleneck)
        self.widen = nn.Conv2d(bottleneck, features, 1)
        nn.init.zeros_(self.label.weight)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """x (B, F, H, W), label (B,) -> (B, F, H, W)."""
        y = self.around(F.relu(self.narrow(F.relu(x))))  # (B, bottleneck, H, W)
        y = y + self.label(label)[:, :, None, None].to(y.dtype)
        return x + self.widen(F.relu(y))


class MaskedPixelCNN(PixelModel):
    """The PixelCNN of the first paper."""

    def __init__(self, config: MaskedPixelCNNConfig) -> None:
        super().__init__(config)
        mask = raster_mask(config.first_kernel, sees_centre=config.sees_centre)
        self.first = MaskedConv2d(self.inputs, config.features, mask)
        self.layers = nn.ModuleList(
            ResidualBlock(config.features, config.bottleneck, config.classes)
            for _ in range(config.layers)
        )
        self.add_head(config.features, config.head_features)

    def blocks(self) -> list[ResidualBlock]:
        return [layer for layer in self.layers if isinstance(layer, ResidualBlock)]

    def features(self, x: Tensor, label: Tensor) -> Tensor:
        x = self.first(x)  # (B, F, H, W)
        for block in self.blocks():
            x = block(x, label)
        return x

    def remember(self, label: Tensor) -> Memory:
        return MaskedMemory(self, label)

    def receptive_field(self, row: int, column: int) -> Tensor:
        seen = torch.zeros(self.config.height, self.config.width, dtype=torch.bool)
        seen[row, column] = True
        for block in self.blocks():
            seen = block.around.sees(seen)
        return self.first.sees(seen)


class MaskedMemory(Memory):
    """Each convolution's rows above by the row, the rest by the pixel."""

    def __init__(self, model: MaskedPixelCNN, label: Tensor) -> None:
        size = (len(label), model.config.height, model.config.width)
        self.first = CachedConv(model.first, *size)
        self.x = self.first.x
        self.blocks = [CachedBlock(block, label, size) for block in model.blocks()]

    def start_row(self, row: int) -> None:
        self.first.start_row(row)
        for block in self.blocks:
            block.around.start_row(row)

    def step(self, row: int, column: int) -> Tensor:
        x = self.first.step(row, column)
        for block in self.blocks:
            x = block.step(x, row, column)
        return x


class CachedBlock:
    """A ResidualBlock's weights as matrices, and what its convolution has seen."""

    def __init__(self, block: ResidualBlock, label: Tensor, size: tuple[int, int, int]) -> None:
        self.narrow, self.narrow_bias = affine(block.narrow)
        self.around = CachedConv(block.around, *size)
        self.label = block.label(label)  # (B, bottleneck)
        self.widen, self.widen_bias = affine(block.widen)

    def step(self, x: Tensor, row: int, column: int) -> Tensor:
        """x (B, F) -> (B, F) at a pixel."""
        y = torch.addmm(self.narrow_bias, x.relu(), self.narrow)
        self.around.x[row, column] = y.relu_()
        y = self.around.step(row, column) + self.label
        return torch.addmm(x + self.widen_bias, y.relu_(), self.widen)
