"""How edits are measured, on pictures where the answer is plain."""

from __future__ import annotations

import math

import pytest
import torch

from gm_core.edit_success import success, unseen_wording
from gm_core.instructions import is_held_out
from gm_core.scenes import EDITS

BEFORE = torch.zeros(3, 8, 8, dtype=torch.uint8)
AFTER = BEFORE.clone()
AFTER[:, :, :2] = 200


@pytest.mark.parametrize(
    ("share", "carried_out", "strict"),
    [(0.0, False, False), (0.45, False, False), (0.6, True, False), (0.7, True, True)],
)
def test_success_is_nearness_to_the_truth(share: float, carried_out: bool, strict: bool):
    result = torch.lerp(BEFORE / 255, AFTER / 255, share)
    found = success(result, BEFORE, AFTER)
    assert math.isclose(found.remaining, 1 - share, abs_tol=1e-6)
    assert math.isclose(found.distance, share, abs_tol=1e-6)
    assert found.is_carried_out is carried_out
    assert found.is_strict is strict
    assert found.outside is not None
    assert found.outside > 90


def test_strict_means_that_little_remains():
    result = AFTER / 255
    result[:, :4, :2] = BEFORE[:, :4, :2] / 255  # half of it is not done
    found = success(result, BEFORE, AFTER)
    assert math.isclose(found.remaining, 0.5, abs_tol=1e-6)
    assert not found.is_strict


def test_what_is_spoilt_outside_counts_there_alone():
    result = AFTER / 255
    result[:, :, 2:] += 0.1
    found = success(result, BEFORE, AFTER)
    assert found.remaining == 0
    assert found.outside == pytest.approx(20, abs=1e-3)


def test_where_all_changes_nothing_is_outside():
    assert success(torch.ones(3, 8, 8), BEFORE, BEFORE + 255).outside is None


def test_a_pair_without_a_change_is_refused():
    with pytest.raises(ValueError, match="nothing to carry out"):
        success(BEFORE / 255, BEFORE, BEFORE)


def test_unseen_wordings_are_held_out():
    assert all(is_held_out(unseen_wording([EDITS["beard"]], f"{i}")) for i in range(20))
