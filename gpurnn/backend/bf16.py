"""bfloat16 among float32: numbers with 8 significant bits."""

from __future__ import annotations

import numpy as np

from gpurnn.backend import array_namespace
from gpurnn.backend.base import Array

_NAN = np.uint32(0x7FC00000)


def rounded(x: Array) -> Array:
    """`x` rounded to bfloat16: to the nearest number of 8 significant bits, the even one of two that are as near.

    x: float32, of any shape. Returns a new float32 array. Infinities and signs of 0 stay; NaN becomes the quiet NaN;
    what is nearer to 2**128 than to the largest bfloat16, or as near, becomes infinite. Subnormal numbers are kept, to
    multiples of 2**-133.
    """
    xp = array_namespace(x)
    bits = xp.where(xp.isnan(x), _NAN, x.view(np.uint32))
    nearest: Array = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return nearest.view(np.float32)
