"""A bench for the steps from an output's scalars on, and chunks as those may meet them."""

from __future__ import annotations

import dataclasses
import functools
import random
from dataclasses import dataclass

from oyez.dispute.frame.scalars import list_spellings
from oyez.protocol import codec, step_scalars, trace
from oyez.protocol.constants import MAX_VALUE
from oyez.protocol.inner import Layout
from oyez.protocol.inner_frame import Frame, find_frame, get_record
from oyez.protocol.machine_words import STUCK, MachineWord, pack_word
from oyez.protocol.manifest import encode_manifest
from oyez.protocol.manifest_layout import OpCode
from oyez.protocol.step import StepModel
from oyez.protocol.trace import PAD_CHUNK, PAD_INT32, Chunk, ChunkType
from oyez.protocol.types import FieldType, Hash32, Manifest, Op
from tests import given_models
from tests.contracts import harness
from tests.contracts.harness import Contract
from tests.contracts.harness import World as Chain
from tests.manifests import random_manifest
from tests.output_calls import build_model
from tests.steps import random_int32, random_words

#: Numbers at the ends of what ops may give, and of what a product may be made of.
EDGES = (
    *(0, 0, 1, -1, 2, -2, 3, 7, 10**18),
    *(MAX_VALUE, -MAX_VALUE, MAX_VALUE - 1, 1 - MAX_VALUE, -MAX_VALUE - 1),
    *(1 << 127, -(1 << 127), 1 << 128, -(1 << 128), (1 << 128) - 1, 1 << 254, -(1 << 254)),
)


@dataclass(frozen=True)
class Bench:
    """The verifiers, what they know of a model, and manifests published on their chain.

    `drawn` are those that random worlds are about.
    """

    chain: Chain
    scalars: Contract
    compute: Contract
    model: StepModel
    layout: Layout
    manifests: dict[Hash32, bytes]
    parsed: dict[Hash32, Manifest]
    drawn: list[Hash32]

    def get_verifier(self, op: int) -> Contract:
        """Return the verifier of an op."""
        return self.scalars if op in step_scalars.OPS else self.compute


def draw_manifests() -> list[Manifest]:
    """Draw manifests: some that compute, have guards or arrays, or read enums."""
    draw, found = random.Random(3), []
    kinds = ("computes",) * 8 + ("guards",) * 6 + ("has arrays",) * 8 + ("reads enums",) * 8
    for kind in kinds:
        manifest = random_manifest(draw)
        while kind not in describe_manifest(manifest):
            manifest = random_manifest(draw)
        found.append(dataclasses.replace(manifest, model=0, segments=()))
    return found


def describe_manifest(manifest: Manifest) -> set[str]:
    """Say what a manifest is an example of."""
    seen = {"guards" if e.target is None else "computes" for e in manifest.expressions}
    seen |= {"has arrays" for field in manifest.fields if field.type is FieldType.ARRAY}
    fields = [op.operand for e in manifest.expressions for op in e.ops if is_read(op)]
    return seen | {"reads enums" for at in fields if manifest.fields[at].options}


def is_read(op: Op) -> bool:
    """Say whether an op reads a field."""
    return op.code in (OpCode.OLD, OpCode.NEW)


@functools.cache
def bench() -> Bench:
    """Return the bench; contracts are compiled once in a process."""
    chain = Chain(harness.settings())
    model = build_model(harness.SHAPE)
    given = given_models.deploy_model(chain, model)
    scalars, compute = (
        chain.deploy(f"contracts/StepVerifier{name}.vy", given.address)
        for name in ("Scalars", "Compute")
    )
    layout = model.get_layout(get_record(0, Frame.OUTPUT))
    assert layout is not None
    made = Bench(chain, scalars, compute, model, layout, {}, {}, [])
    made.drawn.extend(publish(made, manifest) for manifest in draw_manifests())
    return made


def publish(made: Bench, manifest: Manifest) -> Hash32:
    """Publish a manifest on the bench's chain; return its hash."""
    data = encode_manifest(manifest)
    made.chain.actions.publish(data, sender=harness.AUTHOR)
    digest = codec.keccak(data)
    made.manifests[digest] = data
    made.parsed[digest] = manifest
    return digest


class Chunks:
    """Makes chunks as these steps may meet them: mostly plausible, sometimes anything."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.digest = draw.choice(bench().drawn)
        self.manifest = bench().parsed[self.digest]
        self.length = draw.choice((0, 1, 40, 300, 1_024))

    def make_inner(self, leaf: int) -> Chunk:
        region = bench().layout.find(leaf)
        assert region is not None
        if self.draw.random() < 0.06:
            return PAD_CHUNK
        if self.draw.random() < 0.06:
            if region.type is ChunkType.INT32:
                return random_int32(self.draw, low=PAD_INT32)
            if region.type is ChunkType.BYTES:
                return trace.encode_bytes(self.draw.randbytes(1_024))
            return random_words(self.draw, 256)
        made: Chunk = getattr(self, "make_" + region.name)(leaf - region.start)
        assert made.type is region.type
        return made

    def make_outer(self, record: int, chunk: int) -> Chunk:
        if self.draw.random() < 0.06:
            return PAD_CHUNK
        match find_frame(record), chunk:
            case Frame.ENTRY, 0:
                bad = self.draw.choice((-1, -1, 0, 7, 1_023, PAD_INT32))
                return trace.encode_int32([1, 0, 9, bad])
            case Frame.ENTRY, 1:
                words = [self.draw.getrandbits(256) for _ in range(12)]
                words[2] = self.draw.choice((0, 1_700_000_000, 2**255 - 1, 2**255, words[2]))
                words[3] >>= 96
                words[4] = self.draw.choice((0, 10**18, 2**255 - 1, 2**256 - 1, words[4]))
                known = int.from_bytes(self.digest, "big")
                words[7] = known if self.draw.random() < 0.97 else words[7]
                return trace.encode_words(words)
            case Frame.STATE, 1:
                return self.make_written(0)
            case Frame.PROMPT, 0:
                count = self.draw.choice((0, 5, 2_000, -1, PAD_INT32))
                return trace.encode_int32([count, self.draw.choice((1, 1, 1, 0, 2, PAD_INT32))])
            case found:
                raise AssertionError(f"these steps never read {found}")

    def make_ends(self, leaf: int) -> Chunk:
        count = self.draw.choice((1, 20, 255, 256, 300, 1_024, 1_280))
        lanes = [min(3 * at + 1, self.length) for at in range(count)] + [-1 - count] * 1_280
        lanes[1_279] = self.draw.choice((-1 - count, -1 - count, -1, PAD_INT32, 5))
        return trace.encode_int32(lanes[256 * leaf : 256 * leaf + 256])

    def make_text(self, leaf: int) -> Chunk:
        return trace.encode_bytes(bytes(self.draw.choice(b'"]a1, \0\xc3') for _ in range(1_024)))

    def make_parse(self, leaf: int) -> Chunk:
        words = []
        for _ in range(16):
            words += [self.state(), self.draw.choice((*EDGES, self.draw.getrandbits(255)))]
        return trace.encode_words(words)

    def state(self) -> int:
        phases = (1, 1, 2, 2, 3, 3, 0, 4, 5, 6, 7, STUCK, self.draw.getrandbits(8))
        length = self.draw.choice((0, 0, 1, 4, 31, 512, self.draw.getrandbits(16)))
        word = MachineWord(
            phase=self.draw.choice(phases),
            field=self.draw.choice((0, 0, 1, 2, 31, 32, 255)),
            length=length,
            need=0,
            low=0,
            high=self.draw.choice((0, 255)),
            negative=self.draw.choice((0, 0, 1, 1, 2)),
            items=self.draw.choice((0, 0, 1, 63, 64, 255)),
            byte=self.draw.getrandbits(8),
            alive=self.draw.choice((1, 1, 1, 0)),
        )
        return pack_word(word) | self.draw.choice((0, 0, self.draw.getrandbits(175) << 81))

    def make_latest(self, leaf: int) -> Chunk:
        most = self.draw.choice((-1, 0, 5, 256 * leaf, 256 * leaf + 255))
        lanes = [min(most, 256 * leaf + at) for at in range(256)]
        for _ in range(self.draw.choice((0, 3))):
            value = self.draw.choice((-1, 0, 1_023, 1_024, 2**31 - 1, PAD_INT32))
            lanes[self.draw.randrange(256)] = value
        lanes[255] = self.draw.choice((lanes[255], lanes[255], -1, 1_023, 1_024))
        return trace.encode_int32(lanes)

    def make_chain(self, leaf: int) -> Chunk:
        lanes = []
        for _ in range(128):
            end = self.draw.choice((self.draw.randrange(1_024), 0, 1, 255, 256, 1_023, 1_024, -1))
            lanes += [end if self.draw.random() < 0.95 else PAD_INT32, self.link()]
        return trace.encode_int32(lanes)

    def link(self) -> int:
        if self.draw.random() < 0.1:
            return self.draw.choice((PAD_INT32, -1, 2**31 - 1))
        return self.draw.choice(range(32)) << 8 | self.draw.choice((0, 0, 1, 63, 64, 255))

    def make_scalar(self, leaf: int) -> Chunk:
        return trace.encode_words([self.number() for _ in range(32)])

    def make_place(self, leaf: int) -> Chunk:
        lanes = []
        for _ in range(32):
            first = self.draw.choice((self.draw.randrange(961), 0, 959, 960, 961, 1_023, 1_024, -1))
            lanes += [first, self.draw.choice((0, 1, 1, 2, 33, 63, 64, 64, 65, -1, 1_024))]
        count = self.draw.choice((0, 1, 20, 256, 257, 1_024, 1_280, 1_281, -1, PAD_INT32))
        length = self.draw.choice((0, 1, 16, 17, 1_023, 1_024, 1_025, -1))
        phase = self.draw.choice((5, 5, 5, 5, 0, 1, STUCK))
        lanes += [count, length, phase, self.draw.choice((0, 3, 31))]
        return trace.encode_int32([*lanes, *map(self.misplace, list_spellings(self.manifest))])

    def misplace(self, at: int) -> int:
        """Return where options are spelt, seldom another place: the manifest's ends are tried."""
        size = len(bench().manifests[self.digest])
        wrong = (63, 64, size - 2, size, size + 1, 2**31 - 1, -1, PAD_INT32)
        return at if self.draw.random() < 0.85 else self.draw.choice((*wrong, size - 40))

    def make_written(self, leaf: int) -> Chunk:
        words = [self.draw.choice((0, self.number())) for _ in range(32)]
        for index, field in enumerate(self.manifest.fields):
            if field.options and self.draw.random() < 0.8:
                option = self.draw.choice((field.options[0], *field.options[-3:]))
                words[index] = int.from_bytes(codec.keccak(option), "big")
        return trace.encode_words(words)

    def number(self) -> int:
        size = self.draw.choice((4, 40, 127, 128, 200, 255))
        near = self.draw.getrandbits(size) * self.draw.choice((1, -1))
        return self.draw.choice((*EDGES, *[near] * 12))

    def make_op(self, leaf: int) -> Chunk:
        return trace.encode_words([self.number() for _ in range(32)])

    def make_fail(self, leaf: int) -> Chunk:
        values = (0, 0, 0, 0, 0, 0, 0, 0, 1, 2, PAD_INT32)
        return trace.encode_int32([self.draw.choice(values) for _ in range(256)])

    def make_verdict(self, leaf: int) -> Chunk:
        lanes = [self.draw.choice((-1, -1, -1, -1, 0, 3, PAD_INT32)) for _ in range(64)]
        return trace.encode_int32(lanes)

    def make_merged(self, leaf: int) -> Chunk:
        return self.make_written(leaf)

    def make_output_head(self, leaf: int) -> Chunk:
        code = self.draw.choice((0, 1, 2, 3, 4, 5, 6, 7, PAD_INT32))
        return trace.encode_int32([self.draw.choice((1, 1, 1, 2, 0, 3)), code, 3])

    def make_output_values(self, leaf: int) -> Chunk:
        return self.make_written(leaf)

    def make_output_text(self, leaf: int) -> Chunk:
        return self.make_text(leaf)
