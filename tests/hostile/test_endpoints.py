"""Whatever a stranger sends to a handler, the answer is valid or one short sentence.

`pytest tests/hostile --cases 2000` tries ten times as many.
"""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from gradio.block_function import BlockFunction
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.hostile import endpoints
from tests.hostile.conftest import CASES, App
from tests.hostile.endpoints import (
    Caller,
    Change,
    Refusal,
    change,
    fault,
    first_values,
    requests,
    sent,
)  # fmt: skip

PARTS = ("overview", "paradigms", "activities", "latent", "gan", "editor", "")
AT_ONCE = 10
FETCHES = "demo.editor.full_size"  # goes to the hub, where there is one


@pytest.fixture(scope="module")
def caller(app: App, portal: BlockingPortal) -> Caller:
    return Caller(app.demo, portal, "a stranger")


def handlers(app: App) -> list[tuple[str, BlockFunction]]:
    """All that a stranger can call, by name or by number; of the same handler with the same kinds
    of components, one."""
    found: dict[Any, tuple[str, BlockFunction]] = {}
    for number, fn in app.demo.fns.items():
        if fn.fn is None or fn.fn.__module__ == FETCHES:
            continue
        public = fn.api_visibility == "public"
        kind = (fn.fn.__module__, fn.fn.__qualname__, *map(type, fn.inputs))
        found.setdefault(number if public else kind, (f"{fn.api_name} ({number})", fn))
    return list(found.values())


@pytest.mark.parametrize("part", PARTS)
def test_whatever_is_sent_is_answered(app: App, caller: Caller, part: str, request, subtests):
    cases: int = request.config.getoption("--cases", default=None) or CASES
    tried = 0
    for name, fn in handlers(app):
        if part_of(fn) == part and (sent(fn) or fn.collects_event_data):
            tried += 1
            with subtests.test(name):
                attack(caller, fn, cases if fn.api_visibility == "public" else cases // 5)
    assert tried > 0


def part_of(fn: BlockFunction) -> str:
    module = fn.fn.__module__ if fn.fn else ""
    return next((part for part in PARTS if module.startswith(f"demo.{part}.")), "")


def attack(caller: Caller, fn: BlockFunction, cases: int) -> None:
    values, places = first_values(fn), sent(fn)

    @seed(8)
    @settings(
        max_examples=math.ceil(cases / AT_ONCE),
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(requests(AT_ONCE))
    def check(wanted: list[list[Change]]) -> None:
        for changes in wanted:
            given, event = values, endpoints.EVENT
            for each in changes:
                if places:
                    given = change(given, each, places)
                if fn.collects_event_data:
                    [event] = change([event], each, [0])
            assert fault(caller.call(fn, given, event)) is None

    check()


def test_what_is_sent_as_an_example_is_valid(caller: Caller, app: App):
    by_name = {fn.api_name: fn for fn in app.demo.fns.values()}
    for name in ("paradigms_price_check", "vae_own_direction", "gan_map_point", "gan_duel_judge"):
        answer = caller.call(by_name[name], endpoints.EXAMPLES[name])
        assert not isinstance(answer, Refusal), (name, answer)


def test_too_few_values_are_refused_and_too_many_ignored(app: App, caller: Caller):
    for name, fn in handlers(app):
        if sent(fn) and fn.api_visibility == "public":
            [*some, _] = first_values(fn)
            assert caller.call(fn, some) == Refusal(None), name
            assert fault(caller.call(fn, [*some, [], endpoints.LONG, None])) is None, name


BODIES = {
    "no value": b'{"data": []}',
    "no list": b'{"data": 7}',
    "no data": b"{}",
    "no object": b"[]",
    "no JSON": b'{"data": [',
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "very deep": b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "5 MB": b'{"data": ["' + b"x" * 5_000_000 + b'"]}',
}


@pytest.mark.parametrize("name", ["overview_prompt", "vae_path", "gan_generate", "no_such_name"])
def test_over_the_network_nothing_breaks(app: App, name: str):
    sends_json = {"Content-Type": "application/json"}
    with httpx.Client(base_url=app.url, timeout=60, headers=sends_json) as client:
        for body in BODIES.values():
            started = client.post(f"gradio_api/call/{name}", content=body)
            told = started.text
            if started.status_code == 200:
                event = started.json()["event_id"]
                told = client.get(f"gradio_api/call/{name}/{event}").text
                assert "event: error" in told
            assert started.status_code < 500
            assert len(told) < 1000, told[:1000]
            assert "Traceback" not in told
        assert client.get("config").status_code == 200
