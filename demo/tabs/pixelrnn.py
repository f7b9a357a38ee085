"""PixelRNN: a memory carried from pixel to pixel."""

from __future__ import annotations

from demo.activities import ModelTab, complete, forcing, generate, race, sees, surprise
from demo.activities.tab import build_tab

ID = "pixelrnn"
TITLE = "PixelRNN"
TAB = ModelTab(ID, ("pixelrnn-diagonal-mnist", "pixelrnn-row-mnist"))
ACTIVITIES = (generate, complete, surprise, sees, race, forcing)

IDEA = """
<div class="gm-idea"><span>Every pixel is drawn given all pixels before it, which a network
remembers in its state.</span>
<span class="gm-equation" role="math" aria-label="h i is LSTM of x i and h of the pixels before; p
of x i given all before is a softmax of h i"><i>h<sub>i</sub></i> = LSTM(<i>x<sub>&lt;i</sub></i>,
<i>h</i><sub>before</sub>), <i>p</i>(<i>x<sub>i</sub></i> | <i>x</i><sub>&lt;<i>i</i></sub>) =
softmax(<i>W h<sub>i</sub></i>)</span></div>
"""


def build() -> None:
    """The tab's contents."""
    build_tab(TAB, IDEA, ACTIVITIES)
