"""Fresh processes, for what must not depend on what this one has imported or started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import gpurnn

_FOUND_IN = (Path(gpurnn.__file__).parents[1], Path(__file__).parents[1])


def python(code: str) -> str:
    """What a fresh process prints that can import gpurnn and the tests; it must end well."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, _FOUND_IN))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
