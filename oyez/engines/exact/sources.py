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
#: What turns a model file into what `packed_files` keeps.
LOADER = (
    "blocks.py",
    "gguf.py",
    "metadata.py",
    "packed_files.py",
    "packed_layout.py",
    "row_formats.py",
    "shape.py",
    "tables.py",
    "tokens.py",
    "traceable.py",
    "weights.py",
    "../../protocol/constants.py",
)
FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=off", "-shared", "-fPIC", "-pthread")


def get_library_path() -> Path:
    """Return where the library of these sources lies, built or not."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((FOLDER / name).read_bytes())
    digest.update(" ".join(FLAGS).encode())
    return FOLDER / "_build" / f"kernels-{digest.hexdigest()[:16]}.so"


def compute_loader_digest() -> str:
    """Return a digest of the code that loads models, as hex: other code may find other numbers."""
    digest = hashlib.sha256()
    for name in LOADER:
        digest.update((FOLDER / name).read_bytes())
    return digest.hexdigest()
