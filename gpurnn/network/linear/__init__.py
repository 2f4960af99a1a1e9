"""The product with a matrix that layers, starts and heads have in common."""

from gpurnn.network.linear.linear import ADD_BIAS, Linear, add_bias, error_at

__all__ = ["ADD_BIAS", "Linear", "add_bias", "error_at"]
