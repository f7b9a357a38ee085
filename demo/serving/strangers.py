"""What strangers ask for that Gradio would answer in a way that this app does not want."""

from __future__ import annotations

import re

from fastapi import Request
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# Files of other servers, which Gradio would fetch for anybody, and what is in no file's name.
ELSEWHERE = re.compile(r"/proxy=|/file[=/]\s*https?:|\0", re.IGNORECASE)


class FetchesNothing:
    """Answers who asks for a file of another server instead of the app; everything else passes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ELSEWHERE.search(scope["path"]):
            refusal = PlainTextResponse("This server gives its own files only.", 403)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


def no_such_endpoint(_request: Request, _error: Exception) -> PlainTextResponse:
    """For who calls an endpoint by a name that there is not."""
    return PlainTextResponse("There is no endpoint of this name.", 404)
