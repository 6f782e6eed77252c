"""Writes cases for `driver.c`, runs it and compares every number that it answers."""

from __future__ import annotations

import struct
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oyez.engines.exact import tables
from oyez.engines.exact.blocks import Matrix
from oyez.engines.exact.library import PATHS, PORTABLE
from oyez.engines.exact.weights import Model, Norm

Array = NDArray[Any]

EVERY_PATH = (1 << len(PATHS)) - 1
PORTABLE_ALONE = 1 << PORTABLE
#: Numbers that every op takes, used or not.
OP_NUMBERS = 6


class Answers:
    """What the driver wrote, read from the front."""

    def __init__(self, data: bytes) -> None:
        """Start at the first byte."""
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        part = self._data[self._at : self._at + size]
        assert len(part) == size, "the driver's answers end too early"
        self._at += size
        return part

    def number(self) -> int:
        """Return the next int64."""
        return int.from_bytes(self.take(8), "little", signed=True)

    def paths(self) -> Iterator[int]:
        """Yield the paths that answered a case; the caller reads each one's answer."""
        while (path := self.number()) >= 0:
            yield path

    @property
    def ended(self) -> bool:
        """Everything was read."""
        return self._at == len(self._data)


class Case(Protocol):
    """One case."""

    def encode(self) -> bytes:
        """Return what the driver reads."""
        ...

    def compare(self, path: int, answers: Answers) -> int:
        """Read one path's answer; return how many numbers were equal.

        Raises:
            AssertionError: one differs.
        """
        ...


@dataclass(frozen=True, slots=True)
class OpCase:
    """One op on arrays.

    Attributes:
        numbers: at most six.
        arrays: inputs, and outputs as they are before.
        result: what the op returns, None if nothing.
        outputs: number of an array => what it is afterwards; the others do not change.
    """

    label: str
    op: int
    numbers: tuple[int, ...]
    arrays: tuple[Array, ...]
    outputs: dict[int, Array]
    result: int | None = None
    head_size: int = 0
    mask: int = EVERY_PATH

    def encode(self) -> bytes:
        """Return what the driver reads."""
        numbers = [*self.numbers, *[0] * (OP_NUMBERS - len(self.numbers))]
        head = _words(1, self.mask, self.op, self.head_size, *numbers, len(self.arrays))
        return head + b"".join(_words(part.nbytes) + part.tobytes() for part in self.arrays)

    def compare(self, path: int, answers: Answers) -> int:
        """Compare the result and all arrays."""
        low, high = answers.number(), answers.number()
        result, count = (high << 64) + (low & (1 << 64) - 1), 1  # two halves of an int128
        where = f"{PATHS[path]}: {self.label}"
        if self.result is not None:
            assert result == self.result, f"{where}: {result}, not {self.result}"
        for number, before in enumerate(self.arrays):
            actual = np.frombuffer(answers.take(before.nbytes), before.dtype)
            expected = self.outputs.get(number, before).reshape(-1)
            _require_equal(actual, expected, f"{where}, array {number}")
            count += len(expected)
        return count


@dataclass(frozen=True, slots=True)
class ModelCase:
    """A whole model and what runs through it.

    Attributes:
        steps: what runs together: (session, tokens) of each part.
        expected: for each step residuals, lanes, logits of each token, and the last token's for
            the first, the middle and the last token.
    """

    label: str
    model: Model
    threads: int
    steps: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]
    expected: tuple[tuple[Array, ...], ...]
    mask: int = EVERY_PATH

    def encode(self) -> bytes:
        """Return what the driver reads."""
        model = self.model
        parts = [
            _words(2, self.mask, self.threads, len(model.layers), model.width, model.feed_forward),
            _words(model.heads, model.kv_heads, model.head_size, model.context),
            _words(model.epsilon, model.score_scale, *tables.EXP_COEFFICIENTS),
            model.cosines.tobytes(),
            model.sines.tobytes(),
        ]
        for layer in model.layers:
            parts.append(_words(layer.q_format, layer.k_format, layer.v_format))
            parts += [_encode_norm(layer.attn_norm), _encode_norm(layer.ffn_norm)]
            parts += [_encode_matrix(matrix) for matrix in layer.matrices]
        parts += [_encode_norm(model.output_norm), _encode_matrix(model.embedding)]
        parts += [_encode_matrix(model.head), _words(len(self.steps))]
        for step in self.steps:
            parts.append(_words(len(step)))
            for session, tokens in step:
                parts += [_words(session, len(tokens)), np.array(tokens, "<i4").tobytes()]
        return b"".join(parts)

    def compare(self, path: int, answers: Answers) -> int:
        """Compare what every step gave."""
        count = 0
        for step, arrays in enumerate(self.expected):
            for name, expected in zip(("x", "k v", "logits", "some"), arrays, strict=True):
                actual = np.frombuffer(answers.take(expected.nbytes), expected.dtype)
                where = f"{PATHS[path]}: {self.label}, step {step}, {name}"
                _require_equal(actual, expected.reshape(-1), where)
                count += expected.size
        return count


def run_cases(command: Sequence[str], cases: Sequence[Case]) -> Counter[str]:
    """Run cases through a driver; return how many cases and numbers each path had right.

    Raises:
        AssertionError: a number differs, or the driver failed or complained.
    """
    done = subprocess.run(
        command,
        input=b"".join(case.encode() for case in cases),
        capture_output=True,
        check=False,
    )
    words = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"the driver ended with {done.returncode}:\n{words[:8000]}"
    assert not words, f"the driver complained:\n{words[:8000]}"
    answers, counts = Answers(done.stdout), Counter[str]()
    for case in cases:
        for path in answers.paths():
            counts[f"{PATHS[path]}: numbers"] += case.compare(path, answers)
            counts[f"{PATHS[path]}: cases"] += 1
    assert answers.ended, "the driver answered more than it was asked"
    return counts


def _require_equal(actual: Array, expected: Array, where: str) -> None:
    same = actual == expected
    if not same.all():
        at = int(np.argmin(same))
        raise AssertionError(
            f"{where}: {actual[at]} at {at}, not {expected[at]}; {int((~same).sum())} of "
            f"{len(expected)} differ"
        )


def _words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def _encode_norm(norm: Norm) -> bytes:
    return _words(norm.exponent) + norm.weights.astype("<i4").tobytes()


def _encode_matrix(matrix: Matrix) -> bytes:
    data = np.ascontiguousarray(matrix.data)
    return _words(matrix.type, matrix.rows, matrix.columns, data.shape[1]) + data.tobytes()
