"""Steps that cut text into tokens say what greedy tokenisation and the choice say."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from oyez.protocol import decoding, noise, step_scores, trace
from oyez.protocol.codec import H
from oyez.protocol.decoding import DecodeStep, StepKind
from oyez.protocol.errors import Invalid
from oyez.protocol.inner import DEAD
from oyez.protocol.machine import Machine, MachineState, Phase
from oyez.protocol.machine_words import pack_state
from oyez.protocol.noise import Noise, Sampling
from oyez.protocol.trace import PAD_INT32, Chunk
from oyez.protocol.types import Field, FieldType, Hash32, Manifest, Role
from oyez.protocol.vocabulary import Vocabulary
from tests.manifest_cases import SMALLEST
from tests.manifests import MISSING
from tests.scripted_session import ScriptedSession
from tests.steps import pad
from tests.token_cases import list_tokens
from tests.vocabulary_steps import Case, Make, Setup, setup

START = 9
SINGLES = [bytes([byte]) for byte in range(256) if byte not in MISSING]


def run_case(world: Setup, text: bytes, place: int, lane: int, lanes: Sequence[int]) -> Case:
    """A lane of an honest run's tokens."""
    rows = [*lanes, *[PAD_INT32] * (2_048 - len(lanes))]
    leaves = [trace.encode_int32(rows[at : at + 256]) for at in range(0, 2_048, 256)]
    made = {"mode": trace.encode_int32([3]), "run_text": trace.encode_bytes(text)}

    def make(region: str, at: int) -> Chunk:
        return leaves[at] if region == "run_tokens" else made[region]

    return Case(world, "run_tokens", place, lane, leaves[place], make)


@pytest.mark.parametrize("seed", range(12))
def test_a_run_is_cut_greedily(seed: int) -> None:
    """Rule: INNER-57, INNER-56, TOKENS-2"""
    draw = random.Random(seed)
    world = setup()
    pieces = [b"}"] if seed == 0 else world.sorted
    text = b"".join(draw.choice(pieces) for _ in range(1_024 if seed < 3 else seed))[:1_024]
    text = text.replace(b"\0", b"0")
    lanes = list_tokens(world.vocabulary, text)
    assert world.vocabulary.join(lanes[::2]) == text

    ends = [*lanes, PAD_INT32, PAD_INT32][:2_048]
    for at in {
        0,
        1,
        len(ends) - 1,
        len(ends) - 2,
        *draw.sample(range(len(ends)), min(8, len(ends))),
    }:
        place, lane = divmod(at, 256)
        expected = DEAD if at == len(lanes) and lane == 0 else ends[at]
        assert run_case(world, text, place, lane, lanes).recompute() == expected
    if len(lanes) < 256:
        assert run_case(world, text, 1, 0, lanes).recompute() == DEAD


@pytest.mark.parametrize("seed", range(6))
def test_only_one_record_passes(seed: int) -> None:
    """Rule: INNER-56, MODEL-15"""
    draw = random.Random(seed)
    world = setup()
    text = draw.choice(world.sorted) + draw.choice((b"", b"\x01", b"zz", b"\xff"))
    text = text.replace(b"\0", b"0")
    right = world.find_record(text)
    for hint in range(-2, world.model.records + 1):
        case = run_case(world, text, 0, 1, ())
        case = Case(world, "run_tokens", 0, 1, case.own, case.make, hint=hint)
        if hint == right:
            case.recompute()
            continue
        with pytest.raises(Invalid, match="record") as refusal:
            case.recompute()
        assert refusal.value.rule == "INNER-56"


def test_before_the_first_record_there_is_no_token() -> None:
    """Rule: INNER-56"""
    vocabulary = Vocabulary([bytes([byte]) for byte in range(0x20, 0x100)])
    world = Setup(vocabulary, manifests=[SMALLEST])
    assert run_case(world, b"\x1fa", 0, 1, ()).recompute() == PAD_INT32
    assert run_case(world, b"\x1fa", 0, 0, ()).recompute() == DEAD
    assert run_case(world, b" a", 0, 1, ()).recompute() == 1


class Listener(ScriptedSession):
    """A model of random scores, many of them equal, that remembers those it was asked for."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__(lambda _at, _token: draw.randrange(-most(), most()))
        self.scores: list[dict[int, int]] = []

        def most() -> int:
            return draw.choice((1, 2, 1 << 20, 1 << 31))

    def logits(self, tokens: Sequence[int]) -> list[int]:
        found = super().logits(tokens)
        self.scores.append(dict(zip(tokens, found, strict=True)))
        return found


def make_world(draw: random.Random) -> tuple[Setup, Manifest]:
    """A vocabulary of pieces of few letters, some twice, and fields that are chosen."""
    letters = "ab" if draw.random() < 0.7 else "abc"

    def word(most: int) -> bytes:
        return "".join(draw.choice(letters) for _ in range(draw.randint(1, most))).encode()

    pieces = [word(5) + draw.choice((b"", b"", b'"')) for _ in range(30)]
    pieces += [*draw.sample(pieces, 6), b"fal", b"tr", b"true", b"e", b"], ", b"]"]
    vocabulary = Vocabulary([*SINGLES, *pieces])
    fields = []
    for number in range(draw.randint(1, 3)):
        options = tuple(sorted({word(draw.choice((2, 8, 32))) for _ in range(draw.randint(1, 12))}))
        biases = tuple(draw.choice((0, 0, 1, -(2**31), 2**31 - 1, 1 << 18)) for _ in options)
        name = b"f%d" % number
        one = Field(name, FieldType.ENUM, Role.WRITES, options[0], options=options, biases=biases)
        if draw.random() < 0.4:
            one = Field(name, FieldType.BOOLEAN, Role.WRITES, False, biases=(-5, 1 << 20))
        if draw.random() < 0.5:
            one = replace(one, type=FieldType.ARRAY, element=one.type, items=3, initial=())
        fields.append(one)
    manifest = replace(
        SMALLEST,
        fields=tuple(fields),
        output_tokens=1_000,
        fixed_positions=1_000,
        temperature=draw.choice((0, 0, 1, 52_429, 2**32 - 1)),
    )
    world = Setup(vocabulary, manifests=[manifest])
    return world, world.parsed[0]


def test_who_is_left_is_what_the_choice_asks_for() -> None:
    """Each token that decoding chooses: the candidates are the tokens that it compared, and the top
    is the one it took.

    Rule: INNER-58, INNER-59, INNER-53, INNER-54, DECODE-9
    """
    seen: Counter[str] = Counter()
    for seed in range(60):
        draw = random.Random(seed)
        world, manifest = make_world(draw)
        machine = Machine(manifest.fields, MISSING)
        listener = Listener(draw)
        sampling = Sampling(manifest.temperature, Hash32(draw.randbytes(32)), START)
        at = sampling if manifest.temperature else None
        decoded = decoding.decode(machine, world.vocabulary, listener, 1_000, sampling=at)

        asked = iter(listener.scores)
        before = machine.start()
        for number, made in enumerate(decoded.steps):
            if before.phase is Phase.CHOICE:
                game = Play(world, manifest, before, sampling.build_noise(number))
                seen[check_choice(game, made, asked)] += 1
                seen["cut otherwise"] += game.is_cut_otherwise
            before = made.state_after
        assert next(asked, None) is None
    assert seen["compared"] > 50
    assert seen["alone"] > 50
    assert seen["cut otherwise"] > 10


@dataclass
class Play:
    """A position at which an option is chosen, or the last one goes on."""

    world: Setup
    manifest: Manifest
    state: MachineState
    noise: Noise

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The options."""
        return Machine(self.manifest.fields, MISSING).get_choices(self.state)

    @property
    def is_cut_otherwise(self) -> bool:
        """Some option begins with the bytes so far, but none of its tokens ends with them."""
        length = self.state.length
        so_far = self.texts[self.state.value][:length]
        ends = [
            {0, *list_tokens(self.world.vocabulary, text)[1::2]}
            for text in self.texts
            if text.startswith(so_far)
        ]
        return any(length not in some for some in ends)

    def get_leaf(self, region: str, place: int) -> Chunk:
        """Return the honest leaf of what stands before the scores."""
        if region == "mode":
            return trace.encode_int32([4])
        if region == "options":
            lanes: list[int] = []
            for option in (2 * place, 2 * place + 1):
                text = self.texts[option] if option < len(self.texts) else b""
                lanes += [*list_tokens(self.world.vocabulary, text), *[PAD_INT32] * 128][:128]
            return trace.encode_int32(lanes)
        key = sum(word << 32 * at for at, word in enumerate(self.noise.words))
        found = int.from_bytes(self.manifest.hash, "big")
        return trace.encode_words([pack_state(self.state), self.state.value, found, key])

    def recompute(self, name: str, place: int, lane: int, own: Chunk, make: Make) -> int:
        """Return a lane."""
        return Case(self.world, name, place, lane, own, make).recompute()


def check_choice(game: Play, made: DecodeStep, asked: Iterator[dict[int, int]]) -> str:
    """Compare a position's candidates, scores and top with what decoding did."""
    empty = trace.encode_int32([PAD_INT32] * 256)
    for option in range(len(game.texts)):
        leaf = game.get_leaf("options", option >> 1)
        for at in {0, 1, 2, 3}:
            lane = 128 * (option & 1) + at
            expected = trace_lane(leaf, lane)
            found = game.recompute("options", option >> 1, lane, leaf, game.get_leaf)
            assert found == (DEAD if lane == 0 and expected == PAD_INT32 else expected)
    lanes = [
        game.recompute("candidates", 0, lane, empty, game.get_leaf)
        for lane in range(2 * len(game.texts) + 2)
    ]
    assert lanes[-2:] == [PAD_INT32] * 2
    left = {token for token in lanes[:-2:2] if token >= 0}
    if len(left) == 1 or made.kind is StepKind.FORCED:
        assert left == {made.token}
        return "alone"
    assert made.kind is StepKind.CHOSEN
    logits = next(asked)
    assert set(logits) == left
    noises = {
        token: noise.compute_gumbel(noise.draw(game.noise, token)) if game.noise.temperature else 0
        for token in left
    }

    def make(region: str, place: int) -> Chunk:
        if region == "candidates":
            return trace.encode_int32(lanes)
        if region in ("logits", "noise"):
            values = logits if region == "logits" else noises
            return trace.encode_int32([values.get(256 * place + lane, -1) for lane in range(256)])
        if region == "choice":
            return trace.encode_words([word % (1 << 256) for word in words[32 * place :][:32]])
        return game.get_leaf(region, place)

    for token in left & {0, *left}:
        if game.noise.temperature:
            found = game.recompute("noise", token >> 8, token & 255, empty, make)
            assert found == noises[token]
    words = [game.recompute("choice", at >> 5, at & 31, pad(), make) for at in range(96)]
    tops = [game.recompute("top", 0, at, pad(), make) for at in range(4)]
    assert tops[3] == step_scores.NO_TOKEN
    assert step_scores.unpack_token(max(tops)) == made.token
    return "compared"


def trace_lane(chunk: Chunk, lane: int) -> int:
    """Return a lane of an int32 chunk."""
    place = 8 * (lane >> 3) + 7 - (lane & 7)
    return int.from_bytes(chunk.data[4 * place : 4 * place + 4], "big", signed=True)


def test_a_key_is_the_noise_of_the_position() -> None:
    """Rule: INNER-51, SAMPLE-2"""
    seed = Hash32(bytes(range(32)))
    key = int.from_bytes(H("NOISE", seed, 700), "big")
    words = [0, 0, 0, key]
    assert noise.build_noise(1, seed, 700).words == tuple(
        words[3] >> 32 * at & 0xFFFFFFFF for at in range(5)
    )
