"""Files as the program may treat them: where outputs go, how they are replaced, what errors of the disk say."""
