"""What stands between input and head: a new layer is one file and one line here, or an entry that a program adds."""

from gpurnn.network.layers.both_directions import BothDirections
from gpurnn.network.layers.dropout import Dropout
from gpurnn.network.layers.recurrent import Recurrent
from gpurnn.network.tables import LAYERS

LAYERS |= {"recurrent": Recurrent, "dropout": Dropout, "both_directions": BothDirections}

__all__ = ["LAYERS"]
