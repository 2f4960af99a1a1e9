"""What reads the last layer and says how wrong it is: a new head is one file and one line here, or an entry."""

from gpurnn.network.heads.absolute import Absolute
from gpurnn.network.heads.base import Head, HeadPass
from gpurnn.network.heads.ctc import Ctc
from gpurnn.network.heads.huber import Huber
from gpurnn.network.heads.quantile import Quantile
from gpurnn.network.heads.smoothed_softmax import SmoothedSoftmax
from gpurnn.network.heads.softmax_xent import SOFTMAX_XENT, XENT, Softmax
from gpurnn.network.heads.squared import Squared
from gpurnn.network.tables import HEADS

HEADS |= {"softmax": Softmax, "smoothed_softmax": SmoothedSoftmax}
HEADS |= {"ctc": Ctc}
HEADS |= {"absolute": Absolute, "huber": Huber, "quantile": Quantile, "squared": Squared}

__all__ = ["HEADS", "SOFTMAX_XENT", "XENT", "Head", "HeadPass"]
