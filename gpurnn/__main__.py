"""The command `gpurnn`, also as `python -m gpurnn`."""

from gpurnn.signals import NOTHING_LOST, end_at_once


def main() -> None:
    """Run the command line; signals are taken care of before anything else is imported."""
    end_at_once(NOTHING_LOST)
    from gpurnn.cli import main as command

    command(prog_name="gpurnn")


if __name__ == "__main__":
    main()
