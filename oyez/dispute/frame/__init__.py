"""Inner traces of the records around a call's tokens, from what its execution knows."""
