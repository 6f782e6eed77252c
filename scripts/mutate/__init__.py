"""Mutation of the contracts: small changes to their text, and the tests that must notice each."""
