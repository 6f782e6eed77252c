"""Calls in flight while their source of manifests, or whoever knows old ones, does not answer."""

from __future__ import annotations

import pytest

from oyez.derivation import replay
from oyez.derivation.calls import Calls
from oyez.protocol.errors import Temporary
from oyez.protocol.transition import Execution
from oyez.protocol.types import BatchHeader, Cell, CellKind, Entry, Hash32
from tests.unit.protocol.actions import build_action, build_entry
from tests.unit.sequencer.build import ENGINE

NAMED = build_action(cell_kind=CellKind.NAMED)


def test_an_end_that_was_not_told_yet_counts_for_the_next_call_of_its_cell() -> None:
    """The first call is known, the second one's look-up fails, the third meets the first's cell.

    Rule: DERIVE-13
    """
    entries = [
        build_entry(NAMED, index, cell=cell, input=b"fine")
        for index, cell in enumerate((b"one", b"two", b"one"))
    ]
    known = replay.execute(entries[0], None, lambda _: NAMED, ENGINE)
    told: dict[Hash32, Cell | None] = {}
    faults = [Temporary("the node is down")]

    def find(entry: Entry, _cell: Cell | None, _header: BatchHeader | None) -> Execution | None:
        if entry.call_id == 1 and faults:
            raise faults.pop()
        return known if entry.call_id == 0 else None

    running = Calls(ENGINE, lambda _: NAMED, lambda key, _entry: told.get(key), find)
    running.add(entries[0])
    running.add(entries[1])
    with pytest.raises(Temporary):
        running.run()
    running.add(entries[2])
    done: list[Execution] = []
    while len(running):
        for ended in running.run():
            told[ended.execution.cell_key] = ended.execution.cell_after
            done.append(ended.execution)
    assert known.cell_after is not None
    done.sort(key=lambda execution: execution.entry.call_id)
    assert [each.cell_before for each in done] == [None, None, known.cell_after]


def test_calls_begin_in_the_inboxs_order_as_far_as_their_cells_are_free() -> None:
    """The second call, ready once the first has ended, is not put behind those of other cells.

    Rule: DERIVE-13
    """
    running = Calls(ENGINE, lambda _: NAMED, lambda *_: None, most_calls=1)
    for index, cell in enumerate((b"one", b"one", b"two", b"three", b"one")):
        running.add(build_entry(NAMED, index, cell=cell, input=b"fine"))
    ended = []
    while len(running):
        ended += [each.execution.entry.call_id for each in running.run()]
    assert ended == [0, 1, 2, 3, 4]
