"""Tables of measured series, with labels or tags or without, as rows in order."""
