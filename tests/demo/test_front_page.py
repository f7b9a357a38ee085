"""The page and its scripts: made once, sent compressed, the same as without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import httpx
import pytest
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.serving.front_page import FrontPage

made: list[str] = []


class Noted:
    """Notes which pages are made behind the middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            made.append(scope["path"])
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with gr.Blocks(title="A page") as demo:
        gr.HTML("word " * 2000)
    _, url, _ = demo.launch(
        prevent_thread_lock=True,
        quiet=True,
        app_kwargs={"middleware": [Middleware(FrontPage), Middleware(Noted)]},
    )
    yield url
    demo.close()


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    made.clear()
    with httpx.Client(base_url=url, headers={"accept-encoding": "br"}) as http:
        yield http


def script(http: httpx.Client) -> str:
    """The address of one of the page's scripts."""
    _, _, rest = http.get("/").text.partition('src="./assets/')
    return "/assets/" + rest.partition('"')[0]


def test_what_is_asked_for_often_is_made_once(http: httpx.Client):
    for path in ("/", "/config", script(http)):
        http.get(path)
        made.clear()
        first, second = http.get(path), http.get(path, params={"tab": "x"} if path == "/" else None)
        assert first.status_code == second.status_code == 200
        assert first.text == second.text
        assert made == []


def test_it_is_compressed_for_whoever_can_read_it(http: httpx.Client):
    for path in ("/", "/config", script(http)):
        short, plain = http.get(path), http.get(path, headers={"accept-encoding": "identity"})
        assert short.headers["content-encoding"] == "br"
        assert "content-encoding" not in plain.headers
        assert short.text == plain.text
        assert int(short.headers["content-length"]) < int(plain.headers["content-length"])


def test_who_has_it_already_is_told_so(http: httpx.Client):
    known = http.get("/").headers["etag"]
    again = http.get("/", headers={"if-none-match": known})
    assert (again.status_code, again.content) == (304, b"")
    assert http.get("/", headers={"if-none-match": '"another"'}).status_code == 200


def test_each_address_of_the_app_has_a_page_of_its_own(http: httpx.Client):
    there = {"x-forwarded-host": "a.example", "x-forwarded-proto": "https"}
    assert "https://a.example" in http.get("/", headers=there).text
    assert "https://a.example" not in http.get("/").text


def test_whether_it_is_there_is_answered_before_it_is_made(http: httpx.Client):
    there = {"x-forwarded-host": "b.example"}
    answer = http.head("/", headers=there)
    assert (answer.status_code, made) == (200, [])
    assert "content-length" not in answer.headers
    made_of = http.get("/", headers=there)
    length = http.head("/", headers=there).headers["content-length"]
    assert length == made_of.headers["content-length"]
    assert http.head("/assets/none.js").status_code == 404


def test_what_fails_is_not_kept(http: httpx.Client):
    for _ in range(2):
        made.clear()
        assert http.get("/assets/none.js").status_code == 404
        assert made == ["/assets/none.js"]


def test_the_rest_is_left_alone(http: httpx.Client):
    made.clear()
    assert http.get("/gradio_api/startup-events").status_code == 200
    assert http.post("/gradio_api/queue/join", json={}).status_code >= 400
    assert made == ["/gradio_api/startup-events", "/gradio_api/queue/join"]


def test_many_addresses_do_not_fill_the_memory():
    """There is room for two pages of 10,000 bytes."""

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        made.append(scope["path"])
        await Response(bytes(10_000), media_type="image/png")(scope, receive, send)

    made.clear()
    front = FrontPage(page, most_bytes=25_000)

    async def visit() -> list[int]:
        transport = httpx.ASGITransport(front)
        counts = []
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
            for number in (0, 1, 0, 2, 0, 1):  # the third one drives out the oldest, which is 1
                await http.get("/", headers={"x-forwarded-host": f"{number}.example"})
                counts.append(len(made))
        return counts

    with ThreadPoolExecutor(1) as thread:  # in this one a browser's loop may run
        assert thread.submit(lambda: asyncio.run(visit())).result() == [1, 2, 2, 3, 3, 4]
    assert len(front.kept) == 2
