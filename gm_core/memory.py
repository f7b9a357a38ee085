"""What happens when memory runs out: what was worked on is given back, and one sentence is said.

An error holds on to the frames it went through, and so to their tensors, for as long as anybody
holds on to it; where memory is short, that keeps the next request from working as well.
"""

from __future__ import annotations

import errno
import gc
import re
import traceback
from collections.abc import Iterator
from typing import TypeVar

import torch

T = TypeVar("T")


class OutOfMemory(RuntimeError):
    """Memory ran out, whoever's; what was worked on is given back already."""

    def __init__(self) -> None:
        super().__init__(
            "There is not enough memory for this at the moment: ask for less, or try again soon."
        )

    def __reduce__(self) -> tuple[type[OutOfMemory], tuple[()]]:
        return OutOfMemory, ()


def spared(records: Iterator[T]) -> Iterator[T]:
    """The same records. Where memory runs out, raises OutOfMemory, which holds no tensors."""
    try:
        yield from records
        return
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_shortage(error):
            raise
        give_back(error)
    raise OutOfMemory  # out here, where it doesn't hold on to the error


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def is_shortage(error: BaseException) -> bool:
    """Whether memory ran out, of whichever kind."""
    for link in chain(error):
        if isinstance(link, (torch.OutOfMemoryError, MemoryError)):
            return True
        if isinstance(link, OSError) and link.errno == errno.ENOMEM:
            return True
        if isinstance(link, RuntimeError) and re.search(
            "not enough memory|out of memory|can't allocate memory|ALLOC_FAILED", str(link)
        ):
            return True
    return False


def give_back(shortage: BaseException | None = None) -> None:
    """Return free memory to the device, and first what an error has interrupted."""
    for link in chain(shortage):
        traceback.clear_frames(link.__traceback__)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
