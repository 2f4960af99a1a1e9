"""How people are told of files and of numbers of things."""

SHOWN_NAMES = 5
"""At most so many names of files are told."""


def counted(number: int, what: str, ending: str = "s") -> str:
    """So many of something. ending: of more than one."""
    return f"{number:,} {what}{'' if number == 1 else ending}"
