"""The laboratory: a GAN of points in the plane, small enough to be trained before one's eyes.

    z, 2 numbers in [-1, 1] ----> G ----> a point of the plane ----> D ----> its score

Three games can be played:

    relativistic    D: softplus(D(y) - D(x))                  G: softplus(D(x) - D(y))
    non-saturating  D: softplus(-D(x)) + softplus(D(y))       G: softplus(-D(y))
    saturating      D: the same                               G: -softplus(D(y)) = log(1 - sigmoid)

x is real, y = G(z). Each may have R1 and R2, gamma / 2 times the squared slope of D at x and at y.
In the last game, the minimax game of 2014, a D that is sure of itself leaves G no slope to follow.

All that training carries along is in a `LabState` of plain tensors. What step n of a network does
depends on the state, the settings, the seed and n alone: however the steps are cut into turns,
the same points come out.

Sources: Goodfellow et al., "Generative Adversarial Nets", 2014; Arjovsky and Bottou, "Towards
Principled Methods for Training Generative Adversarial Networks", 2017: why a perfect D is no
teacher; Huang et al., "The GAN is dead; long live the GAN!", 2024: the relativistic game.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import groupby, pairwise
from typing import Literal, TypeAlias, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from gm_core.randomness import stream

Loss: TypeAlias = Literal["relativistic", "non-saturating", "saturating"]
Player: TypeAlias = Literal["discriminator", "generator"]
Point: TypeAlias = tuple[float, float]

LOSSES: tuple[Loss, ...] = get_args(Loss)
REACH = 3.0  # the plane goes from -REACH to REACH, both ways
HIDDEN = (64, 64, 64)  # features of each network
GENERATOR, DISCRIMINATOR = (2, *HIDDEN, 2), (2, *HIDDEN, 1)  # features, layer by layer
LEAK = 0.2  # slope of the leaky ReLU's negative side
BEYOND = 0.1  # slope of G's output outside of the plane
BATCH_SIZE = 128
DECAY = 0.99  # of the mean squared gradient; there is no mean gradient, as the game turns too fast
# Adam makes steps of one size out of gradients of any. With its usual 1e-8 a gradient that has all
# but vanished would still move G about; with this it is seen to vanish.
D_EPSILON, G_EPSILON = 1e-8, 1e-3
SHOWN = 256  # points of each kind in a record
MEASURED = 512  # generated points behind the coverage
CELLS = 32  # a side of D's map
CURVE_ANCHORS, CURVE_PARTS = 192, 24
DOT = 0.2  # a dot's length among strokes
NEAR = 3.0  # spreads from the data: what lies farther off is no good imitation
FAIR = 0.25  # of its fair share of points, and a part counts as covered
MOST_RATE, MOST_D_STEPS, MOST_GAMMA, MOST_HEAD_START = 0.1, 20, 10.0, 1000
# Random streams (seed, which, ...).
G_WEIGHTS, D_WEIGHTS, D_BATCH, G_BATCH, SHOWN_REAL, SHOWN_Z, MEASURED_Z = range(7)


# --- data ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Distribution:
    """Real points: an anchor, each as likely, and normal noise around it."""

    anchors: Tensor  # (N, 2)
    parts: Tensor  # int64 (N,), rising from 0: what has to be covered, a part each
    spread: float  # standard deviation of the noise, in both directions

    @property
    def part_count(self) -> int:
        return int(self.parts[-1]) + 1

    def sample(self, count: int, random: torch.Generator) -> Tensor:
        """(count, 2)."""
        chosen = torch.randint(len(self.anchors), (count,), generator=random)
        return self.anchors[chosen] + self.spread * torch.randn(count, 2, generator=random)


def eight_gaussians() -> Distribution:
    """Eight heaps on a circle."""
    angle = torch.arange(8) * (math.tau / 8)
    return Distribution(2 * torch.stack([angle.cos(), angle.sin()], dim=1), torch.arange(8), 0.14)


def ring() -> Distribution:
    angle = torch.arange(CURVE_ANCHORS) * (math.tau / CURVE_ANCHORS)
    return _curve(2 * torch.stack([angle.cos(), angle.sin()], dim=1))


def line() -> Distribution:
    along = torch.linspace(0, 1, CURVE_ANCHORS)[:, None]
    start, end = torch.tensor([-2.3, 0.6]), torch.tensor([1.6, 2.4])
    return _curve(start + (end - start) * along)


def drawn(strokes: Sequence[Sequence[Point]]) -> Distribution:
    """Own strokes, every bit of their length as likely; a stroke of one point is a dot.

    Raises ValueError if there is nothing, or something outside the plane.
    """
    points = [point for stroke in strokes for point in stroke]
    if not points:
        raise ValueError("Nothing is drawn: there are no real points to learn from.")
    if not all(math.isfinite(at) and abs(at) <= REACH for point in points for at in point):
        raise ValueError(f"Drawn points lie from {-REACH} to {REACH}, both ways.")
    pieces = []
    for stroke in strokes:
        moved = [point for point, _ in groupby(stroke)]  # without repetitions
        pieces += pairwise(moved if len(moved) > 1 else moved * 2)  # a dot goes nowhere
    ends = torch.tensor(pieces, dtype=torch.float32)  # (pieces, 2 ends, 2)
    lengths = (ends[:, 1] - ends[:, 0]).norm(dim=1)
    lengths = torch.where(lengths == 0, DOT, lengths)
    until = lengths.cumsum(dim=0)
    wanted = (torch.arange(CURVE_ANCHORS) + 0.5) * (until[-1] / CURVE_ANCHORS)
    piece = torch.searchsorted(until, wanted).clamp(max=len(until) - 1)
    share = ((wanted - until[piece] + lengths[piece]) / lengths[piece]).clamp(0, 1)[:, None]
    return _curve(ends[piece, 0] + share * (ends[piece, 1] - ends[piece, 0]))


def _curve(anchors: Tensor) -> Distribution:
    parts = torch.arange(CURVE_ANCHORS) * CURVE_PARTS // CURVE_ANCHORS
    return Distribution(anchors, parts, 0.1)


# --- settings, state, record ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LabSettings:
    """How both learn; may change from turn to turn."""

    d_rate: float  # learning rates
    g_rate: float
    d_steps: int  # of D for each of G
    loss: Loss
    gamma: float  # of R1 and R2; 0: D's slope is free
    head_start: int = 0  # steps of D before the first of G

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("d_rate", self.d_rate, 0, MOST_RATE),
            ("g_rate", self.g_rate, 0, MOST_RATE),
            ("d_steps", self.d_steps, 1, MOST_D_STEPS),
            ("gamma", self.gamma, 0, MOST_GAMMA),
            ("head_start", self.head_start, 0, MOST_HEAD_START),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {value}.")
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {LOSSES}, not {self.loss!r}.")


BALANCED = LabSettings(4e-3, 2e-3, 1, "relativistic", gamma=0.1)
# D's score of a generated point gets so low that log(1 - sigmoid(score)) is flat.
D_TOO_STRONG = LabSettings(1e-2, 1e-3, 10, "saturating", gamma=0.0, head_start=300)
# G runs to wherever D, who learns slowly, is most hopeful; by the time D knows, G is elsewhere.
MODE_COLLAPSE = LabSettings(1e-3, 5e-2, 1, "non-saturating", gamma=0.0)


@dataclass(frozen=True, slots=True)
class LabState:
    """Everything that training carries from step to step."""

    seed: int
    generator: Tensor  # all weights in a row
    discriminator: Tensor
    generator_square: Tensor  # Adam's mean squared gradients
    discriminator_square: Tensor
    generator_steps: int = 0
    discriminator_steps: int = 0


@dataclass(frozen=True, slots=True)
class LabRecord:
    """What there is to see, and the state to go on from."""

    state: LabState
    real: Tensor  # (SHOWN, 2), always the same
    generated: Tensor  # (SHOWN, 2), of the same z each time
    # (SHOWN, 2): minus the slope of G's loss at each generated point. That is where D's score
    # rises, and as long as what this loss makes of it.
    arrows: Tensor
    # (CELLS, CELLS), the first at the upper left: D's score at the middles of equal cells. Only
    # differences mean anything in the relativistic game, so 0 is made the middle between the mean
    # score of real and of generated points; in the other games it is where D gives even chances.
    scores: Tensor
    _: KW_ONLY
    margin: float  # mean score of real minus mean score of generated points
    covered: int  # parts of the data with enough generated points near them
    parts: int
    near: float  # share of generated points that are near the data
    d_loss: float | None = None  # mean since the last record, without the penalty; None: no step
    g_loss: float | None = None

    @property
    def push(self) -> float:
        """Mean length of the arrows: how much D's opinion moves G."""
        return float(self.arrows.norm(dim=1).mean())


# --- networks ------------------------------------------------------------------------------------


def begin(seed: int) -> LabState:
    """Both networks untrained: all generated points lie near the middle of the plane."""
    generator = _initial_weights(GENERATOR, stream(seed, G_WEIGHTS), last=0.15)
    discriminator = _initial_weights(DISCRIMINATOR, stream(seed, D_WEIGHTS), last=0.3)
    return LabState(
        seed,
        generator,
        discriminator,
        torch.zeros_like(generator),
        torch.zeros_like(discriminator),
    )


def _initial_weights(widths: tuple[int, ...], random: torch.Generator, *, last: float) -> Tensor:
    """Weights that keep the size of what passes, times `last` in the last layer. Biases spread the
    kinks over the plane."""
    parts = []
    for inputs, outputs in pairwise(widths):
        is_last = outputs == widths[-1]
        scale = math.sqrt(2 / ((1 + LEAK**2) * inputs)) * (last if is_last else 1)
        parts.append(scale * torch.randn(outputs * inputs, generator=random))
        parts.append((0.0 if is_last else 0.7) * torch.randn(outputs, generator=random))
    return torch.cat(parts)


def _layers(weights: Tensor, widths: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
    """The row of weights as a matrix and a bias for each layer."""
    sizes = [size for inputs, outputs in pairwise(widths) for size in (outputs * inputs, outputs)]
    parts = weights.split(sizes)
    return [
        (matrix.view(outputs, inputs), bias)
        for matrix, bias, (inputs, outputs) in zip(
            parts[::2], parts[1::2], pairwise(widths), strict=True
        )
    ]


def sample_latent(count: int, random: torch.Generator) -> Tensor:
    """z, uniform in a square: (count, 2). Without tails, as a few points that stray would be all
    that a perfect D has to teach."""
    return 2 * torch.rand(count, 2, generator=random) - 1


def generate(weights: Tensor, z: Tensor) -> Tensor:
    """G: (B, 2) -> points (B, 2), hardly beyond the plane's edge, where a slope leads back."""
    x = z
    *hidden, (matrix, bias) = _layers(weights, GENERATOR)
    for each, offset in hidden:
        x = F.leaky_relu(F.linear(x, each, offset), LEAK)
    points = F.linear(x, matrix, bias)
    held = points.clamp(-REACH, REACH)
    return held + BEYOND * (points - held)


def score(weights: Tensor, points: Tensor) -> Tensor:
    """D: (B, 2) -> scores (B,)."""
    x = points
    *hidden, (matrix, bias) = _layers(weights, DISCRIMINATOR)
    for each, offset in hidden:
        x = F.leaky_relu(F.linear(x, each, offset), LEAK)
    return F.linear(x, matrix, bias)[:, 0]


def score_and_slope(weights: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """`score`, and the slope of each in the plane: (B, 2) -> (B,), (B, 2).

    The slope is laid out by the chain rule, so that a loss may hold it and one backward pass will
    do: D consists of flat pieces, on which the kinks' own slopes do not change.
    """
    x = points
    *hidden, (matrix, bias) = _layers(weights, DISCRIMINATOR)
    kinks = []
    for each, offset in hidden:
        x = F.linear(x, each, offset)
        kinks.append(torch.where(x.detach() > 0, 1.0, LEAK))
        x = x * kinks[-1]
    slope = matrix  # (1, features)
    for (each, _), kink in zip(hidden[::-1], kinks[::-1], strict=True):
        slope = (slope * kink) @ each
    return F.linear(x, matrix, bias)[:, 0], slope


# --- the games -----------------------------------------------------------------------------------


def discriminator_loss(loss: Loss, real: Tensor, generated: Tensor) -> Tensor:
    """Scores (B,) and (B,) -> mean loss of D."""
    if loss == "relativistic":
        return F.softplus(generated - real).mean()
    return (F.softplus(-real) + F.softplus(generated)).mean()


def generator_loss(loss: Loss, real: Tensor, generated: Tensor) -> Tensor:
    """Scores (B,) and (B,) -> mean loss of G."""
    if loss == "relativistic":
        return F.softplus(real - generated).mean()
    if loss == "non-saturating":
        return F.softplus(-generated).mean()
    return -F.softplus(generated).mean()


@torch.enable_grad()  # whoever asks, in whatever thread
def discriminator_step(
    state: LabState, data: Distribution, settings: LabSettings
) -> tuple[LabState, float]:
    """D learns from one batch; also its loss before that."""
    random = stream(state.seed, D_BATCH, state.discriminator_steps)
    real = data.sample(BATCH_SIZE, random)
    z = sample_latent(BATCH_SIZE, random)
    points = torch.cat([real, generate(state.generator, z)])
    weights = state.discriminator.detach().requires_grad_()
    if settings.gamma:
        scores, slope = score_and_slope(weights, points)
        penalty = settings.gamma / 2 * slope.square().sum() / BATCH_SIZE  # R1 + R2
    else:
        scores, penalty = score(weights, points), 0.0
    loss = discriminator_loss(settings.loss, *scores.split(BATCH_SIZE))
    (gradient,) = torch.autograd.grad(loss + penalty, weights)
    steps = state.discriminator_steps + 1
    learnt, square = _adam(
        state.discriminator,
        state.discriminator_square,
        gradient,
        settings.d_rate,
        D_EPSILON,
        steps,
    )
    return replace(
        state, discriminator=learnt, discriminator_square=square, discriminator_steps=steps
    ), loss.item()


@torch.enable_grad()
def generator_step(
    state: LabState, data: Distribution, settings: LabSettings
) -> tuple[LabState, float]:
    """G learns from D's opinion of one batch; also its loss before that."""
    random = stream(state.seed, G_BATCH, state.generator_steps)
    real = data.sample(BATCH_SIZE, random)
    z = sample_latent(BATCH_SIZE, random)
    weights = state.generator.detach().requires_grad_()
    scores = score(state.discriminator, torch.cat([real, generate(weights, z)]))
    loss = generator_loss(settings.loss, *scores.split(BATCH_SIZE))
    (gradient,) = torch.autograd.grad(loss, weights)
    steps = state.generator_steps + 1
    learnt, square = _adam(
        state.generator, state.generator_square, gradient, settings.g_rate, G_EPSILON, steps
    )
    return replace(
        state, generator=learnt, generator_square=square, generator_steps=steps
    ), loss.item()


def _adam(
    weights: Tensor, square: Tensor, gradient: Tensor, rate: float, epsilon: float, step: int
) -> tuple[Tensor, Tensor]:
    """Weights and mean squared gradient after this step, counted from 1."""
    square = torch.lerp(gradient.square(), square, DECAY)
    size = (square / (1 - DECAY**step)).sqrt() + epsilon
    return weights - rate * gradient / size, square


# --- training ------------------------------------------------------------------------------------


def train(
    state: LabState,
    data: Distribution,
    settings: LabSettings,
    *,
    rounds: int,
    every: int | None = None,
    seconds: float = math.inf,
    only: Player | None = None,
) -> Generator[LabRecord]:
    """Rounds of the game, or as many single steps of one player.

    A round is `settings.d_steps` steps of D and one of G. A record after each `every` rounds, and
    after the last: of all, or the first one that ends after `seconds`. No rounds: one record, of
    the state as it is. D's head start, where it is not over yet, is rounds without G. Raises
    ValueError.
    """
    if rounds < 0 or (every is not None and every < 1):
        raise ValueError(f"There can't be {rounds} rounds with a record every {every}.")
    if rounds == 0:
        yield observe(state, data, settings.loss)
        return
    until = time.perf_counter() + seconds
    d_losses: list[float] = []
    g_losses: list[float] = []
    for done in range(1, rounds + 1):
        if only != "generator":
            for _ in range(1 if only else settings.d_steps):
                state, loss = discriminator_step(state, data, settings)
                d_losses.append(loss)
        is_ahead = state.generator_steps == 0 and state.discriminator_steps < settings.head_start
        if only == "generator" or (only is None and not is_ahead):
            state, loss = generator_step(state, data, settings)
            g_losses.append(loss)
        is_last = done == rounds or time.perf_counter() >= until
        if is_last or (every and done % every == 0):
            yield replace(
                observe(state, data, settings.loss), d_loss=_mean(d_losses), g_loss=_mean(g_losses)
            )
            d_losses, g_losses = [], []
        if is_last:
            return


def _mean(losses: list[float]) -> float | None:
    return sum(losses) / len(losses) if losses else None


@torch.no_grad()
def observe(state: LabState, data: Distribution, loss: Loss) -> LabRecord:
    """What there is to see now, without losses."""
    real = data.sample(SHOWN, stream(state.seed, SHOWN_REAL))
    generated = generate(state.generator, sample_latent(SHOWN, stream(state.seed, SHOWN_Z)))
    middles = (torch.arange(CELLS) + 0.5) * (2 * REACH / CELLS) - REACH
    y, x = torch.meshgrid(middles.flip(0), middles, indexing="ij")
    cells = torch.stack([x, y], dim=-1).flatten(0, 1)
    of_real, of_cells = score(state.discriminator, torch.cat([real, cells])).split(
        [SHOWN, CELLS**2]
    )
    of_generated, slope = score_and_slope(state.discriminator, generated)
    margin = of_real.mean() - of_generated.mean()
    middle = (of_real.mean() + of_generated.mean()) / 2 if loss == "relativistic" else 0.0
    pull = {
        "relativistic": torch.sigmoid(of_real - of_generated),
        "non-saturating": torch.sigmoid(-of_generated),
        "saturating": torch.sigmoid(of_generated),
    }[loss]
    covered, near = _coverage(state, data)
    return LabRecord(
        state,
        real,
        generated,
        pull[:, None] * slope,
        (of_cells - middle).view(CELLS, CELLS),
        margin=float(margin),
        covered=covered,
        parts=data.part_count,
        near=near,
    )


def _coverage(state: LabState, data: Distribution) -> tuple[int, float]:
    """How many parts have their points, and which share of the points is near any."""
    z = sample_latent(MEASURED, stream(state.seed, MEASURED_Z))
    distance, nearest = torch.cdist(generate(state.generator, z), data.anchors).min(dim=1)
    near = distance <= NEAR * data.spread
    counts = torch.bincount(data.parts[nearest[near]], minlength=data.part_count)
    # Where strokes cross or begin anew, parts have unequal chances: each is asked for little.
    enough = FAIR * MEASURED / data.part_count
    return int((counts >= enough).sum()), float(near.double().mean())
