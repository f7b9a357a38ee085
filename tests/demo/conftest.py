"""An app that a module's fixture `demo` builds, served, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest
from gradio_client import Client


def connect(url: str) -> Client:
    """To an app on this machine: without certificates, which are read anew at every request."""
    return Client(url, verbose=False, ssl_verify=False)


@pytest.fixture(scope="module")
def url(demo: gr.Blocks) -> Iterator[str]:
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    return connect(url)
