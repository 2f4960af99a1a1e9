"""The table of cells: a new cell is one file and one line here, or an entry that a program adds."""

from gpurnn.network.cells.base import Cell
from gpurnn.network.cells.gru import GRU
from gpurnn.network.cells.lstm import LSTM
from gpurnn.network.cells.simple import SIMPLE, SIMPLE_RELU

CELLS: dict[str, Cell] = {cell.name: cell for cell in (SIMPLE, SIMPLE_RELU, LSTM, GRU)}
"""Every cell by its name on the command line; read anew for each model."""

__all__ = ["CELLS", "Cell"]
