"""A status line whose place is kept, so that nothing moves when it says more."""

from __future__ import annotations

import gradio as gr

LINE = 1.4  # em


def note(value: str, *, lines: int, elem_id: str) -> gr.HTML:
    """Plain text of up to so many lines, read out by screen readers as it changes."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template='<p role="status"></p>',
        css_template=(
            "p { margin: -6px 0; font-size: .92rem; color: var(--body-text-color); "
            f"line-height: {LINE}; min-height: {lines * LINE:g}em; "
            "font-variant-numeric: tabular-nums; }"
        ),
        js_on_load=(
            'const line = element.querySelector("p");'
            "const show = () => { line.textContent = props.value; };"
            'watch("value", show);'
            "show();"
        ),
        apply_default_css=False,
        padding=False,
    )
