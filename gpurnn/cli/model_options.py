"""What the commands that use a trained model have in common."""

import click

from gpurnn.api.models import load
from gpurnn.cli.options import FILE_NAME, PATH, options_of

_of_load = options_of(load)

run_argument = click.argument("run", type=PATH)
checkpoint_option = _of_load("--checkpoint", type=FILE_NAME, metavar="best|last|FILE", default="best")
device_option = _of_load("--device", default="auto")
