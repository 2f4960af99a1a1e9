"""Dropout with masks that depend on the seed, the layer and the window only. Source: Srivastava et al. 2014.

Each kept element is divided by 1 - p in training, so that evaluation needs no change.
"""

from __future__ import annotations

from gpurnn.backend import Array, Backend


def dropout_forward(be: Backend, x: Array, mask: Array, y: Array) -> None:
    """y: overwritten with x * mask. All of one shape."""
    be.xp.multiply(x, mask, out=y)


def dropout_backward(be: Backend, dy: Array, mask: Array) -> None:
    """dy: overwritten with dx = dy * mask."""
    be.xp.multiply(dy, mask, out=dy)
