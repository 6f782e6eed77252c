"""The large seeded counts: what `make test` does in little, many times over."""
