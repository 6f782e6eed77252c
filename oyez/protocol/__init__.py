"""Pure protocol rules: the executable specification.

Nothing in this package does I/O, reads a clock, draws randomness, logs, or keeps global state.
It imports the standard library and Keccak-256 only.
"""
