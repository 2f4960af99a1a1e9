"""A signal while HDF5 calls the program back: an exception there would end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from signalled import default_signals

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import os, signal, sys
from pathlib import Path
from gpurnn.data.corpus import writer
from gpurnn.data.prepare import prepare

count, at = 0, 0

def interrupting(call):
    def wrapped(*arguments):
        global count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGINT)
        return call(*arguments)
    return wrapped

for name in ("seek", "read", "readinto", "write", "truncate", "flush"):
    setattr(writer._Sink, name, interrupting(getattr(writer._Sink, name)))
while count >= at:
    at, count = at + 1, 0
    try:
        prepare(["x.txt"], "o.h5", force=True)
    except KeyboardInterrupt:
        assert os.listdir() == ["x.txt"], (at, os.listdir())
print(at)
"""


def test_an_interrupt_in_any_call_of_hdf5_is_one_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("The quick brown fox.\n" * 1000)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        preexec_fn=default_signals,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 30  # calls, and one try without an interrupt
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.h5", "x.txt"]
