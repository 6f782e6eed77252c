"""The one seam to L1: client, contracts, events, deployment, keys."""
