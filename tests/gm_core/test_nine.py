"""Nine answers about a canvas, by tiny networks: what is asked, what is compared, what is right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gm_core import canvas, checkpoints, clusters, data, nine
from gm_core.canvas import BACKGROUND
from gm_core.metrics import as_levels
from gm_core.paradigms import Found, Reading
from gm_core.unlabelled import ENCODERS, features
from tests.gm_core.tiny import decided, tiny

GREY = {"height": 28, "width": 28}


def save_nine(folder: Path) -> None:
    """Tiny networks under the names of all that nine answers need."""
    models = {
        nine.READER: ("paradigms", "canvas", tiny("paradigms")),
        nine.DENSITY: ("pixelcnn", "mnist", decided("pixelcnn", **GREY, classes=10)),
        nine.PLANE: ("vae", "mnist", tiny("vae", **GREY, latent=2)),
        "classifier-mnist": ("classifier", "mnist", tiny("classifier", **GREY, classes=10)),
        ENCODERS["mnist"]: ("simclr", "mnist", tiny("simclr", **GREY)),
    }
    for name, (family, dataset, model) in models.items():
        checkpoints.save(folder / name, model, family=family, dataset=dataset, training={"seed": 0})


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    save_nine(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        yield folder


def pixels_of(made: canvas.Canvases) -> Tensor:
    return (255 * made.images[0, 0]).round().byte()


# --- cutting apart --------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_a_canvas_has_so_many_digits_and_falls_into_as_many_pieces(digits: int):
    made = nine.compose(1, digits)
    assert int((made.classes >= 0).sum()) == digits
    assert torch.equal(made.images, nine.compose(1, digits).images)
    cut = canvas.pieces(made.images[0, 0])
    assert len(cut) == digits
    boxes = canvas.bounds(torch.stack(cut) > canvas.INK)
    assert boxes[:, [0, 2]].sum(1).diff().ge(0).all(), "from left to right"
    assert {*map(tuple, boxes.tolist())} == {*map(tuple, made.boxes[0, :digits].tolist())}


def test_gaps_are_bridged_and_specks_left_out():
    image = torch.zeros(64, 64)
    image[10:20, 10:13] = 1
    image[22:30, 10:13] = 1  # two pixels below it
    image[40:50, 40:43] = 1
    image[5, 60] = 1
    first, second = canvas.pieces(image)
    assert first.nonzero().amin(0).tolist() == [10, 10]
    assert first.nonzero().amax(0).tolist() == [29, 12]
    assert torch.equal(second, torch.where(torch.arange(64) >= 40, image, 0.0).where(
        torch.arange(64)[:, None] >= 40, torch.zeros(())))  # fmt: skip
    assert canvas.pieces(torch.zeros(64, 64)) == []


def test_a_digit_is_cut_out_as_mnist_has_it():
    digits = data.load("mnist", "sample").images[:40, 0]
    middle, one = torch.full((40, 1, 2), 25.0), torch.ones(40, 1)
    for scale, most in ((1.0, 0.04), (0.7, 0.07)):
        placed = canvas.place((digits / 255)[:, None, None], middle, scale * one, 0 * one)[:, 0]
        cut = torch.stack([canvas.crop(image) for image in placed])
        difference = (cut / 255 - digits / 255).abs().mean()
        assert difference < most, "of a mean brightness of 0.12"


def test_even_a_long_faint_line_becomes_a_digit():
    line = torch.zeros(64, 64)
    line[1:63, 30] = 0.31
    cut = canvas.crop(line)
    assert cut.shape == (28, 28)
    assert cut.any()
    rows, columns = cut.nonzero(as_tuple=True)
    assert rows.max() - rows.min() == canvas.BOX - 1
    assert columns.max() - columns.min() <= 1


# --- answers --------------------------------------------------------------------------------------


def test_the_supervised_answers_come_first_and_all_are_the_libraries():
    made = nine.compose(1, 2)
    first, last = nine.answer(pixels_of(made))
    reader = checkpoints.load(nine.READER)
    [reading] = reader.read(pixels_of(made)[None, None] / 255)
    assert first.pieces is None
    assert first.reading.found == last.reading.found == reading.found
    assert first.reading.caption == reading.caption
    assert last.pieces
    images = torch.stack([piece.image for piece in last.pieces])[:, None]
    shown = clusters.pictures("mnist").images
    known, own = features("mnist", shown), features("mnist", images)
    density = checkpoints.load(nine.DENSITY)
    nats = -density.log_prob(as_levels(density, images))
    for index, piece in enumerate(last.pieces):
        assert piece.by_features[0] == int((known - own[index]).norm(dim=1).argmin())
        apart = (shown.float() - images[index].float()).flatten(1).norm(dim=1)
        assert piece.by_pixels == tuple(apart.topk(nine.NEIGHBOURS, largest=False).indices.tolist())
        assert piece.nats == pytest.approx(float(nats[index]), abs=0.01)
        groups = nine.landmarks().clusters
        assert piece.cluster == int(groups.assigned[piece.by_features[0]])
        assert piece.members == int((groups.assigned == piece.cluster).sum())
        assert set(piece.typical) <= set(
            (groups.assigned == piece.cluster).nonzero()[:, 0].tolist()
        )


def test_no_digit_of_a_canvas_is_among_those_compared_with():
    compared = {image.numpy().tobytes() for image in clusters.pictures("mnist").images}
    others = data.load("mnist", "sample")[1::2]
    assert not any(image.numpy().tobytes() in compared for image in others.images)


def test_nothing_drawn_is_nothing_asked():
    [only] = nine.answer(torch.zeros(64, 64, dtype=torch.uint8))
    assert (only.drawn, only.pieces, only.reading.found, only.reading.caption) == (
        False, (), (), "",
    )  # fmt: skip
    assert (only.reading.mask == BACKGROUND).all()


def test_scribbles_are_answered_by_the_largest_pieces():
    noise = torch.zeros(64, 64, dtype=torch.uint8)
    noise[::16, :] = 255  # four lines
    noise[:2, 10:20] = 255  # the first one is the largest
    *_, last = nine.answer(noise)
    assert last.drawn
    assert last.pieces
    assert len(last.pieces) == nine.MOST_PIECES
    assert last.cut == 4
    white = torch.full((64, 64), 255, dtype=torch.uint8)
    *_, last = nine.answer(white)
    assert last.pieces
    assert len(last.pieces) == 1


# --- marks ----------------------------------------------------------------------------------------


def found(label: int, box: tuple[float, float, float, float], angle: float = 0.0) -> Found:
    return Found(label, tuple(float(kind == label) for kind in range(10)), box, angle, 0.9)


def test_marks_tell_right_from_wrong():
    truth = nine.compose(1, 3)
    boxes = truth.boxes[0].tolist()
    kinds = truth.classes[0].tolist()
    assert len(set(kinds)) == 3
    x0, y0, x1, y1 = boxes[0]
    halfway = (x0, y0, x1, (y0 + y1) / 2 + 1)
    mask = truth.masks[0].clone()
    mask[mask == kinds[1]] = BACKGROUND
    reading = Reading(
        (found(kinds[0], halfway, 10.0), found((kinds[1] + 1) % 10, tuple(boxes[1])),
         found(4, (0.0, 0.0, 3.0, 3.0))),
        mask, "a 1",
    )  # fmt: skip
    marks = nine.mark(reading, truth)
    by_label = {digit.label: digit for digit in marks.digits}
    assert [digit.box[0] + digit.box[2] for digit in marks.digits] == sorted(
        digit.box[0] + digit.box[2] for digit in marks.digits
    )
    first, second, third = (by_label[kind] for kind in kinds)
    assert first.found == reading.found[0]
    assert first.overlap == pytest.approx((halfway[3] - y0) / (y1 - y0))
    assert second.found == reading.found[1]
    assert second.overlap == 1
    assert (third.found, third.overlap) == (None, 0)
    assert marks.invented == (reading.found[2],)
    assert marks.caption == truth.captions[0]
    wrong = float((truth.masks[0] == kinds[1]).double().mean())
    assert marks.pixels == pytest.approx(1 - wrong)
    background = float((truth.masks[0] == BACKGROUND).double().mean())
    assert marks.iou == pytest.approx((2 + background / (background + wrong)) / 4)


def test_a_perfect_reading_and_an_empty_one():
    truth = nine.compose(2, 2)
    kinds, boxes = truth.classes[0].tolist(), truth.boxes[0].tolist()
    perfect = Reading(
        tuple(found(kind, tuple(box)) for kind, box in zip(kinds, boxes, strict=True) if kind >= 0),
        truth.masks[0], truth.captions[0],
    )  # fmt: skip
    marks = nine.mark(perfect, truth)
    assert (marks.iou, marks.pixels, marks.invented) == (1, 1, ())
    assert all(digit.found and digit.overlap == 1 for digit in marks.digits)
    empty = nine.mark(Reading((), torch.full((64, 64), BACKGROUND), ""), truth)
    assert [digit.found for digit in empty.digits] == [None, None]
