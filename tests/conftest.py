"""The running app, once for all tests that need one."""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # as the app has it
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two test processes share two cores
# A range of ports a process: apps that follow one another then have the same address, so that a
# browser need not fetch what it has, and no process takes a port that another one has just found.
os.environ["GRADIO_SERVER_PORT"] = f"{79 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])}00"

import pytest


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address of the app, as `python app.py` opens it."""
    from app import launch  # only those who test import all of it, not who hands out the tests

    demo, url = launch(host="127.0.0.1", port=None, share=False, block=False)
    yield url
    demo.close()
