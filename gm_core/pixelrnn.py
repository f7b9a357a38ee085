"""PixelRNN: an image as a sequence of pixels, read and drawn by a long short-term memory.

    p(x) = p(x_1) p(x_2 | x_1) ... p(x_n | x_1, ..., x_{n-1})        in raster order

The Row LSTM carries its state down, row by row; a state sees three of the row above, so that its
view is a triangle. The Diagonal BiLSTM carries two states along the diagonals, from the upper left
and from the upper right, which together have seen every pixel drawn so far:

    . s s s .        l l l r r r
    s s s s s        l l l r r r        l: state from the left; r: from the right, and moved down
    . s ? . .        l l ? . . .           one row, or it would have seen the pixels after `?`

Source: van den Oord et al., "Pixel Recurrent Neural Networks", 2016, sections 3.1 and 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gm_core.autoregressive import CachedConv, Memory, PixelModel
from gm_core.layers import MaskedConv2d, affine, horizontal_mask, raster_mask


@dataclass(frozen=True, slots=True)
class PixelRNNConfig:
    """The size of the network, which is all that its weights do not say themselves."""

    layer: Literal["row", "diagonal"]
    height: int = 28
    width: int = 28
    channels: int = 1
    levels: int = 2  # values a pixel's channel can take
    level_features: int = 0  # learned numbers that stand for a level; 0: the level itself
    classes: int = 10  # labels; one embedding more stands for "no label"
    states: int = 32  # of an LSTM; the features between layers are twice as many
    layers: int = 4
    head_features: int = 128  # a channel
    first_kernel: int = 7


def lstm(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """One step, equation 3: gates (..., 4S), which are input, forget, output and content, and
    c (..., S) -> h, c."""
    states = c.shape[-1]
    i, f, o = gates[..., : 3 * states].sigmoid().chunk(3, dim=-1)
    c = f * c + i * gates[..., 3 * states :].tanh()
    return o * c.tanh(), c


class LSTMStep(nn.Module):
    """`lstm` as a module, which can be compiled for training."""

    def forward(self, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        return lstm(gates, c)


class RowLSTM(nn.Module):
    """Carries its state from row to row, all columns at once."""

    def __init__(self, config: PixelRNNConfig, features: int) -> None:
        super().__init__()
        self.states = states = config.states
        mask = horizontal_mask(3, sees_centre=True)
        self.input_to_state = MaskedConv2d(features, 4 * states, mask)
        # From the state of the row above, at the columns c-1, c, c+1.
        self.state_to_state = nn.Parameter(torch.empty(3 * states, 4 * states))
        nn.init.normal_(self.state_to_state, std=(3 * states) ** -0.5)
        self.label = nn.Embedding(config.classes + 1, 4 * states)
        self.output = nn.Conv2d(states, features, 1)
        self.step = LSTMStep()
        remember_at_first(self.input_to_state.bias, states)
        nn.init.zeros_(self.label.weight)

    def forward(self, x: Tensor, pixels: Tensor, label: Tensor) -> Tensor:  # noqa: ARG002
        """x (B, F, H, W), the network's input `pixels`, label (B,) -> (B, F, H, W)."""
        inputs = self.input_to_state(x)  # (B, 4S, H, W)
        inputs = inputs + self.label(label)[:, :, None, None].to(inputs.dtype)
        inputs = inputs.permute(2, 0, 3, 1).contiguous()  # (H, B, W, 4S)
        h = c = inputs.new_zeros(*inputs.shape[1:3], self.states)  # (B, W, S)
        states = []
        for row in inputs.unbind():
            h, c = self.step(row + three_columns(h) @ self.state_to_state, c)
            states.append(h)
        return x + self.output(torch.stack(states).permute(1, 3, 0, 2))

    def sees(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """The features and the pixels on which the marked outputs depend, all bool (H, W)."""
        rows = list(outputs.unbind())
        for row in range(len(rows) - 1, 0, -1):
            below = F.pad(rows[row], (1, 1))
            rows[row - 1] = rows[row - 1] | below[:-2] | below[1:-1] | below[2:]
        return self.input_to_state.sees(torch.stack(rows)), torch.zeros_like(outputs)


def three_columns(h: Tensor) -> Tensor:
    """The states at c-1, c and c+1 side by side: (..., W, S) -> (..., W, 3S)."""
    padded = F.pad(h, (0, 0, 1, 1))
    return torch.cat([padded[..., :-2, :], h, padded[..., 2:, :]], dim=-1)


def remember_at_first(bias: Tensor, states: int) -> None:
    """Open the forget gates of an LSTM's bias (4S,)."""
    with torch.no_grad():
        bias[states : 2 * states] = 1


class DiagonalBiLSTM(nn.Module):
    """Carries one state down to the right and one down to the left, a whole diagonal at once."""

    def __init__(self, config: PixelRNNConfig, features: int) -> None:
        super().__init__()
        self.states = states = config.states
        self.input_to_state = nn.Conv2d(features, 8 * states, 1)  # both directions' gates
        # Beyond the paper: the features of the last pixel of a row do not know that pixel, and no
        # features of the next row reach back to it. The state from the right reads pixels directly.
        self.pixel_to_state = nn.Conv2d(pixel_inputs(config), 4 * states, 1, bias=False)
        # From the state beside (first S inputs) and the state above (last S), for each direction.
        self.state_to_state = nn.Parameter(torch.empty(2, 2 * states, 4 * states))
        nn.init.normal_(self.state_to_state, std=(2 * states) ** -0.5)
        self.label = nn.Embedding(config.classes + 1, 8 * states)
        self.output = nn.Conv2d(2 * states, features, 1)
        self.step = LSTMStep()
        assert self.input_to_state.bias is not None
        for direction in self.input_to_state.bias.chunk(2):
            remember_at_first(direction, states)
        nn.init.zeros_(self.label.weight)

    def forward(self, x: Tensor, pixels: Tensor, label: Tensor) -> Tensor:
        """x (B, F, H, W), the network's input `pixels`, label (B,) -> (B, F, H, W)."""
        inputs = self.input_to_state(x)  # (B, 8S, H, W)
        inputs = inputs + self.label(label)[:, :, None, None].to(inputs.dtype)
        rightwards, leftwards = inputs.permute(0, 2, 3, 1).chunk(2, dim=3)  # (B, H, W, 4S) each
        leftwards = leftwards + self.pixel_to_state(pixels).permute(0, 2, 3, 1)
        both = skew(torch.stack([rightwards, leftwards.flip(2)]))  # (2, B, H, H + W - 1, 4S)
        batch, height = both.shape[1:3]
        h = c = both.new_zeros(2, batch, height, self.states)
        states = []
        for diagonal in both.permute(3, 0, 1, 2, 4).contiguous().unbind():  # (2, B, H, 4S)
            above = F.pad(h, (0, 0, 1, 0))[:, :, :-1]
            beside_and_above = torch.cat([h, above], dim=3).flatten(1, 2)  # (2, B * H, 2S)
            gates = diagonal + (beside_and_above @ self.state_to_state).view_as(diagonal)
            h, c = self.step(gates, c)
            states.append(h)
        rightwards, leftwards = unskew(torch.stack(states, dim=3)).unbind()  # (B, H, W, S) each
        leftwards = F.pad(leftwards.flip(2), (0, 0, 0, 0, 1, 0))[:, :-1]  # down one row
        return x + self.output(torch.cat([rightwards, leftwards], dim=3).permute(0, 3, 1, 2))

    def sees(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """The features and the pixels on which the marked outputs depend, all bool (H, W)."""

        def up_and_left(marked: Tensor) -> Tensor:
            return marked.flip(0, 1).cummax(0).values.cummax(1).values.flip(0, 1)

        marked = outputs.byte()
        arriving = F.pad(marked, (0, 0, 0, 1))[1:]  # from the right, what the row above holds
        from_the_right = up_and_left(arriving.flip(1)).flip(1).bool()
        return up_and_left(marked).bool() | from_the_right, from_the_right


def pixel_inputs(config: PixelRNNConfig) -> int:
    """How many numbers stand for a pixel and its place."""
    return config.channels * (config.level_features or 1) + 2


def skew(x: Tensor) -> Tensor:
    """Move row r by r columns: (..., H, W, F) -> (..., H, H + W - 1, F). Diagonals stand upright.

    1 2 3        1 2 3 0
    4 5 6   ->   0 4 5 6
    """
    height, width = x.shape[-3:-1]
    rows = F.pad(x, (0, 0, 0, height)).flatten(-3, -2)
    return rows[..., : height * (width + height - 1), :].unflatten(-2, (height, -1))


def unskew(x: Tensor) -> Tensor:
    """The opposite of `skew`."""
    height, length = x.shape[-3:-1]
    rows = F.pad(x.flatten(-3, -2), (0, 0, 0, height))
    return rows.unflatten(-2, (height, -1))[..., : length - height + 1, :]


class PixelRNN(PixelModel):
    """A first masked convolution, then layers of one kind of LSTM with residual connections."""

    def __init__(self, config: PixelRNNConfig) -> None:
        super().__init__(config)
        if config.layer not in LAYERS:
            raise ValueError(f"layer must be one of {', '.join(LAYERS)}, not {config.layer!r}.")
        self.layer = config.layer
        mask = raster_mask(config.first_kernel, sees_centre=False)
        features = 2 * config.states
        self.first = MaskedConv2d(self.inputs, features, mask)
        self.layers = nn.ModuleList(
            LAYERS[config.layer].network(config, features) for _ in range(config.layers)
        )
        self.add_head(features, config.head_features)

    def recurrent_layers(self) -> list[RowLSTM | DiagonalBiLSTM]:
        return [layer for layer in self.layers if isinstance(layer, RowLSTM | DiagonalBiLSTM)]

    def features(self, x: Tensor, label: Tensor) -> Tensor:
        pixels, x = x, self.first(x)  # (B, 2S, H, W)
        for layer in self.layers:
            x = layer(x, pixels, label)
        return x

    def remember(self, label: Tensor) -> Memory:
        return LAYERS[self.layer].memory(self, label)

    def receptive_field(self, row: int, column: int) -> Tensor:
        seen = torch.zeros(self.config.height, self.config.width, dtype=torch.bool)
        seen[row, column] = True
        pixels = torch.zeros_like(seen)
        for layer in self.recurrent_layers():  # their field is the same in any order
            seen, directly = layer.sees(seen)
            pixels = pixels | directly
        return self.first.sees(seen) | pixels


class RowMemory(Memory):
    """What a row's states take from the row above by the row, what they take from the left by the
    pixel; a layer keeps the states of one row."""

    def __init__(self, model: PixelRNN, label: Tensor) -> None:
        batch, (height, width) = len(label), model.coordinates.shape[1:]
        self.first = CachedConv(model.first, batch, height, width)
        self.x = self.first.x
        self.layers = [
            CachedRowLSTM(layer, label, width)
            for layer in model.recurrent_layers()
            if isinstance(layer, RowLSTM)
        ]

    def start_row(self, row: int) -> None:
        self.first.start_row(row)
        for layer in self.layers:
            layer.start_row()

    def step(self, row: int, column: int) -> Tensor:
        x = self.first.step(row, column)
        for layer in self.layers:
            x = layer.step(x, column)
        return x


class CachedRowLSTM:
    """A RowLSTM's weights as matrices, and the states of the last row."""

    def __init__(self, layer: RowLSTM, label: Tensor, width: int) -> None:
        batch, states = len(label), layer.states
        features = layer.output.out_channels
        matrix, bias = affine(layer.input_to_state)
        self.from_left, self.from_centre = matrix.unflatten(0, (2, features)).unbind()
        self.bias = bias + layer.label(label)  # (B, 4S)
        self.state_to_state = layer.state_to_state
        self.output, self.output_bias = affine(layer.output)
        self.states = matrix.new_zeros(width, batch, states)
        self.memories = matrix.new_zeros(width, batch, states)
        self.nothing = self.left = matrix.new_zeros(batch, features)
        self.links: tuple[Tensor, ...] = ()

    def start_row(self) -> None:
        above = three_columns(self.states.transpose(0, 1))  # (B, W, 3S)
        self.links = (above @ self.state_to_state + self.bias[:, None]).unbind(1)
        self.left = self.nothing

    def step(self, x: Tensor, column: int) -> Tensor:
        """x (B, F) -> (B, F) at a column of the current row."""
        gates = torch.addmm(self.links[column], self.left, self.from_left)
        gates = torch.addmm(gates, x, self.from_centre)
        self.left = x
        h, c = lstm(gates, self.memories[column])
        self.states[column], self.memories[column] = h, c
        return torch.addmm(x + self.output_bias, h, self.output)


class DiagonalMemory(Memory):
    """The state from the left by the pixel; the state from the right a whole row at once, as soon
    as the row is drawn, because the next row is the first to see it.

    All layers' weights and states are stacked (L, ...): their rows from the right, which do not
    wait for one another, are computed together.
    """

    def __init__(self, model: PixelRNN, label: Tensor) -> None:
        batch, (height, width) = len(label), model.coordinates.shape[1:]
        self.first = CachedConv(model.first, batch, height, width)
        self.x = self.first.x
        layers = [layer for layer in model.recurrent_layers() if isinstance(layer, DiagonalBiLSTM)]
        pixels = [affine(layer.pixel_to_state)[0] for layer in layers]
        self.pixel_input = torch.stack(pixels)[:, None]  # (L, 1, inputs, 4S)
        inputs, biases = zip(*(affine(layer.input_to_state) for layer in layers), strict=True)
        biases = [bias + layer.label(label) for bias, layer in zip(biases, layers, strict=True)]
        bias = torch.stack(biases)[:, None]  # (L, 1, B, 8S)
        self.rightward_bias, self.leftward_bias = bias.chunk(2, dim=3)
        self.rightward_input, self.leftward_input = torch.stack(inputs).chunk(2, dim=2)
        state_to_state = torch.stack([layer.state_to_state for layer in layers], dim=1)
        beside, above = state_to_state.chunk(2, dim=2)  # (2, L, S, 4S) each
        self.rightward_beside, self.leftward_beside = beside.unbind()
        self.rightward_above, self.leftward_above = above[:, :, None].unbind()  # (L, 1, S, 4S)
        outputs, output_biases = zip(*(affine(layer.output) for layer in layers), strict=True)
        self.rightward_output, self.leftward_output = torch.stack(outputs).chunk(2, dim=1)
        self.output_bias = torch.stack(output_biases)[:, None, None]  # (L, 1, 1, F)

        count, states = len(layers), layers[0].states
        self.row = bias.new_zeros(count, width, batch, self.output_bias.shape[-1])
        self.rightward = bias.new_zeros(count, width, batch, states)
        self.leftward = torch.zeros_like(self.rightward)
        self.nothing = bias.new_zeros(count, batch, states)
        self.h = self.c = list(self.nothing.unbind())
        self.links: list[tuple[Tensor, ...]] = []
        self.arriving: list[tuple[Tensor, ...]] = []

    def start_row(self, row: int) -> None:
        self.first.start_row(row)
        if row > 0:
            self.finish_row(row - 1)
        arriving = self.leftward @ self.leftward_output[:, None] + self.output_bias
        self.arriving = [layer.unbind() for layer in arriving]  # (B, F) each
        links = self.rightward @ self.rightward_above + self.rightward_bias
        self.links = [layer.unbind() for layer in links]  # (B, 4S) each
        self.h, self.c = list(self.nothing.unbind()), list(self.nothing.unbind())

    def finish_row(self, row: int) -> None:
        """Run the states from the right through the row that has just been drawn."""
        gates = self.row @ self.leftward_input[:, None] + self.leftward_bias
        gates = gates + self.x[row] @ self.pixel_input
        gates = gates + self.leftward @ self.leftward_above  # (L, W, B, 4S)
        h = c = self.nothing
        for column in reversed(range(gates.shape[1])):
            h, c = lstm(torch.baddbmm(gates[:, column], h, self.leftward_beside), c)
            self.leftward[:, column] = h

    def step(self, row: int, column: int) -> Tensor:
        x = self.first.step(row, column)
        for layer, h in enumerate(self.h):
            self.row[layer, column] = x
            gates = torch.addmm(self.links[layer][column], x, self.rightward_input[layer])
            gates = torch.addmm(gates, h, self.rightward_beside[layer])
            h, self.c[layer] = lstm(gates, self.c[layer])
            self.h[layer] = self.rightward[layer, column] = h
            x = x + self.arriving[layer][column]
            x = torch.addmm(x, h, self.rightward_output[layer])
        return x


@dataclass(frozen=True, slots=True)
class Layer:
    """A kind of LSTM, and how it remembers while it draws."""

    network: type[RowLSTM | DiagonalBiLSTM]
    memory: type[RowMemory | DiagonalMemory]


LAYERS = {
    "row": Layer(RowLSTM, RowMemory),
    "diagonal": Layer(DiagonalBiLSTM, DiagonalMemory),
}
