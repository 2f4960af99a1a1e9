"""What reads the last layer's output and says how wrong it is."""

from gpurnn.network.heads.loss import WEIGHTED_LOSS
from gpurnn.network.heads.softmax_xent import SOFTMAX_XENT, XENT

__all__ = ["SOFTMAX_XENT", "WEIGHTED_LOSS", "XENT"]
