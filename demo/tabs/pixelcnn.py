"""PixelCNN: convolutions with a mask, and everything that can be asked of them."""

from __future__ import annotations

from demo.activities import ModelTab, complete, generate, masks, race, sees, surprise
from demo.activities.tab import build_tab

ID = "pixelcnn"
TITLE = "PixelCNN"
TAB = ModelTab(
    ID, ("pixelcnn-mnist", "pixelcnn-masked-mnist", "pixelcnn-fashion", "pixelcnn-pixelart")
)
ACTIVITIES = (generate, complete, surprise, sees, race, masks)

IDEA = """
<div class="gm-idea"><span>Every pixel is drawn given all pixels before it, by convolutions whose
mask hides the rest.</span>
<span class="gm-equation" role="math" aria-label="p of x is the product over i of p of x i given x 1
to x i minus 1"><i>p</i>(<i>x</i>) = ∏<sub><i>i</i></sub> <i>p</i>(<i>x<sub>i</sub></i> |
<i>x</i><sub>1</sub>, …, <i>x</i><sub><i>i</i>−1</sub>)</span></div>
"""


def build() -> None:
    """The tab's contents."""
    build_tab(TAB, IDEA, ACTIVITIES)
