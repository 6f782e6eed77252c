"""Runs a model through the compiled kernels: the host side of `kernels.c`.

The library is tested at load against stored answers; without one, `open_backend` falls back to
the plain NumPy arithmetic, which gives the same bits, slowly.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import blocks, sources, tables
from oyez.engines.exact.backend import Backend, Cache, Lanes, Reference, Residuals
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.weights import Model, Norm
from oyez.protocol.errors import Fatal

LOG = logging.getLogger(__name__)

PORTABLE = 0
BLOCK = 128
#: Columns that the kernels multiply at once; rows are padded with zeros to a multiple.
GROUP = 32
#: Positions a cache grows by; the kernels want a multiple of 16.
GROWTH = 128


class _Matrix(ctypes.Structure):
    _fields_ = [
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("kind", ctypes.c_int32),
        ("unused", ctypes.c_int32),
        ("tiles", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("row_bytes", ctypes.c_int64),
    ]


class _Norm(ctypes.Structure):
    _fields_ = [("weights", ctypes.c_void_p), ("exponent", ctypes.c_int64)]


class _Layer(ctypes.Structure):
    _fields_ = [
        *((name, _Matrix) for name in ("q", "k", "v", "output", "gate", "up", "down")),
        ("attn_norm", _Norm),
        ("ffn_norm", _Norm),
        ("q_format", ctypes.c_int32),
        ("k_format", ctypes.c_int32),
        ("v_format", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    ]


class _Place(ctypes.Structure):
    _fields_ = [
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("capacity", ctypes.c_int64),
        ("position", ctypes.c_int64),
    ]


class _Model(ctypes.Structure):
    _fields_ = [
        ("layers", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("feed_forward", ctypes.c_int32),
        ("heads", ctypes.c_int32),
        ("kv_heads", ctypes.c_int32),
        ("head_size", ctypes.c_int32),
        ("context", ctypes.c_int32),
        ("path", ctypes.c_int32),
        ("epsilon", ctypes.c_int64),
        ("score_scale", ctypes.c_int64),
        ("exponential", ctypes.c_int64 * 4),
        ("cosines", ctypes.c_void_p),
        ("sines", ctypes.c_void_p),
        ("layer", ctypes.c_void_p),
        ("output_norm", _Norm),
        ("embedding", _Matrix),
        ("head", _Matrix),
    ]


class Library:
    """The loaded shared object with its functions' types."""

    def __init__(self, path: Path) -> None:
        """Load a built library and check that both sides lay structures out alike."""
        self.functions = ctypes.CDLL(str(path))
        pointer, int32, int64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
        for name, result, arguments in (
            ("oyez_fastest_path", int32, []),
            ("oyez_model_bytes", int64, []),
            ("oyez_layer_bytes", int64, []),
            ("oyez_packed_bytes", int64, [int32, int64, int64]),
            ("oyez_pack", None, [int32, int64, int64, pointer, pointer]),
            ("oyez_scratch_new", pointer, [pointer]),
            ("oyez_scratch_free", None, [pointer]),
            ("oyez_run", None, [pointer] * 3 + [int32] + [pointer] * 3),
            ("oyez_logits", None, [pointer] * 3 + [int32, pointer]),
            ("oyez_logits_of", None, [pointer] * 4 + [int32, pointer]),
        ):
            function = getattr(self.functions, name)
            function.restype, function.argtypes = result, arguments
        sizes = self.functions.oyez_model_bytes(), self.functions.oyez_layer_bytes()
        if sizes != (ctypes.sizeof(_Model), ctypes.sizeof(_Layer)):
            raise Fatal(f"the library {path} lays structures out differently: build it anew")

    @property
    def fastest_path(self) -> int:
        """0 portable, 1 AVX2, 2 AVX-512 VNNI: what this machine can run."""
        return int(self.functions.oyez_fastest_path())


class KernelCache:
    """Keys and values of one session, in the kernels' layout; grows as it fills."""

    def __init__(self, model: Model) -> None:
        """Start empty."""
        self.heads = len(model.layers) * model.kv_heads
        self.head_size = model.head_size
        self.count = 0
        self.capacity = 0
        self.keys: NDArray[np.int16] = np.zeros((self.heads, 0), np.int16)
        self.values: NDArray[np.int16] = np.zeros((self.heads, 0), np.int16)

    def reserve(self, count: int) -> None:
        """Make room for `count` positions in all."""
        if count > self.capacity:
            capacity = -(-count // GROWTH) * GROWTH
            self.keys, self.values = (
                self._grow(part, capacity) for part in (self.keys, self.values)
            )
            self.capacity = capacity

    def fork(self) -> KernelCache:
        """Return an independent copy."""
        copy = object.__new__(KernelCache)
        copy.heads, copy.head_size = self.heads, self.head_size
        copy.count, copy.capacity = self.count, self.capacity
        copy.keys, copy.values = self.keys.copy(), self.values.copy()
        return copy

    def _grow(self, part: NDArray[np.int16], capacity: int) -> NDArray[np.int16]:
        # A head's positions are contiguous, so a larger capacity keeps them as a prefix.
        grown = np.zeros((self.heads, capacity * self.head_size), np.int16)
        grown[:, : part.shape[1]] = part
        return grown


class Kernels:
    """A backend that runs in C; one call at a time, without the interpreter's lock."""

    def __init__(self, library: Library, model: Model, path: int | None = None) -> None:
        """Repack a model for the kernels.

        `path` forces one; models whose sums need int64 always take the portable one.

        Raises:
            Fatal: no memory for the working space.
        """
        self.model = model
        self._library = library.functions
        self._lock = threading.Lock()
        self._kept: list[object] = []
        self.path = library.fastest_path if path is None else path
        if model.bound >= blocks.FLOAT_BOUND:
            self.path = PORTABLE
        self._structure = self._build_structure()
        scratch = self._library.oyez_scratch_new(ctypes.byref(self._structure))
        if not scratch:
            raise Fatal("no memory for the engine's working space")
        self._scratch = ctypes.c_void_p(scratch)
        # not at exit: a thread may still be inside the kernels then, and the system frees anyway
        weakref.finalize(self, self._library.oyez_scratch_free, self._scratch).atexit = False

    def new_cache(self) -> KernelCache:
        """Return an empty session cache."""
        return KernelCache(self.model)

    def run(self, cache: Cache, tokens: Sequence[int]) -> tuple[Residuals, Lanes]:
        """Append tokens to a cache; see `Backend.run`."""
        assert isinstance(cache, KernelCache)
        model, count = self.model, len(tokens)
        ids = np.ascontiguousarray(tokens, np.int32)
        residuals = np.empty((count, len(model.layers), model.width), np.int32)
        lanes = np.empty((count, len(model.layers), 2 * model.kv_heads * model.head_size), np.int16)
        cache.reserve(cache.count + count)
        with self._lock:
            for begin in range(0, count, BLOCK):
                part = ids[begin : begin + BLOCK]
                keys, values = cache.keys.ctypes.data, cache.values.ctypes.data
                places = (_Place * len(part))(
                    *(
                        _Place(keys, values, cache.capacity, cache.count + i)
                        for i in range(len(part))
                    )
                )
                self._library.oyez_run(
                    ctypes.byref(self._structure),
                    self._scratch,
                    part.ctypes.data,
                    len(part),
                    places,
                    residuals[begin:].ctypes.data,
                    lanes[begin:].ctypes.data,
                )
                cache.count += len(part)
        return residuals, lanes

    def logits(self, x: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return all logits; see `Backend.logits`."""
        out = np.empty(_round_up(self.model.vocabulary), np.int32)
        with self._lock:
            self._library.oyez_logits(
                ctypes.byref(self._structure), self._scratch, x.ctypes.data, 1, out.ctypes.data
            )
        return out[: self.model.vocabulary]

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

    def _build_structure(self) -> _Model:
        """Return the kernels' view of the model; what it points to is kept alive by self."""
        model = self.model
        layers = (_Layer * len(model.layers))(
            *(
                _Layer(
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
        return _Model(
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

    def _matrix(self, matrix: Matrix) -> _Matrix:
        """Repack a matrix in tiles, beginning at a multiple of 64."""
        size = self._library.oyez_packed_bytes(matrix.type, matrix.rows, matrix.columns)
        room = np.empty(size + 64, np.uint8)
        tiles = room[-room.ctypes.data % 64 :][:size]
        self._library.oyez_pack(
            matrix.type, matrix.rows, matrix.columns, self._address(matrix.data), tiles.ctypes.data
        )
        return self._view(matrix, self._address(tiles))

    def _view(self, matrix: Matrix, tiles: int | None) -> _Matrix:
        row_bytes = matrix.data.shape[1]
        data = self._address(matrix.data)
        columns = _round_up(matrix.columns)
        return _Matrix(matrix.rows, columns, matrix.type, 0, tiles, data, row_bytes)

    def _norm(self, norm: Norm) -> _Norm:
        return _Norm(self._address(norm.weights), norm.exponent)

    def _address(self, array: NDArray[np.generic]) -> int:
        """Return an array's address and keep it alive."""
        if not array.flags.c_contiguous:
            raise Fatal("a model array is not contiguous")
        self._kept.append(array)
        return array.ctypes.data


def _round_up(count: int) -> int:
    """Return the next multiple of the kernels' group."""
    return -(-count // GROUP) * GROUP


def open_backend(model: Model) -> Backend:
    """Return the fastest backend that passes its self-test, or the plain one with a warning.

    Rule: ENGINE-20

    Raises:
        Fatal: a built library gives other answers than the stored ones.
    """
    from oyez.engines.exact import selftest

    path = sources.get_library_path()
    if not path.exists():
        LOG.warning(
            "engine=plain slow=true fix='python -m oyez.engines.exact.build' (no compiled kernels)"
        )
        return Reference(model)
    library = Library(path)
    selftest.verify(library)
    return Kernels(library, model)
