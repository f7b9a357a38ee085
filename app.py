"""Open the demo: `python app.py [--host HOST] [--port PORT] [--share]`."""

from __future__ import annotations

import argparse
import os

# Gradio reads these as it is imported: say nothing to anybody, fetch nothing from anywhere.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr

from demo.theme import CSS, theme
from demo.ui import build_demo


def launch(*, host: str, port: int | None, share: bool, block: bool) -> tuple[gr.Blocks, str]:
    """Open the demo; returns it with its local address, at the end if it is to `block`."""
    demo = build_demo()
    _, url, _ = demo.launch(
        server_name=host,
        server_port=port,
        share=share,
        prevent_thread_lock=not block,
        theme=theme(),
        css=CSS,
        footer_links=["api"],
        run_history=False,
    )
    return demo, url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    # A Space sets the variable; a person uses the flag.
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, help="default: the first free one from 7860 on")
    parser.add_argument("--share", action="store_true", help="a public link through Gradio")
    arguments = parser.parse_args()
    launch(host=arguments.host, port=arguments.port, share=arguments.share, block=True)


if __name__ == "__main__":
    main()
