"""A race of samplers, which is fair although they share one machine.

Each has a clock that runs only while it works. The one whose clock is furthest behind goes on by a
small piece, so that all stand at the same moment of their own time, as if side by side:

    naive    ####--------####--------
    cached   ----#-#-#-#-----#-#-#-#-        # works, - waits with its clock stopped
    cached   -----#-#-#-#-----#-#-#-#
"""

from __future__ import annotations

import copy
import functools
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gm_core.autoregressive import Method, PixelConfig, PixelModel, as_labels
from gm_core.frames import finite

FORCED_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who takes part: a model and the way in which it draws."""

    name: str
    model: PixelModel
    method: Method


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a contestant stands."""

    name: str
    seconds: float  # of its own clock
    drawn: int  # values
    total: int
    passes: int  # full forward passes, counted
    multiply_adds: int  # done so far, in matrix products and convolutions
    image: Tensor  # float32 (C, H, W) in [0, 1], on the CPU; black where nothing is drawn yet
    forced_seconds: float | None  # of one teacher-forced pass; None until the race is over


@dataclass(frozen=True, slots=True)
class RaceFrame:
    """All contestants at the same moment, each by its own clock."""

    lanes: tuple[Lane, ...]

    @property
    def is_over(self) -> bool:
        return all(lane.drawn == lane.total for lane in self.lanes)


def race(contestants: Sequence[Contestant], *, seed: int, label: int | None) -> Iterator[RaceFrame]:
    """Draw one image each; yield a frame a piece of work: a row if cached, else a pixel's channel.

    The first frame is the start line. After the last piece, a frame more holds what training takes
    instead: the time of one pass over the finished image, in the precision of sampling.

    A piece ends with a record of the image, which is built on the clock: 0.2 ms of the 9 ms of a
    cached row and of the 40 ms of a full pass (28x28, one core), so that no lane gains by it.
    """
    runners = [Runner(contestant, seed, label) for contestant in contestants]
    yield RaceFrame(tuple(runner.lane() for runner in runners))
    for runner in runners:
        runner.count_arithmetic()
    while running := [runner for runner in runners if not runner.is_done]:
        min(running, key=lambda runner: runner.seconds).advance()
        yield RaceFrame(tuple(runner.lane() for runner in runners))
    for runner in runners:
        runner.time_forced_pass(label)
    yield RaceFrame(tuple(runner.lane() for runner in runners))


class Runner:
    """A contestant on its way."""

    def __init__(self, contestant: Contestant, seed: int, label: int | None) -> None:
        self.contestant = contestant
        self.config = config = contestant.model.config
        model, self.passes = counting_passes(contestant.model)
        method = contestant.method
        self.frames = model.sample(
            1, seed=seed, label=label, method=method, every=piece(config, method)
        )
        self.total = config.height * config.width * config.channels
        self.image = torch.zeros(config.channels, config.height, config.width)
        self.levels = torch.empty(0)
        self.seconds, self.drawn, self.pieces = 0.0, 0, 0
        self.arithmetic = (0, 0)
        self.forced_seconds: float | None = None

    @property
    def is_done(self) -> bool:
        return self.drawn == self.total

    def count_arithmetic(self) -> None:
        model = self.contestant.model
        self.arithmetic = multiply_adds(type(model), self.config, self.contestant.method)

    def advance(self) -> None:
        started = time.perf_counter()
        frame = next(self.frames)  # its tensors are on the CPU: whatever device worked is finished
        self.seconds += time.perf_counter() - started
        finite(frame)  # lanes hold nothing but the drawn levels
        self.image, self.levels, self.drawn = frame.images[0], frame.levels, frame.step
        self.pieces += 1

    @torch.no_grad()
    def time_forced_pass(self, label: int | None) -> None:
        model = copy.deepcopy(self.contestant.model).double()
        labels = as_labels(label, 1, self.config.classes)
        times = []
        for _ in range(FORCED_REPEATS):
            started = time.perf_counter()
            model(self.levels, labels).cpu()
            times.append(time.perf_counter() - started)
        self.forced_seconds = statistics.median(times)

    def lane(self) -> Lane:
        first, later = self.arithmetic
        return Lane(
            name=self.contestant.name,
            seconds=self.seconds,
            drawn=self.drawn,
            total=self.total,
            passes=self.passes(),
            multiply_adds=first + (self.pieces - 1) * later if self.pieces else 0,
            image=self.image,
            forced_seconds=self.forced_seconds,
        )


def piece(config: PixelConfig, method: Method) -> int:
    """How many values are drawn at a time: one, or a row where nothing is computed twice."""
    return 1 if method == "naive" else config.width * config.channels


def counting_passes(model: PixelModel) -> tuple[PixelModel, Callable[[], int]]:
    """A copy of a model, and how many full forward passes it and copies of it have run so far."""
    model = copy.deepcopy(model)
    passes = 0

    # A plain function, which copies of the model share; of a method they would copy the object.
    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    model.register_forward_hook(count)
    return model, lambda: passes


# The size of a network decides, not its weights, and counting is much slower than the work itself.
@functools.cache
def multiply_adds(kind: type[PixelModel], config: PixelConfig, method: Method) -> tuple[int, int]:
    """Multiply-adds in matrix products and convolutions, measured while an image begins to be
    drawn: for its first piece, and for every later one, which all take the same."""
    from torch.utils.flop_counter import FlopCounterMode  # loads the compiler, for a second

    with torch.random.fork_rng(devices=[]):
        model = kind(config)
    frames = model.sample(1, seed=0, method=method, every=piece(config, method))
    with FlopCounterMode(display=False) as counter:
        # A multiply-add counts as two there.
        first, both = [counter.get_total_flops() // 2 for _ in itertools.islice(frames, 2)]
    return first, both - first
