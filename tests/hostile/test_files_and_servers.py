"""The app gives nobody a file that is not its own, and asks no other server for anything."""

from __future__ import annotations

import itertools
import socket
import string
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import gradio as gr
import httpx
import pytest

from tests.hostile.conftest import App
from tests.hostile.endpoints import ROOT, Answer, Caller, first_values, sent

MARK = "a file that is nobody's business"
INSIDES = (MARK, "root:x:0", "PATH=", "import annotations", '"family":')  # of the files below
ROUTES = ("gradio_api/file=", "gradio_api/file/", "gradio_api/proxy=", "?url=")
FOLDERS = ("gradio_api/file=", "gradio_api/file/", "static/", "assets/", "svelte/")
FOLDERS += ("gradio_api/custom_component/x/client/component/", "gradio_api/proxy=", "pwa_icon/", "")


class Calls:
    """The addresses that this process looks up or connects to, while it is watched."""

    def __init__(self) -> None:
        self.watches = False
        self.own = ""  # the server's, which the test asks
        self.found: list[str] = []
        sys.addaudithook(self.hear)  # stays for as long as the process runs

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watches or event not in ("socket.getaddrinfo", "socket.connect"):
            return
        to = arguments[:2] if event == "socket.getaddrinfo" else arguments[1]
        if isinstance(to, tuple) and (address := f"{to[0]}:{to[1]}") != self.own:
            self.found.append(address)


CALLS = Calls()


def get(connection: HTTPConnection, path: str) -> tuple[int, str, str]:
    """An address as it is spelt, which most clients would put in order first: the status, the body
    and where it leads on."""
    connection.request("GET", "/" + quote(path, safe=string.punctuation))
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace"), answer.getheader("location", "")


@pytest.fixture
def connection(app: App) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(urlsplit(app.url).netloc, timeout=60)
    yield connection
    connection.close()


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outside") / "secret.txt"
    path.write_text(MARK)
    return path


@pytest.fixture
def canary() -> Iterator[str]:
    """The address of a server of this machine that nobody should ever ask."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def asked(app: App) -> Iterator[list[str]]:
    """Whom this process asks, other than its own server."""
    own = urlsplit(app.url).netloc.replace("localhost", "127.0.0.1")
    CALLS.own, CALLS.found = own, []
    CALLS.watches = True
    yield CALLS.found
    CALLS.watches = False


def paths(outside: Path) -> list[str]:
    """Spellings of files that are outside of what the app gives."""
    files = [str(outside), "/etc/passwd", "/proc/self/environ", f"{ROOT}/app.py"]
    files += [f"{ROOT}/checkpoints/vae-mnist/config.json"]
    spelt = [*files]
    for file in files:
        up = "../" * 12 + file.lstrip("/")
        windows = up.replace("/", "\\")
        spelt += [up, quote(up, safe=""), quote(quote(up, safe=""), safe=""), windows]
        spelt += [
            f"/{file}",
            f"//{file}",
            f"./{file}",
            f"{file}%00.png",
            f"{file}/",
            f"file://{file}",
        ]
        spelt += [f"FILE:{file}", f"{file}?x", f"....//....//..../{file}", f"%2e%2e/%2e%2e{file}"]
        spelt += [
            f"..%c0%af..%c0%af{file}",
            f"~root/..{file}",
            f"\\\\?\\{windows}",
            f"\\\\host{windows}",
        ]
    return spelt


def targets(canary: str) -> list[str]:
    """Spellings of other servers' addresses."""
    port = canary.partition(":")[2]
    hosts = (
        canary,
        f"localhost:{port}",
        f"[::1]:{port}",
        f"0x7f000001:{port}",
        f"2130706433:{port}",
    )
    hosts += (
        f"127.1:{port}",
        f"0.0.0.0:{port}",
        f"①②⑦.⓪.⓪.①:{port}",
        f"a@{canary}",
        f"{canary}#@a.b",
    )
    hosts += (
        "169.254.169.254/latest/meta-data",
        "metadata.google.internal",
        "example.com",
        "10.0.0.1",
    )
    schemes = (
        "http://",
        "https://",
        "HTTP://",
        "http:/",
        "http:\\\\",
        "//",
        "ftp://",
        "gopher://",
        " http://",
    )
    return [scheme + host + "/canary" for scheme, host in itertools.product(schemes, hosts)]


def test_no_spelling_of_a_path_gives_a_file(connection: HTTPConnection, outside: Path):
    tried = 0
    for folder, path in itertools.product(FOLDERS, paths(outside)):
        status, text, _ = get(connection, folder + path)
        assert status < 500, (folder, path)
        shown = [inside for inside in INSIDES if inside in text]
        assert not shown, (folder, path)
        tried += 1
    assert tried >= 200


def test_no_spelling_of_a_server_is_asked(connection: HTTPConnection, canary: str, asked):
    tried = 0
    for target, where in itertools.product(targets(canary), ROUTES):
        status, _, location = get(connection, where + target)
        assert status < 500, (where, target)
        assert urlsplit(location).netloc in ("", asked_of(connection)), (where, target)
        tried += 1
    assert tried >= 200
    assert asked == []


def asked_of(connection: HTTPConnection) -> str:
    return f"{connection.host}:{connection.port}"


def test_no_handler_opens_what_is_named_to_it(app: App, portal, outside: Path, canary: str, asked):
    caller = Caller(app.demo, portal, "a stranger")
    named = [*paths(outside)[:30], *(f"http://{canary}/a.png", "http://example.com/a.png")]
    meta = {"_type": "gradio.FileData"}
    spelt = itertools.cycle(
        {**file, **extra}
        for name in named
        for file in ({"path": name}, {"path": name, "url": name, "orig_name": name})
        for extra in ({"meta": meta}, {}, {"meta": meta, "is_stream": True})
    )
    tried = 0
    for fn in app.demo.fns.values():
        if fn.fn is None or fn.fn.__module__ == "demo.editor.full_size":
            continue
        values, places = first_values(fn), sent(fn)
        for at in places:
            count = 6 * len(named) if isinstance(fn.inputs[at], gr.Image) else 1
            for file in itertools.islice(spelt, count):
                outcome = caller.call(fn, [*values[:at], file, *values[at + 1 :]])
                told = outcome.content if isinstance(outcome, Answer) else outcome.sentence or ""
                assert not any(inside in told for inside in INSIDES)
                tried += 1
    assert tried >= 200
    assert asked == []


@pytest.mark.parametrize(
    "name",
    ["../../../../tmp/gm-evil.png", "..\\..\\gm-evil.png", "/etc/gm-evil.png", "%2e%2e%2fevil.png",
     "gm-evil\0.png", "a" * 5000 + ".png", ".", "..", "con", "\u202egnp.exe"],
    ids=ascii,
)  # fmt: skip
def test_an_upload_stays_where_uploads_are(app: App, name: str):
    answer = httpx.post(
        f"{app.url}gradio_api/upload", files={"files": (name, b"GIF89a", "image/gif")}
    )
    assert answer.status_code < 500
    if answer.status_code == 200:
        for path in answer.json():
            kept = Path(path)
            assert kept.resolve().is_relative_to(Path(app.demo.app.uploaded_file_dir).resolve())
            assert kept.read_bytes() == b"GIF89a"
            kept.unlink()
