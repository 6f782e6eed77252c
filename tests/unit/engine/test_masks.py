"""The vectorised masks against the reference walk."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from oyez.engines.exact.gguf import open_gguf
from oyez.engines.exact.masks import Masks
from oyez.engines.exact.tokens import build_vocabulary, parse_tokenizer_metadata
from oyez.protocol import masks
from oyez.protocol.machine import SAMPLED_PHASES, Machine, MachineState, Phase
from oyez.protocol.types import Field, FieldType, Role
from oyez.protocol.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def real(model_path: Path) -> Vocabulary:
    return build_vocabulary(parse_tokenizer_metadata(open_gguf(model_path)))


@pytest.fixture(scope="module")
def small() -> Vocabulary:
    """All bytes but two, characters cut in every way, quotes inside, equal bytes, controls."""
    rng = random.Random(5)
    texts = [
        "é",
        "世界",
        "😀",
        'a"',
        '"',
        '""',
        'é"',
        '"é',
        "\n",
        "a\\",
        "-1",
        "12",
        "0",
        "00",
        "7,",
        "7]",
        "]",
        ",",
        '"]',
    ]
    tokens: list[bytes | None] = [bytes([b]) for b in range(256) if b not in (0xC0, 0xC5)]
    tokens += [None, b"ab", b"ab", "世".encode() * 3]
    for _ in range(400):
        data = "".join(rng.choice(texts) for _ in range(rng.randint(1, 4))).encode()
        begin = rng.randrange(len(data))
        tokens.append(data[begin : rng.randint(begin + 1, len(data))])
    return Vocabulary(tokens)


def walk(machine: Machine, rng: random.Random) -> list[MachineState]:
    """Return the sampled states of one random output."""
    state, seen = machine.start(), []
    for _ in range(300):
        if machine.is_end(state):
            break
        if state.phase in SAMPLED_PHASES:
            seen.append(state)
        _, state = rng.choice(list(machine.allowed_bytes(state).items()))
        if rng.random() < 0.02:
            break
    return seen


def fields(rng: random.Random) -> list[Field]:
    low = rng.choice([0, -5, 7, -(10**9), -(10**40)])
    high = low + rng.choice([0, 3, 10, 99, 10**6, 10**41])
    scalars = [
        Field(b"s", FieldType.STRING, Role.WRITES, b"", limit=rng.choice([0, 1, 2, 3, 5, 40, 512])),
        Field(b"n", FieldType.INTEGER, Role.WRITES, low, low=low, high=high, digits=50),
        Field(b"t", FieldType.STRING, Role.WRITES, b"", limit=rng.randint(0, 90)),
        Field(b"m", FieldType.INTEGER, Role.WRITES, low, low=low, high=high, digits=50),
        Field(b"e", FieldType.ENUM, Role.WRITES, b"a", options=(b"a", b"a]", b"b")),
        Field(b"b", FieldType.BOOLEAN, Role.WRITES, False),
    ]
    # each again as the items of an array
    arrays = [
        replace(
            field,
            name=field.name.upper(),
            type=FieldType.ARRAY,
            element=field.type,
            items=rng.choice([1, 2, 3, 9]),
            initial=(),
        )
        for field in scalars
    ]
    chosen = [*scalars[:4], *arrays, *arrays[:2]]
    rng.shuffle(chosen)
    return chosen


def test_masks_equal_the_reference_on_many_states(small: Vocabulary) -> None:
    # Rule: ENGINE-23
    rng, fast = random.Random(3), Masks(small)
    states: Counter[tuple[Phase, FieldType]] = Counter()
    for _ in range(60):
        machine = Machine(fields(rng), small.missing)
        for state in walk(machine, rng):
            expected = masks.allowed_tokens(machine, state, small)
            assert fast.get_allowed(machine, state).tolist() == expected, state
            field = machine.get_field(state)
            states[state.phase, field.base] += 1
    assert states.total() > 1_000
    # every place where something is sampled, of every element that has one there
    for base in (FieldType.STRING, FieldType.ENUM, FieldType.INTEGER):
        assert states[Phase.FIRST, base] >= 10
    for base in (FieldType.STRING, FieldType.ENUM, FieldType.BOOLEAN):
        assert states[Phase.NEXT, base] >= 10


def test_masks_equal_the_reference_on_the_real_vocabulary(real: Vocabulary) -> None:
    # Rule: ENGINE-23
    rng, fast = random.Random(4), Masks(real)
    machine = Machine(fields(rng), real.missing)
    some = [state for _ in range(12) for state in walk(machine, rng)]
    for state in rng.sample(some, 40):
        assert fast.get_allowed(machine, state).tolist() == masks.allowed_tokens(
            machine, state, real
        )


def test_every_continuation_and_room(real: Vocabulary) -> None:
    fast = Masks(real)
    field = Field(b"s", FieldType.STRING, Role.WRITES, b"", limit=100)
    machine = Machine([field], real.missing)
    opens = [(0, 0, 0), (1, 0x80, 0xBF), (2, 0xA0, 0xBF), (2, 0x80, 0x9F), (3, 0x90, 0xBF)]
    for need, low, high in opens:
        for room in (need, need + 1, 6, 17, 100 - need):
            state = MachineState(Phase.STRING, 0, 100 - room, need, low, high)
            expected = masks.allowed_tokens(machine, state, real)
            assert fast.get_allowed(machine, state).tolist() == expected


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 17, 512])
def test_a_first_string_may_open_with_every_token_that_fits(real: Vocabulary, limit: int) -> None:
    # Rule: ENGINE-23
    field = Field(
        b"a", FieldType.ARRAY, Role.WRITES, (), element=FieldType.STRING, limit=limit, items=2
    )
    machine = Machine([field], real.missing)
    state = machine.walk(machine.start(), b'{"a": [')
    expected = masks.allowed_tokens(machine, state, real)
    assert Masks(real).get_allowed(machine, state).tolist() == expected
    opened = {data for token in expected if (data := real.tokens[token]) is not None}
    assert {b"]", b'"', b'""'} & opened == {b"]", b'"', b'""'} & set(real.ids_by_bytes)
    assert (b'",' in opened) == (limit > 0)


def test_nothing_is_sampled_outside_strings_and_integers(small: Vocabulary) -> None:
    machine = Machine(fields(random.Random(1)), small.missing)
    for phase in set(Phase) - set(SAMPLED_PHASES):
        assert len(Masks(small).get_allowed(machine, MachineState(phase, 0))) == 0
