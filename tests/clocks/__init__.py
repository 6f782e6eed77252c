"""The duel as events in time: model, honest client, hostile schedules, and the contracts beside it.

With the tests, not in `scripts`: the mirror drives the contracts' harness, and `make soak` runs the
same code with larger budgets. `Script` (attacks.py), `Crowd` (genome.py) and `Honest` (honest.py)
play on a `Chain`, be it the model or a `Mirror` of the contracts.
"""
