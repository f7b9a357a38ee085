"""Where work runs: it ends when nobody waits, when its time is up, and when it goes wrong."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import gradio as gr
import pytest
import torch

from demo import engine
from demo.serving.places import Places
from gm_core.frames import Frame
from gm_core.memory import OutOfMemory

FRAME = Frame(torch.zeros(1, 1, 2, 2), step=1, total=2, note="")


class Elsewhere:
    """A place to run that yields frames for ever, or until `error`, and notes its end."""

    def __init__(self, error: Exception | None = None, frame: Frame = FRAME) -> None:
        self.error, self.frame = error, frame
        self.asked: tuple[str, str, dict[str, Any]] | None = None
        self.has_ended = False

    def __call__(
        self, call: str, group: engine.Group, arguments: dict[str, Any]
    ) -> Generator[Any, None, None]:
        self.asked = call, group, arguments
        try:
            yield self.frame
            if self.error:
                raise self.error
            while True:
                yield self.frame
        finally:
            self.has_ended = True


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Elsewhere]:
    place = Elsewhere(**getattr(request, "param", {}))
    engine.use(place)
    yield place
    engine.use(engine.in_process)


def test_a_call_goes_where_the_engine_says_with_its_group(place: Elsewhere):
    records = engine.stream("edit", model="any", seed=3)
    assert next(records) is FRAME
    assert place.asked == ("edit", "editing", {"model": "any", "seed": 3})


def test_closing_the_records_ends_the_work(place: Elsewhere):
    records = engine.stream("sample", model="any")
    next(records)
    assert not place.has_ended
    records.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert place.has_ended


def test_work_ends_when_its_time_is_up(place: Elsewhere, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(engine.GROUPS, "sampling", Places(running=1, waiting=1, seconds=0))
    with pytest.raises(gr.Error, match="took longer than 0 s"):
        list(engine.stream("sample", model="any"))
    assert place.has_ended


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ({"error": OutOfMemory()}, "not enough memory"),
        ({"error": RuntimeError("CUDA out of memory. Tried to allocate")}, "not enough memory"),
        (
            {"frame": Frame(torch.full((1, 1, 2, 2), torch.nan), step=1, total=2, note="")},
            "Frame.images is not finite",
        ),
    ],
    indirect=["place"],
)
def test_what_goes_wrong_is_one_sentence(place: Elsewhere, sentence: str):
    with pytest.raises(gr.Error, match=sentence) as told:
        list(engine.stream("sample", model="any"))
    assert not told.value.print_exception
    assert place.has_ended


def test_other_errors_keep_their_names(place: Elsewhere):
    place.error = KeyError("a mistake of ours")
    with pytest.raises(KeyError, match="a mistake of ours"):
        list(engine.stream("sample", model="any"))
