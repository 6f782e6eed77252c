"""Mutated proofs of real lanes before the verifiers: how many, and by what reason each is refused.

A mutant is *accepted* if its verifier answers and the answer is another than the lane's true value;
none may be. It is *harmless* if the answer is the true one, as where it says the same in other
words; such ones are counted apart and make up for no refused one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from eth_utils.address import to_canonical_address

from oyez.engines.exact.inner_leaves import LANES
from oyez.protocol import inner_kinds
from oyez.protocol.inner import Region
from oyez.protocol.trace import ChunkType
from oyez.protocol.types import Address
from tests.contracts.harness import CALLER, Reverted, encode_call
from tests.courts import Court, court, draw_record
from tests.opening_damage import WAYS, Way
from tests.opening_lies import Mutant
from tests.openings import Case, build_case, word
from tests.real_calls import PARENT

#: The other call that the court is about.
OTHER = b"two"
#: The whole proof of another lane, taken from those proven before.
LANE, HINT, ALIVE = "another lane's", "another hint", "living for PAD"
CLASSES = (*WAYS, LANE)
#: Lanes drawn of a record before the next one; mutants of one class of a lane.
LANES_A_RECORD, MUTANTS_A_LANE = 60, 3
#: Lanes remembered: those of two records, whose trees are held.
REMEMBERED = 2 * LANES_A_RECORD
#: Ops whose proofs name a place in the sorted vocabulary.
NAMING = ("run_tokens", "options")
#: What a check of paths alone would refuse as well.
BY_PATH = ("paths to another root", "paths to nowhere")
#: Records after which a class that is not full is a bug.
MOST_RECORDS = 5_000


class Bench:
    """The verifiers of a court, and what they made of proofs changed in these ways.

    Attributes:
        lanes: drawn of a record before the next one.
    """

    lanes = LANES_A_RECORD

    def __init__(self, rng: random.Random, here: Court, ways: Mapping[str, Way]) -> None:
        self.here = here
        self.refused = Counter[str]()
        #: By class and what became of it, and by what a check of paths alone makes of it.
        self.counts = Counter[str]()
        self._rng = rng
        self._ways = ways
        self._seen: list[Case] = []

    def fill(self, count: int) -> None:
        """Judge mutants until so many of each class are refused.

        Raises:
            AssertionError: one was accepted, or true openings were not.
        """
        for _ in range(MOST_RECORDS):
            left = [name for name in (*self._ways, LANE) if self.refused[name] < count]
            if not left:
                return
            record = self.draw_record(left)
            del self._seen[:-REMEMBERED]
            for _ in range(self.lanes):
                left = [name for name in (*self._ways, LANE) if self.refused[name] < count]
                if not left:
                    return
                self._judge_lane(record, left, count)
        raise AssertionError(f"too few mutants: {self.refused}")

    def draw_record(self, _left: list[str]) -> int:
        """Return a record whose lanes are proven."""
        return draw_record(self._rng, self.here.batch)

    def is_new(self, _case: Case, _mutant: Mutant) -> bool:
        """Whether a mutant is to be judged: here each is."""
        return True

    def name_place(self, _case: Case) -> str:
        """Name what refused mutants are counted by, beside their class; nothing to count none."""
        return ""

    def _judge_lane(self, record: int, left: list[str], count: int) -> None:
        case = build_case(self.here, record, *self.draw_lane(record, left))
        assert self.judge(case, case.proof) == case.value, case.region.name
        self.counts["true proofs"] += 1
        for name in left:
            for _ in range(min(MUTANTS_A_LANE, count - self.refused[name])):
                mutant = (
                    self._draw_other(case) if name == LANE else self._ways[name](self._rng, case)
                )
                if mutant is None or mutant.proof == case.proof:
                    continue
                if self.is_new(case, mutant):
                    self._judge_mutant(case, name, mutant)
        self._seen.append(case)

    def _judge_mutant(self, case: Case, name: str, mutant: Mutant) -> None:
        try:
            found = self.judge(case, mutant.proof)
        except Reverted as refusal:
            self.refused[name] += 1
            self.counts[f"{name}: {_explain(refusal)}"] += 1
            paths = "no encoding"
            if mutant.bundle is not None:
                paths = f"paths to {mutant.bundle.judge_paths(case.roots, mutant.like)}"
            self.counts[f"refused, {paths}"] += 1
            for note in filter(None, (mutant.note, self.name_place(case))):
                self.counts[f"refused, {note}"] += 1
            return
        where = (name, case.record, case.region.name, case.leaf, case.lane)
        assert found == case.value, f"accepted: {where} is {case.value}, not {found}"
        self.counts[f"{name}: harmless"] += 1

    def _draw_other(self, case: Case) -> Mutant | None:
        """The true proof of another lane of the same op, which opens other things."""
        others = [
            other
            for other in self._seen
            if other.region == case.region and other.addresses != case.addresses
        ]
        if not others:
            return None
        other = self._rng.choice(others)
        return Mutant(other.proof, other.bundle)

    def draw_lane(self, record: int, left: list[str]) -> tuple[int, int]:
        """Return a leaf and a lane, such as classes that are rarely possible want."""
        rng, tree = self._rng, self.here.batch.machine.open_inner(1, record)
        regions = [region for region in tree.leaves.layout.regions if region.leaves]
        naming = [r for r in regions if r.name in NAMING and self.list_living(record, r)]
        if HINT in left and naming and rng.random() < 0.6:
            leaf = rng.choice(self.list_living(record, rng.choice(naming)))
            return leaf, rng.randrange(12)
        region = rng.choice(regions)
        living = self.list_living(record, region)
        leaves = range(region.start, region.start + region.leaves)
        wants_dead = ALIVE in left and rng.random() < 0.5
        leaf = rng.choice(living) if living and not wants_dead else rng.choice(leaves)
        if tree.get_chunk(leaf).type is ChunkType.PAD:
            return leaf, 0
        used = min(LANES[region.type], inner_kinds.count_lanes(region.type))
        return leaf, rng.choice((0, 1, rng.randrange(used), rng.randrange(min(used, 64))))

    def list_living(self, record: int, region: Region) -> list[int]:
        """Return the leaves of a region that live."""
        types = self.here.batch.machine.open_inner(1, record).leaves.types
        leaves = types[region.start : region.start + region.leaves]
        return [region.start + int(at) for at in leaves.nonzero()[0]]

    def judge(self, case: Case, proof: bytes) -> int:
        """Return what the lane's verifier makes of a proof.

        Raises:
            Reverted: it refuses.
        """
        tree, world = self.here.batch.machine.open_inner(1, case.record), self.here.world
        verifier, op, _ = self.here.table.step_at(case.record, case.leaf)
        at = Address(to_canonical_address(verifier))
        (entry,) = [e for e in world.abis[at] if e.get("name") == "recompute"]
        step: tuple[Any, ...] = (
            self.here.batch.result.claim.trace_root,
            tree.get_node(tree.height, 0),
            case.record,
            case.leaf,
            case.lane,
            op,
            PARENT,
            1,
            self.here.batch.batch.batch_hash,
        )
        head = encode_call(entry, step, tree.get_leaf(case.leaf).raw, b"")[:-32]
        data = head + word(len(proof)) + proof + bytes(-len(proof) % 32)
        output = world.call(at, data, sender=CALLER, value=0, view=True)
        return int.from_bytes(output, "big", signed=True)


def _explain(refusal: Reverted) -> str:
    """Return a reason without what differs from call to call."""
    if not refusal.reason.startswith("no reason"):
        return refusal.reason
    return "out of gas" if "OutOfGas" in refusal.reason else "refused without a reason"


def count_mutants(rng: random.Random, name: str, count: int) -> Counter[str]:
    """Judge mutants of a model's lanes until so many of each class are refused; count them.

    Raises:
        AssertionError: one was accepted, or paths alone refuse more than half.
    """
    return fill_bench(Bench(rng, court(name, OTHER), WAYS), count)


def fill_bench(bench: Bench, count: int) -> Counter[str]:
    """Let a bench judge until so many of each class are refused; count what it made of them.

    Raises:
        AssertionError: as `count_mutants`.
    """
    bench.fill(count)
    by_path = sum(bench.counts[f"refused, {paths}"] for paths in BY_PATH)
    assert 2 * by_path <= bench.refused.total()
    return bench.counts
