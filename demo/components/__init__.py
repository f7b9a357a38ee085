"""Small gr.HTML components, each a function beside its .html, .css and .js.

Functions and not subclasses: Gradio makes a component anew for every update, from the arguments of
its own constructor, and writes a stub file into the source tree for every subclass.
"""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def source(name: str) -> str:
    """A file of this folder."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
