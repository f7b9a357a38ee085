"""Uploads that there is room for: of any other nothing is kept, and whoever sent it is told.

All temporary files together stay under a cap: once it is reached, those that nobody has touched
for a while go first.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from fastapi import Request
from fastapi.responses import PlainTextResponse
from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gm_core.files import FULL, free_bytes

NO_ROOM = (
    "The server has no room for this file at the moment: send a smaller one, or try again later."
)
MOST_BYTES = 200_000_000  # of temporary files
IN_USE = 600.0  # seconds since a file was written, in which it stays


def room(folder: Path) -> int:
    """How many bytes there are for a new file; old ones are removed if the cap asks for it."""
    files = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # somebody else's, gone by now
            if path.is_file():
                files.append((path.stat().st_mtime, path.stat().st_size, path))
    left = MOST_BYTES - sum(size for _, size, _ in files)
    for written, size, path in sorted(files):
        if left > 0 or time.time() - written < IN_USE:
            break
        path.unlink(missing_ok=True)
        left += size
    return min(left, free_bytes(folder))


class RoomForUploads:
    """Answers an upload that does not fit instead of the app; everything else passes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith("/upload"):
            await self.app(scope, receive, send)
            return
        refusal = PlainTextResponse(NO_ROOM, 507)  # Insufficient Storage
        length = int(Headers(scope=scope).get("content-length", 0))
        if length > room(Path(get_upload_folder())):
            async for _ in Request(scope, receive).stream():
                pass  # a browser listens only when it has sent everything
            await refusal(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except OSError as error:  # several at once, or one whose length nobody knew
            if error.errno not in FULL:
                raise
            await refusal(scope, receive, send)
