"""What stands in the records that no layer makes: prologue, sampler and epilogue.

docs/spec/trace.md draws them. Whether one is alive is read from an int32 lane (of a sampler: lane
0, which says where the next token comes from), never from a word.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from oyez.protocol import codec, machine_words, merkle, schema, trace
from oyez.protocol.constants import CHUNK_BYTES, RECEIPTS_HEIGHT, SLOT_BITS
from oyez.protocol.decoding import DecodeStep, StepKind
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.types import Entry, Field, Hash32, Receipt, Value


class Next(IntEnum):
    """Where the token after a position comes from."""

    PROMPT = 0
    FORCED = 1
    SAMPLED = 2
    CHOSEN = 3
    END = 4


_NEXT_OF = {
    StepKind.FORCED: Next.FORCED,
    StepKind.SAMPLED: Next.SAMPLED,
    StepKind.CHOSEN: Next.CHOSEN,
}


@functools.cache
def compute_prompt_sampler() -> Hash32:
    """Return the sampler record of a position whose next token the prologue lists.

    A constant: so a prefix position's root depends on the prefix alone, never on the call.

    Rule: TRACE-16
    """
    return trace.compute_record_root(build_prompt_sampler())


def build_prompt_sampler() -> list[trace.Chunk]:
    """Return the chunks of such a sampler."""
    return [trace.encode_int32([Next.PROMPT])]


def build_samplers(steps: Sequence[DecodeStep]) -> list[Hash32]:
    """Return the roots of the sampler records from the last prompt position to the last token.

    The arguments are those of `build_sampler_chunks`.
    """
    return [trace.compute_record_root(chunks) for chunks in build_sampler_chunks(steps)]


def build_sampler_chunks(steps: Sequence[DecodeStep]) -> list[list[trace.Chunk]]:
    """Return the sampler records from the last prompt position to the last output token.

    One for each step, which says what comes next, and one for the end. `steps` is not empty: an
    output begins with a forced brace.

    Rule: TRACE-17
    """
    samplers = [_build_end(steps)]
    queue: list[int] = []
    for index in range(len(steps) - 1, -1, -1):
        step = steps[index]
        is_forced = step.kind is StepKind.FORCED
        if not is_forced or _ends_queue(steps, index):
            queue = []
        lanes = [_NEXT_OF[step.kind], step.token, index + 1, step.output_length]
        samplers.append(_build_sampler(lanes, step.state_after, queue))
        queue = [step.token, *queue] if is_forced else []
    samplers.reverse()
    return samplers


def _build_end(steps: Sequence[DecodeStep]) -> list[trace.Chunk]:
    last = steps[-1]
    lanes = [Next.END, trace.PAD_INT32, len(steps), last.output_length]
    return _build_sampler(lanes, last.state_after, ())


def _ends_queue(steps: Sequence[DecodeStep], index: int) -> bool:
    """Say whether a forced token is the last one of its run or option.

    A run stops before a choice and an option's rest where the choice ends; neither ends elsewhere
    with a forced token to follow.
    """
    is_choice_before = index > 0 and steps[index - 1].state_after.phase is Phase.CHOICE
    return is_choice_before != (steps[index].state_after.phase is Phase.CHOICE)


def _build_sampler(
    lanes: Sequence[int], state: MachineState, queue: Sequence[int]
) -> list[trace.Chunk]:
    words = [machine_words.pack_state(state), state.value]
    return [trace.encode_int32(lanes), trace.encode_words(words), *_split_int32(queue)]


@dataclass(frozen=True, slots=True)
class Prologue:
    """What a call begins with.

    Attributes:
        seed: at temperature 0 nothing but this record depends on it.
        cell_leaf, version: of the cell before the call; 0 when it is absent.
        values: of the cell before the call, under the entry's manifest.
        bad: offset of what is bad in the input (TRANSITION-5, TRANSITION-7); None if it is good.
        prompt: its tokens; None if the model never ran.
        sampler: the sampler record in this position: of the first output token if the prompt is
            empty, else PAD.
    """

    entry: Entry
    seed: Hash32
    cell_key: Hash32
    cell_leaf: Hash32
    version: int
    fields: tuple[Field, ...]
    values: tuple[Value, ...]
    bad: int | None
    prompt: tuple[int, ...] | None
    sampler: Hash32


def build_prologue(prologue: Prologue) -> tuple[Hash32, ...]:
    """Return the roots of the records of position 0, from slot 0 on."""
    return tuple(trace.compute_record_root(chunks) for chunks in build_prologue_chunks(prologue))


def build_prologue_chunks(prologue: Prologue) -> list[list[trace.Chunk]]:
    """Return the records of position 0 from slot 0 on: entry, cell, token list.

    Rule: TRACE-18
    """
    return [
        _build_entry_record(prologue),
        _build_state_record(prologue.fields, prologue.values),
        _build_prompt_record(prologue.prompt),
    ]


def compute_prologue(prologue: Prologue) -> Hash32:
    """Return the root of position 0: its records, and seldom a sampler in the last slot."""
    roots = build_prologue(prologue)
    return merkle.fold_with_last(roots, prologue.sampler, SLOT_BITS, trace.record_tree())[0]


def _build_entry_record(prologue: Prologue) -> list[trace.Chunk]:
    entry = prologue.entry
    bad = -1 if prologue.bad is None else prologue.bad
    words: list[codec.Word] = [
        codec.compute_entry_hash(entry),
        entry.call_id,
        entry.timestamp,
        entry.caller,
        entry.value,
        entry.fee,
        entry.action_id,
        entry.manifest_hash,
        prologue.seed,
        prologue.cell_key,
        prologue.cell_leaf,
        prologue.version,
    ]
    return [
        trace.encode_int32([entry.kind, len(entry.cell), len(entry.input), bad]),
        trace.encode_words(words),
        trace.encode_bytes(entry.cell),
        trace.encode_bytes(entry.input),
    ]


def _build_state_record(fields: Sequence[Field], values: Sequence[Value]) -> list[trace.Chunk]:
    text = schema.format_state(fields, values)
    return [
        trace.encode_int32([len(fields), len(text)]),
        _encode_values(fields, values),
        *_split_bytes(text),
    ]


def _build_prompt_record(prompt: Sequence[int] | None) -> list[trace.Chunk]:
    if prompt is None:
        return [trace.encode_int32([trace.PAD_INT32, 0])]
    return [trace.encode_int32([len(prompt), 1]), *_split_int32(prompt)]


@dataclass(frozen=True, slots=True)
class Epilogue:
    """What a call ends with.

    Attributes:
        values: of the cell after the call, under the entry's manifest.
        state_root, outbox_root: after the call.
        receipts: the batch's receipts tree after the call.
    """

    receipt: Receipt
    output: bytes
    output_tokens: int
    version: int
    fields: tuple[Field, ...]
    values: tuple[Value, ...]
    state_root: Hash32
    outbox_root: Hash32
    receipts: merkle.Frontier


def build_epilogue(epilogue: Epilogue) -> tuple[Hash32, ...]:
    """Return the records of the last position: output and values, receipt and running roots."""
    return tuple(trace.compute_record_root(chunks) for chunks in build_epilogue_chunks(epilogue))


def build_epilogue_chunks(epilogue: Epilogue) -> list[list[trace.Chunk]]:
    """Return the chunks of these records.

    Rule: TRACE-19
    """
    receipt = epilogue.receipt
    output = [
        trace.encode_int32(
            [
                receipt.outcome,
                receipt.code,
                receipt.detail,
                receipt.positions,
                epilogue.output_tokens,
                len(epilogue.output),
            ]
        ),
        _encode_values(epilogue.fields, epilogue.values),
        trace.encode_bytes(epilogue.output),
    ]
    words: list[codec.Word] = [
        epilogue.state_root,
        epilogue.outbox_root,
        epilogue.receipts.root,
        *epilogue.receipts.nodes[:RECEIPTS_HEIGHT],
        codec.compute_receipt_leaf(receipt),
        receipt.cell_leaf,
        epilogue.version,
    ]
    roots = [trace.encode_int32([epilogue.receipts.count]), trace.encode_words(words)]
    return [output, roots]


def _encode_values(fields: Sequence[Field], values: Sequence[Value]) -> trace.Chunk:
    return trace.encode_words(
        [
            schema.compute_value_word(field, value)
            for field, value in zip(fields, values, strict=True)
        ]
    )


def _split_int32(lanes: Sequence[int]) -> list[trace.Chunk]:
    size = trace.INT32_LANES
    return [trace.encode_int32(lanes[at : at + size]) for at in range(0, len(lanes), size)]


def _split_bytes(data: bytes) -> list[trace.Chunk]:
    return [
        trace.encode_bytes(data[at : at + CHUNK_BYTES]) for at in range(0, len(data), CHUNK_BYTES)
    ]
