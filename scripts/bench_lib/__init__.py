"""The benchmark of `scripts/bench`: whole training windows of gpurnn, PyTorch and JAX on the same work."""
