"""One program in a process of its own, see `bench_lib.worker`.

Started by `gpu_check_lib.programs`, as `python -m gpu_check_lib.worker PROGRAM [--emulated]`.
"""

from __future__ import annotations

import sys
from typing import Any

from bench_lib.worker import serve

from gpu_check_lib.lifetime import end_with_parent


def make() -> Any:
    """The program that the arguments name. Raises ImportError where its library is missing."""
    name, emulated = sys.argv[1], "--emulated" in sys.argv[2:]
    if name == "pytorch":
        from gpu_check_lib.torch_worker import TorchWorker

        return TorchWorker()
    if emulated:
        import cudahost

        try:
            cudahost.activate()
        except RuntimeError as error:
            raise ImportError(str(error)) from None
    from gpu_check_lib.gpurnn_worker import GpurnnWorker

    return GpurnnWorker(emulated)


if __name__ == "__main__":
    end_with_parent()
    serve(make)
