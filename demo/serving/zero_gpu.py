"""On a Space with ZeroGPU: an edit runs on a GPU that is lent for it, everything else on the CPU.

There CUDA exists in functions that `spaces.GPU` decorates, which run in processes of their own,
forked when they are called; elsewhere PyTorch only seems to have it.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib.util import find_spec
from typing import Any

from gradio.utils import is_zero_gpu_space

from demo import engine
from gm_core import hub

SECONDS = 20  # that an edit of the miniature asks for
FULL_SIZE_SECONDS = (60, 1)  # the full-size model's: to be loaded, and of a step


def seconds(arguments: dict[str, Any]) -> int:
    """For how long an edit asks for a GPU."""
    if arguments["model"] != hub.FULL_SIZE.repo:
        return SECONDS
    to_load, a_step = FULL_SIZE_SECONDS
    return to_load + a_step * arguments["steps"]


def use() -> None:
    """Send edits to the GPU, where the package `spaces` is there. It does nothing elsewhere, and
    its decorator does nothing on a Space that has a GPU of its own, or none."""
    if find_spec("spaces") is None:
        return
    import spaces  # pyright: ignore[reportMissingImports]

    is_lent = is_zero_gpu_space()
    if is_lent:
        os.environ["GM_DEVICE"] = "cpu"

    @spaces.GPU(duration=seconds)
    def edit(arguments: dict[str, Any]) -> Generator[Any]:
        """The frames of an edit."""
        if is_lent:
            os.environ["GM_DEVICE"] = "cuda"  # of this process, which is the edit's own
        yield from engine.in_process("edit", "editing", arguments)

    def route(call: str, group: engine.Group, arguments: dict[str, Any]) -> Generator[Any]:
        yield from edit(arguments) if call == "edit" else others(call, group, arguments)

    others = engine.use(route)
