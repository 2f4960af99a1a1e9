"""The processor: its name, and those of its vector and matrix instructions that decide how fast products can be."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CPUINFO = Path("/proc/cpuinfo")
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "neon", "asimd")
_VECTOR_BITS = {"avx2": 256, "avx512f": 512, "neon": 128, "asimd": 128}
_BF16 = {"avx512_bf16", "amx_bf16"}


@dataclass(frozen=True)
class Processor:
    """name: as the system tells it. instructions: those of them that are known here; none where it tells nothing."""

    name: str
    instructions: tuple[str, ...]

    @property
    def vector_bits(self) -> int | None:
        """Of its widest vectors, where that is known."""
        return max((_VECTOR_BITS[each] for each in self.instructions if each in _VECTOR_BITS), default=None)

    @property
    def multiplies_bf16(self) -> bool:
        """Whether it has instructions for products of bf16 factors."""
        return not _BF16.isdisjoint(self.instructions)

    def to_json(self) -> dict[str, Any]:
        """What `--json` writes."""
        return {"name": self.name, "vector_bits": self.vector_bits, "instructions": list(self.instructions)}

    def __str__(self) -> str:
        width = f", vectors of {self.vector_bits} bits" if self.vector_bits else ""
        return f"{self.name}{width}{': ' if self.instructions else ''}{', '.join(self.instructions)}"


def processor() -> Processor:
    """The processor that this runs on."""
    try:
        told = _CPUINFO.read_text()
    except OSError:  # not Linux
        told = ""
    return parse(told, platform.processor() or platform.machine())


def parse(cpuinfo: str, otherwise: str) -> Processor:
    """The first processor of /proc/cpuinfo. otherwise: the name where it has none, as on arm64."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    present = fields.get("flags", fields.get("Features", "")).split()
    return Processor(fields.get("model name", otherwise), tuple(each for each in _INSTRUCTIONS if each in present))
