"""Records as files: owned by one process, read by others, never half written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oyez.chain.delivery import Signed
from oyez.chain.record_files import FileRecords
from oyez.chain.records import Record
from oyez.protocol.errors import Fatal
from oyez.protocol.types import Address, CallId, Hash32

WISH = Hash32(b"\x05" * 32)
SIGNED = Signed(3, b"raw", Hash32(b"\x0a" * 32), (Hash32(b"\x0b" * 32),))
RECORD = Record("0a" * 32, "call", WISH, Address(b"\x0c" * 20), SIGNED)


def test_what_was_put_is_read_again(tmp_path: Path) -> None:
    """Rule: SDK-15."""
    first = FileRecords(tmp_path / "folder")
    full = replace(RECORD, block=7, call_ids=(CallId(1), CallId(0)), ended=True, displaced=True)
    for record in (RECORD, full):
        first.put(record)
        assert FileRecords(tmp_path / "folder").list_records() == [record]
    first.drop(RECORD.name)
    assert list((tmp_path / "folder").iterdir()) == []
    first.close()


def test_a_living_process_keeps_its_record_and_a_dead_one_leaves_it(tmp_path: Path) -> None:
    """Rule: SDK-15."""
    living = FileRecords(tmp_path)
    living.put(RECORD)
    # rewritten, it is locked without a gap
    living.put(replace(RECORD, block=1))
    other = FileRecords(tmp_path)
    assert other.take(WISH) is None
    assert other.take(Hash32(bytes(32))) is None
    living.close()
    taken = other.take(WISH)
    assert taken == replace(RECORD, block=1)
    assert FileRecords(tmp_path).take(WISH) is None
    other.end(RECORD.name)
    assert FileRecords(tmp_path).take(WISH) is None
    other.close()


def test_whoever_read_it_earlier_does_not_undo_its_end(tmp_path: Path) -> None:
    """Rule: SDK-15."""
    owner = FileRecords(tmp_path)
    owner.put(RECORD)
    reader = FileRecords(tmp_path)
    reader.note(replace(RECORD, call_ids=(CallId(4),)))
    # the owner lives: what others learn is not theirs to write
    assert FileRecords(tmp_path).get(RECORD.name) == RECORD
    owner.end(RECORD.name)
    reader.note(replace(RECORD, call_ids=(CallId(4),)))
    assert FileRecords(tmp_path).get(RECORD.name) == replace(
        RECORD, call_ids=(CallId(4),), ended=True
    )
    owner.drop(RECORD.name)
    reader.note(RECORD)
    assert list(tmp_path.iterdir()) == []


def test_a_draft_left_by_a_crash_is_no_record(tmp_path: Path) -> None:
    (tmp_path / f"{RECORD.name}.17.new").write_text('{"intent"')
    assert FileRecords(tmp_path).list_records() == []


@given(text=st.text(max_size=40), bytes_=st.binary(max_size=40))
def test_reading_any_bytes_ends_in_a_record_or_in_fatal(
    tmp_path_factory: pytest.TempPathFactory, text: str, bytes_: bytes
) -> None:
    folder = tmp_path_factory.mktemp("records")
    for data in (text.encode("utf-8", "surrogatepass"), bytes_):
        (folder / "x.json").write_bytes(data)
        with pytest.raises(Fatal, match="is damaged"):
            FileRecords(folder)
