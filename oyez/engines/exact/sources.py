"""Where the compiled kernels lie: one file for each content of their sources."""

from __future__ import annotations

import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SOURCES = (
    "kernels.c",
    "kernels.h",
    "kernels_avx2.h",
    "kernels_avx512.h",
    "kernels_lanes.h",
    "kernels_layer.h",
    "kernels_neon.h",
    "kernels_pool.h",
    "kernels_rows.h",
    "kernels_sha.h",
    "kernels_sha_lanes.h",
)
FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=off", "-shared", "-fPIC", "-pthread")


def get_library_path() -> Path:
    """Return where the library of these sources lies, built or not."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((FOLDER / name).read_bytes())
    digest.update(" ".join(FLAGS).encode())
    return FOLDER / "_build" / f"kernels-{digest.hexdigest()[:16]}.so"
