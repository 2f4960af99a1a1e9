"""A real Chromium for pages: with playwright-core where node has it, or else by what it dumps; a skip where it is not.

node looks for playwright-core in NODE_PATH: `npm install --prefix DIR playwright-core`, NODE_PATH=DIR/node_modules.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("browser.js")


@dataclass(frozen=True)
class Seen:
    """What a page did. answer: of the script that was run in it. asked: what it asked a network or the disk for.

    said: messages of the console, and errors. width: of the body and of the window. None: this browser does not say.
    """

    answer: Any
    said: list[str]
    asked: list[str] | None
    width: tuple[int, int] | None


def chromium() -> str:
    """Where it is; skips without."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    return found


def has_playwright() -> bool:
    """Whether there is a driver that goes beyond what Chromium dumps."""
    node = shutil.which("node")
    return (
        node is not None
        and not subprocess.run([node, "-e", "require('playwright-core')"], capture_output=True).returncode
    )


def look(
    page: Path,
    script: str,
    folder: Path,
    *,
    width: int = 1340,
    dark: bool = False,
    printed: bool = False,
    keep: str = "",
) -> Seen:
    """Open a page and run a script in it, whose last expression is the answer. Needs playwright-core; skips without.

    folder: where it may write. printed: as it is on paper. keep: the name of a picture to keep there.
    """
    browser = chromium()
    if not has_playwright():
        pytest.skip("needs node with playwright-core: npm install playwright-core, and its folder in NODE_PATH")
    wanted = {
        "browser": browser,
        "page": page.as_uri(),
        "script": script,
        "width": width,
        "dark": dark,
        "printed": printed,
    }
    wanted["picture"] = str(folder / keep) if keep else ""
    done = subprocess.run(
        ["node", str(DRIVER)], input=json.dumps(wanted), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return Seen(found["answer"], found["said"], found["asked"], (found["body"], found["window"]))


def dumped(page: Path, folder: Path) -> str:
    """The document as it stands when its scripts have run. Fails where the console said anything."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [chromium(), *options, "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"HOME": str(folder)},
    )
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert said == []
    return done.stdout


def printed(value: float | int | str | None) -> str:
    """As a page of a report prints a number."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if float(value).is_integer():
        return f"{int(value):,}"
    if abs(value) < 0.001 or abs(value) >= 1e6:
        mantissa, power = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(power):+d}"
    return f"{float(f'{value:.3g}'):g}" if abs(value) < 1000 else str(int(float(f"{value:.3g}")))
