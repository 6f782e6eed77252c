"""The byte machine on chain allows, forces and packs what the reference does, from any state."""

from __future__ import annotations

import random

import pytest
from eth_abi.abi import decode, encode

from oyez.dispute.step_proof import PROOF_TYPES
from oyez.protocol import machine_words, step_machine, trace
from oyez.protocol.machine import SAMPLED_PHASES, MachineState, Phase
from tests import machine_fuzz as fuzz
from tests import machine_steps
from tests.contracts.harness import reverts
from tests.manifests import BOUND


@pytest.mark.parametrize("seed", range(30))
def test_random_manifests(seed: int) -> None:
    """Rule: INNER-40, DECODE-1, DECODE-2, DECODE-4, DECODE-5, DECODE-6, DECODE-7, DECODE-13"""
    draw = random.Random(seed)
    fuzz.compare_manifest(draw, fuzz.random_case(draw))


@pytest.mark.parametrize("case", range(17))
def test_manifests_at_the_bounds(case: int) -> None:
    """Rule: INNER-40, DECODE-1, DECODE-4, DECODE-13"""
    fuzz.compare_manifest(random.Random(case), fuzz.awkward()[case], states=24)


@pytest.mark.parametrize("missing", fuzz.POOR)
def test_models_that_spell_few_characters(missing: bytes) -> None:
    """Rule: DECODE-3"""
    draw = random.Random(len(missing))
    for data in fuzz.awkward()[-5:-3]:
        fuzz.compare_manifest(draw, data, missing, states=20)


def test_what_is_no_step_of_theirs_is_refused() -> None:
    """Rule: INNER-2"""
    case = machine_steps.make_case(random.Random(1), 34)
    _, read = case.recompute()
    described, proof = case.prove(read)
    other = (*described[:5], 37, *described[6:])
    with reverts("step: no mode, no mask"):
        machine_steps.verifier("Mask").recompute(other, case.own.data, proof)
    with reverts("step: no run, no walk"):
        machine_steps.verifier("Machine").recompute(other, case.own.data, proof)


@pytest.mark.parametrize(
    ("op", "reason"), [(34, "step: wrong token rows"), (35, "step: the token's row")]
)
def test_no_row_comes_along_that_is_not_read(op: int, reason: str) -> None:
    """Rule: INNER-8"""
    case = machine_steps.make_case(random.Random(1), op)
    _, read = case.recompute()
    described, proof = case.prove(read)
    leaves, rows, hint = decode(PROOF_TYPES, proof)
    more = encode(PROOF_TYPES, (leaves, [*rows, (b"\x01\x00\x01a", [])], hint))
    with reverts(reason):
        case.ask(described, more)


def test_no_digit_makes_a_magnitude_overflow() -> None:
    """Rule: INNER-40, DECODE-6"""
    published = fuzz.lay_out(fuzz.publish(fuzz.awkward()[-6]))
    harness = fuzz.contract(fuzz.HARNESS)
    for number in range(len(published.written)):
        for magnitude in (BOUND, BOUND // 10, BOUND // 10 + 1, (2**256 - 1) // 10, -1, -BOUND - 1):
            for length in (0, 1, 76, 77):
                state = MachineState(Phase.INTEGER, number, length, value=magnitude)
                word = machine_words.pack_state(state)
                fuzz.compare_state(harness, published, word, magnitude)


@pytest.mark.parametrize("case", range(17))
def test_states_at_their_bounds(case: int) -> None:
    """Rule: INNER-40"""
    published = fuzz.lay_out(fuzz.publish(fuzz.awkward()[case]))
    edges = fuzz.list_edges(published)
    for word, magnitude in random.Random(case).sample(edges, min(len(edges), 120)):
        fuzz.compare_state(fuzz.contract(fuzz.HARNESS), published, word, magnitude)


@pytest.mark.parametrize("need", [1, 2, 3])
def test_a_characters_next_byte_has_its_range(need: int) -> None:
    """Rule: INNER-40, DECODE-3

    Those of UTF-8's table of well-formed bytes, and others that only a liar's word holds.
    """
    found = (fuzz.lay_out(fuzz.publish(data)) for data in fuzz.awkward())
    published, number = next(
        (one, i) for one in found for i, w in enumerate(one.written) if w.field.limit > 3
    )
    ranges = [(0x80, 0xBF), (0xA0, 0xBF), (0x80, 0x9F), (0x90, 0xBF), (0x80, 0x8F)]
    ranges += [(0x85, 0x85), (0, 255), (0x41, 0xC2), (0xBF, 0x80), (1, 2), (255, 0)]
    for low, high in ranges:
        state = MachineState(Phase.STRING, number, 0, need=need, low=low, high=high)
        word = machine_words.pack_state(state)
        fuzz.compare_state(fuzz.contract(fuzz.HARNESS), published, word, 0)


#: Kinds of a next token with token 5, then tokens of kind 1: which are walked.
TOKENS = {(kind, 5): 1 <= kind <= 3 for kind in (-1, 0, 1, 2, 3, 4, (1 << 16) + 1, -(1 << 16) + 2)}
LAST = machine_steps.TOKENS - 1
TOKENS |= {(1, token): 0 <= token <= LAST for token in (-(1 << 31), -1, 0, 1, LAST, LAST + 1)}


@pytest.mark.parametrize("named", TOKENS)
def test_a_walk_is_along_a_token_of_three_kinds(named: tuple[int, int]) -> None:
    """Rule: INNER-46"""
    draw = random.Random(0)
    for seed in range(20):
        case = machine_steps.make_case(draw, 49)
        layout = case.model.get_layout(case.address.record)
        assert layout is not None
        case.world.inner[layout.get("next").start] = trace.encode_int32(named)
        machine_steps.check(case, seed)
        assert (len(case.recompute()[1].rows) > 0) == TOKENS[named]


@pytest.mark.parametrize("leaf", [1, 2])
def test_a_later_leaf_goes_on_with_the_tokens_later_bytes(leaf: int) -> None:
    """Rule: INNER-46

    Sixteen bytes a leaf, two words a byte; what the walk before says is where it goes on.
    """
    pool, alive = machine_steps.pool(), 0
    long = [(token, *piece) for token, piece in pool.pieces.items() if len(pool.rows[token]) > 40]
    for seed, (token, walked, at) in enumerate(long[:12]):
        draw = random.Random(seed)
        case = machine_steps.make_case(draw, 49)
        layout = case.model.get_layout(case.address.record)
        assert layout is not None
        state = walked.states[at + 16 * leaf]
        words = [0] * 30 + [machine_words.pack_state(state, 1), state.value]
        context = [0, 0, int.from_bytes(walked.published.manifest.hash, "big"), 9]
        start = layout.get("walk").start
        case.world.manifests[walked.published.manifest.hash] = walked.data
        case.world.inner |= {
            layout.get("next").start: trace.encode_int32([1, token]),
            layout.get("context").start: trace.encode_words(context),
            start + leaf - 1: trace.encode_words(words),
        }
        case.address = case.address._replace(leaf=start + leaf, lane=0)
        expected = machine_words.pack_state(
            walked.states[at + 16 * leaf + 1], pool.rows[token][3 + 16 * leaf]
        )
        assert machine_steps.check(case, seed) == expected
        alive += 1
    assert alive == 12


#: Tokens that go past the end of a scalar, or of what stands between two; and whole ones.
PAST = [
    *(b'"', b'",', b'a"', b'a"]', b'"a', b'"a"', b'"",', b"]", b"],", b"]}", b",", b", ", b',"'),
    *(b"1", b"1}", b"1, ", b"1}}", b"1]", b"1],", b"-1", b"-1,", b"0", b"00", b"0]", b"-", b"--1"),
    *(b"7", b"7,", b"7, ", b"9}", b"95", b"950", b"100", b"100]", b"105,", b"1000", b"95-", b"x"),
    *(
        b"a" * 31,
        b"a" * 32,
        b"a" * 33,
        b"a" * 64 + b'"',
        b"a" * 32 + b'"b',
        b"a" * 128,
        b"\x7f" * 32,
    ),
    *(
        b"a" * 31 + b"\x7f",
        b"a" * 31 + b"\\",
        b'"' + b"a" * 31,
        b"\x1f" * 32,
        b"\xc3\xa9" * 16,
        b"\xa9",
    ),
    *(b"a" * 31 + b"\xc3", b"\x80" + b"a" * 31, b"", b'\xc3\xa9"', b"\xf0\x9f\x98\x80"),
]


@pytest.mark.parametrize("case", range(17))
def test_a_token_ends_with_its_scalar(case: int) -> None:
    """Rule: DECODE-8"""
    published = fuzz.lay_out(fuzz.publish(fuzz.awkward()[case]))
    draw, states = random.Random(case), []
    for _ in range(8):
        states += fuzz.random_walk(draw, published)[1]
    sampled = [state for state in states if state.phase in SAMPLED_PHASES]
    rows = [b"\x01" + len(text).to_bytes(2, "big") + text for text in PAST]
    for state in draw.sample(sampled, min(len(sampled), 40)):
        word = machine_words.pack_state(state)
        found = fuzz.contract(fuzz.HARNESS).may_sample(
            published.manifest.hash, word, state.value, rows
        )
        expected = [step_machine.may_sample(published.machine, state, text) for text in PAST]
        assert list(found) == expected, state


#: Two words of 32 bytes, and some more.
PLAIN = b"plain text of more than two words of thirty-two letters, so of seventy"


@pytest.mark.parametrize("at", range(len(PLAIN)))
def test_a_byte_of_a_word_is_text_or_is_none(at: int) -> None:
    """Words of plain text are taken whole; wherever one other byte stands, they are not.

    Rule: DECODE-8, DECODE-3
    """
    found = (fuzz.lay_out(fuzz.publish(data)) for data in fuzz.awkward())
    published, number = next(
        (one, i) for one in found for i, w in enumerate(one.written) if w.field.limit >= len(PLAIN)
    )
    state = MachineState(Phase.STRING, number)
    texts = []
    for byte in (0, 31, 32, 33, 34, 35, 91, 92, 93, 126, 127, 128, 160, 255):
        text = bytearray(PLAIN)
        text[at] = byte
        texts.append(bytes(text))
    rows = [b"\x01" + len(text).to_bytes(2, "big") + text for text in texts]
    expected = [step_machine.may_sample(published.machine, state, text) for text in texts]
    word = machine_words.pack_state(state)
    harness = fuzz.contract(fuzz.HARNESS)
    assert list(harness.may_sample(published.manifest.hash, word, 0, rows)) == expected
    # six are text; behind all text a quote ends it
    assert sum(expected) == 6 + (at == len(PLAIN) - 1)
