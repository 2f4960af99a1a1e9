"""The CUDA backend: CuPy, its own cuBLAS handle and hand-written kernels. The only folder that imports cupy.

Device memory comes from CuPy's pool; work goes to CuPy's current stream, uploads to a stream of their own.
"""

from gpurnn.backend.cuda.backend import CudaBackend
from gpurnn.backend.cuda.device import device_count, why_unusable

__all__ = ["CudaBackend", "device_count", "why_unusable"]
