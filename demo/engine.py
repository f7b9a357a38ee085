"""Where work runs.

Handlers reach everything that takes time through `stream(call, **arguments)`, which yields the
records of a named generator of gm_core. Arguments are plain and models are named, not passed, so
that the same call can run in another process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Literal

import gm_core
from gm_core.frames import Frame


def cores() -> int:
    """Processor cores that this process may use, which in a container are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


Group = Literal["sampling"]

# How many requests of a group run at once. Sampling is bound by the processor: one a core.
LIMITS: dict[Group, int] = {"sampling": cores()}


def sample(
    model: str,
    *,
    count: int,
    seed: int,
    label: int | None,
    temperature: float,
    every: int | None,
) -> Iterator[Frame]:
    """Frames of `gm_core.load(model).sample(...)`."""
    yield from gm_core.load(model).sample(
        count, seed=seed, label=label, temperature=temperature, every=every
    )


CALLS: dict[str, Callable[..., Iterator[Any]]] = {"sample": sample}


def stream(call: str, **arguments: Any) -> Iterator[Any]:
    """The records of a named call, as they come. Closing the iterator ends the work."""
    yield from CALLS[call](**arguments)


def event(group: Group) -> dict[str, Any]:
    """What an event listener needs to run within a group's limit."""
    return {"concurrency_id": group, "concurrency_limit": LIMITS[group]}
