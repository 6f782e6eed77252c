"""Why a call ended as it did: re-executes it and keeps what the model decided, and how narrowly.

Nothing posted is looked at; `oyez verify` compares. Scores are SAMPLE-1's, in units of 2**-32:
logit and bias, and noise where the action samples at a temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from oyez.derivation import calls, replay
from oyez.derivation.calls import FetchManifest
from oyez.engines import base
from oyez.engines.base import Answer, Best, Engine, Extend, Logits, Session
from oyez.protocol import cells, decoding, transition
from oyez.protocol.decoding import Decoded, StepKind
from oyez.protocol.errors import Invalid
from oyez.protocol.execution import Execution, Running
from oyez.protocol.machine import Machine, MachineState, Phase
from oyez.protocol.noise import Noise, build_noise, compute_gumbel, draw
from oyez.protocol.types import BatchHeader, CallId, Cell, Code, Entry, Hash32, Manifest, Value
from oyez.protocol.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that could have come next, or an option of a choice through its next token.

    Attributes:
        text: the option's text; of a free token its own.
        logit, bias, noise: Q16.
        score: units of 2**-32.
    """

    token: int
    text: str
    logit: int
    bias: int
    noise: int
    score: int


@dataclass(frozen=True, slots=True)
class Decision:
    """One output token.

    Attributes:
        position: its trace position.
        kind: how it came to be.
        allowed: how many tokens the model chose from; 0 where nothing was asked.
        candidates: best first; of a choice every option left, of a free token it and the runner-up.
    """

    position: int
    kind: StepKind
    token: int
    text: str
    allowed: int
    candidates: tuple[Candidate, ...]

    @property
    def margin(self) -> int | None:
        """By how much its score exceeds that of the best other token; None without another."""
        others = [c.score for c in self.candidates if c.token != self.token]
        own = [c.score for c in self.candidates if c.token == self.token]
        return max(own) - max(others) if own and others else None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A call, token by token.

    Attributes:
        attested: whether a registered enclave signed its batch, as the chain has it.
    """

    execution: Execution
    prompt: tuple[tuple[int, str], ...]
    decisions: tuple[Decision, ...]
    fields: tuple[tuple[str, Any, Any], ...]
    attested: bool = False

    def build_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        done = self.execution
        return {
            "call_id": done.entry.call_id,
            "outcome": done.outcome.name,
            "code": Code(done.code).name,
            "detail": done.detail,
            "attested": self.attested,
            "prompt": [{"token": token, "text": text} for token, text in self.prompt],
            "output": done.output.decode("utf-8", "backslashreplace"),
            "tokens": [_build_decision(decision) for decision in self.decisions],
            "fields": [
                {"name": name, "before": before, "after": after}
                for name, before, after in self.fields
            ],
        }


def _build_decision(decision: Decision) -> dict[str, Any]:
    return {
        "position": decision.position,
        "kind": decision.kind.name,
        "token": decision.token,
        "text": decision.text,
        "allowed": decision.allowed,
        "margin": decision.margin,
        "candidates": [
            {
                "token": c.token,
                "text": c.text,
                "logit": c.logit,
                "bias": c.bias,
                "noise": c.noise,
                "score": c.score,
            }
            for c in decision.candidates
        ],
    }


def explain_call(
    entries: Sequence[Entry],
    call_id: CallId,
    fetch_manifest: FetchManifest,
    engine: Engine,
    *,
    find_header: Callable[[CallId], BatchHeader | None] = lambda _: None,
    report: Callable[[Entry], None] = lambda _: None,
) -> Explanation:
    """Re-execute a call and all earlier ones of its cell; the arguments are those of `replay_cell`.

    Raises:
        Invalid: EXPLAIN-1 there is no such call.

    Rule: EXPLAIN-1
    """
    if not 0 <= call_id < len(entries):
        raise Invalid(
            "EXPLAIN-1", f"the inbox holds no call {call_id}: it holds {len(entries)} calls"
        )
    target = entries[call_id]
    manifest = fetch_manifest(target.manifest_hash)
    if transition.is_bound_to_batch(manifest) and find_header(call_id) is None:
        raise Invalid(
            "EXPLAIN-1", f"call {call_id} is sampled with its batch's seed: wait until it is closed"
        )
    key = calls.get_cell_key(target, manifest)
    cell: Cell | None = None
    for entry in entries[:call_id]:
        if entry.action_id != target.action_id:
            continue
        if calls.get_cell_key(entry, fetch_manifest(entry.manifest_hash)) != key:
            continue
        report(entry)
        header = find_header(entry.call_id)
        cell = replay.execute(entry, cell, fetch_manifest, engine, header).cell_after
    report(target)
    begun = calls.begin(target, cell, fetch_manifest, engine, find_header(call_id))
    previous = None if cell is None else fetch_manifest(cell.manifest_hash)
    before = cells.compute_values(manifest, cell, previous)

    def spell(token: int) -> str:
        data = engine.vocabulary.tokens[token]
        return f"<{token}>" if data is None else _show(data)

    if isinstance(begun, Execution):
        return _finish(begun, manifest, before, (), fetch_manifest, spell)
    recorder = _Recorder(begun, engine)
    decoded = recorder.run()
    done = begun.finish(recorder.session, decoded)
    decisions = _explain_tokens(begun, decoded, recorder, manifest, done.seed)
    return _finish(done, manifest, before, decisions, fetch_manifest, spell)


class _Recorder:
    """Runs a call on a session and remembers what decided each output token, by its number."""

    def __init__(self, call: Running, engine: Engine) -> None:
        """Open the call's context."""
        self.session: Session = engine.open(call.prefix)
        #: By the number of the output token: logits of the tokens weighed, how many were allowed.
        self.decided: dict[int, tuple[dict[int, int], int]] = {}
        self._call = call
        self._appended = len(call.prefix) - len(call.tokens)

    def run(self) -> Decoded:
        """Drive the call's steps; what the model is asked comes after all tokens so far."""
        steps = self._call.steps()
        found: Answer = None
        while True:
            try:
                request = steps.send(found)
            except StopIteration as end:
                decoded: Decoded = end.value
                return decoded
            found = base.answer(self.session, request)
            match request:
                case Extend(tokens):
                    self._appended += len(tokens)
                case Logits(tokens):
                    self._note(tokens, len(tokens))
                case Best(allowed, noise):
                    rest = [int(token) for token in allowed if token != found]
                    assert isinstance(found, int)
                    self._note([found, self.session.best(rest, noise)], len(allowed))

    def _note(self, tokens: Sequence[int], count: int) -> None:
        logits = dict(zip(tokens, self.session.logits(tokens), strict=True))
        self.decided[self._appended] = logits, count


def _explain_tokens(
    call: Running, decoded: Decoded, recorder: _Recorder, manifest: Manifest, seed: Hash32 | None
) -> tuple[Decision, ...]:
    vocabulary = call.vocabulary
    machine = Machine(manifest.fields, vocabulary.missing)
    made, state = [], machine.start()
    for index, step in enumerate(decoded.steps):
        logits, count = recorder.decided.get(index, ({}, 0))
        noise = None
        if seed is not None and logits:
            noise = build_noise(manifest.temperature, seed, len(call.tokens) + index)
        if state.phase is Phase.CHOICE and logits:
            names = _list_options(machine, state, vocabulary, set(logits))
        else:
            names = [(token, _show(vocabulary.bytes_of(token)), 0) for token in logits]
        candidates = [
            _weigh(token, text, logits[token], bias, noise) for token, text, bias in names
        ]
        candidates.sort(key=lambda c: (-c.score, c.token))
        made.append(
            Decision(
                position=len(call.tokens) + index + 1,
                kind=step.kind,
                token=step.token,
                text=_show(vocabulary.bytes_of(step.token)),
                allowed=count,
                candidates=tuple(candidates),
            )
        )
        state = step.state_after
    return tuple(made)


def _list_options(
    machine: Machine, state: MachineState, vocabulary: Vocabulary, asked: set[int]
) -> list[tuple[int, str, int]]:
    """Return the options left: next token, text, and the bias that its token's score gets."""
    texts, biases = machine.get_choices(state), machine.get_biases(state)
    begun = texts[state.value][: state.length]
    left = []
    for text, tokens, bias in zip(
        texts, decoding.get_canonical_tokens(machine, state, vocabulary), biases, strict=True
    ):
        at = 0
        for token in tokens:
            if at == state.length and text.startswith(begun) and token in asked:
                left.append((token, text.decode().rstrip('"'), bias))
            at += len(vocabulary.bytes_of(token))
    highest = {t: max(b for token, _, b in left if token == t) for t, _, _ in left}
    return [(token, text, highest[token]) for token, text, _ in left]


def _weigh(token: int, text: str, logit: int, bias: int, noise: Noise | None) -> Candidate:
    drawn = 0 if noise is None else compute_gumbel(draw(noise, token))
    temperature = 0 if noise is None else noise.temperature
    score = (logit + bias << 16) + drawn * temperature
    return Candidate(token, text, logit, bias, drawn, score)


def _finish(
    done: Execution,
    manifest: Manifest,
    before: Sequence[Value],
    decisions: tuple[Decision, ...],
    fetch_manifest: FetchManifest,
    spell: Callable[[int], str],
) -> Explanation:
    cell = done.cell_after
    previous = None if cell is None else fetch_manifest(cell.manifest_hash)
    after = cells.compute_values(manifest, cell, previous)
    return Explanation(
        execution=done,
        prompt=tuple((token, spell(token)) for token in done.prompt or ()),
        decisions=decisions,
        fields=tuple(
            (field.name.decode(), _show_value(old), _show_value(new))
            for field, old, new in zip(manifest.fields, before, after, strict=True)
        ),
    )


def _show(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _show_value(value: Value) -> Any:
    if isinstance(value, tuple):
        return [_show_value(item) for item in value]
    return _show(value) if isinstance(value, bytes) else value
