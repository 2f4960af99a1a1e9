"""Parts from outside the package, as its users would add them: one file each, and one registration."""
