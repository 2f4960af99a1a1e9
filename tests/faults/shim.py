"""Building and steering the preloaded library, and running functions under it."""

import ctypes
import hashlib
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("shim.c")

COUNT, KILL, TORN, SHORT = 0, -1, -2, -3


class Unavailable(Exception):
    """This machine cannot run the harness; the text says why."""


def build() -> Path:
    """The compiled library, from the checkout's cache folder where it was built before. Raises Unavailable."""
    if sys.platform != "linux":
        raise Unavailable("fault injection needs Linux")
    compiler = shutil.which("gcc") or shutil.which("cc")
    digest = hashlib.sha256(SOURCE.read_bytes() + platform.machine().encode()).hexdigest()[:16]
    library = ROOT / ".cache" / "faults" / f"shim-{digest}.so"
    if library.exists():
        return library
    if compiler is None:
        raise Unavailable("fault injection needs a C compiler (gcc or cc)")
    library.parent.mkdir(parents=True, exist_ok=True)
    built = library.with_name(f"{library.name}.{os.getpid()}")
    command = [compiler, "-std=gnu11", "-O1", "-Wall", "-shared", "-fPIC", "-o", str(built), str(SOURCE)]
    subprocess.run(command, check=True)
    built.replace(library)
    return library


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder, in memory where possible: the order of calls is under test, not the disk."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


def environment() -> dict[str, str]:
    """In which the harness can be imported, and a process has one thread."""
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OPENBLAS_NUM_THREADS": "1"}


def call(function: str, *, preload: bool = True, prefix: tuple[str, ...] = (), **arguments: Any) -> Any:
    """Call "module:function" with JSON arguments in a new process; its result comes back as JSON.

    preload: put the process under the library. prefix: words before the command, such as ("unshare", "-rm").
    Raises Unavailable where the library cannot be built.
    """
    done = subprocess.run(
        [*prefix, sys.executable, "-c", "from faults.shim import serve; serve()"],
        input=json.dumps([function, arguments]),
        env=environment() | ({"LD_PRELOAD": str(build())} if preload else {}),
        text=True,
        capture_output=True,
    )
    if done.returncode:
        raise RuntimeError(f"{function} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def serve() -> None:
    """The other side of `call`."""
    name, arguments = json.loads(sys.stdin.read())
    print(json.dumps(resolve(name)(**arguments)))


def resolve(name: str) -> Any:
    """The object called "module:name"."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Shim:
    """The library in this process, which `call` started."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        try:
            self._library.faults_counter.restype = ctypes.c_long
            self._library.faults_fired.restype = ctypes.c_long
            self._library.faults_arm.argtypes = [
                ctypes.c_char_p,
                ctypes.c_long,
                ctypes.c_int,
                ctypes.c_int,
                ctypes.c_char_p,
            ]
        except AttributeError:
            raise Unavailable("the library is not preloaded: go through faults.shim.call") from None

    def arm(self, folder: Path, at: int = 0, action: int = COUNT, *, sticky: bool = False, record: str = "") -> None:
        """From now on count calls below `folder`; do `action` at the at-th, and with `sticky` at all later ones."""
        if self._library.faults_arm(os.fsencode(folder), at, action, sticky, os.fsencode(record)):
            raise OSError(f"cannot arm the library for {folder}")

    def disarm(self) -> None:
        """Leave all calls alone."""
        self._library.faults_disarm()

    def mark(self, word: str) -> None:
        """Put a word into the record."""
        self._library.faults_mark(word.encode())

    @property
    def counter(self) -> int:
        """How many calls were counted."""
        return int(self._library.faults_counter())

    @property
    def fired(self) -> int:
        """How many calls were made to fail."""
        return int(self._library.faults_fired())
