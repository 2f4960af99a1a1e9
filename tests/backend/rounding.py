"""What bfloat16 is, said once more, and how far sums of products of such numbers may be from the exact ones."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

UNIT = 2.0**-24  # half of the last place of a float32 in 1 to 2
LEAST = 2.0**-126  # of the float32 that are not subnormal
BITS, LEAST_EXPONENT = 8, -126  # of bfloat16
BEYOND = Fraction(2) ** 128


def nearest_bf16(x: float) -> float:
    """The bfloat16 nearest to x, of two the even one, by fractions; NaN for NaN."""
    if not math.isfinite(x):
        return x
    exponent = max(math.frexp(x)[1] - 1, LEAST_EXPONENT)
    place = Fraction(2) ** (exponent - (BITS - 1))
    found = round(Fraction(x) / place) * place
    return math.copysign(math.inf if abs(found) >= BEYOND else float(found), x)


def rounded_product(a: np.ndarray, b: np.ndarray, before: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The product of a and b, float32, with each factor rounded to bfloat16, added to `before` where that is given; and
    how far from it any sum in float32 may be.

    a: (M, K), b: (K, N); before: (M, N). Both results: float64 (M, N), the first exact but for float64's own rounding.
    n terms summed in any order, in pairs too, are within n u / (1 - n u) of the sum of their magnitudes. Hardware may
    take subnormal numbers for 0, factors and sums.
    """
    a, b = (np.vectorize(nearest_bf16, otypes=[float])(x) for x in (a, b))
    before = np.zeros((len(a), b.shape[1])) if before is None else before.astype(float)
    depth = a.shape[1]
    lost = LEAST * (np.abs(a).sum(1, keepdims=True) + np.abs(b).sum(0) + 2 * depth)
    error = (depth + 1) * UNIT / (1 - (depth + 1) * UNIT)
    return before + a @ b, error * (np.abs(before) + np.abs(a) @ np.abs(b)) + lost
