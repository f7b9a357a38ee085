"""Held-out figures of what is read from a canvas."""

from __future__ import annotations

import torch
from torch import Tensor

from gm_core import canvas
from gm_core.canvas import Canvases
from gm_core.data import Images
from gm_core.metrics import Figure
from gm_core.paradigms import CLASSES, Found, Paradigms, Reading
from gm_core.randomness import stream

OVERLAP = 0.5  # of two boxes that count as one: intersection over union
BATCH = 100


def compose(test: Images) -> Canvases:
    """The canvases that figures are of: each digit on one of them at most, the same each time."""
    generator = stream(0)
    order = torch.randperm(len(test), generator=generator)
    return canvas.compose(test.images[order], test.labels[order], generator)


def read(model: Paradigms, canvases: Canvases) -> list[Reading]:
    """What a model reads from canvases."""
    return [one for part in canvases.images.split(BATCH) for one in model.read(part)]


def overlaps(found: tuple[Found, ...], boxes: Tensor) -> Tensor:
    """Intersection over union of what was found and of true boxes (N, 4): (found, N).

    As torchvision's `box_iou`, whose import alone would hold up the first page for two seconds.
    """
    own = torch.tensor([one.box for one in found]).view(-1, 1, 4)
    first, last = (
        torch.maximum(own[..., :2], boxes[:, :2]),
        torch.minimum(own[..., 2:], boxes[:, 2:]),
    )
    shared = (last - first).clamp(min=0).prod(-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(-1) for each in (own, boxes)]
    return shared / (areas[0] + areas[1] - shared)


def nearest(found: tuple[Found, ...], boxes: Tensor) -> list[Found | None]:
    """For each true box (N, 4) what was found there, if anything was."""
    if not found:
        return [None] * len(boxes)
    best, which = overlaps(found, boxes).max(0)
    return [
        found[index] if share >= OVERLAP else None
        for share, index in zip(best.tolist(), which.tolist(), strict=True)
    ]


def average_precision(readings: list[Reading], canvases: Canvases, label: int) -> float:
    """The area under precision against recall of one class's boxes (Everingham et al. 2010)."""
    from sklearn.metrics import average_precision_score

    hits: list[bool] = []
    scores: list[float] = []
    total = 0
    for reading, kinds, boxes in zip(readings, canvases.classes, canvases.boxes, strict=True):
        free = boxes[kinds == label]  # not yet found
        total += len(free)
        for one in reading.found:  # surest first
            if one.label != label:
                continue
            shares = overlaps((one,), free)[0]
            hits.append(len(free) > 0 and bool(shares.max() >= OVERLAP))
            scores.append(one.score)
            if hits[-1]:
                free = free[torch.arange(len(free)) != shares.argmax()]
    if not any(hits):
        return 0.0
    # Of what was reported; what was missed lowers the recall that is reached.
    return float(average_precision_score(hits, scores)) * sum(hits) / total


def mean_iou(readings: list[Reading], canvases: Canvases) -> float:
    """Intersection over union of the pixels of each class, mean of ten classes and background."""
    told = torch.stack([reading.mask for reading in readings])
    pairs = (canvases.masks * (CLASSES + 1) + told).flatten()
    table = torch.bincount(pairs, minlength=(CLASSES + 1) ** 2).view(CLASSES + 1, -1).double()
    both = table.diag()
    return float((both / (table.sum(0) + table.sum(1) - both)).mean())


def measure(model: Paradigms, test: Images) -> list[Figure]:
    """The held-out figures of all five supervised tasks."""
    canvases = compose(test)
    readings = read(model, canvases)
    there = canvases.classes >= 0
    found = [
        one
        for reading, boxes, here in zip(readings, canvases.boxes, there, strict=True)
        for one in nearest(reading.found, boxes[here])
    ]
    truth = zip(canvases.classes[there].tolist(), canvases.angles[there].tolist(), strict=True)
    right, errors = [], []
    for one, (label, angle) in zip(found, truth, strict=True):
        right.append(one is not None and one.label == label)
        if one is not None:
            errors.append(abs(one.angle - angle))
    precisions = [average_precision(readings, canvases, label) for label in range(CLASSES)]
    captions = [
        reading.caption == caption
        for reading, caption in zip(readings, canvases.captions, strict=True)
    ]

    def share(values: list[bool]) -> float:
        return 100 * sum(values) / len(values)

    split = f"test, {len(readings):,} canvases of {len(right):,} digits"
    return [
        Figure("classification accuracy", share(right), "%",
               f"of all digits; one that is not found (IoU {OVERLAP:g}) is wrong", split),
        Figure("angle error", sum(errors) / max(len(errors), 1), "degrees",
               f"mean absolute; of the digits that are found; drawn from ±{canvas.STEEPEST:.0f}",
               split),
        Figure("mAP@0.5", sum(precisions) / CLASSES, "", "area under precision and recall",
               split),
        Figure("mIoU", mean_iou(readings, canvases), "", "10 classes and background; all pixels",
               split),
        Figure("captions word for word", share(captions), "%", "likeliest word each time", split),
    ]  # fmt: skip
