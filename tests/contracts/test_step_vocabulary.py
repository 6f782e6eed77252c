"""The verifiers of text and scores: each refusal by its reason, code sizes, gas of each kind."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from eth_abi.abi import encode

from oyez.chain import deploy
from oyez.dispute.step_proof import PROOF_TYPES
from oyez.protocol import trace
from oyez.protocol.constants import MAX_ROW_BYTES, MAX_TOKEN_BYTES
from oyez.protocol.errors import Invalid
from oyez.protocol.trace import PAD_INT32, Chunk
from oyez.protocol.types import Field, FieldType, Manifest, Role
from tests.contracts.harness import encode_call, reverts
from tests.contracts.test_step_rows_gas import BASE, RESOLVE_BYTES, RESOLVE_GAS, price
from tests.dear_fields import SHORT, stand_behind
from tests.manifest_cases import SMALLEST
from tests.step_damage import open_proof
from tests.steps import pad
from tests.token_cases import list_tokens
from tests.vocabulary_steps import VERIFIERS, Case, Make, Proven, Setup, random_setup, setup

OPTIONS = tuple(sorted(b"option number %02d of sixty-four" % at for at in range(64)))
WIDE = Field(
    b"wide",
    FieldType.ENUM,
    Role.WRITES,
    OPTIONS[0],
    options=OPTIONS,
    biases=(1,) * 64,
)
NARROW = replace(WIDE, initial=SHORT[0], options=tuple(SHORT))
#: The dearest manifests: a choice behind as many options of other fields as there is room for.
DEAREST, DEAREST_SHORT = (
    replace(
        SMALLEST,
        fields=tuple(stand_behind(replace(field, name=b"~"), Role.KEPT)),
        temperature=52_429,
        output_tokens=300,
        fixed_positions=300,
    )
    for field in (WIDE, NARROW)
)


def hold(leaves: dict[str, Chunk]) -> Make:
    """Return what gives each region its one leaf."""
    return lambda region, _place: leaves[region]


def make_run(text: bytes, hint: int | None = None, lane: int = 1) -> Case:
    """A case of the first token of a forced run."""
    leaves = {"mode": trace.encode_int32([3]), "run_text": trace.encode_bytes(text)}
    own = trace.encode_int32([PAD_INT32] * 256)
    return Case(setup(), "run_tokens", 0, lane, own, hold(leaves), hint=hint)


def prove(case: Case) -> Proven:
    """Prove what a case reads, be its hint right or wrong."""
    with contextlib.suppress(Invalid):  # of a wrong hint; what was read is remembered
        case.recompute()
    return case.prove()


def test_only_the_last_record_that_is_not_after_the_text_passes() -> None:
    """Audit 1 H8: every hint, each with the honest rows that belong to it.

    Rule: INNER-56, MODEL-15
    """
    text = b"the end"
    right = setup().find_record(text)
    for hint in range(setup().model.records):
        proven = prove(make_run(text, hint))
        if hint == right:
            assert proven.verify() == 4
        else:
            reason = (
                "step: not the last record" if hint < right else "step: a record after the text"
            )
            with reverts(reason):
                proven.verify()
            opened = open_proof(proven.proof)
            alone = encode(PROOF_TYPES, (opened.leaves, opened.rows[:1], hint))
            if hint < right:
                reason = "step: the next record too"
            with reverts(reason):
                proven.verify(proof=alone)


def test_every_token_is_found_by_its_own_bytes() -> None:
    """The last record and the one before it are among them.

    Rule: INNER-56, INNER-57
    """
    vocabulary = setup().vocabulary
    for record, text in enumerate(setup().sorted):
        if b"\0" not in text:
            proven = prove(make_run(text, lane=1))
            assert open_proof(proven.proof).hint == record
            assert proven.verify() == len(text)
            token = prove(make_run(text, lane=0)).verify()
            assert token == vocabulary.ids_by_bytes[text][0]


def test_each_wrong_row_has_its_reason() -> None:
    """Rule: INNER-56, INNER-9"""
    world = setup()
    proven = prove(make_run(b"the end"))
    opened = open_proof(proven.proof)
    first, second = opened.rows

    def refuse(reason: str, rows: Sequence[object], hint: int = opened.hint) -> None:
        with reverts(reason):
            proven.verify(proof=encode(PROOF_TYPES, (opened.leaves, rows, hint)))

    refuse("step: no record", [])
    refuse("step: the next record too", [first])
    refuse("step: no such record", [first, second], world.model.records)
    refuse("step: not under the model root", [(second[0], first[1]), second])
    refuse("step: model height", [(first[0], first[1][1:]), second])
    refuse("step: row not beside the first", [first, (first[0], second[1])])
    refuse("step: not under the model root", [first, second], opened.hint + 1)

    last = world.model.records - 1
    assert world.sorted[last] < b"\xff"
    proven = prove(make_run(b"\xff\xff"))
    assert proven.verify() == PAD_INT32
    opened = open_proof(proven.proof)
    assert opened.hint == last
    with reverts("step: no record follows"):
        proven.verify(proof=encode(PROOF_TYPES, (opened.leaves, opened.rows * 2, last)))

    proven = prove(make_run(b""))
    assert proven.verify() == PAD_INT32
    opened = open_proof(proven.proof)
    with reverts("step: a row for no text"):
        proven.verify(proof=encode(PROOF_TYPES, (opened.leaves, [first], 0)))


def test_before_the_first_record_one_row_is_enough() -> None:
    """Rule: INNER-56"""
    world = setup()
    assert world.sorted[0] == b"\0"
    # no text holds a zero, so a vocabulary without it is needed
    low = Setup(
        type(world.vocabulary)([bytes([byte]) for byte in range(0x20, 0x100)]), manifests=[SMALLEST]
    )
    leaves = {"run_text": trace.encode_bytes(b"\x1fa")}
    own = trace.encode_int32([PAD_INT32] * 256)
    case = Case(low, "run_tokens", 0, 1, own, hold(leaves))
    proven = prove(case)
    assert proven.verify() == PAD_INT32
    opened = open_proof(proven.proof)
    assert len(opened.rows) == 1
    with reverts("step: one record is enough"):
        proven.verify(proof=encode(PROOF_TYPES, (opened.leaves, opened.rows * 2, 0)))


@pytest.mark.parametrize("end", [1_024, 1_023, 1_022, 992, 33, 2])
def test_a_text_ends_with_its_first_zero_or_the_chunk(end: int) -> None:
    """Rule: INNER-57"""
    text = (b"e" * end).ljust(1_024, b"\0")
    later = text[:end] + bytes(1) + b"e" * (1_023 - end) if end < 1_024 else text
    for start in (0, 1, end - 33, end - 2, end - 1, end, end + 1, 1_023, 1_024, -1, 2**31 - 1):
        for content in (text, later):
            leaves = {"run_text": trace.encode_bytes(content)}
            own = trace.encode_int32([PAD_INT32, max(start, -1), *[PAD_INT32] * 254])
            case = Case(setup(), "run_tokens", 0, 3, own, hold(leaves))
            found = prove(case).verify()
            assert found == case.recompute()
            if 0 <= start < end:
                assert found == start + 1
            elif content is text:
                assert found == PAD_INT32


def test_a_proof_carries_the_longest_record() -> None:
    """Rule: INNER-50"""
    world = random_setup(4)
    records = {len(record): data for record, data in zip(world.records, world.sorted, strict=True)}
    assert max(records) == 4 + 7 * MAX_TOKEN_BYTES < MAX_ROW_BYTES
    longest = records[max(records)]
    assert len(longest) == MAX_TOKEN_BYTES
    leaves = {"run_text": trace.encode_bytes(longest)}
    own = trace.encode_int32([PAD_INT32] * 256)
    proven = prove(Case(world, "run_tokens", 0, 1, own, hold(leaves)))
    assert proven.verify() == len(longest)


@pytest.mark.parametrize("option", [0, 1, 62, 63])
def test_an_option_is_left_by_its_own_lanes_and_an_option_that_exists(option: int) -> None:
    """Rule: INNER-59"""
    found = int.from_bytes(dearest().parsed[0].hash, "big")
    base = 128 * (option & 1)

    def find(length: int, value: int, lanes: dict[int, int]) -> int:
        leaf = [7 if at % 2 == 0 else PAD_INT32 for at in range(256)]
        for at, lane in lanes.items():
            leaf[at] = lane
        words = [2 << 64 | length << 40, value % (1 << 256), found, 0]
        leaves = {"context": trace.encode_words(words), "options": trace.encode_int32(leaf)}
        leaves["mode"] = trace.encode_int32([4])
        case = Case(dearest(), "candidates", 0, 2 * option, pad(), hold(leaves))
        expected = case.recompute()
        assert case.prove().verify() == expected
        return expected

    for value in (0, 63):
        assert find(0, value, {}) == 7
        assert find(0, value, {base: PAD_INT32}) == -1
    for value in (64, 65, -1, 1 << 255):
        assert find(0, value, {}) == -1
    assert find(4, 5, {base + 1: 4, base + 2: 9}) == 9
    assert find(4, 5, {base + 125: 4, base + 126: 9}) == 9
    assert find(4, 5, {base + 127: 4}) == -1
    assert find(4, 5, {128 - base + 1: 4}) == -1
    assert find(40, option, {base + 1: 40, base + 2: 9}) == 9
    assert find(40, (option + 1) % 64, {base + 1: 40, base + 2: 9}) == -1


def test_a_score_reads_no_row() -> None:
    """Rule: INNER-8"""
    case = Case(setup(), "top", 0, 0, pad(), lambda *_: pad())
    proven = prove(case)
    opened = open_proof(proven.proof)
    with reverts("step: a score reads no row"):
        proven.verify(proof=encode(PROOF_TYPES, (opened.leaves, [(b"", [])], 0)))


@pytest.mark.parametrize("path", sorted(set(VERIFIERS.values())))
def test_the_code_is_below_24_000_bytes(path: str) -> None:
    assert len(deploy.compile_contract(path).runtime) < 24_000


@functools.cache
def dearest(manifest: Manifest = DEAREST) -> Setup:
    return Setup(manifests=[manifest])


def make_dear(world: Setup, region: str, place: int) -> Chunk:
    """Leaves that cost the most."""
    texts = [option + b'"' for option in world.parsed[0].fields[-1].options]
    if region == "context":
        state = 2 << 64 | 31 << 40
        found = int.from_bytes(world.parsed[0].hash, "big")
        return trace.encode_words([state, 62, found, (1 << 256) - 5])
    if region == "options":
        lanes: list[int] = []
        for text in texts[2 * place : 2 * place + 2]:
            lanes += [*list_tokens(world.vocabulary, text), *[PAD_INT32] * 128][:128]
        return trace.encode_int32(lanes)
    if region == "mask":
        return trace.encode_int32([255] * 256)
    if region in ("best", "choice"):
        return trace.encode_words([(1 << 88) - 1 - at for at in range(32)])
    if region == "run_text":
        return trace.encode_bytes(b"the end of all that" * 53)
    if region == "mode":
        return trace.encode_int32([MODES[CURRENT[0]]])
    return trace.encode_int32([(7919 * at) % 49_152 for at in range(256)])


#: The mode that a kind wants, and the kind that is measured.
MODES = {
    "run_tokens": 3,
    "options": 4,
    "candidates": 4,
    "noise": 5,
    "best": 5,
    "choice": 4,
    "top": 5,
}
CURRENT = [""]
#: Of a whole resolution.
MOST_GAS = 440_000
#: Of each kind: region, place, lane; gas that it may take to execute.
DEAR = {
    "forced token": ("run_tokens", 0, 0, 75_000),
    "forced token, later leaf": ("run_tokens", 1, 1, 45_000),
    "option token": ("options", 31, 0, 125_000),
    "candidate": ("candidates", 0, 0, 120_000),
    "last candidate": ("candidates", 0, 126, 115_000),
    "candidate bias": ("candidates", 0, 127, 55_000),
    "noise": ("noise", 3, 0, 45_000),
    "block best": ("best", 0, 0, 145_000),
    "choice score": ("choice", 0, 0, 68_000),
    "top": ("top", 0, 0, 52_000),
}


@pytest.mark.parametrize("kind", DEAR)
def test_a_step_is_cheap_enough(kind: str) -> None:
    """Rule: INNER-2"""
    name, place, lane, most = DEAR[kind]
    CURRENT[0] = name
    own = pad() if name in ("best", "choice", "top") else trace.encode_int32([3] * 256)
    found = []
    for world in (dearest(), dearest(DEAREST_SHORT)):
        case = Case(world, name, place, lane, own, functools.partial(make_dear, world))
        expected = case.recompute()
        proven = case.prove()
        assert proven.verify() == expected
        found.append(measure(proven))
    execution, calldata, total, whole = map(max, zip(*found, strict=True))
    print(f"{kind}: {execution} to execute, {calldata} bytes, {total} alone, {whole} resolved")
    assert 0.8 * most < execution < most
    assert whole < MOST_GAS


def measure(proven: Proven) -> tuple[int, int, int, int]:
    """Return gas of execution, bytes of calldata, gas of a transaction that is but this call.

    Last the gas of a whole resolution.
    """
    world = proven.case.setup.world
    proven.verify()
    entry = next(
        entry for entry in world.abis[proven.verifier.address] if entry.get("name") == "recompute"
    )
    data = encode_call(entry, proven.step, proven.raw, proven.proof)
    alone = world.gas - BASE - price(data, 16, 4)
    total = max(world.gas, BASE + price(data, 40, 10))
    usual = BASE + 16 * RESOLVE_BYTES + price(proven.proof, 16, 4) + RESOLVE_GAS + alone
    whole = max(usual, BASE + 40 * RESOLVE_BYTES + price(proven.proof, 40, 10))
    return alone, len(data), total, whole
