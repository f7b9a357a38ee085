"""What `gm_core` yields, shown by Gradio.

As Gradio defines its 80 components, it parses their modules and renders an interface file (.pyi)
of each for editors, to see whether the one that lies there is current. That takes half of its
import, so it is imported here, before anything else of the demo, without.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _without_interfaces() -> Iterator[None]:
    """Gradio leaves the interface alone of a class that has no source file."""
    getfile = inspect.getfile

    def of_others(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("not asked for")
        return getfile(thing)

    inspect.getfile = of_others
    try:
        yield
    finally:
        inspect.getfile = getfile


with _without_interfaces():
    import gradio as gradio
