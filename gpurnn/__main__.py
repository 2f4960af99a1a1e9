"""`python -m gpurnn` is the command `gpurnn`."""

from gpurnn.cli import main

main()
