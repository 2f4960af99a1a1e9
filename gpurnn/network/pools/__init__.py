"""What the head sees of a sequence at each of its steps: a new pool is one file and one line here, or an entry."""

from gpurnn.network.pools.base import Pool
from gpurnn.network.pools.last import Last
from gpurnn.network.pools.max import Max
from gpurnn.network.pools.mean import Mean
from gpurnn.network.tables import POOLS

POOLS |= {"last": Last, "mean": Mean, "max": Max}

__all__ = ["POOLS", "Pool"]
