"""What is learnt: parameters, cells, layers and the model; every forward pass with its backward pass beside it."""

from gpurnn.network.config import ModelConfig
from gpurnn.network.model import Model
from gpurnn.network.workspace import Batch, State, Workspace

__all__ = ["Batch", "Model", "ModelConfig", "State", "Workspace"]
