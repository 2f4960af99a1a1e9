"""What is learnt: parameters, cells, layers and the model; every forward pass with its backward pass beside it."""

from gpurnn.network.config import ModelConfig
from gpurnn.network.model import Model
from gpurnn.network.through_time import Step, error_norms, through_time
from gpurnn.network.workspace import Batch, State, Workspace

__all__ = ["Batch", "Model", "ModelConfig", "State", "Step", "Workspace", "error_norms", "through_time"]
