"""What feeds the first layer: one-hot rows or an embedding, chosen by the width of the embedding."""

from gpurnn.network.inputs.embedding import embedding_backward, embedding_forward
from gpurnn.network.inputs.one_hot import one_hot_backward, one_hot_forward

__all__ = ["embedding_backward", "embedding_forward", "one_hot_backward", "one_hot_forward"]
