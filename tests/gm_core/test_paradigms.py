"""The reader of canvases: its targets, its peaks, its words."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gm_core import canvas, paradigms
from gm_core.canvas import Canvases
from gm_core.paradigms import CLASSES, STRIDE, Maps, centres, find, heat_targets
from tests.gm_core.test_canvas import drawn
from tests.gm_core.tiny import tiny

SURE = 12.0  # a logit


def perfect(canvases: Canvases) -> Maps:
    """What a network would say that knows the truth."""
    count, side = len(canvases.images), canvas.SIZE // STRIDE
    cells, rest, sizes = centres(canvases.boxes)
    turn = torch.deg2rad(canvases.angles)
    values = torch.cat([rest, sizes, torch.stack([turn.sin(), turn.cos()], -1)], -1)
    maps = torch.ones(count, 6, side, side)
    for index, slot in (canvases.classes >= 0).nonzero().tolist():
        column, row = cells[index, slot]
        maps[index, :, row, column] = values[index, slot]
    offset, size, angle = maps.split(2, 1)
    mask = SURE * F.one_hot(canvases.masks, CLASSES + 1).permute(0, 3, 1, 2).float()
    heat = heat_targets(canvases).logit(eps=1e-5)
    return Maps(heat, offset, size, angle, mask, torch.zeros(count, 1, 1))


def test_there_is_one_peak_a_digit_at_its_boxs_middle():
    made = drawn()
    heat = heat_targets(made)
    assert (heat == 1).sum() == (made.classes >= 0).sum()
    for index, slot in (made.classes >= 0).nonzero().tolist():
        x, y = (made.boxes[index, slot, :2] + made.boxes[index, slot, 2:]) / 2
        peak = heat[index, made.classes[index, slot], int(y / STRIDE), int(x / STRIDE)]
        assert peak == 1
    assert 0 <= heat.min() <= heat.max() <= 1


def test_what_perfect_maps_say_is_the_truth():
    made = drawn()
    for index, found in enumerate(find(perfect(made))):
        there = made.classes[index] >= 0
        truth = sorted(
            zip(
                made.classes[index][there].tolist(),
                made.boxes[index][there].tolist(),
                made.angles[index][there].tolist(),
                strict=True,
            )
        )
        told = sorted((one.label, list(one.box), one.angle) for one in found)
        assert [each[0] for each in told] == [each[0] for each in truth]
        for one, true in zip(told, truth, strict=True):
            assert one[1] == pytest.approx(true[1], abs=0.01)
            assert one[2] == pytest.approx(true[2], abs=0.01)
        assert all(sum(one.probabilities) == pytest.approx(1) for one in found)


def test_nothing_is_found_where_nothing_is_hot():
    maps = perfect(drawn(2))
    cold = Maps(maps.heat - 2 * SURE, maps.offset, maps.size, maps.angle, maps.mask, maps.memory)
    assert find(cold) == [(), ()]


def test_every_caption_has_its_tokens():
    for caption in drawn().captions:
        assert paradigms.sentence(paradigms.tokens(caption)) == caption
    assert paradigms.sentence([1, 5, 0, 7, 7]) == "a 3"
    with pytest.raises(ValueError, match="not in"):
        paradigms.tokens("a 3 beside a 7")


def logits(model: paradigms.Paradigms, words: Tensor) -> Tensor:
    memory = torch.randn(1, 64, model.config.words, generator=torch.Generator().manual_seed(0))
    return model.captioner(words, memory)[0]


def test_a_word_depends_on_those_before_alone():
    model = tiny("paradigms")
    words = torch.tensor([[0, 1, 5, 12, 13, 1]])
    other = words.clone()
    other[0, 3] = 14
    before, after = logits(model, words), logits(model, other)
    torch.testing.assert_close(before[:3], after[:3])
    assert (before[3:] - after[3:]).abs().amax(1).min() > 1e-4


def test_a_reading_has_all_five_answers():
    model, made = tiny("paradigms"), drawn(3)
    readings = model.read(made.images)
    assert len(readings) == 3
    for reading in readings:
        assert reading.mask.shape == (canvas.SIZE, canvas.SIZE)
        assert set(reading.mask.unique().tolist()) <= set(range(CLASSES + 1))
        assert set(reading.caption.split()) <= set(paradigms.WORDS)
    again = [model.read(image[None])[0] for image in made.images]
    assert [one.caption for one in again] == [one.caption for one in readings]
