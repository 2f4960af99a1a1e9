"""The `gpurnn` command: one module a subcommand; commands parse, call the library, print."""

from gpurnn.cli.main import main

__all__ = ["main"]
