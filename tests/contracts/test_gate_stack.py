"""Every code at every depth of the stack: the gate knows what each takes and gives."""

from __future__ import annotations

import pytest

from tests.contracts.harness import gate_check
from tests.contracts.manifests import GUARD, Draft, boolean

TAKES = dict.fromkeys(range(1, 7), 0) | {8: 1, 9: 1} | dict.fromkeys(range(16, 30), 2) | {30: 3}
CONST, ADD = (1, 0), (16, 0)


def draft(ops: list[tuple[int, int]]) -> bytes:
    rows = (boolean(b"b"),)
    return Draft(rows, ((2, 0),), constants=(1,), expressions=((GUARD, tuple(ops)),)).encode()


def expected(code: int, depth: int) -> str | None:
    if code not in TAKES:
        return "gate: unknown opcode"
    if depth < TAKES[code]:
        return "gate: stack underflow"
    return "gate: stack above 16" if depth - TAKES[code] + 1 > 16 else None


@pytest.mark.parametrize("code", [*range(35), 63, 64, 127, 128, 254, 255])
def test_each_code_takes_what_it_takes_at_every_depth(code: int) -> None:
    for depth in range(17):
        after = depth - TAKES.get(code, 0) + 1
        ops = [CONST] * depth + [(code, 0)] + [ADD] * (after - 1)
        assert gate_check(draft(ops)) == expected(code, depth), depth


@pytest.mark.parametrize("length", [1, 15, 16, 17, 31, 32, 33, 48, 63, 64])
def test_a_run_of_any_length_is_read_to_its_last_op(length: int) -> None:
    """Sixteen ops are loaded at a time; the last is the one that decides."""
    good = [CONST] + [(9, 0)] * (length - 1)
    assert gate_check(draft(good)) is None
    assert gate_check(draft([*good[:-1], (7, 0)])) == "gate: unknown opcode"
    assert gate_check(draft([*good, CONST])) is not None
