"""NumPy: one large product, on the kernel that its BLAS chooses for the processor. It trains nothing."""

from __future__ import annotations

from functools import partial

import numpy as np
from threadpoolctl import threadpool_info

from bench_lib.products import Multiply

WAYS = ()


def versions() -> str:
    """The library, and the BLAS and the kernel that its products run on, for people."""
    libraries = [lib for lib in threadpool_info() if lib["user_api"] == "blas"]
    blas = [f"{lib['internal_api']} {lib['version']}, kernel {lib.get('architecture', '?')}" for lib in libraries]
    return "; ".join([f"numpy {np.__version__}", *blas])


def product(a: np.ndarray, b: np.ndarray) -> Multiply:
    """See `bench_lib.products.square_product`."""
    return partial(np.matmul, a, b, out=np.empty_like(a))
