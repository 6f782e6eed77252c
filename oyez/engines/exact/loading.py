"""Loads the exact engine, once a process: a checked model file, kernels and what was kept of both.

NumPy and all that needs it take most of a start. They are imported here while two files are hashed,
so nothing that this module imports at once may import NumPy.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from oyez.engines.exact import known, locate
from oyez.engines.exact.packed_files import PackedFiles

if TYPE_CHECKING:
    from oyez.engines.exact.backend import Backend
    from oyez.engines.exact.engine import ExactEngine


def load_engine(
    path: Path | None = None,
    *,
    sha256: str | None = known.SMOLLM2_SHA256,
    threads: int = 1,
    prefixes: Path | None = None,
) -> ExactEngine:
    """Load a model file: check its digest, then everything in it, then the kernels.

    Rule: ENGINE-25

    Args:
        path: the GGUF file; None finds it (`OYEZ_MODEL`, then the model's wheel).
        sha256: the digest it must have; None takes any file.
        threads: that share a call's work.
        prefixes: folder that keeps prefixes over the process's end; None keeps none.

    Raises:
        Fatal: no file, another digest, or kernels that give wrong answers.
        Invalid: a file this engine cannot run; the message names the fix.
    """
    path = path or locate.find_model()
    packed = PackedFiles(locate.find_cache() / "models")
    with ThreadPoolExecutor(2) as pool:
        digest = pool.submit(locate.verify_digest, path, sha256)
        opening = None if sha256 is None else pool.submit(packed.open, sha256)
        from oyez.engines.exact import engine as engines
        from oyez.engines.exact import gguf, kernels
        from oyez.engines.exact.backend import Reference
        from oyez.engines.exact.prefix_files import PrefixFiles

        library = kernels.open_library()
        found = digest.result()
        kept = packed.open(found) if opening is None else opening.result()
    file = None
    if kept is not None:
        loaded = packed.read(kept, path)
    else:
        file = gguf.open_gguf(path)
        loaded = engines.load_file(file)
    model = loaded.model
    backend: Backend = Reference(model)
    if library is not None:
        backend = kernels.Kernels(library, model, threads=threads, tiles=loaded.tiles)
        if file is not None:
            packed.save(found, loaded, file, backend.tiles)
    engine = engines.ExactEngine(
        model,
        loaded.tokenizer,
        backend,
        known.MODEL_ROOTS.get((sha256 or "", model.context)),
        vocabulary=loaded.vocabulary,
    )
    if prefixes is not None:
        engine.prefix_cache.files = PrefixFiles(
            prefixes, model, engine.backend, lambda: engine.model_root
        )
    return engine
