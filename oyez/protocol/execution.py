"""One call: what it does to its cell, and the trace roots of the positions it ran.

Every valid entry ends in exactly one outcome, and nothing in it, whatever its bytes, raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oyez.engines import base
from oyez.engines.base import Engine, Session, Steps
from oyez.protocol import cells, decoding, masks, prompt, trace, trace_records
from oyez.protocol.decoding import Allowed, Decoded
from oyez.protocol.errors import Invalid
from oyez.protocol.machine import Machine
from oyez.protocol.noise import Sampling
from oyez.protocol.types import (
    Cell,
    Code,
    Entry,
    EntryKind,
    Hash32,
    Manifest,
    Outcome,
    Value,
)
from oyez.protocol.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Execution:
    """What one call did: all that a batch's roots need of it besides the state before.

    Attributes:
        prompt: None if the input was refused before a prompt was made.
        tokens: the output's, forced and last ones included.
        output: the bytes so far when tokens ran out; empty when the model never ran.
        cell_before: the cell as stored; None when absent.
        cell_after: the cell after the call: the same one when the call was rejected.
        first_sampler: sampler record of position 0; PAD unless the prompt is empty.
        position_roots: trace roots of positions 1 on, one for each token that ran.
        seed: of the noise; None at temperature 0, where nothing here depends on one.
    """

    entry: Entry
    manifest_hash: Hash32
    outcome: Outcome
    code: Code
    detail: int
    prompt: tuple[int, ...] | None
    tokens: tuple[int, ...]
    output: bytes
    cell_key: Hash32
    cell_before: Cell | None
    cell_after: Cell | None
    first_sampler: Hash32
    position_roots: tuple[Hash32, ...]
    seed: Hash32 | None

    @property
    def positions(self) -> int:
        """Prompt and output tokens that ran; 0 if the model never did."""
        return len(self.position_roots)


def check_input(data: bytes, missing: bytes) -> int | None:
    """Return the lowest offset of what BAD_INPUT forbids in an input, or None if it is good.

    Forbidden: 00 to 1f (newline too), 7f, bytes the model has no token for, and sequences that
    are not strict RFC 3629 UTF-8, which count from their first byte. Quotes and backslashes are
    allowed: an input is text, not JSON.

    Rule: TRANSITION-5
    """
    offsets = []
    try:
        data.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        offsets.append(error.start)
    for offset, byte in enumerate(data):
        if byte < 0x20 or byte == 0x7F or byte in missing:
            offsets.append(offset)
            break
    return min(offsets, default=None)


def execute_call(
    *,
    entry: Entry,
    manifest: Manifest,
    cell: Cell | None,
    engine: Engine,
    allowed: Allowed = masks.allowed_tokens,
    previous: Manifest | None = None,
    seed: Hash32 | None = None,
) -> Execution:
    """Run one call on its cell, alone; the arguments are those of `begin_call`."""
    call = begin_call(
        entry=entry,
        manifest=manifest,
        cell=cell,
        engine=engine,
        allowed=allowed,
        previous=previous,
        seed=seed,
    )
    return call if isinstance(call, Execution) else call.run(engine)


def begin_call(
    *,
    entry: Entry,
    manifest: Manifest,
    cell: Cell | None,
    engine: Engine,
    allowed: Allowed = masks.allowed_tokens,
    previous: Manifest | None = None,
    seed: Hash32 | None = None,
) -> Execution | Running:
    """Begin a call on its cell: its end if the model need not run, else what the model is to do.

    The first code that applies, in order of the codes, ends it. Of the batch only the seed is
    needed: at temperature 0 a call may run before its batch closes.

    Args:
        entry: a call, as the inbox has it.
        manifest: the one the entry names.
        cell: as stored; None when absent.
        engine: the model the manifest names.
        allowed: the mask; an engine may bring a faster one, equal to the reference.
        previous: the manifest the cell was stored under, if that is another one.
        seed: the call's (TRANSITION-10); at temperature 0 it is not looked at.

    Raises:
        ValueError: the arguments do not belong together; never for what a caller wrote.

    Rule: TRANSITION-6
    """
    if entry.kind is not EntryKind.CALL or entry.manifest_hash != manifest.hash:
        raise ValueError(f"entry {entry.call_id} is no call of this manifest")
    if manifest.temperature and seed is None:
        raise ValueError(f"call {entry.call_id} is sampled, and has no seed")
    call = _Call(entry, manifest, cell, seed if manifest.temperature else None)
    values = cells.compute_values(manifest, cell, previous)
    bad = check_input(entry.input, engine.vocabulary.missing)
    if bad is not None:
        return call.refuse(Code.BAD_INPUT, bad, None)
    tokens = _build_prompt(manifest, entry, values, engine)
    if tokens is None:
        return call.refuse(Code.BAD_INPUT, len(entry.input), None)
    if len(tokens) + manifest.output_tokens > engine.shape.context:
        return call.refuse(Code.CONTEXT_OVERFLOW, 0, tokens)
    return Running(call, tokens, values, engine.vocabulary, allowed)


def _build_prompt(
    manifest: Manifest, entry: Entry, values: Sequence[Value], engine: Engine
) -> tuple[int, ...] | None:
    """Return the prompt, or None if the state holds a byte this model has no token for.

    That takes an upgrade to another model over a kept string; the call ends BAD_INPUT with the
    offset after the input's last byte.

    Rule: TRANSITION-7
    """
    try:
        return prompt.build_prompt(manifest, entry, values, engine.vocabulary)
    except Invalid:
        return None


@dataclass(frozen=True, slots=True)
class _Call:
    """What is known of a call before it runs."""

    entry: Entry
    manifest: Manifest
    cell: Cell | None
    seed: Hash32 | None

    def refuse(self, code: Code, detail: int, tokens: tuple[int, ...] | None) -> Execution:
        """Return the end of a call whose model never ran: no output, no position."""
        return Execution(
            entry=self.entry,
            manifest_hash=self.manifest.hash,
            outcome=Outcome.REJECTED,
            code=code,
            detail=detail,
            prompt=tokens,
            tokens=(),
            output=b"",
            cell_key=cells.compute_key(self.entry, self.manifest),
            cell_before=self.cell,
            cell_after=self.cell,
            first_sampler=trace.record_tree().empty[0],
            position_roots=(),
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class Running:
    """A call whose model has to run: on a context that begins with `prefix`, through `steps`.

    Attributes:
        tokens: the whole prompt, the manifest's constant prefix included.
        values: those that the call met.
    """

    call: _Call
    tokens: tuple[int, ...]
    values: tuple[Value, ...]
    vocabulary: Vocabulary
    allowed: Allowed

    @property
    def prefix(self) -> tuple[int, ...]:
        """The prompt's tokens that every call of the manifest begins with."""
        return self.call.manifest.prefix

    @property
    def most_positions(self) -> int:
        """Positions that the call may come to take of the model's context."""
        return len(self.tokens) + self.call.manifest.output_tokens

    def steps(self) -> Steps[Decoded]:
        """Append the rest of the prompt and decode; the context holds the prefix alone."""
        manifest = self.call.manifest
        rest = self.tokens[len(self.prefix) :]
        if rest:
            yield from base.extend(rest)
        machine = Machine(manifest.fields, self.vocabulary.missing)
        sampling = None
        if self.call.seed is not None:
            sampling = Sampling(manifest.temperature, self.call.seed, len(self.tokens))
        return (
            yield from decoding.decode_steps(
                machine, self.vocabulary, manifest.output_tokens, self.allowed, sampling
            )
        )

    def run(self, engine: Engine) -> Execution:
        """Run the call, alone."""
        session = engine.open(self.prefix)
        return self.finish(session, base.drive(self.steps(), session))

    def finish(self, session: Session, decoded: Decoded) -> Execution:
        """Return the call's end from what its steps came to on a session."""
        call = self.call
        after, code, detail = call.cell, decoded.code, decoded.detail
        if code is Code.NONE:
            after, code, detail = cells.apply_output(
                manifest=call.manifest,
                entry=call.entry,
                cell=call.cell,
                values=self.values,
                output=decoded.output,
            )
        first_sampler, position_roots = compute_position_roots(session, len(self.tokens), decoded)
        return Execution(
            entry=call.entry,
            manifest_hash=call.manifest.hash,
            outcome=Outcome.ACCEPTED if code is Code.NONE else Outcome.REJECTED,
            code=code,
            detail=detail,
            prompt=self.tokens,
            tokens=decoded.tokens,
            output=decoded.output,
            cell_key=cells.compute_key(call.entry, call.manifest),
            cell_before=call.cell,
            cell_after=after,
            first_sampler=first_sampler,
            position_roots=position_roots,
            seed=call.seed,
        )


def compute_position_roots(
    session: Session, prompt_length: int, decoded: Decoded
) -> tuple[Hash32, tuple[Hash32, ...]]:
    """Return the sampler record of position 0, and the roots of positions 1 on.

    The sampler that chose output token j stands in the position before that token: position
    prompt_length + j. An empty prompt's first one thus stands in position 0.

    Rule: TRANSITION-8
    """
    first, samplers = _list_samplers(prompt_length, decoded)
    return first, tuple(
        session.position_root(index, sampler) for index, sampler in enumerate(samplers)
    )


def list_position_records(
    session: Session, prompt_length: int, decoded: Decoded
) -> tuple[Hash32, list[tuple[Sequence[Hash32], Hash32]]]:
    """Return the sampler record of position 0, and the layers and sampler of positions 1 on."""
    first, samplers = _list_samplers(prompt_length, decoded)
    return first, [(session.layer_roots(index), sampler) for index, sampler in enumerate(samplers)]


def _list_samplers(prompt_length: int, decoded: Decoded) -> tuple[Hash32, list[Hash32]]:
    """Return the sampler record of position 0, and those of positions 1 on."""
    samplers = trace_records.build_samplers(decoded.steps)
    if prompt_length:
        before = [trace_records.compute_prompt_sampler()] * (prompt_length - 1)
        return trace.record_tree().empty[0], before + samplers
    return samplers[0], samplers[1:]
