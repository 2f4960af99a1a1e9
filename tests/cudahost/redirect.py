"""Leads the CUDA runtime that is linked into CuPy's extension module to the emulated device.

CuPy links the CUDA runtime statically, so no library can take its place. Its functions are still listed in the symbol
table of the module: the first bytes of each are overwritten, in memory only, with a jump.
"""

from __future__ import annotations

import ctypes
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

PAGE = 4096
READ, WRITE, EXECUTE = 1, 2, 4
NOT_SUPPORTED = 801  # cudaErrorNotSupported

_keep: list[object] = []


def redirect_runtime(folder: Path, device: ctypes.CDLL) -> None:
    """Load CuPy's runtime module from `folder` and redirect its CUDA functions to those of `device`."""
    [path] = folder.glob("runtime.*.so")
    module = ctypes.CDLL(str(path))
    _keep.append(module)
    base = ctypes.c_uint64.from_address(module._handle).value  # glibc's link_map begins with the load address
    redirected = 0
    for name, offset, size in _cuda_functions(path):
        code = _jump(name, device)
        if len(code) > size:
            code = b"\xb8" + struct.pack("<I", NOT_SUPPORTED) + b"\xc3"  # mov eax, NOT_SUPPORTED; ret
        if len(code) <= size:
            _overwrite(base + offset, code)
            redirected += 1
    if redirected < 50:
        raise RuntimeError("this build of CuPy has no symbol table: its CUDA runtime cannot be redirected")


def _cuda_functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of each CUDA runtime function in the file."""
    listing = subprocess.run(["nm", "-S", "--defined-only", path], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        found = re.fullmatch(r"(\w+) (\w+) [tT] (cuda[A-Z]\w*)", line)
        if found:
            yield found[3], int(found[1], 16), int(found[2], 16)


def _jump(name: str, device: ctypes.CDLL) -> bytes:
    """Machine code that goes on at the device's function of that name, or at one that says it is not emulated."""
    if hasattr(device, name):
        return _to_address(getattr(device, name))
    text = ctypes.create_string_buffer(name.encode())
    _keep.append(text)
    first_argument = b"\x48\xbf" + struct.pack("<Q", ctypes.addressof(text))  # mov rdi, text
    return first_argument + _to_address(device.hk_unimplemented)


def _to_address(function: object) -> bytes:
    target = ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]
    return b"\x48\xb8" + struct.pack("<Q", target) + b"\xff\xe0"  # mov rax, target; jmp rax


def _overwrite(address: int, code: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    begin = address // PAGE * PAGE
    end = -(-(address + len(code)) // PAGE) * PAGE
    if libc.mprotect(begin, end - begin, READ | WRITE | EXECUTE):
        raise RuntimeError("the system forbids changing loaded code: the CUDA runtime cannot be redirected")
    ctypes.memmove(address, code, len(code))
    libc.mprotect(begin, end - begin, READ | EXECUTE)
