"""The honest client of forks: what stands on the chain, what to do about it, and doing it.

Pure where it decides (`tree`, `view`, `moves`, `rules`); `responder` alone sends.
"""
