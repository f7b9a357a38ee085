"""VAE: a code for every image, and a picture for every code."""

from __future__ import annotations

from demo.activities import ModelTab
from demo.activities.tab import build_tab
from demo.latent import attributes, blur, bound, explore, paths, plane, prior

ID = "vae"
TITLE = "VAE"
TAB = ModelTab(
    ID,
    (
        "vae-mnist-2d", "vae-mnist-beta1", "vae-mnist-beta0", "vae-mnist-beta4", "vae-mnist-beta10",
        "vae-mnist", "vae-fashion", "vae-avatars",
    ),
)  # fmt: skip
ACTIVITIES = (explore, plane, paths, attributes, prior, bound, blur)

IDEA = """
<div class="gm-idea"><span>An encoder squeezes an image into a few numbers z, a decoder makes an
image of any z.</span>
<span class="gm-equation" role="math" aria-label="log p of x is at least the expectation of log p of
x given z, minus the K L divergence of q of z given x from p of z">log <i>p</i>(<i>x</i>) ≥
E<sub><i>q</i>(<i>z</i>|<i>x</i>)</sub>[log <i>p</i>(<i>x</i> | <i>z</i>)] −
KL(<i>q</i>(<i>z</i> | <i>x</i>) ‖ <i>p</i>(<i>z</i>))</span></div>
"""


def build() -> None:
    """The tab's contents."""
    build_tab(TAB, IDEA, ACTIVITIES)
