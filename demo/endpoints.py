"""The endpoints that README.md lists: `python -m demo.endpoints` writes its table anew."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from gm_core.files import write_bytes

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- endpoints -->", "<!-- end of endpoints -->"
LONGEST_LIST = 4  # choices that are spelt out
WORDS = {  # for Python's types
    "float": "number",
    "str": "text",
    "bool": "true or false",
    "list[int]": "numbers",
    "list[float]": "numbers",
    "list[str]": "texts",
    "dict(str, Any)": "JSON",
    "str | float | bool | list | dict": "JSON",
    "None | str": "text or nothing",
}


def named(demo: gr.Blocks) -> dict[str, dict[str, Any]]:
    """What Gradio says of each public endpoint, by its name."""
    described: Any = demo.get_api_info()
    return described["named_endpoints"]


def kind(parameter: dict[str, Any], takes: Block) -> str:
    """What a parameter may be: choices, a range, or a type."""
    accepted = parameter["type"]
    choices = accepted.get("enum") or accepted.get("items", {}).get("enum")
    if choices is not None:
        shown = [f'"{choice}"' for choice in choices[:LONGEST_LIST]]
        return ", ".join(shown) + (", ..." if len(choices) > LONGEST_LIST else "")
    if isinstance(takes, gr.Slider):
        return f"{takes.minimum:g} to {takes.maximum:g}"
    if isinstance(takes, gr.HTML):
        return "JSON, as the page has it"
    return WORDS[parameter["python_type"]["type"]]


def rows(demo: gr.Blocks) -> Iterator[str]:
    """A line of the table for each endpoint."""
    listeners = {fn.api_name: fn for fn in demo.fns.values()}
    for name, endpoint in named(demo).items():
        takes = [each for each in listeners[name[1:]].inputs if not isinstance(each, gr.State)]
        inputs = "; ".join(
            f"{parameter['parameter_name']} ({kind(parameter, block)})"
            for parameter, block in zip(endpoint["parameters"], takes, strict=True)
        )
        yield f"| `{name}` | {cell(inputs)} | {cell(endpoint['description'])} |"


def cell(text: str) -> str:
    """A text in a Markdown table."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|")


def table(demo: gr.Blocks) -> str:
    """What stands between the two marks of the README."""
    lines = ["| endpoint | inputs | what it does |", "|---|---|---|", *rows(demo)]
    return "\n".join([BEGIN, *lines, END])


def main() -> None:
    from demo.ui import build_demo

    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    write_bytes(README, f"{before}{table(build_demo())}{after}".encode())


if __name__ == "__main__":
    main()
