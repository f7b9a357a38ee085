"""The whole app as a stranger meets it: served, and with secrets in the server's environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

CASES = 200
SECRETS = {
    name: f"secret-of-{name.lower().replace('_', '-')}"
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "DATABASE_URL", "GM_CANARY")
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=int, default=CASES, help="cases for every public endpoint")


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """Where handlers are called from tests, which wait for them."""
    with start_blocking_portal() as portal:
        yield portal


@dataclass(frozen=True, slots=True)
class App:
    demo: gr.Blocks
    url: str


@pytest.fixture(scope="session")
def app() -> Iterator[App]:
    """The app with all its tabs, as `python app.py` opens it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, secret in SECRETS.items():
            patch.setenv(name, secret)
        from app import launch  # only those who test import all of it

        demo, url = launch(host="127.0.0.1", port=None, share=False, block=False)
        yield App(demo, url)
        demo.close()
