"""What the prediction of one pixel depends on: measured by gradient, and allowed by the masks.

    strength     |d prediction / d pixel|, measured on real images
    field        the pixels that a path through the network leads from: all it can be
    blind spot   pixels before it that no path leads from, however many layers there are

A mask shows what lies to the right in the rows above only. So a stack of masked convolutions, and
a Row LSTM too, widens its view to the right by one column a row, and what is beyond (b) stays
unseen. Two stacks, or a state that comes from the right, have no such edge:

    s s s s s b b
    s s s s s s b
    s s s ? . . .

Source: van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016, figure 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gm_core.autoregressive import PixelConfig, PixelModel
from gm_core.masked_pixelcnn import MaskedPixelCNNConfig
from gm_core.pixelrnn import PixelRNNConfig


@dataclass(frozen=True, slots=True)
class Dependency:
    """What one model's prediction of one pixel depends on; maps are (H, W), on the CPU."""

    row: int
    column: int
    strength: Tensor  # float32: `PixelModel.dependency`, mean over the images
    before: Tensor  # bool: in raster order
    field: Tensor  # bool: what the masks let it see
    blind: Tensor  # bool: of those before it, what no number of layers would show it

    @property
    def too_far(self) -> Tensor:
        """Pixels before it that more layers would show: bool (H, W)."""
        return self.before & ~self.field & ~self.blind

    @property
    def leaks(self) -> Tensor:
        """Pixels outside the field that it depends on all the same: bool (H, W), all False."""
        return (self.strength != 0) & ~self.field

    @property
    def reach(self) -> int:
        """How many rows back the field begins."""
        rows = self.field.any(dim=1).nonzero()
        return self.row - int(rows[0]) if len(rows) else 0

    def rows_of(self, share: float) -> int:
        """How many rows back, besides its own, hold this share of the strength."""
        rows = self.strength.double().sum(dim=1)[: self.row + 1].flip(0).cumsum(0)
        return int((rows < share * rows[-1]).sum())


def dependencies(
    models: Iterable[PixelModel],
    levels: Tensor,
    row: int,
    column: int,
    label: int | Tensor | None = None,
) -> Iterator[Dependency]:
    """A record a model, of the same pixel of the same images: levels int64 (B, C, H, W).

    label: one for all, or int64 (B,); None asks about p(x). Raises ValueError for a pixel or a
    label that does not exist.
    """
    height, width = levels.shape[-2:]
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"There is no pixel ({row}, {column}) in {height} by {width}.")
    before = torch.arange(height * width).view(height, width) < row * width + column
    for model in models:
        yield Dependency(
            row=row,
            column=column,
            strength=model.dependency(levels, row, column, label).mean(dim=0).float().cpu(),
            before=before.clone(),
            field=model.receptive_field(row, column),
            blind=before & beyond_the_edge(model.config, row, column),
        )


def beyond_the_edge(config: PixelConfig, row: int, column: int) -> Tensor:
    """Pixels that lie too far right, row by row, for this kind of network: bool (H, W)."""
    rows, columns = torch.arange(config.height)[:, None], torch.arange(config.width)
    match config:
        case (
            MaskedPixelCNNConfig(first_kernel=kernel)
            | PixelRNNConfig(layer="row", first_kernel=kernel)
        ):
            # The first convolution goes one row up by its reach, what follows a row by a column.
            return columns > column + kernel // 2 + (row - 1 - rows)
    return torch.zeros(config.height, config.width, dtype=torch.bool)
