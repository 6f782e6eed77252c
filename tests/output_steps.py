"""Random worlds for the steps from an output's scalars on, each judged in Python and on chain."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode

from oyez.dispute import step_proof
from oyez.dispute.step_proof import Read, RecordedReads
from oyez.protocol import step as steps
from oyez.protocol import trace
from oyez.protocol.constants import LAST_POSITION, OUTER_HEIGHT, RECORD_HEIGHT
from oyez.protocol.inner import DEAD
from oyez.protocol.inner_frame import Frame, get_record
from oyez.protocol.inner_kinds import count_lanes
from oyez.protocol.step import Address, ChunkLanes
from oyez.protocol.trace import PAD_INT32, Chunk
from tests.contracts import harness
from tests.contracts.harness import Reverted
from tests.damage import WAYS, damage_part
from tests.output_calls import HEIGHT, OPS
from tests.output_chunks import Chunks, bench, is_read
from tests.steps import Rows, SparseTree, World

#: What every opening that is not the step's is refused for.
REFUSALS = {
    "step: wrong openings",
    "step: a chunk is 1,024 bytes",
    "step: inner height",
    "step: outer height",
    "step: not under the inner root",
    "step: not under the outer root",
    "step: hook at another level",
    "step: not beside the first",
    "step: no row of an output",
    "step: no preimage of an output",
    "step: no row of a scalar",
    "step: no preimage of a scalar",
}
#: Duel, Content, two Champions, Descent, two Leaves, lane and proof in IDuelGame.vyi.
RESOLVE_TYPES = (
    "(bytes32,bytes32,(bytes32,bytes32,uint256,bytes32,bytes32))",
    "(bytes32,uint256,uint256,bytes32,(bytes32,bytes32,bytes32,bytes32))",
    *("(address,bytes32,uint256)",) * 2,
    "(bytes32,bytes32,uint256,bytes32,bytes32)",
    *("(uint256,bytes)",) * 2,
    "uint256",
    "bytes",
)
TRANSACTION = 21_000
ROOT = Path(__file__).resolve().parents[1]
_OUTPUT_TYPES = step_proof.FRAME_TYPES


@dataclass(frozen=True)
class Case:
    """A step, what Python says of it, and its proof."""

    step: tuple[Any, ...]
    raw: bytes
    value: int
    read: Read
    proof: bytes

    @property
    def op(self) -> int:
        """The op of the lane's region."""
        return int(self.step[5])

    def ask(self, **changes: Any) -> int:
        """Return what the verifier says."""
        case = dataclasses.replace(self, **changes)
        verifier = bench().get_verifier(self.op)
        return int(verifier.recompute(case.step, case.raw, case.proof))

    def measure(self) -> tuple[int, int]:
        """Return gas and calldata of the duel's `resolve` of this step, a whole transaction.

        What `resolve` takes apart from its step is what it took of the toy machine, whose leaves
        are nearly empty; here both sides' leaves are as full as this one. Its floor is EIP-7623's.
        """
        b = bench()
        self.ask()
        verifier = b.get_verifier(self.op)
        (entry,) = [e for e in b.chain.abis[verifier.address] if e.get("name") == "recompute"]
        asked = harness.encode_call(entry, self.step, self.raw, self.proof)
        own = b.chain.gas - TRANSACTION - 4 * count_tokens(asked)
        data = encode_resolve(self.raw, self.proof)
        more = count_tokens(data) - count_tokens(encode_resolve(bytes(1_024), b""))
        duel = json.loads((ROOT / "docs/measurements/duel.json").read_bytes())
        spent = duel["gas_resolve_overhead"] + own + 4 * more
        return max(spent, TRANSACTION + 10 * count_tokens(data)), len(data)


def count_tokens(data: bytes) -> int:
    """Return the tokens that calldata counts as (EIP-7623)."""
    return sum(4 if byte else 1 for byte in data)


def encode_resolve(raw: bytes, proof: bytes) -> bytes:
    """Return the calldata of a `resolve` with two leaves like this one, all hashes random."""
    draw = random.Random(7)

    def word() -> bytes:
        return draw.randbytes(32)

    descent = (word(), word(), int.from_bytes(word(), "big"), word(), word())
    champion = (draw.randbytes(20), word(), 1_700_000_000)
    content = (word(), 0, 3, word(), (word(), word(), word(), word()))
    duel, leaf = (word(), word(), descent), (3, raw)
    return bytes(4) + encode(
        RESOLVE_TYPES, (duel, content, champion, champion, descent, leaf, leaf, 255, proof)
    )


def draw_place(draw: random.Random, op: int, chunks: Chunks) -> tuple[int, int]:
    """Draw a leaf and a lane of an op, more often one that has a value."""
    region = next(r for r in bench().layout.regions if r.op == op)
    leaf = draw.choice((0, 0, draw.randrange(region.leaves)))
    lanes = count_lanes(region.type)
    lane = draw.choice((0, 0, 1, 2, 3, lanes - 1, draw.randrange(lanes)))
    expressions = chunks.manifest.expressions
    if region.name == "latest":
        lane = draw.choice((0, 16 * draw.randrange(16), 255, draw.randrange(256)))
    elif region.name == "place":
        lane = draw.choice((0, 2 * draw.randrange(32), 1 + 2 * draw.randrange(32)))
        lane = draw.choice((lane, lane, draw.randrange(64, 68), draw.randrange(68, 104)))
    elif region.name in ("written", "merged"):
        any_field = draw.randrange(len(chunks.manifest.fields))
        lane = draw.choice((0, any_field, *draw.choices(chunks.manifest.written, k=3), 31))
    elif region.name == "verdict":
        lane = draw.choice((0, 1, draw.randrange(2 * len(expressions) + 2), 63, 64))
    elif region.name == "output_head":
        lane = draw.choice((0, 1, 1, 2, 2, 3, 4, 5, 6, 255))
    elif region.name in ("op", "fail") and expressions and draw.random() < 0.9:
        rank = draw.randrange(len(expressions))
        ops = expressions[rank].ops
        numbers = [0, 32, len(ops), *(draw.randrange(len(ops)) for _ in range(6))]
        numbers += [at for at, each in enumerate(ops) if is_read(each)]
        number = min(63, draw.choice(numbers))
        leaf, lane = divmod(64 * rank + number, lanes)
    return region.start + leaf, lane


def draw_case(draw: random.Random, op: int) -> Case:
    """Draw a step of an op in a world of its own."""
    chunks = Chunks(draw)
    leaf, lane = draw_place(draw, op, chunks)
    record = get_record(draw.choice((0, 1, 255)), Frame.OUTPUT)
    assert record >> 5 & LAST_POSITION == LAST_POSITION
    own = chunks.make_inner(leaf)
    world = World(chunks.make_inner, chunks.make_outer, lambda *_: b"")
    world.manifests = bench().manifests
    return build_case(draw, Address(record, leaf, lane), own.data, world)


def build_case(draw: random.Random, address: Address, raw: bytes, world: World) -> Case:
    """Let Python take a step, and build trees around what it read."""
    b = bench()
    region = b.layout.find(address.leaf)
    assert region is not None
    reads = RecordedReads(world)
    own = ChunkLanes(Chunk(region.type, raw))
    value = steps.recompute(OPS, b.model, address, own, reads)
    chunks = reads.read.chunks
    inner, outer = (
        SparseTree(
            height,
            {i: trace.compute_chunk_leaf(chunk) for o, i, chunk in chunks if o == is_outer},
            draw.getrandbits(32),
        )
        for is_outer, height in ((False, HEIGHT), (True, OUTER_HEIGHT + RECORD_HEIGHT))
    )
    rows = Rows(4, {}, 0, lambda *_: 0)
    proof = step_proof.encode_proof(reads.read, inner, outer, rows, is_frame=True)
    step = (outer.root, inner.root, *address, region.op, bytes(32), 1, bytes(32))
    return Case(step, raw, value, reads.read, proof)


def damage(draw: random.Random, case: Case) -> bytes:
    """Return a proof that opens something else than the step reads."""
    leaves, _, hint, _ = decode(_OUTPUT_TYPES, case.proof)
    part: list[list[Any]] = [[data, list(siblings)] for data, siblings in leaves]
    kind = draw.choice((*WAYS, "row", "preimage"))
    rows: list[Any] = [(b"", [])] if kind == "row" else []
    preimages = [b"x"] if kind == "preimage" else []
    if kind in WAYS and part:
        damage_part(draw, part)
    elif kind in WAYS:
        part.append([bytes(1_024), [bytes(32)] * HEIGHT])
    return encode(_OUTPUT_TYPES, (part, rows, hint, preimages))


def count_kinds(op: int) -> int:
    """Return how many kinds of numbers an op makes."""
    return len(next(region.kinds for region in bench().layout.regions if region.op == op))


def count_cases(draw: random.Random, op: int, cases: int) -> Counter[str]:
    """Judge so many steps of an op on both sides; damage each proof."""
    counts: Counter[str] = Counter()
    for _ in range(cases):
        case = draw_case(draw, op)
        assert case.ask() == case.value, case
        reason = refuse(case, damage(draw, case))
        counts[f"op {op}: {reason}"] += 1
        counts[f"op {op}: lanes"] += 1
        counts[f"op {op}: {len(case.read.chunks)} opened: {describe(case.value)}"] += 1
    return counts


def describe(value: int) -> str:
    """Name what a step answered, as far as its paths differ by it."""
    return {DEAD: "dead", PAD_INT32: "filler", 0: "zero"}.get(value, "alive")


def refuse(case: Case, proof: bytes) -> str:
    """Return why the verifier takes no answer from a proof."""
    try:
        answer = case.ask(proof=proof)
    except Reverted as refusal:
        reason = refusal.reason
    else:
        raise AssertionError(f"a damaged proof gave {answer}: {case}")
    assert reason in REFUSALS, (reason, case)
    return reason
