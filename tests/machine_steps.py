"""Random steps of the byte machine's ops: on honest leaves, dead ones, ones nobody honest makes."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections import Counter
from typing import Any

from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from oyez.dispute.step_proof import PROOF_TYPES, Read, RecordedReads, RowTree
from oyez.protocol import machine_words, step, step_machine, trace
from oyez.protocol.constants import MAX_TOKEN_BYTES, OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.inner import DEAD, Layout, Region
from oyez.protocol.machine import SAMPLED_PHASES, MachineState
from oyez.protocol.step import Address, StepModel
from oyez.protocol.step_machine import Mode, Published
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import Hash32
from tests import given_models, steps
from tests import machine_fuzz as fuzz
from tests.contracts.harness import SHAPE, Contract, Reverted
from tests.damage import flip
from tests.manifests import random_text
from tests.steps import SparseTree, World

OPS = {34: "Mask", 35: "Machine", 36: "Mask", 43: "Mask", 49: "Machine"}
NAMES = {34: "mode", 35: "run", 36: "run_text", 43: "mask", 49: "walk"}
#: No multiple of eight: the last lane of the mask is of three tokens.
TOKENS = 49_155
POOL = 1_024
TOKEN_ROW = 261
SHORT = [b'"', b'",', b'"]', b"]", b"}", b",", b", ", b'"}', b"-", b"-1", b"0", b"00", b"-0", b"1}"]


@dataclasses.dataclass(frozen=True)
class Walked:
    """A published manifest, an output under it, and the states before each byte and at the end."""

    data: bytes
    published: Published
    text: bytes
    states: list[MachineState]


@functools.cache
def walks(seed: int = 20) -> list[Walked]:
    draw = random.Random(seed)
    manifests = [*fuzz.awkward(), *(fuzz.random_case(draw) for _ in range(12))]
    made = []
    for data in manifests:
        published = fuzz.lay_out(fuzz.publish(data))
        for _ in range(2):
            made.append(Walked(data, published, *fuzz.random_walk(draw, published)))
    return made


@dataclasses.dataclass(frozen=True)
class Pool:
    """The rows that steps may read, under one root; some tokens are pieces of walks."""

    rows: dict[int, bytes]
    pieces: dict[int, tuple[Walked, int]]
    tree: steps.Rows
    model: StepModel


@functools.cache
def pool(seed: int = 20) -> Pool:
    draw = random.Random(seed + 1)
    texts: dict[int, bytes] = {}
    pieces = {}
    for token in (*range(POOL), *range(TOKENS - 3, TOKENS)):
        kind = draw.randrange(8)
        if kind < 4:
            walked = draw.choice(walks(seed))
            at = draw.randrange(len(walked.text))
            size = draw.choice((1, 2, 3, 8, 40))
            texts[token] = walked.text[at : at + size]
            pieces[token] = (walked, at)
        elif kind == 4:
            texts[token] = draw.choice(SHORT)
        elif kind == 5:
            texts[token] = b"%d" % draw.getrandbits(draw.choice((4, 8, 64, 255)))
        elif kind == 6:
            text = random_text(draw, 1, draw.choice((3, 31, 32, 33, 65)))
            texts[token] = text[draw.randrange(2) :] + draw.choice((b"", b'"', b"x" * 32))
        else:
            texts[token] = draw.choice((b"", b"a" * MAX_TOKEN_BYTES, b"\xc3\xa9" * 16, b"1" * 77))
    rows = {token: b"\x01" + len(t).to_bytes(2, "big") + t for token, t in texts.items()}
    shape = dataclasses.replace(SHAPE, vocabulary=TOKENS)
    model = dataclasses.replace(fuzz.MODEL, shape=shape)

    def find(tensor: int, row: int) -> int:
        return given_models.find_leaf(model, tensor, row)

    leaves = {
        find(2, token): steps.hash_row(2, token, TOKEN_ROW, row) for token, row in rows.items()
    }
    tree = steps.Rows(shape.model_height, leaves, 5, find)
    return Pool(rows, pieces, tree, dataclasses.replace(model, root=tree.root))


@functools.cache
def verifier(name: str, model: StepModel | None = None) -> Contract:
    """The verifier of that name over the pool's model, or another."""
    given = given_models.deploy_model(fuzz.world(), model or pool().model)
    return fuzz.world().deploy(f"contracts/StepVerifier{name}.vy", given.address)


@dataclasses.dataclass
class Case:
    """One step on chunks of its own, under a model and its tree."""

    op: int
    address: Address
    own: Chunk
    world: World
    model: StepModel
    tree: RowTree

    def recompute(self) -> tuple[int, Read]:
        reads = RecordedReads(self.world)
        own = step.ChunkLanes(self.own)
        value = step.recompute(step_machine.OPS, self.model, self.address, own, reads)
        return value, reads.read

    def prove(self, read: Read, seed: int = 0) -> tuple[tuple[Any, ...], bytes]:
        """The step as the verifier takes it, and the proof of what was read."""
        chunks = [(o, i, trace.compute_chunk_leaf(chunk)) for o, i, chunk in read.chunks]
        inner = SparseTree(12, {i: bytes(leaf) for o, i, leaf in chunks if not o}, seed)
        outer = SparseTree(
            OUTER_HEIGHT + RECORD_HEIGHT, {i: bytes(leaf) for o, i, leaf in chunks if o}, seed + 1
        )
        proof = step_proof.encode_proof(read, inner, outer, self.tree)
        return self.describe(outer.root, inner.root), proof

    def describe(self, outer: Hash32, inner: Hash32) -> tuple[Any, ...]:
        at = self.address
        return (outer, inner, at.record, at.leaf, at.lane, self.op, bytes(32), 1, bytes(32))

    def ask(self, described: tuple[Any, ...], proof: bytes) -> int:
        asked = verifier(OPS[self.op], self.model)
        answer = asked.recompute(described, self.own.data, proof, gas=10_000_000)
        assert isinstance(answer, int)
        return answer


def make_case(draw: random.Random, op: int, seed: int = 20) -> Case:
    """A step of this op, of an honest kind two times in three."""
    stock = pool(seed)
    position = draw.choice((0, 1, 2, 300, 2_046))
    record = draw.randrange(256) << 16 | position << 5 | 31
    layout = stock.model.get_layout(record)
    assert layout is not None
    region = layout.get(NAMES[op])
    walked = draw.choice(walks(seed))
    token = draw.choice((*range(POOL), TOKENS - 1))
    if token in stock.pieces and draw.random() < 0.8:
        walked, at = stock.pieces[token]
        state = walked.states[at]
        word, magnitude = machine_words.pack_state(state), state.value
    else:
        word, magnitude = fuzz.random_word(draw, walked.published, walked.states)
        if draw.random() < 0.6:
            states = walked.states
            if op == 43 or draw.random() < 0.2:
                states = [s for s in states if s.phase in SAMPLED_PHASES] or states
            state = draw.choice(states)
            word, magnitude = machine_words.pack_state(state), state.value
    honest = {34: (0,), 35: (Mode.RUN,), 36: (Mode.RUN,), 43: (Mode.FREE,), 49: (0,)}[op]
    contents = Contents(draw, layout, walked, token, (word, magnitude), honest)
    world = World(
        contents.make_inner, lambda *_: contents.make_queue(), lambda _, row: stock.rows[row]
    )
    published = walked.published.manifest
    world.manifests[published.hash] = walked.data
    leaf, lane = choose_place(draw, op, region)
    own = contents.make_walk() if region.type is ChunkType.BYTES32 else trace.encode_int32([])
    if region.type is ChunkType.BYTES:
        own = trace.encode_bytes(b"")
    return Case(op, Address(record, region.start + leaf, lane), own, world, stock.model, stock.tree)


def choose_place(draw: random.Random, op: int, region: Region) -> tuple[int, int]:
    if op == 34:
        return 0, draw.choice((0, 0, 0, 0, 1, 255))
    if op == 36:
        return 0, draw.choice((0, 15, 16, draw.randrange(1_024)))
    if op == 43:
        if draw.random() < 0.2:
            return region.leaves - 1, draw.choice((0, 1, 255))
        return 0, draw.choice((0, *[draw.randrange(POOL // 8)] * 4))
    leaf = draw.choice((0, 0, 0, 0, 0, 0, 1, 2, region.leaves - 1))
    return leaf, draw.choice((0, 0, 1, 1, 2, 3, 30, 31, draw.randrange(32)))


@dataclasses.dataclass
class Contents:
    """What a step's leaves hold."""

    draw: random.Random
    layout: Layout
    walked: Walked
    token: int
    state: tuple[int, int]
    modes: tuple[int, ...]

    def make_inner(self, leaf: int) -> Chunk:
        region = self.layout.find(leaf)
        assert region is not None
        if self.draw.random() < 0.04:
            return trace.PAD_CHUNK
        match region.name:
            case "before":
                return self.make_before()
            case "context":
                return self.make_context()
            case "mode":
                return trace.encode_int32([self.draw.choice((*self.modes * 30, *range(-1, 6)))])
            case "next":
                return self.make_next()
            case "run" | "walk":
                return self.make_walk()
        raise AssertionError(region.name)

    def make_before(self) -> Chunk:
        limit = self.walked.published.manifest.output_tokens
        source = self.draw.choice((0, 1, 1, 1, 2, 2, 2, 3, -1, 2**31 - 1))
        return trace.encode_int32(
            [source, self.draw.choice((0, 1, limit - 1, limit, limit + 1)), 7]
        )

    def make_context(self) -> Chunk:
        known = bytes(self.walked.published.manifest.hash)
        named = self.draw.randbytes(32) if self.draw.random() < 0.05 else known
        word, magnitude = (number % (1 << 256) for number in self.state)
        return trace.encode_words([word, magnitude, int.from_bytes(named, "big"), 9])

    def make_next(self) -> Chunk:
        kind = self.draw.choice((*(1, 2, 3) * 7, 0, 4, -5))
        token = self.draw.choice((self.token,) * 30 + (-1, TOKENS, -(2**31)))
        return trace.encode_int32([kind, token])

    def make_walk(self) -> Chunk:
        """States along a walk, of which this step's is the last; sometimes any words, or an end."""
        words: list[int] = []
        for _ in range(16):
            if self.draw.random() < 0.05:
                words += [0, self.draw.choice((0, 5))]
            elif self.draw.random() < 0.7:
                state = self.draw.choice(self.walked.states)
                words += [machine_words.pack_state(state, self.draw.randrange(256)), state.value]
            else:
                words += fuzz.random_word(self.draw, self.walked.published, self.walked.states)
        return trace.encode_words([word % (1 << 256) for word in words])

    def make_queue(self) -> Chunk:
        return trace.PAD_CHUNK if self.draw.random() < 0.6 else trace.encode_int32([3, 4])


def check(case: Case, seed: int) -> int:
    """Return a lane, which is worth the same on chain."""
    value, read = case.recompute()
    answer = case.ask(*case.prove(read, seed))
    assert answer == value, f"{NAMES[case.op]} at {case.address} is {value}, on chain {answer}"
    return value


def check_refused(draw: random.Random, case: Case, seed: int) -> None:
    """Nothing is answered to a damaged proof."""
    _, read = case.recompute()
    described, proof = case.prove(read, seed)
    leaves, rows, hint = decode(PROOF_TYPES, proof)
    damaged = damage(draw, [list(leaf) for leaf in leaves], [list(row) for row in rows])
    try:
        answer = case.ask(described, encode(PROOF_TYPES, (*damaged, hint)))
    except Reverted:
        return
    raise AssertionError(f"{NAMES[case.op]} at {case.address} is {answer} by a damaged proof")


def damage(draw: random.Random, leaves: list[Any], rows: list[Any]) -> tuple[list[Any], list[Any]]:
    """Flip a bit, exchange PAD and living, leave one out, bring one more, exchange two."""
    part = rows if rows and draw.random() < 0.4 else leaves
    kind = draw.randrange(5) if part else 3
    at = draw.randrange(len(part)) if part else 0
    if kind == 0:
        which = draw.randrange(2)
        if which == 0 and part[at][0]:
            part[at][0] = flip(draw, part[at][0])
        else:
            siblings = list(part[at][1])
            i = draw.randrange(len(siblings)) if siblings else 0
            siblings[i : i + 1] = [flip(draw, siblings[i]) if siblings else bytes(32)]
            part[at][1] = siblings
    elif kind == 1:
        part[at][0] = b"" if part[at][0] else draw.randbytes(1_024)
    elif kind == 2:
        del part[at]
    elif kind == 3:
        part.insert(at, part[at] if part else [bytes(1_024), [bytes(32)] * 12])
    else:
        part[at][0], part[at][1] = part[at - 1][0], list(part[at - 1][1])[::-1]
    return leaves, rows


def count_cases(draw: random.Random, items: int, seed: int) -> Counter[str]:
    """Judge fresh manifests, so many lanes of each op, and a damaged proof for five of them."""
    counts: Counter[str] = Counter()
    for walked in walks(seed)[::2]:
        fuzz.compare_manifest(draw, walked.data)
        counts["states, each with all 256 bytes"] += 12
    for op in OPS:
        for number in range(items):
            value = check(make_case(draw, op, seed), number)
            kind = "dead" if value == DEAD else "nothing" if value in (0, -(2**31)) else "a value"
            counts[f"{NAMES[op]}: {kind}"] += 1
            if number % 5 == 0:
                check_refused(draw, make_case(draw, op, seed), number)
                counts["damaged proofs refused"] += 1
    return counts
