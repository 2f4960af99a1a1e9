"""What each step sees of its source: a new attention is one file and one line here, or an entry that a program adds."""

from gpurnn.network.attentions.additive import Additive
from gpurnn.network.attentions.base import Attention, AttentionPass
from gpurnn.network.attentions.dot import Dot
from gpurnn.network.tables import ATTENTIONS

ATTENTIONS |= {"dot": Dot, "additive": Additive}

__all__ = ["ATTENTIONS", "Attention", "AttentionPass"]
