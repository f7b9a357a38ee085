"""Figures of what is read from canvases: perfect, and wrong in known ways."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gm_core import data, readings
from gm_core.canvas import Canvases
from gm_core.paradigms import CLASSES, Found, Reading
from gm_core.readings import average_precision, mean_iou, nearest, overlaps
from tests.gm_core.test_canvas import drawn
from tests.gm_core.tiny import tiny


def truth(canvases: Canvases) -> list[Reading]:
    """Readings without a mistake."""
    return [
        Reading(
            tuple(
                Found(kind, (), (box[0], box[1], box[2], box[3]), angle, 0.9)
                for kind, box, angle in zip(
                    canvases.classes[index].tolist(),
                    canvases.boxes[index].tolist(),
                    canvases.angles[index].tolist(),
                    strict=True,
                )
                if kind >= 0
            ),
            canvases.masks[index],
            canvases.captions[index],
        )
        for index in range(len(canvases.images))
    ]


def test_what_is_read_without_a_mistake_is_perfect():
    made = drawn()
    told = truth(made)
    assert mean_iou(told, made) == 1
    assert [average_precision(told, made, label) for label in range(CLASSES)] == [1.0] * CLASSES
    for reading, boxes, kinds in zip(told, made.boxes, made.classes, strict=True):
        assert nearest(reading.found, boxes[kinds >= 0]) == list(reading.found)


def test_average_precision_falls_with_what_is_missed_and_what_is_wrong():
    made = drawn(60)
    label = int(made.classes[0, 0])
    total = int((made.classes == label).sum())
    told = truth(made)
    without = [replace(told[0], found=()), *told[1:]]
    own = int((made.classes[0] == label).sum())
    assert average_precision(without, made, label) == pytest.approx((total - own) / total)
    # Surer than all that is true, and nowhere near it.
    false = Found(label, (), (0.0, 0.0, 1.0, 1.0), 0.0, 0.99)
    added = [replace(told[0], found=(false, *told[0].found)), *told[1:]]
    assert average_precision(added, made, label) == pytest.approx(total / (total + 1))
    twice = [replace(one, found=one.found + one.found) for one in told]
    assert average_precision(twice, made, label) < 1, "a second box for one digit is false"
    nothing = [replace(one, found=()) for one in told]
    assert average_precision(nothing, made, label) == 0


def test_a_mask_of_background_alone():
    made = drawn()
    blank = [replace(one, mask=torch.full_like(one.mask, CLASSES)) for one in truth(made)]
    share = (made.masks == CLASSES).double().mean()
    assert mean_iou(blank, made) == pytest.approx(float(share) / (CLASSES + 1))


def test_a_box_beside_its_digit_is_none():
    found = Found(3, (), (0.0, 0.0, 10.0, 10.0), 0.0, 0.9)
    boxes = torch.tensor([[0.0, 0.0, 10.0, 12.0], [20.0, 20.0, 30.0, 30.0]])
    assert nearest((found,), boxes) == [found, None]
    assert nearest((), boxes) == [None, None]


def test_overlaps_are_those_of_torchvision():
    from torchvision.ops import box_iou

    made = drawn()
    boxes = made.boxes[made.classes >= 0]
    own = (boxes + torch.rand(boxes.shape, generator=torch.Generator().manual_seed(0)) * 8)[:9]
    found = tuple(Found(0, (), (x0, y0, x1, y1), 0.0, 1.0) for x0, y0, x1, y1 in own.tolist())
    torch.testing.assert_close(overlaps(found, boxes), box_iou(own, boxes))
    assert overlaps((), boxes).shape == (0, len(boxes))


def test_all_figures_of_a_tiny_reader():
    test = data.load("mnist", "sample")[:60]
    figures = readings.measure(tiny("paradigms"), test)
    assert [figure.name for figure in figures] == [
        "classification accuracy", "angle error", "mAP@0.5", "mIoU", "captions word for word"
    ]  # fmt: skip
    assert "20 canvases" in figures[0].split
    assert all(0 <= figure.value <= 100 for figure in figures)
    again = readings.measure(tiny("paradigms"), test)
    assert figures == again, "the same canvases each time"
