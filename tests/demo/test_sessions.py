"""What is remembered of a page: its own values, little memory, and no more pages than said."""

from __future__ import annotations

import gradio as gr
import pytest
from gradio_client import Client

from demo.serving import sessions
from demo.serving.sessions import Sessions
from tests.demo.conftest import connect


def count(new: int, seen: list[int]) -> tuple[int, list[int]]:
    """How often this page has asked."""
    seen = [*seen, new]
    return len(seen), seen


@pytest.fixture(scope="module")
def demo() -> gr.Blocks:
    with gr.Blocks() as demo:
        number, seen, told = gr.Number(), gr.State([]), gr.Number()
        number.submit(count, [number, seen], [told, seen], api_name="count")
        number.input(
            lambda least: gr.Slider(minimum=least, value=least), number, gr.Slider(),
            api_name="fit",
        )  # fmt: skip
    return demo


@pytest.fixture
def few(demo: gr.Blocks, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sessions, "MOST", 2)
    demo.app.state_holder = Sessions(demo)
    return url


def ask(client: Client) -> int:
    return int(client.predict(1, api_name="/count"))


def test_each_page_has_values_of_its_own(few: str):
    first, second = connect(few), connect(few)
    assert [ask(first), ask(first), ask(second), ask(first)] == [1, 2, 1, 3]


def test_the_page_least_recently_used_is_forgotten_and_works_again(few: str, demo: gr.Blocks):
    first, second, third = connect(few), connect(few), connect(few)
    assert [ask(first), ask(second), ask(first), ask(third)] == [1, 1, 2, 1]
    assert len(demo.app.state_holder.session_data) == 2
    assert [ask(first), ask(second)] == [3, 1]


def test_a_session_holds_no_description_of_the_app(few: str, demo: gr.Blocks):
    client = connect(few)
    assert client.predict(4, api_name="/fit")["value"] == 4  # what a component became is known
    ask(client)
    [session] = demo.app.state_holder.session_data.values()
    assert session.config_values == {}
    assert list(session.state_data.values()) == [[1]]
