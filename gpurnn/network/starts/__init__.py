"""The states with which sequences begin: a new start is one file and one line here, or an entry that a program adds."""

from gpurnn.network.starts.base import Start, StartPass
from gpurnn.network.starts.encoder import FromEncoder
from gpurnn.network.starts.learned import Learned
from gpurnn.network.starts.vector import Vector
from gpurnn.network.starts.zero import Zero
from gpurnn.network.tables import STARTS

STARTS |= {"zero": Zero, "learned": Learned, "encoder": FromEncoder, "vector": Vector}

__all__ = ["STARTS", "Start", "StartPass"]
