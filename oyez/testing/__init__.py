"""In-memory twins and scripted parts for tests; never registrable on chain."""
