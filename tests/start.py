"""How long the app takes to open: `python -m tests.start`, on a quiet machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
TIMES = 3
# The modules, the tabs with what they open with, and the rest until the page can be asked for.
STAGES = """
import time
started = time.perf_counter()
import app
imported = time.perf_counter()
with app.openings.beforehand():
    app.build_demo()
print(imported - started, time.perf_counter() - imported)
"""


def opened(port: int) -> float:
    """Seconds from the command to the page."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}", timeout=60).raise_for_status()
                return time.perf_counter() - started
            except httpx.TransportError:
                assert process.poll() is None, "the app ended by itself"
                time.sleep(0.02)
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    seconds = [opened(7990 + at) for at in range(TIMES)]
    output = subprocess.run(
        [sys.executable, "-c", STAGES], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"},
    ).stdout  # fmt: skip
    imports, tabs = map(float, output.split())
    print(f"python app.py opens in {statistics.median(seconds):.1f} s (median of {TIMES}):")
    print(f"{imports:.1f} s to import, {tabs:.1f} s to build the tabs, then the server.")


if __name__ == "__main__":
    main()
