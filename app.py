"""Open the demo: `python app.py`; `python app.py --help` says how else."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

# Gradio reads these as it is imported: say nothing to anybody, fetch nothing from anywhere.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Its statistics of who used what: for every request it would go through all that it remembers.
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**12))

try:
    tempfile.gettempdir()  # which Gradio also asks for as it is imported
except FileNotFoundError:
    sys.exit(
        "There is no room for temporary files: make room on the disk, or name a folder on another "
        "one with TMPDIR."
    )

from gradio.route_utils import FnIndexInferError
from starlette.middleware import Middleware

from demo import openings, tools
from demo.serving import replicas, workers, zero_gpu
from demo.serving.front_page import FrontPage
from demo.serving.sessions import Sessions
from demo.serving.strangers import FetchesNothing, no_such_endpoint
from demo.serving.uploads import RoomForUploads
from demo.serving.warm_up import warm_up
from demo.theme import CSS, theme
from demo.ui import build_demo

if TYPE_CHECKING:
    import gradio as gr


# Seconds that a thread keeps Python's lock from one that waits for it. With 200 students the
# server's thread waits again and again for several that work: 1.3 s at worst, and 0.7 s like this.
TURN = 0.001


def launch(
    *, host: str, port: int | None, share: bool, block: bool, mcp: bool = False
) -> tuple[gr.Blocks, str]:
    """Open the demo; returns it with its local address, at the end if it is to `block`."""
    zero_gpu.use()
    with openings.beforehand():
        demo = build_demo()
    with tools.launching():
        _, url, _ = demo.launch(
            server_name=host,
            server_port=port,
            share=share,
            prevent_thread_lock=True,
            theme=theme(),
            css=CSS,
            footer_links=["api"],
            run_history=False,
            mcp_server=mcp,
            app_kwargs={
                "middleware": [
                    Middleware(FetchesNothing),
                    Middleware(FrontPage),
                    Middleware(RoomForUploads),
                ],
                "exception_handlers": {FnIndexInferError: no_such_endpoint},
            },
        )
    demo.app.state_holder = Sessions(demo)
    if mcp:
        tools.keep_to_them(demo)
    if block:
        warm_up(url)
        demo.block_thread()
    return demo, url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    # A Space sets the variable; a person uses the flag.
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, help="default: the first free one from 7860 on")
    parser.add_argument("--share", action="store_true", help="a public link through Gradio")
    parser.add_argument("--mcp", action="store_true", help="tools for language models, too")
    parser.add_argument(
        "--engine", choices=("process", "ray"), default="process",
        help="where the work is done: in this process, or on Ray Serve replicas",
    )  # fmt: skip
    parser.add_argument("--replicas", type=Path, help="how many of them: a TOML file")
    parser.add_argument(
        "--workers", type=int, default=workers.by_default(),
        help="processes of this machine that may sample beside the app (default: %(default)s here)",
    )  # fmt: skip
    arguments = parser.parse_args()
    if arguments.mcp and not tools.are_possible():
        parser.error(tools.MISSING)
    sys.setswitchinterval(TURN)
    with ExitStack() as stack:
        if arguments.engine == "ray":
            if not replicas.are_possible():
                parser.error(replicas.MISSING)
            table = replicas.DEFAULT
            if arguments.replicas:
                try:
                    table = replicas.read_table(arguments.replicas)
                except replicas.BadTable as error:
                    parser.error(str(error))
            stack.enter_context(replicas.serving(table))
            # Ray would abort; the cluster is to be taken down in order.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        elif arguments.workers > 0:
            stack.enter_context(workers.working(arguments.workers))
        launch(
            host=arguments.host,
            port=arguments.port,
            share=arguments.share,
            block=True,
            mcp=arguments.mcp,
        )


if __name__ == "__main__":
    main()
