"""Three tiny models made of hashed bytes, and what the arithmetic answers on them.

Written with nothing but struct and hashlib, so that the files are the same on every machine.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oyez.engines.exact import find_model, known
from oyez.engines.exact.backend import Reference
from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.logit_run import run_tokens
from oyez.engines.exact.model_store import KnownModel, format_record, inspect_model
from oyez.engines.exact.tokens import build_vocabulary, parse_tokenizer_metadata
from oyez.engines.exact.weights import load_model

TEXT = "Oyez! 12.5 % of «naïve» boats, 世界\n\t{}"
ALIGNMENT = 32

#: GGML's code, weights and bytes of a block, and each binary16 number's place and exponent bits.
FORMATS: dict[str, tuple[int, int, int, tuple[tuple[int, int], ...]]] = {
    "F32": (0, 1, 4, ()),
    "F16": (1, 1, 2, ((0, 0x2400),)),
    "Q4_0": (2, 32, 18, ((0, 0x1800),)),
    "Q4_1": (3, 32, 20, ((0, 0x1800), (2, 0x2400))),
    "Q5_0": (6, 32, 22, ((0, 0x1400),)),
    "Q5_1": (7, 32, 24, ((0, 0x1400), (2, 0x2000))),
    "Q8_0": (8, 32, 34, ((0, 0x0800),)),
    "Q4_K": (12, 256, 144, ((0, 0x0400), (2, 0x0800))),
    "Q5_K": (13, 256, 176, ((0, 0x0000), (2, 0x0800))),
    "Q6_K": (14, 256, 210, ((208, 0x0000),)),
}


@dataclass(frozen=True)
class Plan:
    """A model: sizes, row formats of embedding, output (or None when tied) and the matrices."""

    name: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    embedding: str
    output: str | None
    matrices: tuple[str, ...]
    sentencepiece: bool = False
    rope_base: float = 10_000.0
    rope_scale: float | None = None
    rope_factors: bool = False
    context: int = 64


PLANS = (
    Plan("mixed", 2, 64, 96, 4, 1, 24, "Q5_1", "Q8_0", ("Q4_0", "Q5_0", "Q4_1", "Q5_1", "Q8_0")),
    Plan(
        *("super", 1, 256, 32, 2, 1, 32, "Q4_K", None),
        ("Q5_K", "Q4_K", "Q6_K", "Q4_1", "Q6_K", "Q4_K", "Q5_0"),
        rope_base=500_000.0,
        rope_factors=True,
    ),
    Plan(
        *("halves", 1, 40, 44, 3, 3, 20, "F16", None, ("F16",)),
        sentencepiece=True,
        rope_scale=2.5,
    ),
)


def build_file(plan: Plan) -> bytes:
    """Return a whole GGUF file."""
    heads, tensors = [], b""
    for name, kind, shape in list_tensors(plan):
        code, weights, size, halves = FORMATS[kind]
        count = shape[0] // weights * (shape[1] if len(shape) == 2 else 1)
        data = bytearray(hashlib.shake_256(f"{plan.name} {name}".encode()).digest(count * size))
        for at in range(0, len(data), size):
            for place, exponent in halves:
                (bits,) = struct.unpack_from("<H", data, at + place)
                struct.pack_into("<H", data, at + place, (bits & 0x8FFF) + exponent)
            if kind == "F32":
                # 0.5 to 1.5 for norms, 1 to 17 for factors, in steps of 2**-8
                step = int.from_bytes(data[at : at + 2], "little")
                wide = name == "rope_freqs.weight"
                real = 1 + (step & 0xFFF) / 256 if wide else 0.5 + (step & 0xFF) / 256
                struct.pack_into("<f", data, at, real)
        dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        heads.append(text(name) + dimensions + struct.pack("<IQ", code, len(tensors)))
        tensors += data + bytes(-len(data) % ALIGNMENT)
    pairs = list(list_metadata(plan))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(heads), len(pairs)) + b"".join(pairs + heads)
    return head + bytes(-len(head) % ALIGNMENT) + tensors


def list_tensors(plan: Plan) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Yield name, row format and dimensions, columns first."""
    width, queries, keys = plan.width, plan.heads * plan.head_size, plan.kv_heads * plan.head_size
    vocabulary = len(list_tokens(plan))
    yield "token_embd.weight", plan.embedding, (width, vocabulary)
    yield "output_norm.weight", "F32", (width,)
    if plan.output:
        yield "output.weight", plan.output, (width, vocabulary)
    if plan.rope_factors:
        yield "rope_freqs.weight", "F32", (plan.head_size // 2,)
    shapes = {
        "attn_q": (width, queries),
        "attn_k": (width, keys),
        "attn_v": (width, keys),
        "attn_output": (queries, width),
        "ffn_gate": (width, plan.feed_forward),
        "ffn_up": (width, plan.feed_forward),
        "ffn_down": (plan.feed_forward, width),
    }
    turn = 0
    for layer in range(plan.layers):
        for norm in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{norm}.weight", "F32", (width,)
        for part, shape in shapes.items():
            kind = plan.matrices[turn % len(plan.matrices)]
            yield f"blk.{layer}.{part}.weight", kind, shape
            turn += 1


def list_metadata(plan: Plan) -> Iterator[bytes]:
    """Yield the metadata's pairs, encoded."""
    yield text("general.architecture") + struct.pack("<I", 8) + text("llama")
    for key, number in (
        ("block_count", plan.layers),
        ("context_length", plan.context),
        ("embedding_length", plan.width),
        ("feed_forward_length", plan.feed_forward),
        ("attention.head_count", plan.heads),
        ("attention.head_count_kv", plan.kv_heads),
        ("attention.key_length", plan.head_size),
        ("attention.value_length", plan.head_size),
        ("rope.dimension_count", plan.head_size),
    ):
        yield text(f"llama.{key}") + struct.pack("<II", 4, number)
    for key, real in (
        ("attention.layer_norm_rms_epsilon", 1e-5),
        ("rope.freq_base", plan.rope_base),
        ("rope.scaling.factor", plan.rope_scale),
    ):
        if real is not None:
            yield text(f"llama.{key}") + struct.pack("<If", 6, real)
    model = "llama" if plan.sentencepiece else "gpt2"
    yield text("tokenizer.ggml.model") + struct.pack("<I", 8) + text(model)
    if not plan.sentencepiece:
        yield text("tokenizer.ggml.pre") + struct.pack("<I", 8) + text("smollm")
        yield text("tokenizer.ggml.merges") + struct.pack("<IIQ", 9, 8, 1) + text("o a")
    tokens = list_tokens(plan)
    joined = b"".join(text(spelling) for spelling, _ in tokens)
    yield text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(tokens)) + joined
    kinds = struct.pack(f"<{len(tokens)}i", *(kind for _, kind in tokens))
    yield text("tokenizer.ggml.token_type") + struct.pack("<IIQ", 9, 5, len(tokens)) + kinds


def list_tokens(plan: Plan) -> list[tuple[str, int]]:
    """Return spellings and types: a control token, all bytes, a few words."""
    if plan.sentencepiece:
        pieces = [("▁", 1), ("▁boats", 1), ("é", 1), ("oa", 1)]
        return [("</s>", 3), *((f"<0x{byte:02X}>", 6) for byte in range(256)), *pieces]
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    singles = [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]
    return [("<|end|>", 3), *((single, 1) for single in singles), ("oa", 1), ("Ġb", 1)]


def text(value: str) -> bytes:
    """Return a GGUF string."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def build_answers(folder: Path) -> dict[str, Any]:
    """Return roots and digests of the three files in a folder, and of the installed model.

    Everything is from the plain arithmetic. Any: an object of JSON values.
    """
    models = [build_answer(folder / f"{plan.name}.gguf") for plan in PLANS]
    installed = {**build_answer(find_model()), "file": known.MODEL_WHEEL}
    return {"text": TEXT, "models": models, "installed": installed}


def build_answer(path: Path) -> dict[str, Any]:
    """Return one file's root and digest. Any: an object of JSON values."""
    found: KnownModel = inspect_model(path)
    file = open_gguf(path)
    vocabulary = build_vocabulary(parse_tokenizer_metadata(file))
    tokens = list(vocabulary.greedy(TEXT.encode()))
    model = load_model(file)
    run = run_tokens(model, Reference(model), tokens)
    record = {**format_record(found), "file": path.name, "tokens": tokens, "logits": run.digest}
    del record["name"]
    return record
