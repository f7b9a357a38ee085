"""The look: one theme and one style sheet, light and dark, with nothing fetched from anywhere.

The same colours mean the same things everywhere (Okabe and Ito's palette, safe for colour-blind
eyes): real is blue, generated orange, chosen by the student green, unknown grey.
"""

from __future__ import annotations

from gradio import themes

SYSTEM_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
SYSTEM_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

BLUE = themes.Color(
    name="real",
    c50="#eef6fb", c100="#d6eaf6", c200="#aed5ec", c300="#7dbbe0", c400="#4a9dd0", c500="#0072b2",
    c600="#00659e", c700="#005485", c800="#00446b", c900="#003350", c950="#002238",
)  # fmt: skip

CSS = """
:root {
  --gm-real: #0072b2; --gm-generated: #e69f00; --gm-student: #009e73; --gm-unknown: #9a9a9a;
}
/* Classes: Okabe and Ito's eight (their black is white on a dark page), and two, those of 7 and 9,
   that stay apart from them for all kinds of colour vision. Neighbours in number differ most. */
:root, .dark {
  --gm-class-0: var(--body-text-color); --gm-class-1: #0072b2; --gm-class-2: #009e73;
  --gm-class-3: #d55e00; --gm-class-4: #e69f00; --gm-class-5: #56b4e9; --gm-class-6: #cc79a7;
  --gm-class-7: #aaccaa; --gm-class-8: #f0e442; --gm-class-9: #882255;
}
.dark { --gm-real: #56b4e9; --gm-unknown: #6f6f6f; --color-accent: #56b4e9; }
.gradio-container { width: 100%; max-width: 1400px !important; margin: 0 auto; }
.gradio-container .prose p, .gradio-container .prose li { max-width: 78ch; }
.gm-top {
  flex-wrap: nowrap !important; align-items: baseline !important; gap: 0 1.2rem !important;
}
.gm-top > * { min-width: 0 !important; overflow: visible !important; }
.gm-top > :first-child { flex: 1 1 0 !important; }
.gm-top > :last-child { flex: 0 0 auto !important; width: auto; }
.gm-idea {
  font-size: 1.1rem; line-height: 1.5;
  display: flex; flex-wrap: wrap; gap: .2rem 2rem; align-items: baseline;
}
.gm-equation { font-family: "STIX Two Math", "Cambria Math", Georgia, serif; font-size: 1.2rem; }
.gradio-container :is(p, div).gm-question {
  margin: 0; max-width: 105ch; font-size: 1rem; line-height: 1.5;
}
.gm-quiet { color: var(--body-text-color-subdued); font-size: .92rem; }
.gm-status { min-height: 3.2em; margin: 0; font-variant-numeric: tabular-nums; }
.gm-table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.gm-table, .gm-table thead, .gm-table tbody, .gm-table tr { border: 0 !important; }
.gm-table th, .gm-table td {
  text-align: left; padding: .45rem .9rem .45rem 0; vertical-align: top;
  border: 0 !important; border-bottom: 1px solid var(--border-color-primary) !important;
}
.gm-scroll { overflow-x: auto; }
/* Whoever comes by keyboard sees where: Gradio hides it on its own buttons, tabs and sliders. */
.gradio-container :is(button, summary, select, textarea, input) {
  &:focus-visible { outline: 2px solid var(--body-text-color) !important; outline-offset: 2px; }
}
.gradio-container .tab-container button:focus-visible { outline-offset: -3px; }
/* Rules for a width stand within a rule: Gradio moves those outside out of its frame's reach.
   On a phone the margins of wide pages take too much, and a thumb is wider than an arrow. */
.gradio-container {
  @media (max-width: 460px) {
    & > .main { padding: 10px 12px; }
    .tab-wrapper { margin-bottom: 0; }
    .gm-idea { font-size: 1rem; }
    .gm-equation { font-size: 1.05rem; }
  }
  @media (pointer: coarse), (max-width: 460px) {
    .tab-container.wrap button { height: 40px; padding: 0 10px; }
    button.sm { min-height: 40px; }
  }
}
/* For the last row: all of it larger, and nothing in pale grey. A list of choices is laid over the
   page at a place in true pixels: it is not zoomed, its letters are. */
html.beamer {
  --gm-beamer: 1;
  @media (min-width: 761px) { --gm-beamer: 1.2; }
  @media (min-width: 1600px) { --gm-beamer: 1.4; }
}
html.beamer .gradio-container {
  zoom: var(--gm-beamer);
  --body-text-color-subdued: var(--body-text-color);
  --block-info-text-color: var(--body-text-color);
  --block-title-text-color: var(--body-text-color);
  .tab-wrapper { margin-bottom: 0; }
  .options { zoom: calc(1 / var(--gm-beamer)); }
  .options li { font-size: calc(var(--gm-beamer) * 1rem); }
}
"""


def theme() -> themes.Base:
    """The theme, with the fonts that the reader's own system has."""
    return themes.Base(
        primary_hue=BLUE,
        secondary_hue=BLUE,
        neutral_hue=themes.colors.stone,
        font=SYSTEM_FONT,
        font_mono=SYSTEM_MONO,
        radius_size=themes.sizes.radius_md,
        spacing_size=themes.sizes.spacing_md,
    ).set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        button_primary_background_fill="*primary_500",
        button_primary_background_fill_hover="*primary_600",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_600",
    )
