"""Steps over the vocabulary and over scores, in Python and on chain, on random inner traces.

A `Setup` is a listed model with a few hundred real records of its vocabulary, a registry with
published manifests, and the two verifiers. A `Case` is one lane: what it reads is made up where it
is read, most of it as an honest trace would hold it, the rest as only a liar could.
"""

from __future__ import annotations

import bisect
import functools
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from oyez.chain import deploy
from oyez.dispute import step_proof
from oyez.dispute.step_proof import RecordedReads
from oyez.engines.exact import model_tree
from oyez.protocol import inner, step, step_scores, step_vocabulary, trace
from oyez.protocol.codec import keccak
from oyez.protocol.constants import MAX_TOKEN_BYTES, OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.step import Address, ChunkLanes, LayerFormats, StepModel
from oyez.protocol.trace import Chunk, ChunkType
from oyez.protocol.types import Hash32, Manifest
from oyez.protocol.vocabulary import Vocabulary
from tests import given_models
from tests.contracts import harness
from tests.contracts.harness import Contract
from tests.manifests import random_manifest
from tests.scripted_session import VOCABULARY
from tests.steps import Rows, SparseTree, World, hash_row, pad

OPS = {**step_vocabulary.OPS, **step_scores.OPS}
VERIFIERS = {
    **dict.fromkeys(step_vocabulary.OPS, "contracts/StepVerifierVocabulary.vy"),
    **dict.fromkeys(step_scores.OPS, "contracts/StepVerifierScores.vy"),
}
RECORD_TYPE = 260
#: A sampler of call 3, position 700.
RECORD = 3 << 16 | 700 << 5 | 31
#: Makes a leaf of a region by the region's name and the leaf's place in it.
Make = Callable[[str, int], Chunk]


def build_model(vocabulary: Vocabulary, size: int = harness.SHAPE.vocabulary) -> StepModel:
    """Return a model of `size` tokens whose sorted vocabulary is this one."""
    shape = replace(harness.SHAPE, layers=1, vocabulary=size)
    model = StepModel(
        root=Hash32(bytes(32)),
        shape=shape,
        records=len(vocabulary.ids_by_bytes),
        tied=True,
        embedding_type=8,
        head_type=8,
        epsilon=1,
        score_scale=1,
        output_exponent=1,
        layers=(LayerFormats(1, 1, 1, 1, 1, (8,) * 7),),
        inner_height=12,
    )
    return replace(model, root=build_rows(vocabulary, model).root)


def build_rows(vocabulary: Vocabulary, model: StepModel) -> Rows:
    """Return the model's tree: all records of the vocabulary, and nodes made up around them."""
    find = functools.partial(given_models.find_leaf, model)
    leaves = {
        find(1, number): hash_row(1, number, RECORD_TYPE, row)
        for number, row in enumerate(model_tree.iterate_vocabulary(vocabulary))
    }
    return Rows(model.shape.model_height, leaves, 1, find)


class Setup:
    """A deployment's verifiers, its vocabulary and its published manifests."""

    def __init__(
        self,
        vocabulary: Vocabulary = VOCABULARY,
        size: int = harness.SHAPE.vocabulary,
        manifests: Sequence[Manifest] = (),
    ) -> None:
        self.vocabulary = vocabulary
        self.sorted = sorted(vocabulary.ids_by_bytes)
        self.records = list(model_tree.iterate_vocabulary(vocabulary))
        self.model = build_model(vocabulary, size)
        self.tree = build_rows(vocabulary, self.model)
        self.manifests: defaultdict[Hash32, bytes] = defaultdict(bytes)
        self.parsed: list[Manifest] = []
        self._verifiers: dict[str, Contract] = {}
        for manifest in manifests:
            data = encode_manifest(manifest)
            self.manifests[keccak(data)] = data
            self.parsed.append(replace(manifest, hash=keccak(data)))

    @functools.cached_property
    def world(self) -> harness.World:
        """The chain: a registry that lists the model, and what is published there."""
        listed = deploy.ListedModel(self.model.root, self.model.shape)
        world = harness.World(harness.settings(models=(listed,)))
        for data in filter(None, self.manifests.values()):
            world.actions.publish(data, sender=harness.AUTHOR)
        return world

    @functools.cached_property
    def on_chain(self) -> Contract:
        """What the verifiers know of the model."""
        return given_models.deploy_model(self.world, self.model)

    def get_verifier(self, op: int) -> Contract:
        """Return who recomputes an op on chain."""
        path = VERIFIERS[op]
        if path not in self._verifiers:
            self._verifiers[path] = self.world.deploy(path, self.on_chain.address)
        return self._verifiers[path]

    @property
    def layout(self) -> inner.Layout:
        """The layout of a sampler."""
        return inner.layout_sampler(self.model.shape, self.model.inner_height)

    def find_record(self, rest: bytes) -> int:
        """Return the last record that is not after these bytes."""
        return bisect.bisect_right(self.sorted, rest) - 1


def random_manifests(draw: random.Random, size: int, count: int) -> list[Manifest]:
    """Return manifests that the gate lets in for a model of so many tokens."""
    found: list[Manifest] = []
    while len(found) < count:
        manifest = replace(random_manifest(draw), model=0)
        if max((t for s in manifest.segments for t in s.tokens), default=0) < size:
            found.append(manifest)
    return found


@functools.cache
def setup(seed: int = 1, size: int = harness.SHAPE.vocabulary) -> Setup:
    """Return the usual one."""
    count = 24 if size == harness.SHAPE.vocabulary else 4
    return Setup(size=size, manifests=random_manifests(random.Random(seed), size, count))


@functools.cache
def random_setup(seed: int) -> Setup:
    """Return one of a vocabulary that no tokenizer would have: odd lengths, many zeros, gaps."""
    draw = random.Random(seed)
    letters = (b"\0a", b"ab\0", bytes(range(256)), b"\xff\xfe", b"es}")[seed % 5]
    tokens = {bytes([byte]) for byte in range(256) if draw.random() < 0.8}
    while len(tokens) < 400:
        longest = draw.choice((3, 8, 40, MAX_TOKEN_BYTES))
        word = bytes(draw.choice(letters) for _ in range(draw.randint(1, longest)))
        tokens.update(word[:end] for end in range(1, len(word) + 1) if draw.random() < 0.3)
        tokens.add(word)
    deepest = bytes(draw.choice(letters) for _ in range(MAX_TOKEN_BYTES))
    tokens.update(deepest[:end] for end in range(1, len(deepest) + 1))
    listed = sorted(tokens)
    draw.shuffle(listed)
    vocabulary = Vocabulary([*listed, *draw.sample(listed, 40)])
    return Setup(vocabulary, manifests=random_manifests(draw, harness.SHAPE.vocabulary, 6))


@dataclass
class Case:
    """One lane of a sampler, and what stands in the leaves that it may read.

    Attributes:
        make: of the leaves of other regions, when they are first read.
        own: the lane's leaf.
        hint: what is answered when the vocabulary is asked; None: the truth.
    """

    setup: Setup
    name: str
    place: int
    lane: int
    own: Chunk
    make: Make
    seed: int = 0
    hint: int | None = None
    reads: RecordedReads = field(init=False)

    def __post_init__(self) -> None:
        layout = self.setup.layout

        def make_inner(leaf: int) -> Chunk:
            region = layout.find(leaf)
            assert region is not None
            chunk = self.make(region.name, leaf - region.start)
            assert chunk.type in (region.type, ChunkType.PAD)
            return chunk

        def make_outer(record: int, chunk: int) -> Chunk:
            raise AssertionError(f"no step here reads record {record}, chunk {chunk}")

        def make_row(tensor: int, row: int) -> bytes:
            assert tensor == 1
            return self.setup.records[row]

        def find(rest: bytes) -> int:
            return self.setup.find_record(rest) if self.hint is None else self.hint

        world = World(make_inner, make_outer, make_row, self.setup.manifests, find)
        self.reads = RecordedReads(world)

    @property
    def address(self) -> Address:
        """Where the lane stands."""
        return Address(RECORD, self.setup.layout.get(self.name).start + self.place, self.lane)

    @property
    def op(self) -> int:
        """The lane's op."""
        return self.setup.layout.get(self.name).op

    def recompute(self) -> int:
        """Return what Python makes of it."""
        own = ChunkLanes(self.own)
        return step.recompute(OPS, self.setup.model, self.address, own, self.reads)

    def prove(self, elsewhere: int | None = None) -> Proven:
        """Return the proof of what Python read; after `recompute`.

        Args:
            elsewhere: number of an opening that is of a leaf near the one that was read: the
                same content under the same root, so that nothing but its place is wrong.
        """
        read = self.reads.read
        chunks = list(read.chunks)
        if elsewhere is not None:
            outer, index, chunk = chunks[elsewhere]
            chunks[elsewhere] = (outer, index ^ 2, chunk)
        leaves = {i: trace.compute_chunk_leaf(chunk) for _, i, chunk in [*read.chunks, *chunks]}
        tree = SparseTree(self.setup.model.inner_height, dict(leaves), self.seed)
        outer_tree = SparseTree(OUTER_HEIGHT + RECORD_HEIGHT, {}, self.seed)
        shown = replace(read, chunks=chunks)
        proof = step_proof.encode_proof(shown, tree, outer_tree, self.setup.tree)
        at = self.address
        stated = (outer_tree.root, tree.root, at.record, at.leaf, at.lane, self.op)
        return Proven(self, (*stated, bytes(32), 1, bytes(32)), self.own.data, proof)


@dataclass(frozen=True)
class Proven:
    """A step with its proof, as the game hands it to a verifier."""

    case: Case
    step: tuple[Any, ...]
    raw: bytes
    proof: bytes

    @property
    def verifier(self) -> Contract:
        """Who recomputes it on chain."""
        return self.case.setup.get_verifier(self.case.op)

    def verify(self, **changes: Any) -> int:
        """Return what the contract makes of it."""
        given = replace(self, **changes)
        return int(given.verifier.recompute(given.step, given.raw, given.proof))


def compare(case: Case) -> int:
    """Recompute a lane in Python and on chain; both must say the same."""
    expected = case.recompute()
    found = case.prove().verify()
    assert found == expected, (case.name, case.place, case.lane, case.seed, expected, found)
    return expected


def make_mode(draw: random.Random, wanted: Sequence[int]) -> Chunk:
    """Return a leaf of the mode, mostly one of those wanted."""
    kind = draw.random()
    if kind < 0.06:
        return pad()
    others = (0, 1, 2, 3, 4, 5, 6, -1, -(2**31), 2**31 - 1)
    return trace.encode_int32([draw.choice(wanted if kind < 0.85 else others)])
