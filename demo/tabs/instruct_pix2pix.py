"""InstructPix2Pix: a picture and a sentence in, the edited picture out."""

from __future__ import annotations

from demo.activities import ModelTab
from demo.activities.tab import build_tab
from demo.editor import chain, edit, guidance

ID = "instruct_pix2pix"
TITLE = "InstructPix2Pix"
TAB = ModelTab(ID, ("instruct-pix2pix-mini",))
ACTIVITIES = (edit, guidance, chain)

IDEA = """
<div class="gm-idea"><span>A diffusion model is asked three times a step: knowing nothing, the
picture, and the instruction too. Two guidances stretch the steps:</span>
<span class="gm-equation" role="math" aria-label="e tilde is e knowing nothing, plus s I times e
knowing the picture minus e knowing nothing, plus s T times e knowing both minus e knowing the
picture"><i>ẽ</i> = <i>e</i>(∅, ∅) + <i>s</i><sub>I</sub> (<i>e</i>(<i>c</i><sub>I</sub>, ∅) −
<i>e</i>(∅, ∅)) + <i>s</i><sub>T</sub> (<i>e</i>(<i>c</i><sub>I</sub>, <i>c</i><sub>T</sub>) −
<i>e</i>(<i>c</i><sub>I</sub>, ∅))</span></div>
"""


def build() -> None:
    """The tab's contents."""
    build_tab(TAB, IDEA, ACTIVITIES)
