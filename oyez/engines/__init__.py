"""Engines: what runs a model behind the seam of `base`."""
