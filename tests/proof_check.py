"""A verifier of proof documents, written from the specification's text alone.

It shares no line with the project: JSON in, the root that it folds to out. `docs/spec/state.md`,
`schema.md` and `receipt.md` are all that was read for it.
"""

from __future__ import annotations

from typing import Any

from eth_utils.crypto import keccak

FIELD_KEYS = [
    *("batch", "state_root", "action_id", "cell", "field"),
    *("version", "manifest_hash", "field_siblings", "siblings"),
]
ABSENT_KEYS = [
    *("batch", "state_root", "action_id", "cell", "absent"),
    *("other_key", "other_manifest_hash", "other_fields_root", "other_version"),
    *("siblings", "arguments"),
]
STRING, ENUM, BOOLEAN, INTEGER, ARRAY = 1, 2, 3, 4, 5


def raw(text: str) -> bytes:
    assert text.startswith("0x") and text == text.lower()  # noqa: PT018  # one fact: 0x and hex
    return bytes.fromhex(text[2:])


def tagged(name: str, *words: int | bytes) -> bytes:
    parts = [w.to_bytes(32, "big") if isinstance(w, int) else w.rjust(32, b"\0") for w in words]
    return bytes(keccak(keccak(text=f"oyez.{name}.v1") + b"".join(parts)))


def node(left: bytes, right: bytes) -> bytes:
    return bytes(keccak(left + right))


def scalar_word(kind: int, value: Any) -> bytes:
    if kind in (STRING, ENUM):
        assert isinstance(value, str)
        return bytes(keccak(value.encode()))
    assert isinstance(value, bool if kind == BOOLEAN else int)
    return int(value).to_bytes(32, "big", signed=True)


def field_word(descriptor: bytes, value: Any) -> bytes:
    if descriptor[0] != ARRAY:
        return scalar_word(descriptor[0], value)
    assert len(value) <= int.from_bytes(descriptor[2:4], "big")
    return bytes(keccak(b"".join(scalar_word(descriptor[1], item) for item in value)))


def fold_key(key: bytes, leaf: bytes, siblings: list[str]) -> bytes:
    """Up the state tree: the last sibling is the root's child, told apart by the highest bit."""
    found = leaf
    bits = int.from_bytes(key, "big")
    for depth, sibling in zip(range(len(siblings), 0, -1), siblings, strict=True):
        goes_right = bits >> (256 - depth) & 1
        found = node(raw(sibling), found) if goes_right else node(found, raw(sibling))
    return found


def fold_field(document: dict[str, Any]) -> bytes:
    """Return the state root that a field's proof leads to."""
    field = document["field"]
    descriptor = raw(field["type"])
    found = tagged(
        "field",
        field["index"],
        bytes(keccak(field["name"].encode())),
        bytes(keccak(descriptor)),
        field_word(descriptor, field["value"]),
    )
    assert len(document["field_siblings"]) == 5
    for level, sibling in enumerate(map(raw, document["field_siblings"])):
        is_right = field["index"] >> level & 1
        found = node(sibling, found) if is_right else node(found, sibling)
    key = tagged("cell_key", raw(document["action_id"]), raw(document["cell"]))
    assert document["version"] >= 1
    leaf = tagged("cell", key, raw(document["manifest_hash"]), found, document["version"])
    return fold_key(key, leaf, document["siblings"])


def fold_absence(document: dict[str, Any]) -> bytes:
    """Return the state root that an absent cell's proof leads to; its path must be the cell's."""
    key = tagged("cell_key", raw(document["action_id"]), raw(document["cell"]))
    siblings = document["siblings"]
    leaf = bytes(32)
    if document["other_version"] != 0:
        other = raw(document["other_key"])
        shared = 256 - len(siblings)
        assert other != key
        assert int.from_bytes(other, "big") >> shared == int.from_bytes(key, "big") >> shared
        leaf = tagged(
            "cell",
            other,
            raw(document["other_manifest_hash"]),
            raw(document["other_fields_root"]),
            document["other_version"],
        )
    return fold_key(key, leaf, siblings)
