"""`python -m gpurnn` is the command `gpurnn`."""

from gpurnn.cli import main

if __name__ == "__main__":
    main(prog_name="gpurnn")
