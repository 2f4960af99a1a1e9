"""The check of `scripts/gpu_check`: the CuPy suite, then what training windows take on a GPU, beside PyTorch."""
