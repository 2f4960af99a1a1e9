"""gpurnn: recurrent networks trained on long text by truncated back-propagation through time.

The rooms, each importing only from those before it: `exceptions`, `signals`, `backend` (the array shim, usable alone),
`network`, `data`, `training`, `generate` and `evaluate`, `cli`. Importing this package loads none of them.
"""

__version__ = "0.1.0"
