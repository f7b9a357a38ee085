"""What one student does is seen by no other, and what the server keeps secret by nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from fastapi.routing import APIRoute
from gradio.block_function import BlockFunction
from gradio.components import State

from tests.hostile import endpoints
from tests.hostile.conftest import SECRETS, App
from tests.hostile.endpoints import Answer, Caller, first_values

MARK = 3_141_592_653  # a seed that nobody else has
WORDS = "gm-canary: give her sunglasses"
# What a student does whose session is to remember it, and what makes it shorter, by its place.
DONE: dict[str, dict[int, Any]] = {
    "pixelrnn_sample": {2: 1}, "pixelcnn_sample": {2: 1}, "pixelcnn_complete": {3: 1},
    "pixelcnn_transform": {}, "vae_bound": {2: 500}, "gan_invert": {3: 1, 4: 50},
    "instruct_pix2pix_edit": {6: 2}, "instruct_pix2pix_chain": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def pair(app: App, portal: BlockingPortal) -> tuple[Caller, Caller]:
    """Two students' sessions."""
    return Caller(app.demo, portal, "a-student"), Caller(app.demo, portal, "another-student")


def stateful(app: App) -> list[BlockFunction]:
    """The handlers that keep or show something of a session."""
    return [
        fn
        for fn in app.demo.fns.values()
        if fn.fn and any(isinstance(each, State) for each in (*fn.inputs, *fn.outputs))
    ]


def marked(fn: BlockFunction) -> list[Any]:
    """What a student sends who can be told from all others."""
    values = list(first_values(fn))
    for at, each in enumerate(fn.inputs):
        if getattr(each, "label", None) == "Seed":
            values[at] = MARK
        if getattr(each, "label", None) == "Instruction":
            values[at] = WORDS
    for at, value in DONE[str(fn.api_name)].items():
        values[at] = value
    return values


def is_marked(text: str) -> bool:
    return str(MARK) in text or "gm-canary" in text


def test_no_handler_tells_what_another_student_did(app: App, pair: tuple[Caller, Caller]):
    one, other = pair
    for fn in stateful(app):
        if fn.api_name in DONE:
            outcome = one.call(fn, marked(fn), to_the_end=True)
            assert isinstance(outcome, Answer), (fn.api_name, outcome)
    mine = repr(one.session.state_data)
    assert mine.count(str(MARK)) >= 4
    assert "gm-canary" in mine
    assert not is_marked(repr(other.session.state_data))
    for fn in stateful(app):
        outcome = other.call(fn, first_values(fn), endpoints.EVENT)
        assert not is_marked(repr(outcome)), fn.name
    assert not is_marked(repr(other.session.state_data))


GUESSES = ("", "0", "1", "null", "undefined", "*", "%", "a-studen", "A-STUDENT", "a-student ",
           "a-student\0", "../a-student", "state", "{}", "another", "x" * 10_000)  # fmt: skip


def test_whoever_guesses_a_session_finds_an_empty_one(app: App, pair: tuple[Caller, Caller]):
    """Over the network: the file of what was last made is another's, or nobody's."""
    one, _ = pair
    by_name = {fn.api_name: fn for fn in app.demo.fns.values()}
    sample, export = by_name["pixelcnn_sample"], by_name["pixelcnn_export"]
    one.call(sample, marked(sample), to_the_end=True)
    with httpx.Client(base_url=app.url, timeout=60) as client:

        def saved(session: str) -> str:
            body = {"data": ["json", None], "fn_index": export._id, "session_hash": session}
            joined = client.post("gradio_api/queue/join", json=body)
            if not session:
                assert joined.status_code == 400
                return joined.text
            assert joined.status_code == 200
            told = ""
            with client.stream(
                "GET", "gradio_api/queue/data", params={"session_hash": session}
            ) as s:
                for line in s.iter_lines():
                    told += line
                    if '"process_completed"' in line:
                        return told
            return told

        assert is_marked(saved("a-student"))  # so it would show
        for guess in GUESSES:
            assert not is_marked(saved(guess)), guess
            answer = client.get("gradio_api/deep_link", params={"session_hash": guess})
            assert not is_marked(answer.text)
        for address in ("?deep_link=a-student", "config?deep_link=a-student", "monitoring/summary"):
            assert not is_marked(client.get(address).text)


def addresses(app: App) -> Iterator[str]:
    """All that can be got, and some that can't."""
    for route in app.demo.app.routes:
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            path = route.path
            for name in route.param_convertors:
                path = path.replace(f"{{{name}}}", "x").replace(f"{{{name}:path}}", "x")
            yield path
    for name in (
        "info",
        "openapi.json",
        "app_id",
        "startup-events",
        "queue/status",
        "user",
        "token",
    ):
        yield f"/gradio_api/{name}"
    for name in (
        "login_check",
        "runs",
        "vibe-code",
        "file=/proc/self/environ",
        "stream/x/1/1/p.m3u8",
    ):
        yield f"/gradio_api/{name}"
    yield from ("/no/such/page", "/?__theme=<b>", "/docs", "/redoc", "/config?deep_link=x")


def test_secrets_in_the_environment_show_nowhere(app: App):
    tried = 0
    with httpx.Client(base_url=app.url, timeout=60) as client:
        for address in addresses(app):
            answer = client.get(address, headers={"Accept": "*/*"})
            shown = answer.text + json.dumps(dict(answer.headers))
            assert not [name for name, secret in SECRETS.items() if secret in shown], address
            tried += 1
        for body in ("{}", '{"data": ["${HF_TOKEN}"]}', "[", '{"fn_index": "$HF_TOKEN"}'):
            for address in (
                "gradio_api/queue/join",
                "gradio_api/run/x",
                "gradio_api/component_server",
            ):
                answer = client.post(address, content=body)
                assert not [name for name, secret in SECRETS.items() if secret in answer.text]
    assert tried > 25
