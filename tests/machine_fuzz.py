"""Random manifests on chain and states of their byte machines, whole, reached or made up."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import random

from oyez.protocol import machine_words, step_machine
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.manifest import encode_manifest, parse_manifest
from oyez.protocol.manifest_layout import ModelLimits
from oyez.protocol.step import LayerFormats, StepModel
from oyez.protocol.step_machine import Published
from oyez.protocol.types import Field, FieldType, Role
from tests import given_models
from tests.contracts import harness
from tests.contracts.harness import ROOT, SHAPE, Contract, World
from tests.manifest_cases import array, build_cases, with_fields
from tests.manifests import BOUND, LIMITS, random_manifest

MODEL = StepModel(
    root=ROOT,
    shape=SHAPE,
    records=49_000,
    tied=True,
    embedding_type=8,
    head_type=8,
    epsilon=1,
    score_scale=1,
    output_exponent=0,
    layers=(LayerFormats(16, 16, 16, 0, 0, (8,) * 7),) * SHAPE.layers,
    inner_height=12,
)
HARNESS = "tests/contracts/MachineHarness.vy"
NO_BYTE = 256
#: Models that spell few characters: none of some lead bytes, and of others a single one.
POOR = (
    bytes(range(0x80, 0xA0)),
    bytes(range(0xA0, 0xC0)),
    bytes(b for b in range(0x80, 0xA1) if b != 0x84),
)


@functools.cache
def world() -> World:
    return World(harness.settings())


@functools.cache
def contract(path: str, missing: bytes = SHAPE.missing) -> Contract:
    """Deploy a verifier or harness over a model with these missing bytes."""
    shape = dataclasses.replace(SHAPE, missing=missing)
    model = given_models.deploy_model(world(), dataclasses.replace(MODEL, shape=shape))
    return world().deploy(path, model.address)


_published: dict[bytes, None] = {}


def publish(data: bytes) -> bytes:
    if data not in _published:
        world().actions.publish(data, sender=harness.AUTHOR)
        _published[data] = None
    return data


def lay_out(data: bytes, missing: bytes = SHAPE.missing) -> Published:
    """Parse under the registry's limits; walk under the missing bytes given."""
    parse_manifest(data, LIMITS)
    found = step_machine._lay_out(data, ModelLimits(SHAPE.vocabulary, SHAPE.context, missing))
    assert found is not None
    return found


def awkward() -> list[bytes]:
    """Manifests at the bounds, and fields that random ones seldom have."""
    cases = [
        data
        for name, data in list(build_cases().items())[:12]
        if name != "named cells, constant seed, long name"  # of another model
    ]
    integers = [
        Field(b"i%d" % n, FieldType.INTEGER, Role.WRITES, low, low=low, high=high, digits=78)
        for n, (low, high) in enumerate(
            [(0, 0), (-BOUND, -BOUND), (BOUND - 9, BOUND), (-105, 95), (19, 200), (-1, 10**76)]
        )
    ]
    strings = [
        Field(b"s%d" % limit, FieldType.STRING, Role.WRITES, b"", limit=limit)
        for limit in (0, 1, 2, 3, 4, 9)
    ]
    enum = Field(
        b"e",
        FieldType.ENUM,
        Role.WRITES,
        b"a",
        options=(b"a", b"a!", b"a!b", b"ab", b"b" * 31 + b"a", b"b" * 32),
        biases=(0, 1, -1, 2**31 - 1, -(2**31), 7),
    )
    boolean = Field(b"b", FieldType.BOOLEAN, Role.WRITES, False, biases=(3, -4))
    arrays = [
        dataclasses.replace(array(one, items), name=one.name + b"[%d]" % items)
        for one in (*integers[3:5], strings[0], strings[4], enum, boolean)
        for items in (1, 3)
    ]
    cases += [encode_manifest(with_fields(fields)) for fields in (integers, strings, arrays)]
    cases += [encode_manifest(with_fields([one])) for one in (enum, boolean, arrays[-1])]
    return cases


def random_case(draw: random.Random) -> bytes:
    return encode_manifest(dataclasses.replace(random_manifest(draw), model=0))


def random_walk(
    draw: random.Random, published: Published, most: int = 300
) -> tuple[bytes, list[MachineState]]:
    """Bytes that are allowed one after another, and the states before and after them."""
    state = published.machine.start()
    text, states = bytearray(), [state]
    wordy = draw.random()
    while len(text) < most:
        allowed = published.machine.allowed_bytes(state)
        if not allowed:
            break
        ends = [byte for byte in allowed if byte in b'",]}']
        byte = draw.choice(sorted(allowed))
        if ends and draw.random() > wordy:
            byte = draw.choice(ends)
        text.append(byte)
        state = allowed[byte]
        states.append(state)
    return bytes(text), states


def random_word(
    draw: random.Random, published: Published, states: list[MachineState]
) -> tuple[int, int]:
    """A state's word and magnitude: reached, changed in a part, of a phase's kind, or any bits."""
    kind = draw.randrange(6)
    state = draw.choice(states)
    parts = machine_words.unpack_word(machine_words.pack_state(state, draw.randrange(256)))
    magnitude = state.value
    small = (0, 1, 2, 3, 4, 7, 15, 31, 32, 33, 63, 64, 65, 128, 191, 255)
    if kind in (1, 2):
        for _ in range(kind):
            name = draw.choice(machine_words.MachineWord._fields)
            most = {"length": 65_535, "alive": 1}.get(name, 255)
            old = getattr(parts, name)
            value = draw.choice((old + 1, old - 1, *small, most, draw.randint(0, most)))
            parts = parts._replace(**{name: value % (most + 1)})
    elif kind == 3:
        magnitude = draw.choice(
            (*small, -1, BOUND, -BOUND - 1, BOUND // 10, BOUND // 10 + 1, draw.getrandbits(255))
        )
    elif kind == 4:
        phase = draw.choice([*Phase, machine_words.STUCK])
        parts = parts._replace(
            phase=phase,
            field=draw.choice((parts.field, draw.randrange(len(published.written) + 1))),
            length=draw.choice((0, 1, 2, parts.length, draw.randrange(80))),
            items=draw.choice((0, 0, 1, 2, 3, parts.items)),
            negative=draw.choice((0, 0, 1)),
            need=draw.choice((0, 0, 1, 2, 3)),
            low=draw.choice((0, 0, 0x80, 0xA0, draw.randrange(256))),
            high=draw.choice((0, 0, 0xBF, 0x9F, draw.randrange(256))),
        )
        magnitude = draw.choice((0, 0, 1, 5, magnitude, draw.randrange(70)))
    elif kind == 5:
        word = draw.getrandbits(256) | draw.choice((0, machine_words.ALIVE))
        return word - ((word >> 255) << 256), draw.choice((0, 1, draw.getrandbits(255)))
    word = machine_words.pack_word(parts)
    if draw.random() < 0.1:  # what stands above the parts says nothing
        word |= draw.getrandbits(174) << 81
    return word, magnitude


def step_word(published: Published, word: int, magnitude: int, byte: int) -> tuple[int, int]:
    """What Python says the word and magnitude after a byte are."""
    state = step_machine.read_state(published, word, magnitude)
    after = None if state is None else published.machine.step(state, byte)
    return step_machine.pack_after(after, byte)


def compare_walk(harness: Contract, published: Published, text: bytes) -> None:
    """Walk from the start, past the first byte that is refused too."""
    word, magnitude = machine_words.ALIVE, 0
    found = harness.walk(published.manifest.hash, word, magnitude, text, gas=60_000_000)
    expected = []
    for byte in text:
        state = step_machine.read_state(published, word, magnitude)
        forced = step_machine.force(published.machine, state)
        word, magnitude = step_word(published, word, magnitude, byte)
        expected += [NO_BYTE if forced is None else forced[0], word, magnitude]
    assert list(found) == expected


def compare_state(harness: Contract, published: Published, word: int, magnitude: int) -> None:
    """All bytes from one state."""
    unsigned = word % (1 << 256)
    forced, found = harness.all_bytes(published.manifest.hash, unsigned, magnitude, gas=60_000_000)
    state = step_machine.read_state(published, word, magnitude)
    expected = step_machine.force(published.machine, state)
    assert forced == (NO_BYTE if expected is None else expected[0]), (word, magnitude)
    after = [step_word(published, word, magnitude, byte) for byte in range(256)]
    assert list(found) == [part for pair in after for part in pair], (word, magnitude)


def compare_manifest(
    draw: random.Random, data: bytes, missing: bytes = SHAPE.missing, states: int = 12
) -> None:
    harness = contract(HARNESS, missing)
    published = lay_out(publish(data), missing)
    text, reached = random_walk(draw, published)
    compare_walk(harness, published, text)
    damaged = bytearray(text)
    damaged[draw.randrange(len(text))] = draw.randrange(256)
    compare_walk(harness, published, bytes(damaged))
    for _ in range(states):
        compare_state(harness, published, *random_word(draw, published, reached))


def list_edges(published: Published) -> list[tuple[int, int]]:
    """Words and magnitudes at, and one beyond, every bound of a state, for each written field."""
    found: list[MachineState] = []
    for number, w in enumerate(published.written):
        for items in {0, 1, max(w.most_items - 1, 0), w.most_items, w.most_items + 1}:
            edge = MachineState(Phase.PREFIX, number, items=items)
            prefix = len(w.gap if items else w.prefix)
            found += [edge._replace(length=length) for length in (prefix - 1, prefix)]
            for length, need in itertools.product((0, 1, 2, 3), range(5)):
                left = max(w.field.limit - length, 0)
                text = edge._replace(phase=Phase.STRING, length=left, need=need)
                found += [text, text._replace(low=0x80, high=0xBF)]
            choices = w.choices if items else w.first_choices
            for value, text_ in [*enumerate(choices), (len(choices), b"a")]:
                for length in (0, len(text_) - 1, len(text_)):
                    found.append(edge._replace(phase=Phase.CHOICE, value=value, length=length))
            for phase in Phase:
                place = edge._replace(phase=phase)
                found += [place, place._replace(negative=True), place._replace(value=1)]
                found += [place._replace(length=1), place._replace(need=1, low=0x80, high=0xBF)]
    return [(machine_words.pack_state(state), state.value) for state in found]
