"""Open the demo: `python app.py [--host HOST] [--port PORT] [--share]`."""

from __future__ import annotations

import argparse
import os

# Gradio reads these as it is imported: say nothing to anybody, fetch nothing from anywhere.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from demo.theme import CSS, theme  # noqa: E402
from demo.ui import build_demo  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    # A Space sets these variables; a person uses the flags.
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, help="default: the first free one from 7860 on")
    parser.add_argument("--share", action="store_true", help="a public link through Gradio")
    arguments = parser.parse_args()
    build_demo().launch(
        server_name=arguments.host,
        server_port=arguments.port,
        share=arguments.share,
        theme=theme(),
        css=CSS,
        footer_links=[],
        run_history=False,
    )


if __name__ == "__main__":
    main()
