"""How many replicas a class needs, from seconds measured here: `python -m demo.serving.capacity`.

Requests come at random and are served first come, first served, by replicas that work on one each:
the queue M/M/c, in which a request waits with the probability that Erlang's formula C gives.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch

from demo import engine
from gm_core import gan_lab

CLASSES = (200, 10_000)  # students
TIMES = 3  # that a request is measured, after a first time that loads its model


def replicas_needed(students: int, *, requests_a_minute: float, seconds: float, p95: float) -> int:
    """The fewest replicas with which 95 % of the requests are answered within `p95` seconds.

    requests_a_minute: of each student. seconds: that a replica works on a request, so that what
    is left of `p95` may be waited. Raises ValueError if nothing is left.
    """
    if seconds >= p95:
        raise ValueError(f"{seconds:.3g} s of work can't be done within {p95:.3g} s.")
    arrivals = students * requests_a_minute / 60  # a second
    load = arrivals * seconds  # replicas that are busy on average
    blocked = 1.0  # Erlang's formula B: that all replicas are busy, if nobody waited
    for replicas in count(1):
        blocked = load * blocked / (replicas + load * blocked)
        if replicas <= load:
            continue
        waits = replicas * blocked / (replicas - load * (1 - blocked))  # formula C
        late = waits * math.exp(-(replicas / seconds - arrivals) * (p95 - seconds))
        if late <= 0.05:
            return replicas
    raise AssertionError  # count does not end


@dataclass(frozen=True, slots=True)
class Typical:
    """What students ask of a group."""

    what: str
    call: str
    arguments: Callable[[], dict[str, Any]]
    requests_a_minute: float  # of a student who works on it
    p95: float  # seconds


def typical() -> tuple[Typical, ...]:
    return (
        Typical(
            "16 digits (sampling)",
            "sample",
            lambda: {
                "model": "pixelcnn-mnist", "count": 16, "seed": 0, "label": None,
                "temperature": 1.0, "every": 28,
            },
            requests_a_minute=1,
            p95=15,
        ),
        Typical(
            "an edit of 20 steps (editing)",
            "edit",
            lambda: {
                "model": "instruct-pix2pix-mini", "image": torch.zeros(3, 64, 64).tolist(),
                "instruction": "give her sunglasses", "steps": 20, "guidance_scale": 3.0,
                "image_guidance_scale": 1.5, "seed": 0, "every": 2,
            },
            requests_a_minute=1,
            p95=15,
        ),
        Typical(
            "200 rounds of the GAN laboratory (live)",
            "train_gan",
            lambda: {
                "state": gan_lab.begin(0), "data": gan_lab.eight_gaussians(),
                "settings": gan_lab.BALANCED, "rounds": 200, "every": 25,
            },
            requests_a_minute=1,
            p95=15,
        ),
    )  # fmt: skip


def measure(asked: Typical) -> float:
    """Median seconds that a request keeps one core busy, its model loaded."""
    took = []
    for _ in range(1 + TIMES):
        began = time.process_time()  # in which nobody else's work counts
        for _record in engine.stream(asked.call, **asked.arguments()):
            pass
        took.append(time.process_time() - began)
    return statistics.median(took[1:])


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    heads = [f"replicas for {students:,}" for students in CLASSES]
    print("| each student asks for | a minute | seconds of work | p95 |", " | ".join(heads), "|")
    print("|---" * (4 + len(CLASSES)) + "|")
    for asked in typical():
        seconds = measure(asked)
        needed = [
            replicas_needed(
                students,
                requests_a_minute=asked.requests_a_minute,
                seconds=seconds,
                p95=asked.p95,
            )
            for students in CLASSES
        ]
        cells = (asked.what, asked.requests_a_minute, f"{seconds:.2f}", f"{asked.p95} s", *needed)
        print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
