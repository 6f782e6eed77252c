"""Chunks as steps of prompts and outputs may meet them: mostly plausible, sometimes anything."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from oyez.protocol import machine_words, trace
from oyez.protocol.constants import LAST_POSITION, LAST_SLOT, POSITION_BITS, SLOT_BITS
from oyez.protocol.inner import Region
from oyez.protocol.inner_frame import Frame, get_record, layout_frame
from oyez.protocol.trace import INT32_LANES, PAD_CHUNK, PAD_INT32, WORDS, Chunk, ChunkType
from oyez.protocol.types import Manifest, SegmentKind
from tests import machine_fuzz as fuzz
from tests import machine_steps
from tests.steps import random_int32

if TYPE_CHECKING:
    from tests.prompt_steps import Bench

PARSE = 115
#: Bytes of an output, and tokens that `ends` has lanes for.
OUTPUT_BYTES = 1_024
END_LANES = 1_280
#: Where in a text a prompt may stand.
OFFSETS = (0, 1, 5, 895, 896, 1_000, 1_023, 1_024, 1_025, 2_000, 3_000, 4_095, 4_096, 5_000)


def draw_place(draw: random.Random, region: Region) -> tuple[int, int]:
    """Return a leaf of a region and a lane of it, the first ones often."""
    near = (0, 0, 0, 0, 1, 2, 3) if region.op == PARSE else (0, 0, 1)
    leaf = draw.choice((*near, draw.randrange(region.leaves), region.leaves - 1)) % region.leaves
    lanes = {ChunkType.BYTES32: WORDS, ChunkType.BYTES: 1_024}.get(region.type, INT32_LANES)
    if region.name == "prompt_head":
        return leaf, draw.choice((0, 0, 0, 0, 0, 1, 1, 2, 255))
    return leaf, draw.choice((0, 0, 1, 2, 3, lanes - 2, lanes - 1, draw.randrange(lanes)))


def list_texts(bench: Bench) -> list[bytes]:
    """Return the tokens' bytes, by id."""
    count = len(bench.rows) - len(bench.sorted)
    return [bench.rows[2, token][3:] for token in range(count)]


class Chunks:
    """The leaves and chunks around one lane."""

    def __init__(
        self, draw: random.Random, bench: Bench, call: int, op: int, leaf: int, lane: int
    ) -> None:
        self.draw = draw
        self.bench = bench
        self.call = call
        self.leaf, self.lane = leaf, lane
        self.layout = layout_frame(Frame.PROMPT if op < Frame.OUTPUT else Frame.OUTPUT, 12)
        (self.region,) = [region for region in self.layout.regions if region.op == op]
        self.manifest: Manifest = draw.choice(bench.parsed)
        self.texts = list_texts(bench)
        self.tokens = [token for token, data in enumerate(self.texts) if data]
        self.prompt = draw.choice((0, 0, 1, 3, 300, 1_500, 2_046, 2_047, -1, PAD_INT32))
        self.owner = draw.choice((0, 1, 2, 254, 255, 256, 511, 1_023, 1_278, 1_279))
        self.walked = draw.choice(machine_steps.walks()) if op == PARSE else None
        if self.walked is not None:
            self.manifest = self.walked.published.manifest

    def make_inner(self, leaf: int) -> Chunk:
        region = self.layout.find(leaf)
        assert region is not None
        if self.draw.random() < 0.06:
            return PAD_CHUNK
        if self.draw.random() < 0.06 and region.type is ChunkType.INT32:
            return random_int32(self.draw, low=PAD_INT32)
        made: Chunk = getattr(self, "make_" + region.name)(leaf - region.start)
        assert made.type is region.type
        return made

    def make_own(self) -> Chunk:
        """Return the lane's leaf; of a dead one zeros."""
        made = self.make_inner(self.region.start + self.leaf)
        return Chunk(self.region.type, made.data)

    def make_outer(self, record: int, chunk: int) -> Chunk:
        draw = self.draw
        assert record >> (POSITION_BITS + SLOT_BITS) == self.call
        if draw.random() < 0.05:
            return PAD_CHUNK
        match record - get_record(self.call, Frame.ENTRY), chunk:
            case 0, 0:
                bad = draw.choice((*(-1,) * 12, 0, 3, PAD_INT32))
                return trace.encode_int32([1, 4, 5, bad])
            case 0, 1:
                return trace.encode_words(self.make_words())
            case ((0 | 1), _):
                return trace.encode_bytes(self.draw_text(1_024))
            case 2, 0:
                return trace.encode_int32([self.prompt, draw.choice((1, 1, 1, 1, 1, 1, 0, 2))])
        assert record & LAST_SLOT == LAST_SLOT
        assert record >> SLOT_BITS & LAST_POSITION < LAST_POSITION
        kind = draw.choice((1, 1, 2, 3, 0, 4, 5, -1, PAD_INT32))
        token = draw.choice((*draw.choices(self.tokens, k=8), 0, -1, len(self.texts), PAD_INT32))
        return trace.encode_int32([kind, token, self.number(), self.number()])

    def make_words(self) -> list[int]:
        draw = self.draw
        words = [draw.getrandbits(draw.choice((0, 1, 8, 64, 160, 256))) for _ in range(12)]
        known = int.from_bytes(self.manifest.hash, "big")
        words[7] = draw.choice((*(known,) * 15, draw.getrandbits(256)))
        return words

    def draw_text(self, size: int) -> bytes:
        draw, texts = self.draw, self.texts
        long = [data for data in texts if len(data) > 30]
        data = bytearray()
        while len(data) < size:
            kind = draw.randrange(12)
            if kind == 0:
                data += draw.randbytes(draw.choice((1, 3, 40)))
            else:
                data += draw.choice(long if kind == 1 else texts)
        return bytes(data[:size])

    def number(self) -> int:
        draw = self.draw
        near = self.lane + INT32_LANES * self.leaf + draw.randint(-3, 3)
        return draw.choice((near, near, near, 0, 1, 1_024, -1, 2**31 - 1, PAD_INT32))

    # --- a prompt's regions ---

    def make_cursor(self, _leaf: int) -> Chunk:
        """Any tokens, and a place to stand in the manifest's segments after each."""
        lanes: list[int] = []
        for _ in range(INT32_LANES // 2):
            lanes += [self.draw.choice(self.tokens), self.cursor()]
        if self.draw.random() < 0.3:
            lanes[-2:] = [PAD_INT32, self.draw.choice((-1, -5, -400, -690, -701, -702, -2_049))]
        return trace.encode_int32(lanes)

    def cursor(self) -> int:
        draw, segments = self.draw, self.manifest.segments
        if draw.random() < 0.05:
            return draw.choice((-1, -7, PAD_INT32, 2**31 - 1, draw.getrandbits(31)))
        segment = draw.randrange(len(segments) + 1)
        slots = [
            n for n, s in enumerate(segments) if s.kind in (SegmentKind.STATE, SegmentKind.INPUT)
        ]
        if slots and draw.random() < 0.6:
            segment = draw.choice(slots)
        offset = draw.choice((*OFFSETS, 3, 40, 76, draw.randrange(4_096)))
        if segment < len(segments) and segments[segment].kind is SegmentKind.LITERAL:
            count = len(segments[segment].tokens)
            offset = draw.choice((0, 1, count - 1, count, draw.randrange(count), 65_535))
        return segment << 16 | offset

    def make_prompt_head(self, _leaf: int) -> Chunk:
        draw = self.draw
        count = draw.choice((0, 1, 127, 128, 300, 2_000, -1, PAD_INT32))
        return trace.encode_int32([count, draw.choice((1, 1, 1, 1, 0, 2, -1))])

    def make_prompt_tokens(self, _leaf: int) -> Chunk:
        return random_int32(self.draw, low=0)

    # --- an output's regions ---

    def make_ends(self, leaf: int) -> Chunk:
        """Offsets about the byte at hand where its token stands, ascending, then an end."""
        draw = self.draw
        byte = self.lane + (INT32_LANES * self.leaf if self.region.type is ChunkType.INT32 else 0)
        first = byte - self.owner + draw.choice((0, 0, 1, 2, 3, 30, -1))
        if self.region.name == "ends":
            first = draw.choice((0, 3, first))
        lanes = [first + leaf * INT32_LANES + lane + draw.choice((0, 1)) for lane in range(256)]
        stop = draw.choice((0, 1, 255, *(256,) * 9, draw.randrange(257)))
        return trace.encode_int32([*lanes[:stop], *[-1 - stop] * (INT32_LANES - stop)])

    def make_output_owner(self, _leaf: int) -> Chunk:
        draw = self.draw
        near = [self.owner, self.owner, self.owner + 1, max(self.owner - 1, 0)]
        odd = [PAD_INT32, -1, END_LANES, END_LANES - 1, 2**31 - 1]
        return trace.encode_int32(
            [draw.choice(near if draw.random() < 0.9 else odd) for _ in range(INT32_LANES)]
        )

    def make_text(self, _leaf: int) -> Chunk:
        """The walk's text, perhaps cut, perhaps with one byte changed."""
        draw = self.draw
        if self.walked is None:
            return trace.encode_bytes(self.draw_text(OUTPUT_BYTES))
        cut = draw.choice((0, 1, 16, 17, OUTPUT_BYTES, OUTPUT_BYTES, OUTPUT_BYTES))
        data = bytearray(self.walked.text[:cut])
        if data and draw.random() < 0.2:
            at = 16 * self.leaf + self.lane // 2
            data[at % len(data)] = draw.randrange(256)
        return trace.encode_bytes(bytes(data))

    def make_parse(self, leaf: int) -> Chunk:
        """The walk's states, changed or made up now and then."""
        draw, walked = self.draw, self.walked
        assert walked is not None
        words: list[int] = []
        for at in range(16 * leaf, 16 * leaf + WORDS // 2):
            kind = draw.random()
            if kind < 0.05:
                words += [0, draw.choice((0, 5))]
            elif kind < 0.75 and at + 1 < len(walked.states):
                state = walked.states[at + 1]
                words += [machine_words.pack_state(state, draw.randrange(256)), state.value]
            else:
                words += fuzz.random_word(draw, walked.published, walked.states)
        return trace.encode_words([word % (1 << 256) for word in words])
