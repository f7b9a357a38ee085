"""The command: quiet, local, and open within seconds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_command_opens_the_app_on_this_machine_only(tmp_path: Path):
    port = free_port()
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port)],
            cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "GRADIO_TEMP_DIR": str(tmp_path / "temp")},
        )  # fmt: skip
        try:
            page = wait_for(f"http://127.0.0.1:{port}", process)
            assert "Generative models" in page
            if Path("/proc/net/tcp").exists():
                assert listening_addresses(port) == {"0100007F"}  # 127.0.0.1, as the kernel says it
        finally:
            process.terminate()
            process.wait(timeout=20)
    lines = [line for line in log.read_text().splitlines() if line.strip()]
    assert lines[0].endswith(f"http://127.0.0.1:{port}")
    assert "Traceback" not in log.read_text()
    assert len(lines) <= 3


def listening_addresses(port: int) -> set[str]:
    """Local addresses on which a port is open, in the kernel's hexadecimal."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, _, hexadecimal = line.split()[1].partition(":")
            if int(hexadecimal, 16) == port and line.split()[3] == "0A":  # LISTEN
                found.add(address)
    return found


def wait_for(url: str, process: subprocess.Popen[bytes]) -> str:
    """The page, as soon as it is served."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the app ended by itself"
        try:
            return httpx.get(url).text
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the app did not answer within a minute")


def test_importing_the_library_imports_no_user_interface():
    code = "import sys, gm_core, gm_core.training.loop, gm_core.evaluate; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = set(result.stdout.split())
    assert "gm_core.pixelcnn" in modules
    assert not {"gradio", "demo", "diffusers", "sklearn"} & modules
