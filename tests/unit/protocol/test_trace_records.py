"""Prologue, sampler and epilogue, laid out by hand as docs/spec/trace.md draws them."""

from __future__ import annotations

import dataclasses

from oyez.protocol import codec, merkle, schema, trace, trace_records
from oyez.protocol.decoding import DecodeStep, StepKind
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.types import (
    ZERO_HASH,
    Code,
    Field,
    FieldType,
    Hash32,
    Outcome,
    Receipt,
    Role,
    Value,
)
from tests.unit.protocol.actions import build_action, build_entry

PAD = -(2**31)
ACTION = build_action()
ENTRY = build_entry(ACTION)
VALUES: tuple[Value, ...] = (b"bad", b"hello", 2)


def int32(*lanes: int) -> bytes:
    """Lay out an int32 chunk with its type in front."""
    filled = [*lanes, *[PAD] * (256 - len(lanes))]
    words = [filled[at : at + 8][::-1] for at in range(0, 256, 8)]
    return b"\x01" + b"".join(
        lane.to_bytes(4, "big", signed=True) for word in words for lane in word
    )


def words(*values: int | bytes) -> bytes:
    """Lay out a bytes32 chunk with its type in front."""
    return b"\x03" + b"".join(codec.encode_word(value) for value in values).ljust(1024, b"\0")


def text(data: bytes) -> bytes:
    """Lay out a bytes chunk with its type in front."""
    return b"\x04" + data.ljust(1024, b"\0")


def record(*chunks: bytes) -> Hash32:
    leaves = [codec.sha256(b"\0" + chunk) for chunk in chunks]
    pad = codec.sha256(bytes(1026))
    level = [*leaves, *[pad] * (16 - len(leaves))]
    while len(level) > 1:
        level = [codec.sha256(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def value_words() -> list[Hash32]:
    return [
        schema.compute_value_word(field, value)
        for field, value in zip(ACTION.fields, VALUES, strict=True)
    ]


def cell_record() -> Hash32:
    json = b'{"mood": "bad", "note": "hello", "count": 2}'
    return record(int32(3, len(json)), words(*value_words()), text(json))


def test_prompt_positions_have_one_constant_sampler() -> None:
    # Rule: TRACE-16
    assert trace_records.compute_prompt_sampler() == record(int32(0))


def test_sampler_says_what_comes_next() -> None:
    # Rule: TRACE-17
    string = MachineState(Phase.STRING, 1, 5, 2, 0x80, 0xBF, items=63)
    integer = MachineState(Phase.INTEGER, 2, 3, negative=True, value=2**200 + 7)
    end = MachineState(Phase.END, 2)
    steps = [
        DecodeStep(11, StepKind.FORCED, MachineState(Phase.PREFIX, 0, 3), 3),
        DecodeStep(12, StepKind.FORCED, MachineState(Phase.PREFIX, 0, 9), 9),
        DecodeStep(13, StepKind.SAMPLED, string, 12),
        DecodeStep(14, StepKind.CHOSEN, integer, 15),
        DecodeStep(15, StepKind.FORCED, end, 16),
    ]
    assert trace_records.build_samplers(steps) == [
        record(int32(1, 11, 1, 3), words(0x1_00_00_00_0003_00_00_00_00_00, 0), int32(12)),
        record(int32(1, 12, 2, 9), words(0x1_00_00_00_0009_00_00_00_00_00, 0)),
        record(int32(2, 13, 3, 12), words(0x1_00_01_01_0005_02_80_BF_00_3F, 0)),
        record(int32(3, 14, 4, 15), words(0x1_00_03_02_0003_00_00_00_01_00, 2**200 + 7)),
        record(int32(1, 15, 5, 16), words(0x1_00_05_02_0000_00_00_00_00_00, 0)),
        record(int32(4, PAD, 5, 16), words(0x1_00_05_02_0000_00_00_00_00_00, 0)),
    ]


def test_a_queue_is_of_one_run_or_one_option() -> None:
    # Rule: TRACE-17
    choice, within, prefix = (
        MachineState(Phase.CHOICE, 0),
        MachineState(Phase.CHOICE, 0, 2),
        MachineState(Phase.PREFIX, 1, 1),
    )
    states = [prefix, choice, within, within, prefix, prefix, choice, within, within, prefix]
    kinds = [StepKind.FORCED] * 7 + [StepKind.CHOSEN] + [StepKind.FORCED] * 2
    steps = [
        DecodeStep(token, kind, state, token)
        for token, (kind, state) in enumerate(zip(kinds, states, strict=True))
    ]

    queues = [
        [chunk.data for chunk in chunks[2:]] for chunks in trace_records.build_sampler_chunks(steps)
    ]

    after = [[1], [], [3, 4], [4], [], [6], [], [], [9], [], []]
    assert queues == [[int32(*tokens)[1:]] if tokens else [] for tokens in after]


def test_long_queue_takes_the_chunks_it_needs() -> None:
    # Rule: TRACE-17
    steps = [
        DecodeStep(token, StepKind.FORCED, MachineState(Phase.PREFIX, 0, 1), token)
        for token in range(300)
    ]
    first = trace_records.build_samplers(steps)[0]
    queue = range(1, 300)
    lanes, state = int32(1, 0, 1, 0), words(0x1_00_00_00_0001_00_00_00_00_00, 0)
    assert first == record(lanes, state, int32(*queue[:256]), int32(*queue[256:]))


def test_prologue_holds_entry_cell_and_token_list() -> None:
    # Rule: TRACE-18
    key, leaf, seed = (Hash32(bytes([n]) * 32) for n in (1, 2, 3))
    pad = record()
    prologue = trace_records.Prologue(
        entry=ENTRY,
        seed=seed,
        cell_key=key,
        cell_leaf=leaf,
        version=7,
        fields=ACTION.fields,
        values=VALUES,
        bad=None,
        prompt=tuple(range(300)),
        sampler=pad,
    )

    def entry_record(bad: int) -> Hash32:
        return record(
            int32(1, 0, len(ENTRY.input), bad),
            words(
                codec.compute_entry_hash(ENTRY),
                ENTRY.call_id,
                ENTRY.timestamp,
                ENTRY.caller,
                ENTRY.value,
                ENTRY.fee,
                ENTRY.action_id,
                ENTRY.manifest_hash,
                seed,
                key,
                leaf,
                7,
            ),
            text(b""),
            text(ENTRY.input),
        )

    def root(*slots: Hash32, last: Hash32 = pad) -> Hash32:
        return merkle.compute_root([*slots, *[pad] * (31 - len(slots)), last], 5, SLOTS)

    tokens = record(int32(300, 1), int32(*range(256)), int32(*range(256, 300)))
    assert trace_records.compute_prologue(prologue) == root(entry_record(-1), cell_record(), tokens)
    # A prompt too long to run is not listed, like that of a refused input.
    for bad in (None, 3):
        refused = dataclasses.replace(prologue, bad=bad, prompt=None)
        assert trace_records.compute_prologue(refused) == root(
            entry_record(-1 if bad is None else bad), cell_record(), record(int32(PAD, 0))
        )
    sampler = Hash32(b"\x05" * 32)
    empty = dataclasses.replace(prologue, prompt=(), sampler=sampler)
    assert trace_records.compute_prologue(empty) == root(
        entry_record(-1), cell_record(), record(int32(0, 1)), last=sampler
    )


def test_an_array_is_one_word_and_its_text_fits_four_chunks() -> None:
    # Rule: TRACE-18
    listed = [
        Field(name, FieldType.ARRAY, Role.KEPT, (), element=FieldType.STRING, limit=59, items=16)
        for name in (b"a", b"b", b"c", b"d")
    ]
    items = (b"x" * 59,) * 16
    values: tuple[Value, ...] = (items, items, items, ())
    json = schema.format_state(listed, values)
    assert len(json) > 3 * 1_024 - 64
    word = codec.keccak(codec.keccak(items[0]) * 16)
    chunks = [text(json[at : at + 1024]) for at in range(0, len(json), 1024)]
    expected = record(int32(4, len(json)), words(word, word, word, codec.keccak(b"")), *chunks)
    built = trace_records._build_state_record(listed, values)
    assert trace.compute_record_root(built) == expected


SLOTS = merkle.Tree(merkle.compute_sha256_node, (record(),) * 6)


def test_epilogue_holds_receipt_cell_and_running_roots() -> None:
    # Rule: TRACE-19
    output = b'{"mood": "bad", "note": "hello"}'
    receipt = Receipt(
        call_id=ENTRY.call_id,
        outcome=Outcome.REJECTED,
        code=Code.GUARD,
        detail=2,
        manifest_hash=ACTION.hash,
        cell_key=Hash32(b"\x01" * 32),
        cell_leaf=ZERO_HASH,
        output_hash=codec.keccak(output),
        positions=50,
        fee=9,
    )
    frontier = merkle.Frontier.empty(8)
    leaves = [codec.keccak(bytes([n])) for n in range(3)]
    for leaf in leaves:
        frontier = frontier.append(leaf)
    state_root, outbox_root = Hash32(b"\x0a" * 32), Hash32(b"\x0b" * 32)

    actual = trace_records.build_epilogue(
        trace_records.Epilogue(
            receipt=receipt,
            output=output,
            output_tokens=12,
            version=4,
            fields=ACTION.fields,
            values=VALUES,
            state_root=state_root,
            outbox_root=outbox_root,
            receipts=frontier,
        )
    )

    pair = merkle.compute_keccak_node(leaves[0], leaves[1])
    frontier_words = [leaves[2], pair, *[ZERO_HASH] * 6]
    assert actual == (
        record(int32(2, 6, 2, 50, 12, len(output)), words(*value_words()), text(output)),
        record(
            int32(3),
            words(
                state_root,
                outbox_root,
                merkle.compute_root(leaves, 8),
                *frontier_words,
                codec.compute_receipt_leaf(receipt),
                ZERO_HASH,
                4,
            ),
        ),
    )
