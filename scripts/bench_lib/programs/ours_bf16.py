"""gpurnn with --precision bf16: the factors of its products rounded, everything else in float32."""

from __future__ import annotations

from bench_lib.cases import Case
from bench_lib.programs import ours
from gpurnn import backend

WAYS = ours.WAYS


def versions() -> str:
    """Libraries and what the matrix products run on, for people."""
    return ours.described(backend.get("cpu", precision="bf16"))


class Program(ours.Program):
    """See `bench_lib.programs.Program`."""

    def __init__(self, case: Case, way: str = "") -> None:
        super().__init__(case, way, backend.get("cpu", precision="bf16"))
