"""What every page that opens asks for, made once: the page itself, its scripts and style sheets.

Gradio writes the page of 5 MB anew for each visitor (0.13 s of processor time) and sends it as it
is. Two hundred students who open it at once would wait half a minute, and everybody else with them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict

import brotli
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES = ("/", "/config", "/gradio_api/info", "/theme.css")
FOLDERS = ("/assets/", "/static/")
MOST_BYTES = 48_000_000
QUALITY = 5  # of brotli; more costs seconds and saves little, for most of it are pictures
# What an answer may depend on: a proxy says by these how the page is reached.
SAYS_WHERE = ("host", "x-forwarded-host", "x-forwarded-proto")


class FrontPage:
    """Middleware that keeps the answers that are the same for everybody, compressed."""

    def __init__(self, app: ASGIApp, most_bytes: int = MOST_BYTES) -> None:
        self.app = app
        self.most_bytes = most_bytes
        self.kept: OrderedDict[tuple[str, ...], Response] = OrderedDict()
        self.making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_the_same_for_all(scope):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        compressed = "br" in headers.get("accept-encoding", "")
        where = (headers.get(name, "") for name in SAYS_WHERE)
        key = (scope["path"], str(compressed), *where)
        if scope["method"] == "HEAD" and scope["path"] == "/" and key not in self.kept:
            # Gradio asks so whether it can be reached, as it starts, and gives up after 3 seconds:
            # on a busy machine the page is not made by then.
            there = Response(media_type="text/html")
            del there.headers["content-length"]
            await there(scope, receive, send)
            return
        if key not in self.kept:
            async with self.making:  # one after the other: who comes second finds it made
                if key not in self.kept:
                    answer = await make(self.app, scope, receive, compressed=compressed)
                    if answer.status_code != 200:
                        await answer(scope, receive, send)
                        return
                    self.keep(key, answer)
        self.kept.move_to_end(key)
        answer = self.kept[key]
        if headers.get("if-none-match") == answer.headers["etag"]:
            answer = Response(status_code=304, headers={"etag": answer.headers["etag"]})
        await answer(scope, receive, send)

    def keep(self, key: tuple[str, ...], answer: Response) -> None:
        """Keep an answer, and let the oldest go where there is no room."""
        self.kept[key] = answer
        while sum(len(each.body) for each in self.kept.values()) > self.most_bytes:
            self.kept.popitem(last=False)


def is_the_same_for_all(scope: Scope) -> bool:
    """Whether everybody gets the same answer. What follows "?" in the page's address is read by
    the browser alone, but for two words of Gradio's."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    path, query = scope["path"], scope["query_string"]
    if path == "/":
        return not any(word in query for word in (b"deep_link", b"page", b"__"))
    return not query and (path in PAGES or path.startswith(FOLDERS))


async def make(app: ASGIApp, scope: Scope, receive: Receive, *, compressed: bool) -> Response:
    """The app's answer to a GET, with a name for its content."""
    start: Message = {}
    parts: list[bytes] = []

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))

    await app({**scope, "method": "GET", "headers": asked(scope)}, receive, collect)
    body = b"".join(parts)
    headers = dict(Headers(raw=start["headers"]).items())
    kind = headers.get("content-type", "")
    if compressed and kind.startswith(("text/", "application/")):
        body = await asyncio.to_thread(brotli.compress, body, quality=QUALITY)
        headers["content-encoding"] = "br"
    headers |= {
        "content-length": str(len(body)),
        "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        "vary": "Accept-Encoding",
    }
    return Response(body, start["status"], headers)


def asked(scope: Scope) -> list[tuple[bytes, bytes]]:
    """A request's headers without those that ask for a part, or for nothing if it is known."""
    conditional = (b"if-none-match", b"if-modified-since", b"range", b"accept-encoding")
    return [(name, value) for name, value in scope["headers"] if name not in conditional]
