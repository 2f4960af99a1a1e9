"""What is learnt: parameters, cells, layers and the model; every forward pass with its backward pass beside it."""

from gpurnn.network.batch import Batch
from gpurnn.network.by_lag import ByLag, by_lag
from gpurnn.network.config import ModelConfig
from gpurnn.network.model import Model
from gpurnn.network.state import State
from gpurnn.network.through_time import Step, activations, error_norms, through_time
from gpurnn.network.workspace import Workspace

__all__ = [
    "Batch",
    "ByLag",
    "Model",
    "ModelConfig",
    "State",
    "Step",
    "Workspace",
    "activations",
    "by_lag",
    "error_norms",
    "through_time",
]
