"""The benchmark measures what it says, and notices images that differ."""

from __future__ import annotations

import pytest

from gm_core.benchmark import measure, table
from gm_core.pixelcnn import PixelCNN
from tests.gm_core.tiny import CONFIGS, decided


@pytest.mark.parametrize("full", [True, False])
def test_both_ways_of_measuring_find_the_same_images(full: bool):
    timing = measure("tiny", decided("pixelcnn"), 2, repeats=2, passes=2, full=full)
    assert timing.same
    assert timing.pixels == 72
    assert timing.ratio == timing.naive_seconds / timing.cached_seconds
    assert min(timing.naive_seconds, timing.cached_seconds, timing.naive_float32_seconds) > 0
    *_, row = table([timing]).splitlines()
    assert row.startswith("| tiny | 2 |")
    assert "| yes |" in row


@pytest.mark.parametrize("full", [True, False])
def test_images_that_differ_are_noticed(full: bool):
    class Wrong(PixelCNN):
        """Its full pass disagrees with its weights."""

        def forward(self, levels, label=None):
            return -super().forward(levels, label)

    wrong = Wrong(CONFIGS["pixelcnn"])
    wrong.load_state_dict(decided("pixelcnn").state_dict())
    timing = measure("wrong", wrong, 2, repeats=1, passes=1, full=full)
    assert not timing.same
    assert "| NO |" in table([timing])
