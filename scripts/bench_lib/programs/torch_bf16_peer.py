"""PyTorch in bf16, as its users train in it: forward and loss under autocast, parameters and update in float32.

The module itself in bf16 was at most a fifth faster, and loses small updates, since it rounds the parameters.
"""

from __future__ import annotations

import torch

from bench_lib.cases import Case
from bench_lib.programs import torch_peer

WAYS = torch_peer.WAYS


def versions() -> str:
    """The library, for people."""
    return f"{torch_peer.versions()}, autocast to bf16"


class Program(torch_peer.Program):
    """See `bench_lib.programs.Program`."""

    def __init__(self, case: Case, way: str) -> None:
        super().__init__(case, way, factors=torch.bfloat16)
