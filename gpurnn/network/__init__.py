"""What is learnt: parameters, cells, layers and the model; every forward pass with its backward pass beside it."""

from gpurnn.network.batch import Batch
from gpurnn.network.config import ModelConfig
from gpurnn.network.model import Model
from gpurnn.network.state import State
from gpurnn.network.through_time import Step, error_norms, through_time
from gpurnn.network.workspace import Workspace

__all__ = ["Batch", "Model", "ModelConfig", "State", "Step", "Workspace", "error_norms", "through_time"]
