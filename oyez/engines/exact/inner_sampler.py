"""Makes the inner trace of a sampler's record: every number between the last layer and a token.

Written from docs/spec/decode.md and sample.md with what decoding itself uses, apart from the steps
in `oyez.protocol.step`, which it is checked against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import noise as noises
from oyez.engines.exact import spec
from oyez.engines.exact.engine import ExactEngine
from oyez.engines.exact.inner_leaves import InnerLeaves, Int64
from oyez.protocol import codec, trace_records
from oyez.protocol import noise as protocol_noise
from oyez.protocol.decoding import DecodeStep, StepKind, get_canonical_tokens
from oyez.protocol.inner import MASK_TOKENS, OPTION_LANES, Layout
from oyez.protocol.machine import Machine, MachineState, Phase
from oyez.protocol.machine_words import pack_state
from oyez.protocol.step_machine import Mode
from oyez.protocol.trace import INT32_LANES, PAD_INT32, WORDS, Chunk
from oyez.protocol.trace_records import Next
from oyez.protocol.types import Hash32, Manifest

#: No token: below every packed score.
NO_TOKEN = -(1 << 120)
_TOKEN_BITS = 24
#: Of a score that no token has.
_NEVER = np.iinfo(np.int64).min


_KINDS = {
    StepKind.FORCED: Next.FORCED,
    StepKind.SAMPLED: Next.SAMPLED,
    StepKind.CHOSEN: Next.CHOSEN,
}


@dataclass(frozen=True, slots=True)
class SamplerInput:
    """What a sampler's record follows from, beside the model.

    Attributes:
        position: of the record, from 0 to the last token's.
        prompt_length: tokens of the prompt.
        steps: all that the call decoded.
        samplers: chunks of the call's sampler records from position `prompt_length` on.
        seed: of the noise; None at temperature 0.
        x: int32 [width], the last layer's lanes of this position; None at position 0.
    """

    manifest: Manifest
    position: int
    prompt_length: int
    steps: Sequence[DecodeStep]
    samplers: Sequence[Sequence[Chunk]]
    seed: Hash32 | None
    x: NDArray[np.int32] | None


class SamplerTrace:
    """Makes one sampler's inner trace, region after region, in order.

    Rule: INNER-66
    """

    def __init__(self, engine: ExactEngine, layout: Layout, given: SamplerInput) -> None:
        """Take the engine, `layout_sampler` of its shape, and what the record follows from."""
        self._engine = engine
        self._given = given
        self._machine = Machine(given.manifest.fields, engine.vocabulary.missing)
        self._number = given.position - given.prompt_length
        self.leaves = InnerLeaves(layout)

    def build(self) -> InnerLeaves:
        """Return all leaves.

        Raises:
            ValueError: the call has no sampler in this position.
        """
        given, number = self._given, self._number
        if not 0 <= given.position <= given.prompt_length + len(given.steps) or not (
            given.position or number == 0
        ):
            raise ValueError(f"no sampler stands in position {given.position}")
        if number < 0:
            for name in ("before", "mode", "next"):
                self._put(name, [0])
            self._put_record(trace_records.build_prompt_sampler())
            return self.leaves
        state = given.steps[number - 1].state_after if number else self._machine.start()
        self._begin(state)
        mode = self._find_mode(state)
        self._put("mode", [mode])
        if mode is Mode.RUN:
            self._run(state)
        elif mode is Mode.CHOICE:
            self._choose(state)
        elif mode is Mode.FREE:
            self._sample(state)
        self._end(state)
        return self.leaves

    def _put(self, name: str, lanes: Sequence[int]) -> None:
        self.leaves.put(name, np.array(lanes, np.int64))

    def _begin(self, state: MachineState) -> None:
        """Write what came before this position.

        Rule: TRACE-17, SAMPLE-2
        """
        given, number = self._given, self._number
        length = given.steps[number - 1].output_length if number else 0
        self._put("before", [2 if number else 1, number, length])
        key = 0
        if given.manifest.temperature:
            if given.seed is None:
                raise ValueError("a sampled call has a seed")
            key = _sign(codec.H("NOISE", given.seed, given.position))
        words = [pack_state(state), state.value, _sign(given.manifest.hash), key]
        self.leaves.put_words("context", words)

    def _find_mode(self, state: MachineState) -> Mode:
        """Return what decoding does in this position.

        Rule: DECODE-7, DECODE-10, DECODE-12
        """
        if self._number and len(self._given.samplers[self._number - 1]) > 2:
            return Mode.QUEUE
        if self._machine.is_end(state) or self._number == self._given.manifest.output_tokens:
            return Mode.END
        if state.phase is Phase.CHOICE:
            return Mode.CHOICE
        return Mode.RUN if self._machine.forced_run(state)[0] else Mode.FREE

    def _run(self, state: MachineState) -> None:
        """Write a forced run: its states, its bytes, its tokens with their ends.

        Rule: DECODE-7
        """
        text, _ = self._machine.forced_run(state)
        self.leaves.put_words("run", self._walk(state, text))
        self.leaves.put_bytes("run_text", text)
        self._put("run_tokens", self._list_ends(self._engine.vocabulary.greedy(text)))

    def _walk(self, state: MachineState, text: bytes) -> list[int]:
        """Return packed state and magnitude after each byte."""
        words = []
        for byte in text:
            state = self._machine.walk(state, bytes([byte]))
            words += [pack_state(state, byte), state.value]
        return words

    def _list_ends(self, tokens: Sequence[int]) -> list[int]:
        """Return tokens and the offsets at which they end."""
        lanes, end = [], 0
        for token in tokens:
            end += len(self._engine.vocabulary.bytes_of(token))
            lanes += [token, end]
        return lanes

    def _choose(self, state: MachineState) -> None:
        """Write a choice: its options' tokens, which of them may come next, and their scores.

        Rule: DECODE-9
        """
        options = get_canonical_tokens(self._machine, state, self._engine.vocabulary)
        biases = self._machine.get_biases(state)
        lanes: list[int] = []
        for tokens in options:
            ends = self._list_ends(tokens)
            lanes += ends + [PAD_INT32] * (OPTION_LANES - len(ends))
        self._put("options", lanes)
        made = self._list_made(state)
        coming = [tokens[len(made)] if tokens[: len(made)] == made else -1 for tokens in options]
        pairs = zip(coming, biases, strict=False)
        self._put("candidates", [lane for pair in pairs for lane in pair])
        logits, drawn = self._score()
        scores = [NO_TOKEN] * (WORDS * self.leaves.layout.get("choice").leaves)
        for option, token in enumerate(coming):
            if token >= 0:
                biased = int(logits[token]) + biases[option]
                scores[option] = _pack((biased << 16) + int(drawn[token]), token)
        self._put_scores("choice", scores)

    def _list_made(self, state: MachineState) -> tuple[int, ...]:
        """Return the tokens of the choice that stand already."""
        first, steps = self._number, self._given.steps
        while state.phase is Phase.CHOICE and state.length:
            first -= 1
            state = steps[first - 1].state_after if first else self._machine.start()
        return tuple(step.token for step in steps[first : self._number])

    def _score(self) -> tuple[Int64, Int64]:
        """Write norm, logits and noise; return the logits, and noise times temperature.

        Rule: ENGINE-19, SAMPLE-1
        """
        model, given = self._engine.model, self._given
        if given.x is None:
            raise ValueError("scores follow from a position's lanes")
        x = given.x.astype(np.int64)
        chunks = range(0, len(x), INT32_LANES)
        peaks = np.abs(x * model.output_norm.weights)
        words = [sum(int(lane) ** 2 for lane in x[at : at + INT32_LANES]) for at in chunks]
        root = spec.root_mean_square(x[None], model.epsilon)[0]
        words += [int(peaks[at : at + INT32_LANES].max()) for at in chunks]
        largest = int(peaks.max())
        shift = (largest * spec.reciprocal(root)).bit_length() - 14 if largest else 0
        self.leaves.put_words("norm", [*words, root, shift])
        normed = spec.normalise(model, x[None], model.output_norm)
        self.leaves.put("normed", normed.lanes[0])
        logits = self._engine.backend.logits(given.x).astype(np.int64)
        self.leaves.put("logits", logits)
        temperature = given.manifest.temperature
        if not temperature or given.seed is None:
            return logits, np.zeros_like(logits)
        noise = protocol_noise.build_noise(temperature, given.seed, given.position)
        tokens = np.arange(len(logits), dtype=np.int32)
        drawn = noises.compute_gumbel(noises.draw(noise, tokens))
        self.leaves.put("noise", drawn)
        return logits, drawn * temperature

    def _sample(self, state: MachineState) -> None:
        """Write a free token's scores: the mask, and the best of each block of tokens.

        Rule: DECODE-8
        """
        logits, drawn = self._score()
        vocabulary = self._engine.vocabulary
        allowed = np.zeros(-(-len(logits) // INT32_LANES) * INT32_LANES, bool)
        allowed[self._engine.allowed(self._machine, state, vocabulary)] = True
        bits = allowed.reshape(-1, MASK_TOKENS) @ (1 << np.arange(MASK_TOKENS))
        self.leaves.put("mask", bits[: -(-len(logits) // MASK_TOKENS)])
        scores = np.full(len(allowed), _NEVER)
        scores[: len(logits)] = (logits << 16) + drawn
        scores[~allowed] = _NEVER
        best = [NO_TOKEN] * (WORDS * self.leaves.layout.get("best").leaves)
        for block, row in enumerate(scores.reshape(-1, INT32_LANES)):
            # argmax takes the first of equals
            lane = int(row.argmax())
            if row[lane] != _NEVER:
                best[block] = _pack(int(row[lane]), block * INT32_LANES + lane)
        self._put_scores("best", best)

    def _put_scores(self, name: str, scores: list[int]) -> None:
        """Write packed scores, and the highest one of each leaf."""
        self.leaves.put_words(name, scores)
        top = [max(scores[at : at + WORDS]) for at in range(0, len(scores), WORDS)]
        self.leaves.put_words("top", top + [NO_TOKEN] * (WORDS - len(top)))

    def _end(self, state: MachineState) -> None:
        """Write the next token, its bytes' states, and the record."""
        if self._number < len(self._given.steps):
            step = self._given.steps[self._number]
            self._put("next", [_KINDS[step.kind], step.token])
            data = self._engine.vocabulary.bytes_of(step.token)
            self.leaves.put_words("walk", self._walk(state, data))
        else:
            self._put("next", [Next.END])
        self._put_record(self._given.samplers[self._number])

    def _put_record(self, chunks: Sequence[Chunk]) -> None:
        """Write the record, as the outer trace has it."""
        first = self.leaves.layout.get("ending").start
        for at, chunk in enumerate(chunks, first):
            self.leaves.types[at] = chunk.type
            self.leaves.data[at] = np.frombuffer(chunk.data, np.uint8)


def _sign(word: bytes) -> int:
    """Return a word as the signed integer that its lane is."""
    return int.from_bytes(word, "big", signed=True)


def _pack(score: int, token: int) -> int:
    """Return a score in Q32 and its token as one number, the lowest id first among equals."""
    return (score << _TOKEN_BITS) + (1 << _TOKEN_BITS) - 1 - token
