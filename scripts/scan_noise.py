"""Look at the noise of all 2^32 draws: how far it is from the true one, and that it never falls.

`python -m scripts.scan_noise [--from DRAW --to DRAW]`: about ten minutes on one core. The suite
shows the same by parts (tests/unit/engine/test_noise.py); docs/decisions/0012 has what this found.
"""

from __future__ import annotations

import argparse
import json
import sys

import numpy as np

from oyez.engines.exact.noise import compute_gumbel

CHUNK = 1 << 18
DRAWS = 1 << 32


def main() -> int:
    """Print one JSON object; 1 if the noise falls anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="start", type=int, default=0)
    parser.add_argument("--to", dest="end", type=int, default=DRAWS)
    arguments = parser.parse_args()
    worst, worst_at, falls, total = 0.0, 0, 0, 0.0
    before: int | None = None
    for start in range(arguments.start, arguments.end, CHUNK):
        draws = np.arange(start, min(start + CHUNK, arguments.end), dtype=np.int64)
        found = compute_gumbel(draws)
        falls += int((np.diff(found) < 0).sum())
        falls += before is not None and bool(found[0] < before)
        before = int(found[-1])
        rest = ((DRAWS - 1 - draws) + 0.5) / DRAWS
        # from the end where float64 loses nothing
        log = np.log1p(-rest) if start >= DRAWS // 2 else np.log((draws + 0.5) / DRAWS)
        errors = found / 65_536 + np.log(-log)
        total += float(errors.sum())
        at = int(np.abs(errors).argmax())
        if abs(errors[at]) > worst:
            worst, worst_at = float(abs(errors[at])), int(draws[at])
    count = arguments.end - arguments.start
    print(
        json.dumps(
            {
                "draws": count,
                "falls": falls,
                "largest_error": worst,
                "in_units": worst * 65_536,
                "at": worst_at,
                "mean_error": total / count,
            }
        )
    )
    return 1 if falls else 0


if __name__ == "__main__":
    sys.exit(main())
