"""Random lanes of the ops that cut text into tokens, honest and not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from oyez.protocol import trace
from oyez.protocol.constants import CHUNK_BYTES
from oyez.protocol.inner import MAX_CHOICES, OPTION_LANES
from oyez.protocol.machine import Machine, MachineState, Phase
from oyez.protocol.machine_words import pack_state
from oyez.protocol.trace import PAD_INT32, Chunk
from oyez.protocol.types import FieldType, Manifest
from oyez.protocol.vocabulary import Vocabulary
from tests.steps import pad, random_int32
from tests.vocabulary_steps import Case, Make, Setup, make_mode

KINDS = ("forced token", "option token", "candidate", "candidate bias")
NAMES = dict(zip(KINDS, ("run_tokens", "options", "candidates", "candidates"), strict=True))
TEXT = CHUNK_BYTES


def list_tokens(vocabulary: Vocabulary, text: bytes) -> list[int]:
    """Return ids and ends of a text's greedy tokens, as far as it has any."""
    lanes: list[int] = []
    at = 0
    while (token := vocabulary.longest(text, at)) is not None:
        at += len(vocabulary.bytes_of(token))
        lanes += [token, at]
    return lanes


def make_text(setup: Setup, draw: random.Random) -> bytes:
    """Return a chunk of text: tokens and other bytes, most often zeros from somewhere on."""
    kind = draw.random()
    if kind < 0.1:
        return draw.randbytes(TEXT)
    alphabet = draw.choice((setup.sorted, [b"e", b"}", b"t", b"a", b"d"]))
    wanted = TEXT if kind < 0.3 else draw.randrange(40)
    text = bytearray()
    while len(text) < wanted:
        text += draw.choice(alphabet)
        if draw.random() < 0.01:
            text.append(draw.randrange(256))
    text = text[:TEXT]
    return bytes(text).ljust(TEXT, b"\0")


def list_choices(manifest: Manifest) -> list[int]:
    """Return the numbers of the written fields that are chosen."""
    return [
        number
        for number, at in enumerate(manifest.written)
        if manifest.fields[at].base in (FieldType.ENUM, FieldType.BOOLEAN)
    ]


def pick_state(setup: Setup, draw: random.Random) -> tuple[Manifest, MachineState]:
    """Return a published manifest and a state within a choice of it, if it has one."""
    having = [one for one in setup.parsed if list_choices(one)]
    manifest = draw.choice(having if draw.random() < 0.95 else setup.parsed)
    machine = Machine(manifest.fields, setup.model.shape.missing)
    number = draw.choice(list_choices(manifest) or [0])
    items = draw.choice((0, 0, 1, 2, 255))
    state = MachineState(Phase.CHOICE, number, items=items)
    texts = machine.get_choices(state)
    if texts:
        text = draw.choice(texts)
        for byte in text[: draw.randrange(len(text))]:
            after = machine.step(state, byte)
            assert after is not None
            state = after
    return manifest, state


def make_context(setup: Setup, draw: random.Random) -> tuple[Chunk, tuple[bytes, ...]]:
    """Return a context and the texts of its choice: mostly a state of the manifest it names."""
    manifest, state = pick_state(setup, draw)
    machine = Machine(manifest.fields, setup.model.shape.missing)
    texts = machine.get_choices(state)
    word, magnitude = pack_state(state), state.value
    if draw.random() < 0.15:
        # any word, its length and field often small
        word = draw.getrandbits(256) & ~(draw.choice((0, 0xFC_FFF0)) << 40)
        magnitude = draw.choice((draw.randrange(MAX_CHOICES), draw.getrandbits(256)))
    elif draw.random() < 0.2:
        word += draw.choice((1, -1, 7)) << 40
        magnitude = max(0, magnitude + draw.choice((-1, 0, 1)))
    elif draw.random() < 0.1:
        word ^= draw.randrange(64) << 56
    found = int.from_bytes(manifest.hash, "big")
    if draw.random() < 0.05:
        found ^= 1 << draw.randrange(256)
    return trace.encode_words([word % (1 << 256), magnitude, found, 0]), texts


def make_options(
    setup: Setup, draw: random.Random, texts: Sequence[bytes], place: int
) -> list[int]:
    """Return a leaf's lanes: the canonical tokens of two options, some of them a liar's."""
    lanes: list[int] = []
    for option in (2 * place, 2 * place + 1):
        own = list_tokens(setup.vocabulary, texts[option]) if option < len(texts) else []
        lanes += (own + [PAD_INT32] * OPTION_LANES)[:OPTION_LANES]
    if draw.random() < 0.2:
        for _ in range(draw.choice((1, 40))):
            lanes[draw.randrange(len(lanes))] = draw.choice(
                (draw.randrange(40), PAD_INT32, -1, 2**31 - 1, 0)
            )
    if draw.random() < 0.1:
        # an end where no token can follow within the option's lanes
        lanes[OPTION_LANES - 1] = lanes[-1] = draw.randrange(5)
    return lanes


def make_case(setup: Setup, kind: str, seed: int) -> Case:
    """Return a lane of one of `KINDS`."""
    draw = random.Random(f"{kind}/{seed}")
    name = NAMES[kind]
    region = setup.layout.get(name)
    context, texts = make_context(setup, draw)
    text = make_text(setup, draw)
    tokens = list_tokens(setup.vocabulary, text.rstrip(b"\0"))
    if name == "run_tokens":
        most = max(1, -(-len(tokens) // 256))
        place = draw.randrange(most if draw.random() < 0.8 else region.leaves)
        lane = draw.choice((0, 1, 2, 3, 254, 255, draw.randrange(256), draw.randrange(40)))
        own = tokens[256 * place : 256 * place + 256]
    elif name == "options":
        place = draw.randrange(region.leaves if draw.random() < 0.1 else max(1, len(texts) // 2))
        lane = draw.choice((0, 1, 128, 129, draw.randrange(256), draw.randrange(12)))
        lane = draw.choice((lane, 128 | draw.randrange(12)))
        longest = max((len(text) for text in texts[2 * place : 2 * place + 2]), default=1)
        lane = draw.choice((lane, draw.randrange(2 * longest) | draw.choice((0, 128))))
        own = make_options(setup, draw, texts, place)
    else:
        place = 0
        option = draw.randrange(max(1, len(texts)) if draw.random() < 0.9 else 128)
        lane = 2 * option + (kind == "candidate bias")
        own = []
    if draw.random() < 0.2:
        chunk = random_int32(draw, -(2**31))
    else:
        own = [*own, *[PAD_INT32] * 256][:256]
        if draw.random() < 0.2 and lane > 1:
            own[(lane & ~1) - 1] = draw.choice(
                (draw.randrange(40), 1_023, 1_024, 1_025, -1, 0, 2**31 - 1, 33, 32)
            )
        chunk = trace.encode_int32(own)
    makers: dict[str, Callable[[int], Chunk]] = {
        "mode": lambda _: make_mode(draw, (3,) if name == "run_tokens" else (4,)),
        "context": lambda _: context,
        "run_text": lambda _: trace.encode_bytes(text),
        "run_tokens": lambda at: trace.encode_int32(
            [*tokens[256 * at : 256 * at + 255], draw.choice((tokens[-1], -1, PAD_INT32, 2**20))]
            if draw.random() < 0.2 and len(tokens) > 256 * at + 255
            else tokens[256 * at : 256 * at + 256] or [1]
        ),
        "options": lambda at: trace.encode_int32(make_options(setup, draw, texts, at)),
    }
    return Case(setup, name, place, lane, chunk, make_leaves(draw, makers), seed)


def make_leaves(draw: random.Random, makers: dict[str, Callable[[int], Chunk]]) -> Make:
    """Return what makes leaves, one in twenty of them dead."""

    def make(region: str, place: int) -> Chunk:
        if region != "mode" and draw.random() < 0.05:
            return pad()
        return makers[region](place)

    return make
