"""A class at once: who runs, who waits, who is told to try again, and who gives a place back."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import gradio as gr
import httpx
import pytest

from demo import engine
from demo.components.status import status
from demo.serving.places import WAITING_OF_ONE_STUDENT, FairBlocks, Places, settle
from tests.load import Endpoint, endpoints

GROUPS = {
    "work": Places(running=2, waiting=8, seconds=60), "quick": Places(4, 100, 60, is_told=False)
}  # fmt: skip


class Stage:
    """Work that waits for the test at every record."""

    def __init__(self) -> None:
        self.running: list[str] = []  # names of the work that runs
        self.most = 0
        self.go_on = threading.Event()
        self.changed = threading.Condition()

    def work(self, name: str) -> str:
        """Run until the test says so, without a word to the page on the way."""
        with self.changed:
            self.running.append(name)
            self.most = max(self.most, len(self.running))
            self.changed.notify_all()
        try:
            for _ in engine.stream("wait", stage=self):
                pass
            return f"{name} is done"
        finally:
            with self.changed:
                self.running.remove(name)
                self.changed.notify_all()

    def until(self, names: list[str]) -> None:
        """Wait until exactly these run."""
        with self.changed:
            in_time = self.changed.wait_for(lambda: sorted(self.running) == names, timeout=30)
        assert in_time, self.running


def wait(*, stage: Stage) -> Iterator[int]:
    """A record every moment, until the stage goes on."""
    while not stage.go_on.wait(0.01):
        yield 0


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setitem(engine.CALLS, "wait", engine.Call("live", wait))
    stage = Stage()
    yield stage
    stage.go_on.set()


@pytest.fixture
def url(stage: Stage) -> Iterator[str]:
    with FairBlocks(GROUPS) as demo:
        name, line = gr.Textbox(), status("", elem_id="line")
        button = gr.Button()
        button.click(
            stage.work, name, line, api_name="work", show_progress="hidden",
            concurrency_id="work", concurrency_limit=2,
        )  # fmt: skip
        button.click(lambda text: text, name, name, api_name="echo")
    settle(demo, otherwise="quick")
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    yield url
    demo.close()


def test_a_record_that_skip_follows_is_not_edited_away():
    """The page edits the last value in place, and may not have shown it yet."""
    with FairBlocks(GROUPS) as demo:
        shown = gr.JSON()
        demo.load(lambda: None, None, shown)
    (listener,) = demo.fns.values()
    records = [{"chosen": 3}, {"__type__": "update"}, {"chosen": 4, "more": [1]}, {"chosen": 4}]
    edits = [
        demo.handle_streaming_diffs(listener, [record], "a", "run", final=False)
        for record in records
    ]
    assert edits[0] == [{"chosen": 3}]
    assert edits[1:3] == [[[["replace", [], record]]] for record in records[1:3]]
    assert edits[3] == [[["delete", ["more"], None]]]  # and what stays is not sent again
    assert demo.handle_streaming_diffs(listener, [None], "a", "run", final=True) == [{"chosen": 4}]
    assert demo.pending_diff_streams == {}


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as http:
        yield http


def described(http: httpx.Client) -> dict[str, Endpoint]:
    return endpoints(http.get("/config").json())


def join(http: httpx.Client, session: str, name: str) -> httpx.Response:
    """Ask for work, as the page does."""
    number = described(http)["work"].number
    body = {"fn_index": number, "data": [name], "session_hash": session}
    return http.post("/gradio_api/queue/join", json=body)


def test_a_group_runs_as_many_as_it_has_places(http: httpx.Client, stage: Stage):
    for name in "abcd":
        assert join(http, session=name, name=name).status_code == 200
    stage.until(["a", "b"])
    assert stage.most == 2


def test_a_student_runs_one_request_of_a_group(http: httpx.Client, stage: Stage):
    for name in ("a1", "a2", "a3", "b1"):
        assert join(http, session=name[0], name=name).status_code == 200
    stage.until(["a1", "b1"])


def test_who_finds_no_place_to_wait_hears_it_at_once(http: httpx.Client, stage: Stage):
    for number in range(10):
        assert join(http, session=str(number), name=str(number)).status_code == 200
        if number < 2:
            stage.until([str(each) for each in range(number + 1)])
    refused = join(http, session="late", name="late")
    assert refused.status_code == 503
    assert refused.json()["detail"] == "Busy: 8 others wait. Try again in a moment."


def test_one_student_can_not_fill_the_queue(http: httpx.Client, stage: Stage):
    join(http, session="a", name="a")
    stage.until(["a"])
    for number in range(WAITING_OF_ONE_STUDENT):
        assert join(http, session="a", name=str(number)).status_code == 200
    refused = join(http, session="a", name="more")
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("6 of your requests wait already")
    assert join(http, session="b", name="b").status_code == 200
    stage.until(["a", "b"])


def test_a_page_that_is_closed_gives_its_places_back(http: httpx.Client, stage: Stage):
    join(http, session="a", name="a")
    stage.until(["a"])
    join(http, session="a", name="again")  # waits
    join(http, session="b", name="b")
    stage.until(["a", "b"])

    parameters = {"session_hash": "a"}
    with http.stream("GET", "/gradio_api/queue/data", params=parameters) as lines:
        assert any("process_starts" in line for line in lines.iter_lines())  # and leaves
    stage.until(["b"])  # what ran has ended, and what waited never began


def test_everything_has_a_group_and_shows_who_waits(http: httpx.Client):
    listeners = {each["api_name"]: each for each in http.get("/config").json()["dependencies"]}
    assert listeners["work"]["show_progress"] == "minimal"
    assert len(listeners["work"]["show_progress_on"]) == 1
    assert listeners["echo"]["show_progress"] == "full"


def test_who_waits_hears_how_many_are_before(http: httpx.Client, stage: Stage):
    for name in "abcd":
        join(http, session=name, name=name)
    stage.until(["a", "b"])
    stage.go_on.set()
    answers = {
        name: http.get("/gradio_api/queue/data", params={"session_hash": name}).text
        for name in "abcd"
    }
    assert "In the queue" not in answers["a"] + answers["b"]
    assert "In the queue: another request is before yours." in answers["c"]
    assert "In the queue: 2 other requests are before yours." in answers["d"]


def test_answers_come_to_who_asked(http: httpx.Client, stage: Stage):
    stage.go_on.set()
    sessions = [uuid.uuid4().hex for _ in range(6)]
    for session in sessions:
        join(http, session, session)
    for session in sessions:
        answer = http.get("/gradio_api/queue/data", params={"session_hash": session}).text
        assert f"{session} is done" in answer
        assert not any(other in answer for other in sessions if other != session)


def test_the_demo_gives_every_group_its_places():
    assert {call.group for call in engine.CALLS.values()} <= set(engine.GROUPS)
    for group, places in engine.GROUPS.items():
        assert engine.event(group)["concurrency_limit"] == places.running
        assert places.running <= places.waiting
