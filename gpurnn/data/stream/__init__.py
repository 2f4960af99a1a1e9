"""The stream of windows: how tokens are laid out in lanes and steps, and handed over one window after the other."""

from gpurnn.data.stream.captionlanes import CaptionLanes
from gpurnn.data.stream.pairs import CaptionStream, PairStream
from gpurnn.data.stream.pieces import whole_geometry
from gpurnn.data.stream.stream import WindowStream
from gpurnn.data.stream.strings import StringStream
from gpurnn.data.stream.wholestream import WholeStream
from gpurnn.data.stream.windows import Cursor, Geometry, Window

__all__ = [
    "CaptionLanes",
    "CaptionStream",
    "Cursor",
    "Geometry",
    "PairStream",
    "StringStream",
    "WholeStream",
    "Window",
    "WindowStream",
    "whole_geometry",
]
