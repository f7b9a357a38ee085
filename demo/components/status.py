"""A status line, read out by screen readers as it changes."""

from __future__ import annotations

from typing import Any, TypeGuard

import gradio as gr

TEMPLATE = '<p class="gm-status" role="status"></p>'


def status(value: str, *, elem_id: str) -> gr.HTML:
    """Plain text. The line itself stays in the page, or its changes would not be noticed."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template=TEMPLATE,
        js_on_load=(
            'const line = element.querySelector("p");'
            "const show = () => { line.textContent = props.value; };"
            'watch("value", show);'
            "show();"
        ),
        apply_default_css=False,
    )


def is_status(component: Any) -> TypeGuard[gr.HTML]:
    """Whether a component is such a line."""
    return isinstance(component, gr.HTML) and component.html_template == TEMPLATE
