"""Mutated proofs of lanes around a call's tokens before the verifiers, counted by reason."""

from __future__ import annotations

import random
from collections import Counter

from oyez.engines.exact.inner_leaves import LANES
from oyez.protocol import codec, inner_kinds
from oyez.protocol.inner_frame import Frame, find_frame, get_record
from oyez.protocol.trace import ChunkType
from tests.courts import Court
from tests.frame_courts import open_court
from tests.frame_lies import WAYS
from tests.opening_fuzz import ALIVE, HINT, LANE, Bench, fill_bench
from tests.opening_lies import Mutant
from tests.openings import Case

CLASSES = (*WAYS, LANE)
#: Kinds of records as often as their lanes ask for different things; those that ask for preimages.
RECORDS = (
    *(Frame.ENTRY, Frame.ENTRY, Frame.STATE, Frame.STATE, Frame.PROMPT),
    *(Frame.OUTPUT, Frame.OUTPUT, Frame.ROOTS, Frame.ROOTS, Frame.ROOTS),
)
ASKING_RECORDS = (Frame.ENTRY, Frame.STATE, Frame.ROOTS)
#: Classes that want rows of the model, and where those are read.
ROWS, ROW_RECORDS = (HINT, "stale model", "another header"), (Frame.PROMPT, Frame.OUTPUT)
ROW_REGIONS = ("cursor", "text")
#: The class that wants two preimages, and the lane that asks for more than one.
SWAPPED, SWAPPED_REGION = "swapped preimages", "words"
#: Regions whose lanes ask for preimages; those whose first lanes ask for nodes above a cell.
ASKING = (
    *("words", "entry_head", "cell", "node", "stored_name", "stored_type", "stored", "length"),
    *("count", "state_json", "cell_after", "roots_words", "last_words"),
)
WAY = ("path", "entry_words", "path_end", "depth", "sibling")


class FrameBench(Bench):
    """The verifiers of one batch's frame, and what they made of proofs."""

    lanes = 4

    def __init__(self, rng: random.Random, here: Court) -> None:
        super().__init__(rng, here, WAYS)
        self._wanted = LANE
        self._known: set[tuple[int, int, int, bytes]] = set()

    def draw_record(self, left: list[str]) -> int:
        """Return a record around a call's tokens, or the last one; or of a call not there.

        It is such as one of the classes that are left wants.
        """
        rng, count = self._rng, len(self.here.batch.executions)
        self._wanted = rng.choice(left)
        # the last two are on a cell that is stored
        call = rng.choice((*range(count), count - 2, count - 1))
        if self._wanted in ROWS:
            return get_record(call, rng.choice(ROW_RECORDS))
        if self._wanted == SWAPPED:
            return get_record(call, Frame.ENTRY)
        if rng.random() < 0.02:
            return get_record(call, Frame.LAST)
        if self._wanted.endswith("preimage"):
            return get_record(call, rng.choice(ASKING_RECORDS))
        if rng.random() < 0.04 or (self._wanted == ALIVE and rng.random() < 0.4):
            call += count
        return get_record(call, rng.choice(RECORDS))

    def is_new(self, case: Case, mutant: Mutant) -> bool:
        """Whether no such proof of this lane was judged before."""
        one = (case.record, case.leaf, case.lane, codec.keccak(mutant.proof))
        if one in self._known:
            return False
        self._known.add(one)
        return True

    def name_place(self, case: Case) -> str:
        """Name the kind of the record."""
        frame = find_frame(case.record)
        assert frame is not None
        return f"in {frame.name}"

    def draw_lane(self, record: int, left: list[str]) -> tuple[int, int]:
        """Return a leaf and a lane, such as the class that is wanted wants."""
        rng, tree = self._rng, self.here.batch.machine.open_inner(1, record)
        regions = [region for region in tree.leaves.layout.regions if region.leaves]
        names: tuple[str, ...] = ()
        if self._wanted in ROWS:
            names = ROW_REGIONS
        elif self._wanted == SWAPPED:
            names = (SWAPPED_REGION,)
        elif self._wanted.endswith("preimage"):
            names = rng.choice((ASKING, WAY))
        region = rng.choice([region for region in regions if region.name in names] or regions)
        living = self.list_living(record, region)
        leaves = range(region.start, region.start + region.leaves)
        is_dead = self._wanted == ALIVE and rng.random() < 0.7
        leaf = rng.choice(living) if living and not is_dead else rng.choice(leaves)
        if living and not is_dead and rng.random() < (0.8 if names else 0.3):
            leaf = living[0]
        if tree.get_chunk(leaf).type is ChunkType.PAD or self._wanted == SWAPPED:
            return leaf, 0
        used = min(LANES[region.type], inner_kinds.count_lanes(region.type))
        lanes = (0, rng.randrange(4), rng.randrange(12), rng.randrange(used))
        return leaf, rng.choice((*lanes, rng.randrange(min(used, 64))))


def count_mutants(rng: random.Random, name: str, count: int) -> Counter[str]:
    """Judge mutants of a batch's frame until so many of each class are refused; count them.

    Raises:
        AssertionError: one was accepted, or paths alone refuse more than half.
    """
    return fill_bench(FrameBench(rng, open_court(name)), count)
