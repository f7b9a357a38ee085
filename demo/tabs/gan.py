"""GAN: a generator and a discriminator that learn from each other."""

from __future__ import annotations

from demo.activities import ModelTab
from demo.activities.tab import build_tab
from demo.gan import (
    collapse,
    critic,
    directions,
    duel,
    generate,
    invert,
    laboratory,
    training,
    walk,
)

ID = "gan"
TITLE = "GAN"
TAB = ModelTab(ID, ("gan-mnist", "gan-fashion", "gan-avatars", "gan-mnist-collapsed"))
ACTIVITIES = (
    generate, training, collapse, walk, directions, critic, duel, invert, laboratory,
)  # fmt: skip

IDEA = """
<div class="gm-idea"><span>A generator G turns random numbers z into pictures; a discriminator D
compares them with real ones. Each learns from the other's successes.</span>
<span class="gm-equation" role="math" aria-label="D makes the softplus of D of G of z minus D of x
small, G makes the softplus of D of x minus D of G of z small">min<sub><i>D</i></sub> E
softplus(<i>D</i>(<i>G</i>(<i>z</i>)) − <i>D</i>(<i>x</i>)),  min<sub><i>G</i></sub> E
softplus(<i>D</i>(<i>x</i>) − <i>D</i>(<i>G</i>(<i>z</i>)))</span></div>
"""


def build() -> None:
    """The tab's contents."""
    build_tab(TAB, IDEA, ACTIVITIES)
