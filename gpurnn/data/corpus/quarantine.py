"""The child process that looks into an untrusted corpus, so that libhdf5 does so where it can do no harm.

It may open the corpus and nothing else, may write to no file, and has little memory and CPU time. What it finds goes
down its standard output in a form that needs no trust: b"M", the length of the manifest (8 bytes, little-endian), the
manifest, and the bytes of every dataset in the manifest's order; or b"E" and the reason why it is no corpus.
"""

import os
import resource
import stat
import sys
from pathlib import Path

import numpy as np

from gpurnn.data.corpus.validate import open_validated
from gpurnn.exceptions import CorpusError

MEMORY_BYTES = 256 << 20
"""What the child may take beyond what it has once its libraries are loaded."""
CPU_SECONDS = 20
"""What it may compute, and one more for each `BYTES_PER_SECOND` of the file."""
BYTES_PER_SECOND = 16 << 20
_FILES = 2  # one descriptor for plain reads, one that libhdf5 opens
_BLOCK_BYTES = 1 << 20


def main() -> None:
    """Copy the corpus named by the first argument to standard output."""
    path = Path(sys.argv[1])
    try:
        confine(_size(path))
        _copy(path)
    except CorpusError as error:
        os.write(1, b"E" + str(error).encode("utf-8", "replace"))
    except MemoryError:
        os.write(1, b"E" + f"{path}: not a corpus: reading it takes more than {MEMORY_BYTES >> 20} MiB".encode())


def confine(file_bytes: int) -> None:
    """Give up, for the rest of this process, everything that reading a corpus of this size does not need."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS + file_bytes // BYTES_PER_SECOND, grace=5)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    first = os.open(os.devnull, os.O_RDONLY)  # the lowest number that is free: 0, 1 and 2 are taken
    os.close(first)
    _limit(resource.RLIMIT_NOFILE, first + _FILES)


def _limit(kind: int, value: int, grace: int = 0) -> None:
    hard = resource.getrlimit(kind)[1]
    wanted = (value, value + grace)
    resource.setrlimit(kind, wanted if hard == resource.RLIM_INFINITY else (min(value, hard), min(wanted[1], hard)))


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _copy(path: Path) -> None:
    descriptor, manifest, datasets = open_validated(path)
    text = manifest.to_json().encode()
    _write(b"M" + len(text).to_bytes(8, "little") + text)
    for name, (length, dtype) in manifest.datasets().items():
        block = np.empty(_BLOCK_BYTES // dtype.itemsize, dtype)
        for start in range(0, length, len(block)):
            part = block[: min(len(block), length - start)]
            datasets[name].read(start, part)
            _write(part.view(np.uint8).data)
    descriptor.close()


def _write(data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]
