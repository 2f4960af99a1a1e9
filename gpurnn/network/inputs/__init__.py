"""What feeds the first layer: a new input is one file and one line here, or an entry that a program adds."""

from gpurnn.network.inputs.embedding import Embedding
from gpurnn.network.inputs.one_hot import OneHot
from gpurnn.network.inputs.real import Real
from gpurnn.network.tables import INPUTS

INPUTS |= {"one_hot": OneHot, "embedding": Embedding, "real": Real}

__all__ = ["INPUTS"]
