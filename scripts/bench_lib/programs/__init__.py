"""The programs that are compared. Each module has `WAYS`, the ways it can do the same work, and `Program`.

A program trains one model from the same parameters on the same windows: loss of each window's mean cross-entropy,
gradients clipped by their global norm, Adam, the state carried from window to window. Nothing but its own library is
imported by it: one that shared a process with another would be slowed by the other's threads.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Protocol

import numpy as np

from bench_lib.cases import Case

PROGRAMS = {
    "gpurnn": "ours",
    "pytorch": "torch_peer",
    "jax": "jax_peer",
    "gpurnn-bf16": "ours_bf16",
    "pytorch-bf16": "torch_bf16_peer",
}
"""The programs by name, gpurnn first, and the module of each."""

PEERS = [name for name in PROGRAMS if name != "gpurnn"]

ROUNDED = ("gpurnn-bf16", "pytorch-bf16")
"""Those that round the factors of their products to bf16: other arithmetic, shown beside the rest."""

PRODUCTS = {"numpy": "numpy_product"} | {name: PROGRAMS[name] for name in ("pytorch", "gpurnn")}
"""Whose large float32 product is measured, and the module of each, which has `product`. "numpy" trains nothing."""


class Program(Protocol):
    """What the worker needs of a program."""

    def __init__(self, case: Case, way: str) -> None: ...

    def window(self) -> None:
        """Train the next window; it may still be running when this returns."""

    def read_loss(self) -> float:
        """The loss of the last window, as training reads it for its log."""

    def finish(self) -> None:
        """Wait until every window is done."""

    def gradients(self) -> dict[str, np.ndarray]:
        """Gradients of the first window, by the names and in the layouts of gpurnn; before any window is trained."""


def load(name: str) -> ModuleType:
    """The module of a program. Raises ImportError where its library is missing."""
    return importlib.import_module(f"bench_lib.programs.{(PROGRAMS | PRODUCTS)[name]}")
