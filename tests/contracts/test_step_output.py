"""Outputs on chain: tokens, bytes and states of an output, refused proofs, what a step costs."""

from __future__ import annotations

from functools import cache

import pytest
from eth_abi.abi import decode, encode

from oyez.chain import deploy
from oyez.dispute.step_proof import FRAME_TYPES
from oyez.protocol import machine_words, trace
from oyez.protocol.inner import DEAD
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.trace import PAD_INT32, Chunk
from tests import machine_fuzz as fuzz
from tests import prompt_steps
from tests.contracts.harness import reverts
from tests.contracts.test_step_machine_gas import ENUM, PLACES, WRITTEN, build_dear
from tests.manifest_cases import with_fields
from tests.prompt_steps import DEEPEST, Case

#: Of a whole transaction that asks one step and nothing else, by op, at its dearest.
MOST_GAS = {112: 225_000, 113: 200_000, 114: 295_000, 115: 290_000}
#: Of a whole resolution of op 115.
MOST_RESOLVED = 440_000
#: The one byte of the last option, and the phase of no state.
LAST, STUCK = ENUM.options[-1][0], 15
PROMPT = (0, 2, 0)
#: A prompt's tokens, and tokens of an output with their bytes: b"{", b'"}', the longest.
BEFORE = 3


def sampler(kind: int, token: int, end: int) -> Chunk:
    return trace.encode_int32([kind, token, 99, end])


@cache
def find_token(data: bytes) -> int:
    return prompt_steps.build_vocabulary().ids_by_bytes[data][0]


def build_outer(pieces: list[bytes], ran: int = 1) -> dict[tuple[int, int, int], Chunk]:
    """Return the chunks of the prompt's head and of the samplers that put out these tokens."""
    ends = [len(b"".join(pieces[: at + 1])) for at in range(len(pieces))]
    samplers = {
        (BEFORE + at, 31, 0): sampler(1 + at % 3, find_token(piece), end)
        for at, (piece, end) in enumerate(zip(pieces, ends, strict=True))
    }
    last = {(BEFORE + len(pieces), 31, 0): sampler(4, PAD_INT32, sum(map(len, pieces)))}
    return {PROMPT: trace.encode_int32([BEFORE, ran]), **samplers, **last}


def ask_all(
    op: int, lanes: int, outer: dict[tuple[int, int, int], Chunk], **inner: Chunk
) -> list[int]:
    """Return the first lanes of a region, each asked on chain over those before it."""
    found: list[int] = []
    for lane in range(lanes):
        own = trace.encode_bytes(b"") if op == 114 else trace.encode_int32(found)
        leaves = {(name, 0): chunk for name, chunk in inner.items()}
        case = prompt_steps.ask(op, 0, lane, inner=leaves, outer=outer, own=own)
        assert case.ask() == case.value
        found.append(case.value)
    return found


@pytest.mark.parametrize("pieces", [[], [b"{"], [b"{", b'"}', DEEPEST, b"true"]])
def test_an_output_is_read_off_its_samplers(pieces: list[bytes]) -> None:
    """Invariant 4: each byte of a token of many, too.

    Rule: FRAME-46, FRAME-47, FRAME-48
    """
    outer = build_outer(pieces)
    text, count = b"".join(pieces), len(pieces)
    ends = [len(b"".join(pieces[: at + 1])) for at in range(count)]
    assert ask_all(112, count + 3, outer) == ends + [-1 - count] * 3

    known = trace.encode_int32(ends + [-1 - count] * (256 - count))
    owners = [token for token, piece in enumerate(pieces) for _ in piece]
    found = ask_all(113, min(len(text) + 3, 256), outer, ends=known)
    assert found == (owners + [PAD_INT32] * 3)[:256]

    held = trace.encode_int32((owners + [PAD_INT32] * 256)[:256])
    found = ask_all(114, min(len(text) + 3, 256), outer, ends=known, output_owner=held)
    assert bytes(found) == (text + bytes(3))[:256]


def test_a_model_that_never_ran_puts_out_nothing() -> None:
    """Rule: FRAME-45, FRAME-46"""
    assert ask_all(112, 2, build_outer([b"{"], ran=0)) == [-1, -1]
    for op in prompt_steps.CONTRACTS:
        if op >= 112:
            dead = prompt_steps.ask(op, 0, 0)
            assert dead.ask() == dead.value == DEAD
    dead = prompt_steps.ask(115, 63, 0)
    assert dead.ask() == dead.value == DEAD


@pytest.mark.parametrize(("before", "lane"), [(2_046, 0), (1_790, 256), (-1, 0), (-1, 1)])
def test_no_output_token_stands_behind_the_last_position(before: int, lane: int) -> None:
    """Rule: FRAME-46, FRAME-48, TRANSITION-8"""
    head = trace.encode_int32([before, 1])
    leaf, at = divmod(lane, 256)
    outer = {PROMPT: head, (2_046, 31, 0): sampler(1, find_token(b"{"), 7)}
    before_it = {("ends", 0): trace.encode_int32([9] * 256)}
    own = trace.encode_int32([4] * 256)
    case = prompt_steps.ask(112, leaf, at, inner=before_it, outer=outer, own=own)
    assert case.ask() == case.value == (7 if before >= 0 else -1 - lane)
    beyond = {PROMPT: trace.encode_int32([before + 1 if before >= 0 else before, 1])}
    case = prompt_steps.ask(112, leaf, at, inner=before_it, outer=beyond, own=own)
    assert case.ask() == case.value == -1 - lane
    owners = {("output_owner", 0): trace.encode_int32([lane] * 256)}
    ends = {("ends", leaf): trace.encode_int32([9] * 256)}
    case = prompt_steps.ask(114, 0, 5, inner={**owners, **ends}, outer=beyond)
    assert case.ask() == case.value == 0


def test_every_token_of_the_model_has_its_bytes_and_no_other_number_has() -> None:
    """Rule: FRAME-48"""
    tokens = prompt_steps.build_vocabulary().tokens
    spelt = [at for at, data in enumerate(tokens) if data]
    assert tokens[0] is None
    assert spelt[-1] == len(tokens) - 1
    found = {at: tokens[at] for at in (spelt[0], spelt[1], spelt[-1])}
    for token in (*found, 0, -(2**31), -1, len(tokens), 2**31 - 1):
        data = found.get(token) or b""
        ends = trace.encode_int32([len(data) or 9] * 256)
        inner = {("output_owner", 0): trace.encode_int32([0] * 256), ("ends", 0): ends}
        outer = {PROMPT: trace.encode_int32([BEFORE, 1]), (BEFORE, 31, 0): sampler(1, token, 9)}
        for lane in (0, max(len(data) - 1, 0), len(data)):
            case = prompt_steps.ask(114, 0, lane, inner=inner, outer=outer)
            assert case.ask() == case.value == (data[lane] if lane < len(data) else 0)
            is_read = 0 <= token < len(tokens) and lane < (len(data) or 9)
            assert len(case.read.rows) == is_read


def test_an_owner_of_a_later_leaf_goes_on() -> None:
    """Rule: FRAME-47"""
    head = {PROMPT: trace.encode_int32([BEFORE, 1])}
    for end, expected in ((257, 255), (256, 256)):
        inner = {
            ("output_owner", 0): trace.encode_int32([0] * 255 + [255]),
            ("ends", 0): trace.encode_int32([1] * 255 + [end]),
            ("ends", 1): trace.encode_int32([300]),
        }
        case = prompt_steps.ask(113, 1, 0, inner=inner, outer=head)
        assert case.ask() == case.value == expected
    inner["ends", 1] = trace.encode_int32([-257])
    case = prompt_steps.ask(113, 1, 0, inner=inner, outer=head)
    assert case.ask() == case.value == PAD_INT32
    # the last token that has a lane, and none after it
    own = trace.encode_int32([1_279] * 256)
    for end, expected in ((9, PAD_INT32), (10, 1_279)):
        inner = {("ends", 4): trace.encode_int32([end] * 256)}
        case = prompt_steps.ask(113, 0, 9, inner=inner, own=own)
        assert case.ask() == case.value == expected


def ask_parse(
    state: tuple[int, int] | None,
    byte: int,
    lane: int = 2,
    leaf: int = 1,
    data: bytes | None = None,
) -> Case:
    """Return the case of a state after a byte, behind another; None: behind a dead leaf."""
    walked = fuzz.publish(encode_manifest(with_fields(WRITTEN)) if data is None else data)
    manifest = fuzz.lay_out(walked).manifest
    prompt_steps.parse_bench().manifests[manifest.hash] = walked
    words = [0] * 32
    text = bytearray(b"x" * 1_024)
    text[16 * leaf + lane // 2] = byte
    if state is not None and lane >= 2:
        words[lane // 2 * 2 - 2 : lane // 2 * 2] = [part % 2**256 for part in state]
    filled = [3] * 7 + [int.from_bytes(manifest.hash, "big"), 5, 6, 7, 8]
    outer = {PROMPT: trace.encode_int32([BEFORE, 1]), (0, 0, 1): trace.encode_words(filled)}
    inner = {("text", 0): trace.encode_bytes(bytes(text))}
    if lane < 2 and state is not None:
        inner["parse", leaf - 1] = trace.encode_words([9] * 30 + [part % 2**256 for part in state])
    own = trace.encode_words(words)
    return prompt_steps.ask(115, leaf, lane, inner=inner, outer=outer, own=own)


def test_an_output_is_walked_byte_by_byte() -> None:
    """Invariant 4: whatever the byte.

    Rule: FRAME-49, FRAME-50, DECODE-1
    """
    state = MachineState(Phase.INTEGER, 0, 2, value=12)
    packed = machine_words.pack_state(state), 12
    after = state._replace(length=3, value=127)
    for lane in (0, 2):
        word, magnitude = (ask_parse(packed, ord("7"), lane + at) for at in (0, 1))
        assert word.ask() == word.value == machine_words.pack_state(after, ord("7"))
        assert magnitude.ask() == magnitude.value == 127
        ended = ask_parse(packed, 0, lane)
        assert ended.ask() == ended.value == 0
        nothing = ask_parse((0, 0), ord("7"), lane)
        assert nothing.ask() == nothing.value == 0
        stuck = ask_parse((packed[0] | 200 << 56, 12), ord("7"), lane)
        assert stuck.ask() == stuck.value == 1 << 80 | ord("7") << 72 | 15 << 64
    for lane, expected in ((0, DEAD), (1, 0)):
        nothing = ask_parse(None, ord("7"), lane)
        assert nothing.ask() == nothing.value == expected
    start = ask_parse(None, ord("{"), 0, 0)
    begun = MachineState(Phase.PREFIX, 0, 1)
    assert start.ask() == start.value == machine_words.pack_state(begun, ord("{"))


def test_each_wrong_proof_has_its_reason() -> None:
    """Invariant 6: of the model no other row passes.

    Rule: FRAME-3, FRAME-48
    """
    outer = build_outer([b"{", DEEPEST])
    inner = {
        ("ends", 0): trace.encode_int32([1, 129]),
        ("output_owner", 0): trace.encode_int32([0] + [1] * 255),
    }
    case = prompt_steps.ask(114, 0, 60, inner=inner, outer=outer)
    assert case.ask() == DEEPEST[59]
    plain = prompt_steps.ask(112, 0, 1, outer=outer, own=trace.encode_int32([1]))
    parse = ask_parse((machine_words.ALIVE, 0), ord("{"))
    leaves, rows, hint, _ = decode(FRAME_TYPES, case.proof)
    ((data, siblings),) = rows

    def refuse(reason: str, *parts: object, of: Case = case) -> None:
        with reverts(reason):
            of.ask(proof=encode(FRAME_TYPES, parts))

    refuse("step: wrong openings", leaves[:-1], rows, hint, ())
    refuse("step: wrong openings", leaves[:1], rows, hint, ())
    refuse("step: a preimage for an output", leaves, rows, hint, (b"",))
    refuse("step: an output token's row", leaves, (), hint, ())
    refuse("step: not under the model root", leaves, ((data[:-1], siblings),), hint, ())
    refuse("step: model height", leaves, ((data, siblings[:-1]),), hint, ())
    refuse("step: outer height", (leaves[3], *leaves[1:3], leaves[0]), rows, hint, ())
    for other, reason, preimage in (
        (plain, "step: a row of no token", "step: a preimage for an output"),
        (parse, "step: a row for a parse", "step: a preimage for a parse"),
    ):
        shown, _, _, _ = decode(FRAME_TYPES, other.proof)
        refuse(reason, shown, rows, hint, (), of=other)
        refuse(preimage, shown, (), hint, (b"",), of=other)
        refuse("step: wrong openings", shown[:1], (), hint, (), of=other)
    for other, reason in ((case, "step: none of the output's"), (parse, "step: no parse")):
        with reverts(reason):
            other.ask(step=(*other.step[:5], 116, *other.step[6:]))


@pytest.mark.parametrize("name", ["Output", "Parse"])
def test_the_code_is_below_24_000_bytes(name: str) -> None:
    assert len(deploy.compile_contract(f"contracts/StepVerifier{name}.vy").runtime) < 24_000


def find_dearest(op: int) -> Case:
    """Return the step that reads the most."""
    wide = trace.encode_int32([0x7F_FF_FF - lane for lane in range(256)])
    outer = {PROMPT: trace.encode_int32([BEFORE, 1])}
    if op == 112:
        outer[BEFORE + 1_024, 31, 0] = sampler(1, 7, 1_024)
        return prompt_steps.ask(op, 4, 0, inner={("ends", 3): wide}, outer=outer, own=wide)
    if op == 113:
        ends = trace.encode_int32([0x01_01_01 + lane for lane in range(255)] + [256])
        inner = {
            ("output_owner", 0): trace.encode_int32([0x7F_FF_FF] * 255 + [255]),
            ("ends", 0): ends,
            ("ends", 1): wide,
        }
        return prompt_steps.ask(op, 1, 0, inner=inner, outer=outer, own=wide)
    if op == 114:
        outer[BEFORE + 3, 31, 0] = sampler(1, find_token(DEEPEST), 1_024)
        inner = {
            ("output_owner", 3): trace.encode_int32([0x7F_FF_FF] * 255 + [3]),
            ("ends", 0): trace.encode_int32([5, 6, 7, 1_024, *range(0x01_01_01, 0x01_01_01 + 252)]),
        }
        own = trace.encode_bytes(b"~" * 1_024)
        return prompt_steps.ask(op, 0, 1_023, inner=inner, outer=outer, own=own)
    raise AssertionError(op)


@pytest.mark.parametrize("op", [112, 113, 114])
def test_each_step_is_cheap_as_a_transaction(op: int) -> None:
    """Rule: FRAME-45"""
    case = find_dearest(op)
    assert len(case.read.chunks) == {112: 3, 113: 3, 114: 4}[op]
    gas = case.find_gas()
    print(f"op {op}: {gas} gas, {len(case.proof)} bytes of proof")
    assert 0.85 * MOST_GAS[op] < gas < MOST_GAS[op]
    assert len(case.proof) < 16_384


def test_a_parse_is_cheap_at_its_dearest_state() -> None:
    """Rule: FRAME-49"""
    found = {}
    for place, usual in PLACES.items():
        byte = {"digits": ord("9"), "text": ord("a"), "name": ord("~"), "choice": LAST}[place]
        state, data = build_dear(usual)
        packed = machine_words.pack_state(state), state.value
        case = ask_parse(packed, byte, 0, 1, data)
        assert len(case.read.chunks) == 3
        assert place == "digits" or (case.value >> 64) & 255 != STUCK
        found[place] = case.find_gas(), case.find_whole()
        assert len(case.proof) < 16_384
    print(f"op 115: {found}")
    alone, whole = map(max, zip(*found.values(), strict=True))
    assert 0.85 * MOST_GAS[115] < alone < MOST_GAS[115]
    assert 400_000 < whole < MOST_RESOLVED
