"""Where work runs.

Handlers reach everything that takes time through `stream(call, **arguments)`, which yields the
records of a named generator of gm_core. Arguments are plain and models are named, not passed, so
that the same call can run in another process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch

import gm_core
from gm_core.frames import Frame

Group = Literal["sampling"]

# How many requests of a group run at once. Two samplers of one image each took longer side by side
# than one after the other, because they wait for Python's lock; of eight or more, a fifth less.
LIMITS: dict[Group, int] = {"sampling": 1}
# The server runs the steps of a generator in ever other threads, and each would start a pool of its
# own: 16 images took nearly twice as long with two threads as with one.
TORCH_THREADS = 1


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
    torch.set_num_threads(TORCH_THREADS)
    yield from CALLS[call](**arguments)


def event(group: Group) -> dict[str, Any]:
    """What an event listener needs to run within a group's limit."""
    return {"concurrency_id": group, "concurrency_limit": LIMITS[group]}
