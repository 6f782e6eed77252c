"""Asks the model for one judgement, with the very code that runs a call, and keeps its logits.

A judgement is the one choice of a manifest: the only ENUM or BOOLEAN field that the model writes,
or the only array of them, whose first item then counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oyez.engines.base import Engine, Session
from oyez.protocol import decoding, execution, masks, prompt, schema
from oyez.protocol.errors import Invalid
from oyez.protocol.machine import Machine
from oyez.protocol.noise import Noise
from oyez.protocol.types import (
    ZERO_ADDRESS,
    ZERO_HASH,
    CallId,
    Code,
    Entry,
    EntryKind,
    Field,
    FieldType,
    Hash32,
    Manifest,
    Value,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model said of one input.

    Attributes:
        option: the option it chose, biases included; of an array the first item's, None without.
        logits: Q16 logit of each option's first canonical token, in the manifest's order; none if
            an array ended before the first item was chosen.
    """

    option: str | None
    logits: tuple[int, ...]


def get_options(field: Field) -> tuple[str, ...]:
    """Return a choice's options as texts, in the order of its biases."""
    if field.base is FieldType.BOOLEAN:
        return ("false", "true")
    return tuple(option.decode() for option in field.options)


def find_choice(manifest: Manifest) -> int:
    """Return the index of the manifest's one choice, which may be an array's.

    Rule: AUTHOR-15

    Raises:
        Invalid: AUTHOR-15 if the model writes no choice, several, or one with a single option.
    """
    kinds = (FieldType.ENUM, FieldType.BOOLEAN)
    choices = [index for index in manifest.written if manifest.fields[index].base in kinds]
    names = ", ".join(manifest.fields[index].name.decode() for index in choices) or "none"
    if len(choices) != 1:
        raise Invalid(
            "AUTHOR-15",
            f"calibrate and analyze need exactly one enum or boolean in 'writes', found: {names}; "
            "split the action, or remove the others for the analysis",
        )
    if len(get_options(manifest.fields[choices[0]])) < 2:
        raise Invalid("AUTHOR-15", f"{names!r} has one option: there is nothing to choose")
    return choices[0]


class Judge:
    """A model with one manifest's prompt; the state is always the initial one."""

    def __init__(
        self,
        manifest: Manifest,
        engine: Engine,
        allowed: decoding.Allowed = masks.allowed_tokens,
    ) -> None:
        """Find the choice.

        Raises:
            Invalid: AUTHOR-15 if there is not exactly one.
        """
        self.index = find_choice(manifest)
        self.field = manifest.fields[self.index]
        self._manifest = manifest
        self._engine = engine
        self._allowed = allowed
        self._machine = Machine(manifest.fields, engine.vocabulary.missing)

    def judge(self, text: str) -> Judgement:
        """Return the judgement on one input, at temperature 0.

        Raises:
            Invalid: AUTHOR-16 if the call would be rejected before the choice is made.
        """
        manifest, vocabulary = self._manifest, self._engine.vocabulary
        entry = self._build_entry(text)
        tokens = prompt.build_prompt(
            manifest, entry, schema.initial_values(manifest.fields), vocabulary
        )
        if len(tokens) + manifest.output_tokens > self._engine.shape.context:
            raise Invalid(
                "AUTHOR-16", f"{text[:40]!r} and its answer exceed the model's context: shorten it"
            )
        session = _ChoiceRecorder(self._engine.open(manifest.prefix))
        if tokens[len(manifest.prefix) :]:
            session.extend(tokens[len(manifest.prefix) :])
        decoded = decoding.decode(
            self._machine, vocabulary, session, manifest.output_tokens, self._allowed
        )
        if decoded.code is not Code.NONE:
            raise Invalid(
                "AUTHOR-16",
                f"the answer to {text[:40]!r} takes more than {manifest.output_tokens} tokens: "
                "raise 'output_tokens'",
            )
        value = schema.parse_output(manifest.fields, decoded.output)[self.index]
        if value == () and not session.logits_of:
            return Judgement(None, ())
        return Judgement(_get_option(value), self._get_logits(session))

    def _build_entry(self, text: str) -> Entry:
        """Return the call that brings this input.

        Rule: AUTHOR-16
        """
        data = text.encode()
        if len(data) > self._manifest.max_input:
            raise Invalid(
                "AUTHOR-16",
                f"{text[:40]!r} has {len(data)} bytes, the action takes "
                f"{self._manifest.max_input}: shorten it",
            )
        bad = execution.check_input(data, self._engine.vocabulary.missing)
        if bad is not None:
            raise Invalid(
                "AUTHOR-16",
                f"{text[:40]!r} holds a line break, a control character or a character without "
                f"tokens at byte {bad}: remove it",
            )
        return Entry(
            kind=EntryKind.CALL,
            call_id=CallId(0),
            timestamp=0,
            caller=ZERO_ADDRESS,
            value=0,
            fee=0,
            action_id=ZERO_HASH,
            manifest_hash=self._manifest.hash,
            cell=b"",
            input=data,
        )

    def _get_logits(self, session: _ChoiceRecorder) -> tuple[int, ...]:
        """Return each option's logit at the first step of the choice."""
        greedy = self._engine.vocabulary.greedy
        closing = b'"' if self.field.base is FieldType.ENUM else b""
        first = [greedy(option.encode() + closing)[0] for option in get_options(self.field)]
        missing = [token for token in first if token not in session.logits_of]
        if missing:
            raise Invalid(
                "AUTHOR-15",
                "all options begin with the same token: choose words that begin apart",
            )
        return tuple(session.logits_of[token] for token in first)


def _get_option(value: Value) -> str | None:
    """Return a choice's option as a text, of an array its first item's."""
    if isinstance(value, tuple):
        return _get_option(value[0]) if value else None
    return value.decode() if isinstance(value, bytes) else str(value).lower()


class _ChoiceRecorder:
    """A session that remembers the logits of the first choice made in it.

    A decoder asks for logits at a choice only, and a `Judge`'s manifest has one choice.
    """

    def __init__(self, session: Session) -> None:
        """Wrap an engine's session."""
        self._session = session
        self.logits_of: dict[int, int] = {}

    def extend(self, tokens: Sequence[int]) -> None:
        """Append tokens to the context."""
        self._session.extend(tokens)

    def best(self, allowed: Sequence[int], noise: Noise | None = None) -> int:
        """Return the best of the allowed tokens."""
        return self._session.best(allowed, noise)

    def logits(self, tokens: Sequence[int]) -> list[int]:
        """Return logits, and keep the first ones asked for."""
        logits = self._session.logits(tokens)
        if not self.logits_of:
            self.logits_of = dict(zip(tokens, (int(logit) for logit in logits), strict=True))
        return logits

    def layer_roots(self, index: int) -> Sequence[Hash32]:
        """Return the roots of a token's layer records."""
        return self._session.layer_roots(index)

    def position_root(self, index: int, sampler: Hash32) -> Hash32:
        """Return the trace root of a token's position."""
        return self._session.position_root(index, sampler)
