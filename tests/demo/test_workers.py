"""Sampling in a process beside the app's: the same bytes, and what goes wrong there."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from gradio.context import LocalContext

from demo import engine
from demo.engine import EngineLost
from demo.serving.workers import GROUP, Worker, Workers, that_can_be_sent, working
from gm_core import MissingWeights
from tests.records import as_bytes

SAMPLE = {
    "model": "pixelcnn-mnist", "count": 2, "seed": 3, "label": 7, "temperature": 1.0, "every": 28
}  # fmt: skip
LONG = SAMPLE | {"count": 16, "every": 1}


class Elsewhere(Exception):
    """A call was not sent to a worker."""


def elsewhere(*_: Any) -> Generator[Any, None, None]:
    raise Elsewhere
    yield


def endless(*_: Any) -> Generator[Any, None, None]:
    while True:
        yield None


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """One worker that is ready; whatever it does not do is an error."""
    with working(1) as workers:
        workers.elsewhere = elsewhere
        workers.hire()
        wait(workers)
        yield workers


def wait(workers: Workers) -> None:
    """Until a worker is free."""
    workers.free.put(workers.free.get(timeout=120))


def test_the_same_bytes_as_in_this_process(workers: Workers):
    there = as_bytes(workers("sample", GROUP, SAMPLE))
    assert there == as_bytes(engine.in_process("sample", GROUP, SAMPLE))


def test_the_engine_sends_sampling_there_and_nothing_else(workers: Workers):
    *_, frame = engine.stream("sample", **SAMPLE)
    assert frame.step == frame.total
    assert engine.GROUPS[GROUP].running == len(workers.all) + 1 == 2
    with pytest.raises(Elsewhere):
        list(engine.stream("decode", model="vae-mnist-2d", z=[[0.0, 0.0]]))


def test_two_calls_at_once_start_one():
    before = engine._backend
    with working(1) as workers:
        workers.elsewhere = endless
        one, other = (workers("sample", GROUP, SAMPLE) for _ in range(2))
        assert (next(one), len(workers.all)) == (None, 0)
        assert (next(other), len(workers.all)) == (None, 1)
        third = workers("sample", GROUP, SAMPLE)
        next(third)
        assert len(workers.all) == 1
        for call in (one, other, third):
            call.close()
        wait(workers)
        assert len(list(workers("sample", GROUP, SAMPLE))) == 28
    assert not any(worker.process.is_alive() for worker in workers.all)
    assert engine._backend is before


def test_the_first_call_from_outside_starts_one():
    with working(1) as workers:
        workers.elsewhere = endless
        asked = LocalContext.event_id.set("a click")
        try:
            call = workers("sample", GROUP, SAMPLE)
            next(call)
        finally:
            LocalContext.event_id.reset(asked)
        assert len(workers.all) == 1
        call.close()


def test_while_it_works_others_go_elsewhere(workers: Workers):
    running = workers("sample", GROUP, LONG)
    next(running)
    with pytest.raises(Elsewhere):
        next(workers("sample", GROUP, SAMPLE))
    running.close()
    assert len(list(workers("sample", GROUP, SAMPLE))) == 28


def test_what_a_call_raises_there_is_raised_here(workers: Workers):
    with pytest.raises(MissingWeights, match="nothing") as caught:
        list(workers("sample", GROUP, SAMPLE | {"model": "nothing"}))
    assert "checkpoints.py" in caught.value.__notes__[0]
    assert len(list(workers("sample", GROUP, SAMPLE))) == 28


def test_one_that_dies_costs_one_sentence_and_is_replaced(workers: Workers):
    [lost] = workers.all
    running = workers("sample", GROUP, LONG)
    next(running)
    lost.process.kill()
    with pytest.raises(EngineLost, match="Ask again"):
        list(running)
    wait(workers)
    assert lost not in workers.all
    assert len(list(workers("sample", GROUP, SAMPLE))) == 28


def test_one_that_died_while_it_was_closed_is_replaced(workers: Workers):
    [lost] = workers.all
    running = workers("sample", GROUP, LONG)
    next(running)
    lost.process.kill()
    lost.process.join()
    running.close()
    wait(workers)
    assert lost not in workers.all


def test_it_ends_with_the_app():
    worker = Worker()
    assert worker.hear() == ("ready", None)
    worker.connection.close()
    worker.process.join(60)
    assert worker.process.exitcode == 0


def test_an_error_that_can_not_be_sent_is_sent_in_words():
    class Local(Exception):
        pass

    sent = that_can_be_sent(Local("of a function"))
    assert (type(sent), str(sent)) == (RuntimeError, "Local: of a function")
    assert type(that_can_be_sent(ValueError("plain"))) is ValueError
