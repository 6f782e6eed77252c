"""Constrained decoding: from a model's scores to an output JSON, token by token.

Bytes that nothing decides are forced: they are tokenised greedily and appended unsampled. At an
enum or boolean the model chooses between options; in a string or integer it samples among the
allowed tokens. The model is asked only where there is something to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from oyez.engines import base
from oyez.engines.base import Session, Steps
from oyez.protocol import masks, schema
from oyez.protocol.errors import Invalid
from oyez.protocol.machine import FREE_PHASES, Machine, MachineState, Phase
from oyez.protocol.noise import Noise, Sampling, find_best
from oyez.protocol.types import Code, Field, Value
from oyez.protocol.vocabulary import Vocabulary

#: Gives the allowed tokens, ascending; a list or an array.
Allowed = Callable[[Machine, MachineState, Vocabulary], Sequence[int]]


class StepKind(IntEnum):
    """How an output token came to be."""

    FORCED = 0
    SAMPLED = 1
    CHOSEN = 2


@dataclass(frozen=True, slots=True)
class DecodeStep:
    """One output token.

    Attributes:
        state_after: the byte machine's state after the token.
        output_length: bytes of output so far, the token's included.
    """

    token: int
    kind: StepKind
    state_after: MachineState
    output_length: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding made.

    Attributes:
        output: the bytes so far; whole iff `code` is NONE.
        code: NONE or OUT_OF_TOKENS.
        detail: OUT_OF_TOKENS: manifest index of the first written field not ended; else 0.
        steps: one for each token.
    """

    tokens: tuple[int, ...]
    output: bytes
    code: Code
    detail: int
    steps: tuple[DecodeStep, ...]


class _OutOfTokensError(Exception):
    """The limit is reached, or no token is allowed, before the output is whole."""


class _Run:
    """The output so far, and the tokens the model has not seen yet."""

    def __init__(
        self, machine: Machine, vocabulary: Vocabulary, limit: int, sampling: Sampling | None
    ) -> None:
        """Begin with an empty output."""
        self.machine = machine
        self.vocabulary = vocabulary
        self.state = machine.start()
        self.output = bytearray()
        self.steps: list[DecodeStep] = []
        self._limit = limit
        self._sampling = sampling
        self._pending: list[int] = []

    def get_noise(self) -> Noise | None:
        """Return what the scores of the next token get; None at temperature 0.

        Asked for only where more than one token is possible.

        Rule: SAMPLE-6
        """
        return None if self._sampling is None else self._sampling.build_noise(len(self.steps))

    def verify_room(self) -> None:
        """Check that one more token may be appended.

        Rule: DECODE-10
        """
        if len(self.steps) >= self._limit:
            raise _OutOfTokensError

    def append(self, token: int, kind: StepKind) -> None:
        """Append one token and step the machine over its bytes."""
        self.verify_room()
        data = self.vocabulary.bytes_of(token)
        self.state = self.machine.walk(self.state, data)
        self.output += data
        self.steps.append(DecodeStep(token, kind, self.state, len(self.output)))
        self._pending.append(token)

    def append_all(self, tokens: Iterable[int], kind: StepKind) -> None:
        """Append tokens one by one."""
        for token in tokens:
            self.append(token, kind)

    def flush(self) -> Steps[None]:
        """Append what the model has not seen to its context, in one go."""
        if self._pending:
            pending, self._pending = self._pending, []
            yield from base.extend(pending)


def decode(
    machine: Machine,
    vocabulary: Vocabulary,
    session: Session,
    limit: int,
    allowed: Allowed = masks.allowed_tokens,
    sampling: Sampling | None = None,
) -> Decoded:
    """Decode one output on one session, which stands after the whole prompt.

    The arguments are those of `decode_steps`.
    """
    return base.drive(decode_steps(machine, vocabulary, limit, allowed, sampling), session)


def decode_steps(
    machine: Machine,
    vocabulary: Vocabulary,
    limit: int,
    allowed: Allowed = masks.allowed_tokens,
    sampling: Sampling | None = None,
) -> Steps[Decoded]:
    """Decode one output, in steps; the model's context stands after the whole prompt.

    Every output token, forced and last ones included, is appended to the context too: each has a
    live position in the trace.

    Rule: DECODE-12

    Args:
        machine: of the action's written fields.
        vocabulary: of the engine's model.
        limit: most output tokens, forced ones counted.
        allowed: the mask; an engine may bring a faster one.
        sampling: None at temperature 0.
    """
    run = _Run(machine, vocabulary, limit, sampling)
    code, detail = Code.NONE, 0
    try:
        while not machine.is_end(run.state):
            forced, _ = machine.forced_run(run.state)
            if forced:
                run.append_all(vocabulary.greedy(forced), StepKind.FORCED)
            elif run.state.phase is Phase.CHOICE:
                yield from _choose(run)
            else:
                run.verify_room()
                token = yield from _sample(run, allowed)
                run.append(token, StepKind.SAMPLED)
    except _OutOfTokensError:
        code, detail = Code.OUT_OF_TOKENS, machine.compute_unended(run.state)
    yield from run.flush()
    return Decoded(
        tokens=tuple(step.token for step in run.steps),
        output=bytes(run.output),
        code=code,
        detail=detail,
        steps=tuple(run.steps),
    )


def _sample(run: _Run, allowed: Allowed) -> Steps[int]:
    """Return the allowed token with the highest score, ties to the lowest id.

    Raises:
        _OutOfTokensError: nothing is allowed.
    """
    tokens = allowed(run.machine, run.state, run.vocabulary)
    if len(tokens) == 0:
        raise _OutOfTokensError
    if len(tokens) == 1:
        return int(tokens[0])
    yield from run.flush()
    return (yield from base.best(tokens, run.get_noise()))


def get_canonical_tokens(
    machine: Machine, state: MachineState, vocabulary: Vocabulary
) -> list[tuple[int, ...]]:
    """Return each option's canonical tokens: greedy, an enum's closing quote included."""
    return [vocabulary.greedy(text) for text in machine.get_choices(state)]


def _choose(run: _Run) -> Steps[None]:
    """Let the model choose an option, token by token.

    Only the next canonical tokens of the options still matching are allowed. A token's logit gets
    the highest bias among the options that share it, at every step; ties go to the lowest id.
    What is left of the last option is appended unsampled.

    Rule: DECODE-9
    """
    options = get_canonical_tokens(run.machine, run.state, run.vocabulary)
    biases = run.machine.get_biases(run.state)
    left = list(range(len(options)))
    at = 0
    while len(left) > 1:
        run.verify_room()
        bias_of: dict[int, int] = {}
        for option in left:
            token = options[option][at]
            bias_of[token] = max(bias_of.get(token, biases[option]), biases[option])
        token = yield from _argmax(run, bias_of)
        run.append(token, StepKind.CHOSEN)
        left = [option for option in left if options[option][at] == token]
        at += 1
    run.append_all(options[left[0]][at:], StepKind.FORCED)


def _argmax(run: _Run, bias_of: Mapping[int, int]) -> Steps[int]:
    """Return the token with the highest score, bias included, exactly; ties to the lowest id."""
    tokens = sorted(bias_of)
    if len(tokens) == 1:
        return tokens[0]
    yield from run.flush()
    logits = yield from base.logits(tokens)
    biased = [int(logit) + bias_of[token] for token, logit in zip(tokens, logits, strict=True)]
    return find_best(run.get_noise(), tokens, biased)


def tokenise_example(
    fields: Sequence[Field], values: Mapping[int, Value], vocabulary: Vocabulary
) -> tuple[int, ...]:
    """Return the tokens of an output JSON as the decoder would produce them.

    Forced runs are greedy on their own, a choice's canonical tokens stand apart, a free value and
    its terminator are greedy as one run (up to where the decoder would force the rest). Few-shot
    examples made so continue as a pattern the model has seen.

    Rule: TOKENS-4

    Args:
        fields: all fields of the manifest.
        values: of the written fields, by field index.
        vocabulary: of the model.

    Raises:
        Invalid: TOKENS-4 if the values are not an output of this schema, SCHEMA-2 or SCHEMA-4 if
            one is of another type or not given.
    """
    machine = Machine(fields, vocabulary.missing)
    output = schema.format_output(fields, values)
    state, at = machine.start(), 0
    tokens: list[int] = []
    while at < len(output):
        forced, _ = machine.forced_run(state)
        if forced:
            part = vocabulary.greedy(forced)
        elif state.phase is Phase.CHOICE:
            part = next(
                (
                    vocabulary.greedy(text)
                    for text in machine.get_choices(state)
                    if output.startswith(text, at)
                ),
                (),
            )
        else:
            part = _take_free_token(machine, state, output[at:], vocabulary)
        text = vocabulary.join(part)
        if not part or not output.startswith(text, at):
            raise Invalid("TOKENS-4", f"the example leaves the schema at offset {at} of its output")
        state = machine.walk(state, text)
        tokens.extend(part)
        at += len(text)
    return tuple(tokens)


def _take_free_token(
    machine: Machine, state: MachineState, rest: bytes, vocabulary: Vocabulary
) -> tuple[int, ...]:
    """Return the first greedy token of a free value and its terminator; () if it has none."""
    length = 0
    for byte in rest:
        after = machine.step(state, byte)
        if after is None:
            return ()
        length, state = length + 1, after
        if state.phase not in FREE_PHASES:
            break
    token = vocabulary.longest(rest[:length])
    return () if token is None else (token,)
