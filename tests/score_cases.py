"""Random lanes of the ops that compare tokens, honest and not."""

from __future__ import annotations

import random
from collections.abc import Callable

from oyez.protocol import step_scores, trace
from oyez.protocol.trace import Chunk
from tests.steps import pad, random_int32
from tests.vocabulary_steps import Case, Make, Setup, make_mode

LIMIT = 2**31
KINDS = ("noise", "block best", "choice score", "top")
NAMES = dict(zip(KINDS, ("noise", "best", "choice", "top"), strict=True))
WANTED = {"noise": (4, 5), "best": (5,), "choice": (4,), "top": (4, 5)}


def make_case(setup: Setup, kind: str, seed: int) -> Case:
    """Return a lane of one of `KINDS`."""
    draw = random.Random(f"{kind}/{seed}")
    name = NAMES[kind]
    region = setup.layout.get(name)
    place = draw.randrange(region.leaves)
    lanes = trace.INT32_LANES if name == "noise" else trace.WORDS
    lane = 0 if draw.random() < 0.3 else draw.randrange(lanes)
    if name == "best" and draw.random() < 0.6:
        lane = draw.randrange(min(lanes, -(-setup.model.shape.vocabulary // 256)))
    own = random_int32(draw) if name == "noise" else random_words(draw)
    return Case(setup, name, place, lane, own, make_leaves(setup, draw, name), seed)


def make_leaves(setup: Setup, draw: random.Random, name: str) -> Make:
    """Return what makes the leaves that such a lane reads."""
    makers: dict[str, Callable[[], Chunk]] = {
        "mode": lambda: make_mode(draw, WANTED[name]),
        "context": lambda: make_context(setup, draw),
        "logits": lambda: make_lanes(draw),
        "noise": lambda: make_lanes(draw),
        "mask": lambda: make_mask(draw),
        "candidates": lambda: make_candidates(setup, draw),
        "best": lambda: random_words(draw),
        "choice": lambda: random_words(draw),
    }

    def make(region: str, _place: int) -> Chunk:
        if region != "mode" and draw.random() < 0.06:
            return pad()
        return makers[region]()

    return make


def make_context(setup: Setup, draw: random.Random) -> Chunk:
    """Return a context: any state, a published manifest or none, a key or 0."""
    manifest = int.from_bytes(draw.choice(setup.parsed).hash, "big")
    if draw.random() < 0.1:
        manifest ^= 1 << draw.randrange(256)
    key = draw.getrandbits(256) if draw.random() < 0.9 else 0
    words = [draw.getrandbits(81), draw.getrandbits(256), manifest, key]
    return trace.encode_words(words)


def make_lanes(draw: random.Random) -> Chunk:
    """Return logits or noise: any int32, or few values, so that many are equal."""
    if draw.random() < 0.4:
        low = draw.choice((-LIMIT, 0, -3, LIMIT - 3))
        return trace.encode_int32([low + draw.randrange(3) for _ in range(trace.INT32_LANES)])
    return random_int32(draw, -LIMIT)


def make_mask(draw: random.Random) -> Chunk:
    """Return bits of eight tokens a lane; a liar's lanes hold more."""
    kind = draw.random()
    most = 1 if kind < 0.1 else 256
    if kind < 0.2:
        return random_int32(draw, -LIMIT)
    share = draw.choice((0.02, 0.3, 1.0))
    lanes = [draw.randrange(most) if draw.random() < share else 0 for _ in range(256)]
    return trace.encode_int32([255] * 256 if kind > 0.95 else lanes)


def make_candidates(setup: Setup, draw: random.Random) -> Chunk:
    """Return tokens and biases; some of no option, some of no token."""
    size = setup.model.shape.vocabulary
    lanes = []
    for _ in range(trace.INT32_LANES // 2):
        token = draw.choice((draw.randrange(size), draw.randrange(size), 0, size - 1, size, -1))
        if draw.random() < 0.1:
            token = draw.choice((-LIMIT, LIMIT - 1))
        lanes += [token, draw.choice((0, -LIMIT, LIMIT - 1, draw.randrange(-LIMIT, LIMIT)))]
    return trace.encode_int32(lanes)


def random_words(draw: random.Random) -> Chunk:
    """Return packed scores, and words that are none."""
    edges = (step_scores.NO_TOKEN, 1 << 255, (1 << 255) - 1, 0, (1 << 256) - 1)
    low, high, odd = draw.choice(
        ((0, 4, 0.15), (-(2**88), 2**88, 0.15), (-(2**88), 0, 0), (-(1 << 255), -(1 << 254), 0))
    )
    words = []
    for _ in range(trace.WORDS):
        word = draw.choice(edges) if draw.random() < odd else draw.randrange(low, high)
        words.append(word % (1 << 256))
    return trace.encode_words(words)
