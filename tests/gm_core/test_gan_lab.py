"""The laboratory: its games, its state, and that its presets show what they are named for."""

from __future__ import annotations

import math
import multiprocessing
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from gm_core import gan_lab
from gm_core.gan_lab import (
    BALANCED,
    D_TOO_STRONG,
    MODE_COLLAPSE,
    Distribution,
    LabRecord,
    LabSettings,
    LabState,
)

EIGHT, RING, LINE = gan_lab.eight_gaussians(), gan_lab.ring(), gan_lab.line()


def play(state: LabState, data: Distribution, settings: LabSettings, rounds: int) -> LabRecord:
    *_, record = gan_lab.train(state, data, settings, rounds=rounds)
    return record


def tensors(record: LabRecord | LabState) -> list[Tensor]:
    values = [getattr(record, field.name) for field in fields(record)]
    return [value for value in values if isinstance(value, Tensor)]


def same(one: LabState, other: LabState) -> bool:
    counts = (one.generator_steps, one.discriminator_steps)
    return counts == (other.generator_steps, other.discriminator_steps) and all(
        torch.equal(*pair) for pair in zip(tensors(one), tensors(other), strict=True)
    )


# --- data ----------------------------------------------------------------------------------------


def test_the_distributions_are_what_they_are_called():
    random = torch.Generator().manual_seed(0)
    heaps = EIGHT.sample(4000, random)
    distance, nearest = torch.cdist(heaps, EIGHT.anchors).min(dim=1)
    assert torch.bincount(nearest, minlength=8).min() > 400
    assert float(distance.square().mean()) == pytest.approx(2 * EIGHT.spread**2, rel=0.1)
    assert EIGHT.part_count == 8
    radius = RING.sample(4000, random).norm(dim=1)
    assert float(radius.mean()) == pytest.approx(2, abs=0.02)
    assert float(radius.std()) == pytest.approx(RING.spread, rel=0.1)
    x, y = LINE.sample(4000, random).T
    assert torch.corrcoef(torch.stack([x, y]))[0, 1] > 0.95
    for data in (EIGHT, RING, LINE):
        assert data.anchors.abs().max() + 3 * data.spread < gan_lab.REACH


def test_a_drawing_is_resampled_by_length():
    short, long = [(0.0, 0.0), (0.5, 0.0)], [(-2.0, -1.0), *[(-2.0, -0.9)] * 2, (-2.0, 0.5)]
    data = gan_lab.drawn([short, long])
    on_short = data.anchors[:, 1] == 0
    assert on_short.sum() == len(data.anchors) / 4
    assert (data.anchors[~on_short, 0] == -2).all()
    steps = data.anchors[~on_short, 1].diff()
    assert torch.allclose(steps, torch.full_like(steps, 2 / len(data.anchors)), atol=1e-5)
    assert data.part_count == gan_lab.CURVE_PARTS


def test_dots_are_a_drawing():
    data = gan_lab.drawn([[(1.0, 1.0)], [], [(-1.0, 0.5)]])
    assert {tuple(point) for point in data.anchors.tolist()} == {(1.0, 1.0), (-1.0, 0.5)}
    assert ((data.anchors[:, 0] == 1).sum()) == len(data.anchors) / 2


@pytest.mark.parametrize(
    ("strokes", "words"),
    [
        ([], "Nothing is drawn"), ([[], []], "Nothing is drawn"), ([[(math.nan, 0.0)]], "lie from"),
        ([[(0.0, 0.0), (3.1, 0.0)]], "lie from"), ([[(math.inf, 0.0)]], "lie from"),
    ],
)  # fmt: skip
def test_what_is_no_drawing_is_refused(strokes: list, words: str):
    with pytest.raises(ValueError, match=words):
        gan_lab.drawn(strokes)


# --- networks and games --------------------------------------------------------------------------


def test_the_slope_is_that_of_the_score():
    weights = gan_lab.begin(3).discriminator.requires_grad_()
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(1)).requires_grad_()
    scores, slope = gan_lab.score_and_slope(weights, points)
    assert torch.allclose(scores, gan_lab.score(weights, points), atol=1e-5)
    (wanted,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    assert torch.allclose(slope, wanted, atol=1e-5)
    # And so is what the penalty teaches.
    (taught,) = torch.autograd.grad(slope.square().sum(), weights, retain_graph=True)
    (wanted,) = torch.autograd.grad(wanted.square().sum(), weights)
    assert torch.allclose(taught, wanted, rtol=1e-3, atol=1e-5)
    assert taught.abs().max() > 0


def test_only_the_saturating_game_leaves_a_losing_generator_without_a_slope():
    real = torch.full((4,), 20.0)
    slopes = {}
    for loss in gan_lab.LOSSES:
        generated = torch.full((4,), -20.0, requires_grad=True)
        value = gan_lab.generator_loss(loss, real, generated)
        (slope,) = torch.autograd.grad(value, generated)
        slopes[loss] = -4 * float(slope[0])
    assert slopes["relativistic"] == pytest.approx(1)
    assert slopes["non-saturating"] == pytest.approx(1)
    assert 0 < slopes["saturating"] < 1e-8


@pytest.mark.parametrize("loss", gan_lab.LOSSES)
def test_a_step_moves_its_own_player_only_and_lowers_its_loss(loss: gan_lab.Loss):
    settings = replace(BALANCED, loss=loss, d_rate=1e-3, g_rate=1e-3, gamma=0.0)
    state = play(gan_lab.begin(0), EIGHT, settings, 3).state
    [by_d] = gan_lab.train(state, EIGHT, settings, rounds=1, only="discriminator")
    assert torch.equal(by_d.state.generator, state.generator)
    assert not torch.equal(by_d.state.discriminator, state.discriminator)
    assert (by_d.g_loss, by_d.state.generator_steps) == (None, state.generator_steps)
    [by_g] = gan_lab.train(state, EIGHT, settings, rounds=1, only="generator")
    assert torch.equal(by_g.state.discriminator, state.discriminator)
    assert not torch.equal(by_g.state.generator, state.generator)
    assert (by_g.d_loss, by_g.state.discriminator_steps) == (None, state.discriminator_steps)
    for record in (by_d, by_g):  # asked again about the same batch
        redone = replace(
            record.state,
            generator_steps=state.generator_steps,
            discriminator_steps=state.discriminator_steps,
        )
        if record is by_d:
            assert record.d_loss
            assert gan_lab.discriminator_step(redone, EIGHT, settings)[1] < record.d_loss
        else:
            assert record.g_loss
            assert gan_lab.generator_step(redone, EIGHT, settings)[1] < record.g_loss


def test_points_follow_their_arrows():
    state = play(gan_lab.begin(0), EIGHT, BALANCED, 10).state
    before = gan_lab.observe(state, EIGHT, "relativistic")
    gentle = replace(BALANCED, g_rate=1e-4)
    [after] = gan_lab.train(state, EIGHT, gentle, rounds=1, only="generator")
    moves = after.generated - before.generated
    assert float((moves * before.arrows).sum(dim=1).mean()) > 0


# --- training ------------------------------------------------------------------------------------


def carried(record: LabRecord) -> LabRecord:
    """A record as it comes out at the other end of a queue between processes."""
    queue: multiprocessing.Queue[LabRecord] = multiprocessing.Queue()
    queue.put(record)
    return queue.get(timeout=60)


def test_turns_do_not_change_what_is_learned():
    start = gan_lab.begin(5)
    at_once = play(start, RING, BALANCED, 5)
    first = play(start, RING, BALANCED, 2)
    second = play(carried(first).state, RING, BALANCED, 3)
    assert same(at_once.state, second.state)
    assert torch.equal(at_once.generated, second.generated)
    assert same(start, gan_lab.begin(5))  # nothing of it was changed on the way
    assert not same(at_once.state, play(gan_lab.begin(6), RING, BALANCED, 5).state)


def test_records_come_as_often_as_asked():
    settings = replace(BALANCED, d_steps=3)
    records = list(gan_lab.train(gan_lab.begin(0), LINE, settings, rounds=5, every=2))
    assert [record.state.generator_steps for record in records] == [2, 4, 5]
    assert [record.state.discriminator_steps for record in records] == [6, 12, 15]
    [timed] = gan_lab.train(gan_lab.begin(0), LINE, settings, rounds=500, seconds=0.0)
    assert timed.state.generator_steps == 1
    [still] = gan_lab.train(timed.state, LINE, settings, rounds=0)
    assert same(still.state, timed.state)
    assert (still.d_loss, still.g_loss) == (None, None)


def test_the_losses_are_means_since_the_last_record():
    def losses(every: int) -> list[float]:
        records = gan_lab.train(gan_lab.begin(0), LINE, BALANCED, rounds=4, every=every)
        return [record.d_loss for record in records if record.d_loss is not None]

    first, second, third, fourth = losses(1)
    assert losses(2) == pytest.approx([(first + second) / 2, (third + fourth) / 2])


def test_a_record_is_what_its_state_says():
    record = play(gan_lab.begin(0), EIGHT, BALANCED, 4)
    state = record.state
    scores, slope = gan_lab.score_and_slope(state.discriminator, record.generated)
    of_real = gan_lab.score(state.discriminator, record.real)
    assert record.margin == pytest.approx(float(of_real.mean() - scores.mean()), abs=1e-4)
    pull = torch.sigmoid(of_real - scores)[:, None]
    assert torch.allclose(record.arrows, pull * slope, atol=1e-4)
    # The map: row 0 at the top, column 0 at the left, 0 in the middle between both means.
    middle = (of_real.mean() + scores.mean()) / 2
    cell = 2 * gan_lab.REACH / gan_lab.CELLS
    for row, column in [(0, 0), (0, 31), (7, 20)]:
        x, y = -3 + cell * (column + 0.5), 3 - cell * (row + 0.5)
        wanted = gan_lab.score(state.discriminator, torch.tensor([[x, y]]))
        assert float(record.scores[row, column]) == pytest.approx(float(wanted - middle), abs=1e-4)


def test_coverage_counts_parts_that_have_points():
    def covered(bias: tuple[float, float]) -> tuple[int, float]:
        """A generator of a single point."""
        state = gan_lab.begin(0)
        weights = torch.zeros_like(state.generator)
        weights[-2:] = torch.tensor(bias)
        record = gan_lab.observe(replace(state, generator=weights), EIGHT, "relativistic")
        return record.covered, record.near

    assert covered((2.0, 0.0)) == (1, 1.0)
    assert covered((0.0, -2.3)) == (1, 1.0)
    assert covered((0.0, -2.6)) == (0, 0.0)
    assert covered((0.0, 0.0)) == (0, 0.0)


# --- what the presets are named for --------------------------------------------------------------


def test_a_balanced_game_covers_the_data():
    line = play(gan_lab.begin(0), LINE, BALANCED, 100)
    assert line.covered >= 0.75 * line.parts
    eight = play(gan_lab.begin(0), EIGHT, BALANCED, 200)
    assert eight.covered >= 6
    # Broken by one slider, and mended by it.
    broken = play(eight.state, EIGHT, replace(BALANCED, g_rate=0.05), 60)
    assert broken.covered <= 4
    assert play(broken.state, EIGHT, BALANCED, 250).covered >= 6


def test_a_generator_that_runs_ahead_collapses_and_jumps_until_it_is_mended():
    *records, last = gan_lab.train(gan_lab.begin(0), EIGHT, MODE_COLLAPSE, rounds=160, every=20)
    assert max(record.covered for record in (*records, last)) <= 3
    centres = torch.stack([record.generated.mean(dim=0) for record in (*records, last)])
    assert float(centres.diff(dim=0).norm(dim=1).max()) > 1
    assert play(last.state, EIGHT, BALANCED, 250).covered >= 6


def test_a_discriminator_that_is_too_strong_teaches_nothing():
    *_, ahead, stuck = gan_lab.train(gan_lab.begin(0), EIGHT, D_TOO_STRONG, rounds=45, every=29)
    assert (ahead.state.generator_steps, ahead.state.discriminator_steps) == (0, 290)
    assert stuck.state.generator_steps == 16
    assert (stuck.covered, stuck.push < 1e-3) == (0, True)
    assert stuck.d_loss is not None
    assert stuck.d_loss < 1e-2
    assert float((stuck.generated - ahead.generated).norm(dim=1).mean()) < 0.1
    # The same networks in the other game of 2014: there is a slope, and G leaves.
    moved = play(stuck.state, EIGHT, replace(D_TOO_STRONG, loss="non-saturating"), 8)
    assert moved.push > 100 * stuck.push
    assert float((moved.generated - stuck.generated).norm(dim=1).mean()) > 0.3


@pytest.mark.parametrize("loss", gan_lab.LOSSES)
@pytest.mark.parametrize("gamma", [0.0, gan_lab.MOST_GAMMA])
def test_the_wildest_settings_stay_finite(loss: gan_lab.Loss, gamma: float):
    wild = LabSettings(gan_lab.MOST_RATE, gan_lab.MOST_RATE, 1, loss, gamma)
    record = play(gan_lab.begin(0), EIGHT, wild, 12)
    assert all(tensor.isfinite().all() for tensor in (*tensors(record), *tensors(record.state)))
    assert math.isfinite(record.margin)


@pytest.mark.parametrize(
    "wrong",
    [
        {"d_rate": math.nan}, {"g_rate": -1e-3}, {"g_rate": 0.11}, {"d_steps": 0}, {"d_steps": 21},
        {"gamma": math.inf}, {"gamma": -1.0}, {"head_start": 1001}, {"loss": "hinge"},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong: dict):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(BALANCED, **wrong)


@pytest.mark.parametrize("wrong", [{"rounds": -1}, {"rounds": 3, "every": 0}])
def test_rounds_that_make_no_sense_are_refused(wrong: dict):
    with pytest.raises(ValueError, match="rounds"):
        next(gan_lab.train(gan_lab.begin(0), LINE, BALANCED, **wrong))
