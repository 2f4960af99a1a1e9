"""Embedding input: x(t) is a row of a learnt table, and x U a product like any other."""

from __future__ import annotations

from gpurnn.backend import Array, Backend, RowGradient, RowPlan


def embedding_forward(be: Backend, tokens: Array, table: Array, x: Array) -> None:
    """x: (N, E), overwritten. tokens: (N,); table: (K, E)."""
    be.gather_rows(table, tokens, x)


def embedding_backward(gradient: RowGradient, dx: Array, tokens: Array, plan: RowPlan, dtable: Array) -> None:
    """dtable: (K, E), overwritten. dx: (N, E); gradient: made by `Backend.row_gradient`."""
    gradient(dx, tokens, plan, dtable)
