"""Runs a model through the compiled kernels: the host side of `kernels.c`.

The library is tested at load against stored answers; without one, `open_backend` falls back to
the plain NumPy arithmetic, which gives the same bits, slowly.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import weakref
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, selftest, sources, tables
from oyez.engines.exact.backend import (
    Backend,
    Cache,
    Lanes,
    Reference,
    Residuals,
    Roots,
    Siblings,
)
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.kernel_cache import KernelCache
from oyez.engines.exact.library import (
    PATHS,
    PORTABLE,
    LayerLayout,
    Library,
    MatrixLayout,
    ModelLayout,
    NormLayout,
    PlaceLayout,
)
from oyez.engines.exact.packed_layout import Tiles
from oyez.engines.exact.weights import Model, Norm
from oyez.protocol import trace
from oyez.protocol.constants import RECORD_HEIGHT, SLOT_BITS
from oyez.protocol.errors import Fatal, Invalid

LOG = logging.getLogger(__name__)

BLOCK = 128
#: Columns that the kernels multiply at once; rows are padded with zeros to a multiple.
GROUP = 32


class Kernels:
    """A backend that runs in C; one call at a time, without the interpreter's lock.

    Rule: ENGINE-30
    """

    def __init__(
        self,
        library: Library,
        model: Model,
        path: int | None = None,
        threads: int = 1,
        sha: int | None = None,
        tiles: Tiles | None = None,
    ) -> None:
        """Repack a model for the kernels, or take its `tiles` as `self.tiles` was before.

        `path` forces one; models whose sums need int64 always take the portable one. `threads`
        are asked for; the attribute says how many the system gave. `sha` forces a kind of
        SHA-256 among `Library.sha_kinds`.

        Raises:
            Fatal: no memory for the working space.
        """
        self.model = model
        self._library = library.functions
        self._lock = threading.Lock()
        self._kept: list[object] = []
        #: The rows as the kernels want them, by matrix; the same for every path.
        self.tiles: dict[str, NDArray[np.uint8]] = dict(tiles or {})
        self.path = library.fastest_path if path is None else path
        self._sha = library.sha_kinds[-1] if sha is None else sha
        if model.bound >= blocks.FLOAT_BOUND:
            self.path = PORTABLE
        self._structure = self._build_structure()
        scratch = self._library.oyez_scratch_new(ctypes.byref(self._structure), threads)
        if not scratch:
            raise Fatal("no memory for the engine's working space")
        self._scratch = ctypes.c_void_p(scratch)
        self.threads = int(self._library.oyez_threads(self._scratch))
        # not at exit: a thread may still be inside the kernels then, and the system frees anyway
        weakref.finalize(self, self._library.oyez_scratch_free, self._scratch).atexit = False

    def new_cache(self) -> KernelCache:
        """Return an empty session cache."""
        return KernelCache(self.model)

    @property
    def kernel(self) -> str:
        """Name of the path that runs."""
        return PATHS[self.path]

    def run(self, cache: Cache, tokens: Sequence[int]) -> tuple[Residuals, Lanes]:
        """Append tokens to a cache; see `Backend.run`."""
        return self.run_together([(cache, tokens)])

    def run_together(self, parts: Sequence[tuple[Cache, Sequence[int]]]) -> tuple[Residuals, Lanes]:
        """Append tokens to several caches in blocks of 128; see `Backend.run_together`."""
        if len({id(cache) for cache, _ in parts}) != len(parts):
            raise ValueError("a cache is named twice")
        model = self.model
        ids = np.concatenate([np.asarray(tokens, np.int32) for _, tokens in parts])
        count, kv_width = len(ids), 2 * model.kv_heads * model.head_size
        residuals = np.empty((count, len(model.layers), model.width), np.int32)
        lanes = np.empty((count, len(model.layers), kv_width), np.int16)
        places = (PlaceLayout * count)(*(place for part in parts for place in _place_tokens(*part)))
        with self._lock:
            for begin in range(0, count, BLOCK):
                self._library.oyez_run(
                    ctypes.byref(self._structure),
                    self._scratch,
                    ids[begin:].ctypes.data,
                    min(BLOCK, count - begin),
                    ctypes.byref(places, begin * ctypes.sizeof(PlaceLayout)),
                    residuals[begin:].ctypes.data,
                    lanes[begin:].ctypes.data,
                )
        for cache, tokens in parts:
            assert isinstance(cache, KernelCache)
            cache.count += len(tokens)
        return residuals, lanes

    def logits(self, x: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return all logits; see `Backend.logits`."""
        rows = np.ascontiguousarray(np.atleast_2d(x), np.int32)
        out = np.empty((len(rows), _round_up(self.model.vocabulary)), np.int32)
        with self._lock:
            for begin in range(0, len(rows), BLOCK):
                self._library.oyez_logits(
                    ctypes.byref(self._structure),
                    self._scratch,
                    rows[begin:].ctypes.data,
                    min(BLOCK, len(rows) - begin),
                    out[begin:].ctypes.data,
                )
        logits = out[:, : self.model.vocabulary]
        return logits if x.ndim == 2 else logits[0]

    def logits_of(self, x: NDArray[np.int32], tokens: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return some logits; see `Backend.logits_of`."""
        out = np.empty(len(tokens), np.int32)
        with self._lock:
            self._library.oyez_logits_of(
                ctypes.byref(self._structure),
                self._scratch,
                x.ctypes.data,
                tokens.ctypes.data,
                len(tokens),
                out.ctypes.data,
            )
        return out

    def compute_roots(self, residuals: Residuals, lanes: Lanes) -> Roots:
        """Return record roots; see `Backend.compute_roots`."""
        count, layers, width = residuals.shape
        residuals, lanes = np.ascontiguousarray(residuals), np.ascontiguousarray(lanes)
        roots = np.empty((count, layers, 32), np.uint8)
        with self._lock:
            self._library.oyez_record_roots(
                self._scratch,
                self._sha,
                count * layers,
                width,
                lanes.shape[2],
                residuals.ctypes.data,
                lanes.ctypes.data,
                b"".join(trace.pad_tree().empty[:RECORD_HEIGHT]),
                roots.ctypes.data,
            )
        return roots

    def compute_siblings(self, roots: Roots) -> Siblings:
        """Return siblings; see `Backend.compute_siblings`."""
        count, layers, _ = roots.shape
        roots = np.ascontiguousarray(roots)
        siblings = np.empty((count, SLOT_BITS, 32), np.uint8)
        with self._lock:
            self._library.oyez_position_siblings(
                self._scratch,
                self._sha,
                count,
                layers,
                roots.ctypes.data,
                b"".join(trace.record_tree().empty[:SLOT_BITS]),
                siblings.ctypes.data,
            )
        return siblings

    def _build_structure(self) -> ModelLayout:
        """Return the kernels' view of the model; what it points to is kept alive by self."""
        model = self.model
        layers = (LayerLayout * len(model.layers))(
            *(
                LayerLayout(
                    *(self._matrix(matrix) for matrix in layer.matrices),
                    self._norm(layer.attn_norm),
                    self._norm(layer.ffn_norm),
                    layer.q_format,
                    layer.k_format,
                    layer.v_format,
                )
                for layer in model.layers
            )
        )
        self._kept.append(layers)
        head = self._matrix(model.head)
        return ModelLayout(
            layers=len(model.layers),
            width=model.width,
            feed_forward=model.feed_forward,
            heads=model.heads,
            kv_heads=model.kv_heads,
            head_size=model.head_size,
            context=model.context,
            path=self.path,
            epsilon=model.epsilon,
            score_scale=model.score_scale,
            exponential=(ctypes.c_int64 * 4)(*tables.EXP_COEFFICIENTS),
            cosines=self._address(model.cosines),
            sines=self._address(model.sines),
            layer=ctypes.addressof(layers),
            output_norm=self._norm(model.output_norm),
            # The embedding is read by rows from the file, so its tiles are not needed.
            embedding=self._view(model.embedding, None),
            head=head,
        )

    def _matrix(self, matrix: Matrix) -> MatrixLayout:
        """Repack a matrix in tiles, beginning at a multiple of 64."""
        size = self._library.oyez_packed_bytes(matrix.type, matrix.rows, matrix.columns)
        tiles = self.tiles.get(matrix.name)
        if tiles is None:
            room = np.empty(size + 64, np.uint8)
            tiles = self.tiles[matrix.name] = room[-room.ctypes.data % 64 :][:size]
            data = self._address(matrix.data)
            self._library.oyez_pack(
                matrix.type, matrix.rows, matrix.columns, data, tiles.ctypes.data
            )
        if tiles.nbytes != size or tiles.ctypes.data % 64:
            raise Fatal(f"the tiles of {matrix.name} are of another size or place")
        return self._view(matrix, self._address(tiles))

    def _view(self, matrix: Matrix, tiles: int | None) -> MatrixLayout:
        row_bytes = matrix.data.shape[1]
        data = self._address(matrix.data)
        columns = _round_up(matrix.columns)
        return MatrixLayout(matrix.rows, columns, matrix.type, 0, tiles, data, row_bytes)

    def _norm(self, norm: Norm) -> NormLayout:
        return NormLayout(self._address(norm.weights), norm.exponent)

    def _address(self, array: NDArray[np.generic]) -> int:
        """Return an array's address and keep it alive."""
        if not array.flags.c_contiguous:
            raise Fatal("a model array is not contiguous")
        self._kept.append(array)
        return array.ctypes.data


def _place_tokens(cache: Cache, tokens: Sequence[int]) -> Iterator[PlaceLayout]:
    """Make room in a cache and yield the places of new tokens; they hold until it grows again."""
    assert isinstance(cache, KernelCache)
    cache.reserve(cache.count + len(tokens))
    keys, values = cache.keys.ctypes.data, cache.values.ctypes.data
    for index in range(len(tokens)):
        yield PlaceLayout(keys, values, cache.capacity, cache.count + index)


def _round_up(count: int) -> int:
    """Return the next multiple of the kernels' group."""
    return -(-count // GROUP) * GROUP


def open_backend(model: Model, threads: int = 1) -> Backend:
    """Return the fastest backend that passes its self-test, or the plain one with a warning.

    Rule: ENGINE-20

    Raises:
        Fatal: a built library gives other answers than the stored ones.
    """
    library = open_library()
    return Reference(model) if library is None else Kernels(library, model, threads=threads)


def open_library() -> Library | None:
    """Return the built library, tested on its fastest path; None with a warning if there is none.

    Raises:
        Fatal: it gives other answers than the stored ones.
    """
    path = sources.get_library_path()
    if not path.exists():
        LOG.warning(
            "engine=plain slow=true fix='python -m oyez.engines.exact.build' (no compiled kernels)"
        )
        return None
    library = Library(path)
    selftest.verify(library, {library.fastest_path, PORTABLE})
    return library


def open_kernel(model: Model, name: str, threads: int = 1) -> Backend:
    """Return the backend of one kernel: "spec", or a path of the library.

    Rule: ENGINE-27

    A model whose sums need int64 takes the portable path whatever is named; `Backend.kernel`
    says what runs.

    Raises:
        Invalid: this machine or this library has no such kernel.
        Fatal: it gives other answers than the stored ones.
    """
    if name == Reference.kernel:
        return Reference(model)
    path = sources.get_library_path()
    library = Library(path) if path.exists() else None
    usable = tuple(PATHS[path] for path in library.paths) if library else ()
    if library is None or name not in usable:
        raise Invalid(
            "ENGINE-27",
            f"there is no kernel {name} here, only {', '.join((Reference.kernel, *usable))}: name "
            "one of these, or run python -m oyez.engines.exact.build",
        )
    number = PATHS.index(name)
    selftest.verify(library, {number, PORTABLE})
    return Kernels(library, model, number, threads)
