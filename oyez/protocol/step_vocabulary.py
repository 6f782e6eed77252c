"""Steps of a sampler that cut text into tokens: a forced run, the options of a choice.

One greedy step is checked with two neighbours of the sorted vocabulary (MODEL-15): the text is at
or after the one and before the other, so the longest token that it begins with is listed there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from oyez.protocol.errors import Invalid
from oyez.protocol.inner import OPTION_LANES
from oyez.protocol.machine import MachineState, Phase
from oyez.protocol.machine_words import unpack_word
from oyez.protocol.step import Lanes, Op, Step
from oyez.protocol.step_machine import Mode, open_manifest
from oyez.protocol.trace import INT32_LANES

#: Tensor of the sorted vocabulary, MODEL-10.
VOCABULARY = 1
#: An option that is not left has no next token.
NOT_LEFT = -1
#: Words of `context`.
_STATE, _MAGNITUDE, _MANIFEST = 0, 1, 2


def read_mode(step: Step) -> Mode | None:
    """Read the position's mode; None of a dead leaf, or of a number that is none."""
    lanes = step.read("mode")
    return Mode(lanes[0]) if lanes is not None and lanes[0] in range(len(Mode)) else None


class Match(NamedTuple):
    """The longest token that some bytes begin with: its length in bytes, and the lowest id."""

    length: int
    token: int


def find_match(step: Step, rest: bytes) -> Match | None:
    """Return the longest token that `rest` begins with; None if there is none.

    The record that the source names must be the last that is not after `rest`: just one is, so
    whoever proves the step has no choice. Before the first record there is no token.

    Raises:
        Invalid: INNER-56 the named record is another one.

    Rule: INNER-56, MODEL-15
    """
    found = step.reads.find_vocabulary(rest)
    last = step.model.records - 1
    if not -1 <= found <= last:
        raise Invalid("INNER-56", f"record {found} of {last + 1}: name the last one not after")
    here = _parse_record(step.reads.read_row(VOCABULARY, max(found, 0)))
    if found < 0:
        if here.data <= rest:
            raise Invalid("INNER-56", f"record 0 is not after {rest!r}: name the last such one")
        return None
    after = None if found == last else _parse_record(step.reads.read_row(VOCABULARY, found + 1))
    if here.data > rest or (after is not None and after.data <= rest):
        raise Invalid("INNER-56", f"record {found} is not the last at or before {rest!r}")
    matches = [match for match in here.prefixes if rest.startswith(here.data[: match.length])]
    return matches[-1] if matches else None


@dataclass(frozen=True, slots=True)
class _Record:
    """A record of the sorted vocabulary: bytes, and the tokens they begin with, shortest first."""

    data: bytes
    prefixes: tuple[Match, ...]


def _parse_record(row: bytes) -> _Record:
    """Cut a row: length (2), bytes, count (2), count x (length (2), id (4))."""
    end = 2 + int.from_bytes(row[:2], "big")
    count = int.from_bytes(row[end : end + 2], "big")
    prefixes = []
    for at in range(end + 2, end + 2 + 6 * count, 6):
        length, token = row[at : at + 2], row[at + 2 : at + 6]
        prefixes.append(Match(int.from_bytes(length, "big"), int.from_bytes(token, "big")))
    return _Record(row[2:end], tuple(prefixes))


def _answer(step: Step, text: bytes, start: int) -> int:
    """Return id (even lanes) or end (odd ones) of the token that begins at `start`."""
    if not 0 <= start < len(text):
        return step.filler
    match = find_match(step, text[start:])
    if match is None:
        return step.filler
    return start + match.length if step.lane & 1 else match.token


def compute_run_token(step: Step) -> int:
    """Return a greedy token of the forced run, or where it ends.

    Rule: INNER-57
    """
    if step.leaf == 0 and step.lane == 0 and read_mode(step) is not Mode.RUN:
        return step.filler
    if step.lane >= 2:
        start = step.own[(step.lane & ~1) - 1]
    elif step.leaf == 0:
        start = 0
    else:
        previous = step.read("run_tokens", step.leaf - 1)
        start = -1 if previous is None else previous[INT32_LANES - 1]
        if start < 0:
            return step.filler
    text = step.read("run_text")
    return step.filler if text is None else _answer(step, _cut_text(text, start), start)


def _cut_text(text: Lanes, start: int) -> bytes:
    """Return the bytes up to the first 0 at or after `start`, at most the chunk's 1,024."""
    data = bytes(text[lane] for lane in range(1_024))
    if not 0 <= start < len(data):
        return b""
    end = data.find(0, start)
    return data if end < 0 else data[:end]


def compute_option_token(step: Step) -> int:
    """Return a greedy token of an option's text, or where it ends.

    Rule: INNER-58
    """
    if step.lane == 0 and read_mode(step) is not Mode.CHOICE:
        return step.filler
    context = step.read("context")
    if context is None:
        return step.filler
    options = read_options(step, context)
    within = step.lane % OPTION_LANES
    option = step.leaf * (INT32_LANES // OPTION_LANES) + step.lane // OPTION_LANES
    if option >= len(options.texts):
        return step.filler
    start = step.own[(step.lane & ~1) - 1] if within >= 2 else 0
    return _answer(step, options.texts[option], start)


def compute_candidate(step: Step) -> int:
    """Return the next token of an option, or its bias (odd lanes).

    An option is left if it begins with the bytes so far and one of its tokens begins after them:
    then its tokens up to there are those that were chosen, since each is the longest match.

    Rule: INNER-59, DECODE-9
    """
    if step.lane == 0 and read_mode(step) is not Mode.CHOICE:
        return step.filler
    context = step.read("context")
    if context is None:
        return step.filler
    options = read_options(step, context)
    option, is_bias = divmod(step.lane, 2)
    if option >= len(options.texts):
        return step.filler
    if is_bias:
        return options.biases[option]
    lanes = step.read("options", option * OPTION_LANES // INT32_LANES)
    if lanes is None:
        return step.filler
    length, value = unpack_word(context[_STATE]).length, context[_MAGNITUDE]
    if not 0 <= value < len(options.texts):
        return NOT_LEFT
    if not options.texts[option].startswith(options.texts[value][:length]):
        return NOT_LEFT
    base = option * OPTION_LANES % INT32_LANES
    ends = [0, *(lanes[base + at] for at in range(1, OPTION_LANES - 1, 2))]
    if length not in ends:
        return NOT_LEFT
    return max(lanes[base + 2 * ends.index(length)], NOT_LEFT)


@dataclass(frozen=True, slots=True)
class Options:
    """The texts of a choice and their biases; none where a state has no choice."""

    texts: tuple[bytes, ...]
    biases: tuple[int, ...]


def read_options(step: Step, context: Lanes) -> Options:
    """Return the options of the field that a context's state stands in, whatever its phase.

    Rule: INNER-55
    """
    published = open_manifest(step, context[_MANIFEST])
    state = unpack_word(context[_STATE])
    if published is None or state.field >= len(published.written):
        return Options((), ())
    at = MachineState(Phase.CHOICE, state.field, items=state.items)
    machine = published.machine
    return Options(machine.get_choices(at), machine.get_biases(at))


OPS: Mapping[int, Op] = {
    37: compute_run_token,
    38: compute_option_token,
    39: compute_candidate,
}
