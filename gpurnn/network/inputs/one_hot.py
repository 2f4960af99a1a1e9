"""One-hot input: x U is a gather of rows of U; no one-hot row is ever formed for it."""

from __future__ import annotations

from gpurnn.backend import Array, Backend, RowGradient, RowPlan


def one_hot_forward(be: Backend, tokens: Array, U: Array, xU: Array) -> None:
    """xU: (N, GH), overwritten. tokens: (N,); U: (K, GH)."""
    be.gather_rows(U, tokens, xU)


def one_hot_backward(gradient: RowGradient, da: Array, tokens: Array, plan: RowPlan, dU: Array) -> None:
    """dU: (K, GH), overwritten. da: (N, GH); gradient: made by `Backend.row_gradient`."""
    gradient(da, tokens, plan, dU)
