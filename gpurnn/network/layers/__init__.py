"""Layers: a forward and a backward each; they keep nothing between calls but the buffers they are given."""

from gpurnn.network.layers.dropout import dropout_backward, dropout_forward
from gpurnn.network.layers.linear import ADD_BIAS, linear_backward, linear_forward
from gpurnn.network.layers.recurrent import RecurrentBuffers

__all__ = ["ADD_BIAS", "RecurrentBuffers", "dropout_backward", "dropout_forward", "linear_backward", "linear_forward"]
