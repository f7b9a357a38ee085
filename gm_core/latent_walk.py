"""Ways through the codes of a generator: tours, patches, and directions found from examples.

    tour         from code to code, each leg straight or on an arc
    patch        z = around a code on the shell of its length, x to the right and y up along arcs
    direction    z' = z + t d, where d leads from the codes of pictures without something to the
                 codes of pictures with it

Random codes have a standard deviation of 1 along every line through the origin. So all lengths are
in standard deviations of the prior, sigma, however many dimensions there are.

A direction is found from few examples in many dimensions, so it is always partly chance. Two
numbers say how much: how many examples fall on the right side of a direction that was found without
them, and how alike the directions are that two halves of the examples give.

Source of directions as differences of means: White, "Sampling Generative Networks", 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from gm_core.randomness import stream

FEWEST = 2  # examples with it, and as many without, that make a direction

Way = Callable[[Tensor, Tensor, int], Tensor]  # gm_core.latent's straight and spherical
Finder = Callable[[Tensor, Tensor], Tensor]  # difference and regression


def tour(codes: Tensor, steps: int, way: Way) -> Tensor:
    """From the first code (K, latent) over all others to the last: (steps + 1, latent).

    Every leg has equally many steps; raises ValueError where that can't be.
    """
    legs = len(codes) - 1
    if legs < 1 or steps < legs or steps % legs:
        raise ValueError(f"{steps} steps can't be shared by {legs} legs.")
    parts = [way(start, end, steps // legs + 1)[:-1] for start, end in pairwise(codes)]
    return torch.cat([*parts, codes[-1:]])


def shorter(length: float, latent: int) -> float:
    """The share of random codes that are shorter: |z|^2 has a chi-squared distribution."""
    half = torch.tensor([latent, length**2], dtype=torch.float64) / 2
    return float(torch.special.gammainc(half[0], half[1]))


@dataclass(frozen=True, slots=True)
class Patch:
    """A piece of the shell around a code, laid flat as maps lay the Earth: distances and angles
    from its middle are true.

    A flat plane would hardly do: along one straight line, a code of many dimensions stays nearly
    the same for as long as it is likely.
    """

    centre: Tensor  # (latent,)
    right: Tensor  # (latent,): of length 1, at right angles to the centre
    up: Tensor  # (latent,): of length 1, at right angles to both

    @property
    def radius(self) -> Tensor:
        """The length of all codes on it: ()."""
        return self.centre.norm()

    def angle(self, x: Tensor, y: Tensor) -> Tensor:
        """Between the codes of places (B,), (B,) and the centre, radians: (B,)."""
        return torch.hypot(x, y) / self.radius

    def at(self, x: Tensor, y: Tensor) -> Tensor:
        """The codes that lie x sigma to the right and y sigma up, (B,), (B,): (B, latent)."""
        angle = self.angle(x, y)[:, None]
        aside = x[:, None] * self.right + y[:, None] * self.up
        # sin(angle) / angle, which is 1 in the middle
        return angle.cos() * self.centre + torch.sinc(angle / torch.pi) * aside


def patch(codes: Tensor) -> Patch:
    """Around the first of three codes (3, latent), towards what is new in the others.

    Raises ValueError if there are fewer than three dimensions.
    """
    if codes.shape[0] != 3 or codes.shape[1] < 3:
        raise ValueError(f"It takes three codes of three dimensions, not {tuple(codes.shape)}.")
    basis: list[Tensor] = []
    for code in codes:  # Gram and Schmidt's way
        for other in basis:
            code = code - torch.dot(code, other) * other
        basis.append(code / code.norm())
    return Patch(codes[0], basis[1], basis[2])


# --- directions ----------------------------------------------------------------------------------


def difference(z: Tensor, has: Tensor) -> Tensor:
    """From the mean of the codes (N, latent) without it to the mean of those with it, has bool
    (N,); of length 1: (latent,)."""
    return F.normalize(z[has].mean(dim=0) - z[~has].mean(dim=0), dim=0)


def regression(z: Tensor, has: Tensor) -> Tensor:
    """The normal of the plane that separates best, codes (N, latent), has bool (N,); of length 1.

    Least squares with a penalty of as much as the prior says: uses that codes with it differ from
    each other too, which takes more examples than a mean but then wastes fewer.
    """
    return F.normalize(separate(z, has[:, None], penalty=z.shape[1]).weights[:, 0], dim=0)


@dataclass(frozen=True, slots=True)
class Separation:
    """A plane for each of A questions, on whose far side the answer is yes."""

    weights: Tensor  # (features, A)
    offset: Tensor  # (A,)

    def __call__(self, x: Tensor) -> Tensor:
        """(N, features) -> bool (N, A)."""
        return x @ self.weights + self.offset > 0


def separate(x: Tensor, has: Tensor, penalty: float) -> Separation:
    """Ridge regression of answers, bool (N, A), on features (N, features)."""
    answers = 2 * has.to(x.dtype) - 1
    middle, usual = x.mean(dim=0), answers.mean(dim=0)
    x, answers = x - middle, answers - usual
    count, features = x.shape
    if count < features:  # the same weights, whichever system is solved; the smaller one is faster
        weights = x.T @ torch.linalg.solve(x @ x.T + penalty * torch.eye(count), answers)
    else:
        weights = torch.linalg.solve(x.T @ x + penalty * torch.eye(features), x.T @ answers)
    return Separation(weights, usual - middle @ weights)


def check(z: Tensor, has: Tensor) -> None:
    """Raises ValueError unless there are enough examples with and without it."""
    of_each = [int(has.sum()), int((~has).sum())]
    if min(of_each) < FEWEST or len(z) != len(has):
        raise ValueError(f"At least {FEWEST} examples of each are needed, not {of_each}.")


def right_when_left_out(z: Tensor, has: Tensor, find: Finder) -> int:
    """How many examples (N, latent), bool (N,) fall on the right side without their own help.

    Each in turn: the direction of all others, cut halfway between the others' means.
    """
    check(z, has)
    right = 0
    for index in range(len(z)):
        rest = torch.arange(len(z)) != index
        others, known = z[rest], has[rest]
        along = others @ (direction := find(others, known))
        middle = (along[known].mean() + along[~known].mean()) / 2
        right += bool(torch.dot(z[index], direction) > middle) == bool(has[index])
    return right


def agreement(z: Tensor, has: Tensor, find: Finder, *, splits: int = 20, seed: int = 0) -> float:
    """The cosine between the directions of two halves of the examples; mean over random splits.

    Each half has half of those with it and half of those without; one left over is in neither.
    """
    check(z, has)
    generator, cosines = stream(seed), []
    for _ in range(splits):
        halves: tuple[list[Tensor], list[Tensor]] = ([], [])
        for group in (has, ~has):
            places = group.nonzero()[:, 0]
            places = places[torch.randperm(len(places), generator=generator)]
            size = len(places) // 2
            halves[0].append(places[:size])
            halves[1].append(places[size : 2 * size])
        one, other = (find(z[half], has[half]) for half in map(torch.cat, halves))
        cosines.append(float(torch.dot(one, other)))
    return sum(cosines) / splits
