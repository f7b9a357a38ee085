"""The running app, once for all tests that need one."""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two test processes share two cores

import pytest

from app import launch


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of the app, as `python app.py` opens it."""
    demo, url = launch(host="127.0.0.1", port=None, share=False, block=False)
    yield url
    demo.close()
