"""The stream of windows: how tokens are laid out in lanes and steps, and handed over one window after the other."""

from gpurnn.data.stream.stream import WindowStream
from gpurnn.data.stream.windows import Cursor, Geometry, Window

__all__ = ["Cursor", "Geometry", "Window", "WindowStream"]
