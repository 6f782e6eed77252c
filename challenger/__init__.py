"""The challenger: derives everything from the chain alone, replays, compares."""
