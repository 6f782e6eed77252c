"""Words that are hashes, of which the bytes are known: what steps around the tokens ask for."""

from __future__ import annotations

import random

from oyez.protocol import codec
from oyez.protocol.types import Hash32


class Unknown(Exception):
    """A step asks what some word is the hash of, and nobody knows: there is no proof of it."""


class Known(dict[Hash32, bytes]):
    """Preimages by digest."""

    def __missing__(self, digest: Hash32) -> bytes:
        raise Unknown(digest.hex())


class Digests:
    """Words whose preimages are known: trees' nodes, leaves of cells, entries, texts, anything."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.known = Known()
        self.keys = [draw.getrandbits(256)]
        self.keys += [self.keys[0] ^ 1 << draw.randrange(256), self.keys[0] ^ 1]
        self.words = [0, 0, self.add(b""), self.add(draw.randbytes(1_024))]
        self.cells: list[int] = []
        for _ in range(20):
            self.words.append(self.add(self.make()))

    def add(self, data: bytes) -> int:
        digest = codec.keccak(data)
        self.known[digest] = data
        return int.from_bytes(digest, "big")

    def make(self) -> bytes:
        """Return what some digest is of."""
        pick, draw = self.pick, self.draw
        match draw.choice(
            ("node", "node", "node", "cell", "cell", "entry", "text", "batch", "any")
        ):
            case "node":
                return self.join(pick(), pick())
            case "cell":
                return self.make_cell()
            case "entry":
                return self.join(*(pick() for _ in range(11)))
            case "text":
                return draw.choice((b"ab", b"\xe2\x82", b"\xff", "ä€".encode())) * draw.randrange(
                    200
                )
            case "batch":
                return self.join(*(pick() for _ in range(7)))
            case _:
                sizes = (
                    1,
                    31,
                    32,
                    63,
                    65,
                    96,
                    159,
                    161,
                    255,
                    256,
                    257,
                    352,
                    512,
                    768,
                    1_023,
                    1_024,
                )
                return draw.randbytes(draw.choice(sizes))

    def make_cell(self) -> bytes:
        """Return what a cell's leaf is of."""
        words = [self.draw.getrandbits(256), self.key(), *(self.pick() for _ in range(3))]
        data = self.join(*words)
        self.cells.append(self.add(data))
        return data

    def meet(self) -> int:
        """Return what a way may end in: a cell's leaf, a last node over one, nothing, anything."""
        self.make_cell()
        pair = [self.draw.choice((0, self.cells[-1])), self.cells[-1]]
        self.draw.shuffle(pair)
        last = self.add(self.join(*pair))
        return self.draw.choice((self.cells[-1], self.cells[-1], last, last, self.pick(), 0))

    def grow(self, height: int) -> int:
        """Return the root of a tree in which each level has two nodes, or 0 for one of them."""
        level = [self.pick(), self.pick()]
        for _ in range(height):
            pairs = [(self.draw.choice(level), self.draw.choice(level)) for _ in range(2)]
            level = [self.add(self.join(*pair)) for pair in pairs]
            if self.draw.random() < 0.02:
                level[0] = 0
        return level[1]

    def join(self, *words: int) -> bytes:
        return b"".join(word.to_bytes(32, "big") for word in words)

    def pick(self) -> int:
        return self.draw.choice(self.words[-20:])

    def key(self) -> int:
        return self.draw.choice(self.keys)
