"""What the head sees of a sequence at each of its steps: a new pool is one file and one line here, or an entry."""

from gpurnn.network.pools.last import Last
from gpurnn.network.tables import POOLS

POOLS |= {"last": Last}

__all__ = ["POOLS"]
