"""What a prediction depends on: the field, the blind spot, and what is measured over them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gm_core.autoregressive import PixelModel
from gm_core.dependency import Dependency, dependencies
from gm_core.randomness import stream
from tests.gm_core.tiny import PIXEL_FAMILIES, decided

PIXELS = [(0, 0), (0, 5), (3, 0), (5, 2), (7, 8)]
families = pytest.mark.parametrize("family", PIXEL_FAMILIES)


def images(count: int) -> Tensor:
    return torch.randint(2, (count, 1, 8, 9), generator=stream(0))


def measured(model: PixelModel, row: int, column: int, levels: Tensor | None = None) -> Dependency:
    [record] = dependencies([model], images(3) if levels is None else levels, row, column)
    return record


def deepened(family: str, **changes: Any) -> PixelModel:
    """More layers than a picture of 8 by 9 has pixels to cross."""
    layers = {"dilations": (1,) * 18} if family == "pixelcnn" else {"layers": 18}
    return decided(family, **layers, **changes)


@families
@pytest.mark.parametrize("kernel", [3, 5])
def test_what_is_not_seen_is_blind_exactly_if_no_depth_mends_it(family: str, kernel: int):
    model, deep = (make(family, first_kernel=kernel) for make in (decided, deepened))
    for row, column in PIXELS:
        record = measured(model, row, column, images(1))
        assert torch.equal(record.blind, record.before & ~deep.receptive_field(row, column))
        parts = torch.stack([record.field, record.blind, record.too_far])
        assert torch.equal(parts.sum(dim=0), record.before.long())


def test_who_is_blind_where():
    masked, gated, row, diagonal = (
        measured(decided(family), 5, 2)
        for family in ("pixelcnn-masked", "pixelcnn", "pixelrnn-row", "pixelrnn-diagonal")
    )
    wedge = [[0] * 3 + [int(column > 2 + up) for column in range(3, 9)] for up in range(5, 0, -1)]
    assert masked.blind.int().tolist() == [*wedge, *([[0] * 9] * 3)]
    assert torch.equal(row.blind, masked.blind)
    assert not gated.blind.any()
    assert not diagonal.blind.any()
    assert torch.equal(diagonal.field, diagonal.before)
    assert masked.reach == 3  # the first convolution and two more
    assert masked.too_far.any()
    assert row.reach == diagonal.reach == 5


@families
def test_the_strength_is_the_mean_gradient_and_zero_outside_the_field(family: str):
    model = decided(family)
    record = measured(model, 5, 4)
    each = torch.stack([model.dependency(image[None], 5, 4)[0] for image in images(3)])
    torch.testing.assert_close(record.strength, each.mean(dim=0))
    assert (record.strength[record.field] > 0).any()
    assert not record.leaks.any()
    assert record.strength.dtype == torch.float32


def test_a_gradient_outside_the_field_is_told():
    record = measured(decided("pixelrnn-row"), 5, 4)
    strength = record.strength.clone()
    strength[6, 1] = 1e-30
    leaks = replace(record, strength=strength).leaks
    assert leaks.nonzero().tolist() == [[6, 1]]


def test_how_far_back_a_share_of_the_strength_goes():
    strength = torch.zeros(8, 9)
    strength[5, 0], strength[4, 3], strength[2, 1] = 5.0, 3.0, 2.0
    nothing = torch.zeros(8, 9, dtype=torch.bool)
    field = nothing.clone()
    field[2:5] = True
    record = Dependency(5, 4, strength, nothing, field, nothing)
    assert [record.rows_of(share) for share in (0.4, 0.5, 0.51, 0.8, 0.9, 1)] == [0, 0, 1, 1, 3, 3]
    assert record.reach == 3


@families
def test_the_first_pixel_depends_on_nothing(family: str):
    record = measured(decided(family), 0, 0)
    for array in (record.strength, record.before, record.field, record.blind, record.too_far):
        assert not array.any()
    assert record.reach == record.rows_of(0.9) == 0


def test_a_record_a_model_as_they_come():
    asked = []

    def models():
        for family in ("pixelcnn", "pixelrnn-row"):
            asked.append(family)
            yield decided(family)

    records = dependencies(models(), images(1), 5, 4)
    first = next(records)
    assert asked == ["pixelcnn"]
    second = next(records)
    assert (first.row, first.column) == (second.row, second.column) == (5, 4)
    assert not torch.equal(first.field, second.field)
    assert list(records) == []


@pytest.mark.parametrize(("row", "column"), [(-1, 0), (0, -1), (8, 0), (0, 9)])
def test_a_pixel_that_does_not_exist_is_refused(row: int, column: int):
    with pytest.raises(ValueError, match="no pixel"):
        measured(decided("pixelcnn"), row, column)
