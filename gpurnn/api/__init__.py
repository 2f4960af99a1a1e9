"""The front door: the functions that `import gpurnn` offers, each in the module that it is loaded from when it is used.

A keyword is an option of the command of the same name, with its meaning and its default; the docstrings here are also
what `gpurnn COMMAND --help` says of it.
"""
