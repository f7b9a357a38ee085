"""What a student does with a model that has a latent code; the VAE tab is made of these.

An activity is a module with a TITLE and a function `build(tab)`, as those of demo/activities. Here
are the test images that they share, as VAEs see them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from demo.activities import dataset_of
from demo.activities.complete import MOST_EXAMPLES, Examples
from gm_core import checkpoints, data
from gm_core.data import Images
from gm_core.randomness import stream

DRAWING = "your drawing"


@functools.cache
def test_images(dataset: str, *, binary: bool) -> Images:
    """The shipped test images; binary: black and white, by the first frozen draw."""
    sample = data.load(dataset, "sample")
    if not binary:
        return sample
    return Images((255 * data.binarise(sample.images, stream(0))).byte(), sample.labels)


def sees_binary(model: str) -> bool:
    """Whether a VAE is of black and white pictures."""
    return checkpoints.describe(model).config["likelihood"] == "bernoulli"


def examples(models: Sequence[str]) -> Examples:
    """The first test images of every class, of all data sets that these VAEs are of."""
    of_dataset = {dataset_of(name): sees_binary(name) for name in models}
    pixels, names, datasets = [], [], []
    for dataset, binary in of_dataset.items():
        test, classes = test_images(dataset, binary=binary), data.DATASETS[dataset].class_names
        of_class = [(test.labels == label).nonzero()[:, 0] for label in range(len(classes))]
        each = MOST_EXAMPLES // len(of_dataset) // len(classes)
        chosen = [int(found[turn]) for turn in range(each) for found in of_class]
        pixels.append(test.images[chosen, 0].numpy())
        called = [classes[int(test.labels[at])] for at in chosen]
        names += [f"a {name}" if dataset == "mnist" else name for name in called]
        datasets += [dataset] * len(chosen)
    return Examples(np.concatenate(pixels), tuple(names), tuple(datasets))


def name_picture(pixels: NDArray[np.uint8], shelf: Examples) -> str:
    """What lies on the pad, in words."""
    index = shelf.find(pixels)
    return DRAWING if index is None else f"test image: {shelf.names[index]}"
