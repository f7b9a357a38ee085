"""Training runs: resumable, repeatable, exportable."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from gm_core import checkpoints, data
from gm_core.data import Images
from gm_core.pixelcnn import PixelCNN, PixelCNNConfig
from gm_core.training.__main__ import main
from gm_core.training.loop import Recipe, Schedule, evaluate_loss, take_batch, train
from gm_core.training.pixelcnn import RECIPES
from tests.gm_core.test_data import write_torchvision_layout

ROOT = Path(__file__).parent.parent.parent
CONFIG = PixelCNNConfig(height=10, width=10, features=4, head_features=4, dilations=(1, 2))


@pytest.fixture
def images() -> Images:
    sample = data.load("mnist", "sample")
    return Images(sample.images[:96, :, 9:19, 9:19].contiguous(), sample.labels[:96])


def recipe(steps: int, **changes) -> Recipe:
    schedule = Schedule(
        steps=steps, batch_size=32, learning_rate=0.01, warmup_steps=2, max_gradient_norm=100.0
    )
    return replace(
        RECIPES["pixelcnn-mnist"]["cpu"], config=CONFIG, schedule=replace(schedule, **changes)
    )


def fresh() -> PixelCNN:
    torch.manual_seed(0)
    return PixelCNN(CONFIG)


def test_records_tell_how_far_it_is(images: Images):
    records = list(train(fresh(), recipe(5), images, record_every=2))
    assert [record.step for record in records] == [2, 4, 5]
    assert all(record.total == 5 and record.unit == "nats" for record in records)
    assert all(math.isfinite(record.loss) and record.images_per_second > 0 for record in records)


def test_the_loss_falls(images: Images):
    records = list(train(fresh(), recipe(60), images, record_every=10))
    assert records[-1].loss < 0.8 * records[0].loss


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(images: Images, tmp_path: Path):
    straight = fresh()
    list(train(straight, recipe(6), images))

    state = tmp_path / "state.safetensors"
    stopped = train(fresh(), recipe(6), images, state=state, record_every=1, save_every=2)
    assert [record.step for record in islice(stopped, 3)] == [1, 2, 3]
    stopped.close()
    resumed = fresh()
    steps = [r.step for r in train(resumed, recipe(6), images, state=state, record_every=1)]
    assert steps == [3, 4, 5, 6]
    for name, value in straight.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, msg=name)


@pytest.mark.parametrize("change", ["seed", "batch_size", "images", "config"])
def test_a_state_of_another_run_is_refused(images: Images, tmp_path: Path, change: str):
    state = tmp_path / "state.safetensors"
    list(train(fresh(), recipe(2), images, state=state))
    other, seed = recipe(4, batch_size=16 if change == "batch_size" else 32), 0
    if change == "seed":
        seed = 1
    if change == "images":
        images = Images(images.images[:64], images.labels[:64])
    if change == "config":
        other = replace(other, config=replace(CONFIG, dilations=(2, 1)))
    with pytest.raises(ValueError, match=rf"of another run: its {change} is"):
        next(train(PixelCNN(other.config), other, images, seed=seed, state=state))


@pytest.mark.parametrize("steps", [1, 3])
def test_a_trained_model_computes_in_float32_again(images: Images, steps: int):
    model = fresh()
    run = train(model, recipe(3), images, record_every=1)
    list(islice(run, steps))
    run.close()
    copied = fresh()
    copied.load_state_dict(model.state_dict())
    levels = data.binarise(images.images[:8], torch.Generator().manual_seed(0))
    assert model(levels).dtype == torch.float32
    assert torch.equal(model.log_prob(levels), copied.log_prob(levels))


def test_a_finished_run_can_be_exported_again(images: Images, tmp_path: Path):
    state = tmp_path / "state.safetensors"
    first, again = fresh(), fresh()
    list(train(first, recipe(3), images, state=state))
    assert list(train(again, recipe(3), images, state=state)) == []
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_batches_follow_from_seed_and_step_and_cover_the_data(images: Images):
    plain = replace(recipe(9), prepare=lambda images, labels, _: (images, labels))
    epoch = [take_batch(images, plain, 0, step) for step in range(3)]
    seen = torch.cat([batch[0] for batch in epoch]).flatten(1)
    assert torch.equal(seen.unique(dim=0), images.images.flatten(1).unique(dim=0))
    again = take_batch(images, plain, 0, 1)
    assert torch.equal(again[0], epoch[1][0])
    assert not torch.equal(take_batch(images, plain, 0, 3)[0], epoch[0][0])
    assert not torch.equal(take_batch(images, plain, 1, 0)[0], epoch[0][0])


def test_the_rate_warms_up_holds_and_falls_to_zero():
    schedule = Schedule(steps=100, batch_size=1, learning_rate=1.0, warmup_steps=10)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[30] == 1
    assert rates[-1] == pytest.approx(1 / 40)
    assert rates[60:] == sorted(rates[60:], reverse=True)


def test_validation_is_measured_on_the_averaged_weights(images: Images):
    model = fresh()
    *_, final = train(model, recipe(4), images, validation=images)
    assert final.validation_loss == pytest.approx(
        evaluate_loss(model, recipe(4), images, seed=0), rel=1e-6
    )


def test_half_of_the_labels_are_hidden(images: Images):
    prepare = RECIPES["pixelcnn-mnist"]["cpu"].prepare
    many = Images(images.images.repeat(20, 1, 1, 1), images.labels.repeat(20))
    levels, labels = prepare(many.images, many.labels, torch.Generator().manual_seed(0))
    hidden = labels == 10
    assert 0.45 < hidden.float().mean() < 0.55
    assert torch.equal(labels[~hidden], many.labels[~hidden])
    assert levels.unique().tolist() == [0, 1]


def test_the_command_trains_exports_and_goes_on(tmp_path: Path, monkeypatch, capsys):
    write_torchvision_layout(tmp_path, 24)
    monkeypatch.setenv("GM_DATA_DIR", str(tmp_path))
    output = tmp_path / "pixelcnn-mnist"
    arguments = ["pixelcnn-mnist", "--steps", "2", "--batch-size", "4", "--output", str(output)]
    main([*arguments, "--run", str(tmp_path / "one"), "--validation", "4"])
    assert "step 2: validation" in capsys.readouterr().out
    first = checkpoints.read(output)
    assert first.config == RECIPES["pixelcnn-mnist"]["cpu"].config

    # Another seed would start far away; from the exported weights two warm-up steps lead nowhere.
    continued = ["--run", str(tmp_path / "two"), "--seed", "1"]
    main([*arguments, *continued, "--from-checkpoint", str(output)])
    near = checkpoints.read(output).hidden.weight
    main([*arguments, "--run", str(tmp_path / "three"), "--seed", "1"])
    far = checkpoints.read(output).hidden.weight
    assert (near - first.hidden.weight).abs().max() < 1e-3
    assert (far - first.hidden.weight).abs().max() > 1e-2

    begun = ["--run", str(tmp_path / "one"), "--from-checkpoint", str(output)]
    with pytest.raises(SystemExit):
        main([*arguments, *begun])
    assert "of a run that has begun" in capsys.readouterr().err
