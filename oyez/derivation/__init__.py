"""Derivation: everything the rollup is, rebuilt from the chain alone.

history.py    entries and batches out of the logs, checked against the hashes the Inbox keeps
manifests.py  manifests out of contract code, and the engine checked against the ModelRegistry
replay.py     re-execution: a batch, all batches, or the calls of one cell
follow.py     reading on as the chain grows, and noticing when it changes its mind
"""
