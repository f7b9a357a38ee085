"""Small gr.HTML components, each a function beside its .html, .css and .js.

Functions and not subclasses: Gradio makes a component anew for every update, from the arguments of
its own constructor, and writes a .pyi file into the source tree for every subclass.
"""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

_serials = itertools.count(1)


@functools.cache
def source(name: str) -> str:
    """A file of this folder."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def serial() -> int:
    """A new number. The browser is told of a value only if it differs from the one before, so a
    value that must arrive although it is the same carries one of these."""
    return next(_serials)
