"""Processes beside the app's, on this machine: Python runs one thread of each process at a time.

Sampling keeps a core busy for a second a request. In the app's own process it would take turns with
the server and with everybody's edits and sliders; in a worker it has a core to itself. The same
seed gives the same bytes there. Where no worker is free, the app's process does the work. The first
one is started when somebody first samples, for a class may follow, and another when two do at once
that found none: each takes half a gigabyte.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pickle import dumps, loads  # between the app and its workers alone
from queue import Empty, SimpleQueue
from typing import Any, Literal

from demo import engine
from demo.engine import Backend, EngineLost, Group
from demo.serving.places import is_asked_for
from demo.serving.warm_up import read_weights
from gm_core import memory

GROUP: Group = "sampling"
MOST_BY_DEFAULT = 4
STOP = b""

Word = Literal["ready", "record", "error", "end"]


def by_default() -> int:
    """A worker for every core but the first, which is the app's."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MOST_BY_DEFAULT, (cores or 1) - 1)


# --- in a worker ---------------------------------------------------------------------------------


def work(connection: Connection) -> None:
    """Run one call after the other, until the app is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the keyboard, which the app hears as well
    with suppress(EOFError, BrokenPipeError):
        read_weights()
        _say(connection, "ready")
        while True:
            message = connection.recv_bytes()
            if message != STOP:  # of a call that had come to its end
                _run(connection, *loads(message))


def _run(connection: Connection, call: str, arguments: dict[str, Any]) -> None:
    """Send the records of a call, and then how it ended. Any message ends it sooner."""
    records = engine.in_process(call, GROUP, arguments)
    try:
        for record in memory.spared(records):
            _say(connection, "record", record)
            if connection.poll():
                break
    except BrokenPipeError:
        raise
    except Exception as error:
        _say(connection, "error", that_can_be_sent(error))
    else:
        _say(connection, "end")
    finally:
        records.close()


def that_can_be_sent(error: Exception) -> Exception:
    """The error with a note of where it was raised, which is lost on the way; or its words."""
    error.add_note("".join(traceback.format_tb(error.__traceback__)))
    try:
        return loads(dumps(error))
    except Exception:  # whatever its class makes of being sent
        return RuntimeError(f"{type(error).__name__}: {error}")


def _say(connection: Connection, word: Word, content: Any = None) -> None:
    connection.send_bytes(dumps((word, content)))


# --- in the app ----------------------------------------------------------------------------------


class Worker:
    """A process that runs one call at a time."""

    def __init__(self) -> None:
        context = get_context("spawn")  # a fork would take over locks that other threads hold
        self.is_lost = False
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()  # so that its death is heard

    def stream(self, call: str, arguments: dict[str, Any]) -> Generator[Any, None, None]:
        """The records of a call. Closed, it waits until the worker has ended the one it is at.

        Raises EngineLost if the process dies.
        """
        self._tell(dumps((call, arguments)))
        word, content = self.hear()
        try:
            while word == "record":
                yield content
                word, content = self.hear()
        finally:
            with suppress(EngineLost):
                if word == "record" and not self.is_lost:
                    self._tell(STOP)
                while word == "record" and not self.is_lost:
                    word, _ = self.hear()
        if word == "error":
            raise content

    def hear(self) -> tuple[Word, Any]:
        """What the worker says next. Raises EngineLost."""
        try:
            message = self.connection.recv_bytes()
        except (EOFError, OSError):
            self.is_lost = True
            raise EngineLost from None
        return loads(message)

    def _tell(self, message: bytes) -> None:
        try:
            self.connection.send_bytes(message)
        except OSError:
            self.is_lost = True
            raise EngineLost from None

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class Workers:
    """Sends the calls of a group to the workers that are free, and all others elsewhere."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.elsewhere: Backend = engine.in_process
        self.all: set[Worker] = set()
        self.free: SimpleQueue[Worker] = SimpleQueue()
        self._here = 0  # calls of the group that found no worker and still run
        self._counting = threading.Lock()

    def __call__(
        self, call: str, group: Group, arguments: dict[str, Any]
    ) -> Generator[Any, None, None]:
        if group != GROUP:
            yield from self.elsewhere(call, group, arguments)
            return
        try:
            worker = self.free.get_nowait()
        except Empty:
            yield from self._without(call, group, arguments)
            return
        try:
            yield from worker.stream(call, arguments)
        finally:
            if worker.is_lost:
                self.all.discard(worker)
                worker.end()
                self.hire()
            else:
                self.free.put(worker)

    def _without(
        self, call: str, group: Group, arguments: dict[str, Any]
    ) -> Generator[Any, None, None]:
        """The records of a call for which no worker is free, which may start one more."""
        with self._counting:
            self._here += 1
            is_too_few = self._here > 1 or (not self.all and is_asked_for())
            if is_too_few and len(self.all) < self.most:
                self.hire()
        try:
            yield from self.elsewhere(call, group, arguments)
        finally:
            with self._counting:
                self._here -= 1

    def hire(self) -> None:
        """Start a process; it counts as free as soon as it has imported what it needs."""
        worker = Worker()
        self.all.add(worker)

        def welcome() -> None:
            with suppress(EngineLost):
                worker.hear()
                self.free.put(worker)

        threading.Thread(target=welcome, daemon=True).start()

    def end(self) -> None:
        for worker in self.all:
            worker.end()


@contextmanager
def working(most: int) -> Iterator[Workers]:
    """Send the engine's sampling to up to so many processes, until the end of the block."""
    before = engine.GROUPS[GROUP]
    engine.GROUPS[GROUP] = replace(before, running=most + 1)
    workers = Workers(most)
    backend = workers.elsewhere = engine.use(workers)
    try:
        yield workers
    finally:
        engine.use(backend)
        engine.GROUPS[GROUP] = before
        workers.end()
