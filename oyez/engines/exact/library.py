"""The compiled kernels as a shared object: its functions' types and its structures' layouts."""

from __future__ import annotations

import ctypes
from pathlib import Path

from oyez.protocol.errors import Fatal

#: Paths of the library by their numbers there.
PATHS = ("portable", "avx2", "avx512", "neon")
PORTABLE = 0


class MatrixLayout(ctypes.Structure):
    """`matrix` of kernels.h."""

    _fields_ = [
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("kind", ctypes.c_int32),
        ("unused", ctypes.c_int32),
        ("tiles", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("row_bytes", ctypes.c_int64),
    ]


class NormLayout(ctypes.Structure):
    """`norm` of kernels.h."""

    _fields_ = [("weights", ctypes.c_void_p), ("exponent", ctypes.c_int64)]


class LayerLayout(ctypes.Structure):
    """`layer` of kernels.h."""

    _fields_ = [
        *((name, MatrixLayout) for name in ("q", "k", "v", "output", "gate", "up", "down")),
        ("attn_norm", NormLayout),
        ("ffn_norm", NormLayout),
        ("q_format", ctypes.c_int32),
        ("k_format", ctypes.c_int32),
        ("v_format", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    ]


class PlaceLayout(ctypes.Structure):
    """`place` of kernels.h."""

    _fields_ = [
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("capacity", ctypes.c_int64),
        ("position", ctypes.c_int64),
    ]


class ModelLayout(ctypes.Structure):
    """`model` of kernels.h."""

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
        ("output_norm", NormLayout),
        ("embedding", MatrixLayout),
        ("head", MatrixLayout),
    ]


class Library:
    """The loaded shared object with its functions' types."""

    def __init__(self, path: Path) -> None:
        """Load a built library and check that both sides lay structures out alike."""
        self.functions = ctypes.CDLL(str(path))
        pointer, int32, int64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
        for name, result, arguments in (
            ("oyez_has_path", int32, [int32]),
            ("oyez_model_bytes", int64, []),
            ("oyez_layer_bytes", int64, []),
            ("oyez_packed_bytes", int64, [int32, int64, int64]),
            ("oyez_pack", None, [int32, int64, int64, pointer, pointer]),
            ("oyez_scratch_new", pointer, [pointer, int32]),
            ("oyez_threads", int32, [pointer]),
            ("oyez_scratch_free", None, [pointer]),
            ("oyez_run", None, [pointer] * 3 + [int32] + [pointer] * 3),
            ("oyez_logits", None, [pointer] * 3 + [int32, pointer]),
            ("oyez_logits_of", None, [pointer] * 4 + [int32, pointer]),
            ("oyez_sha_kinds", int32, []),
            ("oyez_record_roots", None, [pointer, int32] + [int64] * 3 + [pointer] * 4),
            ("oyez_position_siblings", None, [pointer, int32] + [int64] * 2 + [pointer] * 3),
        ):
            function = getattr(self.functions, name)
            function.restype, function.argtypes = result, arguments
        sizes = self.functions.oyez_model_bytes(), self.functions.oyez_layer_bytes()
        if sizes != (ctypes.sizeof(ModelLayout), ctypes.sizeof(LayerLayout)):
            raise Fatal(f"the library {path} lays structures out differently: build it anew")

    @property
    def paths(self) -> tuple[int, ...]:
        """Numbers of the paths that this machine can run, the fastest last."""
        return tuple(path for path in range(len(PATHS)) if self.functions.oyez_has_path(path))

    @property
    def fastest_path(self) -> int:
        """The last of `paths`."""
        return self.paths[-1]

    @property
    def sha_kinds(self) -> tuple[int, ...]:
        """Kinds of SHA-256 that this machine has, by their numbers there, the fastest last."""
        kinds = int(self.functions.oyez_sha_kinds())
        return tuple(kind for kind in range(kinds.bit_length()) if kinds >> kind & 1)
